//! Writes the results of a run to files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use crate::atomic_file::{parent, temporary_file};
use crate::diagnostic::Explain;
use crate::text::shown_path;

/// Appends to a file that the CI system made for this step.
///
/// # Errors
///
/// [`Error`] if that cannot be done.
pub fn append(path: &Path, text: &str) -> Result<(), Error> {
    let unwritable = |error: io::Error| Error::new(path, &error);
    let open = OpenOptions::new().append(true).create(true).open(path);
    let mut file = open.map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)
}

/// Writes a file that the job asked for, or replaces it. In a container this is root: the file is given to the owner of
/// its folder, who has to be able to remove it.
///
/// # Errors
///
/// [`Error`] if that cannot be done.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    // A device or a pipe would become a file, were its name given to one.
    if is_special(path) {
        let reason = "it is there, and is not a regular file".to_owned();
        return Err(Error::of(path, reason));
    }
    let write = || {
        let draft = temporary_file(path, text.as_bytes(), 0o644)?;
        give_to_owner(draft.as_file(), parent(path));
        // The name itself is replaced, not the target of a link of this name.
        draft.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error: io::Error| Error::new(path, &error))
}

/// Writes each output to a file of its name, and removes those of `names` that have no value.
///
/// # Errors
///
/// [`Error`] if that cannot be done.
pub fn write_each(
    directory: &Path,
    outputs: &crate::ci::outputs::Outputs,
    names: &[&str],
) -> Result<(), Error> {
    let missing = directory
        .ancestors()
        .filter(|part| !part.as_os_str().is_empty());
    let missing: Vec<_> = missing.take_while(|part| !part.exists()).collect();
    for part in missing.into_iter().rev() {
        let made = std::fs::create_dir(part);
        made.map_err(|error| Error::new(part, &error))?;
        if let Ok(made) = File::open(part) {
            give_to_owner(&made, parent(part));
        }
    }
    // Of an earlier run, which may have been about another image.
    for stale in names
        .iter()
        .filter(|name| !outputs.iter().any(|(known, _)| known == *name))
    {
        remove(&directory.join(stale))?;
    }
    outputs
        .iter()
        .try_for_each(|(name, value)| write(&directory.join(name), value))
}

/// Removes a file of an earlier run that this one is going to write. A failure shows when it is written.
pub fn clear(path: &Path) {
    if !is_special(path) {
        let _ = remove(path);
    }
}

/// Fails if a file is there and stays.
fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::new(path, &error)),
        _ => Ok(()),
    }
}

/// Whether something is there that is neither a file nor a link.
fn is_special(path: &Path) -> bool {
    let there = path.symlink_metadata().map(|file| file.file_type());
    there.is_ok_and(|kind| !kind.is_file() && !kind.is_symlink())
}

/// Best effort: without permission to chown, the file keeps its owner.
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
    /// The operating system's message.
    pub reason: String,
}

/// The operating system's message, without the name of the temporary file.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    }
}

impl Error {
    fn new(path: &Path, error: &io::Error) -> Self {
        Self::of(path, reason(error))
    }

    fn of(path: &Path, reason: String) -> Self {
        let path = shown_path(&path.to_string_lossy()).to_owned();
        Self { path, reason }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "results_unwritable"
    }

    fn help(&self) -> String {
        "name a file in a folder that is there, and let the container run as root, without `--user`; what the log says was done".to_owned()
    }
}
