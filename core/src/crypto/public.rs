//! Public keys: SPKI in, key ID and signature checks out. All verification arithmetic is called from here.
//!
//! A key is read only in its canonical DER encoding, so that every tool computes the same
//! key ID of a file: the SHA-256 of its bytes.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA512_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use ed25519_dalek::Signature as Ed25519Signature;
use pkcs1::der::asn1::{AnyRef, BitStringRef, UintRef};
use pkcs1::der::{Decode as _, Encode as _};
use sha2::{Digest as _, Sha256, Sha512};
use spki::{
    AlgorithmIdentifier, AlgorithmIdentifierRef, EncodePublicKey as _, ObjectIdentifier,
    SubjectPublicKeyInfoRef,
};

use crate::crypto::algorithm::KeyType;
use crate::crypto::foreign::Foreign;
use crate::crypto::pem;
use crate::crypto::pem::Block;
use crate::crypto::shape::Shape;
use crate::text::{clipped, one_line};

/// A public key.
#[derive(Clone)]
pub struct PublicKey {
    key_type: KeyType,
    id: KeyId,
    spki: Vec<u8>,
    inner: Inner,
}

#[derive(Clone)]
enum Inner {
    /// ECDSA and RSA, once for each hash over which a signature may have been made.
    AwsLc(Vec<ParsedPublicKey>),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// Reads a PEM file: SPKI or PKCS #1.
    ///
    /// # Errors
    ///
    /// [`Error`] if the file is not exactly one public key of a type in the table.
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        Self::from_block(&pem::block(text)?)
    }

    /// Reads a PEM block.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not a public key of a type in the table.
    pub fn from_block(block: &Block) -> Result<Self, Error> {
        let der = &block.contents;
        match block.label.as_str() {
            // The DER shows its form: tools write one form under the label of another.
            label if LABELS.contains(&label) => match Shape::of(der) {
                Some(Shape::Pkcs1Public) => Self::from_pkcs1(der),
                Some(shape) if shape.is_private() => Err(Error::contradiction(label)),
                Some(Shape::Certificate) => Err(Error::Certificate),
                _ => Self::from_spki(der),
            },
            "CERTIFICATE" => Err(Error::Certificate),
            label => match Foreign::of_block(label, der) {
                Some(foreign) => Err(pem::Error::Foreign(foreign).into()),
                None => Err(Error::Label {
                    label: clipped(label),
                }),
            },
        }
    }

    /// Reads SPKI DER ([RFC 5280 §4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not the canonical encoding of a key of a type in the table.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| Error::Encoding)?;
        let oid = info.algorithm.oid;
        let key = if oid == EC_PUBLIC_KEY {
            let curve = curve(info.algorithm)?;
            let point = info.subject_public_key.raw_bytes().first();
            if [P256, P384, P521].contains(&curve) && matches!(point, Some(2 | 3 | 6 | 7)) {
                return Err(Error::PointForm);
            }
            match curve {
                P256 => Self::from_p256(&convert(info)?)?,
                P384 => Self::from_p384(&convert(info)?)?,
                P521 => Self::from_p521(&convert(info)?)?,
                other => return Err(Error::unsupported(other)),
            }
        } else if oid == RSA_ENCRYPTION {
            if info.algorithm.parameters != Some(AnyRef::NULL) {
                return Err(Error::Encoding);
            }
            let pkcs1 = info.subject_public_key.as_bytes();
            Self::from_pkcs1(pkcs1.ok_or(Error::Encoding)?)?
        } else if oid == ED25519 {
            Self::from_ed25519(convert(info)?)?
        } else {
            return Err(Error::unsupported(oid));
        };
        if key.spki != der {
            return Err(Error::Encoding);
        }
        Ok(key)
    }

    /// Reads PKCS #1 DER ([RFC 8017 §A.1.1](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1)).
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not an RSA key of 2048, 3072 or 4096 bits with the exponent 65537.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        let key = pkcs1::RsaPublicKey::<UintRef<'_>>::from_der(der).map_err(|_| Error::Encoding)?;
        if key.public_exponent.as_bytes() != [1, 0, 1] {
            return Err(Error::Exponent);
        }
        let modulus = key.modulus.as_bytes();
        let bits = bits(modulus);
        let key_type = KeyType::from_rsa_bits(bits).ok_or(Error::RsaSize { bits })?;
        if modulus.last().is_some_and(|last| last % 2 == 0) {
            return Err(Error::Encoding);
        }
        let pkcs1 = key.to_der().map_err(|_| Error::Encoding)?;
        if pkcs1 != der {
            return Err(Error::Encoding);
        }
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifier {
                oid: RSA_ENCRYPTION,
                parameters: Some(AnyRef::NULL),
            },
            subject_public_key: BitStringRef::from_bytes(&pkcs1).map_err(|_| Error::Encoding)?,
        };
        let spki = info.to_der().map_err(|_| Error::Encoding)?;
        Self::aws_lc(key_type, &pkcs1, spki, &[&RSA_PKCS1_2048_8192_SHA256])
    }

    /// Makes a key on P-256.
    pub(crate) fn from_p256(key: &p256::PublicKey) -> Result<Self, Error> {
        let spki = der(key.to_public_key_der())?;
        Self::aws_lc(
            KeyType::P256,
            &key.to_sec1_bytes(),
            spki,
            &[&ECDSA_P256_SHA256_ASN1],
        )
    }

    /// Makes a key on P-384.
    pub(crate) fn from_p384(key: &p384::PublicKey) -> Result<Self, Error> {
        let spki = der(key.to_public_key_der())?;
        let hashes: [&'static dyn VerificationAlgorithm; 2] =
            [&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA256_ASN1];
        Self::aws_lc(KeyType::P384, &key.to_sec1_bytes(), spki, &hashes)
    }

    /// Makes a key on P-521.
    pub(crate) fn from_p521(key: &p521::PublicKey) -> Result<Self, Error> {
        let spki = der(key.to_public_key_der())?;
        let hashes: [&'static dyn VerificationAlgorithm; 2] =
            [&ECDSA_P521_SHA512_ASN1, &ECDSA_P521_SHA256_ASN1];
        Self::aws_lc(KeyType::P521, &key.to_sec1_bytes(), spki, &hashes)
    }

    /// Makes an Ed25519 key from its 32 bytes ([RFC 8032 §5.1.5](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5)).
    ///
    /// # Errors
    ///
    /// [`Error`] if they are not 32, or not a point that verifies.
    pub fn from_ed25519_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.try_into().map_err(|_| Error::Encoding)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes);
        Self::from_ed25519(key.map_err(|_| Error::Encoding)?)
    }

    /// Makes an Ed25519 key. A key of small order verifies signatures that were never made, and a point in
    /// a non-canonical encoding would have a second key ID
    /// ([RFC 8032 §5.1.3](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.3)): both are refused.
    pub(crate) fn from_ed25519(key: ed25519_dalek::VerifyingKey) -> Result<Self, Error> {
        if key.is_weak() {
            return Err(Error::WeakKey);
        }
        if key.to_edwards().compress().as_bytes() != key.as_bytes() {
            return Err(Error::Encoding);
        }
        let spki = der(key.to_public_key_der())?;
        Ok(Self::new(KeyType::Ed25519, spki, Inner::Ed25519(key)))
    }

    fn aws_lc(
        key_type: KeyType,
        key: &[u8],
        spki: Vec<u8>,
        algorithms: &[&'static dyn VerificationAlgorithm],
    ) -> Result<Self, Error> {
        let parse = |algorithm: &&'static _| ParsedPublicKey::new(*algorithm, key);
        let parsed: Result<_, _> = algorithms.iter().map(parse).collect();
        let inner = Inner::AwsLc(parsed.map_err(|_| Error::Encoding)?);
        Ok(Self::new(key_type, spki, inner))
    }

    fn new(key_type: KeyType, spki: Vec<u8>, inner: Inner) -> Self {
        Self {
            key_type,
            id: KeyId::of_spki(&spki),
            spki,
            inner,
        }
    }

    /// The key's type.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The key's ID.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// SPKI DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The `PUBLIC KEY` PEM that cosign writes.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", self.spki.as_slice())
    }

    /// Whether `signature` is a signature of this key over `payload`.
    ///
    /// The key alone decides on the algorithm, never a label. The variants of other tools are accepted:
    /// s3lo and cosign sign Ed25519 as Ed25519ph, and have Vault sign every curve over SHA-256. Both halves of an
    /// ECDSA signature may be high: KMS and Vault emit either
    /// ([FIPS 186-5 §6.4](https://csrc.nist.gov/pubs/fips/186-5/final) asks for no normalisation).
    pub fn verifies(&self, payload: &[u8], signature: &[u8]) -> bool {
        match &self.inner {
            Inner::AwsLc(keys) => keys
                .iter()
                .any(|key| key.verify_sig(payload, signature).is_ok()),
            Inner::Ed25519(key) => Ed25519Signature::from_slice(signature).is_ok_and(|sig| {
                key.verify_strict(payload, &sig).is_ok()
                    || key
                        .verify_prehashed_strict(Sha512::new_with_prefix(payload), None, &sig)
                        .is_ok()
            }),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("key_type", &self.key_type)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

/// The first 8 bytes of SHA-256 over a key's SPKI DER, written as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The ID of the key with this SPKI DER.
    pub fn of_spki(der: &[u8]) -> Self {
        let digest = Sha256::digest(der);
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The reason why bytes are not a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its PEM is not one block.
    #[error(transparent)]
    Pem(#[from] pem::Error),
    /// An X.509 certificate, whose chain this program cannot check.
    #[error("it is an X.509 certificate, not a public key")]
    Certificate,
    /// A private key under the label of a public one.
    #[error("its PEM block is called `{label}` and holds a private key")]
    Contradiction {
        /// The block's label.
        label: String,
    },
    /// An EC key with the parameters of its curve written out.
    #[error("it is an EC key that does not name its curve")]
    Curve,
    /// It is not the canonical DER of a key.
    #[error("it is not the DER encoding of a public key")]
    Encoding,
    /// RSA with another exponent than 65537.
    #[error("it is an RSA key with an exponent other than 65537")]
    Exponent,
    /// A PEM block that is not a public key.
    #[error("its PEM block is `{}`, not a public key", one_line(label))]
    Label {
        /// The block's label.
        label: String,
    },
    /// An EC key without its curve.
    #[error("it is an EC key that does not say on which curve it is")]
    NoCurve,
    /// An EC key whose point is compressed or in the hybrid form.
    #[error("it is an EC key whose point is not in the uncompressed form")]
    PointForm,
    /// RSA of another size than 2048, 3072 or 4096 bits.
    #[error("it is an RSA key of {bits} bits, where 2048, 3072 and 4096 are supported")]
    RsaSize {
        /// The modulus's size.
        bits: usize,
    },
    /// A key type that is not in the table.
    #[error("it is {name}, where EC P-256, P-384, P-521, RSA and Ed25519 are supported")]
    Unsupported {
        /// The type, by name where it is known.
        name: String,
    },
    /// An Ed25519 key of small order.
    #[error("it is an Ed25519 key of small order, for which anyone can make signatures")]
    WeakKey,
}

impl Error {
    pub(crate) fn contradiction(label: &str) -> Self {
        Self::Contradiction {
            label: label.to_owned(),
        }
    }

    /// The error for a key algorithm or curve that is not in the table.
    pub(crate) fn unsupported(oid: ObjectIdentifier) -> Self {
        let text = oid.to_string();
        let name = match text.as_str() {
            "1.2.840.10040.4.1" => "a DSA key",
            "1.2.840.113549.1.1.10" => "an RSA key that is restricted to PSS",
            "1.2.156.10197.1.301" => "an SM2 key",
            "1.3.101.110" => "an X25519 key, which cannot sign",
            "1.3.101.112" => "an Ed25519 key in a form that is not supported",
            "1.3.101.113" => "an Ed448 key",
            "1.3.132.0.10" => "an EC key on secp256k1",
            "1.3.132.0.33" => "an EC key on P-224",
            "2.16.840.1.101.3.4.3.17" | "2.16.840.1.101.3.4.3.18" | "2.16.840.1.101.3.4.3.19" => {
                "an ML-DSA key"
            }
            other if other.starts_with("1.3.36.3.3.2.8") => "an EC key on a Brainpool curve",
            other => {
                return Self::Unsupported {
                    name: format!("a key of an unknown type ({other})"),
                };
            }
        };
        Self::Unsupported {
            name: name.to_owned(),
        }
    }
}

/// The labels of public keys.
pub(crate) const LABELS: [&str; 4] = [
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "EC PUBLIC KEY",
    "ECDSA PUBLIC KEY",
];

/// The curve of an EC key, which must be named: the parameters of one that is written out could be those of another
/// ([CVE-2020-0601](https://nvd.nist.gov/vuln/detail/CVE-2020-0601)).
pub(crate) fn curve(algorithm: AlgorithmIdentifierRef<'_>) -> Result<ObjectIdentifier, Error> {
    match algorithm.parameters {
        None => Err(Error::NoCurve),
        Some(parameters) if parameters.is_null() => Err(Error::NoCurve),
        Some(parameters) => parameters.decode_as().map_err(|_| Error::Curve),
    }
}

/// `id-ecPublicKey` ([RFC 5480 §2.1.1](https://www.rfc-editor.org/rfc/rfc5480#section-2.1.1)).
pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1`.
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1`.
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `secp521r1`.
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
/// `rsaEncryption` ([RFC 8017 §A](https://www.rfc-editor.org/rfc/rfc8017#appendix-A)).
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-Ed25519` ([RFC 8410 §3](https://www.rfc-editor.org/rfc/rfc8410#section-3)).
pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

fn convert<'a, K>(info: SubjectPublicKeyInfoRef<'a>) -> Result<K, Error>
where
    K: TryFrom<SubjectPublicKeyInfoRef<'a>>,
{
    K::try_from(info).map_err(|_| Error::Encoding)
}

fn der(document: spki::Result<spki::Document>) -> Result<Vec<u8>, Error> {
    Ok(document.map_err(|_| Error::Encoding)?.into_vec())
}

/// The size in bits of a modulus without leading zero bytes.
pub(crate) fn bits(modulus: &[u8]) -> usize {
    let unused = modulus.first().map_or(0, |first| first.leading_zeros());
    modulus
        .len()
        .saturating_mul(8)
        .saturating_sub(usize::try_from(unused).unwrap_or(0))
}
