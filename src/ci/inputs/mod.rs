//! What a CI job says by its environment → the options of a command.
//!
//! For each option the first of these that says something: `INPUT_*`, as GitHub's runner names the inputs of an
//! action; the JSON of BUILDKITE_PLUGIN_CONFIGURATION; `PLUGIN_*`, as Drone and Woodpecker name settings; `S3LO_*`.
//! What is empty says nothing: CI systems set to it what a user leaves out.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod sources;
mod spelling;

use std::ffi::OsString;

use secrecy::SecretString;

use crate::ci::inputs::sources::{Environment, RawValue};
use crate::ci::inputs::spelling::{refuse_misspelt, refuse_unknown};

/// An option that a command has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// What it is called, and what it is called too.
    pub names: Vec<String>,
    /// What it takes.
    pub kind: Kind,
}

impl OptionSpec {
    /// An option of one name.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            names: vec![name.to_owned()],
            kind,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// One line.
    One,
    /// Any number, one a line.
    Several,
    /// Bytes as they are, which nobody repeats.
    Secret,
}

/// What is said of an option.
#[derive(Debug)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// A line, or several of them.
    Lines(Vec<String>),
    /// A secret.
    Secret(SecretString),
}

/// Where an option was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub(crate) String);

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is said of an option, and where.
#[derive(Debug)]
pub struct Input {
    /// The option's name.
    pub name: String,
    /// What is said.
    pub said: Value,
    /// Where.
    pub place: Origin,
}

/// What nobody expects, and is refused rather than passed over: a misspelt name would leave a guard out.
pub struct UnknownPolicy<'a> {
    /// The command that runs.
    pub command: &'static str,
    /// The other command, and its options.
    pub other: (&'static str, &'a [OptionSpec]),
    /// Whether every `INPUT_*` is ours, as it is in an action.
    pub inputs: bool,
}

/// What the hook of the Buildkite plugin reads for itself.
const OF_THE_HOOK: [&str; 6] = [
    "annotate",
    "environment",
    "image",
    "meta-data",
    "mount-checkout",
    "step-command",
];

/// What the runner sets beside an action's inputs.
const OF_THE_RUNNER: [&str; 2] = ["args", "entrypoint"];

