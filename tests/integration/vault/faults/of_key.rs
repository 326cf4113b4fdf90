//! Faults of Vault when the key is read.

use serde_json::{Value, json};

use super::fault::{Fault, public_half};
use super::of_any::{ANY, WITH_A_TOKEN};
use super::{Command, Row};
use crate::support::faults::{EVER, ONCE, hold, nonsense, refused, row};
use crate::support::plain_key;
use s3lo_test_servers::vault::Kind;

/// The answer, with this in place of the public key of version 1.
macro_rules! public_key {
    ($key:expr) => {
        Fault::Altered(|answer| answer["data"]["keys"]["1"]["public_key"] = $key)
    };
}

/// The answer, with this field of the key.
macro_rules! data {
    ($name:literal: $($value:tt)+) => {
        Fault::Altered(|answer| answer["data"][$name] = json!($($value)+))
    };
}

/// The answer, without this field of the key.
macro_rules! without {
    ($name:literal) => {
        Fault::Altered(|answer| {
            answer["data"].as_object_mut().unwrap().remove($name);
        })
    };
}

/// The answer, whose one version is called this.
macro_rules! version {
    ($name:expr) => {
        Fault::Altered(|answer| {
            let version = answer["data"]["keys"]["1"].take();
            answer["data"]["keys"] = json!({ $name: version });
        })
    };
}

/// The answer, with another version of this name.
macro_rules! another_version {
    ($name:expr) => {
        Fault::Altered(|answer| {
            let version = answer["data"]["keys"]["1"].clone();
            answer["data"]["keys"][$name] = version;
        })
    };
}

fn certificate() -> Value {
    let key = rcgen::generate_simple_self_signed(vec!["vault.example".to_owned()]);
    key.unwrap().cert.pem().into()
}

fn ed25519(answer: &mut Value, key: &[u8]) {
    answer["data"]["type"] = "ed25519".into();
    answer["data"]["keys"]["1"]["public_key"] = encoded(key);
}

fn encoded(bytes: &[u8]) -> Value {
    base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes).into()
}

fn with_versions(answer: &mut Value, latest: u32) {
    let version = answer["data"]["keys"]["1"].clone();
    for number in 2..=latest {
        answer["data"]["keys"][number.to_string()] = version.clone();
    }
    answer["data"]["latest_version"] = latest.into();
}

/// A key of symmetric encryption has times where others have public keys.
fn symmetric(answer: &mut Value, kind: &str) {
    let data = &mut answer["data"];
    data["type"] = kind.into();
    data["keys"] = json!({"1": 1_776_021_670});
    data["supports_signing"] = false.into();
}

