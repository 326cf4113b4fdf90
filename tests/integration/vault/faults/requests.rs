//! The requests to Vault, byte for byte.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo_core::crypto::algorithm::Hash;
use s3lo_core::crypto::public::PublicKey;
use serde_json::{Value, json};

use super::fixture::{IMAGE, VaultFixture};
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::vault::Kind;

/// Every type that signs: its vector, Vault's hash for it, and the hash itself where it is computed here.
const TYPES: [(&str, &str, Option<Hash>); 7] = [
    ("p256-pkcs8", "sha2-256", Some(Hash::Sha256)),
    ("p384-pkcs8", "sha2-384", Some(Hash::Sha384)),
    ("p521-pkcs8", "sha2-512", Some(Hash::Sha512)),
    ("rsa2048-pkcs8", "sha2-256", Some(Hash::Sha256)),
    ("rsa3072-pkcs8", "sha2-256", Some(Hash::Sha256)),
    ("rsa4096-pkcs8", "sha2-256", Some(Hash::Sha256)),
    ("ed25519-pkcs8", "sha2-256", None),
];

/// Vault chooses each omitted field, and that is PSS, and another version tomorrow.
#[test]
fn each_request_carries_all_six_parameters_for_every_type_of_key() {
    for (vector, name, hash) in TYPES {
        let fixture = VaultFixture::with_key(Key::of_vector(vector));
        let signed = fixture.run("sign", "-o json").ends_with(0).json();
        let payload = format!("{}\n", signed["digest"].as_str().unwrap()).into_bytes();
        let input = hash.map_or_else(|| payload.clone(), |hash| hash.digest(&payload));
        let calls = fixture.vault.calls();
        let asked = json!({
            "key_version": 1,
            "hash_algorithm": name,
            "input": BASE64_STANDARD.encode(input),
            "prehashed": hash.is_some(),
            "signature_algorithm": "pkcs1v15",
            "marshaling_algorithm": "asn1",
        });
        let lines: Vec<_> = calls
            .iter()
            .map(|call| (call.method.as_str(), call.path.as_str(), &call.body))
            .collect();
        let wanted = [
            ("GET", "/v1/transit/keys/ci-signer", &Value::Null),
            ("POST", "/v1/transit/sign/ci-signer", &asked),
        ];
        assert_eq!(lines, wanted, "{vector}");
        assert_eq!(calls[1].connection, 1, "{vector}: one connection is enough");
        fixture.run("verify", "").ends_with(0);
        let kinds = [Kind::Key, Kind::Sign, Kind::Key];
        assert_eq!(fixture.vault.kinds(), kinds, "{vector}");
    }
}

/// The name of a record by this key.
fn record_of(vector: &str) -> String {
    let public = PublicKey::from_spki(Key::of_vector(vector).spki()).unwrap();
    format!("{}.json", public.id())
}

fn names(fixture: &VaultFixture) -> Vec<String> {
    let mut names: Vec<_> = fixture
        .records()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names
}

#[test]
fn the_version_that_was_read_signs_though_the_key_is_rotated_before_it_does() {
    let fixture = VaultFixture::new();
    let vault = fixture.vault.clone();
    fixture.vault.fault(move |call| {
        if call.kind == Kind::Sign {
            vault.rotate(Key::of_vector("p256-sec1"));
        }
        None
    });
    fixture.run("sign", "").ends_with(0);
    assert_eq!(fixture.vault.kinds(), [Kind::Key, Kind::Sign]);
    assert_eq!(fixture.vault.calls()[1].body["key_version"], 1);
    assert_eq!(names(&fixture), [record_of("p256-pkcs8")]);
    fixture.run("verify", "").ends_with(0);
    // The next signature is by the version that is the latest then, beside the other.
    fixture.vault.fault(|_| None);
    fixture.run("sign", "").ends_with(0);
    let sign = fixture.vault.calls_of(Kind::Sign);
    assert_eq!(sign[1].body["key_version"], 2);
    let mut both = [record_of("p256-pkcs8"), record_of("p256-sec1")];
    both.sort();
    assert_eq!(names(&fixture), both);
    fixture.run("verify", "").ends_with(0);
}

#[test]
fn a_version_that_is_named_is_the_one_that_signs_and_the_only_one_that_counts() {
    let fixture = VaultFixture::new();
    fixture.vault.rotate(Key::of_vector("p256-sec1"));
    let line = |command: &str, version: u32| {
        format!("{command} {IMAGE} --key hashivault://ci-signer?version={version} -o json")
    };
    fixture.sandbox.s3lo(&line("sign", 1)).ends_with(0);
    assert_eq!(names(&fixture), [record_of("p256-pkcs8")]);
    assert_eq!(fixture.vault.calls_of(Kind::Sign)[0].body["key_version"], 1);
    fixture.sandbox.s3lo(&line("verify", 1)).ends_with(0);
    let other = fixture.sandbox.s3lo(&line("verify", 2)).ends_with(1).json();
    assert_eq!(other["verified"], false);
    fixture.run("verify", "").ends_with(0);
    for command in ["sign", "verify"] {
        let none = fixture.sandbox.s3lo(&line(command, 7)).ends_with(2).json();
        assert_eq!(none["error"]["code"], "key_version", "{none}");
    }
    assert_eq!(fixture.vault.count(Kind::Sign), 1);
}

#[test]
fn a_signature_that_is_there_costs_none_in_vault() {
    let fixture = VaultFixture::new();
    fixture.run("sign", "").ends_with(0);
    let again = fixture.run("sign", "-o json").ends_with(0).json();
    assert_eq!(again["status"], "kept");
    assert_eq!(fixture.vault.kinds(), [Kind::Key, Kind::Sign, Kind::Key]);
}
