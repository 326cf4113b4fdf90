//! Errors of transit keys, with their advice.

use s3lo_core::explain::Explain;
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
    /// The version exists and may not sign.
    #[error("{server} does not sign with version {version}: {said}")]
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
            Error::NotToSignWith { .. } => "key_version",
            Error::PublicOnly { .. } => "unsupported_key",
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
                    "a managed key is one of an HSM or a cloud that the server uses: name it there, as in `awskms:///alias/NAME` for AWS KMS, or make one in the engine itself: `{cli} write -f {another} type=ecdsa-p256`"
                ),
            transit_key::Error::Derived | transit_key::Error::Unsupported { .. } => format!(
                "make a key that signs: `{cli} write -f {another} type=ecdsa-p256`; ecdsa-p384, ecdsa-p521, ed25519 and rsa-2048 to rsa-4096 do as well, without `derived=true`"
            ),
            transit_key::Error::Version { trimmed: true, oldest, latest, .. } => format!(
                "it was trimmed, and is gone: name {}, or verify by its public key if that was kept",
                transit_key::given(*oldest, *latest)
            ),
            transit_key::Error::Version { version, oldest, latest, .. } if version < oldest => format!(
                "min_decryption_version holds it back: `{cli} read {path}`; if it is still to be trusted, `{cli} write {config} min_decryption_version={version}` gives it back; or name {}",
                transit_key::given(*oldest, *latest)
            ),
            transit_key::Error::Version { .. } => {
                format!("name a version that there is: `{cli} read {path}`")
            }
            _ => "nothing was stored; check the address and HTTPS_PROXY: Vault itself does not answer this way".to_owned(),
        },
        Error::Call(error) => error.help(),
        Error::PublicOnly { version, .. } => format!(
            "sign with another version, by `?version=N`, or with another key; `verify` takes version {version} as it is"
        ),
        Error::NotToSignWith { .. } => format!(
            "run it again if the key is being rotated now; otherwise name a version that may sign, or let this one: `{cli} write {config} min_encryption_version=0`"
        ),
    }
    }
}
