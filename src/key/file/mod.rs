//! Keys in PEM: in a file, or in an environment variable.

mod convert;
pub mod error;
pub mod location;
pub mod signer;

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use crate::context::{Context, Passwords};
use crate::diagnostic::Diagnostic;
use crate::key::error::Error;
use crate::key::file::location::Location;
use crate::key::provider::{Provider, ProviderKey, Session};
use crate::key::reference::{KeyRef, PATH_SCHEME, RefError, VARIABLE_SCHEME};
use crate::key::signer::{PublicKeys, Signer};
use crate::option_name::option;

/// The provider of keys in PEM. It has no options.
#[derive(Args, Clone, Debug, Default)]
pub struct KeyFiles {}

impl Provider for KeyFiles {
    fn schemes(&self) -> &'static [&'static str] {
        &[PATH_SCHEME, VARIABLE_SCHEME]
    }

    fn examples(&self) -> Vec<String> {
        let key = option("key");
        vec![
            format!("a key file ({})", key.with("cosign.key")),
            format!(
                "a variable that holds one ({})",
                key.with("env://COSIGN_PRIVATE_KEY")
            ),
        ]
    }

    fn secret_variables(&self) -> &'static [&'static str] {
        &["COSIGN_PASSWORD"]
    }

    fn check(&self, reference: &KeyRef) -> Result<(), RefError> {
        Location::parse(reference).map_err(Error::new)?;
        Ok(())
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(FileSession)
    }
}

/// A session, which shares nothing between keys.
struct FileSession;

#[async_trait]
impl Session for FileSession {
    async fn configure(
        &mut self,
        reference: &KeyRef,
        context: &Context,
    ) -> Result<Arc<dyn ProviderKey>, Diagnostic> {
        let location = Location::parse(reference).map_err(|error| Diagnostic::new(&error))?;
        Ok(Arc::new(KeyHandle {
            reference: reference.clone(),
            location,
            passwords: context.passwords.clone(),
        }))
    }
}

struct KeyHandle {
    reference: KeyRef,
    location: Location,
    passwords: Passwords,
}

#[async_trait]
impl ProviderKey for KeyHandle {
    async fn signer(&self) -> Result<Arc<dyn Signer>, Error> {
        let (key, location) = (self.reference.clone(), self.location.clone());
        let signer = signer::open_signer(key, location, self.passwords.clone()).await;
        Ok(Arc::new(signer.map_err(Error::new)?))
    }

    async fn public_keys(&self) -> Result<PublicKeys, Error> {
        let (key, location) = (self.reference.clone(), self.location.clone());
        let public = signer::open_public(key, location, self.passwords.clone()).await;
        public.map(PublicKeys::from).map_err(Error::new)
    }
}
