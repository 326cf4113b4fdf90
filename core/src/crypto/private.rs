//! Private keys in memory: PKCS #8, SEC 1 or PKCS #1 in, signatures out.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256,
};
use ed25519_dalek::Signer as _;
use pkcs8::der::asn1::{AnyRef, UintRef};
use pkcs8::der::{Decode as _, Reader as _};
use pkcs8::{DecodePrivateKey as _, PrivateKeyInfoRef};
use sec1::EcPrivateKey;
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use crate::crypto::algorithm::KeyType;
use crate::crypto::foreign::Foreign;
use crate::crypto::pem::Block;
use crate::crypto::public::{EC_PUBLIC_KEY, ED25519, P256, P384, P521, PublicKey, RSA_ENCRYPTION};
use crate::crypto::shape::Shape;
use crate::crypto::{cosign, pbes2, pem, public};
use crate::text::{clipped, one_line};

/// A private key. Its `Debug` shows the public half alone.
pub struct PrivateKey {
    pair: KeyPair,
    public: PublicKey,
}

enum KeyPair {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
    Ed25519(ed25519_dalek::SigningKey),
}

/// A private key file, decoded from its PEM block.
pub enum KeyFile {
    /// An unencrypted key.
    Plain(Box<PrivateKey>),
    /// A key in cosign's encrypted form, which needs a password.
    Cosign(cosign::EncryptedKey),
    /// An encrypted PKCS #8 key, which needs a password.
    Pkcs8(pbes2::EncryptedKey),
}

impl KeyFile {
    /// Reads a PEM file.
    ///
    /// # Errors
    ///
    /// [`Error`] if the file is not exactly one private key of a type in the table.
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        Self::from_block(&pem::block(text)?)
    }

    /// Reads a PEM block. The label shows whether it is a private key, and the DER its form: tools write one
    /// form under the label of another.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not a private key of a type in the table.
    pub fn from_block(block: &Block) -> Result<Self, Error> {
        let der = &block.contents;
        let shape = Shape::of(der);
        match block.label.as_str() {
            label if cosign::LABELS.contains(&label) => {
                Ok(Self::Cosign(cosign::EncryptedKey::parse(der)?))
            }
            label if LABELS.contains(&label) => match shape {
                Some(Shape::EncryptedPkcs8) => Ok(Self::Pkcs8(pbes2::EncryptedKey::parse(der)?)),
                Some(Shape::Sec1) => PrivateKey::from_sec1(der).map(Self::plain),
                Some(Shape::Pkcs1) => PrivateKey::from_pkcs1(der).map(Self::plain),
                Some(shape) if shape.is_public() => Err(Error::Contradiction {
                    label: label.to_owned(),
                }),
                _ => PrivateKey::from_pkcs8(der).map(Self::plain),
            },
            label if public::LABELS.contains(&label) => match shape {
                Some(shape) if shape.is_private() => {
                    Err(public::Error::contradiction(label).into())
                }
                _ => Err(Error::PublicKey),
            },
            label => match Foreign::of_block(label, der) {
                Some(foreign) => Err(pem::Error::Foreign(foreign).into()),
                None => Err(Error::Label {
                    label: clipped(label),
                }),
            },
        }
    }

    fn plain(key: PrivateKey) -> Self {
        Self::Plain(Box::new(key))
    }

    /// Whether a password is needed.
    pub fn is_encrypted(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// Opens the key, by the password if it is encrypted.
    ///
    /// # Security
    ///
    /// The derivation of a key takes seconds and 128 MiB of memory at most.
    ///
    /// # Errors
    ///
    /// [`Error::Password`] if the password is wrong, otherwise as [`PrivateKey::from_pkcs8`].
    pub fn open(self, password: &SecretSlice<u8>) -> Result<PrivateKey, Error> {
        let pkcs8 = match self {
            Self::Plain(key) => return Ok(*key),
            Self::Cosign(file) => match file.open(password) {
                Err(cosign::Error::Password) => return Err(Error::Password),
                opened => opened?,
            },
            Self::Pkcs8(file) => match file.open(password) {
                Err(pbes2::Error::Password) => return Err(Error::Password),
                opened => opened?,
            },
        };
        PrivateKey::from_pkcs8(&pkcs8)
    }
}

