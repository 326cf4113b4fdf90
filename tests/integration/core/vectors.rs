//! The program reads the files of cosign and s3lo: every key signs, every record verifies.

use crate::support::program::Sandbox;
use crate::support::{IMAGES, KEYS, copy, password, vectors};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for store in ["store-v1", "store-v2"] {
        copy(&vectors().join(store), &sandbox.file(store));
    }
    sandbox
}

#[test]
fn every_record_of_s3lo_verifies_by_its_public_key() {
    let sandbox = sandbox();
    let mut verified = 0;
    for store in ["store-v1", "store-v2"] {
        for image in IMAGES {
            for key in KEYS {
                sandbox
                    .s3lo(&format!(
                        "verify local://./{store}/{image} --key keys/{key}.pub"
                    ))
                    .ends_with(0);
                verified += 1;
            }
        }
    }
    println!("{verified} records verified");
    assert_eq!(verified, 44);
}

#[test]
fn every_key_signs_in_both_schemas_and_its_record_verifies() {
    let mut signed = 0;
    for key in KEYS {
        let sandbox = Sandbox::with_image().with("COSIGN_PASSWORD", password(key));
        for schema in [1, 2] {
            let run = sandbox
                .s3lo(&format!(
                    "sign local://./store/myapp:v1.0 --key keys/{key}.key --schema-version {schema} -o json"
                ))
                .ends_with(0);
            assert_eq!(run.json()["status"], "signed", "{key}");
            sandbox
                .s3lo(&format!(
                    "verify local://./store/myapp:v1.0 --key keys/{key}.pub --min-schema {schema}"
                ))
                .ends_with(0);
            signed += 1;
        }
    }
    println!("{signed} signatures made and verified");
    assert_eq!(signed, 22);
}

/// The results that s3lo printed, field by field: where it verified, so do we, with the same words;
/// where it failed on a sound signature, we do not.
#[test]
fn results_agree_with_those_of_s3lo() {
    let sandbox = sandbox();
    let mut compared = 0;
    for (store, version) in [("store-v1", "v1"), ("store-v2", "v2")] {
        for image in IMAGES {
            for key in KEYS {
                let name = image.replace(['/', ':'], "_");
                let path = vectors().join(format!("results/{version}-{name}-{key}.verify.json"));
                let theirs: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
                let ours = sandbox
                    .s3lo(&format!(
                        "verify local://./{store}/{image} --key keys/{key}.pub -o json"
                    ))
                    .ends_with(0)
                    .json();
                for field in ["digest", "keyRef", "keyID", "signedAt"] {
                    assert_eq!(ours[field], theirs[field], "{field} of {key} in {store}");
                }
                assert_eq!(ours["verified"], true);
                let sound_but_refused_there = ["p384", "p521", "ed25519"].contains(&key);
                assert_eq!(theirs["verified"], !sound_but_refused_there, "{key}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 44);
}
