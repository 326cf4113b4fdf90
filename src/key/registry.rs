//! The providers: the one list that a new kind of key is added to.

use clap::Args;

use crate::key::awskms::AwsKms;
use crate::key::file::KeyFiles;
use crate::key::provider::Provider;
use crate::key::reference::{KeyRef, PATH_SCHEME, RefError, Supported};
use crate::key::vault::Vault;

/// Every provider, with its options from the command line.
#[derive(Args, Clone, Debug, Default)]
pub struct Providers {
    #[command(flatten)]
    awskms: AwsKms,
    #[command(flatten)]
    vault: Vault,
    #[command(flatten)]
    file: KeyFiles,
}

impl Providers {
    /// All, in the order of their examples.
    pub fn all(&self) -> [&dyn Provider; 3] {
        [&self.awskms, &self.vault, &self.file]
    }

    /// The provider of a scheme.
    pub fn find(&self, scheme: &str) -> Option<&dyn Provider> {
        let mut all = self.all().into_iter();
        all.find(|provider| provider.schemes().contains(&scheme))
    }
}

/// Parses a key reference.
///
/// # Errors
///
/// [`RefError`], which never quotes what may be a secret.
pub fn parse(text: &str) -> Result<KeyRef, RefError> {
    let providers = Providers::default();
    let all = providers.all();
    let mut reference = KeyRef::split(text)?;
    let Some(provider) = providers.find(reference.scheme()) else {
        let supported = Supported {
            schemes: all
                .iter()
                .flat_map(|provider| provider.schemes())
                .copied()
                .collect(),
            examples: all
                .iter()
                .flat_map(|provider| provider.examples())
                .collect(),
        };
        return Err(RefError::unknown_scheme(&reference, supported));
    };
    provider.check(&reference)?;
    reference.versions = provider.versions(&reference);
    if reference.scheme() == PATH_SCHEME {
        reference.suggestion = all.iter().find_map(|provider| provider.suggestion(text));
    }
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scheme_has_one_provider_and_an_example_that_it_accepts() {
        let providers = Providers::default();
        let mut schemes = BTreeSet::new();
        for provider in providers.all() {
            for scheme in provider.schemes() {
                assert!(schemes.insert(*scheme), "`{scheme}` has two providers");
            }
            for example in provider.examples() {
                let (_, key) = example.split_once("--key ").unwrap();
                let reference = parse(key.trim_end_matches("`)")).unwrap();
                assert!(
                    provider.schemes().contains(&reference.scheme()),
                    "{example}"
                );
            }
        }
    }
}
