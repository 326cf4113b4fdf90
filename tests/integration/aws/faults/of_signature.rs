//! Faults of KMS in Sign, and changes by others meanwhile.

use serde_json::json;

use super::fault::{
    Fault, OTHER_KEY, as_jws_has_it, cut, of_another_key, of_another_message, with_a_tail,
    with_one_bit_flipped,
};
use super::of_kms::ANY;
use super::{Call, Command, Row};
use crate::support::faults::{ONCE, hold, nonsense, refused, row};

/// The answer with these fields instead; without those that are null.
macro_rules! signature {
    ($($fields:tt)+) => {
        Fault::Answer(|scene| scene.signature(json!($($fields)+)))
    };
}

/// Nothing but the right signature is stored.
const SIGNATURE: &[Row] = &[
    nonsense("of another message", Fault::Signature(of_another_message)),
    nonsense("of another key", Fault::Signature(of_another_key)),
    nonsense("empty", Fault::Signature(Vec::new)),
    nonsense("cut", Fault::Signature(cut)),
    nonsense("with a tail", Fault::Signature(with_a_tail)),
    nonsense("one bit flipped", Fault::Signature(with_one_bit_flipped)),
    nonsense("r and s as in JWS", Fault::Signature(as_jws_has_it)),
    nonsense(
        "larger than a record",
        Fault::Signature(|| vec![0x30; 100_000]),
    ),
    nonsense("missing", signature!({"Signature": null})),
    nonsense("without a key ID", signature!({"KeyId": null})),
    nonsense("of an alias", signature!({"KeyId": "alias/release-signer"})),
    refused(
        "right, under another key's name",
        "alias_repointed",
        signature!({"KeyId": OTHER_KEY}),
    ),
    // No alias leads anywhere else then.
    nonsense(
        "by another key than the one named",
        signature!({"KeyId": OTHER_KEY}),
    )
    .by_arn(),
];

/// Changes by others while KMS signs.
const MEANWHILE: &[Row] = &[
    row(
        "the alias is repointed",
        ONCE,
        Fault::Meanwhile(|scene| scene.repoint_the_alias()),
    )
    .fails("alias_repointed")
    .made(1),
    row(
        "the alias is repointed, though not requested",
        ONCE,
        Fault::Meanwhile(|scene| {
            scene.repoint_the_alias();
        }),
    )
    .by_arn()
    .made(1),
    row(
        "the key is disabled",
        ONCE,
        Fault::Meanwhile(|scene| scene.disable_the_key()),
    )
    .fails("key_unusable")
    .made(1),
    row(
        "the tag is moved",
        ONCE,
        Fault::Meanwhile(|scene| scene.move_the_tag()),
    )
    .guarded("tag_moved")
    .made(1),
    row(
        "the same is pushed again",
        ONCE,
        Fault::Meanwhile(|scene| scene.push_the_same_again()),
    )
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
    row(
        "another signer is faster, and the tag is moved",
        ONCE,
        Fault::Meanwhile(|scene| {
            scene.store_another_record();
            scene.move_the_tag();
        }),
    )
    .guarded("tag_moved")
    .made(1),
];

#[test]
fn asking_for_a_signature() {
    hold(Command::Sign, Call::Sign, &[ANY, SIGNATURE, MEANWHILE]);
}
