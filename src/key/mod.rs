//! Keys: what `--key` means, and the trait that whatever signs implements.

pub mod awskms;
pub mod file;
mod help;
pub mod keyring;
pub mod lazy;
pub mod vault;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use async_trait::async_trait;
use s3lo_core::crypto::public::PublicKey;

use crate::environment::is_name;
use crate::key::vault::client::address::Service;
use crate::text::{is_key_material, is_vault_token};

/// Something that signs: a key in memory, or a service that holds one.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The public half, with which every signature is judged before it is stored.
    fn public_key(&self) -> &PublicKey;

    /// Signs the bytes of a payload.
    ///
    /// # Errors
    ///
    /// [`Error`] if no signature came of it.
    async fn sign(&self, payload: &[u8]) -> Result<Signature, Error>;
}

/// What a signer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signature: DER for ECDSA, the plain bytes otherwise.
    pub bytes: Vec<u8>,
    /// The ID of the request that made it, by which the service's audit log finds it.
    pub request_id: Option<String>,
}

/// The public keys that verify for one key: a single one, or one for each of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    newest: PublicKey,
    older: Vec<PublicKey>,
    withheld: Option<WithheldVersions>,
}

/// Older versions of a key are not given, and what they signed cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldVersions {
    /// Where the key is, as the command line of its service names it: `transit/keys/NAME`.
    pub path: String,
    /// The oldest version that is given.
    pub oldest: NonZeroU64,
    /// The oldest that is there. What is older was trimmed.
    pub available: u64,
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
            withheld: None,
        }
    }

    /// The same, where older versions are not given.
    pub fn without_older(self, withheld: Option<WithheldVersions>) -> Self {
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

    /// Which versions are not given, where any are not.
    pub fn withheld(&self) -> Option<&WithheldVersions> {
        self.withheld.as_ref()
    }
}

/// A parsed `--key`. It is stored in records and printed, so it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRef {
    written: String,
    source: Source,
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A key in AWS KMS.
    AwsKms(Box<awskms::uri::Name>),
    /// PEM in an environment variable of this name.
    Environment(String),
    /// PEM in a file at this path.
    File(String),
    /// A key in the transit engine of Vault or OpenBao.
    Transit(Box<vault::uri::Name>),
}

impl KeyRef {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the key may have several versions, each with a public key.
    pub fn has_versions(&self) -> bool {
        matches!(&self.source, Source::Transit(name) if name.version.is_none())
    }

    /// Where the key is.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for KeyRef {
    type Err = RefError;

    /// # Errors
    ///
    /// [`RefError`], which never quotes what could be a secret.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_key_material(text) || text.contains(char::is_control) {
            return Err(RefError::KeyMaterial);
        }
        if text.len() > LONGEST {
            return Err(RefError::TooLong);
        }
        let pkcs11 = text
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("pkcs11:"));
        let source = match text.split_once("://") {
            None if text.is_empty() => return Err(RefError::Empty),
            None if pkcs11 && carries_secret(text) => return Err(RefError::Secret),
            None if pkcs11 => return Err(RefError::scheme("pkcs11")),
            None => Source::File(text.to_owned()),
            Some(("env", name)) if is_name(name) => Source::Environment(name.to_owned()),
            Some(("env", _)) => return Err(RefError::VariableName),
            Some((_, rest)) if carries_secret(rest) => return Err(RefError::Secret),
            Some(("awskms", rest)) => Source::AwsKms(Box::new(awskms::uri::Name::parse(rest)?)),
            Some((scheme, rest)) => match Service::from_scheme(scheme) {
                Some(_) if is_vault_token(rest) && !rest.contains('/') => {
                    return Err(RefError::Secret);
                }
                Some(service) => Source::Transit(Box::new(vault::uri::Name::parse(service, rest)?)),
                None => return Err(RefError::scheme(scheme)),
            },
        };
        Ok(Self {
            written: text.to_owned(),
            source,
        })
    }
}

