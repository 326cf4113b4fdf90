//! The keys of KMS: their types, and their signatures.

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use aws_lc_rs::{digest, rsa};
use ed25519_dalek::Signer as _;
use pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use sha2::digest::consts::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use spki::der::Encode as _;
use spki::der::asn1::{AnyRef, BitStringRef};
use spki::{AlgorithmIdentifier, ObjectIdentifier, SubjectPublicKeyInfo};

use crate::vectors;

use super::{ACCOUNT, REGION, Refusal, random, uuid};

/// A KMS key.
#[derive(Clone)]
pub struct Key {
    id: String,
    region: String,
    account: String,
    pub(super) spec: String,
    pub(super) usage: String,
    state: KeyState,
    pub(super) spki: Option<Vec<u8>>,
    material: Option<Material>,
}

/// The states of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
    PendingImport,
    Creating,
}

#[derive(Clone)]
enum Material {
    Ecdsa(Arc<EcdsaKeyPair>),
    Rsa(Arc<rsa::KeyPair>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl Key {
    /// A key of `tests/vectors/plain-keys`.
    pub fn of_vector(name: &str) -> Self {
        let path = vectors().join(format!("plain-keys/{name}.key"));
        Self::from_pem(&std::fs::read_to_string(path).unwrap())
    }

    /// A key of PKCS #8, SEC 1 or PKCS #1.
    pub fn from_pem(text: &str) -> Self {
        let der = pem::parse(text).unwrap().into_contents();
        let curves = [
            ("ECC_NIST_P256", &ECDSA_P256_SHA256_ASN1_SIGNING),
            ("ECC_NIST_P384", &ECDSA_P384_SHA384_ASN1_SIGNING),
            ("ECC_NIST_P521", &ECDSA_P521_SHA512_ASN1_SIGNING),
        ];
        for (spec, algorithm) in curves {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm, &der) {
                let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
                return Self::new(spec, Some(spki), Some(Material::Ecdsa(Arc::new(pair))));
            }
        }
        if let Ok(pair) = ed25519_dalek::SigningKey::from_pkcs8_der(&der) {
            let spki = pair.verifying_key().to_public_key_der().unwrap().into_vec();
            let spec = "ECC_NIST_EDWARDS25519";
            return Self::new(spec, Some(spki), Some(Material::Ed25519(Box::new(pair))));
        }
        let pair = rsa::KeyPair::from_pkcs8(&der).or_else(|_| rsa::KeyPair::from_der(&der));
        let pair = pair.unwrap();
        let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
        let spec = format!("RSA_{}", 8 * pair.public_modulus_len());
        Self::new(&spec, Some(spki), Some(Material::Rsa(Arc::new(pair))))
    }

    /// A key of a spec that cannot sign here, with the public half that KMS would show.
    pub fn claiming(spec: &str) -> Self {
        let spki = match spec {
            "ECC_SECG_P256K1" => Some(ec_spki("1.3.132.0.10", SECP256K1_POINT)),
            "SM2" => Some(ec_spki("1.2.156.10197.1.301", SM2_POINT)),
            "ML_DSA_44" => Some(any_spki("2.16.840.1.101.3.4.3.17", None, &random(1312))),
            "SYMMETRIC_DEFAULT" | "HMAC_256" => None,
            other => panic!("{other} is not known here"),
        };
        let key = Self::new(spec, spki, None);
        match spec {
            "SYMMETRIC_DEFAULT" => key.used_for("ENCRYPT_DECRYPT"),
            "HMAC_256" => key.used_for("GENERATE_VERIFY_MAC"),
            _ => key,
        }
    }

    fn new(spec: &str, spki: Option<Vec<u8>>, material: Option<Material>) -> Self {
        Self {
            id: uuid(),
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            spec: spec.to_owned(),
            usage: "SIGN_VERIFY".to_owned(),
            state: KeyState::Enabled,
            spki,
            material,
        }
    }

    pub fn used_for(mut self, usage: &str) -> Self {
        self.usage = usage.to_owned();
        self
    }

    pub fn with_id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// With the ID of a multi-Region key.
    pub fn multi_region(self) -> Self {
        let id = format!("mrk-{}", uuid().replace('-', ""));
        self.with_id(&id)
    }

    pub fn in_region(mut self, region: &str) -> Self {
        self.region = region.to_owned();
        self
    }

    pub fn of_account(mut self, account: &str) -> Self {
        self.account = account.to_owned();
        self
    }

    pub fn in_state(mut self, state: KeyState) -> Self {
        self.state = state;
        self
    }

    pub fn arn(&self) -> String {
        format!(
            "arn:aws:kms:{}:{}:key/{}",
            self.region, self.account, self.id
        )
    }

    /// The public half, as GetPublicKey gives it.
    pub fn spki(&self) -> &[u8] {
        self.spki.as_deref().unwrap()
    }

    /// As KMS calls it: `ECC_NIST_P256`.
    pub fn spec(&self) -> &str {
        &self.spec
    }

    /// Its signature with this algorithm of KMS: of a message if it is `raw`, or else of a digest;
    /// `None` where that is impossible.
    pub fn sign(&self, algorithm: &str, raw: bool, message: &[u8]) -> Option<Vec<u8>> {
        self.signature(algorithm, raw, message).ok()
    }

    /// Those of RSA begin with PSS and those of Ed25519 with Ed25519ph, as a trap for code that takes
    /// the first.
    pub(super) fn algorithms(&self) -> &'static [&'static str] {
        match self.spec.as_str() {
            "ECC_NIST_P256" | "ECC_SECG_P256K1" => &["ECDSA_SHA_256"],
            "ECC_NIST_P384" => &["ECDSA_SHA_384"],
            "ECC_NIST_P521" => &["ECDSA_SHA_512"],
            "ECC_NIST_EDWARDS25519" => &["ED25519_PH_SHA_512", "ED25519_SHA_512"],
            "SM2" => &["SM2DSA"],
            "ML_DSA_44" => &["ML_DSA_SHAKE_256"],
            rsa if rsa.starts_with("RSA_") => &RSA_ALGORITHMS,
            _ => &[],
        }
    }

