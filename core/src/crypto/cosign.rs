//! cosign's encrypted key file ↔ PKCS #8.
//!
//! PEM around JSON: `{kdf{name,params{N,r,p},salt},cipher{name,nonce},ciphertext}`, scrypt
//! ([RFC 7914](https://www.rfc-editor.org/rfc/rfc7914)) for the key and NaCl's secretbox
//! (XSalsa20-Poly1305, tag first) for the body. The format is that of
//! [go-securesystemslib](https://github.com/secure-systems-lab/go-securesystemslib/blob/main/encrypted/encrypted.go).

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::pem;
use crate::json;
use crate::text::{clipped, one_line};

/// The PEM label that cosign writes since 2.0, and the one that it wrote before.
pub(crate) const LABELS: [&str; 2] = [
    "ENCRYPTED SIGSTORE PRIVATE KEY",
    "ENCRYPTED COSIGN PRIVATE KEY",
];

const SALT_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
const TAG_LENGTH: usize = 16;

/// An encrypted key file with parameters that cosign writes.
#[derive(Debug)]
pub struct EncryptedKey {
    cost: Cost,
    salt: [u8; SALT_LENGTH],
    nonce: [u8; NONCE_LENGTH],
    ciphertext: Vec<u8>,
}

impl EncryptedKey {
    /// Reads the body of the PEM block. This is cheap: scrypt runs in [`Self::open`].
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not such a file, or asks for an scrypt cost that cosign never writes.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let file: File = json::object(body).map_err(|error| Error::Json {
            reason: clipped(&error.to_string()),
        })?;
        if file.kdf.name != "scrypt" {
            return Err(Error::Kdf {
                name: clipped(&file.kdf.name),
            });
        }
        if file.cipher.name != "nacl/secretbox" {
            return Err(Error::Cipher {
                name: clipped(&file.cipher.name),
            });
        }
        let cost = Cost::from_params(&file.kdf.params)?;
        let ciphertext = BASE64.decode(file.ciphertext).map_err(|_| Error::Base64 {
            field: "ciphertext",
        })?;
        if ciphertext.len() < TAG_LENGTH {
            return Err(Error::Length {
                field: "ciphertext",
            });
        }
        Ok(Self {
            cost,
            salt: exactly("salt", &file.kdf.salt)?,
            nonce: exactly("nonce", &file.cipher.nonce)?,
            ciphertext,
        })
    }

    /// Decrypts the file: PKCS #8 DER.
    ///
    /// # Security
    ///
    /// scrypt takes 128 · N · r bytes of memory: 32, 64 or 128 MiB, and no other amount.
    ///
    /// # Errors
    ///
    /// [`Error::Password`] if the password is wrong.
    pub fn open(&self, password: &SecretSlice<u8>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let key = self.cost.secretbox_key(password, &self.salt)?;
        XSalsa20Poly1305::new(key.as_slice().into())
            .decrypt(&self.nonce.into(), self.ciphertext.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| Error::Password)
    }
}

/// Encrypts PKCS #8 DER into the PEM text that cosign writes: N = 65536.
///
/// `salt` and `nonce` must be random, and used only once.
///
/// # Errors
///
/// None occurs with a valid cost; the type is that of the shared key derivation.
pub(crate) fn seal(
    pkcs8: &[u8],
    password: &SecretSlice<u8>,
    salt: [u8; SALT_LENGTH],
    nonce: [u8; NONCE_LENGTH],
) -> Result<String, Error> {
    let key = Cost::Standard.secretbox_key(password, &salt)?;
    let ciphertext = XSalsa20Poly1305::new(key.as_slice().into())
        .encrypt(&nonce.into(), pkcs8)
        .map_err(|_| Error::Password)?;
    let file = File {
        kdf: Kdf {
            name: "scrypt".to_owned(),
            params: Cost::Standard.params(),
            salt: BASE64.encode(salt),
        },
        cipher: Cipher {
            name: "nacl/secretbox".to_owned(),
            nonce: BASE64.encode(nonce),
        },
        ciphertext: BASE64.encode(ciphertext),
    };
    let body = serde_json::to_vec(&file).map_err(|error| Error::Json {
        reason: error.to_string(),
    })?;
    Ok(pem::encode(LABELS[0], body))
}

