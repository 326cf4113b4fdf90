//! The keys of a run, and the sessions of their providers.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::identity::jwt::Claims;
use crate::identity::token_source::TokenRequest;
use crate::key::error::Error;
use crate::key::lazy::LazyKey;
use crate::key::provider::{ProviderKey, Session};
use crate::key::reference::KeyRef;
use crate::key::registry::Providers;
use crate::key::signer::{PublicKeys, Signer};

/// The keys of a run, and the sessions of their providers.
pub struct Keyring {
    references: Vec<KeyRef>,
    keys: Vec<Arc<dyn ProviderKey>>,
    sessions: Vec<Box<dyn Session>>,
    /// Whether keys are opened one after the other, since a person is asked for passwords.
    in_turn: bool,
}

impl Keyring {
    /// Configures every key. Nothing is sent yet. `spare` are keys that this run does not need, though others do.
    ///
    /// # Errors
    ///
    /// A setting that is missing or invalid, or an option that no key uses.
    pub async fn new(
        references: Vec<KeyRef>,
        spare: &[KeyRef],
        providers: &Providers,
        context: &Context,
    ) -> Result<Self, Diagnostic> {
        let (mut keys, mut sessions) = (Vec::with_capacity(references.len()), Vec::new());
        for provider in providers.all() {
            let is_own = |key: &KeyRef| provider.schemes().contains(&key.scheme());
            let own: Vec<_> = (0..)
                .zip(&references)
                .filter(|(_, key)| is_own(key))
                .collect();
            if own.is_empty() {
                match provider.unused_option() {
                    Some(unused) if !spare.iter().any(is_own) => return Err(unused),
                    _ => continue,
                }
            }
            let mut session = provider.session();
            for (number, reference) in own {
                keys.push((number, session.configure(reference, context).await?));
            }
            sessions.push(session);
        }
        keys.sort_by_key(|(number, _): &(usize, _)| *number);
        Ok(Self {
            references,
            keys: keys.into_iter().map(|(_, key)| key).collect(),
            sessions,
            in_turn: context.passwords.are_asked_for(),
        })
    }

    /// The references, in the order in which they were named.
    pub fn references(&self) -> &[KeyRef] {
        &self.references
    }

    /// The first key that was named.
    pub fn first(&self) -> Option<&dyn ProviderKey> {
        self.keys.first().map(AsRef::as_ref)
    }

    /// The claims of an identity token that a session logged in with, or that was refused.
    pub fn identity(&self) -> Option<Claims> {
        let mut sessions = self.sessions.iter();
        sessions.find_map(|session| session.identity())
    }

    /// The identity tokens that the CI system's agent has to issue for logins.
    pub(crate) fn token_requests(&self) -> Vec<TokenRequest> {
        let sessions = self.sessions.iter();
        sessions
            .flat_map(|session| session.token_requests())
            .collect()
    }

    /// Opens connections, while credentials are on their way.
    pub fn preconnect(&self) {
        self.keys.iter().for_each(|key| key.preconnect());
    }

    /// Logs in to each service that needs it. The keys report a failure when they are opened.
    pub async fn log_in(&self) {
        join_all(self.sessions.iter().map(|session| session.log_in())).await;
    }

    /// Ends the sessions, and returns warnings for the user.
    pub async fn close(&self) -> Vec<String> {
        join_all(self.sessions.iter().map(|session| session.close()))
            .await
            .concat()
    }

    /// Two references to versions of one key.
    pub fn same_key(&self) -> Option<(&KeyRef, &KeyRef)> {
        let mut seen: HashMap<String, &KeyRef> = HashMap::new();
        for (reference, key) in self.references.iter().zip(&self.keys) {
            if let Some(name) = key.versioned_name()
                && let Some(other) = seen.insert(name, reference)
            {
                return Some((other, reference));
            }
        }
        None
    }

    /// The keys to sign with. Each is opened once, when it is first waited for.
    pub fn signers(&self) -> Vec<LazyKey<Arc<dyn Signer>>> {
        self.lazy(|key| async move { key.signer().await })
    }

    /// The keys to verify with. Each is opened once, when it is first waited for.
    pub fn public_keys(&self) -> Vec<LazyKey<PublicKeys>> {
        self.lazy(|key| async move { key.public_keys().await })
    }

    fn lazy<T, F>(&self, open: impl Fn(Arc<dyn ProviderKey>) -> F) -> Vec<LazyKey<T>>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut lazy: Vec<LazyKey<T>> = Vec::with_capacity(self.keys.len());
        for (reference, key) in self.references.iter().zip(&self.keys) {
            let open = open(Arc::clone(key));
            let before = lazy.last().cloned().filter(|_| self.in_turn);
            let open = async move {
                if let Some(before) = before {
                    let _ = before.opened().await;
                }
                open.await
            };
            lazy.push(LazyKey::new(reference.clone(), open));
        }
        lazy
    }
}
