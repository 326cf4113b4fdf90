//! Writes the results of a run to files.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::atomic_file;
use crate::atomic_file::{check_replaceable, parent, temporary_file};
use crate::bounded_file;
use crate::diagnostic::Explain;
use crate::text::{printable, shown_path};

/// A place for results that a job names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file that is written, or replaced.
    File(PathBuf),
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

impl Destination {
    /// Reads an option: `-` and `/dev/stdout` are standard output, `/dev/stderr` is standard error. In `/dev` they are
    /// links, which no file must replace.
    pub fn parse(text: &str) -> Self {
        match text {
            "-" | "/dev/stdout" => Self::Stdout,
            "/dev/stderr" => Self::Stderr,
            path => Self::File(path.into()),
        }
    }

    /// Checks that nothing but a regular file would be replaced.
    ///
    /// # Errors
    ///
    /// [`Error`] if something else is there, a link included.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::File(path) => check(path),
            Self::Stderr | Self::Stdout => Ok(()),
        }
    }

    /// Removes the file of an earlier run, which must not pass for that of this one. A failure shows when it is written.
    pub fn clear(&self) {
        if let Self::File(path) = self
            && check(path).is_ok()
        {
            let _ = remove(path);
        }
    }
}

/// The largest file that is looked at for what it is, in bytes.
const MAX_LOOK_LEN: u64 = 1024 * 1024;

/// Whether the contents of a file are those of a result.
pub type IsOurs = fn(&[u8]) -> bool;

/// Whether a file is there that an earlier run did not write: `is_ours` does not know its contents.
pub fn is_of_others(place: &Destination, is_ours: IsOurs) -> bool {
    let Destination::File(path) = place else {
        return false;
    };
    match bounded_file::read(path, MAX_LOOK_LEN) {
        Ok(contents) => !is_ours(&contents),
        Err(bounded_file::Error::Io(error)) => error.kind() != io::ErrorKind::NotFound,
        Err(_) => true,
    }
}

fn check(path: &Path) -> Result<(), Error> {
    check_replaceable(path).map_err(|error| Error::refused(path, &error))
}

/// Checks that a folder for results is one, or nothing, and no link.
///
/// # Errors
///
/// [`Error`] if something else is there.
pub fn check_folder(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(there) if !there.is_dir() => {
            let error = io::Error::other("it is not a directory");
            Err(Error::refused(path, &error))
        }
        _ => Ok(()),
    }
}

/// Appends to a file that the CI system made for this step.
///
/// # Errors
///
/// [`Error`] if that cannot be done, or something else than a regular file is there.
pub fn append(path: &Path, text: &str) -> Result<(), Error> {
    // It was not the job that named it.
    let by_system = |error| Error {
        refused: false,
        ..error
    };
    check(path).map_err(by_system)?;
    // A link that takes the file's place meanwhile is not followed, and no reader of a pipe is waited for.
    let flags = OFlags::CREATE | OFlags::APPEND | OFlags::WRONLY | OFlags::CLOEXEC;
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let open = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666));
    let append = |file: OwnedFd| File::from(file).write_all(text.as_bytes());
    let appended = open.map_err(io::Error::from).and_then(append);
    appended.map_err(|error| Error::new(path, &error))
}

/// Writes a file that the job asked for, or replaces it. In a container this is root: the file is given to the owner of
/// its folder, who has to be able to remove it.
///
/// # Errors
///
/// [`Error`] if that cannot be done, or something else than a regular file is there.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    check(path)?;
    let write = || {
        let draft = temporary_file(path, text.as_bytes(), 0o644)?;
        give_to_owner(draft.as_file(), parent(path));
        // The name itself is replaced: a link that takes it meanwhile leads nowhere.
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
    check_folder(directory)?;
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

/// Fails if a file is there and stays, or something else is there.
fn remove(path: &Path) -> Result<(), Error> {
    check(path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::new(path, &error)),
        _ => Ok(()),
    }
}

/// Best effort: without permission to chown, the file keeps its owner.
fn give_to_owner(file: &File, folder: &Path) {
    if let Ok(folder) = folder.metadata() {
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

/// A file that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the results to `{}`: {reason}", printable(path))]
pub struct Error {
    /// The file.
    pub path: String,
    /// The reason, from the operating system or the check that it is a regular file.
    pub reason: String,
    /// Whether something else than a regular file is there.
    pub refused: bool,
}

impl Error {
    /// The operating system's message, without the name of the temporary file.
    fn new(path: &Path, error: &io::Error) -> Self {
        let reason = atomic_file::unwritable(path, error);
        let path = shown_path(&path.to_string_lossy()).to_owned();
        Self {
            path,
            reason,
            refused: false,
        }
    }

    fn refused(path: &Path, error: &io::Error) -> Self {
        Self {
            reason: error.to_string(),
            refused: true,
            ..Self::new(path, error)
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "results_unwritable"
    }

    fn help(&self) -> String {
        if self.refused {
            return "name a regular file, or one that does not exist yet; `-` is standard output"
                .to_owned();
        }
        "create the folder in an earlier step; a container must be able to write there (run it as root, without `--user`)\nthe log still shows which images are signed or verified".to_owned()
    }
}
