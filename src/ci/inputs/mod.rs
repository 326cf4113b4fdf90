//! A job's environment → the options of a command.
//!
//! For each option the first of these that is not empty: `INPUT_*`, as GitHub's runner names the inputs of an action;
//! the JSON of BUILDKITE_PLUGIN_CONFIGURATION; `PLUGIN_*`, as Drone and Woodpecker name settings; `S3LO_*`. CI systems
//! set to the empty string what a user leaves out.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod option;
mod sources;
mod spelling;

use std::ffi::OsString;

use secrecy::SecretString;

pub use crate::ci::inputs::option::{
    Error, Input, OptionSpec, Origin, UnknownPolicy, Value, ValueKind,
};
use crate::ci::inputs::sources::{RawValue, Sources};
use crate::ci::inputs::spelling::{refuse_misspelt, refuse_unknown};

/// The settings that the hook of the Buildkite plugin reads for itself.
const OF_THE_HOOK: [&str; 6] = [
    "annotate",
    "environment",
    "image",
    "meta-data",
    "mount-checkout",
    "step-command",
];

/// The inputs that the runner adds to an action's own.
const OF_THE_RUNNER: [&str; 2] = ["args", "entrypoint"];

/// Finds the value of each option in `environment`. Without a policy, unknown names and mistakes are passed over.
///
/// # Errors
///
/// [`Error`] for a value or a name that means nothing.
pub fn resolve(
    options: &[OptionSpec],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    policy: Option<&UnknownPolicy<'_>>,
) -> Result<Vec<Input>, Error> {
    let sources = Sources::new(environment, policy.is_none())?;
    if let Some(policy) = policy {
        if policy.inputs {
            let names = sources.inputs.keys().cloned();
            let names = names.filter(|name| !OF_THE_RUNNER.contains(&name.as_str()));
            refuse_unknown(options, policy, names, "input")?;
            if let Some(name) = sources.odd.first() {
                return Err(Error::Odd { name: name.clone() });
            }
        }
        let names = sources.plugin.keys().cloned();
        let names = names.filter(|name| !OF_THE_HOOK.contains(&name.as_str()));
        refuse_unknown(options, policy, names, "setting of the plugin")?;
        refuse_misspelt(options, policy, sources.variables())?;
    }
    let mut inputs = Vec::new();
    for option in options {
        match input(option, &sources) {
            Ok(input) => inputs.extend(input),
            Err(_) if policy.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(inputs)
}

/// The value of an option, if it has one.
fn input(option: &OptionSpec, sources: &Sources) -> Result<Option<Input>, Error> {
    let Some((raw, origin)) = sources.first(option)? else {
        return Ok(None);
    };
    Ok(Some(Input {
        name: option.name().to_owned(),
        value: value(option.kind, raw, &origin)?,
        origin,
    }))
}

fn value(kind: ValueKind, raw: RawValue, origin: &Origin) -> Result<Value, Error> {
    let origin = || origin.clone();
    if kind == ValueKind::Secret {
        return match raw {
            RawValue::Text(text) | RawValue::Joined(text) => {
                Ok(Value::Secret(SecretString::from(text)))
            }
            RawValue::List(_) => Err(Error::Lines { origin: origin() }),
        };
    }
    let lines = lines(kind, raw);
    if kind == ValueKind::Several {
        return Ok(Value::Lines(lines));
    }
    let Ok([line]) = <[String; 1]>::try_from(lines) else {
        return Err(Error::Lines { origin: origin() });
    };
    match (kind, line.as_str()) {
        (ValueKind::Flag, "true" | "True" | "TRUE") => Ok(Value::Flag(true)),
        (ValueKind::Flag, "false" | "False" | "FALSE") => Ok(Value::Flag(false)),
        (ValueKind::Flag, _) => Err(Error::Boolean { origin: origin() }),
        _ => Ok(Value::Lines(vec![line])),
    }
}

/// The lines of a value, without the white space around them.
fn lines(kind: ValueKind, raw: RawValue) -> Vec<String> {
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
        Ok(text) if kind != ValueKind::Several => vec![text],
        Ok(text) => match serde_json::from_str(&text) {
            Ok(listed) => listed,
            Err(_) if joined => split(&text, |c| c == ','),
            Err(_) => vec![text],
        },
    };
    let lines = parts.iter().map(|part| split(part, |c| c == '\n'));
    lines.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Vec<OptionSpec> {
        let mut role = OptionSpec::new("role-to-assume", ValueKind::One);
        role.names.push("role-arn".to_owned());
        vec![
            OptionSpec::new("reference", ValueKind::Several),
            OptionSpec::new("if-signed", ValueKind::One),
            OptionSpec::new("verbose", ValueKind::Flag),
            OptionSpec::new("password", ValueKind::Secret),
            role,
        ]
    }

    fn resolved(variables: &[(&str, &str)]) -> Result<Vec<(String, String)>, Error> {
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let policy = UnknownPolicy {
            command: "sign",
            other: ("verify", &[OptionSpec::new("require", ValueKind::One)]),
            inputs: true,
        };
        let given = resolve(&options(), variables, Some(&policy))?;
        let shown = |input: Input| {
            let text = match input.value {
                Value::Flag(truth) => truth.to_string(),
                Value::Lines(lines) => lines.join("|"),
                Value::Secret(_) => "secret".to_owned(),
            };
            (input.name, text)
        };
        Ok(given.into_iter().map(shown).collect())
    }

    #[track_caller]
    fn one(variables: &[(&str, &str)], expected: &str) {
        let all = resolved(variables).unwrap();
        let values: Vec<_> = all.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, [expected], "{variables:?}");
    }

    #[test]
    fn the_first_source_with_a_value_wins() {
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
        assert!(resolved(&all).unwrap().is_empty());
    }

    #[test]
    fn a_list_is_read_in_lines_and_in_each_system_s_own_form() {
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
    fn a_flag_takes_true_and_false_alone() {
        for (value, truth) in [("true", "true"), ("TRUE", "true"), ("False\n", "false")] {
            one(&[("INPUT_VERBOSE", value)], truth);
        }
        for value in ["yes", "1", "on", "tRUE", "true false"] {
            assert!(resolved(&[("INPUT_VERBOSE", value)]).is_err(), "{value}");
        }
        one(
            &[("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"verbose":true}"#)],
            "true",
        );
    }

    #[test]
    fn an_unknown_input_is_refused_with_the_nearest_name() {
        let Err(Error::Unknown { nearest, .. }) = resolved(&[("INPUT_IF-SINGED", "fail")]) else {
            panic!();
        };
        assert_eq!(nearest.as_deref(), Some("if-signed"));
        let Err(Error::Unknown { other, .. }) = resolved(&[("INPUT_REQUIRE", "all")]) else {
            panic!();
        };
        assert_eq!(other, Some("verify"));
        let config = r#"{"step-command":"run","refrence":"x"}"#;
        assert!(resolved(&[("BUILDKITE_PLUGIN_CONFIGURATION", config)]).is_err());
        assert!(resolved(&[("INPUT_ARGS", "x"), ("INPUT_ENTRYPOINT", "y")]).is_ok());
        assert!(resolved(&[("S3LO_TEST_TOOLS", "x")]).is_ok());
    }

    #[test]
    fn a_misspelt_variable_is_refused() {
        for name in [
            "S3LO_IF_SINGED",
            "PLUGIN_REFERENCES",
            "S3LO_IFSIGNED",
            "PLUGIN_IF-SIGNED_",
        ] {
            let refused = resolved(&[(name, "x")]);
            assert!(matches!(refused, Err(Error::Misspelt { .. })), "{name}");
        }
        for name in [
            "S3LO_REQUIRE",
            "S3LO_SIGN_DIGEST",
            "PLUGIN_OIDC_TOKEN_ID",
            "S3LO_TEST_TOOLS",
        ] {
            assert!(resolved(&[(name, "x")]).is_ok(), "{name}");
        }
        let twice = resolved(&[("INPUT_IF-SIGNED", "keep"), ("INPUT_IF_SIGNED", "fail")]);
        assert!(matches!(twice, Err(Error::Spelt { .. })));
    }

    #[test]
    fn a_malformed_value_is_refused() {
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
            assert!(resolved(&[(name, value)]).is_err(), "{name} {value}");
        }
        let both = [("INPUT_ROLE-TO-ASSUME", "a"), ("INPUT_ROLE-ARN", "a")];
        assert!(matches!(resolved(&both), Err(Error::Twice { .. })));
    }
}