/// Finds what `environment` says of each option; without `strict` whatever can be understood.
///
/// # Errors
///
/// [`Error`] for what is said and means nothing.
pub fn resolve(
    known: &[OptionSpec],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    strict: Option<&UnknownPolicy<'_>>,
) -> Result<Vec<Input>, Error> {
    let environment = Environment::new(environment, strict.is_none())?;
    if let Some(strict) = strict {
        if strict.inputs {
            let names = environment.inputs.keys().cloned();
            let names = names.filter(|name| !OF_THE_RUNNER.contains(&name.as_str()));
            refuse_unknown(known, strict, names, "input")?;
            if let Some(name) = environment.odd.first() {
                return Err(Error::Odd { name: name.clone() });
            }
        }
        let names = environment.plugin.keys().cloned();
        let names = names.filter(|name| !OF_THE_HOOK.contains(&name.as_str()));
        refuse_unknown(known, strict, names, "setting of the plugin")?;
        refuse_misspelt(known, strict, environment.variables())?;
    }
    let mut given = Vec::new();
    for option in known {
        match said(option, &environment) {
            Ok(said) => given.extend(said),
            Err(_) if strict.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(given)
}

/// What is said of an option, if anything is.
fn said(option: &OptionSpec, environment: &Environment) -> Result<Option<Input>, Error> {
    let Some((raw, place)) = environment.first(option)? else {
        return Ok(None);
    };
    Ok(Some(Input {
        name: option.name().to_owned(),
        said: read(option, raw, &place)?,
        place,
    }))
}

fn read(option: &OptionSpec, raw: RawValue, place: &Origin) -> Result<Value, Error> {
    if option.kind == Kind::Secret {
        return match raw {
            RawValue::Text(text) | RawValue::Joined(text) => {
                Ok(Value::Secret(SecretString::from(text)))
            }
            RawValue::List(_) => Err(Error::Lines {
                place: place.clone(),
            }),
        };
    }
    let lines = lines(option.kind, raw);
    if option.kind == Kind::Several {
        return Ok(Value::Lines(lines));
    }
    let Ok([line]) = <[String; 1]>::try_from(lines) else {
        return Err(Error::Lines {
            place: place.clone(),
        });
    };
    match (option.kind, line.as_str()) {
        (Kind::Flag, "true" | "True" | "TRUE") => Ok(Value::Flag(true)),
        (Kind::Flag, "false" | "False" | "FALSE") => Ok(Value::Flag(false)),
        (Kind::Flag, _) => Err(Error::Boolean {
            place: place.clone(),
        }),
        _ => Ok(Value::Lines(vec![line])),
    }
}

/// The lines of a value, without what stands around them.
fn lines(kind: Kind, raw: RawValue) -> Vec<String> {
    let split = |text: &str, at: fn(char) -> bool| -> Vec<String> {
        let parts = text.split(at).map(str::trim);
        let full = parts.filter(|part| !part.is_empty());
        full.map(str::to_owned).collect()
    };
    let (text, joined) = match raw {
        RawValue::List(parts) => (Err(parts), false),
        RawValue::Text(text) => (Ok(text), false),
        RawValue::Joined(text) => (Ok(text), true),
    };
    let parts = match text {
        Err(parts) => parts,
        Ok(text) if kind != Kind::Several => vec![text],
        Ok(text) => match serde_json::from_str(&text) {
            Ok(listed) => listed,
            Err(_) if joined => split(&text, |c| c == ','),
            Err(_) => vec![text],
        },
    };
    let lines = parts.iter().map(|part| split(part, |c| c == '\n'));
    lines.flatten().collect()
}

/// What is said, and means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither `true` nor `false`.
    #[error("{place} is neither `true` nor `false`")]
    Boolean {
        /// Where.
        place: Origin,
    },
    /// BUILDKITE_PLUGIN_CONFIGURATION is not a JSON object.
    #[error("BUILDKITE_PLUGIN_CONFIGURATION is not a JSON object with each name once")]
    Configuration,
    /// Several lines where one belongs.
    #[error("{place} holds several values, where one is expected")]
    Lines {
        /// Where.
        place: Origin,
    },
    /// A variable whose name is almost an option's.
    #[error("{} is no option, but almost one", variable.escape_debug())]
    Misspelt {
        /// The variable.
        variable: String,
        /// The option.
        nearest: String,
    },
    /// An input that no runner writes like this.
    #[error("the variable `{}` begins as an input does, and is none", name.escape_debug())]
    Odd {
        /// The variable.
        name: String,
    },
    /// Objects, or lists in lists.
    #[error("{place} is neither text nor a list of texts")]
    Nested {
        /// Where.
        place: Origin,
    },
    /// Not UTF-8.
    #[error("{place} holds bytes that are not UTF-8")]
    NotText {
        /// Where.
        place: Origin,
    },
    /// An input that is there with dashes and with underscores.
    #[error("the input `{name}` is there twice, once with `_` in its name, and not the same")]
    Spelt {
        /// Its name.
        name: String,
    },
    /// Two names of the same option.
    #[error("{one} and {other} are two names of the same")]
    Twice {
        /// One.
        one: Origin,
        /// The other.
        other: Origin,
    },
    /// No such option.
    #[error("there is no {what} `{}` for `{command}`", name.escape_debug())]
    Unknown {
        /// The name.
        name: String,
        /// What it would be.
        what: &'static str,
        /// The command that runs.
        command: &'static str,
        /// The other command, where that has it.
        other: Option<&'static str>,
        /// The one that may be meant.
        nearest: Option<String>,
        /// All that there are.
        known: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<OptionSpec> {
        let mut role = OptionSpec::new("role-to-assume", Kind::One);
        role.names.push("role-arn".to_owned());
        vec![
            OptionSpec::new("reference", Kind::Several),
            OptionSpec::new("if-signed", Kind::One),
            OptionSpec::new("verbose", Kind::Flag),
            OptionSpec::new("password", Kind::Secret),
            role,
        ]
    }

    fn said(variables: &[(&str, &str)]) -> Result<Vec<(String, String)>, Error> {
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let strict = UnknownPolicy {
            command: "sign",
            other: ("verify", &[OptionSpec::new("require", Kind::One)]),
            inputs: true,
        };
        let given = resolve(&known(), variables, Some(&strict))?;
        let shown = |given: Input| {
            let said = match given.said {
                Value::Flag(truth) => truth.to_string(),
                Value::Lines(lines) => lines.join("|"),
                Value::Secret(_) => "secret".to_owned(),
            };
            (given.name, said)
        };
        Ok(given.into_iter().map(shown).collect())
    }

    #[track_caller]
    fn one(variables: &[(&str, &str)], expected: &str) {
        let all = said(variables).unwrap();
        let values: Vec<_> = all.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, [expected], "{variables:?}");
    }

    #[test]
    fn the_first_that_says_something_counts() {
        let mut all = [
            ("INPUT_IF-SIGNED", "a"),
            ("INPUT_IF_SIGNED", "a"),
            ("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"if-signed":"c"}"#),
            ("PLUGIN_IF_SIGNED", "d"),
            ("S3LO_IF_SIGNED", "e"),
        ];
        for expected in ["a", "a", "c", "d", "e"] {
            one(&all, expected);
            let mut turned = all;
            turned.reverse();
            one(&turned, expected);
            if let Some(first) = all
                .iter_mut()
                .find(|(_, value)| value.len() == 1 || value.contains(':'))
            {
                first.1 = "";
            }
        }
        assert!(said(&all).unwrap().is_empty());
    }

    #[test]
    fn a_list_is_one_a_line_or_what_the_system_makes_of_one() {
        for (name, value) in [
            ("INPUT_REFERENCE", "a\n\n  b \r\nc\n"),
            ("S3LO_REFERENCE", r#"["a","b","c"]"#),
            ("PLUGIN_REFERENCE", "a,b,c"),
            ("PLUGIN_REFERENCE", r#"["a","b","c"]"#),
            (
                "BUILDKITE_PLUGIN_CONFIGURATION",
                r#"{"reference":["a","b","c"]}"#,
            ),
            (
                "BUILDKITE_PLUGIN_CONFIGURATION",
                r#"{"reference":"a\nb\nc\n"}"#,
            ),
        ] {
            one(&[(name, value)], "a|b|c");
        }
        one(&[("INPUT_REFERENCE", "a,b")], "a,b");
    }

    #[test]
    fn a_boolean_is_one() {
        for (value, truth) in [("true", "true"), ("TRUE", "true"), ("False\n", "false")] {
            one(&[("INPUT_VERBOSE", value)], truth);
        }
        for value in ["yes", "1", "on", "tRUE", "true false"] {
            assert!(said(&[("INPUT_VERBOSE", value)]).is_err(), "{value}");
        }
        one(
            &[("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"verbose":true}"#)],
            "true",
        );
    }

    #[test]
    fn what_nobody_knows_is_refused_with_the_nearest_name() {
        let Err(Error::Unknown { nearest, .. }) = said(&[("INPUT_IF-SINGED", "fail")]) else {
            panic!();
        };
        assert_eq!(nearest.as_deref(), Some("if-signed"));
        let Err(Error::Unknown { other, .. }) = said(&[("INPUT_REQUIRE", "all")]) else {
            panic!();
        };
        assert_eq!(other, Some("verify"));
        let config = r#"{"step-command":"run","refrence":"x"}"#;
        assert!(said(&[("BUILDKITE_PLUGIN_CONFIGURATION", config)]).is_err());
        assert!(said(&[("INPUT_ARGS", "x"), ("INPUT_ENTRYPOINT", "y")]).is_ok());
        assert!(said(&[("S3LO_TEST_TOOLS", "x")]).is_ok());
    }

    #[test]
    fn what_is_almost_an_option_is_refused_whoever_set_it() {
        for name in [
            "S3LO_IF_SINGED",
            "PLUGIN_REFERENCES",
            "S3LO_IFSIGNED",
            "PLUGIN_IF-SIGNED_",
        ] {
            let refused = said(&[(name, "x")]);
            assert!(matches!(refused, Err(Error::Misspelt { .. })), "{name}");
        }
        for name in [
            "S3LO_REQUIRE",
            "S3LO_SIGN_DIGEST",
            "PLUGIN_OIDC_TOKEN_ID",
            "S3LO_TEST_TOOLS",
        ] {
            assert!(said(&[(name, "x")]).is_ok(), "{name}");
        }
        let twice = said(&[("INPUT_IF-SIGNED", "keep"), ("INPUT_IF_SIGNED", "fail")]);
        assert!(matches!(twice, Err(Error::Spelt { .. })));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (name, value) in [
            ("INPUT_IF-SIGNED", "a\nb"),
            ("BUILDKITE_PLUGIN_CONFIGURATION", "[]"),
            (
                "BUILDKITE_PLUGIN_CONFIGURATION",
                r#"{"verbose":true,"verbose":false}"#,
            ),
            (
                "BUILDKITE_PLUGIN_CONFIGURATION",
                r#"{"reference":{"a":"b"}}"#,
            ),
            ("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"reference":[["a"]]}"#),
        ] {
            assert!(said(&[(name, value)]).is_err(), "{name} {value}");
        }
        let both = [("INPUT_ROLE-TO-ASSUME", "a"), ("INPUT_ROLE-ARN", "a")];
        assert!(matches!(said(&both), Err(Error::Twice { .. })));
    }
}
