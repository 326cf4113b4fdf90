//! PKCS #8 that is encrypted by a password: PBES2 ([RFC 8018 §6.2](https://www.rfc-editor.org/rfc/rfc8018#section-6.2)),
//! as openssl, Vault's PKI, step and `ssh-keygen -m PKCS8` write it.
//!
//! A file may come from anywhere: what it asks for is bounded before a key is derived.

use alloc::borrow::ToOwned as _;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use pkcs1::der::asn1::{AnyRef, OctetStringRef};
use pkcs1::der::{Decode as _, Reader as _};
use pkcs5::pbes2::{EncryptionScheme, Kdf, PBES2_OID, Parameters, Pbkdf2Params, Pbkdf2Prf};
use secrecy::{ExposeSecret as _, SecretSlice};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use crate::crypto::cosign::Cost;
use crate::crypto::shape::Shape;

/// The most rounds of PBKDF2, which RFC 8018 calls appropriate for especially critical keys. They take seconds.
pub const MAX_ROUNDS: u32 = 10_000_000;

/// An encrypted key with parameters that can be met.
pub struct EncryptedKey {
    derivation: Derivation,
    cipher: &'static Algorithm,
    key_size: usize,
    iv: [u8; 16],
    ciphertext: Vec<u8>,
}

enum Derivation {
    Pbkdf2 {
        hash: pbkdf2::Algorithm,
        rounds: NonZeroU32,
        salt: Vec<u8>,
    },
    Scrypt {
        cost: Cost,
        salt: Vec<u8>,
    },
}

impl EncryptedKey {
    /// Reads the DER. This is cheap: a key is derived in [`Self::open`].
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not such a file, or not encrypted by AES in CBC with a key derived by PBKDF2 or scrypt.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        // RFC 5958 §3: EncryptedPrivateKeyInfo.
        let info = AnyRef::from_der(der)
            .and_then(|any| any.sequence(|reader| Ok((reader.decode()?, reader.decode()?))));
        let (algorithm, ciphertext): (AlgorithmIdentifierRef<'_>, &OctetStringRef) =
            info.map_err(|_| Error::Encoding)?;
        if algorithm.oid != PBES2_OID {
            return Err(Error::Scheme);
        }
        let parameters = algorithm.parameters_any().map_err(|_| Error::Scheme)?;
        let parameters = Parameters::try_from(parameters).map_err(|_| Error::Scheme)?;
        let (cipher, iv) = match parameters.encryption {
            EncryptionScheme::Aes128Cbc { iv } => (&AES_128, iv),
            EncryptionScheme::Aes192Cbc { iv } => (&AES_192, iv),
            EncryptionScheme::Aes256Cbc { iv } => (&AES_256, iv),
            _ => return Err(Error::Scheme),
        };
        let key_size = parameters.encryption.key_size();
        let key_length = parameters.kdf.key_length().map(usize::from);
        if key_length.is_some_and(|length| length != key_size) {
            return Err(Error::Scheme);
        }
        Ok(Self {
            derivation: Derivation::of(&parameters.kdf)?,
            cipher,
            key_size,
            iv,
            ciphertext: ciphertext.as_bytes().to_owned(),
        })
    }

    /// Decrypts the file: PKCS #8 DER.
    ///
    /// # Security
    ///
    /// PBKDF2 runs [`MAX_ROUNDS`] times at most; scrypt takes 32, 64 or 128 MiB of memory.
    ///
    /// # Errors
    ///
    /// [`Error::Password`] if the password is wrong. CBC has no tag: what is decrypted must have the structure of a key.
    pub fn open(&self, password: &SecretSlice<u8>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..self.key_size).ok_or(Error::Scheme)?;
        self.derivation.derive(password, key)?;
        let key = UnboundCipherKey::new(self.cipher, key).map_err(|_| Error::Scheme)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| Error::Scheme)?;
        let mut text = Zeroizing::new(self.ciphertext.clone());
        let context = DecryptionContext::Iv128(FixedLength::from(self.iv));
        let decrypted = key.decrypt(&mut text, context);
        let length = decrypted.map_err(|_| Error::Password)?.len();
        text.truncate(length);
        if Shape::of(&text) != Some(Shape::Pkcs8) {
            return Err(Error::Password);
        }
        Ok(text)
    }
}

impl Derivation {
    fn of(kdf: &Kdf) -> Result<Self, Error> {
        match kdf {
            Kdf::Pbkdf2(Pbkdf2Params {
                salt,
                iteration_count,
                prf,
                ..
            }) => {
                let rounds = NonZeroU32::new(*iteration_count).ok_or(Error::Scheme)?;
                if rounds.get() > MAX_ROUNDS {
                    return Err(Error::Rounds {
                        rounds: rounds.get(),
                    });
                }
                Ok(Self::Pbkdf2 {
                    hash: match prf {
                        Pbkdf2Prf::HmacWithSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
                        Pbkdf2Prf::HmacWithSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                        Pbkdf2Prf::HmacWithSha384 => pbkdf2::PBKDF2_HMAC_SHA384,
                        Pbkdf2Prf::HmacWithSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
                        _ => return Err(Error::Scheme),
                    },
                    rounds,
                    salt: salt.as_ref().to_owned(),
                })
            }
            Kdf::Scrypt(params) => {
                let (n, r) = (params.cost_parameter, u64::from(params.block_size));
                let p = u64::from(params.parallelization);
                Ok(Self::Scrypt {
                    cost: Cost::new(n, r, p).ok_or(Error::Cost { n, r, p })?,
                    salt: params.salt.as_ref().to_owned(),
                })
            }
            _ => Err(Error::Scheme),
        }
    }

    fn derive(&self, password: &SecretSlice<u8>, key: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Pbkdf2 { hash, rounds, salt } => {
                pbkdf2::derive(*hash, *rounds, salt, password.expose_secret(), key);
                Ok(())
            }
            Self::Scrypt { cost, salt } => {
                let derived = cost.derive(password, salt, key);
                derived.map_err(|_| Error::Scheme)
            }
        }
    }
}

/// The reason why a key cannot be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An scrypt cost that is not supported.
    #[error("it uses an scrypt cost that is not supported (N={n}, r={r}, p={p})")]
    Cost {
        /// scrypt's N.
        n: u64,
        /// scrypt's r.
        r: u64,
        /// scrypt's p.
        p: u64,
    },
    /// It is not the DER of an encrypted key.
    #[error("it is not the DER encoding of an encrypted private key")]
    Encoding,
    /// The password is wrong.
    #[error("the password does not open it")]
    Password,
    /// Too many rounds of PBKDF2.
    #[error("it uses {rounds} rounds of PBKDF2, and at most {MAX_ROUNDS} are supported")]
    Rounds {
        /// The number in the file.
        rounds: u32,
    },
    /// Another way to encrypt.
    #[error("it is not encrypted by AES-CBC with a key derived by PBKDF2 or scrypt")]
    Scheme,
}
