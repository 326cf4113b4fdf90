//! `s3lo version`, and `--version`.

use std::env::consts::{ARCH, OS};
use std::io::{self, Write};

use serde::Serialize;

use crate::cli::ExitStatus;
use crate::cli::args::Output;
use crate::cli::output::json;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, where the build names it in S3LO_COMMIT.
const COMMIT: Option<&str> = option_env!("S3LO_COMMIT");

/// The schemas of records that are read and written.
const SCHEMAS: [u64; 2] = [1, 2];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'static str>,
    target: String,
    schema_versions: [u64; 2],
}

/// Prints the version.
pub(crate) fn run(output: Output, out: &mut dyn Write) -> io::Result<ExitStatus> {
    match output {
        Output::Text => writeln!(out, "s3lo {}", text())?,
        Output::Json => {
            let version = Version {
                version: VERSION,
                commit: COMMIT,
                target: target(),
                schema_versions: SCHEMAS,
            };
            json::write(out, &version)?;
        }
    }
    Ok(ExitStatus::Done)
}

/// The version and, on lines of their own, what else a report of a fault should name.
pub(crate) fn text() -> String {
    let commit = COMMIT.unwrap_or("unknown");
    format!(
        "{VERSION}\n  Commit:  {commit}\n  Target:  {}\n  Schemas: 1 (s3lo 1.9 to 2), 2 (s3lo 3)",
        target()
    )
}

fn target() -> String {
    let libc = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    format!("{ARCH}-{OS}-{libc}")
}
