//! Faults of KMS in GetPublicKey.

use serde_json::json;

use super::fault::{Fault, OTHER_KEY, public_half};
use super::of_kms::ANY;
use super::{Call, Command, Row};
use crate::support::faults::{EVER, hold, nonsense, refused, row};

/// The answer with these fields instead; without those that are null.
macro_rules! public_key {
    ($($fields:tt)+) => {
        Fault::Answer(|scene| scene.public_key(json!($($fields)+)))
    };
}

/// The public key is of another key, or describes itself differently.
const PUBLIC_KEY: &[Row] = &[
    nonsense(
        "for an alias",
        public_key!({"KeyId": "alias/release-signer"}),
    ),
    nonsense(
        "for an alias by its ARN",
        public_key!({
            "KeyId": "arn:aws:kms:us-east-1:111122223333:alias/release-signer"
        }),
    ),
    nonsense("for no key", public_key!({"KeyId": null})),
    nonsense(
        "for another key than the one named",
        public_key!({"KeyId": OTHER_KEY}),
    )
    .by_arn(),
    nonsense("without a public key", public_key!({"PublicKey": null})),
    nonsense("an empty public key", public_key!({"PublicKey": ""})),
    nonsense(
        "a public key that is cut",
        public_key!({"PublicKey": &public_half("p256-pkcs8")[..80]}),
    ),
    nonsense(
        "a public key of another type",
        public_key!({"PublicKey": public_half("p384-pkcs8")}),
    ),
    row(
        "a public key that is not base64",
        EVER,
        public_key!({"PublicKey": "§"}),
    )
    .limit("2")
    .fails("service_error"),
    nonsense("without a spec", public_key!({"KeySpec": null})),
    nonsense("without a usage", public_key!({"KeyUsage": null})),
    refused(
        "without algorithms",
        "unsupported_key",
        public_key!({"SigningAlgorithms": null}),
    ),
    refused(
        "of a spec that is not in the table",
        "unsupported_key",
        public_key!({"KeySpec": "ECC_SECG_P256K1"}),
    ),
    refused(
        "for encryption",
        "unsupported_key",
        public_key!({"KeyUsage": "ENCRYPT_DECRYPT"}),
    ),
    refused(
        "of other algorithms",
        "unsupported_key",
        public_key!({"SigningAlgorithms": ["ECDSA_SHA_384"]}),
    ),
];

/// Another key under this key's ARN: its signatures are not those of the ARN's key.
const ANOTHER_KEY: Fault = public_key!({"PublicKey": public_half("p256-sec1")});

const TO_SIGN: &[Row] = &[
    nonsense("another key under this ARN", ANOTHER_KEY),
    nonsense("another key under the ARN that is named", ANOTHER_KEY).by_arn(),
];

const TO_VERIFY: &[Row] = &[row("another key under this ARN", EVER, ANOTHER_KEY)
    .unverified()
    .made(1)];

#[test]
fn asking_for_the_public_key_to_sign() {
    hold(Command::Sign, Call::PublicKey, &[ANY, PUBLIC_KEY, TO_SIGN]);
}

#[test]
fn asking_for_the_public_key_to_verify() {
    hold(
        Command::Verify,
        Call::PublicKey,
        &[ANY, PUBLIC_KEY, TO_VERIFY],
    );
}
