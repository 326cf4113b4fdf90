//! What KMS can answer to GetPublicKey.

use serde_json::json;

use super::faults::{Fault, OTHER_KEY, public_half};
use super::of_kms::ANY;
use super::{Call, Command, Row};
use crate::support::faults::{EVER, hold, row};

/// The public key is of another key, or says something else of itself.
const PUBLIC_KEY: &[Row] = &[
    row(
        "for an alias",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"KeyId": "alias/release-signer"}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "for an alias by its ARN",
        EVER,
        Fault::Answer(|scene| {
            scene.public_key(json!({
                "KeyId": "arn:aws:kms:us-east-1:111122223333:alias/release-signer"
            }))
        }),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "for no key",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"KeyId": null}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "for another key than the one named",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"KeyId": OTHER_KEY}))),
    )
    .by_arn()
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "without a public key",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"PublicKey": null}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "an empty public key",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"PublicKey": ""}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "a public key that is cut",
        EVER,
        Fault::Answer(|scene| {
            scene.public_key(json!({"PublicKey": &public_half("p256-pkcs8")[..80]}))
        }),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "a public key of another type",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"PublicKey": public_half("p384-pkcs8")}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "a public key that is not base64",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"PublicKey": "§"}))),
    )
    .limit("2")
    .fails("service_error"),
    row(
        "without a spec",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"KeySpec": null}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "without a usage",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"KeyUsage": null}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "without algorithms",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"SigningAlgorithms": null}))),
    )
    .fails("unsupported_key")
    .made(1),
    row(
        "of a spec that is not in the table",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"KeySpec": "ECC_SECG_P256K1"}))),
    )
    .fails("unsupported_key")
    .made(1),
    row(
        "for encryption",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"KeyUsage": "ENCRYPT_DECRYPT"}))),
    )
    .fails("unsupported_key")
    .made(1),
    row(
        "of other algorithms",
        EVER,
        Fault::Answer(|scene| scene.public_key(json!({"SigningAlgorithms": ["ECDSA_SHA_384"]}))),
    )
    .fails("unsupported_key")
    .made(1),
];

/// Another key under this key's ARN: what that key signs is not what the ARN's key signs.
const ANOTHER_KEY: Fault =
    Fault::Answer(|scene| scene.public_key(json!({"PublicKey": public_half("p256-sec1")})));

const TO_SIGN: &[Row] = &[
    row("another key under this ARN", EVER, ANOTHER_KEY)
        .fails("signer_answered_nonsense")
        .made(1),
    row("another key under the ARN that is named", EVER, ANOTHER_KEY)
        .by_arn()
        .fails("signer_answered_nonsense")
        .made(1),
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
