//! The digest of a manifest is the SHA-256 of its bytes, and what is taken for an image could not be
//! read as an index.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3lo_core::manifest::{Manifest, MediaType};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(manifest.digest().to_string(), format!("sha256:{hex}"));

    // Numbers may be out of range in fields that are not read.
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(bytes) else {
        return;
    };
    // Names are read as Go reads them, without regard to case. No field is there twice.
    let value = |name: &str| {
        let mut all = fields.iter();
        let found = all.find(|(field, _)| folded(field) == folded(name));
        found.map(|(_, value)| value)
    };
    let present = |name: &str| value(name).is_some_and(|value| !value.is_null());
    assert_eq!(value("schemaVersion"), Some(&Value::from(2)));
    let is_index = match manifest.media_type() {
        MediaType::OciManifest | MediaType::DockerManifest => {
            assert!(!present("manifests"));
            false
        }
        MediaType::OciIndex | MediaType::DockerManifestList => {
            assert!(!present("config") && !present("layers"));
            true
        }
    };
    assert!(!present("fsLayers"));
    if let Some(name) = value("mediaType").filter(|name| !name.is_null()) {
        let named_index = name.as_str().is_some_and(|name| {
            name.ends_with(".index.v1+json") || name.ends_with(".manifest.list.v2+json")
        });
        assert_eq!(named_index, is_index);
    }
});

fn folded(name: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}
