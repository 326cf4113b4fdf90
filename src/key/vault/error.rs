//! Errors of transit keys, with their advice.

use s3lo_core::explain::{Explain, Fact};
use std::num::NonZeroU64;

use crate::key::reference::KeyRef;
use crate::key::vault::client;
use crate::key::vault::client::address::{Product, Server};
use crate::key::vault::transit_key;
use crate::text::quoted;

/// Why a transit key does not open, or does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the key `{key}`")]
pub struct KeyError {
    /// The reference.
    pub key: KeyRef,
    /// The product of its server.
    pub product: Product,
    /// The path: `transit/keys/NAME`.
    pub path: String,
    /// The reason.
    pub source: Box<Error>,
}

/// An error of Vault, or an unusable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The answer is unusable.
    #[error(transparent)]
    Answer(#[from] transit_key::Error),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] client::error::Error),
    /// No policy of the token allows a signature.
    #[error("{server} does not let this token update `{path}`")]
    NotPermitted {
        /// The server.
        server: Server,
        /// The path, as a policy names it.
        path: String,
    },
    /// The version exists and may not sign.
    #[error("{server} does not sign with version {version}")]
    NotToSignWith {
        /// The version.
        version: NonZeroU64,
        /// The server.
        server: Server,
        /// Vault's words.
        said: String,
    },
    /// The version was imported without its private half.
    #[error("{server} holds only the public key of version {version}")]
    PublicOnly {
        /// The version.
        version: NonZeroU64,
        /// The server.
        server: Server,
    },
}

impl Explain for KeyError {
    fn code(&self) -> &'static str {
        match &*self.source {
            Error::Answer(error) => match error {
                transit_key::Error::Derived | transit_key::Error::Unsupported { .. } => {
                    "unsupported_key"
                }
                transit_key::Error::Version { .. } => "key_version",
                _ => "signer_answered_nonsense",
            },
            Error::Call(error) => error.code(),
            Error::NotPermitted { .. } => "access_denied",
            Error::NotToSignWith { .. } => "key_version",
            Error::PublicOnly { .. } => "unsupported_key",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match &*self.source {
            Error::Call(error) => error.facts(),
            Error::NotToSignWith { said, .. } => vec![Fact::new("said", said)],
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        let Self { path, product, .. } = self;
        let cli = product.command_line();
        let mount = path
            .rsplit_once("/keys/")
            .map_or("transit", |(mount, _)| mount);
        // A `~` that begins a word is one for the shell.
        let (another, config) = (
            quoted(&format!("{mount}/keys/NAME")),
            quoted(&format!("{path}/config")),
        );
        let path = quoted(path);
        match &*self.source {
        Error::Answer(error) => match error {
            transit_key::Error::Unsupported { kind } if kind == "managed_key" => format!(
                    "name a managed key where it lives, as in `awskms:///alias/NAME` for AWS KMS\nor create one in the engine itself: `{cli} write -f {another} type=ecdsa-p256`"
                ),
            transit_key::Error::Derived | transit_key::Error::Unsupported { .. } => format!(
                "create a key that signs: `{cli} write -f {another} type=ecdsa-p256`\necdsa-p384, ecdsa-p521, ed25519 and rsa-2048 to rsa-4096 work as well, without `derived=true`"
            ),
            transit_key::Error::Version { trimmed: true, oldest, latest, .. } => format!(
                "name {}: this version was trimmed and is gone\nto verify its signatures, use its public key if you kept it",
                transit_key::given(*oldest, *latest)
            ),
            transit_key::Error::Version { version, oldest, latest, .. } if version < oldest => format!(
                "if the version is still trusted, allow it: `{cli} write {config} min_decryption_version={version}` (`{cli} read {path}` shows the setting)\nor name {}",
                transit_key::given(*oldest, *latest)
            ),
            transit_key::Error::Version { .. } => {
                format!("name a version that exists: `{cli} read {path}`")
            }
            _ => "check the address and HTTPS_PROXY: Vault itself does not answer this way\nnothing was stored".to_owned(),
        },
        Error::Call(error) => error.help(),
        Error::NotPermitted { path, .. } => client::advice::denied(*product, "update", path, None),
        Error::PublicOnly { version, .. } => format!(
            "sign with another version (`?version=N`) or another key; `verify` accepts version {version}"
        ),
        Error::NotToSignWith { .. } => format!(
            "run it again, if the key is being rotated now\notherwise name a version that may sign, or allow this one: `{cli} write {config} min_encryption_version=0`"
        ),
    }
    }
}
