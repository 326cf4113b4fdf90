//! Refuses names that no option has: a misspelt one, passed over, would leave a guard out.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::inputs::option::{Error, OptionSpec, UnknownPolicy};

/// Fails at a name that no option has.
pub(crate) fn refuse_unknown(
    options: &[OptionSpec],
    policy: &UnknownPolicy<'_>,
    mut names: impl Iterator<Item = String>,
    what: &'static str,
) -> Result<(), Error> {
    let is_known = |name: &&str| options.iter().any(|option| option.is_called(name));
    let Some(name) = names.find(|name| !is_known(&name.as_str())) else {
        return Ok(());
    };
    let (other, others) = policy.other;
    let all = options.iter().flat_map(|option| &option.names);
    let near = all
        .map(|known| (strsim::jaro_winkler(&name, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    Err(Error::Unknown {
        what,
        command: policy.command,
        other: (others.iter().any(|option| option.is_called(&name))).then_some(other),
        nearest: near.map(|(_, known)| known.clone()),
        known: {
            let names = options.iter().map(|option| option.name().to_owned());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        },
        name,
    })
}

/// Fails at a variable whose name is an option's but for a letter or two, although others may have set it.
pub(crate) fn refuse_misspelt<'a>(
    options: &[OptionSpec],
    policy: &UnknownPolicy<'_>,
    variables: impl Iterator<Item = (&'a str, String)>,
) -> Result<(), Error> {
    let names = || options.iter().flat_map(|option| &option.names);
    let (_, others) = policy.other;
    for (variable, name) in variables {
        let is_known = options
            .iter()
            .chain(others)
            .any(|option| option.is_called(&name));
        if is_known || name.len() < MIN_NAME_LEN {
            continue;
        }
        let near = |known: &&String| {
            known.len() >= 3 && strsim::damerau_levenshtein(&name, known) <= MAX_TYPING_ERRORS
        };
        if let Some(nearest) = names().find(near) {
            return Err(Error::Misspelt {
                variable: variable.to_owned(),
                nearest: nearest.clone(),
            });
        }
    }
    Ok(())
}

/// How many letters may be wrong, missing, extra or swapped.
const MAX_TYPING_ERRORS: usize = 2;

/// Shorter names are not compared: two letters are half of them.
const MIN_NAME_LEN: usize = 4;
