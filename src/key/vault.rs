//! Keys in the transit engine of Vault or OpenBao: two calls, one for the public keys of all versions, and one
//! for a signature by the version that was chosen from them.
//!
//! Nothing is left to the server's defaults: for RSA that would be PSS, and the latest version may be another
//! one by the time of the second call. Nor is Vault asked whether a signature is valid.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use vaultrs::api::transit::requests::{ReadKeyRequest, SignDataRequest};
use vaultrs::api::transit::{HashAlgorithm, MarshalingAlgorithm, SignatureAlgorithm};
use zeroize::Zeroizing;

use super::algorithm::{Hash, KeyType};
use super::public::{self, PublicKey};
use super::transit::{Mount, Name};
use super::{KeyRef, PublicKeys, Signature, Signer};
use crate::json;
use crate::text::clipped;
use crate::vault::address::Server;
use crate::vault::failure;
use crate::vault::session::Vault;

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

    /// Asks for the public keys of all versions, newest first; or that of the one version which is named.
    ///
    /// # Errors
    ///
    /// [`super::Error::Vault`] if Vault refuses, or the key is none that this program verifies with.
    pub async fn open_public(self) -> Result<PublicKeys, super::Error> {
        let opened = match self.read().await {
            Ok(key) => key.public_keys(self.name.version),
            Err(error) => Err(error),
        };
        opened.map_err(|error| self.because(error))
    }

    /// Asks for the public keys, and makes a signer of the latest version or of the one that is named.
    ///
    /// # Errors
    ///
    /// As [`open_public`](Self::open_public).
    pub async fn open_signer(self) -> Result<TransitSigner, super::Error> {
        let opened = match self.read().await {
            Ok(key) => key.to_sign_with(self.name.version),
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

    async fn read(&self) -> Result<Key, Error> {
        let request = ReadKeyRequest {
            mount: self.mount.to_string(),
            name: self.name.key.clone(),
        };
        let body = self.vault.call(&request, "read").await?;
        let answer: Answer<KeyData> = self.parsed(&body)?;
        answer.data.try_into()
    }

    fn parsed<T: DeserializeOwned>(&self, body: &Zeroizing<Vec<u8>>) -> Result<T, Error> {
        json::object(body).map_err(|_| {
            Error::Call(failure::Error::Nonsense {
                server: self.vault.server().clone(),
                what: "something else than the JSON of its transit engine".to_owned(),
            })
        })
    }

    fn because(&self, error: Error) -> super::Error {
        super::Error::Vault {
            key: self.reference.clone(),
            source: Box::new(error),
        }
    }
}

/// What an answer is wrapped in.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
struct Answer<T> {
    #[serde(default)]
    request_id: Option<String>,
    #[serde(deserialize_with = "json::inner")]
    data: T,
}

/// [Read key](https://developer.hashicorp.com/vault/api-docs/secret/transit#read-key).
#[derive(Deserialize)]
struct KeyData {
    #[serde(rename = "type")]
    kind: String,
    /// Those of an HMAC key are not told at all.
    #[serde(default, deserialize_with = "json::distinct")]
    keys: BTreeMap<String, Version>,
    #[serde(default)]
    latest_version: u64,
    #[serde(default)]
    derived: bool,
}

/// One version of it: with a public key, or the time at which it was made.
#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Asymmetric { public_key: String },
    Symmetric(IgnoredAny),
}

/// A key that signs, with the public keys that Vault gives.
struct Key {
    key_type: KeyType,
    /// Not empty.
    versions: BTreeMap<NonZeroU64, String>,
    latest: NonZeroU64,
}

impl TryFrom<KeyData> for Key {
    type Error = Error;

    fn try_from(data: KeyData) -> Result<Self, Error> {
        let Some(key_type) = KeyType::from_transit(&data.kind) else {
            return Err(Error::Unsupported {
                kind: clipped(&data.kind),
            });
        };
        if data.derived {
            return Err(Error::Derived);
        }
        let mut versions = BTreeMap::new();
        for (number, version) in data.keys {
            let plain =
                number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
            let number = number.parse().ok().filter(|_| plain);
            match (number, version) {
                (Some(number), Version::Asymmetric { public_key }) => {
                    versions.insert(number, public_key);
                }
                _ => return Err(Error::Versions),
            }
        }
        let latest = NonZeroU64::new(data.latest_version);
        match latest.filter(|latest| versions.contains_key(latest)) {
            Some(latest) => Ok(Self {
                key_type,
                versions,
                latest,
            }),
            None => Err(Error::Versions),
        }
    }
}

impl Key {
    fn to_sign_with(&self, wanted: Option<NonZeroU64>) -> Result<(NonZeroU64, PublicKey), Error> {
        let version = wanted.unwrap_or(self.latest);
        Ok((version, self.public(version)?))
    }

    fn public_keys(&self, wanted: Option<NonZeroU64>) -> Result<PublicKeys, Error> {
        if let Some(version) = wanted {
            return Ok(PublicKeys::from(self.public(version)?));
        }
        let newest_first = self.versions.keys().rev();
        let older = newest_first.filter(|version| **version != self.latest);
        let older = older.map(|version| self.public(*version));
        let (newest, older) = (self.public(self.latest)?, older.collect::<Result<_, _>>()?);
        let keys = PublicKeys::newest_first(newest, older);
        Ok(match self.versions.keys().next() {
            Some(oldest) if oldest.get() > 1 => keys.from_version(*oldest),
            _ => keys,
        })
    }

