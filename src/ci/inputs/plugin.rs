//! The settings of the Buildkite plugin that its hooks act on. A hook takes them for what they are, so that mistakes in
//! them are found here.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use serde_json::Value;

use crate::ci::inputs::family::{Family, OWN};
use crate::ci::inputs::option::{Error, ValueKind};
use crate::ci::inputs::sources::Sources;
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

/// The names of the hooks' settings.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|(name, _)| *name)
}

/// Whether a setting is one of the hooks'.
pub(crate) fn is_of_the_hooks(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Checks the settings.
pub(crate) fn check(sources: &Sources) -> Result<(), Error> {
    let refused = |name: &str, expected| {
        let origin = Family::Buildkite.origin(name);
        Err(Error::Choice { origin, expected })
    };
    let text = |name: &str| sources.settings.get(name).and_then(Value::as_str);
    // The hooks see nothing of a list, and take a text with the white space around it.
    let scalar = SETTINGS
        .iter()
        .filter(|(_, kind)| *kind != ValueKind::Several);
    for (name, _) in scalar {
        match sources.settings.get(*name) {
            None | Some(Value::Bool(_) | Value::Number(_)) => {}
            Some(Value::String(text)) if text.trim().is_empty() => {
                return refused(name, "a text, or be left out");
            }
            Some(Value::String(text)) if text.trim() == text => {}
            Some(_) => return refused(name, "one text, without white space around it"),
        }
    }
    if sources.settings.contains_key("command")
        && text("command").is_none_or(|command| command.is_empty() || command.trim() != command)
    {
        return refused("command", "`sign` or `verify`");
    }
    for (name, kind) in SETTINGS {
        let origin = Family::Buildkite.origin(name);
        if let Some(raw) = sources.setting(name, &origin)? {
            super::value(kind, raw, &origin)?;
        }
    }
    match text("runtime") {
        None | Some("container") => {}
        Some("binary") => {
            let of_container = ["image", "mount-checkout", "network"].into_iter();
            let mut unused = of_container.filter(|name| sources.settings.contains_key(*name));
            if let Some(name) = unused.next() {
                let origin = Family::Buildkite.origin(name);
                return Err(Error::OfContainer { origin });
            }
        }
        Some(_) => return refused("runtime", "`container` or `binary`"),
    }
    let mut named = sources.named.iter();
    if !named.clone().all(|name| environment::is_name(name)) {
        return refused(
            "environment",
            "the name of a variable, or a list of such names",
        );
    }
    // A pin in lower case would be none.
    if named.any(|name| is_own_misspelt(name)) {
        return refused(
            "environment",
            "variables whose names are in capitals, as S3LO_DIGEST is",
        );
    }
    Ok(())
}

/// Whether a name is one of our own variables' but for case.
fn is_own_misspelt(name: &str) -> bool {
    let capitals = name.to_ascii_uppercase();
    capitals.starts_with(OWN) && capitals != name
}
