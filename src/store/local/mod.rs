//! `local://`: a directory, laid out as a bucket.
//!
//! Below the root no symbolic link is followed: a reference cannot be led out of the store by what
//! lies in it. A file system has no compare-and-swap, so a write is made whole and durable first,
//! without a name where the file system can ([`O_TMPFILE`][tmp]), and is then linked or renamed into
//! place under a lock on its directory. A process that is killed in between leaves the object as it
//! was; what it may leave beside it is a temporary name, which the next writer removes. A power cut
//! may take back the name of the last seconds, and never leaves half an object under it.
//!
//! [tmp]: https://man7.org/linux/man-pages/man2/open.2.html

mod error;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use rustix::fs::{
    self, AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, Stat,
};
use rustix::io::Errno;
use s3lo_core::digest::Digest;
use s3lo_core::manifest;
use s3lo_core::reference::Scheme;

use crate::context::Context;
use crate::diagnostic::{Diagnostic, SharedError};
use crate::store::{Backend, Error, Listing, Object, Store, Version};
use crate::tasks::run_blocking;

/// The backend of directories. It has no options.
#[derive(Args, Clone, Debug, Default)]
pub struct Local {}

#[async_trait]
impl Backend for Local {
    fn scheme(&self) -> Scheme {
        Scheme::LOCAL
    }

    async fn open(&self, root: &str, _context: &Context) -> Result<Arc<dyn Store>, Diagnostic> {
        Ok(Arc::new(LocalStore::new(root)))
    }
}

/// A directory that holds a store.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
    written: String,
}

impl LocalStore {
    /// The store below `root`, which need not exist yet.
    pub fn new(root: &str) -> Self {
        Self {
            root: root.into(),
            written: root.to_owned(),
        }
    }

    fn at(&self, key: &str) -> Place {
        let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
        Place {
            root: self.root.clone(),
            folders: folders.to_owned(),
            name: name.to_owned(),
            object: self.locate(key),
        }
    }
}

#[async_trait]
impl Store for LocalStore {
    fn locate(&self, key: &str) -> String {
        format!("{}/{key}", self.written)
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Object, Error> {
        let place = self.at(key);
        run_blocking(move || place.read_below(&place.root()?, &place.path(), limit)).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        let (place, bytes) = (self.at(key), bytes.to_vec());
        run_blocking(move || place.write(&place.made_folder()?, &bytes, None)).await
    }

    async fn replace(&self, key: &str, bytes: &[u8], version: &Version) -> Result<(), Error> {
        let (place, bytes, version) = (self.at(key), bytes.to_vec(), version.clone());
        run_blocking(move || place.write(&place.folder()?, &bytes, Some(&version))).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let place = self.at(prefix);
        run_blocking(move || place.list()).await
    }
}

/// The name that a draft has, in the moments in which it must have one. Only the holder of the
/// directory's lock makes or removes it, so what a holder of the lock finds is an orphan.
const TEMPORARY: &str = ".s3lo.tmp";

/// The most names that a listing gives.
const MOST_NAMES: usize = 1000;

/// Where an object is or will be.
struct Place {
    root: PathBuf,
    folders: String,
    name: String,
    object: String,
}

impl Place {
    /// Opens the object's directory, following no link below the root.
    fn folder(&self) -> Result<OwnedFd, Error> {
        beneath(&self.root()?, &self.folders, FOLDER).map_err(|error| self.refused(error))
    }

    /// Opens the object's directory, making what is missing of it.
    fn made_folder(&self) -> Result<OwnedFd, Error> {
        if !self.root.is_dir() {
            std::fs::create_dir_all(&self.root)
                .map_err(|error| self.failed("write", errno(&error)))?;
        }
        self.make(&self.root()?, &self.folders)
    }

    fn make(&self, root: &OwnedFd, path: &str) -> Result<OwnedFd, Error> {
        match beneath(root, path, FOLDER) {
            Err(Errno::NOENT) => {}
            other => return other.map_err(|error| self.refused(error)),
        }
        let (parent, name) = match path.rsplit_once('/') {
            Some((above, name)) => (Some(self.make(root, above)?), name),
            None => (None, path),
        };
        let parent = parent.as_ref().unwrap_or(root);
        match fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(self.failed("write", error)),
        }
        beneath(parent, name, FOLDER).map_err(|error| self.refused(error))
    }

