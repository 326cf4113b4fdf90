//! KMS with one key.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{Answer, Answers, Request};

const ALIAS: &str = "alias/bench";
const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

pub(crate) struct Kms {
    key: EcdsaKeyPair,
    public_key: String,
    throttle: Option<Throttle>,
}

impl Kms {
    pub(crate) fn new(rate: Option<u32>) -> Result<Self, Box<dyn Error>> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let der: PublicKeyX509Der<'_> = key.public_key().as_der()?;
        let public_key = STANDARD.encode(der.as_ref());
        Ok(Self {
            key,
            public_key,
            throttle: rate.map(Throttle::new),
        })
    }

    pub(crate) fn public_key_pem(&self) -> String {
        let (first, second) = self.public_key.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }

    fn sign(&self, asked: &Value) -> Answer {
        let kind = (
            asked["MessageType"].as_str(),
            asked["SigningAlgorithm"].as_str(),
        );
        if kind != (Some("DIGEST"), Some("ECDSA_SHA_256")) {
            return refusal("ValidationException", "only digests, by ECDSA_SHA_256");
        }
        let message = asked["Message"].as_str().unwrap_or_default();
        let digest = STANDARD
            .decode(message)
            .ok()
            .and_then(|bytes| Digest::import_less_safe(&bytes, &SHA256).ok());
        let Some(digest) = digest else {
            return refusal(
                "ValidationException",
                "Digest is invalid length for algorithm ECDSA_SHA_256.",
            );
        };
        match self.key.sign_digest(&digest) {
            Ok(signature) => Answer::json(
                200,
                &json!({
                    "KeyId": ARN,
                    "Signature": STANDARD.encode(signature.as_ref()),
                    "SigningAlgorithm": "ECDSA_SHA_256",
                }),
            ),
            Err(_) => refusal("KMSInternalException", "it could not be signed"),
        }
    }

    fn public_key(&self) -> Answer {
        Answer::json(
            200,
            &json!({
                "KeyId": ARN,
                "PublicKey": self.public_key,
                "CustomerMasterKeySpec": "ECC_NIST_P256",
                "KeySpec": "ECC_NIST_P256",
                "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": ["ECDSA_SHA_256"],
            }),
        )
    }
}

impl Answers for Kms {
    fn answer(&self, request: &Request) -> Answer {
        if self
            .throttle
            .as_ref()
            .is_some_and(|throttle| !throttle.admits())
        {
            return refusal(
                "ThrottlingException",
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
            );
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if ![Some(ALIAS), Some(ARN)].contains(&asked["KeyId"].as_str()) {
            return refusal("NotFoundException", "there is no such key");
        }
        match request.header("x-amz-target") {
            Some("TrentService.GetPublicKey") => self.public_key(),
            Some("TrentService.Sign") => self.sign(&asked),
            _ => refusal("UnknownOperationException", "only GetPublicKey and Sign"),
        }
    }
}

fn refusal(code: &str, message: &str) -> Answer {
    Answer::json(400, &json!({"__type": code, "message": message}))
}

/// A bucket of tokens: so many requests a second, a tenth of them at once. What is refused takes none.
struct Throttle {
    rate: f64,
    tokens: Mutex<(f64, Instant)>,
}

impl Throttle {
    fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self {
            rate,
            tokens: Mutex::new((rate / 10.0, Instant::now())),
        }
    }

    fn admits(&self) -> bool {
        let mut state = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained = self.rate * (now - state.1).as_secs_f64();
        let tokens = (state.0 + gained).min(self.rate / 10.0);
        let admitted = tokens >= 1.0;
        *state = (if admitted { tokens - 1.0 } else { tokens }, now);
        admitted
    }
}
