//! What to write instead of what a job said, and where results can be left.

use crate::ci::{files, inputs};
use crate::diagnostic::Explain;

impl Explain for inputs::Error {
    fn code(&self) -> &'static str {
        "usage"
    }

    fn help(&self) -> String {
        match self {
            Self::Boolean { .. } => "write `true` or `false`".to_owned(),
            Self::Configuration => {
                "hand it over as the agent sets it: `docker run -e BUILDKITE_PLUGIN_CONFIGURATION …`".to_owned()
            }
            Self::Lines { .. } => "give one value; several references or keys are written one a line".to_owned(),
            Self::Misspelt { nearest, .. } => format!("write `{nearest}`, or in a variable {}; or rename yours", nearest.to_uppercase().replace('-', "_")),
            Self::Odd { .. } => "inputs are in capitals, as the runner sets them; take this one out of the environment".to_owned(),
            Self::Spelt { name } => format!("write `{name}`"),
            Self::Nested { .. } => "write a text, or a list of texts".to_owned(),
            Self::NotText { .. } => "write it in UTF-8".to_owned(),
            Self::Twice { .. } => "give one of the two".to_owned(),
            Self::Unknown { other: Some(other), command, .. } => {
                format!("leave it away: it is for `{other}`, and this is `{command}`")
            }
            Self::Unknown { nearest: Some(nearest), .. } => format!("write `{nearest}`"),
            Self::Unknown { known, .. } => format!("there are {}", known.join(", ")),
        }
    }
}

impl Explain for files::Error {
    fn code(&self) -> &'static str {
        "results_unwritable"
    }

    fn help(&self) -> String {
        "name a file in a folder that is there, and let the container run as root, without `--user`; what the log says was done".to_owned()
    }
}
