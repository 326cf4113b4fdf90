//! A text that names a key is printed as it was written, carries no user, and leads KMS to no other host,
//! region or account than it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3lo::cloud::arn::Arn;
use s3lo::key::{KeyRef, Source};

fuzz_target!(|text: &str| {
    let Ok(key) = text.parse::<KeyRef>() else {
        return;
    };
    assert_eq!(key.to_string(), text);
    assert!(!text.contains(char::is_control));
    let Source::AwsKms(name) = key.source() else {
        return;
    };
    let rest = text.strip_prefix("awskms://").unwrap();
    assert!(rest.ends_with(name.id()));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    assert!(name.id().bytes().all(allowed), "{:?}", name.id());
    match name.endpoint() {
        None => assert!(rest.starts_with('/')),
        Some(endpoint) => {
            let authority = endpoint.strip_prefix("https://").unwrap();
            assert!(!authority.contains(['/', '@', '?', '#', '\\', ' ']), "{endpoint}");
            assert!(rest.starts_with(&format!("{authority}/")));
        }
    }
    if let Some(arn) = name.arn() {
        assert_eq!(arn.as_str(), name.id());
        // Its region becomes part of a host's name.
        assert!(arn.region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        assert!(!arn.region.is_empty());
        assert_eq!(arn.as_str().parse::<Arn>().as_ref(), Ok(arn));
        assert_eq!(arn.account.as_str().len(), 12);
    }
});
