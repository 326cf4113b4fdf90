//! Keys in the transit engine of Vault or OpenBao: two calls, one for the public keys of all versions, and one
//! for a signature by the version that was chosen from them.
//!
//! Nothing is left to the server's defaults: for RSA that would be PSS, and the latest version may be another
//! one by the time of the second call. Nor is Vault asked whether a signature is valid.

use std::num::NonZeroU64;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo_core::crypto::algorithm::Hash;
use s3lo_core::crypto::public::PublicKey;
use vaultrs::api::transit::requests::{ReadKeyRequest, SignDataRequest};
use vaultrs::api::transit::{HashAlgorithm, MarshalingAlgorithm, SignatureAlgorithm};

use crate::key::vault::client::address::Server;
use crate::key::vault::client::error;
use crate::key::vault::client::session::Vault;
use crate::key::vault::transit_key;
use crate::key::vault::transit_key::Versions;
use crate::key::vault::uri::{Mount, Name};
use crate::key::{KeyRef, PublicKeys, Signature, Signer, WithheldVersions};

/// A key, and the Vault that holds it.
#[derive(Clone)]
pub struct TransitKey {
    vault: Vault,
    mount: Mount,
    name: Name,
    reference: KeyRef,
}

impl TransitKey {
    /// The key `reference`, which is called `name` in the engine at `mount`.
    pub fn new(vault: Vault, mount: Mount, reference: &KeyRef, name: &Name) -> Self {
        Self {
            vault,
            mount,
            name: name.clone(),
            reference: reference.clone(),
        }
    }

    /// Whether this is the same key, whatever versions of it are meant.
    pub fn is_same_key(&self, other: &Self) -> bool {
        let place = |key: &Self| (key.vault.server().address.clone(), key.path());
        place(self) == place(other)
    }

    /// Asks for the public keys of all versions, newest first; or that of the one version which is named.
    ///
    /// # Errors
    ///
    /// [`crate::key::Error::Vault`] if Vault refuses, or the key is none that this program verifies with.
    pub async fn open_public(self) -> Result<PublicKeys, crate::key::Error> {
        let opened = match self.read().await {
            Ok(versions) => self.public_keys(&versions),
            Err(error) => Err(error),
        };
        opened.map_err(|error| self.because(error))
    }

    /// Asks for the public keys, and makes a signer of the latest version or of the one that is named.
    ///
    /// # Errors
    ///
    /// As [`open_public`](Self::open_public).
    pub async fn open_signer(self) -> Result<TransitSigner, crate::key::Error> {
        let opened = match self.read().await {
            Ok(versions) => versions
                .to_sign_with(self.name.version)
                .map_err(Error::from),
            Err(error) => Err(error),
        };
        match opened {
            Ok((version, public)) => Ok(TransitSigner {
                key: self,
                version,
                public,
            }),
            Err(error) => Err(self.because(error)),
        }
    }

    fn public_keys(&self, versions: &Versions) -> Result<PublicKeys, Error> {
        let keys = versions.public_keys(self.name.version)?;
        let oldest = versions.oldest_of_fewer();
        let withheld = oldest.filter(|_| self.name.version.is_none());
        Ok(
            keys.without_older(withheld.map(|(oldest, available)| WithheldVersions {
                path: self.path(),
                oldest,
                available,
            })),
        )
    }

    /// Where the key is, as the service's command line names it.
    fn path(&self) -> String {
        format!("{}/keys/{}", self.mount, self.name.key)
    }

    async fn read(&self) -> Result<Versions, Error> {
        let request = ReadKeyRequest {
            mount: self.mount.to_string(),
            name: self.name.key.clone(),
        };
        let body = self.vault.call(&request, "read").await?;
        Ok(transit_key::read(&body)?)
    }

    fn because(&self, error: Error) -> crate::key::Error {
        crate::key::Error::Vault {
            key: self.reference.clone(),
            path: self.path(),
            source: Box::new(error),
        }
    }
}

/// A version of a key that has told its public half.
pub struct TransitSigner {
    key: TransitKey,
    version: NonZeroU64,
    public: PublicKey,
}

#[async_trait]
impl Signer for TransitSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign(&self, payload: &[u8]) -> Result<Signature, crate::key::Error> {
        let signed = self.ask(payload).await;
        signed.map_err(|error| self.key.because(error))
    }
}

impl TransitSigner {
    async fn ask(&self, payload: &[u8]) -> Result<Signature, Error> {
        let algorithm = self.public.key_type().algorithm();
        let (prehashed, input) = match algorithm.hash() {
            Some(hash) => (true, hash.digest(payload)),
            None => (false, payload.to_vec()),
        };
        let request = SignDataRequest {
            mount: self.key.mount.to_string(),
            name: self.key.name.key.clone(),
            key_version: Some(self.version.get()),
            hash_algorithm: Some(match algorithm.hash() {
                Some(Hash::Sha384) => HashAlgorithm::Sha2_384,
                Some(Hash::Sha512) => HashAlgorithm::Sha2_512,
                // For Ed25519 SHA-512 would ask for Ed25519ph, or be refused.
                Some(Hash::Sha256) | None => HashAlgorithm::Sha2_256,
            }),
            input: BASE64_STANDARD.encode(input),
            context: None,
            prehashed: Some(prehashed),
            signature_algorithm: Some(SignatureAlgorithm::Pkcs1v15),
            marshaling_algorithm: Some(MarshalingAlgorithm::Asn1),
        };
        let asked = self.key.vault.call(&request, "update").await;
        let body = asked.map_err(|error| self.refused(error))?;
        let signature = transit_key::read_signature(&body, self.version)?;
        if let Some(id) = &signature.request_id {
            tracing::debug!("signed by version {}, request ID {id}", self.version);
        }
        Ok(signature)
    }

    /// What the engine's refusal means for this version: seen with 1.16.3.
    fn refused(&self, error: error::Error) -> Error {
        let version = self.version;
        match error {
            error::Error::Service { server, answer, .. }
                if answer.says("requested version") || answer.says("no such key version") =>
            {
                if answer.says("private part") {
                    Error::PublicOnly { version, server }
                } else {
                    Error::NotToSignWith {
                        version,
                        server,
                        said: answer.to_string(),
                    }
                }
            }
            error::Error::Service { server, answer, .. }
                if answer.status == 400 && answer.says("signing key not found") =>
            {
                let path = self.key.path();
                Error::Call(error::Error::NotFound { server, path })
            }
            other => Error::Call(other),
        }
    }
}

/// Why a transit key does not open, or does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What came is of no use.
    #[error(transparent)]
    Answer(#[from] transit_key::Error),
    /// Vault refused, or could not be asked.
    #[error(transparent)]
    Call(#[from] error::Error),
    /// The version is there and may not sign.
    #[error("{server} does not sign with version {version}: {said}")]
    NotToSignWith {
        /// The version.
        version: NonZeroU64,
        /// The server.
        server: Server,
        /// What Vault said.
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
