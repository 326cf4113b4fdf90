//! The version, the commit and the target, for reports of faults.

use std::env::consts::{ARCH, OS};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, where the build names it in S3LO_COMMIT.
pub(crate) const COMMIT: Option<&str> = option_env!("S3LO_COMMIT");

/// The machine, the system and the C library that the program was built for.
pub(crate) fn target() -> String {
    let libc = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    format!("{ARCH}-{OS}-{libc}")
}

/// The version, and what else a report should name on lines of their own.
pub(crate) fn long_version() -> String {
    let commit = COMMIT.unwrap_or("unknown");
    format!(
        "{VERSION}\n  Commit:  {commit}\n  Target:  {}\n  Schemas: 1 (s3lo 1.9 to 2), 2 (s3lo 3)",
        target()
    )
}
