//! Atomic writes: to a temporary file in the same folder, which is then renamed into place.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::text::os_reason;

/// Checks that a write to `path` replaces a regular file, or nothing. A link is refused too: it may be that of a device,
/// or one planted for a run of root.
pub(crate) fn check_replaceable(path: &Path) -> io::Result<()> {
    let kind = match path.symlink_metadata() {
        Ok(there) => there.file_type(),
        // A folder that is missing or closed shows when the file is written.
        Err(_) => return Ok(()),
    };
    let is = if kind.is_file() {
        return Ok(());
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else {
        "a device, a pipe or a socket"
    };
    Err(io::Error::other(format!("it is {is}, not a regular file")))
}

/// The reason why `path` was not written, in words.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> String {
    let folder = parent(path);
    if error.kind() == io::ErrorKind::NotFound && !folder.exists() {
        return format!("the folder `{}` does not exist", folder.display());
    }
    // An error of a temporary file has its name, and no number.
    match error.raw_os_error() {
        Some(number) => os_reason(&io::Error::from_raw_os_error(number)),
        None => os_reason(&error.kind().into()),
    }
}

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
