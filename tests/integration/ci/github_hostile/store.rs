//! Hostile files of a store, and of a key.

use std::fs;

use serde_json::{Value, json};

use super::is_shown_and_never_obeyed;
use crate::ci::github::{signer, verifier};
use crate::support::github_runner::Runner;

const RECORD: &str = "store/manifests/myapp/v1.0/signatures/83a085643219c3db.json";

#[test]
fn text_in_a_key_file_is_never_a_command() {
    is_shown_and_never_obeyed("the contents of a key file", |text| {
        let signer = signer();
        signer.write("plain.key", text);
        Some(signer.debugging().run())
    });
    is_shown_and_never_obeyed("the label of a key", |text| {
        let signer = signer();
        let block = format!("-----BEGIN {text}-----\nAAAA\n-----END {text}-----\n");
        signer.write("plain.key", block);
        Some(signer.debugging().run())
    });
}

#[test]
fn text_in_a_manifest_is_never_a_command() {
    is_shown_and_never_obeyed("the media type of a manifest", |text| {
        let signer = signer();
        let manifest = json!({"schemaVersion": 2, "mediaType": text, "layers": []});
        signer.write(
            "store/manifests/myapp/v1.0/manifest.json",
            manifest.to_string(),
        );
        Some(signer.debugging().run())
    });
}

/// Writes a text into fields of the record.
fn alter(runner: &Runner, fields: &[&str], text: &str) {
    let record = fs::read_to_string(runner.file(RECORD)).unwrap();
    let mut record: Value = serde_json::from_str(&record).unwrap();
    for field in fields {
        assert!(record[field].is_string(), "{field}: {record}");
        record[field] = Value::from(text);
    }
    runner.write(RECORD, record.to_string());
}

#[test]
fn text_in_a_record_is_never_a_command() {
    // These are not signed.
    let claims = ["keyRef", "algorithm", "signedAt"];
    is_shown_and_never_obeyed("claims of a record that is verified", |text| {
        let verifier = verifier();
        alter(&verifier, &claims, text);
        Some(verifier.debugging().run())
    });
    is_shown_and_never_obeyed("claims of a record that is kept", |text| {
        let signer = signer();
        signer.run();
        alter(&signer, &claims, text);
        Some(signer.debugging().run())
    });
    is_shown_and_never_obeyed("the digest of a record", |text| {
        let verifier = verifier();
        alter(&verifier, &["digest"], text);
        Some(verifier.debugging().run())
    });
}

#[test]
fn text_in_place_of_a_record_is_never_a_command() {
    is_shown_and_never_obeyed("a record", |text| {
        let verifier = verifier();
        verifier.write(RECORD, text);
        Some(verifier.debugging().run())
    });
}
