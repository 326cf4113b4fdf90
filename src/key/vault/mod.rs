//! Keys in the transit engine of HashiCorp Vault and OpenBao.

pub mod client;
pub mod error;
pub mod location;
pub mod signer;
pub mod transit_key;
pub mod uri;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use futures_util::future::join_all;

use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::identity::jwt::Claims;
use crate::identity::token_source::TokenRequest;
use crate::key::error::Error;
use crate::key::provider::{Provider, ProviderKey, Session};
use crate::key::reference::{KeyRef, RefError, Versions};
use crate::key::signer::{PublicKeys, Signer};
use crate::key::vault::client::Client;
use crate::key::vault::client::address::{Product, Server};
use crate::key::vault::client::options::Options;
use crate::key::vault::location::KeyLocation;
use crate::key::vault::signer::KeyHandle;
use crate::key::vault::uri::TransitKeyUri;
use crate::option_name::{OptionName, option};
use crate::text::is_vault_token;

/// The provider of keys in Vault and OpenBao.
#[derive(Args, Clone, Debug, Default)]
pub struct Vault {
    #[command(flatten)]
    options: Options,
}

const EXAMPLE: OptionName<'static> = option("key").with("hashivault://HOST/v1/transit/keys/KEY");

impl Provider for Vault {
    fn schemes(&self) -> &'static [&'static str] {
        &["hashivault", "openbao"]
    }

    fn examples(&self) -> Vec<String> {
        vec![format!("in Vault ({EXAMPLE})")]
    }

    fn secret_variables(&self) -> &'static [&'static str] {
        &[
            "VAULT_TOKEN",
            "VAULT_SECRET_ID",
            "BAO_TOKEN",
            "BAO_SECRET_ID",
        ]
    }

    fn secret_options(&self) -> &'static [&'static str] {
        &["vault-jwt-env"]
    }

    fn check(&self, reference: &KeyRef) -> Result<(), RefError> {
        if is_vault_token(reference.rest()) && !reference.rest().contains('/') {
            return Err(RefError::Secret);
        }
        parse(reference).map_err(Error::new)?;
        Ok(())
    }

    fn versions(&self, reference: &KeyRef) -> Versions {
        match parse(reference) {
            Ok(uri) if uri.version.is_some() => Versions::One,
            _ => Versions::All,
        }
    }

    fn suggestion(&self, path: &str) -> Option<String> {
        let meant = path.starts_with("hashivault:") || path.starts_with("openbao:");
        meant.then(|| {
            "if it is a key in Vault, write `hashivault://KEY`, with two slashes".to_owned()
        })
    }

    fn unused_option(&self) -> Option<Diagnostic> {
        let unused = self.options.first_set()?;
        Some(Diagnostic::unused_option(
            unused,
            "keys in Vault and OpenBao",
            format!("omit it, or name such a key: {EXAMPLE}"),
        ))
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(VaultSession {
            options: self.options.clone(),
            clients: HashMap::new(),
        })
    }
}

fn parse(reference: &KeyRef) -> Result<TransitKeyUri, uri::Error> {
    let product = Product::from_scheme(reference.scheme()).unwrap_or(Product::Vault);
    TransitKeyUri::parse(product, reference.rest())
}

/// A session: one client for each server, and so one login.
struct VaultSession {
    options: Options,
    clients: HashMap<Server, Client>,
}

#[async_trait]
impl Session for VaultSession {
    async fn configure(
        &mut self,
        reference: &KeyRef,
        context: &Context,
    ) -> Result<Arc<dyn ProviderKey>, Diagnostic> {
        let uri = parse(reference).map_err(|error| Diagnostic::new(&error))?;
        let location = KeyLocation::resolve(&uri, &self.options);
        let KeyLocation { server, mount } = location.map_err(|error| Diagnostic::new(&error))?;
        let client = match self.clients.get(&server) {
            Some(client) => client.clone(),
            None => {
                let (mask, deadline) = (context.mask(), context.deadline());
                let client = Client::new(server.clone(), &self.options, mask, deadline)
                    .map_err(|error| Diagnostic::new(&error))?;
                self.clients.insert(server, client.clone());
                client
            }
        };
        Ok(Arc::new(KeyHandle::new(client, mount, reference, uri)))
    }

    async fn log_in(&self) {
        join_all(self.clients.values().map(Client::log_in)).await;
    }

    fn token_requests(&self) -> Vec<TokenRequest> {
        let clients = self.clients.values();
        clients.filter_map(Client::token_request).cloned().collect()
    }

    fn identity(&self) -> Option<Claims> {
        self.clients.values().find_map(Client::claims)
    }

    async fn close(&self) -> Vec<String> {
        let connections = self.clients.values().filter_map(Client::warning);
        let mut warnings: Vec<_> = connections.map(str::to_owned).collect();
        let ended = join_all(self.clients.values().map(Client::log_out)).await;
        warnings.extend(ended.into_iter().filter_map(Result::err));
        warnings
    }
}

#[async_trait]
impl ProviderKey for KeyHandle {
    async fn signer(&self) -> Result<Arc<dyn Signer>, Error> {
        let signer = self.clone().open_signer().await;
        Ok(Arc::new(signer.map_err(Error::new)?))
    }

    async fn public_keys(&self) -> Result<PublicKeys, Error> {
        self.open_public().await.map_err(Error::new)
    }

    fn versioned_name(&self) -> Option<String> {
        Some(Self::versioned_name(self))
    }
}
