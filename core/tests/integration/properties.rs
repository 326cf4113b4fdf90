//! Properties of every input: payloads are injective, records and references survive a round trip,
//! references give safe object keys, and no bytes crash a parser.

use std::collections::HashMap;

use proptest::prelude::*;
use s3lo_core::crypto::algorithm::Algorithm;
use s3lo_core::crypto::cosign::EncryptedKey;
use s3lo_core::crypto::private::KeyFile;
use s3lo_core::crypto::public::{KeyId, PublicKey};
use s3lo_core::crypto::{pbes2, pem};
use s3lo_core::digest::Digest;
use s3lo_core::manifest::Manifest;
use s3lo_core::payload::{Schema, payload};
use s3lo_core::record::{Record, Timestamp};
use s3lo_core::reference::Reference;

use crate::vectors;

/// Failures are not saved to a file: a case that failed once belongs among the attack cases.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn schema() -> impl Strategy<Value = Schema> {
    prop_oneof![Just(Schema::V1), Just(Schema::V2)]
}

fn digest() -> impl Strategy<Value = Digest> {
    // Few digests, so that two cases often share one.
    (0_u8..4).prop_map(|seed| Digest::of(&[seed]))
}

/// Texts that are references, from an alphabet in which collisions are likely.
fn reference() -> impl Strategy<Value = Reference> {
    let segment = "[ab:@.%é-]{1,3}";
    let image = proptest::collection::vec(segment, 1..4).prop_map(|parts| parts.join("/"));
    let root = prop_oneof!["s3://[ab.-]{1,2}", "local://(\\./|\\.\\./|/|)[ab:]{1,2}",];
    let tag = "[ab.@-]{1,3}";
    (root, image, tag, proptest::option::of(digest())).prop_filter_map(
        "not a reference",
        |(root, image, tag, pin)| {
            let reference: Reference = format!("{root}/{image}:{tag}").parse().ok()?;
            Some(match pin {
                Some(pin) => reference.pinned(pin),
                None => reference,
            })
        },
    )
}

