//! A transit engine's answer on a key gives public keys of one type, the latest first, or an error; its answer
//! on a signature gives one by the version that was requested.
#![no_main]

use std::num::NonZeroU64;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use libfuzzer_sys::fuzz_target;
use s3lo::key::vault::transit_key::{read, read_signature};

fuzz_target!(|body: &[u8]| {
    let first = NonZeroU64::MIN;
    if let Ok(signature) = read_signature(body, first) {
        assert!(!signature.bytes.is_empty());
        // Parts that are not read need not be UTF-8.
        let text = String::from_utf8_lossy(body);
        // JSON may write a slash or any other character in its own way.
        let written = format!("vault:v1:{}", BASE64_STANDARD.encode(&signature.bytes));
        assert!(text.contains('\\') || text.contains(&written), "{text}");
    }
    let Ok(versions) = read(body) else {
        return;
    };
    let Ok(keys) = versions.public_keys(None) else {
        return;
    };
    let (latest, newest) = versions.to_sign_with(None).unwrap();
    assert_eq!(&newest, keys.newest());
    assert!(keys.iter().all(|key| key.key_type() == newest.key_type()));
    let only = versions.public_keys(Some(latest)).unwrap();
    assert_eq!(only.iter().collect::<Vec<_>>(), [&newest]);
    assert!(
        versions
            .oldest_of_fewer()
            .is_none_or(|(oldest, _)| oldest > first)
    );
});