/// The labels of private keys in forms that are not cosign's.
const LABELS: [&str; 4] = [
    "PRIVATE KEY",
    "EC PRIVATE KEY",
    "RSA PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
];

impl PrivateKey {
    /// Generates a P-256 key with the random source of aws-lc.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the random source fails.
    pub fn generate() -> Result<Self, Error> {
        loop {
            let mut scalar = Zeroizing::new([0; 32]);
            aws_lc_rs::rand::fill(scalar.as_mut_slice()).map_err(|_| Error::Random)?;
            // All but one in 2^32 draws are below the order of the curve.
            if let Ok(key) = p256::SecretKey::from_slice(scalar.as_slice()) {
                return Self::from_p256(&key);
            }
        }
    }

    /// Reads PKCS #8 DER ([RFC 5958](https://www.rfc-editor.org/rfc/rfc5958)).
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not a key of a type in the table.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        if let Some(key) = Self::from_ring(der) {
            return key;
        }
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| Error::Encoding)?;
        let oid = info.algorithm.oid;
        if oid == EC_PUBLIC_KEY {
            match public::curve(info.algorithm)? {
                P256 => Self::from_p256(&convert(info)?),
                P384 => Self::from_p384(&convert(info)?),
                P521 => Self::from_p521(&convert(info)?),
                other => Err(public::Error::unsupported(other).into()),
            }
        } else if oid == RSA_ENCRYPTION {
            Self::from_rsa(rsa::KeyPair::from_pkcs8(der), info.private_key.as_bytes())
        } else if oid == ED25519 {
            let key = ed25519_dalek::SigningKey::from_pkcs8_der(der);
            Self::from_ed25519(key.map_err(|_| Error::Encoding)?)
        } else {
            Err(public::Error::unsupported(oid).into())
        }
    }

    /// Reads Ed25519 as `ring` wrote it before 0.17: PKCS #8 version 2, with an element around the public key that
    /// should be implicit ([ring#834](https://github.com/briansmith/ring/issues/834)).
    fn from_ring(der: &[u8]) -> Option<Result<Self, Error>> {
        const BEFORE_SEED: &[u8] =
            b"\x30\x53\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
        let (seed, rest) = der.strip_prefix(BEFORE_SEED)?.split_first_chunk::<32>()?;
        let public = rest.strip_prefix(b"\xa1\x23\x03\x21\x00")?;
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        if key.verifying_key().as_bytes() != public {
            return Some(Err(Error::Encoding));
        }
        Some(Self::from_ed25519(key))
    }

    fn from_ed25519(key: ed25519_dalek::SigningKey) -> Result<Self, Error> {
        Ok(Self {
            public: PublicKey::from_ed25519(key.verifying_key())?,
            pair: KeyPair::Ed25519(key),
        })
    }

    fn from_sec1(der: &[u8]) -> Result<Self, Error> {
        let Ok(key) = EcPrivateKey::from_der(der) else {
            return Err(match has_explicit_parameters(der) {
                true => public::Error::Curve.into(),
                false => Error::Encoding,
            });
        };
        let curve = match key.parameters {
            Some(parameters) => parameters.named_curve().ok_or(public::Error::Curve)?,
            // The point proves the curve: the scalar leads to it on that curve alone.
            None => match (key.private_key.len(), key.public_key) {
                (32, Some(_)) => P256,
                (48, Some(_)) => P384,
                (66, Some(_)) => P521,
                _ => return Err(public::Error::NoCurve.into()),
            },
        };
        let wrong = |_| match key.parameters {
            Some(_) => Error::Encoding,
            None => public::Error::NoCurve.into(),
        };
        match curve {
            P256 => Self::from_p256(&p256::SecretKey::from_sec1_der(der).map_err(wrong)?),
            P384 => Self::from_p384(&p384::SecretKey::from_sec1_der(der).map_err(wrong)?),
            P521 => Self::from_p521(&p521::SecretKey::from_sec1_der(der).map_err(wrong)?),
            other => Err(public::Error::unsupported(other).into()),
        }
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        if has_many_primes(der) {
            return Err(Error::Primes);
        }
        // aws-lc ignores bytes after the key.
        pkcs1::RsaPrivateKey::<UintRef<'_>>::from_der(der).map_err(|_| Error::Encoding)?;
        Self::from_rsa(rsa::KeyPair::from_der(der), der)
    }

    /// Makes an RSA key. aws-lc-rs gives no reason for a key that it refuses; the size is the likeliest,
    /// so it is read from the public half in `pkcs1`.
    fn from_rsa(
        key: Result<rsa::KeyPair, aws_lc_rs::error::KeyRejected>,
        pkcs1: &[u8],
    ) -> Result<Self, Error> {
        let Ok(key) = key else {
            if has_many_primes(pkcs1) {
                return Err(Error::Primes);
            }
            let private = pkcs1::RsaPrivateKey::<UintRef<'_>>::from_der(pkcs1)
                .map_err(|_| Error::Encoding)?;
            let bits = public::bits(private.modulus.as_bytes());
            return Err(match KeyType::from_rsa_bits(bits) {
                Some(_) => Error::Encoding,
                None => public::Error::RsaSize { bits }.into(),
            });
        };
        Ok(Self {
            public: PublicKey::from_pkcs1(key.public_key().as_ref())?,
            pair: KeyPair::Rsa(key),
        })
    }

    fn from_p256(key: &p256::SecretKey) -> Result<Self, Error> {
        let (scalar, point) = (Zeroizing::new(key.to_bytes()), key.public_key());
        let (algorithm, sec1) = (&ECDSA_P256_SHA256_ASN1_SIGNING, point.to_sec1_bytes());
        Self::ecdsa(algorithm, &scalar, &sec1, PublicKey::from_p256(&point)?)
    }

    fn from_p384(key: &p384::SecretKey) -> Result<Self, Error> {
        let (scalar, point) = (Zeroizing::new(key.to_bytes()), key.public_key());
        let (algorithm, sec1) = (&ECDSA_P384_SHA384_ASN1_SIGNING, point.to_sec1_bytes());
        Self::ecdsa(algorithm, &scalar, &sec1, PublicKey::from_p384(&point)?)
    }

    fn from_p521(key: &p521::SecretKey) -> Result<Self, Error> {
        let (scalar, point) = (Zeroizing::new(key.to_bytes()), key.public_key());
        let (algorithm, sec1) = (&ECDSA_P521_SHA512_ASN1_SIGNING, point.to_sec1_bytes());
        Self::ecdsa(algorithm, &scalar, &sec1, PublicKey::from_p521(&point)?)
    }

    fn ecdsa(
        algorithm: &'static EcdsaSigningAlgorithm,
        scalar: &[u8],
        point: &[u8],
        public: PublicKey,
    ) -> Result<Self, Error> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point);
        Ok(Self {
            pair: KeyPair::Ecdsa(pair.map_err(|_| Error::Encoding)?),
            public,
        })
    }

    /// The key's public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `payload`: DER for EC, the modulus's length for RSA, 64 bytes for Ed25519.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] if the library refuses, which does not happen with a valid key.
    pub fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        match &self.pair {
            KeyPair::Ecdsa(key) => {
                let signature = key.sign(&random, payload).map_err(|_| Error::Signing)?;
                Ok(signature.as_ref().to_vec())
            }
            KeyPair::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, payload, &mut signature)
                    .map_err(|_| Error::Signing)?;
                Ok(signature)
            }
            KeyPair::Ed25519(key) => Ok(key.sign(payload).to_bytes().to_vec()),
        }
    }

    /// Encrypts a generated key: the text of a cosign key file.
    ///
    /// # Errors
    ///
    /// [`Error::Encoding`] for a key that is not EC, [`Error::Random`] if the random source
    /// fails.
    pub fn seal(&self, password: &SecretSlice<u8>) -> Result<Zeroizing<String>, Error> {
        let KeyPair::Ecdsa(key) = &self.pair else {
            return Err(Error::Encoding);
        };
        let pkcs8 = key.to_pkcs8v1().map_err(|_| Error::Encoding)?;
        let (mut salt, mut nonce) = ([0; 32], [0; 24]);
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| Error::Random)?;
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Error::Random)?;
        Ok(Zeroizing::new(cosign::seal(
            pkcs8.as_ref(),
            password,
            salt,
            nonce,
        )?))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// The reason why bytes are not a private key, or why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its PEM is not one block.
    #[error(transparent)]
    Pem(#[from] pem::Error),
    /// It is not a cosign key file that can be decrypted.
    #[error(transparent)]
    Cosign(#[from] cosign::Error),
    /// A public key under the label of a private one.
    #[error("its PEM block is called `{label}` and holds a public key")]
    Contradiction {
        /// The block's label.
        label: String,
    },
    /// It is not an encrypted PKCS #8 key that can be decrypted.
    #[error(transparent)]
    Pbes2(#[from] pbes2::Error),
    /// The password is wrong.
    #[error("the password does not open it")]
    Password,
    /// RSA with more than two primes, which aws-lc does not sign with.
    #[error("it is an RSA key of more than two primes, where two are supported")]
    Primes,
    /// It is not the DER encoding of a private key.
    #[error("it is not the DER encoding of a private key")]
    Encoding,
    /// A PEM block that is not a private key.
    #[error("its PEM block is `{}`, not a private key", one_line(label))]
    Label {
        /// The block's label.
        label: String,
    },
    /// Its public half is not of a supported type.
    #[error(transparent)]
    Public(#[from] public::Error),
    /// It is a public key.
    #[error("it is a public key, which can verify but not sign")]
    PublicKey,
    /// The random source failed.
    #[error("the operating system gave no randomness")]
    Random,
    /// The library refused to sign.
    #[error("the key cannot sign")]
    Signing,
}

fn convert<'a, K>(info: PrivateKeyInfoRef<'a>) -> Result<K, Error>
where
    K: TryFrom<PrivateKeyInfoRef<'a>>,
{
    K::try_from(info).map_err(|_| Error::Encoding)
}

/// Whether an RSA key has more than two primes, and so the version 1.
fn has_many_primes(pkcs1: &[u8]) -> bool {
    let version = AnyRef::from_der(pkcs1).and_then(|any| {
        any.sequence(|reader| {
            let version = reader.decode::<u8>();
            reader.drain(reader.remaining_len())?;
            version
        })
    });
    version == Ok(1)
}

/// Whether `der` is a SEC 1 key whose parameters are written out.
fn has_explicit_parameters(der: &[u8]) -> bool {
    let Ok(key) = AnyRef::from_der(der) else {
        return false;
    };
    let is_explicit = key.sequence(|reader| {
        let (_, _): (AnyRef<'_>, AnyRef<'_>) = (reader.decode()?, reader.decode()?);
        let parameters = AnyRef::decode(reader)?;
        reader.drain(reader.remaining_len())?;
        // `[0] EXPLICIT`, and in it a sequence where a curve's name is an OID.
        Ok::<_, pkcs8::der::Error>(parameters.value().first() == Some(&0x30))
    });
    is_explicit == Ok(true)
}
