//! A public key that is accepted is written as it was read, so that its ID is that of the file's bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3lo_core::crypto::public::PublicKey;
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = PublicKey::from_spki(bytes) {
        assert_eq!(key.spki(), bytes);
        check(&key);
    }
    if let Ok(key) = PublicKey::from_pem(bytes) {
        check(&key);
    }
    if let Ok(key) = PublicKey::from_pkcs1(bytes) {
        check(&key);
    }
});

fn check(key: &PublicKey) {
    let read = PublicKey::from_spki(key.spki()).expect("its own DER");
    assert_eq!((read.spki(), read.id()), (key.spki(), key.id()));
    assert_eq!(read.key_type(), key.key_type());
    let read = PublicKey::from_pem(key.to_pem().as_bytes()).expect("its own PEM");
    assert_eq!((read.spki(), read.id()), (key.spki(), key.id()));

    let digest = Sha256::digest(key.spki());
    let id: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(key.id().to_string(), id);

    // The key has signed neither.
    assert!(!key.verifies(b"payload", b""));
    assert!(!key.verifies(b"payload", &[0; 64]));
}
