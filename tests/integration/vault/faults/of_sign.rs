//! Faults of Vault in a request for a signature, and changes by others meanwhile.

use super::fault::{
    Fault, as_jws_has_it, by_another_key, bytes_of, of_another_message, of_version_1, url_safe,
};
use super::of_any::{ANY, WITH_A_TOKEN};
use super::{Command, Row};
use crate::support::faults::{EVER, ONCE, hold, nonsense, refused, row};
use s3lo_test_servers::vault::Kind;

/// The right signature after another prefix.
macro_rules! prefix {
    ($prefix:literal) => {
        Fault::Signature(|_, right| right.replace("vault:v1:", $prefix))
    };
}

/// The answer, with this in the place of the signature.
macro_rules! signature {
    ($value:expr) => {
        Fault::Altered(|answer| answer["data"]["signature"] = $value)
    };
}

/// These bytes, as version 1 would have signed them.
macro_rules! bytes {
    ($right:ident -> $bytes:expr) => {
        Fault::Signature(|_, right| {
            let mut $right = bytes_of(right);
            $bytes;
            of_version_1(&$right)
        })
    };
}

/// Nothing but the right signature by the version that was asked for is stored.
const SIGNATURE: &[Row] = &[
    nonsense("by version 2, as its prefix states", prefix!("vault:v2:")),
    nonsense("by version 0, as its prefix states", prefix!("vault:v0:")),
    nonsense("by version 01, as its prefix states", prefix!("vault:v01:")),
    nonsense("by version +1, as its prefix states", prefix!("vault:v+1:")),
    nonsense("by version -1, as its prefix states", prefix!("vault:v-1:")),
    nonsense("by no version", prefix!("vault:v:")),
    nonsense(
        "by a version beyond every number",
        prefix!("vault:v18446744073709551617:"),
    ),
    nonsense("by version 1 of something else", prefix!("bao:v1:")),
    nonsense("without a prefix", prefix!("")),
    nonsense("with half a prefix", prefix!("v1:")),
    nonsense("with a colon too few", prefix!("vault:v1")),
    nonsense("with a colon too many", prefix!("vault:v1::")),
    nonsense("with a context", prefix!("vault:v1:context:")),
    nonsense("with a prefix in capitals", prefix!("VAULT:V1:")),
    nonsense("with a space before it", prefix!(" vault:v1:")),
    nonsense(
        "with a prefix alone",
        Fault::Signature(|_, _| "vault:v1:".to_owned()),
    ),
    nonsense("empty", Fault::Signature(|_, _| String::new())),
    nonsense(
        "not base64",
        Fault::Signature(|_, _| "vault:v1:§".to_owned()),
    ),
    nonsense(
        "with a space in it",
        Fault::Signature(|_, right| format!("{right} ")),
    ),
    nonsense(
        "with a line's end",
        Fault::Signature(|_, right| format!("{right}\n")),
    ),
    nonsense(
        "of base64 that is cut",
        Fault::Signature(|_, right| right[..right.len() - 3].to_owned()),
    ),
    nonsense(
        "twice",
        Fault::Signature(|_, right| format!("{right}{right}")),
    ),
    nonsense(
        "in the alphabet of URLs",
        Fault::Signature(|_, right| {
            // It contains the characters peculiar to this alphabet, for any payload.
            format!("vault:v1:_-{}", url_safe(&bytes_of(right)))
        }),
    ),
    nonsense(
        "of another key",
        Fault::Signature(|call, _| of_version_1(&by_another_key(call))),
    ),
    nonsense(
        "of another message",
        Fault::Signature(|_, _| of_version_1(&of_another_message())),
    ),
    nonsense(
        "as JWS has it",
        Fault::Signature(|call, _| format!("vault:v1:{}", url_safe(&as_jws_has_it(call)))),
    ),
    nonsense(
        "r and s side by side",
        Fault::Signature(|call, _| of_version_1(&as_jws_has_it(call))),
    ),
    nonsense("cut", bytes!(right -> right.pop())),
    nonsense("with a tail", bytes!(right -> right.push(0))),
    nonsense(
        "with one bit flipped",
        bytes!(right -> *right.last_mut().unwrap() ^= 1),
    ),
    nonsense("of zeros", bytes!(right -> right.fill(0))),
    nonsense(
        "of r = s = 0",
        Fault::Signature(|_, _| of_version_1(&[0x30, 6, 2, 1, 0, 2, 1, 0])),
    ),
    nonsense(
        "larger than a record",
        Fault::Signature(|_, _| of_version_1(&[0x30; 100_000])),
    ),
    nonsense(
        "missing",
        Fault::Altered(|answer| answer["data"] = serde_json::json!({"key_version": 1})),
    ),
    nonsense("null", signature!(().into())),
    nonsense("a number", signature!(1.into())),
    nonsense("an array", signature!(vec!["vault:v1:"].into())),
    nonsense(
        "twice, by two names alike",
        Fault::Text(|due| {
            due.replace(r#""signature":"#, r#""signature":"vault:v1:","signature":"#)
        }),
    ),
    nonsense(
        "for a batch",
        Fault::Altered(|answer| {
            let one = answer["data"].take();
            answer["data"] = serde_json::json!({"batch_results": [one]});
        }),
    ),
    // A signature that verifies with version 1 is by version 1, despite the other fields.
    row(
        "by version 2, as another field states",
        EVER,
        Fault::Altered(|answer| answer["data"]["key_version"] = 2.into()),
    )
    .made(1),
    row(
        "without the version beside it",
        EVER,
        Fault::Altered(|answer| {
            answer["data"]
                .as_object_mut()
                .unwrap()
                .remove("key_version");
        }),
    )
    .made(1),
    row(
        "with a public key beside it",
        EVER,
        Fault::Altered(|answer| answer["data"]["publickey"] = "".into()),
    )
    .made(1),
];

/// Vault's objections to the version.
const VERSION: &[Row] = &[
    refused(
        "the version may not sign any more",
        "key_version",
        Fault::Errors(
            400,
            &[
                "cannot sign: requested version for signing is less than the minimum encryption key version",
            ],
        ),
    ),
    refused(
        "the version is not there any more",
        "key_version",
        Fault::Errors(
            400,
            &["cannot sign: requested version for signing is higher than the latest key version"],
        ),
    ),
];

/// Changes by others while Vault signs.
const MEANWHILE: &[Row] = &[
    row(
        "the key is rotated",
        ONCE,
        Fault::Meanwhile(|scene| scene.rotate_the_key()),
    )
    .made(1),
    row(
        "the tag is moved",
        ONCE,
        Fault::Meanwhile(|scene| scene.move_the_tag()),
    )
    .guarded("tag_moved")
    .made(1),
    row(
        "another signer is faster",
        ONCE,
        Fault::Meanwhile(|scene| scene.store_another_record()),
    )
    .keeps()
    .made(1),
    row(
        "a torn record appears",
        ONCE,
        Fault::Meanwhile(|scene| scene.store_a_torn_record()),
    )
    .made(1),
];

#[test]
fn asking_for_a_signature() {
    hold(
        Command::Sign,
        Kind::Sign,
        &[ANY, WITH_A_TOKEN, SIGNATURE, VERSION, MEANWHILE],
    );
}

#[test]
fn asking_for_a_signature_in_a_session() {
    hold(
        Command::SignLoggedIn,
        Kind::Sign,
        &[SIGNATURE, VERSION, MEANWHILE],
    );
}
