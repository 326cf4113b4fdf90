//! A job's environment → the options of a command.
//!
//! They come from one [family](Family) of variables, which the CI system decides, or from arguments. CI
//! systems set to the empty string what a user leaves out, so that an empty variable is an unset one.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod family;
mod mount;
mod option;
pub(crate) mod peers;
mod plugin;
pub(crate) mod sources;
mod spelling;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use secrecy::SecretString;

pub use crate::ci::inputs::family::{Choice, Family};
use crate::ci::inputs::mount::Mount;
pub use crate::ci::inputs::option::{
    Error, Input, OptionSpec, Origin, Right, UnknownPolicy, Value, ValueKind,
};
use crate::ci::inputs::sources::{Found, RawValue, Sources};
use crate::ci::inputs::spelling::Names;

/// The options of a job.
#[derive(Debug)]
pub struct Resolved {
    /// The family of variables that they are from.
    pub family: Family,
    /// Those with a value.
    pub inputs: Vec<Input>,
    /// Those that are there without a value.
    pub empty: Vec<String>,
    /// Variables that the Buildkite plugin's `environment` names.
    pub named: Vec<String>,
    /// Warnings about names that are passed over.
    pub warnings: Vec<String>,
}

/// Finds the value of each option in `environment`, in the family of `choice` if it names one. Without a policy,
/// unknown names and mistakes are passed over.
///
/// # Errors
///
/// [`Error`] for a value or a name that means nothing.
pub fn resolve(
    options: &[OptionSpec],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    choice: &Choice,
    policy: Option<&UnknownPolicy<'_>>,
) -> Result<Resolved, Error> {
    let sources = Sources::new(environment, choice, policy.is_none())?;
    let family = sources.family;
    let warnings = match policy {
        None => Vec::new(),
        Some(policy) => Names {
            options,
            policy,
            family,
        }
        .check(&sources)?,
    };
    if policy.is_some() && family == Family::Buildkite {
        plugin::check(&sources)?;
    }
    let mut resolved = Resolved {
        family,
        inputs: Vec::new(),
        empty: Vec::new(),
        named: sources.named.clone(),
        warnings,
    };
    for option in options {
        let found = sources.first(option).and_then(|found| match found {
            Found::Value(raw, origin) => input(option, raw, origin, &sources).map(Some),
            Found::Empty => {
                resolved.empty.push(option.name().to_owned());
                Ok(None)
            }
            Found::Nothing => Ok(None),
        });
        match found {
            Ok(input) => resolved.inputs.extend(input),
            Err(_) if policy.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(resolved)
}

/// The option with its value.
fn input(
    option: &OptionSpec,
    raw: RawValue,
    origin: Origin,
    sources: &Sources,
) -> Result<Input, Error> {
    let is_azure = sources.is_true("TF_BUILD");
    // A password may look like anything.
    if (is_azure || option.kind != ValueKind::Secret)
        && let Some(name) = raw.undefined_macro(is_azure)
    {
        let name = name.to_owned();
        return Err(Error::Undefined { origin, name });
    }
    let mut value = value(option.kind, raw, &origin)?;
    if let Value::Lines(lines) = &mut value
        && matches!(option.name(), "key" | "policy")
        && sources.family == Family::Github
    {
        let mount = Mount::of(&sources.variables);
        lines.iter_mut().for_each(|line| mount.translate(line));
    }
    Ok(Input {
        name: option.name().to_owned(),
        value,
        origin,
    })
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
    let mut lines = lines(kind, raw);
    if lines.iter().any(String::is_empty) {
        // A variable in it may be unset, and what it names would be left out without a word.
        if kind == ValueKind::Several && !lines.iter().all(String::is_empty) {
            return Err(Error::EmptyLine { origin: origin() });
        }
        lines.retain(|line| !line.is_empty());
    }
    if kind == ValueKind::Several {
        return Ok(Value::Lines(lines));
    }
    let Ok([line]) = <[String; 1]>::try_from(lines) else {
        return Err(Error::Lines { origin: origin() });
    };
    match (kind, line.as_str()) {
        (ValueKind::Flag, "true" | "True" | "TRUE") => Ok(Value::Flag(true)),
        (ValueKind::Flag, "false" | "False" | "FALSE") => Ok(Value::Flag(false)),
        (ValueKind::Flag, _) => Err(Error::Choice {
            origin: origin(),
            expected: "`true` or `false`",
        }),
        _ => Ok(Value::Lines(vec![line])),
    }
}

/// The lines of a value, without the white space around them and the end of the last one.
fn lines(kind: ValueKind, raw: RawValue) -> Vec<String> {
    let split = |text: &str, at: char| -> Vec<String> {
        let text = text.strip_suffix(at).unwrap_or(text);
        let parts = text.split(at).map(str::trim);
        parts.map(str::to_owned).collect()
    };
    let parts = match raw {
        RawValue::List(parts) => parts,
        RawValue::Text(text) | RawValue::Joined(text) if kind != ValueKind::Several => vec![text],
        RawValue::Text(text) => serde_json::from_str(&text).unwrap_or_else(|_| vec![text]),
        RawValue::Joined(text) => serde_json::from_str(&text).unwrap_or_else(|_| split(&text, ',')),
    };
    let lines = parts.iter().map(|part| split(part, '\n'));
    lines.flatten().collect()
}
