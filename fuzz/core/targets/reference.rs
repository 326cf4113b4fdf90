//! A text that is a reference is printed as it was written, and all of its object keys are safe.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3lo_core::digest::Digest;
use s3lo_core::reference::Reference;

fuzz_target!(|text: &str| {
    let Ok(reference) = text.parse::<Reference>() else {
        return;
    };
    assert_eq!(reference.to_string(), text);
    assert!(!reference.root().chars().any(char::is_control));
    for key in [
        reference.manifest_key(),
        reference.record_key(&"0123456789abcdef"),
    ] {
        assert!(key.starts_with("manifests/"));
        assert!(key.len() <= 1024, "{} bytes", key.len());
        for segment in key.split('/') {
            assert!(!matches!(segment, "" | "." | ".."), "{key:?}");
            assert!(segment.len() <= 255, "{key:?}");
            assert!(!segment.contains('\\'), "{key:?}");
            assert!(!segment.chars().any(char::is_control), "{key:?}");
        }
        assert_eq!(
            reference.stored_path(&key),
            format!("{}/{key}", reference.root())
        );
    }

    // A pin changes no name. It may be refused where the name holds what looks like a second one, but
    // it never goes unseen.
    let digest = Digest::of(text.as_bytes());
    let pinned = reference.clone().pinned(digest);
    assert_eq!(pinned.bound_name(), reference.bound_name());
    if let Ok(read) = pinned.to_string().parse::<Reference>() {
        assert_eq!(read, pinned);
    }
});
