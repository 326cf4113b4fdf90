//! Vault with one key in its transit engine, and one role that may log in with a JWT. It answers as Vault
//! 1.16 does.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::http::{Answer, Answers, Request};
use crate::key::Key;

const NAME: &str = "ci-signer";
const ROLE: &str = "ci";

pub(crate) struct Vault {
    key: Key,
    jwt: String,
    answers: AtomicU64,
    logins: AtomicU64,
    /// Those that are not revoked.
    tokens: Mutex<BTreeSet<String>>,
}

impl Vault {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            key: Key::generate()?,
            jwt: jwt(),
            answers: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            tokens: Mutex::new(BTreeSet::from([token(0)])),
        })
    }

    /// A JWT that it takes for a login.
    pub(crate) fn jwt(&self) -> &str {
        &self.jwt
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Answer {
        let data = json!({
            "allow_plaintext_backup": false,
            "auto_rotate_period": 0,
            "deletion_allowed": false,
            "derived": false,
            "exportable": false,
            "imported_key": false,
            "keys": {
                "1": {
                    "certificate_chain": "",
                    "creation_time": "2026-11-22T23:56:13.361125237Z",
                    "name": "P-256",
                    "public_key": self.key.public_pem(),
                },
            },
            "latest_version": 1,
            "min_available_version": 0,
            "min_decryption_version": 1,
            "min_encryption_version": 0,
            "name": NAME,
            "supports_decryption": false,
            "supports_derivation": false,
            "supports_encryption": false,
            "supports_signing": true,
            "type": "ecdsa-p256",
        });
        self.wrapped(&data, &Value::Null, "transit")
    }

    fn sign(&self, asked: &Value) -> Answer {
        let wanted = json!({
            "key_version": 1,
            "hash_algorithm": "sha2-256",
            "input": asked["input"],
            "prehashed": true,
            "signature_algorithm": "pkcs1v15",
            "marshaling_algorithm": "asn1",
        });
        if *asked != wanted {
            return refusal(
                400,
                "only version 1 for what is hashed by SHA-256, as ASN.1",
            );
        }
        let input = asked["input"].as_str().unwrap_or_default();
        let Some(signature) = self.key.sign(input) else {
            return refusal(400, "the input is no SHA-256 digest");
        };
        let data = json!({"key_version": 1, "signature": format!("vault:v1:{signature}")});
        self.wrapped(&data, &Value::Null, "transit")
    }

    fn log_in(&self, asked: &Value) -> Answer {
        if asked["role"] != ROLE {
            let role = asked["role"].as_str().unwrap_or_default();
            return refusal(400, &format!("role \"{role}\" could not be found"));
        }
        if asked["jwt"] != self.jwt {
            return refusal(
                400,
                "error validating token: error verifying token signature: \
                 no known key successfully validated the token signature",
            );
        }
        let token = token(self.logins.fetch_add(1, Ordering::Relaxed) + 1);
        let auth = json!({
            "client_token": token,
            "accessor": "WGs9ZSP370IkVURNaJoNNR6O",
            "policies": ["ci-signer", "default"],
            "token_policies": ["ci-signer", "default"],
            "metadata": {"role": ROLE},
            "lease_duration": 300,
            "renewable": true,
            "entity_id": "28296f5e-114b-c93f-0c3a-37fc734afa2e",
            "token_type": "service",
            "orphan": true,
            "mfa_requirement": null,
            "num_uses": 0,
        });
        self.tokens().insert(token);
        self.wrapped(&Value::Null, &auth, "")
    }

    /// What every answer is wrapped in.
    fn wrapped(&self, data: &Value, auth: &Value, mount_type: &str) -> Answer {
        let number = self.answers.fetch_add(1, Ordering::Relaxed) + 1;
        let body = format!(
            "{{\"request_id\":\"00000000-0000-4000-8000-{number:012x}\",\"lease_id\":\"\",\
             \"renewable\":false,\"lease_duration\":0,\"data\":{data},\"wrap_info\":null,\
             \"warnings\":null,\"auth\":{auth},\"mount_type\":\"{mount_type}\"}}\n"
        );
        Answer::new(200, body)
    }
}

impl Answers for Vault {
    fn answer(&self, request: &Request) -> Answer {
        if request.path.contains("//") {
            let to = request.path.replace("//", "/");
            return Answer::new(307, "").with("Location", &to);
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let asked_for = (request.method.as_str(), request.path.as_str());
        if asked_for == ("POST", "/v1/auth/jwt/login") {
            return self.log_in(&asked);
        }
        let token = request.header("x-vault-token").unwrap_or_default();
        if !self.tokens().contains(token) {
            return refusal(403, "permission denied");
        }
        match asked_for {
            ("GET", "/v1/transit/keys/ci-signer") => self.read(),
            ("POST", "/v1/transit/sign/ci-signer") => self.sign(&asked),
            ("POST", "/v1/auth/token/revoke-self") => {
                self.tokens().remove(token);
                Answer::new(204, "")
            }
            _ => refusal(404, "1 error occurred:\n\t* unsupported path\n\n"),
        }
    }

    fn marks(&self, _: u64) -> String {
        "Cache-Control: no-store\r\nContent-Type: application/json\r\n".to_owned()
    }
}

fn refusal(status: u16, reason: &str) -> Answer {
    Answer::new(status, format!("{}\n", json!({"errors": [reason]})))
}

/// A token as long as those of Vault. The first is at hand, the others are given at a login.
pub(crate) fn token(number: u64) -> String {
    format!("hvs.{}{number:07}", "bench-".repeat(14))
}

/// Claims as GitLab makes them, valid until 2099. Nobody looks at the signature.
fn jwt() -> String {
    let parts = [
        json!({"alg": "RS256", "typ": "JWT", "kid": "bench"}).to_string(),
        json!({
            "iss": "https://gitlab.example",
            "aud": "https://vault.example",
            "sub": "project_path:octo/app:ref_type:branch:ref:main",
            "project_path": "octo/app",
            "jti": "bench",
            "iat": 1_767_225_600,
            "nbf": 1_767_225_600,
            "exp": 4_070_908_800_u64,
        })
        .to_string(),
        "signature".to_owned(),
    ];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}
