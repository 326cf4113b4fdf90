//! An option of a command, a value of it in a job's environment, and what can be wrong with that.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use secrecy::SecretString;

use crate::diagnostic::Explain;

/// An option of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name, and its other names.
    pub names: Vec<String>,
    /// The values it takes.
    pub kind: ValueKind,
    /// Whether the GitHub actions declare it as an input.
    pub is_input: bool,
    /// Whether a run without it is less strict.
    pub is_guard: bool,
}

impl OptionSpec {
    /// An option of one name.
    pub fn new(name: &str, kind: ValueKind) -> Self {
        Self {
            names: vec![name.to_owned()],
            kind,
            is_input: true,
            is_guard: false,
        }
    }

    /// Its first name.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Whether this is one of its names.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// The values that an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`.
    Flag,
    /// One line.
    One,
    /// Any number of lines.
    Several,
    /// Bytes as they are, which no message repeats.
    Secret,
}

/// The value of an option.
#[derive(Debug)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// One line, or several.
    Lines(Vec<String>),
    /// A secret.
    Secret(SecretString),
}

/// The variable, input or setting that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub(crate) String);

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An option with its value.
#[derive(Debug)]
pub struct Input {
    /// The option's first name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where that comes from.
    pub origin: Origin,
}

/// The commands whose options the names in a job are compared with.
pub struct UnknownPolicy<'a> {
    /// The command that runs.
    pub command: &'static str,
    /// The other command, and its options.
    pub other: (&'static str, &'a [OptionSpec]),
}

/// The name that is meant by a wrong one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// An option, as the job writes it.
    Option(String),
    /// A variable that is no option.
    Variable(&'static str),
}

/// A value or a name that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None of a few values.
    #[error("{origin} must be {expected}")]
    Choice {
        /// Its origin.
        origin: Origin,
        /// The values, in a sentence.
        expected: &'static str,
    },
    /// A setting of the container, where the program runs without one.
    #[error("{origin} is about a container, and `runtime` is `binary`")]
    OfContainer {
        /// Its origin.
        origin: Origin,
    },
    /// BUILDKITE_PLUGIN_CONFIGURATION is not a JSON object.
    #[error("BUILDKITE_PLUGIN_CONFIGURATION is not a JSON object with each name once")]
    Configuration,
    /// An empty line beside others.
    #[error("{origin} has an empty line, or an empty entry, beside others")]
    EmptyLine {
        /// Its origin.
        origin: Origin,
    },
    /// Several lines where one belongs.
    #[error("{origin} holds several values, where one is expected")]
    Lines {
        /// Its origin.
        origin: Origin,
    },
    /// Objects, or lists in lists.
    #[error("{origin} is neither text nor a list of texts")]
    Nested {
        /// Its origin.
        origin: Origin,
    },
    /// Not UTF-8.
    #[error("{origin} holds bytes that are not UTF-8")]
    NotText {
        /// Its origin.
        origin: Origin,
    },
    /// An input that is there with dashes and with underscores.
    #[error(
        "the input `{name}` is given twice, once with `_` in its name, and with different values"
    )]
    DifferentValues {
        /// Its name.
        name: String,
    },
    /// Two names of the same option.
    #[error("{one} and {other} are two names of one option")]
    TwoNames {
        /// One.
        one: Origin,
        /// The other.
        other: Origin,
    },
    /// A macro of the CI system that is still there.
    #[error("{origin} holds `$({name})`, a variable that the CI system does not know")]
    Undefined {
        /// Its origin.
        origin: Origin,
        /// The macro's name.
        name: String,
    },
    /// No such option.
    #[error("{name} is not an option of `{command}`")]
    Unknown {
        /// The name, in a sentence.
        name: String,
        /// The command that runs.
        command: &'static str,
        /// The other command, where that has it.
        other: Option<&'static str>,
        /// The name that is meant.
        right: Option<Right>,
        /// All that there are, as the job writes them.
        known: Vec<String>,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "usage"
    }

    fn help(&self) -> String {
        match self {
            Self::Choice { origin, expected } => format!("write {expected} in {origin}"),
            Self::OfContainer { .. } => "remove one of the two".to_owned(),
            Self::Configuration => {
                "pass it on as the agent sets it: `docker run -e BUILDKITE_PLUGIN_CONFIGURATION …`"
                    .to_owned()
            }
            Self::EmptyLine { .. } => {
                "remove the line; if it holds a variable or a secret, that is not set".to_owned()
            }
            Self::Lines { .. } => {
                "give one value; only references and keys may have several, one per line".to_owned()
            }
            Self::DifferentValues { name } => format!("write `{name}`"),
            Self::Nested { .. } => "write a text, or a list of texts".to_owned(),
            Self::NotText { .. } => "write it in UTF-8".to_owned(),
            Self::TwoNames { .. } => "give one of the two".to_owned(),
            Self::Undefined { name, .. } => format!(
                "define {name}: check its spelling, and link the variable group that it is in\nbuilds of forks get no secrets"
            ),
            Self::Unknown {
                other: Some(other),
                command,
                ..
            } => {
                format!("remove it: it is for `{other}`, and this runs `{command}`")
            }
            Self::Unknown {
                right: Some(Right::Option(right)),
                ..
            } => format!("write `{right}`"),
            Self::Unknown {
                right: Some(Right::Variable(variable)),
                ..
            } => {
                format!("set the variable {variable}")
            }
            Self::Unknown { known, .. } => {
                format!("remove or rename it; the options are {}", known.join(", "))
            }
        }
    }
}
