//! The services that the program speaks to, in process: S3, KMS, STS, GitHub's identity tokens, Vault, and the registry of a node.
//! By themselves they answer as the real ones do; a test or a benchmark has them answer anything else, lie
//! about its length, break off or stay silent.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod authority;
pub mod aws;
pub mod http;
pub mod iam;
pub mod registry;
pub mod s3;
pub mod vault;

use std::path::{Path, PathBuf};

/// The folder of vectors in the project.
pub fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}
