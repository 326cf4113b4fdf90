//! `s3lo version`.

use std::io::{self, Write};

use s3lo_core::payload::Schema;
use serde::Serialize;

use crate::build_info::{COMMIT, VERSION, long_version, target};
use crate::cli::ExitStatus;
use crate::cli::args::Output;
use crate::cli::output::json;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'static str>,
    target: String,
    /// The schemas of records that are read and written.
    schema_versions: [u64; 2],
}

/// Prints the version.
pub(crate) fn run(output: Output, out: &mut dyn Write) -> io::Result<ExitStatus> {
    match output {
        Output::Text => writeln!(out, "s3lo {}", long_version())?,
        Output::Json => {
            let version = Version {
                version: VERSION,
                commit: COMMIT,
                target: target(),
                schema_versions: [Schema::V1, Schema::V2].map(Schema::version),
            };
            json::write(out, &version)?;
        }
    }
    Ok(ExitStatus::Done)
}
