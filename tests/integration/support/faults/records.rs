//! The key that signs in the tables, and the records that are there before or meanwhile.

use s3lo_core::crypto::private::PrivateKey;
use s3lo_core::payload::{Schema, payload};
use s3lo_core::record::{Record, Timestamp};
use s3lo_core::reference::Reference;
use s3lo_core::verdict::{Found, read_manifest};

use crate::support::{MANIFEST, plain_key};

/// The manifest of a tag that has moved.
pub(crate) const MOVED: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[ ]}"#;

/// The key of every service: the vector `p256-pkcs8`.
pub(crate) fn private_key() -> PrivateKey {
    PrivateKey::from_pkcs8(pem::parse(plain_key()).unwrap().contents()).unwrap()
}

/// The name of its record.
pub(crate) fn record_name() -> String {
    format!("{}.json", private_key().public().id())
}

/// The payload of schema 1.
pub(crate) fn to_sign(reference: &Reference) -> Vec<u8> {
    let manifest = read_manifest(Found::Bytes(MANIFEST.as_bytes())).unwrap();
    payload(Schema::V1, reference, manifest.digest())
}

/// The record of another signer with the same key.
pub(crate) fn another_record(reference: &Reference) -> Vec<u8> {
    let (key, payload) = (private_key(), to_sign(reference));
    let manifest = read_manifest(Found::Bytes(MANIFEST.as_bytes())).unwrap();
    let public = key.public();
    Record::new(
        Schema::V1,
        manifest.digest(),
        &payload,
        &key.sign(&payload).unwrap(),
        ("another.key", public.id(), public.key_type().algorithm()),
        Timestamp::from_unix_seconds(1_700_000_000).unwrap(),
    )
    .to_bytes()
}
