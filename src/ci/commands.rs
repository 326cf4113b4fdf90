//! The commands that verify what a run signed.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::report::Report;
use crate::text::quoted;

/// The commands that verify the images by the public keys, which the first of them export.
pub(crate) fn verifying(report: &Report) -> Vec<String> {
    let mut commands = Vec::new();
    let mut exported: Vec<&str> = Vec::new();
    let mut verified = 0_usize;
    for row in &report.rows {
        let Some(valid) = row.valid() else {
            continue;
        };
        if verified == MAX_COMMANDS {
            commands.push("# and so on".to_owned());
            break;
        }
        let public = quoted(&format!("{}.pub", valid.key_id));
        // An option that nothing uses is an error.
        let region = report.region.as_deref();
        let region = region.filter(|_| row.is_by_kms());
        let region = flag("--region", region);
        if !exported.contains(&row.key.as_str()) {
            exported.push(&row.key);
            let key = quoted(&row.key);
            commands.push(format!("s3lo public-key --key {key}{region} > {public}"));
        }
        let reference = quoted(&format!("{}@{}", row.unpinned, valid.digest));
        let endpoint = report.endpoint.as_deref();
        let endpoint = endpoint.filter(|_| row.unpinned.starts_with("s3:"));
        let endpoint = flag("--endpoint", endpoint);
        let schema = match valid.schema {
            1 => String::new(),
            schema => format!(" --min-schema {schema}"),
        };
        commands.push(format!(
            "s3lo verify {reference} --key {public}{schema}{endpoint}"
        ));
        verified = verified.saturating_add(1);
    }
    commands
}

/// The most commands to verify with.
const MAX_COMMANDS: usize = 10;

fn flag(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(" {name} {}", quoted(value)))
}
