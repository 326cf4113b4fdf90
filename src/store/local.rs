//! `local://`: a directory, laid out as a bucket.
//!
//! Below the root no symbolic link is followed: a reference cannot be led out of the store by what
//! lies in it. A file system has no compare-and-swap, so a write is made whole and durable first,
//! without a name where the file system can ([`O_TMPFILE`][tmp]), and is then linked or renamed into
//! place under a lock on its directory. A process that is killed in between leaves the object as it
//! was; what it may leave beside it is a temporary name, which the next writer removes.
//!
//! [tmp]: https://man7.org/linux/man-pages/man2/open.2.html

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use async_trait::async_trait;
use rustix::fs::{self, AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{Answer, Error, Object, Store, Version};
use crate::blocking::blocking;
use crate::digest::Digest;
use crate::manifest;

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
        blocking(move || place.read(&place.folder()?, limit)).await
    }

    async fn read_unless(
        &self,
        key: &str,
        limit: u64,
        version: &Version,
    ) -> Result<Option<Object>, Error> {
        let object = self.read(key, limit).await?;
        Ok((object.version != *version).then_some(object))
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        let (place, bytes) = (self.at(key), bytes.to_vec());
        blocking(move || place.write(&place.made_folder()?, &bytes, None)).await
    }

    async fn replace(&self, key: &str, bytes: &[u8], version: &Version) -> Result<(), Error> {
        let (place, bytes, version) = (self.at(key), bytes.to_vec(), version.clone());
        blocking(move || place.write(&place.folder()?, &bytes, Some(&version))).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let place = self.at(prefix);
        blocking(move || place.list()).await
    }
}

/// The name that a draft has, in the moments in which it must have one. Only the holder of the
/// directory's lock makes or removes it, so whoever takes the lock and finds it has found an orphan.
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
    /// Opens the object's directory, one component at a time, following no link.
    fn folder(&self) -> Result<OwnedFd, Error> {
        self.walk(|_, _| Err(Errno::NOENT))
    }

    /// Opens the object's directory, making what is missing of it.
    fn made_folder(&self) -> Result<OwnedFd, Error> {
        if let Err(error) = std::fs::create_dir_all(&self.root) {
            return Err(self.failed("write", Errno::from_io_error(&error).unwrap_or(Errno::IO)));
        }
        self.walk(|parent, name| {
            match fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => fs::fsync(parent)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            fs::openat(parent, name, FOLDER, Mode::empty())
        })
    }

    fn walk(
        &self,
        missing: impl Fn(&OwnedFd, &str) -> Result<OwnedFd, Errno>,
    ) -> Result<OwnedFd, Error> {
        // The root itself is the user's word: it may be a link.
        let root = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = fs::openat(CWD, &self.root, root, Mode::empty())
            .map_err(|error| self.failed("read", error))?;
        for name in self.folders.split('/') {
            folder = match fs::openat(&folder, name, FOLDER, Mode::empty()) {
                Ok(child) => child,
                Err(Errno::NOENT) => {
                    missing(&folder, name).map_err(|error| self.failed("write", error))?
                }
                // What Linux says of a link that may not be followed depends on the flags.
                Err(Errno::LOOP | Errno::NOTDIR) if is_link(&folder, name) => {
                    return Err(Error::Symlink {
                        object: self.object.clone(),
                    });
                }
                Err(error) => return Err(self.failed("read", error)),
            };
        }
        Ok(folder)
    }

    fn read(&self, folder: &OwnedFd, limit: u64) -> Result<Object, Error> {
        let failed = |error| self.failed("read", error);
        // Without NONBLOCK a FIFO of this name would hold us for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match fs::openat(folder, self.name.as_str(), flags, Mode::empty()) {
            Err(Errno::LOOP) => {
                return Err(Error::Symlink {
                    object: self.object.clone(),
                });
            }
            other => other.map_err(failed)?,
        };
        let stat = fs::fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::Io {
                action: "read",
                object: self.object.clone(),
                reason: "it is not a regular file".to_owned(),
            });
        }
        let mut bytes = Vec::new();
        File::from(file)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
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
        let placed = match version {
            Some(version) if !self.is_still(folder, version)? => {
                return Err(Error::Changed {
                    object: self.object.clone(),
                });
            }
            Some(_) => named(folder, unnamed.as_ref(), bytes)
                .and_then(|()| fs::renameat(folder, TEMPORARY, folder, self.name.as_str())),
            None => match unnamed.map(|file| link(&file, folder, &self.name)) {
                Some(Ok(())) => Ok(()),
                Some(Err(error)) if error != Errno::NOENT => Err(error),
                _ => named(folder, None, bytes).and_then(|()| {
                    fs::linkat(
                        folder,
                        TEMPORARY,
                        folder,
                        self.name.as_str(),
                        AtFlags::empty(),
                    )
                }),
            },
        };
        remove(folder, TEMPORARY).map_err(failed)?;
        fs::flock(folder, FlockOperation::Unlock).map_err(failed)?;
        match placed {
            Err(Errno::EXIST) => Err(Error::Exists {
                object: self.object.clone(),
            }),
            Err(error) => Err(failed(error)),
            Ok(()) => fs::fsync(folder).map_err(failed),
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

    fn list(&self) -> Result<Vec<String>, Error> {
        let folder = match self.folder() {
            Err(Error::NotFound { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let failed = |error| self.failed("read", error);
        let mut names = Vec::new();
        for entry in fs::Dir::new(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.file_name().to_str() {
                Ok(name) if !name.starts_with('.') => names.push(name.to_owned()),
                _ => {}
            }
            if names.len() == MOST_NAMES {
                break;
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn failed(&self, action: &'static str, error: Errno) -> Error {
        let object = self.object.clone();
        match error {
            Errno::NOENT => Error::NotFound { object },
            Errno::NOSPC | Errno::DQUOT => Error::Full { object },
            Errno::ROFS => Error::ReadOnly { object },
            Errno::ACCESS | Errno::PERM => Error::Denied {
                action,
                object,
                answer: Answer {
                    message: Some(std::io::Error::from(error).to_string()),
                    ..Answer::default()
                },
            },
            other => Error::Io {
                action,
                object,
                reason: std::io::Error::from(other).to_string(),
            },
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

/// Gives a draft its temporary name: links the unnamed file, or writes one.
fn named(folder: &OwnedFd, unnamed: Option<&File>, bytes: &[u8]) -> Result<(), Errno> {
    if let Some(file) = unnamed {
        match link(file, folder, TEMPORARY) {
            Err(Errno::NOENT) => {}
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
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Names an unnamed file. By way of /proc, for the direct way wants a capability on kernels before
/// 6.10; `NOENT` means that there is no /proc.
fn link(file: &File, folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::linkat(CWD, unnamed, folder, name, AtFlags::SYMLINK_FOLLOW)
}

fn remove(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}