    pub(super) fn usable(&self) -> Result<(), Refusal> {
        let why = match self.state {
            KeyState::Enabled => return Ok(()),
            KeyState::Disabled => {
                let message = format!("{} is disabled.", self.arn());
                return Err(Refusal::new("DisabledException", message));
            }
            KeyState::PendingDeletion => "pending deletion",
            KeyState::PendingImport => "pending import",
            KeyState::Creating => "creating",
        };
        let message = format!("{} is {why}.", self.arn());
        Err(Refusal::new("KMSInvalidStateException", message))
    }

    pub(super) fn signature(
        &self,
        algorithm: &str,
        raw: bool,
        message: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let hashed = |hash| given_digest(algorithm, hash, raw, message);
        match self.material.as_ref() {
            None => Err(Refusal::new(
                "UnsupportedOperationException",
                format!("{} keys cannot sign here.", self.spec),
            )),
            Some(Material::Ecdsa(pair)) => {
                let digest = hashed(hash(algorithm))?;
                Ok(pair.sign_digest(&digest).unwrap().as_ref().to_vec())
            }
            Some(Material::Rsa(pair)) => {
                let (encoding, digest) = (rsa_encoding(algorithm), hashed(hash(algorithm))?);
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, &digest, &mut signature).unwrap();
                Ok(signature)
            }
            Some(Material::Ed25519(pair)) => match (algorithm, raw) {
                ("ED25519_SHA_512", true) => Ok(pair.sign(message).to_bytes().to_vec()),
                ("ED25519_PH_SHA_512", false) => {
                    let digest = hashed(&digest::SHA512)?;
                    let given = Given(digest.as_ref().try_into().unwrap());
                    let signature = pair.sign_prehashed(given, None).unwrap();
                    Ok(signature.to_bytes().to_vec())
                }
                (_, raw) => {
                    let message_type = if raw { "RAW" } else { "DIGEST" };
                    Err(Refusal::invalid(format!(
                        "Algorithm {algorithm} is incompatible with message type {message_type}."
                    )))
                }
            },
        }
    }
}

/// The digest to sign: the hash of a raw message, or the digest that was given.
fn given_digest(
    algorithm: &str,
    hash: &'static digest::Algorithm,
    raw: bool,
    message: &[u8],
) -> Result<digest::Digest, Refusal> {
    if raw {
        return Ok(digest::digest(hash, message));
    }
    digest::Digest::import_less_safe(message, hash).map_err(|_| {
        Refusal::invalid(format!(
            "Digest is invalid length for algorithm {algorithm}."
        ))
    })
}

fn hash(algorithm: &str) -> &'static digest::Algorithm {
    match algorithm.rsplit('_').next() {
        Some("256") => &digest::SHA256,
        Some("384") => &digest::SHA384,
        _ => &digest::SHA512,
    }
}

fn rsa_encoding(algorithm: &str) -> &'static dyn RsaEncoding {
    match algorithm {
        "RSASSA_PSS_SHA_256" => &RSA_PSS_SHA256,
        "RSASSA_PSS_SHA_384" => &RSA_PSS_SHA384,
        "RSASSA_PSS_SHA_512" => &RSA_PSS_SHA512,
        "RSASSA_PKCS1_V1_5_SHA_256" => &RSA_PKCS1_SHA256,
        "RSASSA_PKCS1_V1_5_SHA_384" => &RSA_PKCS1_SHA384,
        _ => &RSA_PKCS1_SHA512,
    }
}

const RSA_ALGORITHMS: [&str; 6] = [
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
];

pub(super) const ALGORITHMS: [&str; 13] = [
    RSA_ALGORITHMS[0],
    RSA_ALGORITHMS[1],
    RSA_ALGORITHMS[2],
    RSA_ALGORITHMS[3],
    RSA_ALGORITHMS[4],
    RSA_ALGORITHMS[5],
    "ECDSA_SHA_256",
    "ECDSA_SHA_384",
    "ECDSA_SHA_512",
    "SM2DSA",
    "ML_DSA_SHAKE_256",
    "ED25519_SHA_512",
    "ED25519_PH_SHA_512",
];

/// A digest that was computed elsewhere, for Ed25519ph, which would compute it itself.
struct Given([u8; 64]);

impl Default for Given {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl HashMarker for Given {}

impl OutputSizeUser for Given {
    type OutputSize = U64;
}

impl Update for Given {
    fn update(&mut self, _: &[u8]) {
        panic!("it is computed already");
    }
}

impl FixedOutput for Given {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}

/// The base points of the curves, which are public keys like others.
const SECP256K1_POINT: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                               483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
const SM2_POINT: &str = "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7\
                         bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";

fn ec_spki(curve: &str, point: &str) -> Vec<u8> {
    let mut bytes = vec![4];
    bytes.extend(
        (0..point.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&point[at..at + 2], 16).unwrap()),
    );
    any_spki("1.2.840.10045.2.1", Some(curve), &bytes)
}

fn any_spki(algorithm: &str, curve: Option<&str>, key: &[u8]) -> Vec<u8> {
    let curve = curve.map(ObjectIdentifier::new_unwrap);
    let info = SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifier {
            oid: ObjectIdentifier::new_unwrap(algorithm),
            parameters: curve.as_ref().map(AnyRef::from),
        },
        subject_public_key: BitStringRef::from_bytes(key).unwrap(),
    };
    info.to_der().unwrap()
}
