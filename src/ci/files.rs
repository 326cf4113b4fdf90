//! The files in which a run leaves its results.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::text::shown_path;

/// Adds to a file that the CI system made for this step.
///
/// # Errors
///
/// [`Error`] if that cannot be done.
pub fn append(path: &str, text: &str) -> Result<(), Error> {
    let unwritable = |error: io::Error| Error::new(path, &error);
    let open = OpenOptions::new().append(true).create(true).open(path);
    let mut file = open.map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)
}

/// Writes a file that the job asked for, in place of one that is there. In a container this is root: the file
/// is given to whom its folder belongs, who has to be able to remove it.
///
/// # Errors
///
/// [`Error`] if that cannot be done.
pub fn write(path: &str, text: &str) -> Result<(), Error> {
    let unwritable = |error: io::Error| Error::new(path, &error);
    let folder = match Path::new(path).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let write = || {
        let mut draft = NamedTempFile::new_in(folder)?;
        draft
            .as_file()
            .set_permissions(Permissions::from_mode(0o644))?;
        draft.write_all(text.as_bytes())?;
        give_to_owner(draft.as_file(), folder);
        // The name itself is replaced: what a link of this name points to is nobody's wish.
        draft.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(unwritable)
}

/// Writes each output into a file of its name.
///
/// # Errors
///
/// [`Error`] if that cannot be done.
pub fn write_each(folder: &str, outputs: &super::outputs::Outputs) -> Result<(), Error> {
    let folder = PathBuf::from(folder);
    if !folder.is_dir() {
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|error| Error::new(&folder.to_string_lossy(), &error))?;
        if let (Some(parent), Ok(made)) = (folder.parent(), File::open(&folder)) {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            give_to_owner(&made, parent);
        }
    }
    outputs
        .iter()
        .try_for_each(|(name, value)| write(&folder.join(name).to_string_lossy(), value))
}

/// Whoever may not give a file away keeps it.
fn give_to_owner(file: &File, folder: &Path) {
    if let Ok(folder) = folder.metadata() {
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

/// A file that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the results to `{}`: {reason}", path.escape_debug())]
pub struct Error {
    /// The file.
    pub path: String,
    /// What the operating system says.
    pub reason: String,
}

/// What the operating system says, without the draft's name.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    }
}

impl Error {
    fn new(path: &str, error: &io::Error) -> Self {
        Self {
            path: shown_path(path).to_owned(),
            reason: reason(error),
        }
    }
}
