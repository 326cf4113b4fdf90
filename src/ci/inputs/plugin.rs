//! The settings of the Buildkite plugin that its hooks act on. A hook takes them for what they are, so that mistakes in
//! them are found here.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::inputs::family::Family;
use crate::ci::inputs::option::{Error, OptionSpec, Value, ValueKind};
use crate::ci::inputs::sources::{Found, Sources};
use crate::environment;

/// The settings, and the values they take.
const SETTINGS: [(&str, ValueKind); 8] = [
    ("annotate", ValueKind::Flag),
    ("binary-url", ValueKind::One),
    ("environment", ValueKind::Several),
    ("image", ValueKind::One),
    ("meta-data", ValueKind::Flag),
    ("mount-checkout", ValueKind::Flag),
    ("network", ValueKind::One),
    ("runtime", ValueKind::One),
];

/// Whether a setting is one of the hooks'.
pub(crate) fn is_of_the_hooks(name: &str) -> bool {
    SETTINGS.iter().any(|(known, _)| *known == name)
}

/// Checks the settings, and returns the variables that `environment` names.
pub(crate) fn check(sources: &Sources) -> Result<Vec<String>, Error> {
    let mut named = Vec::new();
    // The hooks compare it as it is: of a list they see nothing, and would sign.
    if let Some(command) = sources.settings.get("command")
        && !command.is_string()
    {
        return Err(Error::Choice {
            origin: Family::Buildkite.origin("command"),
            expected: "`sign` or `verify`",
        });
    }
    for (name, kind) in SETTINGS {
        let option = OptionSpec::new(name, kind);
        let Found::Value(raw, origin) = sources.first(&option)? else {
            continue;
        };
        let Value::Lines(lines) = super::value(kind, raw, &origin)? else {
            continue;
        };
        match name {
            "runtime" if lines.iter().any(|line| !RUNTIMES.contains(&line.as_str())) => {
                return Err(Error::Choice {
                    origin,
                    expected: "`container` or `binary`",
                });
            }
            "environment" if !lines.iter().all(|line| environment::is_name(line)) => {
                return Err(Error::Choice {
                    origin,
                    expected: "the name of a variable, or a list of such names",
                });
            }
            "environment" => named = lines,
            _ => {}
        }
    }
    Ok(named)
}

const RUNTIMES: [&str; 2] = ["container", "binary"];
