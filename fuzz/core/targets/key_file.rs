//! A private key that is accepted has a public half that can be read back, and an encrypted one asks for
//! an scrypt cost that cosign writes. No key is derived here. A text that holds public keys alone holds no private key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3lo_core::crypto::cosign::EncryptedKey;
use s3lo_core::crypto::private::{KeyFile, PrivateKey};
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::crypto::{pbes2, pem};
use serde::Deserialize;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = KeyFile::from_pem(bytes) {
        assert!(!pem::is_public(bytes), "a private key would not be masked");
        if let KeyFile::Plain(key) = file {
            check(&key);
        }
    }
    let _ = pbes2::EncryptedKey::parse(bytes);
    // DER as well: the fuzzer would seldom get past base64.
    if let Ok(key) = PrivateKey::from_pkcs8(bytes) {
        check(&key);
    }
    if EncryptedKey::parse(bytes).is_ok() {
        let file: File = serde_json::from_slice(bytes).expect("it was JSON");
        let Params { n, r, p } = file.kdf.params;
        assert!([1 << 15, 1 << 16, 1 << 17].contains(&n), "N = {n}");
        assert_eq!((r, p), (8, 1));
    }
});

fn check(key: &PrivateKey) {
    let public = key.public();
    let read = PublicKey::from_spki(public.spki()).expect("its own public half");
    assert_eq!((read.id(), &read), (public.id(), public));
}

/// The fields that decide how much memory scrypt takes.
#[derive(Deserialize)]
struct File {
    kdf: Kdf,
}

#[derive(Deserialize)]
struct Kdf {
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}