    /// The root itself is the user's word: it may be a link.
    fn root(&self) -> Result<OwnedFd, Error> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        fs::openat(CWD, &self.root, flags, Mode::empty())
            .map_err(|error| self.failed("read", error))
    }

    fn refused(&self, error: Errno) -> Error {
        match error {
            Errno::LOOP => Error::Symlink {
                object: self.object.clone(),
            },
            other => self.failed("read", other),
        }
    }

    fn path(&self) -> String {
        format!("{}/{}", self.folders, self.name)
    }

    fn read(&self, folder: &OwnedFd, limit: u64) -> Result<Object, Error> {
        self.read_below(folder, &self.name, limit)
    }

    fn read_below(&self, folder: &OwnedFd, path: &str, limit: u64) -> Result<Object, Error> {
        let failed = |error| self.failed("read", error);
        // Without NONBLOCK a FIFO of this name would hold us for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = beneath(folder, path, flags).map_err(|error| self.refused(error))?;
        let stat = fs::fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::NotAFile {
                object: self.object.clone(),
            });
        }
        let mut bytes = Vec::new();
        File::from(file)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| failed(errno(&error)))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            let version = Version(Digest::of(&bytes).to_string());
            return Ok(Object { bytes, version });
        }
        Err(Error::Oversized {
            object: self.object.clone(),
            limit,
            version: large(&stat),
        })
    }

    /// Writes the object whole: where there is none, or in the place of `version`.
    fn write(
        &self,
        folder: &OwnedFd,
        bytes: &[u8],
        version: Option<&Version>,
    ) -> Result<(), Error> {
        let failed = |error| self.failed("write", error);
        let unnamed = unnamed(folder, bytes).map_err(failed)?;
        fs::flock(folder, FlockOperation::LockExclusive).map_err(failed)?;
        remove(folder, TEMPORARY).map_err(failed)?;
        let name = self.name.as_str();
        let placed = match version {
            Some(version) if !self.is_still(folder, version)? => {
                return Err(Error::Changed {
                    object: self.object.clone(),
                });
            }
            Some(_) => named(folder, unnamed.as_ref(), bytes)
                .and_then(|()| fs::renameat(folder, TEMPORARY, folder, name)),
            None => match unnamed.map(|file| link(&file, folder, name)) {
                Some(Ok(())) => Ok(()),
                Some(Err(error)) if !NO_LINKS.contains(&error) => Err(error),
                _ => named(folder, None, bytes).and_then(|()| give_name(folder, name)),
            },
        };
        if placed.is_err() {
            remove(folder, TEMPORARY).map_err(failed)?;
        }
        // The lock ends with the directory's handle.
        match placed {
            Err(Errno::EXIST) => Err(Error::Exists {
                object: self.object.clone(),
            }),
            other => other.map_err(failed),
        }
    }

    fn is_still(&self, folder: &OwnedFd, version: &Version) -> Result<bool, Error> {
        if version.0.starts_with(LARGE) {
            let stat = fs::statat(folder, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            return Ok(stat.is_ok_and(|stat| large(&stat) == *version));
        }
        match self.read(folder, manifest::MAX_BYTES) {
            Ok(object) => Ok(object.version == *version),
            Err(Error::NotFound { .. } | Error::Oversized { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> Result<Listing, Error> {
        let complete = Listing {
            complete: true,
            ..Listing::default()
        };
        let folder = match self.folder() {
            Err(Error::NotFound { .. }) => return Ok(complete),
            other => other?,
        };
        let failed = |error| self.failed("read", error);
        let mut listing = complete;
        for (number, entry) in fs::Dir::new(folder).map_err(failed)?.enumerate() {
            let entry = entry.map_err(failed)?;
            match entry.file_name().to_str() {
                Ok(name) if !name.starts_with('.') => listing.names.push(name.to_owned()),
                _ => {}
            }
            if number >= MOST_NAMES {
                listing.complete = false;
                break;
            }
        }
        listing.names.sort_unstable();
        Ok(listing)
    }

    fn failed(&self, action: &'static str, error: Errno) -> Error {
        let object = self.object.clone();
        let reason = || std::io::Error::from(error).to_string();
        let other = |error: error::Error| Error::Backend(SharedError::new(error));
        match error {
            // A file where a directory belongs: as in a bucket, nothing lies below it.
            Errno::NOENT | Errno::NOTDIR => Error::NotFound { object },
            Errno::NOSPC | Errno::DQUOT => other(error::Error::Full { object }),
            Errno::ROFS => other(error::Error::ReadOnly { object }),
            Errno::ACCESS | Errno::PERM => {
                let reason = reason();
                Error::Denied(SharedError::new(error::Error::Denied {
                    action,
                    object,
                    reason,
                }))
            }
            _ => other(error::Error::Io {
                action,
                object,
                reason: reason(),
            }),
        }
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What begins the version of an object that is too large to be read.
const LARGE: &str = "large:";

fn large(stat: &Stat) -> Version {
    let Stat {
        st_ino,
        st_size,
        st_mtime,
        st_mtime_nsec,
        ..
    } = stat;
    Version(format!(
        "{LARGE}{st_ino}:{st_size}:{st_mtime}:{st_mtime_nsec}"
    ))
}

/// Opens what lies below `folder` at `path`, following no link: `LOOP` if there is one.
fn beneath(folder: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let no_links = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match fs::openat2(folder, path, flags, Mode::empty(), no_links) {
        // A kernel before 5.6, or a sandbox that does not know the call: one component at a time.
        Err(Errno::NOSYS | Errno::PERM) => {}
        other => return other,
    }
    let mut current = fs::openat(folder, ".", FOLDER, Mode::empty())?;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let flags = if names.peek().is_some() {
            FOLDER
        } else {
            flags
        };
        current = match fs::openat(&current, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
            // What Linux says of a link that may not be followed depends on the flags.
            Err(Errno::NOTDIR) if is_link(&current, name) => return Err(Errno::LOOP),
            other => other?,
        };
    }
    Ok(current)
}

fn is_link(folder: &OwnedFd, name: &str) -> bool {
    fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// A durable file without a name, or `None` where the file system has no such thing.
fn unnamed(folder: &OwnedFd, bytes: &[u8]) -> Result<Option<File>, Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = match fs::openat(folder, ".", flags, Mode::from_raw_mode(0o666)) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => return Ok(None),
        other => File::from(other?),
    };
    fill(&file, bytes)?;
    Ok(Some(file))
}

/// What a file system without hard links says, or a machine without /proc.
const NO_LINKS: [Errno; 3] = [Errno::NOENT, Errno::OPNOTSUPP, Errno::PERM];

/// Gives the named draft its own name, unless something has it.
fn give_name(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match fs::renameat_with(folder, TEMPORARY, folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {}
        other => return other,
    }
    let linked = fs::linkat(folder, TEMPORARY, folder, name, AtFlags::empty());
    remove(folder, TEMPORARY).and(linked)
}

/// Gives a draft its temporary name: links the unnamed file, or writes one.
fn named(folder: &OwnedFd, unnamed: Option<&File>, bytes: &[u8]) -> Result<(), Errno> {
    if let Some(file) = unnamed {
        match link(file, folder, TEMPORARY) {
            Err(error) if NO_LINKS.contains(&error) => {}
            other => return other,
        }
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = fs::openat(folder, TEMPORARY, flags, Mode::from_raw_mode(0o666))?;
    fill(&File::from(file), bytes)
}

fn fill(mut file: &File, bytes: &[u8]) -> Result<(), Errno> {
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|error| errno(&error))
}

/// Names an unnamed file. By way of /proc, for the direct way wants a capability on kernels before
/// 6.10; `NOENT` means that there is no /proc.
fn link(file: &File, folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::linkat(CWD, unnamed, folder, name, AtFlags::SYMLINK_FOLLOW)
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn remove(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}
