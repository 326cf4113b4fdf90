//! What KMS can answer to Sign, and what others do meanwhile.

use serde_json::json;

use super::faults::{
    Fault, OTHER_KEY, as_jws_has_it, cut, of_another_key, of_another_message, with_a_tail,
    with_one_bit_flipped,
};
use super::of_kms::ANY;
use super::{Call, Command, Row};
use crate::support::faults::{EVER, ONCE, hold, row};

/// Nothing but the right signature is stored.
const SIGNATURE: &[Row] = &[
    row(
        "of another message",
        EVER,
        Fault::Signature(of_another_message),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row("of another key", EVER, Fault::Signature(of_another_key))
        .fails("signer_answered_nonsense")
        .made(1),
    row("empty", EVER, Fault::Signature(Vec::new))
        .fails("signer_answered_nonsense")
        .made(1),
    row("cut", EVER, Fault::Signature(cut))
        .fails("signer_answered_nonsense")
        .made(1),
    row("with a tail", EVER, Fault::Signature(with_a_tail))
        .fails("signer_answered_nonsense")
        .made(1),
    row(
        "one bit flipped",
        EVER,
        Fault::Signature(with_one_bit_flipped),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row("r and s as in JWS", EVER, Fault::Signature(as_jws_has_it))
        .fails("signer_answered_nonsense")
        .made(1),
    row(
        "larger than a record",
        EVER,
        Fault::Signature(|| vec![0x30; 100_000]),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "missing",
        EVER,
        Fault::Answer(|scene| scene.signature(json!({"Signature": null}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "of nobody",
        EVER,
        Fault::Answer(|scene| scene.signature(json!({"KeyId": null}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "of an alias",
        EVER,
        Fault::Answer(|scene| scene.signature(json!({"KeyId": "alias/release-signer"}))),
    )
    .fails("signer_answered_nonsense")
    .made(1),
    row(
        "right, under another key's name",
        EVER,
        Fault::Answer(|scene| scene.signature(json!({"KeyId": OTHER_KEY}))),
    )
    .fails("alias_repointed")
    .made(1),
    // No alias leads anywhere else then.
    row(
        "by another key than the one named",
        EVER,
        Fault::Answer(|scene| scene.signature(json!({"KeyId": OTHER_KEY}))),
    )
    .by_arn()
    .fails("signer_answered_nonsense")
    .made(1),
];

/// What others do while KMS signs.
const MEANWHILE: &[Row] = &[
    row(
        "the alias is repointed",
        ONCE,
        Fault::Meanwhile(|scene| scene.repoint_the_alias()),
    )
    .fails("alias_repointed")
    .made(1),
    row(
        "the alias is repointed, and nobody asked for it",
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
