//! The keys of the transit engine: their public data, and their signatures.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::aws::Key;

use super::answers::Refusal;

/// A key in all its versions.
pub(super) struct TransitKey {
    /// The first is version 1.
    versions: Vec<Key>,
}

impl TransitKey {
    pub(super) fn new(first: Key) -> Self {
        let versions = vec![first];
        Self { versions }
    }

    pub(super) fn rotate(&mut self, next: Key) {
        self.versions.push(next);
    }

    /// The answer to a read of the key.
    pub(super) fn shown(&self, name: &str) -> Value {
        let (kind, label) = names(&self.versions[0]);
        let versions = self.versions.iter().zip(1..).map(|(key, number)| {
            let version = json!({
                "certificate_chain": "",
                "creation_time": "2026-04-12T19:21:10.123456789Z",
                "name": label,
                "public_key": public_key(key),
            });
            (format!("{number}"), version)
        });
        json!({
            "allow_plaintext_backup": false,
            "auto_rotate_period": 0,
            "deletion_allowed": false,
            "derived": false,
            "exportable": false,
            "imported_key": false,
            "keys": versions.collect::<serde_json::Map<_, _>>(),
            "latest_version": self.versions.len(),
            "min_available_version": 0,
            "min_decryption_version": 1,
            "min_encryption_version": 0,
            "name": name,
            "supports_decryption": kind.starts_with("rsa"),
            "supports_derivation": kind == "ed25519",
            "supports_encryption": kind.starts_with("rsa"),
            "supports_signing": true,
            "type": kind,
        })
    }

    /// Defaults are Vault's: PSS, and a hash that it computes itself.
    pub(super) fn sign(&self, body: &Value) -> Result<Value, Refusal> {
        let latest = self.versions.len() as u64;
        let number = match body["key_version"].as_u64() {
            None | Some(0) => latest,
            Some(number) => number,
        };
        let higher =
            "cannot sign: requested version for signing is higher than the latest key version";
        let place = usize::try_from(number - 1).unwrap();
        let key = self.versions.get(place).ok_or((400, higher))?;
        let input = body["input"]
            .as_str()
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        let input = input.ok_or((400, "unable to decode input as base64"))?;
        let bits = match body["hash_algorithm"].as_str() {
            None | Some("sha2-256") => "256",
            Some("sha2-384") => "384",
            Some("sha2-512") => "512",
            Some(_) => return Err((400, "invalid hash algorithm")),
        };
        let raw = body["prehashed"] != true;
        let pkcs1 = body["signature_algorithm"] == "pkcs1v15";
        let algorithm = match names(key).0 {
            "ed25519" => "ED25519_SHA_512".to_owned(),
            rsa if rsa.starts_with("rsa") && pkcs1 => format!("RSASSA_PKCS1_V1_5_SHA_{bits}"),
            rsa if rsa.starts_with("rsa") => format!("RSASSA_PSS_SHA_{bits}"),
            _ => format!("ECDSA_SHA_{bits}"),
        };
        let signature = key.sign(&algorithm, raw, &input);
        let signature = signature.ok_or((400, "unable to sign: unexpected input length"))?;
        Ok(json!({
            "key_version": number,
            "signature": format!("vault:v{number}:{}", BASE64_STANDARD.encode(signature)),
        }))
    }
}

/// The type of a key, and the name of each of its versions.
fn names(key: &Key) -> (&'static str, &'static str) {
    match key.spec() {
        "ECC_NIST_P256" => ("ecdsa-p256", "P-256"),
        "ECC_NIST_P384" => ("ecdsa-p384", "P-384"),
        "ECC_NIST_P521" => ("ecdsa-p521", "P-521"),
        "ECC_NIST_EDWARDS25519" => ("ed25519", "ed25519"),
        "RSA_2048" => ("rsa-2048", "rsa-2048"),
        "RSA_3072" => ("rsa-3072", "rsa-3072"),
        "RSA_4096" => ("rsa-4096", "rsa-4096"),
        other => panic!("{other} is not known here"),
    }
}

/// PEM, but of Ed25519 the 32 bytes alone.
fn public_key(key: &Key) -> String {
    let spki = key.spki();
    match names(key).0 {
        "ed25519" => BASE64_STANDARD.encode(&spki[spki.len() - 32..]),
        _ => {
            let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
            pem::encode_config(&pem::Pem::new("PUBLIC KEY", spki), config)
        }
    }
}
