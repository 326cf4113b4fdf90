//! The extension point for kinds of key: a provider, its session for one run, and the keys of that session.

use std::sync::Arc;

use async_trait::async_trait;

use crate::aws::arn::Arn;
use crate::aws::policy::Statement;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::identity::jwt::Claims;
use crate::identity::token_source::TokenRequest;
use crate::key::error::Error;
use crate::key::reference::{KeyRef, RefError, Versions};
use crate::key::signer::{PublicKeys, Signer};

/// A kind of key: the meaning of its references, its command-line options, and how its keys are opened.
pub trait Provider: Send + Sync {
    /// The schemes of its references.
    fn schemes(&self) -> &'static [&'static str];

    /// An example of each kind of reference, as advice for a scheme that is unknown.
    fn examples(&self) -> Vec<String>;

    /// Variables that contain secrets. They are masked in CI before anything else happens.
    fn secret_variables(&self) -> &'static [&'static str] {
        &[]
    }

    /// Options whose values name variables with secrets.
    fn secret_options(&self) -> &'static [&'static str] {
        &[]
    }

    /// Checks the rest of a reference. It reads neither files nor the environment.
    ///
    /// # Errors
    ///
    /// [`RefError`] if the reference names no key.
    fn check(&self, reference: &KeyRef) -> Result<(), RefError>;

    /// The versions of a key that a reference means.
    fn versions(&self, _reference: &KeyRef) -> Versions {
        Versions::Single
    }

    /// Advice, if a path looks like a reference of this provider.
    fn suggestion(&self, _path: &str) -> Option<String> {
        None
    }

    /// The complaint about an option of this provider, if one is set. It is made if a run has none of its keys.
    fn unused_option(&self) -> Option<Diagnostic> {
        None
    }

    /// Begins a session for the keys of one run.
    fn session(&self) -> Box<dyn Session>;
}

/// The keys of one run that have the same provider. They share a login and connections.
#[async_trait]
pub trait Session: Send + Sync {
    /// Configures a key. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A setting that is missing or invalid.
    async fn configure(
        &mut self,
        reference: &KeyRef,
        context: &Context,
    ) -> Result<Arc<dyn ProviderKey>, Diagnostic>;

    /// Logs in, while credentials for AWS are on their way. The keys report a failure when they are opened.
    async fn log_in(&self) {}

    /// The identity tokens that the CI system's agent has to issue for the session's logins.
    fn token_requests(&self) -> Vec<TokenRequest> {
        Vec::new()
    }

    /// The claims of the identity token that the session logged in with, or that was refused.
    fn identity(&self) -> Option<Claims> {
        None
    }

    /// Ends the session: returns tokens, and warnings for the user.
    async fn close(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A configured key.
#[async_trait]
pub trait ProviderKey: Send + Sync {
    /// Opens connections, while credentials are on their way. Nothing waits for them.
    fn preconnect(&self) {}

    /// Opens the key to sign.
    ///
    /// # Errors
    ///
    /// [`Error`] if the key is not available or cannot sign.
    async fn signer(&self) -> Result<Arc<dyn Signer>, Error>;

    /// Opens the key to verify.
    ///
    /// # Errors
    ///
    /// [`Error`] if the key is not available or cannot verify.
    async fn public_keys(&self) -> Result<PublicKeys, Error>;

    /// Whether the key is used with credentials of AWS.
    fn takes_aws_credentials(&self) -> bool {
        false
    }

    /// The IAM statement that lets `caller` sign with the key, as far as the reference alone shows.
    fn statement(&self, _caller: Option<&Arn>) -> Option<Statement> {
        None
    }

    /// A name that all versions of a key share, if the key has versions.
    fn versioned_name(&self) -> Option<String> {
        None
    }
}
