//! A file that is written whole before it takes its name: whoever finds the name finds all of it.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// The folder of a path.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file beside `path`, with this mode and without a name that anybody looks for.
pub(crate) fn draft(path: &Path, contents: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut draft = NamedTempFile::new_in(folder(path))?;
    draft
        .as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    draft.write_all(contents)?;
    Ok(draft)
}