/// Texts that are nearly references, which a parser is most likely to misread.
fn nearly_a_reference() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![
        4 => Just("s3://b/"),
        4 => Just("local://"),
        1 => Just("s3://"),
        1 => Just("gs://"),
        1 => Just(""),
    ];
    let piece = prop_oneof![
        8 => Just("a".to_owned()),
        4 => Just("/".to_owned()),
        4 => Just(":".to_owned()),
        2 => Just("@".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
        1 => Just("\\".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("sha256:".to_owned()),
        2 => digest().prop_map(|digest| format!("@{digest}")),
        2 => any::<char>().prop_map(String::from),
    ];
    let pieces = proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    (scheme, pieces).prop_map(|(scheme, rest)| format!("{scheme}{rest}"))
}

fn has_safe_object_keys(reference: &Reference) {
    let id = KeyId::of_spki(b"spki");
    for key in [reference.manifest_key(), reference.record_key(&id)] {
        assert!(key.starts_with("manifests/"), "{key:?}");
        assert!(key.len() <= 1024, "{key:?}");
        assert!(!key.contains(char::is_control), "{key:?}");
        assert!(!key.contains('\\'), "{key:?}");
        for segment in key.split('/') {
            assert!(!["", ".", ".."].contains(&segment), "{key:?}");
        }
        assert!(key.starts_with(&reference.tags_prefix()));
        assert!(reference.stored_path(&key).ends_with(&key));
    }
}

/// The parts that `payload` binds: in schema 1 the digest alone, in schema 2 the names as well.
fn bound(schema: Schema, reference: &Reference, digest: Digest) -> Vec<String> {
    let mut bound = vec![format!("{schema:?}"), digest.to_string()];
    if schema == Schema::V2 {
        bound.extend([reference.root(), reference.image(), reference.tag()].map(str::to_owned));
    }
    bound
}

fn record() -> impl Strategy<Value = Record> {
    let signature = proptest::collection::vec(any::<u8>(), 0..200);
    let algorithm = prop_oneof![
        Just(Algorithm::EcdsaSha256),
        Just(Algorithm::EcdsaSha384),
        Just(Algorithm::EcdsaSha512),
        Just(Algorithm::RsaPkcs1Sha256),
        Just(Algorithm::Ed25519),
    ];
    // To the end of the year 9999, after which RFC 3339 has no form.
    let second = 0_u64..253_402_300_800;
    (
        schema(),
        reference(),
        digest(),
        signature,
        any::<String>(),
        algorithm,
        second,
    )
        .prop_map(
            |(schema, reference, digest, signature, key_ref, algorithm, second)| {
                let key = (key_ref.as_str(), KeyId::of_spki(&signature), algorithm);
                let time = Timestamp::from_unix_seconds(second).unwrap();
                let payload = payload(schema, &reference, digest);
                Record::new(schema, digest, &payload, &signature, key, time)
            },
        )
}

/// Bytes as an attacker might shape them: noise, and true files with noise in them.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let files = [
        "keys/cosign.key",
        "keys/cosign.pub",
        "keys/rsa2048.pub",
        "plain-keys/p384-sec1.key",
        "plain-keys/ed25519-pkcs8.key",
        "plain-keys/rsa2048-pkcs1.key",
        "store-v1/manifests/myapp/v1.0/manifest.json",
        "store-v1/manifests/myapp/v1.0/signatures/61f204f5520d9a09.json",
        "store-v2/manifests/myapp/v1.0/signatures/61f204f5520d9a09.json",
    ];
    let files = files.map(|file| std::fs::read(vectors().join(file)).unwrap());
    let armored = ::pem::parse(&files[0]).unwrap().into_contents();
    let files: Vec<Vec<u8>> = files.into_iter().chain([armored]).collect();
    let noise = proptest::collection::vec(any::<u8>(), 0..8);
    let changed = (
        proptest::sample::select(files),
        any::<proptest::sample::Index>(),
        0_usize..8,
        noise,
    )
        .prop_map(|(mut file, at, removed, noise)| {
            let start = at.index(file.len());
            let end = (start + removed).min(file.len());
            file.splice(start..end, noise);
            file
        });
    let json = "[\\[\\]{}\":,0-9a-zN.\\\\ -]{0,200}".prop_map(String::into_bytes);
    let pem = (
        "[A-Z ]{0,20}",
        proptest::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(|(label, body)| ::pem::encode(&::pem::Pem::new(label, body)).into_bytes());
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..400),
        1 => json,
        1 => pem,
        5 => changed,
    ]
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn two_payloads_are_equal_only_if_everything_that_they_bind_is(
        signed in proptest::collection::vec((schema(), reference(), digest()), 40),
    ) {
        let mut seen = HashMap::new();
        for (schema, reference, digest) in &signed {
            let bound = bound(*schema, reference, *digest);
            let bytes = payload(*schema, reference, *digest);
            let first = seen.entry(bytes).or_insert_with(|| bound.clone());
            prop_assert_eq!(&*first, &bound);
        }
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn a_record_reads_as_what_was_written(record in record()) {
        let bytes = record.to_bytes();
        prop_assert!(!bytes.contains(&b'\n'));
        let read = Record::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(read.to_bytes(), bytes);
    }

    #[test]
    fn a_reference_reads_as_what_it_prints(reference in reference()) {
        let read: Reference = reference.to_string().parse().unwrap();
        prop_assert_eq!(&read, &reference);
        has_safe_object_keys(&reference);
    }

    #[test]
    fn any_text_is_refused_or_has_safe_object_keys(text in any::<String>()) {
        for text in [text.clone(), format!("s3://{text}"), format!("local://./{text}:v1")] {
            if let Ok(reference) = text.parse::<Reference>() {
                has_safe_object_keys(&reference);
                prop_assert_eq!(reference.to_string(), text);
            }
        }
    }

    #[test]
    fn a_text_that_is_nearly_a_reference_is_refused_or_has_safe_object_keys(
        text in nearly_a_reference(),
    ) {
        if let Ok(reference) = text.parse::<Reference>() {
            has_safe_object_keys(&reference);
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn an_accepted_reference_is_one_line_of_a_payload(text in nearly_a_reference()) {
        if let Ok(reference) = text.parse::<Reference>() {
            let bytes = payload(Schema::V2, &reference, Digest::of(b""));
            prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 3);
        }
    }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn no_bytes_crash_a_parser(bytes in hostile_bytes()) {
        let _ = Record::parse(&bytes);
        if let Ok(manifest) = Manifest::parse(&bytes) {
            prop_assert_eq!(manifest.digest(), Digest::of(&bytes));
        }
        let _ = pem::block(&bytes);
        let _ = PublicKey::from_spki(&bytes);
        let _ = PublicKey::from_pkcs1(&bytes);
        let _ = EncryptedKey::parse(&bytes);
        if KeyFile::from_pem(&bytes).is_ok() {
            prop_assert!(!pem::is_public(&bytes));
        }
        let _ = pbes2::EncryptedKey::parse(&bytes);
        if let Ok(key) = PublicKey::from_pem(&bytes) {
            prop_assert!(!key.verifies(b"payload", &bytes));
            prop_assert_eq!(&PublicKey::from_spki(key.spki()), &Ok(key));
        }
    }
}
