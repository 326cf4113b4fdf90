//! Signers, and the public keys that verify what they sign.

use std::num::NonZeroU64;

use async_trait::async_trait;
use s3lo_core::crypto::public::{KeyId, PublicKey};

use crate::aws::policy::Statement;
use crate::key::error::Error;

/// A private key: in memory, or in a service.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The public half, which judges each signature before it is stored.
    fn public_key(&self) -> &PublicKey;

    /// Signs the bytes of a payload.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no signature.
    async fn sign(&self, payload: &[u8]) -> Result<Signature, Error>;

    /// Finds out whether `sign` is allowed, without a signature. A key in memory needs no permission.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not allowed, or the service does not answer.
    async fn rehearse(&self) -> Result<Rehearsal, Error> {
        Ok(Rehearsal::Allowed)
    }

    /// The IAM statement that a role needs to sign, if AWS holds the key.
    fn statement(&self) -> Option<Statement> {
        None
    }
}

/// The outcome of a rehearsal that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// The key may sign.
    Allowed,
    /// The service does not say, for this reason.
    Unknown(String),
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signature: DER for ECDSA, the plain bytes otherwise.
    pub bytes: Vec<u8>,
    /// The ID of the request that made it, as the service's audit log has it.
    pub request_id: Option<String>,
}

/// The public keys of one key: a single one, or one for each version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    newest: PublicKey,
    older: Vec<PublicKey>,
    siblings: Vec<KeyId>,
    withheld: Option<WithheldVersions>,
}

/// Older versions of a key that its provider does not give, so that their signatures cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldVersions {
    /// The oldest version that is given.
    pub oldest: NonZeroU64,
    /// A note for the person who looks for an older signature.
    pub note: String,
}

impl From<PublicKey> for PublicKeys {
    fn from(only: PublicKey) -> Self {
        Self::newest_first(only, Vec::new())
    }
}

impl PublicKeys {
    /// The versions of a key, newest first.
    pub fn newest_first(newest: PublicKey, older: Vec<PublicKey>) -> Self {
        Self {
            newest,
            older,
            siblings: Vec::new(),
            withheld: None,
        }
    }

    /// The same, with the IDs of versions that the reference leaves out. They verify nothing.
    pub fn with_siblings(self, siblings: Vec<KeyId>) -> Self {
        Self { siblings, ..self }
    }

    /// The same, with what is known of withheld versions.
    pub fn with_withheld(self, withheld: Option<WithheldVersions>) -> Self {
        Self { withheld, ..self }
    }

    /// The newest.
    pub fn newest(&self) -> &PublicKey {
        &self.newest
    }

    /// All, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    /// The IDs of all versions that are known, also of those that the reference excludes: the holder of one of them
    /// holds all.
    pub fn family(&self) -> impl Iterator<Item = KeyId> {
        let named = self.iter().map(PublicKey::id);
        named.chain(self.siblings.iter().copied())
    }

    /// The versions that are withheld, if there are any.
    pub fn withheld(&self) -> Option<&WithheldVersions> {
        self.withheld.as_ref()
    }
}
