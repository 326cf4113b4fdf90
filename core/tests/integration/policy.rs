//! Policies: a truth table as data, mistakes with their places, properties, and a second program that decides too.

mod cases;
mod decide;
mod generate;
mod mistakes;
mod opa;
mod properties;
mod schema;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use s3lo_core::crypto::public::PublicKey;
use s3lo_core::policy::Known;
use s3lo_core::reference::Scheme;
use sha2::{Digest as _, Sha256};

/// The stores and key services that the program has.
const KNOWN: Known<'_> = Known {
    stores: &[Scheme::S3, Scheme::LOCAL],
    key_services: &["awskms", "hashivault", "openbao"],
};

/// The private key of an identity. The same name always gives the same key.
fn private_key(identity: &str) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&Sha256::digest(identity).into())
}

fn public_key(identity: &str) -> PublicKey {
    static KEYS: LazyLock<Mutex<HashMap<String, PublicKey>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().unwrap();
    let make = || {
        let key = private_key(identity).verifying_key();
        PublicKey::from_ed25519_bytes(key.as_bytes()).unwrap()
    };
    keys.entry(identity.to_owned()).or_insert_with(make).clone()
}
