//! A file is a policy, or its mistake has a place in it. A policy decides about every image, explains what it decided,
//! and lets none pass without a signature.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::digest::Digest;
use s3lo_core::policy::decision::{Answer, Decision, Family, Vote};
use s3lo_core::policy::{Draft, Error, Known, Policy, Selected, Standing, Terms, Unselected};
use s3lo_core::record::Timestamp;
use s3lo_core::reference::{Reference, Scheme};

const KNOWN: Known<'_> = Known {
    stores: &[Scheme::S3, Scheme::LOCAL],
    key_services: &["awskms", "hashivault", "openbao"],
};

fuzz_target!(|bytes: &[u8]| {
    match read(bytes) {
        Ok(policy) => IMAGES.iter().for_each(|image| decided(&policy, image)),
        Err(error) => explained(&error, bytes),
    }
});

/// Reads a policy of whose files every second one has the same key.
fn read(bytes: &[u8]) -> Result<Policy, Error> {
    Draft::parse(bytes, KNOWN)?.complete(|_, path| Ok::<_, Error>(KEYS[path.len() % 2].clone()))
}

fn explained(error: &Error, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let line = text.split('\n').nth(error.at.line - 1);
    let line = line.expect("a line of the file");
    assert!((1..=line.chars().count() + 1).contains(&error.at.column));
    for sentence in [error.to_string(), error.help()] {
        assert!(!sentence.is_empty());
        assert!(!sentence.contains(char::is_control), "{sentence:?}");
    }
}

fn decided(policy: &Policy, image: &Reference) {
    let selected = match policy.select(image) {
        Ok(selected) => selected,
        Err(Unselected::NoRule) => return,
        Err(Unselected::Tie { first, second }) => {
            assert_ne!(first, second);
            return;
        }
    };
    assert!(
        selected
            .rule
            .images()
            .contains(&(selected.at, selected.pattern.clone()))
    );
    if let Terms::Require { requirements, .. } = &selected.rule.terms {
        for requirement in requirements {
            assert!(!selected.text(requirement).is_empty());
        }
    }
    assert_eq!(
        decision(policy, &selected, Answer::NotSigned),
        Decision::Failed
    );
    assert_ne!(
        decision(policy, &selected, Answer::Unknown),
        Decision::Verified
    );
    assert_ne!(
        decision(policy, &selected, Answer::Signed),
        Decision::Undecided
    );
}

/// The decision where all keys that count have the same answer.
fn decision(policy: &Policy, selected: &Selected<'_>, answer: Answer) -> Decision {
    let votes = selected.keys().into_iter().map(|number| {
        let public = selected.key(number).expect("a key").public.as_ref();
        let Some(public) = public.or(KEYS.last()) else {
            unreachable!("there are keys");
        };
        let counts = policy.standing(public, Some(*NOW)) == Standing::Counts;
        Vote {
            answer: if counts { answer } else { Answer::NotSigned },
            family: Family::Known(vec![public.id()]),
        }
    });
    let votes: Vec<_> = votes.collect();
    selected.decide(&[Digest::of(b"")], &votes).decision
}

static KEYS: LazyLock<[PublicKey; 2]> = LazyLock::new(|| {
    [
        &include_bytes!("../../../tests/vectors/keys/ed25519.pub")[..],
        include_bytes!("../../../tests/vectors/keys/cosign.pub"),
    ]
    .map(|key| PublicKey::from_pem(key).expect("a public key"))
});

static NOW: LazyLock<Timestamp> =
    LazyLock::new(|| Timestamp::from_unix_seconds(1_796_083_200).expect("a time"));

static IMAGES: LazyLock<[Reference; 5]> = LazyLock::new(|| {
    [
        "s3://prod/payments/api:v1",
        "s3://prod/web:v1",
        "s3://b/a/b:v1",
        "local://./store/app:v1",
        "local:///srv/a/b:v1",
    ]
    .map(|image| image.parse().expect("a reference"))
});