/// The three scrypt costs that go-securesystemslib accepts. Any other is refused before memory is
/// allocated, since a key file may come from anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// N = 2^15: go-tuf, cosign before 2.2.
    Legacy,
    /// N = 2^16: cosign since 2.2.
    Standard,
    /// N = 2^17: OWASP's recommendation.
    Owasp,
}

impl Cost {
    pub(crate) fn new(n: u64, r: u64, p: u64) -> Option<Self> {
        match (n, r, p) {
            (32_768, 8, 1) => Some(Self::Legacy),
            (65_536, 8, 1) => Some(Self::Standard),
            (131_072, 8, 1) => Some(Self::Owasp),
            _ => None,
        }
    }

    fn from_params(params: &Params) -> Result<Self, Error> {
        let (n, r, p) = (params.n, params.r, params.p);
        Self::new(n, r, p).ok_or(Error::Cost { n, r, p })
    }

    fn params(self) -> Params {
        Params {
            n: 1 << self.log_n(),
            r: 8,
            p: 1,
        }
    }

    fn log_n(self) -> u8 {
        match self {
            Self::Legacy => 15,
            Self::Standard => 16,
            Self::Owasp => 17,
        }
    }

    pub(crate) fn derive(
        self,
        password: &SecretSlice<u8>,
        salt: &[u8],
        key: &mut [u8],
    ) -> Result<(), Error> {
        let Params { n, r, p } = self.params();
        let refused = Error::Cost { n, r, p };
        let params = scrypt::Params::new(self.log_n(), 8, 1).map_err(|_| refused.clone())?;
        scrypt::scrypt(password.expose_secret(), salt, &params, key).map_err(|_| refused)
    }

    fn secretbox_key(
        self,
        password: &SecretSlice<u8>,
        salt: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut key = Zeroizing::new([0; 32]);
        self.derive(password, salt, key.as_mut_slice())?;
        Ok(key)
    }
}

/// The reason why a key file cannot be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is not base64.
    #[error("its {field} is not base64")]
    Base64 {
        /// The field.
        field: &'static str,
    },
    /// Another cipher than secretbox.
    #[error("it is encrypted with `{}`, not with nacl/secretbox", one_line(name))]
    Cipher {
        /// The name in the file.
        name: String,
    },
    /// An scrypt cost that cosign never writes.
    #[error("it uses an scrypt cost that cosign never uses (N={n}, r={r}, p={p})")]
    Cost {
        /// scrypt's N.
        n: u64,
        /// scrypt's r.
        r: u64,
        /// scrypt's p.
        p: u64,
    },
    /// Not the JSON of an encrypted key.
    #[error("it is not an encrypted cosign key: {reason}")]
    Json {
        /// The parser's message, which never quotes the body.
        reason: String,
    },
    /// Another key derivation than scrypt.
    #[error("its key is derived with `{}`, not with scrypt", one_line(name))]
    Kdf {
        /// The name in the file.
        name: String,
    },
    /// A field has the wrong length.
    #[error("its {field} has the wrong length")]
    Length {
        /// The field.
        field: &'static str,
    },
    /// The password is wrong.
    #[error("the password does not open it")]
    Password,
}

#[derive(Deserialize, Serialize)]
struct File {
    #[serde(deserialize_with = "json::inner")]
    kdf: Kdf,
    #[serde(deserialize_with = "json::inner")]
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize, Serialize)]
struct Kdf {
    name: String,
    #[serde(deserialize_with = "json::inner")]
    params: Params,
    salt: String,
}

#[derive(Deserialize, Serialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Deserialize, Serialize)]
struct Cipher {
    name: String,
    nonce: String,
}

fn exactly<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], Error> {
    let bytes = BASE64.decode(text).map_err(|_| Error::Base64 { field })?;
    bytes.try_into().map_err(|_| Error::Length { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> SecretSlice<u8> {
        text.as_bytes().to_vec().into()
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_password_only() {
        let text = seal(b"pkcs8", &password("p"), [1; 32], [2; 24]).unwrap();
        let block = pem::block(text.as_bytes()).unwrap();
        assert_eq!(block.label, LABELS[0]);
        let key = EncryptedKey::parse(&block.contents).unwrap();
        assert_eq!(key.open(&password("p")).unwrap().as_slice(), b"pkcs8");
        assert_eq!(key.open(&password("q")), Err(Error::Password));
    }
}
