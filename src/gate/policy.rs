//! The policy of the gate, with its keys open for one image.

use std::path::Path;
use std::sync::Arc;

use s3lo_core::policy::decision::Decision;
use s3lo_core::reference::Reference;
use s3lo_core::verdict::Reason;
use tokio::time::Instant;

use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::key::keyring::Keyring;
use crate::key::registry::Providers;
use crate::policy::PolicyFile;
use crate::verify;
use crate::verify::{PolicyKeys, verify_by_policy};

/// A policy whose keys are those for one image, under any tag.
pub(super) struct OpenPolicy {
    keys: PolicyKeys,
    services: Keyring,
}

pub(super) async fn load(path: &Path) -> Result<Arc<PolicyFile>, Diagnostic> {
    let Some(path) = path.to_str() else {
        let help = "name the policy by a path that is text";
        return Err(Diagnostic::usage(
            "the path of the policy is not UTF-8",
            help,
        ));
    };
    let loaded = PolicyFile::load(path).await;
    loaded.map_err(|error| Diagnostic::new(&error))
}

/// Checks the policy file and its keys; what is in it, in short.
pub(super) async fn check(path: &Path) -> Result<String, Diagnostic> {
    let policy = &load(path).await?.policy;
    let (keys, rules) = (policy.keys().len(), policy.rules().len());
    Ok(format!("{}, keys: {keys}, rules: {rules}", path.display()))
}

impl OpenPolicy {
    /// Configures the keys in services that the policy needs for an image.
    pub(super) async fn open(
        file: Arc<PolicyFile>,
        reference: &Reference,
        context: &Context,
    ) -> Result<Self, Diagnostic> {
        let named = file.services(std::slice::from_ref(reference));
        let services = Keyring::new(named, &[], &Providers::default(), context).await?;
        Ok(Self {
            keys: PolicyKeys::new(file, &services.public_keys()),
            services,
        })
    }

    /// Logs in to the services of keys. The keys report a failure when they are opened.
    pub(super) async fn log_in(&self) {
        self.services.log_in().await;
    }

    /// Ends the sessions with the services of keys.
    pub(super) async fn close(&self) {
        for warning in self.services.close().await {
            tracing::debug!("{warning}");
        }
    }

    /// Decides about an image, which is pinned to the digest that it must have: the reason if it is refused.
    pub(super) async fn decide(
        &self,
        image: &Image,
        deadline: Instant,
    ) -> Result<Option<Reason>, verify::Error> {
        let outcome = verify_by_policy(image, &self.keys, deadline).await?;
        match (outcome.decision, outcome.first_error()) {
            (Decision::Verified, _) => Ok(None),
            (Decision::Undecided, Some(error)) => Err(error.clone()),
            (Decision::Failed | Decision::Undecided, _) => Ok(Some(outcome.reason())),
        }
    }
}
