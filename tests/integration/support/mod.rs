//! The shared parts of the tests: the program in a scrubbed environment, stores, servers.

pub(crate) mod aws_fixture;
pub(crate) mod buildkite;
pub(crate) mod faults;
pub(crate) mod github_runner;
pub(crate) mod gitlab;
pub(crate) mod memory;
pub(crate) mod minio;
pub(crate) mod mount;
pub(crate) mod program;
pub(crate) mod releases;
pub(crate) mod seaweedfs;
pub(crate) mod tools;
pub(crate) mod vault;

use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use s3lo_test_servers::vectors;

/// The names of the vector keys: each has a `.key` and a `.pub`.
pub(crate) const KEYS: [&str; 11] = [
    "cosign",
    "cosign-n131072",
    "cosign-n32768",
    "ed25519",
    "empty-password",
    "p256-sec1",
    "p384",
    "p521",
    "rsa2048",
    "rsa4096",
    "unicode-password",
];

/// The images in the vector stores.
pub(crate) const IMAGES: [&str; 2] = ["myapp:v1.0", "team/service:2026.11-rc.1"];

/// The password of a vector key.
pub(crate) fn password(key: &str) -> &'static str {
    match key {
        "empty-password" => "",
        "unicode-password" => "pässwörd 🔑",
        _ => "secret",
    }
}

/// A private key in the open, so that a run does not wait for scrypt.
pub(crate) fn plain_key() -> String {
    std::fs::read_to_string(vectors().join("plain-keys/p256-pkcs8.key")).unwrap()
}

/// A small manifest, as bytes.
pub(crate) const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}"#;

/// Looks again and again until there is an answer, for two minutes.
#[track_caller]
pub(crate) fn eventually<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        match look() {
            Ok(found) => return found,
            Err(reason) => assert!(Instant::now() < deadline, "not in time: {reason}"),
        }
        std::thread::yield_now();
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Every file below a folder, by its path there, sorted.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found);
    found.sort();
    found
}
