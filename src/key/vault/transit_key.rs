//! Responses of a transit engine, read strictly: a key with the public keys of its versions, and a signature by one
//! version.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::text::printable;
use std::collections::BTreeMap;
use std::num::NonZeroU64;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo_core::crypto::algorithm::KeyType;
use s3lo_core::crypto::public;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::json;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::key::signer::{PublicKeys, Signature};

/// Reads the answer to [Read key](https://developer.hashicorp.com/vault/api-docs/secret/transit#read-key).
///
/// # Errors
///
/// [`Error`] if it is none, or the key does not sign.
pub fn read(body: &[u8]) -> Result<TransitKey, Error> {
    let answer: Response<KeyData> = json::object(body).map_err(|_| Error::NotTransit)?;
    answer.data.try_into()
}

/// Reads the answer to [Sign data](https://developer.hashicorp.com/vault/api-docs/secret/transit#sign-data):
/// `vault:vN:` and base64.
///
/// # Errors
///
/// [`Error`] if it is none, or not by this version.
pub fn read_signature(body: &[u8], version: NonZeroU64) -> Result<Signature, Error> {
    let answer: Response<Signed> = json::object(body).map_err(|_| Error::NotTransit)?;
    let signature = &answer.data.signature;
    let Some(encoded) = signature.strip_prefix(&format!("vault:v{version}:")) else {
        // The prefix of the signature itself.
        return Err(Error::Prefix {
            version,
            found: signature
                .rsplit_once(':')
                .map(|(found, _)| found.to_owned())
                .filter(|found| is_plain(found, b":")),
        });
    };
    let decoded = BASE64_STANDARD.decode(encoded).ok();
    let bytes = decoded.filter(|bytes| !bytes.is_empty());
    Ok(Signature {
        bytes: bytes.ok_or(Error::Encoding { version })?,
        request_id: answer.request_id.filter(|id| is_plain(id, b"-")),
    })
}

/// The envelope of a response.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
struct Response<T> {
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
    /// Missing for an HMAC key.
    #[serde(default, deserialize_with = "json::distinct")]
    keys: BTreeMap<String, Version>,
    #[serde(default)]
    latest_version: u64,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    min_available_version: u64,
}

/// One version: a public key, or the time at which it was made.
#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Asymmetric { public_key: String },
    Symmetric(IgnoredAny),
}

/// A key that signs, with the public keys of its versions.
pub struct TransitKey {
    key_type: KeyType,
    /// Not empty.
    versions: BTreeMap<NonZeroU64, String>,
    latest: NonZeroU64,
    /// The oldest version that was not trimmed.
    available: u64,
}

impl TryFrom<KeyData> for TransitKey {
    type Error = Error;

