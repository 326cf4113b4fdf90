//! The settings of the Buildkite plugin that its hooks act on. A hook takes them for what they are, so that mistakes in
//! them are found here.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::inputs::family::{Family, OWN};
use crate::ci::inputs::option::{self, Error, OptionSpec, ValueKind};
use crate::ci::inputs::sources::{Found, Sources};
use crate::environment;
use serde_json::Value;

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

/// The names of the hooks' settings.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|(name, _)| *name)
}

/// Whether a setting is one of the hooks'.
pub(crate) fn is_of_the_hooks(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Checks the settings, and returns the variables that `environment` names.
pub(crate) fn check(sources: &Sources) -> Result<Vec<String>, Error> {
    let mut named = Vec::new();
    check_texts(sources)?;
    for (name, kind) in SETTINGS {
        let option = OptionSpec::new(name, kind);
        let Found::Value(raw, origin) = sources.first(&option)? else {
            continue;
        };
        let option::Value::Lines(lines) = super::value(kind, raw, &origin)? else {
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
            // A pin in lower case would be none.
            "environment" if lines.iter().any(|line| is_own_misspelt(line)) => {
                return Err(Error::Choice {
                    origin,
                    expected: "variables whose names are in capitals, as S3LO_DIGEST is",
                });
            }
            "environment" => named = lines,
            _ => {}
        }
    }
    Ok(named)
}

/// Whether a name is one of our own variables' but for case.
fn is_own_misspelt(name: &str) -> bool {
    let capitals = name.to_ascii_uppercase();
    capitals.starts_with(OWN) && capitals != name
}

/// Refuses what the hooks would read otherwise: they see nothing of a list, and take a text with the white space around it.
fn check_texts(sources: &Sources) -> Result<(), Error> {
    let scalar = |name: &&str| *name != "environment";
    for name in names().filter(scalar).chain(["command"]) {
        let origin = || Family::Buildkite.origin(name);
        let expected = match sources.settings.get(name) {
            None => continue,
            Some(Value::String(text)) if text.trim().is_empty() => "a text, or be left out",
            Some(Value::String(text)) if text.trim() == text => continue,
            Some(Value::Bool(_) | Value::Number(_)) if name != "command" => continue,
            Some(_) if name == "command" => "`sign` or `verify`",
            Some(_) => "one text, without white space around it",
        };
        return Err(Error::Choice {
            origin: origin(),
            expected,
        });
    }
    let of_container = ["image", "mount-checkout", "network"];
    let is_binary = sources.settings.get("runtime").and_then(Value::as_str) == Some("binary");
    let unused = of_container
        .into_iter()
        .find(|name| sources.settings.contains_key(*name));
    match unused.filter(|_| is_binary) {
        Some(name) => Err(Error::OfContainer {
            origin: Family::Buildkite.origin(name),
        }),
        None => Ok(()),
    }
}

const RUNTIMES: [&str; 2] = ["container", "binary"];
