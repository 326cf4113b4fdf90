//! Keys of cosign and records of s3lo: each key opens with its password, each record verifies, and is
//! written again byte for byte.

use std::fs;

use s3lo_core::crypto::private::KeyFile;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::manifest::Manifest;
use s3lo_core::record::Record;
use s3lo_core::reference::Reference;
use s3lo_core::verdict::{Found, Key, Verdict, judge};

use crate::forgeries::{IMAGES, SCHEMAS};
use crate::vectors;

/// The names of the vector keys: each has a `.key` and a `.pub`.
fn keys() -> Vec<String> {
    let names = fs::read_dir(vectors().join("keys")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let keys: Vec<_> = names
        .filter_map(|name| Some(name.strip_suffix(".pub")?.to_owned()))
        .collect();
    assert_eq!(keys.len(), 11, "{keys:?}");
    keys
}

fn public_key(name: &str) -> PublicKey {
    let text = fs::read(vectors().join(format!("keys/{name}.pub"))).unwrap();
    PublicKey::from_pem(&text).unwrap()
}

fn password(name: &str) -> &'static str {
    match name {
        "empty-password" => "",
        "unicode-password" => "pässwörd 🔑",
        _ => "secret",
    }
}

#[test]
fn every_key_opens_with_its_password_and_signs_for_its_public_half() {
    for name in keys() {
        let text = fs::read(vectors().join(format!("keys/{name}.key"))).unwrap();
        let password = password(&name).as_bytes().to_vec().into();
        let key = KeyFile::from_pem(&text).unwrap().open(&password).unwrap();
        let public = public_key(&name);
        assert_eq!(*key.public(), public, "{name}");
        let signature = key.sign(b"payload").unwrap();
        assert!(public.verifies(b"payload", &signature), "{name}");
    }
}

#[test]
fn every_record_of_s3lo_verifies_and_is_written_byte_for_byte() {
    let mut verified = 0;
    for (schema, store) in SCHEMAS {
        for image in IMAGES {
            let reference: Reference = format!("local://./{store}/{image}").parse().unwrap();
            let manifest = fs::read(vectors().join(store).join(reference.manifest_key())).unwrap();
            let manifest = Manifest::parse(&manifest).unwrap();
            for name in keys() {
                let public = public_key(&name);
                let path = vectors()
                    .join(store)
                    .join(reference.record_key(&public.id()));
                let bytes = fs::read(path).unwrap();
                let record = Record::parse(&bytes).unwrap();
                assert_eq!(record.to_bytes(), bytes, "{name} in {store}");
                let key = Key {
                    reference: "key.pub",
                    public: &public,
                };
                let verdict = judge(&manifest, Found::Bytes(&bytes), &reference, key, schema);
                assert!(matches!(verdict, Verdict::Verified(_)), "{name} in {store}");
                verified += 1;
            }
        }
    }
    println!("{verified} records verified");
    assert_eq!(verified, 44);
}
