//! The closed table of signature algorithms: key type ↔ hash ↔ label. It has no default arm: a key type
//! that is not in the table is refused by name.

use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The key types that sign and verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// EC on NIST P-256.
    P256,
    /// EC on NIST P-384.
    P384,
    /// EC on NIST P-521.
    P521,
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// RSA, 4096 bits.
    Rsa4096,
    /// Ed25519 ([RFC 8032](https://www.rfc-editor.org/rfc/rfc8032)).
    Ed25519,
}

impl KeyType {
    /// The algorithm with which this program signs with such a key.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::EcdsaSha256,
            Self::P384 => Algorithm::EcdsaSha384,
            Self::P521 => Algorithm::EcdsaSha512,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => Algorithm::RsaPkcs1Sha256,
            Self::Ed25519 => Algorithm::Ed25519,
        }
    }

    /// The RSA key type with a modulus of `bits`, if it is supported.
    pub(crate) fn from_rsa_bits(bits: usize) -> Option<Self> {
        match bits {
            2048 => Some(Self::Rsa2048),
            3072 => Some(Self::Rsa3072),
            4096 => Some(Self::Rsa4096),
            _ => None,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "EC P-256",
            Self::P384 => "EC P-384",
            Self::P521 => "EC P-521",
            Self::Rsa2048 => "RSA 2048",
            Self::Rsa3072 => "RSA 3072",
            Self::Rsa4096 => "RSA 4096",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// The signature algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA over SHA-256, DER.
    EcdsaSha256,
    /// ECDSA over SHA-384, DER.
    EcdsaSha384,
    /// ECDSA over SHA-512, DER.
    EcdsaSha512,
    /// RSASSA-PKCS1-v1_5 over SHA-256.
    RsaPkcs1Sha256,
    /// Pure Ed25519.
    Ed25519,
}

impl Algorithm {
    /// The record's `algorithm`.
    pub fn label(self) -> &'static str {
        match self {
            Self::EcdsaSha256 => "ECDSA_SHA_256",
            Self::EcdsaSha384 => "ECDSA_SHA_384",
            Self::EcdsaSha512 => "ECDSA_SHA_512",
            Self::RsaPkcs1Sha256 => "RSA_PKCS1_SHA_256",
            Self::Ed25519 => "ED25519",
        }
    }

    /// The hash that is signed. `None` for Ed25519, which signs the message itself.
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::EcdsaSha256 | Self::RsaPkcs1Sha256 => Some(Hash::Sha256),
            Self::EcdsaSha384 => Some(Hash::Sha384),
            Self::EcdsaSha512 => Some(Hash::Sha512),
            Self::Ed25519 => None,
        }
    }
}

/// The hashes over which a signature may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Hashes `message`: 32, 48 or 64 bytes.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}
