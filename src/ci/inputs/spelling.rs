//! Names that no option has. A misspelt one is refused rather than passed over: it would leave a guard out.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::inputs::{Error, OptionSpec, UnknownPolicy};

/// Fails at a name that no option has.
pub(crate) fn refuse_unknown(
    known: &[OptionSpec],
    strict: &UnknownPolicy<'_>,
    mut names: impl Iterator<Item = String>,
    what: &'static str,
) -> Result<(), Error> {
    let is_known = |name: &&str| known.iter().any(|option| option.is_called(name));
    let Some(name) = names.find(|name| !is_known(&name.as_str())) else {
        return Ok(());
    };
    let (other, others) = strict.other;
    let all = known.iter().flat_map(|option| &option.names);
    let near = all
        .map(|known| (strsim::jaro_winkler(&name, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    Err(Error::Unknown {
        what,
        command: strict.command,
        other: (others.iter().any(|option| option.is_called(&name))).then_some(other),
        nearest: near.map(|(_, known)| known.clone()),
        known: {
            let names = known.iter().map(|option| option.name().to_owned());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        },
        name,
    })
}

/// Fails at a variable that others may have set, but that is an option's name but for a letter or two: it would
/// leave a guard out.
pub(crate) fn refuse_misspelt<'a>(
    known: &[OptionSpec],
    strict: &UnknownPolicy<'_>,
    variables: impl Iterator<Item = (&'a str, String)>,
) -> Result<(), Error> {
    let names = || known.iter().flat_map(|option| &option.names);
    let (_, others) = strict.other;
    for (variable, name) in variables {
        let is_known = known
            .iter()
            .chain(others)
            .any(|option| option.is_called(&name));
        if is_known || name.len() < SHORTEST {
            continue;
        }
        let near = |known: &&String| {
            known.len() >= 3 && strsim::damerau_levenshtein(&name, known) <= MISTAKES
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

/// As many letters may be wrong, missing, too many or in each other's place.
const MISTAKES: usize = 2;

/// In shorter names that is half of them.
const SHORTEST: usize = 4;
