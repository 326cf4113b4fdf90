//! KMS with one key.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{Answer, Answers, Request};
use crate::key::Key;

const ALIAS: &str = "alias/bench";
const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

pub(crate) struct Kms {
    key: Key,
    throttle: Option<Throttle>,
}

impl Kms {
    pub(crate) fn new(rate: Option<u32>) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            key: Key::generate()?,
            throttle: rate.map(Throttle::new),
        })
    }

    pub(crate) fn public_key_pem(&self) -> String {
        self.key.public_pem()
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
        match self.key.sign(message) {
            Some(signature) => Answer::json(
                200,
                &json!({
                    "KeyId": ARN,
                    "Signature": signature,
                    "SigningAlgorithm": "ECDSA_SHA_256",
                }),
            ),
            None => refusal(
                "ValidationException",
                "Digest is invalid length for algorithm ECDSA_SHA_256.",
            ),
        }
    }

    fn public_key(&self) -> Answer {
        Answer::json(
            200,
            &json!({
                "KeyId": ARN,
                "PublicKey": self.key.public,
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
