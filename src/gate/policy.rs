//! The policy, as far as the gate needs it.

use std::num::NonZeroUsize;
use std::path::Path;

use s3lo_core::payload::Schema;
use s3lo_core::reference::Reference;
use s3lo_core::verdict;
use serde::Deserialize;
use tokio::time::Instant;

use crate::bounded_file;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::key::keyring::Keyring;
use crate::key::registry;
use crate::key::registry::Providers;
use crate::verify;
use crate::verify::{Decision, Require};

/// A policy that is open.
pub(super) struct Policy {
    keys: Vec<verify::Key>,
}

/// The decision about an image.
pub(super) enum Verdict {
    /// The policy accepts it.
    Passed,
    /// The policy refuses it, for this reason.
    Refused(String),
}

#[derive(Deserialize)]
struct File {
    keys: std::collections::BTreeMap<String, Key>,
}

#[derive(Deserialize)]
struct Key {
    public: String,
}

fn bad(reason: impl Into<String>) -> Diagnostic {
    Diagnostic::plain("bad_policy", reason.into(), "mend the policy")
}

fn read(path: &Path) -> Result<File, Diagnostic> {
    let bytes = bounded_file::read(path, 262_144);
    let bytes = bytes.map_err(|error| bad(format!("{}: {error}", path.display())))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| bad(error.to_string()))?;
    toml::from_str(text).map_err(|error| bad(error.message()))
}

/// Checks the policy file alone; what is in it, in short.
pub(super) async fn check(path: &Path) -> Result<String, Diagnostic> {
    Ok(format!("{} keys", read(path)?.keys.len()))
}

impl Policy {
    /// Reads the policy, and configures the keys that it needs for an image.
    pub(super) async fn open(
        path: &Path,
        _reference: &Reference,
        context: &Context,
    ) -> Result<Self, Diagnostic> {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let keys = read(path)?.keys;
        let keys = keys.values().map(|key| {
            let reference = folder.join(&key.public).display().to_string();
            registry::parse(&reference).map_err(|error| Diagnostic::new(&error))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let keyring = Keyring::new(keys, &Providers::default(), context).await?;
        Ok(Self {
            keys: keyring.public_keys(),
        })
    }

    /// Decides about an image, which is pinned to the digest that it must have.
    pub(super) async fn decide(
        &self,
        image: &Image,
        deadline: Instant,
    ) -> Result<Verdict, verify::Error> {
        let options = verify::Options {
            policy: verdict::Policy {
                min_schema: Schema::V2,
            },
            require: Require::AtLeast(NonZeroUsize::MIN),
            deadline,
        };
        let outcome = verify::verify(image, &self.keys, &options).await?;
        match (outcome.decision, outcome.first_error()) {
            (Decision::Verified, _) => Ok(Verdict::Passed),
            (Decision::Undecided, Some(error)) => Err(error.clone()),
            _ => Ok(Verdict::Refused(outcome.reason().to_string())),
        }
    }
}