    fn try_from(data: KeyData) -> Result<Self, Error> {
        let Some(key_type) = key_type(&data.kind) else {
            return Err(Error::Unsupported {
                kind: if is_plain(&data.kind, b"-_") {
                    data.kind
                } else {
                    "that has no name of one".to_owned()
                },
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
        match latest.filter(|latest| versions.keys().next_back() == Some(latest)) {
            Some(latest) => Ok(Self {
                key_type,
                versions,
                latest,
                available: data.min_available_version,
            }),
            None => Err(Error::Versions),
        }
    }
}

impl TransitKey {
    /// The version to sign with: `wanted`, or the latest.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not given, or its public key cannot be used.
    pub fn to_sign_with(
        &self,
        wanted: Option<NonZeroU64>,
    ) -> Result<(NonZeroU64, PublicKey), Error> {
        let version = wanted.unwrap_or(self.latest);
        Ok((version, self.public(version)?))
    }

    /// The public keys of all versions, newest first, or that of `wanted` alone.
    ///
    /// # Errors
    ///
    /// As [`to_sign_with`](Self::to_sign_with).
    pub fn public_keys(&self, wanted: Option<NonZeroU64>) -> Result<PublicKeys, Error> {
        if let Some(version) = wanted {
            let others = self.versions.keys().filter(|other| **other != version);
            let others = others.filter_map(|other| self.public(*other).ok());
            let siblings = others.map(|other| other.id()).collect();
            return Ok(PublicKeys::from(self.public(version)?).with_siblings(siblings));
        }
        let older = self.versions.keys().rev().skip(1);
        let older = older.map(|version| self.public(*version));
        let (newest, older) = (self.public(self.latest)?, older.collect::<Result<_, _>>()?);
        Ok(PublicKeys::newest_first(newest, older))
    }

    /// The oldest version that Vault gives, and the oldest that was not trimmed, if there were older ones.
    pub fn oldest_of_fewer(&self) -> Option<(NonZeroU64, u64)> {
        let oldest = self.versions.keys().next().copied();
        let oldest = oldest.filter(|oldest| oldest.get() > 1)?;
        Some((oldest, self.available.max(1)))
    }

    fn public(&self, version: NonZeroU64) -> Result<PublicKey, Error> {
        let Some(text) = self.versions.get(&version) else {
            let oldest = self.versions.keys().next().copied();
            return Err(Error::Version {
                version,
                oldest: oldest.unwrap_or(self.latest),
                latest: self.latest,
                trimmed: version.get() < self.available,
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

#[derive(Deserialize)]
struct Signed {
    signature: String,
}

/// Whether a text of the server is no more than a name or a number: it is shown, and could be the echo of a
/// token.
fn is_plain(text: &str, also: &[u8]) -> bool {
    let byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || also.contains(&byte);
    (1..=40).contains(&text.len()) && text.bytes().all(byte)
}

/// The key type that the transit engine calls `kind`
/// ([Create key](https://developer.hashicorp.com/vault/api-docs/secret/transit#create-key)).
fn key_type(kind: &str) -> Option<KeyType> {
    match kind {
        "ecdsa-p256" => Some(KeyType::P256),
        "ecdsa-p384" => Some(KeyType::P384),
        "ecdsa-p521" => Some(KeyType::P521),
        "ed25519" => Some(KeyType::Ed25519),
        "rsa-2048" => Some(KeyType::Rsa2048),
        "rsa-3072" => Some(KeyType::Rsa3072),
        "rsa-4096" => Some(KeyType::Rsa4096),
        _ => None,
    }
}

/// Why an answer is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another key for each context, and no public half for any.
    #[error("it is a derived key, which has no public key of its own")]
    Derived,
    /// The signature is not in base64, or there is none.
    #[error("what should be a signature by version {version} is not one in base64")]
    Encoding {
        /// The version.
        version: NonZeroU64,
    },
    /// It is no answer of a transit engine.
    #[error("what answered is not a transit engine")]
    NotTransit,
    /// The public key is not of the type that Vault names.
    #[error("the key is called {named}, and the public key of version {version} is {key_type}")]
    OtherType {
        /// The version.
        version: NonZeroU64,
        /// Vault's name of the type.
        named: KeyType,
        /// The type of the public key.
        key_type: KeyType,
    },
    /// The signature is not by the version that was asked for.
    #[error("a signature by version {version} was asked for, and {} came", named(found.as_deref()))]
    Prefix {
        /// The version.
        version: NonZeroU64,
        /// The prefix of the signature, if there is one.
        found: Option<String>,
    },
    /// The public key cannot be read.
    #[error("the public key of version {version} cannot be used")]
    PublicKey {
        /// The version.
        version: NonZeroU64,
        /// The reason.
        source: public::Error,
    },
    /// A key type that is not in the table.
    #[error("keys of the type {} do not sign here", printable(kind))]
    Unsupported {
        /// The engine's name of it.
        kind: String,
    },
    /// The version that the reference names is not given.
    #[error("Vault gives no version {version} of the key, but {}", given(*oldest, *latest))]
    Version {
        /// The version.
        version: NonZeroU64,
        /// The oldest that is given.
        oldest: NonZeroU64,
        /// The latest.
        latest: NonZeroU64,
        /// Whether it was trimmed, and is gone.
        trimmed: bool,
    },
    /// The versions make no sense.
    #[error("Vault answered with versions of the key that cannot be")]
    Versions,
}

fn named(found: Option<&str>) -> String {
    found.map_or_else(
        || "one without a version".to_owned(),
        |found| format!("`{}`", printable(found)),
    )
}

/// The versions that are given, in words.
pub fn given(oldest: NonZeroU64, latest: NonZeroU64) -> String {
    if oldest == latest {
        return format!("{latest} alone");
    }
    format!("{oldest} to {latest}")
}