/// The public key is of another type, or none; or something is there that Vault does not write.
const KEY: &[Row] = &[
    nonsense("no type", without!("type")),
    nonsense("a type that is a number", data!("type": 7)),
    nonsense(
        "the type twice",
        Fault::Text(|due| due.replace(r#""type":"#, r#""type":"rsa-2048","type":"#)),
    ),
    refused(
        "a type of tomorrow",
        "unsupported_key",
        data!("type": "ml-dsa"),
    ),
    refused(
        "a managed key",
        "unsupported_key",
        data!("type": "managed_key"),
    ),
    refused(
        "a type without a name",
        "unsupported_key|signer_answered_nonsense",
        data!("type": ""),
    ),
    refused(
        "a type that a terminal would obey",
        "unsupported_key",
        data!("type": "\u{1b}[31m"),
    ),
    refused(
        "for encryption",
        "unsupported_key",
        Fault::Altered(|answer| symmetric(answer, "aes256-gcm96")),
    ),
    refused(
        "for MACs",
        "unsupported_key",
        Fault::Altered(|answer| symmetric(answer, "hmac")),
    ),
    refused(
        "a key for each context",
        "unsupported_key",
        data!("derived": true),
    ),
    nonsense("no versions", without!("keys")),
    nonsense("versions that are null", data!("keys": null)),
    nonsense("versions in an array", data!("keys": [{}])),
    nonsense(
        "versions twice",
        Fault::Text(|due| due.replace(r#""keys":"#, r#""keys":{},"keys":"#)),
    ),
    refused(
        "not one version",
        "signer_answered_nonsense|key_version",
        data!("keys": {}),
    ),
    nonsense("version 0", version!("0")),
    nonsense("version -1", version!("-1")),
    nonsense("version 1e3", version!("1e3")),
    nonsense("version abc", version!("abc")),
    nonsense("version 01", version!("01")),
    nonsense("a version without a name", version!("")),
    nonsense(
        "a version beyond every number",
        version!("18446744073709551616"),
    ),
    nonsense("version 0 as well", another_version!("0")),
    nonsense("version abc as well", another_version!("abc")),
    nonsense("version 1 as 01 as well", another_version!("01")),
    nonsense(
        "version 1 twice",
        Fault::Text(|due| due.replace(r#""keys":{"#, r#""keys":{"1":{"public_key":""},"#)),
    ),
    nonsense(
        "20,000 versions",
        Fault::Altered(|answer| with_versions(answer, 20_000)),
    ),
    refused(
        "a latest version that is not there",
        "signer_answered_nonsense|key_version",
        data!("latest_version": 2),
    ),
    refused(
        "a latest version 0",
        "signer_answered_nonsense|key_version",
        data!("latest_version": 0),
    ),
    nonsense("a latest version below 0", data!("latest_version": -1)),
    nonsense(
        "a latest version that is a text",
        data!("latest_version": "1"),
    ),
    nonsense("a latest version between two", data!("latest_version": 1.5)),
    nonsense("no latest version", without!("latest_version")),
    nonsense(
        "a version that is null",
        Fault::Altered(|answer| answer["data"]["keys"]["1"] = Value::Null),
    ),
    nonsense(
        "a version that is a time",
        Fault::Altered(|answer| answer["data"]["keys"]["1"] = 1.into()),
    ),
    nonsense(
        "a version without a public key",
        Fault::Altered(|answer| answer["data"]["keys"]["1"] = json!({})),
    ),
    nonsense("a public key that is null", public_key!(Value::Null)),
    nonsense("an empty public key", public_key!("".into())),
    nonsense("an invalid public key", public_key!("hello".into())),
    nonsense(
        "a public key that is cut",
        public_key!(public_half("p256-pkcs8").as_str().unwrap()[..120].into()),
    ),
    nonsense(
        "a public key without its frame",
        public_key!(encoded(&[7; 91])),
    ),
    nonsense("a private key", public_key!(plain_key().into())),
    nonsense("a certificate", public_key!(certificate())),
    nonsense(
        "a public key of another curve",
        public_key!(public_half("p384-pkcs8")),
    ),
    nonsense(
        "a public key of RSA",
        public_key!(public_half("rsa2048-pkcs8")),
    ),
    nonsense(
        "a public key of Ed25519",
        public_key!(public_half("ed25519-pkcs8")),
    ),
    nonsense(
        "two public keys",
        public_key!(
            format!(
                "{}{}",
                public_half("p256-pkcs8").as_str().unwrap(),
                public_half("p256-sec1").as_str().unwrap()
            )
            .into()
        ),
    ),
    nonsense("another type", data!("type": "ecdsa-p384")),
    nonsense("another kind of type", data!("type": "rsa-2048")),
    nonsense(
        "RSA of another size",
        Fault::Altered(|answer| {
            answer["data"]["type"] = "rsa-4096".into();
            answer["data"]["keys"]["1"]["public_key"] = public_half("rsa2048-pkcs8");
        }),
    ),
    nonsense("Ed25519 as PEM of P-256", data!("type": "ed25519")),
    nonsense(
        "Ed25519 of 31 bytes",
        Fault::Altered(|answer| ed25519(answer, &[9; 31])),
    ),
    nonsense(
        "Ed25519 of 33 bytes",
        Fault::Altered(|answer| ed25519(answer, &[9; 33])),
    ),
    nonsense(
        "Ed25519 of no bytes",
        Fault::Altered(|answer| ed25519(answer, &[])),
    ),
    nonsense(
        "Ed25519 that is no point",
        Fault::Altered(|answer| ed25519(answer, &[2; 32])),
    ),
    nonsense(
        "Ed25519 of small order",
        Fault::Altered(|answer| {
            let mut one = [0; 32];
            one[0] = 1;
            ed25519(answer, &one);
        }),
    ),
];

/// Another key under this name: the signing key is not the one that was read.
const ANOTHER_KEY: Fault = public_key!(public_half("p256-sec1"));

const TO_SIGN: &[Row] = &[
    nonsense("another key", ANOTHER_KEY).signs(1),
    row("a failure before a signature is kept", ONCE, Fault::HangUp)
        .signed()
        .keeps()
        .made(2),
    row(
        "signed, and the program may not sign again",
        ONCE,
        Fault::HangUp,
    )
    .signed()
    .flags("--if-signed fail")
    .guarded("already_signed")
    .made(2),
];

const TO_VERIFY: &[Row] = &[
    row("another key", EVER, ANOTHER_KEY).unverified().made(1),
    row(
        "rotated meanwhile",
        ONCE,
        Fault::Meanwhile(|scene| scene.rotate_the_key()),
    )
    .made(1),
    row(
        "10,000 versions",
        EVER,
        Fault::Altered(|answer| with_versions(answer, 10_000)),
    )
    .made(1),
];

#[test]
fn reading_the_key_to_sign() {
    hold(Command::Sign, Kind::Key, &[ANY, WITH_A_TOKEN, KEY, TO_SIGN]);
}

#[test]
fn reading_the_key_to_verify() {
    hold(
        Command::Verify,
        Kind::Key,
        &[ANY, WITH_A_TOKEN, KEY, TO_VERIFY],
    );
}
