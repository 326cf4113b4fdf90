//! Atomic writes: to a temporary file in the same folder, which is then renamed into place.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// The folder in which `path` lies.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary file beside `path` with these contents and this mode, which `persist` renames into place.
pub(crate) fn temporary_file(path: &Path, contents: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(parent(path))?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.write_all(contents)?;
    Ok(file)
}
