//! The key: its public half, and whether it may sign.

use std::pin::pin;

use tokio::time::Instant;

use crate::aws::policy::Statement;
use crate::diagnostic::Diagnostic;
use crate::doctor::caller::token;
use crate::doctor::check::{Check, Topic};
use crate::key::keyring::Keyring;
use crate::key::signer::{Rehearsal, Signer};
use crate::net::timed_out::until;

/// The checks of a key, and what they found.
#[derive(Default)]
pub(super) struct Found {
    /// The checks.
    pub(super) checks: Vec<Check>,
    /// The ID of the key that would sign.
    pub(super) id: Option<String>,
    /// The IAM statement that it takes.
    pub(super) statement: Option<Statement>,
}

impl Found {
    /// A key that cannot be opened, for the reason in `key`.
    pub(super) fn unopened(key: Check) -> Self {
        Self {
            checks: vec![key, Check::after(Topic::Signing, Topic::Key)],
            ..Self::default()
        }
    }
}

/// Opens the key, and rehearses a signature.
pub(super) async fn check(keys: &Keyring, deadline: Instant) -> Found {
    let checked = until(deadline, pin!(opened(keys))).await;
    let mut found = checked.unwrap_or_else(|error| {
        Found::unopened(Check::failed(Topic::Key, Diagnostic::new(&error)))
    });
    let identity = keys.identity();
    found
        .checks
        .extend(identity.map(|claims| token(Topic::KeyIdentityToken, &claims)));
    found
}

async fn opened(keys: &Keyring) -> Found {
    let signers = keys.signers();
    let Some(key) = signers.first() else {
        return Found::default();
    };
    let signer = match key.opened().await {
        Ok(signer) => signer,
        Err(error) => {
            return Found::unopened(Check::failed(Topic::Key, Diagnostic::new(&error)));
        }
    };
    let public = signer.public_key();
    let id = public.id().to_string();
    let detail = format!("{}, key ID {id}", public.key_type());
    Found {
        checks: vec![
            Check::ok(Topic::Key, detail),
            signing(signer.as_ref()).await,
        ],
        id: Some(id),
        statement: signer.statement(),
    }
}

async fn signing(signer: &dyn Signer) -> Check {
    match signer.rehearse().await {
        Ok(Rehearsal::Allowed) => Check::ok(Topic::Signing, "the key may sign"),
        Ok(Rehearsal::Unknown(reason)) => Check::unknown(Topic::Signing, reason),
        Err(error) => Check::failed(Topic::Signing, Diagnostic::new(&error)),
    }
}
