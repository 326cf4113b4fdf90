//! Results that would overwrite what the run reads: the files of an earlier run are removed before keys are read.

use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::ci::files::Destination;
use crate::cli::args::ReportArgs;
use crate::cli::typed::Typed;
use crate::diagnostic::Diagnostic;
use crate::option_name::option;

/// Checks that no file for results is one that another option names.
///
/// # Errors
///
/// The options that name the same file.
pub(crate) fn check(
    report: &ReportArgs,
    words: &[OsString],
    options: impl Iterator<Item = String>,
) -> Result<(), Diagnostic> {
    let places = [
        ("output-file", &report.output_file),
        ("dotenv-file", &report.dotenv_file),
        ("summary-file", &report.summary_file),
    ];
    let files = places.iter().filter_map(|(name, place)| match place {
        Some(Destination::File(path)) => Some((*name, path.as_path())),
        _ => None,
    });
    let files: Vec<_> = files.collect();
    let mut seen: Vec<(&str, &Path)> = Vec::new();
    for (name, path) in &files {
        if let Some((other, _)) = seen.iter().find(|(_, other)| is_same(path, other)) {
            return Err(same_file(name, other));
        }
        seen.push((name, path));
    }
    let typed = Typed::new(words);
    for other in options.filter(|name| !places.iter().any(|(place, _)| place == name)) {
        for value in typed.values(&other) {
            let read = Path::new(value);
            if let Some((name, _)) = files.iter().find(|(_, path)| is_same(path, read)) {
                return Err(same_file(name, &other));
            }
        }
    }
    Ok(())
}

fn same_file(result: &str, other: &str) -> Diagnostic {
    Diagnostic::usage(
        format!(
            "{} and {} name the same file",
            option(result),
            option(other)
        ),
        format!("give the results a file of their own by {}", option(result)),
    )
}

/// Whether two paths lead to the same file, or would if it were there.
fn is_same(one: &Path, other: &Path) -> bool {
    let id = |file: Metadata| (file.dev(), file.ino());
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => id(one) == id(other),
        (Err(_), Err(_)) => {
            let folder = |path: &Path| crate::atomic_file::parent(path).canonicalize().ok();
            one.file_name() == other.file_name()
                && folder(one).is_some_and(|one| Some(one) == folder(other))
        }
        _ => false,
    }
}
