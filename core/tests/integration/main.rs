//! Tests of the pure core against files: known answers, attacks, forgeries, and properties of all inputs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::print_stdout,
    reason = "the counts of what was tried are part of the result"
)]

mod attack_cases;
mod forgeries;
mod policy;
mod properties;
mod vectors;
mod wycheproof;

use std::path::PathBuf;

/// The folder of vectors, which the tests of the program read too.
fn vectors() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors"))
}
