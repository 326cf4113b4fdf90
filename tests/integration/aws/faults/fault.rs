//! The faults themselves: replacements of an answer, and changes meanwhile.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo_core::crypto::private::PrivateKey;
use s3lo_core::reference::Reference;
use serde_json::{Value, json};

use super::Aws;
use crate::support::aws_fixture::{AwsFixture, MANIFEST_PATH, RECORDS_PATH};
use crate::support::faults::Services as _;
use crate::support::faults::records::{MOVED, another_record, private_key, record_name, to_sign};
use crate::support::{MANIFEST, plain_key};
use s3lo_test_servers::aws::{AwsServer, Key, KeyState, kms_answer, kms_error, sts_error};
use s3lo_test_servers::http::{Reply, Request};
use s3lo_test_servers::s3::{S3Server, s3_error};

/// The fault of a call.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// An error of KMS: status, code, message.
    Kms(u16, &'static str, &'static str),
    /// An error of S3.
    S3(u16, &'static str, &'static str),
    /// An error of STS.
    Sts(u16, &'static str, &'static str),
    /// A status and a body, from a proxy in between.
    Page(u16, &'static str),
    /// S3's answer for an object with this content.
    Object(&'static str),
    /// KMS's answer instead.
    Answer(fn(&Scene) -> Value),
    /// The signature that KMS answers instead.
    Signature(fn() -> Vec<u8>),
    /// Something happens, and the call is answered as ever.
    Meanwhile(fn(&Scene)),
    /// The call is carried out, and its answer lost.
    AnswerLost,
    /// A gigabyte.
    Flood,
    Half,
    HangUp,
    Silence,
}

impl Fault {
    /// `request` is S3's.
    pub(super) fn reply(&self, scene: &Scene, request: Option<&Request>) -> Option<Reply> {
        Some(match self {
            Self::Kms(status, code, message) => kms_error(*status, code, message),
            Self::S3(status, code, message) => s3_error(*status, code, message),
            Self::Sts(status, code, message) => sts_error(*status, code, message),
            Self::Page(status, body) => {
                Reply::Answer(*status, Vec::new(), body.as_bytes().to_vec())
            }
            Self::Object(body) => {
                let etag = ("etag".to_owned(), "\"another\"".to_owned());
                Reply::Answer(200, vec![etag], body.as_bytes().to_vec())
            }
            Self::Answer(answer) => kms_answer(&answer(scene)),
            Self::Signature(signature) => kms_answer(&json!({
                "KeyId": scene.key,
                "Signature": BASE64_STANDARD.encode(signature()),
                "SigningAlgorithm": "ECDSA_SHA_256",
            })),
            Self::Meanwhile(happens) => {
                happens(scene);
                return None;
            }
            Self::AnswerLost => {
                let request = request.unwrap();
                scene.s3.put(&request.path, &request.body);
                Reply::HangUp
            }
            Self::Flood => Reply::Flood {
                bytes: 1 << 30,
                length: None,
            },
            Self::Half => Reply::Half,
            Self::HangUp => Reply::HangUp,
            Self::Silence => Reply::Silence,
        })
    }
}

/// The services that a fault can reach.
#[derive(Clone)]
pub(super) struct Scene {
    aws: AwsServer,
    s3: S3Server,
    key: String,
}

impl Scene {
    pub(super) fn of(aws: &AwsFixture) -> Self {
        Self {
            aws: aws.server.clone(),
            s3: aws.s3.clone(),
            key: aws.key.clone(),
        }
    }

    /// Another signer of the same key was here.
    pub(super) fn store_another_record(&self) {
        self.s3.put(&record_path(), &another_record(&reference()));
    }

    /// Another writer stores an invalid signature.
    pub(super) fn store_a_torn_record(&self) {
        self.s3
            .put(&record_path(), &another_record(&reference())[..100]);
    }

    pub(super) fn move_the_tag(&self) {
        self.s3.put(MANIFEST_PATH, MOVED.as_bytes());
    }

    /// The same manifest as a new version.
    pub(super) fn push_the_same_again(&self) {
        self.s3.put(MANIFEST_PATH, MANIFEST.as_bytes());
    }

    pub(super) fn repoint_the_alias(&self) {
        let other = self.aws.add(Key::of_vector("p256-sec1"));
        self.aws.alias("alias/release-signer", &other);
    }

    pub(super) fn disable_the_key(&self) {
        self.aws.set_state(&self.key, KeyState::Disabled);
    }

    pub(super) fn expire_the_session(&self) {
        self.aws.expire_sessions();
    }

    /// KMS's answer to GetPublicKey, with these fields instead; null fields are omitted.
    pub(super) fn public_key(&self, other: Value) -> Value {
        let spki = Key::of_vector("p256-pkcs8").spki().to_vec();
        with(
            json!({
                "KeyId": self.key,
                "KeySpec": "ECC_NIST_P256",
                "KeyUsage": "SIGN_VERIFY",
                "PublicKey": BASE64_STANDARD.encode(spki),
                "SigningAlgorithms": ["ECDSA_SHA_256"],
            }),
            other,
        )
    }

    /// KMS's answer to Sign, with these fields instead.
    pub(super) fn signature(&self, other: Value) -> Value {
        with(
            json!({
                "KeyId": self.key,
                "Signature": BASE64_STANDARD.encode(right()),
                "SigningAlgorithm": "ECDSA_SHA_256",
            }),
            other,
        )
    }
}

fn with(mut answer: Value, other: Value) -> Value {
    let fields = answer.as_object_mut().unwrap();
    for (name, value) in other.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    fields.retain(|_, value| !value.is_null());
    answer
}

/// A key that is not there.
pub(super) const OTHER_KEY: &str =
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// The public half of a vector, as KMS shows it.
pub(super) fn public_half(vector: &str) -> String {
    BASE64_STANDARD.encode(Key::of_vector(vector).spki())
}

fn reference() -> Reference {
    Aws::IMAGE.parse().unwrap()
}

fn record_path() -> String {
    format!("{RECORDS_PATH}{}", record_name())
}

/// The signature that verifies.
pub(super) fn right() -> Vec<u8> {
    private_key().sign(&to_sign(&reference())).unwrap()
}

pub(super) fn of_another_message() -> Vec<u8> {
    private_key().sign(b"another message").unwrap()
}

pub(super) fn of_another_key() -> Vec<u8> {
    PrivateKey::generate()
        .unwrap()
        .sign(&to_sign(&reference()))
        .unwrap()
}

pub(super) fn cut() -> Vec<u8> {
    let mut bytes = right();
    bytes.pop();
    bytes
}

pub(super) fn with_a_tail() -> Vec<u8> {
    let mut bytes = right();
    bytes.push(0);
    bytes
}

pub(super) fn with_one_bit_flipped() -> Vec<u8> {
    let mut bytes = right();
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

/// r and s side by side, as JWS has it and KMS does not.
pub(super) fn as_jws_has_it() -> Vec<u8> {
    let pem = pem::parse(plain_key()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pem.contents()).unwrap();
    let signature = pair
        .sign(&SystemRandom::new(), &to_sign(&reference()))
        .unwrap();
    signature.as_ref().to_vec()
}
