//! Private keys in memory, and how they are read.

use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use async_trait::async_trait;
use s3lo_core::crypto::algorithm::KeyType;
use s3lo_core::crypto::pem::MAX_BYTES;
use s3lo_core::crypto::private::{KeyFile, PrivateKey};
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::crypto::{pem, private};
use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use crate::bounded_file;
use crate::context::Passwords;
use crate::key;
use crate::key::file::error::{Error, PasswordForm};
use crate::key::file::location::Location;
use crate::key::reference::KeyRef;
use crate::key::signer::{Signature, Signer};
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::tasks::run_blocking;
use crate::text::os_reason;

/// A private key in memory.
pub struct FileSigner {
    reference: KeyRef,
    key: Arc<PrivateKey>,
}

#[async_trait]
impl Signer for FileSigner {
    fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    async fn sign(&self, payload: &[u8]) -> Result<Signature, key::error::Error> {
        let signature = match self.key.public().key_type() {
            // RSA takes milliseconds; a curve takes less than a change of threads.
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
                let (key, payload) = (Arc::clone(&self.key), payload.to_vec());
                run_blocking(move || key.sign(&payload)).await
            }
            KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
                self.key.sign(payload)
            }
        };
        let bytes = signature.map_err(|source| {
            key::error::Error::new(Error::Private {
                key: self.reference.clone(),
                source,
            })
        })?;
        Ok(Signature {
            bytes,
            request_id: None,
        })
    }
}

/// Opens a private key: reads it, and decrypts it if it is encrypted.
///
/// # Errors
///
/// [`Error`] if the key does not exist, is no private key, or has another password.
pub(crate) async fn open_signer(
    key: KeyRef,
    location: Location,
    passwords: Passwords,
) -> Result<FileSigner, Error> {
    run_blocking(move || {
        let text = read(&key, location)?;
        let sealed = KeyFile::from_pem(&text).map_err(|source| Error::Private {
            key: key.clone(),
            source,
        })?;
        tracing::debug!("{key}: read");
        Ok(FileSigner {
            key: Arc::new(unseal(&key, sealed, &passwords)?),
            reference: key,
        })
    })
    .await
}

/// Opens a public key, or the public half of a private one.
///
/// # Errors
///
/// [`Error`] if the key does not exist, is no key, or has another password.
pub(crate) async fn open_public(
    key: KeyRef,
    location: Location,
    passwords: Passwords,
) -> Result<PublicKey, Error> {
    run_blocking(move || {
        let text = read(&key, location)?;
        let wrong = |source| Error::Public {
            key: key.clone(),
            source,
        };
        let block = pem::block(&text).map_err(|error| wrong(error.into()))?;
        match KeyFile::from_block(&block) {
            Ok(sealed) => Ok(unseal(&key, sealed, &passwords)?.public().clone()),
            Err(
                private::Error::PublicKey
                | private::Error::Label { .. }
                | private::Error::Pem(pem::Error::Foreign(_)),
            ) => PublicKey::from_block(&block).map_err(wrong),
            Err(source) => Err(Error::Private { key, source }),
        }
    })
    .await
}

fn unseal(key: &KeyRef, sealed: KeyFile, passwords: &Passwords) -> Result<PrivateKey, Error> {
    let private = |source: private::Error| Error::Private {
        key: key.clone(),
        source,
    };
    let empty = SecretSlice::from(Vec::new());
    if !sealed.is_encrypted() {
        return sealed.open(&empty).map_err(private);
    }
    let asked = match (&passwords.variable, passwords.ask) {
        (None, Some(ask)) => {
            let _call = calls::begin(Awaited::Password(key.as_str().to_owned()));
            Some(ask(key.as_str()).map_err(|error| Error::NotTyped {
                key: key.clone(),
                reason: os_reason(&error),
            })?)
        }
        _ => None,
    };
    let password = asked.as_ref().or(passwords.variable.as_ref());
    match sealed.open(password.unwrap_or(&empty)) {
        Err(private::Error::Password) if password.is_none() => {
            Err(Error::PasswordMissing { key: key.clone() })
        }
        Err(private::Error::Password) => Err(Error::WrongPassword {
            key: key.clone(),
            password: password.map_or(PasswordForm::Other, |password| {
                PasswordForm::of(password.expose_secret())
            }),
        }),
        opened => opened.map_err(private),
    }
}

fn read_file(path: &str) -> Result<Zeroizing<Vec<u8>>, bounded_file::Error> {
    let _call = calls::begin(Awaited::reading(path));
    bounded_file::read_stream(path, MAX_BYTES)
}

fn read(key: &KeyRef, location: Location) -> Result<Zeroizing<Vec<u8>>, Error> {
    let oversized = || Error::Oversized { key: key.clone() };
    let missing = || Error::Missing {
        key: key.clone(),
        location: location.clone(),
    };
    let text = match &location {
        Location::Variable(name) => {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            Zeroizing::new(value.ok_or_else(missing)?.into_vec())
        }
        Location::File(path) => match read_file(path) {
            Ok(text) => text,
            Err(bounded_file::Error::Oversized { .. }) => return Err(oversized()),
            Err(bounded_file::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(missing());
            }
            Err(error) => {
                return Err(Error::Unreadable {
                    key: key.clone(),
                    reason: error.to_string(),
                });
            }
        },
    };
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(oversized());
    }
    Ok(text)
}
