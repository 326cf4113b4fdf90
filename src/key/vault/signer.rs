//! Keys in the transit engine of Vault or OpenBao: two calls, one for the public keys of all versions, and one
//! for a signature by one version.
//!
//! Each call names every parameter. The server's default for RSA would be PSS, and the latest version may change between
//! the two calls. Vault never decides whether a signature is valid.

use std::num::NonZeroU64;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo_core::crypto::algorithm::Hash;
use s3lo_core::crypto::public::PublicKey;
use vaultrs::api::transit::requests::{ReadKeyRequest, SignDataRequest};
use vaultrs::api::transit::{HashAlgorithm, MarshalingAlgorithm, SignatureAlgorithm};

use crate::key;
use crate::key::reference::KeyRef;
use crate::key::signer::{PublicKeys, Rehearsal, Signature, Signer, WithheldVersions};
use crate::key::vault::client::capabilities::CapabilitiesRequest;
use crate::key::vault::client::mount::Mount;
use crate::key::vault::client::{Client, capabilities, error};
use crate::key::vault::error::{Error, KeyError};
use crate::key::vault::transit_key;
use crate::key::vault::transit_key::TransitKey;
use crate::key::vault::uri::TransitKeyUri;
use crate::text::quoted;

/// A key, and the client of its server.
#[derive(Clone)]
pub struct KeyHandle {
    client: Client,
    mount: Mount,
    uri: TransitKeyUri,
    reference: KeyRef,
}

impl KeyHandle {
    /// The key with this URI in the engine at `mount`.
    pub fn new(client: Client, mount: Mount, reference: &KeyRef, uri: TransitKeyUri) -> Self {
        Self {
            client,
            mount,
            uri,
            reference: reference.clone(),
        }
    }

    /// The name of the key without its version: address and path.
    pub fn versioned_name(&self) -> String {
        format!("{}/{}", self.client.server().address, self.path())
    }

    /// Gets the public keys of all versions, newest first, or that of the selected version.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if Vault refuses, or the key is not supported.
    pub async fn open_public(&self) -> Result<PublicKeys, KeyError> {
        let opened = match self.read().await {
            Ok(versions) => self.public_keys(&versions),
            Err(error) => Err(error),
        };
        opened.map_err(|error| self.with_key(error))
    }

    /// Gets the public keys, and makes a signer of the latest or of the selected version.
    ///
    /// # Errors
    ///
    /// As [`open_public`](Self::open_public).
    pub async fn open_signer(self) -> Result<TransitSigner, KeyError> {
        let opened = match self.read().await {
            Ok(versions) => versions.to_sign_with(self.uri.version).map_err(Error::from),
            Err(error) => Err(error),
        };
        match opened {
            Ok((version, public)) => Ok(TransitSigner {
                key: self,
                version,
                public,
            }),
            Err(error) => Err(self.with_key(error)),
        }
    }

    fn public_keys(&self, versions: &TransitKey) -> Result<PublicKeys, Error> {
        let keys = versions.public_keys(self.uri.version)?;
        let oldest = versions.oldest_of_fewer();
        let withheld = oldest.filter(|_| self.uri.version.is_none());
        Ok(
            keys.with_withheld(withheld.map(|(oldest, available)| WithheldVersions {
                oldest,
                note: self.note_on_withheld(oldest, available),
            })),
        )
    }

    /// A note on versions before `oldest`. Those before `available` were trimmed.
    fn note_on_withheld(&self, oldest: NonZeroU64, available: u64) -> String {
        let not_looked_for =
            format!("signatures by versions of this key before {oldest} are not looked for");
        if available >= oldest.get() {
            return format!(
                "{not_looked_for}: these versions were trimmed; what they signed verifies by their public keys, where those were kept"
            );
        }
        format!(
            "{not_looked_for}: min_decryption_version excludes them, for which the owner of the key may have a reason: `{} read {}`",
            self.uri.product.command_line(),
            quoted(&self.path())
        )
    }

    /// The path of the key, as the command line of the product names it.
    fn path(&self) -> String {
        format!("{}/keys/{}", self.mount, self.uri.key)
    }

    async fn read(&self) -> Result<TransitKey, Error> {
        let request = ReadKeyRequest {
            mount: self.mount.to_string(),
            name: self.uri.key.clone(),
        };
        let body = self.client.call(&request, "read").await?;
        Ok(transit_key::read(&body)?)
    }

    fn with_key(&self, error: Error) -> KeyError {
        KeyError {
            key: self.reference.clone(),
            product: self.uri.product,
            path: self.path(),
            source: Box::new(error),
        }
    }
}

/// A version of a key whose public half is known.
pub struct TransitSigner {
    key: KeyHandle,
    version: NonZeroU64,
    public: PublicKey,
}

#[async_trait]
impl Signer for TransitSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign(&self, payload: &[u8]) -> Result<Signature, key::error::Error> {
        let signed = self.ask(payload).await;
        signed.map_err(|error| key::error::Error::new(self.key.with_key(error)))
    }

    async fn rehearse(&self) -> Result<Rehearsal, key::error::Error> {
        let found = self.capabilities().await;
        found.map_err(|error| key::error::Error::new(self.key.with_key(error)))
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
            name: self.key.uri.key.clone(),
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
        let asked = self.key.client.call(&request, "update").await;
        let body = asked.map_err(|error| self.classify(error))?;
        let signature = transit_key::read_signature(&body, self.version)?;
        if let Some(id) = &signature.request_id {
            tracing::debug!("signed by version {}, request ID {id}", self.version);
        }
        Ok(signature)
    }

    /// Asks whether the token's policies allow a signature.
    async fn capabilities(&self) -> Result<Rehearsal, Error> {
        let key = &self.key;
        let path = format!("{}/sign/{}", key.mount, key.uri.key);
        let request = CapabilitiesRequest { path: &path };
        let body = match key.client.call(&request, "update").await {
            Ok(body) => body,
            // A token without the policy `default` may still sign.
            Err(error @ error::Error::Denied { .. }) => {
                return Ok(Rehearsal::Unknown(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let server = key.client.server().clone();
        let Some(capabilities) = capabilities::read(&body, &path) else {
            let reason = format!("{server} does not say what the token may do on `{path}`");
            return Ok(Rehearsal::Unknown(reason));
        };
        let allowed = |name: &String| ["update", "root"].contains(&name.as_str());
        if capabilities.iter().any(allowed) {
            return Ok(Rehearsal::Allowed);
        }
        Err(Error::NotPermitted { server, path })
    }

    /// The meaning of the engine's refusals for this version, as seen with 1.16.3.
    fn classify(&self, error: error::Error) -> Error {
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