/// Why a text is no key reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefError {
    /// It names no key in KMS.
    #[error(transparent)]
    AwsKms(#[from] awskms::uri::Error),
    /// Nothing was written.
    #[error("the key reference is empty")]
    Empty,
    /// The key itself was written where its place belongs.
    #[error("the key reference holds a key, not the place of one")]
    KeyMaterial,
    /// A key service that others support and this program does not yet.
    #[error("{service} keys (`{scheme}:`) are not supported yet")]
    NotBuilt {
        /// The reference's scheme.
        scheme: &'static str,
        /// The service's name.
        service: &'static str,
    },
    /// It names no key in a transit engine.
    #[error(transparent)]
    Transit(#[from] vault::uri::Error),
    /// It carries a password or a PIN.
    #[error("the key reference carries a secret, and it would be stored in the record")]
    Secret,
    /// It is longer than any path.
    #[error("the key reference is longer than {LONGEST} bytes")]
    TooLong,
    /// A scheme that names no kind of key.
    #[error("`{}` is not a kind of key", scheme.escape_debug())]
    UnknownScheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// What follows `env://` is not a variable's name.
    #[error("`env://` is not followed by the name of a variable")]
    VariableName,
}

impl RefError {
    fn scheme(scheme: &str) -> Self {
        let (scheme, service) = match scheme {
            "azurekms" => ("azurekms", "Azure Key Vault"),
            "gcpkms" => ("gcpkms", "Google Cloud KMS"),
            "pkcs11" => ("pkcs11", "PKCS #11"),
            other => {
                return Self::UnknownScheme {
                    scheme: other.to_owned(),
                };
            }
        };
        Self::NotBuilt { scheme, service }
    }
}

/// Why a key cannot be opened or does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// KMS does not give it, or does not sign.
    #[error("cannot use the key `{key}`")]
    Kms {
        /// The key's reference.
        key: KeyRef,
        /// What is wrong.
        source: Box<awskms::signer::Error>,
    },
    /// The file or variable is not there.
    #[error("there is no key at `{key}`")]
    Missing {
        /// The key's reference.
        key: KeyRef,
    },
    /// The file is larger than a key file can be.
    #[error("`{key}` is too large to be a key")]
    Oversized {
        /// The key's reference.
        key: KeyRef,
    },
    /// The key is encrypted and no password was given.
    #[error("the key `{key}` is encrypted, and COSIGN_PASSWORD is not set")]
    PasswordMissing {
        /// The key's reference.
        key: KeyRef,
    },
    /// It is not a private key that can sign.
    #[error("cannot use the key `{key}`")]
    Private {
        /// The key's reference.
        key: KeyRef,
        /// What is wrong with it.
        source: s3lo_core::crypto::private::Error,
    },
    /// It is not a public key that can verify.
    #[error("cannot use the key `{key}`")]
    Public {
        /// The key's reference.
        key: KeyRef,
        /// What is wrong with it.
        source: s3lo_core::crypto::public::Error,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the key `{key}`: {reason}")]
    Unreadable {
        /// The key's reference.
        key: KeyRef,
        /// What the operating system says.
        reason: String,
    },
    /// Vault does not give it, or does not sign.
    #[error("cannot use the key `{key}`")]
    Vault {
        /// The key's reference.
        key: KeyRef,
        /// Where it is: `transit/keys/NAME`.
        path: String,
        /// What is wrong.
        source: Box<vault::signer::Error>,
    },
    /// The password does not open the key.
    #[error("the password does not open the key `{key}`")]
    WrongPassword {
        /// The key's reference.
        key: KeyRef,
    },
}

/// The longest key reference: that of the longest path. It becomes part of every record.
const LONGEST: usize = 4096;

/// A URL's user part or a query can hold a password, a token or a PIN.
fn carries_secret(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let lower = rest.to_ascii_lowercase();
    authority.contains('@')
        || ["pin-value=", "pin=", "password=", "token=", "secret="]
            .iter()
            .any(|name| lower.contains(name))
}
