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
    assert_eq!(fields.get("schemaVersion"), Some(&Value::from(2)));
    let present = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    let image = present("config") && present("layers");
    match manifest.media_type() {
        MediaType::OciManifest | MediaType::DockerManifest => {
            assert!(image && !present("manifests"));
        }
        MediaType::OciIndex | MediaType::DockerManifestList => {
            assert!(present("manifests") && !present("config") && !present("layers"));
        }
    }
    if let Some(name) = fields.get("mediaType").filter(|name| !name.is_null()) {
        let index = name.as_str().is_some_and(|name| {
            name.ends_with(".index.v1+json") || name.ends_with(".manifest.list.v2+json")
        });
        assert_eq!(index, present("manifests"));
    }
});