    fn public(&self, version: NonZeroU64) -> Result<PublicKey, Error> {
        let Some(text) = self.versions.get(&version) else {
            let oldest = self.versions.keys().next().copied();
            return Err(Error::Version {
                version,
                oldest: oldest.unwrap_or(self.latest),
                latest: self.latest,
            });
        };
        let unusable = |source| Error::PublicKey { version, source };
        let public = match self.key_type {
            // 32 bytes, where the others are PEM.
            KeyType::Ed25519 => {
                let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
                PublicKey::from_ed25519_bytes(&bytes)
            }
            _ => PublicKey::from_pem(text.as_bytes()),
        };
        let public = public.map_err(unusable)?;
        if public.key_type() != self.key_type {
            return Err(Error::OtherType {
                version,
                named: self.key_type,
                key_type: public.key_type(),
            });
        }
        Ok(public)
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

    async fn sign(&self, payload: &[u8]) -> Result<Signature, super::Error> {
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
        let answer: Answer<Signed> = self.key.parsed(&body)?;
        let signature = &answer.data.signature;
        let prefix = format!("vault:v{}:", self.version);
        let version = self.version;
        let Some(encoded) = signature.strip_prefix(&prefix) else {
            // What stands before the signature itself.
            return Err(Error::Prefix {
                version,
                found: signature.rsplit_once(':').map(|(found, _)| clipped(found)),
            });
        };
        let decoded = BASE64_STANDARD.decode(encoded).ok();
        let bytes = decoded.filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or(Error::Encoding { version })?;
        let request_id = answer.request_id.as_deref().map(clipped);
        if let Some(id) = &request_id {
            tracing::debug!("signed by version {}, request ID {id}", self.version);
        }
        Ok(Signature { bytes, request_id })
    }

    /// What the engine's refusal means for this version: seen with 1.16.3.
    fn refused(&self, error: failure::Error) -> Error {
        let version = self.version;
        match error {
            failure::Error::Service { server, answer, .. }
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
            failure::Error::Service { server, answer, .. }
                if answer.status == 400 && answer.says("signing key not found") =>
            {
                let path = format!("{}/keys/{}", self.key.mount, self.key.name.key);
                Error::Call(failure::Error::NotFound { server, path })
            }
            other => Error::Call(other),
        }
    }
}

/// [Sign data](https://developer.hashicorp.com/vault/api-docs/secret/transit#sign-data).
#[derive(Deserialize)]
struct Signed {
    signature: String,
}

impl KeyType {
    /// The key type that the transit engine calls `kind`
    /// ([Create key](https://developer.hashicorp.com/vault/api-docs/secret/transit#create-key)).
    fn from_transit(kind: &str) -> Option<Self> {
        match kind {
            "ecdsa-p256" => Some(Self::P256),
            "ecdsa-p384" => Some(Self::P384),
            "ecdsa-p521" => Some(Self::P521),
            "ed25519" => Some(Self::Ed25519),
            "rsa-2048" => Some(Self::Rsa2048),
            "rsa-3072" => Some(Self::Rsa3072),
            "rsa-4096" => Some(Self::Rsa4096),
            _ => None,
        }
    }
}

/// Why a transit key does not open, or does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Vault refused, or could not be asked.
    #[error(transparent)]
    Call(#[from] failure::Error),
    /// Another key for each context, and no public half for any.
    #[error("it is a derived key, which has no public key of its own")]
    Derived,
    /// The signature is not in base64, or there is none.
    #[error("what should be a signature by version {version} is not one in base64")]
    Encoding {
        /// The version.
        version: NonZeroU64,
    },
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
    /// The public key is not of the type that Vault says.
    #[error("the key is called {named}, and the public key of version {version} is {key_type}")]
    OtherType {
        /// The version.
        version: NonZeroU64,
        /// What Vault says.
        named: KeyType,
        /// What it is.
        key_type: KeyType,
    },
    /// The signature is not by the version that was asked for.
    #[error("a signature by version {version} was asked for, and {} came", named(found.as_deref()))]
    Prefix {
        /// The version.
        version: NonZeroU64,
        /// What stands before the signature, if anything does.
        found: Option<String>,
    },
    /// The public key cannot be read.
    #[error("the public key of version {version} cannot be used")]
    PublicKey {
        /// The version.
        version: NonZeroU64,
        /// What is wrong with it.
        source: public::Error,
    },
    /// The version was imported without its private half.
    #[error("{server} holds only the public key of version {version}")]
    PublicOnly {
        /// The version.
        version: NonZeroU64,
        /// The server.
        server: Server,
    },
    /// A key type that is not in the table.
    #[error("keys of the type {} do not sign here", kind.escape_debug())]
    Unsupported {
        /// The engine's name of it.
        kind: String,
    },
    /// The version that the reference names is not given.
    #[error("the key has no version {version}: Vault gives {oldest} to {latest}")]
    Version {
        /// The version.
        version: NonZeroU64,
        /// The oldest that is given.
        oldest: NonZeroU64,
        /// The latest.
        latest: NonZeroU64,
    },
    /// The versions make no sense.
    #[error("Vault answered with versions of the key that cannot be")]
    Versions,
}

fn named(found: Option<&str>) -> String {
    found.map_or_else(
        || "one without a version".to_owned(),
        |found| format!("`{}`", found.escape_debug()),
    )
}
