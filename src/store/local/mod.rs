//! `local://`: a directory, laid out as a bucket.
//!
//! Below the root no symbolic link is followed: a reference cannot be led out of the store by what
//! lies in it. A file system has no compare-and-swap, so an object is written whole and durable under a
//! temporary name, or none, and then gets its name under a lock on its directory (`write`). A process that is
//! killed in between leaves the object as it was. A power cut may take back the name of the last seconds, and never
//! leaves half an object under it.

mod beneath;
mod error;
mod lock;
mod meant;
mod version;
mod write;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use s3lo_core::reference::{Reference, Scheme};
use tokio::time::Instant;

use crate::context::Context;
use crate::diagnostic::{Diagnostic, SharedError};
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::store::in_flight::{self, Reservation};
use crate::store::local::beneath::{FOLDER, beneath};
use crate::store::{Backend, Error, Listed, Listing, Object, Store, Version};
use crate::tasks::run_blocking;
use crate::text::os_reason;

/// The backend of directories. It has no options.
#[derive(Args, Clone, Debug, Default)]
pub struct Local {}

#[async_trait]
impl Backend for Local {
    fn scheme(&self) -> Scheme {
        Scheme::LOCAL
    }

    async fn open(&self, root: &str, context: &Context) -> Result<Arc<dyn Store>, Diagnostic> {
        Ok(Arc::new(LocalStore {
            deadline: Some(context.deadline()),
            ..LocalStore::new(root)
        }))
    }
}

/// A directory that holds a store.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
    written: String,
    /// The end of the run, until which a lock is waited for.
    deadline: Option<Instant>,
}

impl LocalStore {
    /// The store below `root`, which need not exist yet.
    pub fn new(root: &str) -> Self {
        Self {
            root: root.into(),
            written: root.to_owned(),
            deadline: None,
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

    async fn meant(&self, reference: &Reference) -> Option<String> {
        let reference = reference.clone();
        run_blocking(move || meant::meant(&reference)).await
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Object, Error> {
        let place = self.at(key);
        let reservation = in_flight::reserve(limit).await;
        let _call = calls::begin(Awaited::reading(&self.locate(key)));
        let object =
            run_blocking(move || place.read_below(&place.root()?, &place.path(), limit)).await?;
        Ok(Object {
            reservation,
            ..object
        })
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        write::put(self.at(key), bytes.to_vec(), None, self.deadline).await
    }

    async fn replace(&self, key: &str, bytes: &[u8], version: &Version) -> Result<(), Error> {
        let version = Some(version.clone());
        write::put(self.at(key), bytes.to_vec(), version, self.deadline).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let place = self.at(prefix);
        let _call = calls::begin(Awaited::reading(&self.locate(prefix)));
        run_blocking(move || place.list()).await
    }
}

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
        let in_the_way = |error| match error {
            Errno::NOTDIR | Errno::EXIST => {
                Error::Backend(SharedError::new(error::Error::NotADirectory {
                    object: self.object.clone(),
                }))
            }
            Errno::LOOP => self.refused(Errno::LOOP),
            other => self.failed("write", other),
        };
        if !self.root.is_dir() {
            std::fs::create_dir_all(&self.root).map_err(|error| in_the_way(errno(&error)))?;
        }
        self.make(&self.root()?, &self.folders).map_err(in_the_way)
    }

    fn make(&self, root: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
        match beneath(root, path, FOLDER) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let (parent, name) = match path.rsplit_once('/') {
            Some((above, name)) => (Some(self.make(root, above)?), name),
            None => (None, path),
        };
        let parent = parent.as_ref().unwrap_or(root);
        match fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        beneath(parent, name, FOLDER)
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
                version: None,
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
        let object = || self.object.clone();
        // Opening a device may have effects, and that of a socket fails: first a look at what it is.
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let seen = beneath(folder, path, look).map_err(|error| self.refused(error))?;
        let stat = fs::fstat(&seen).map_err(failed)?;
        let not_a_file = |stat: &Stat| Error::NotAFile {
            object: object(),
            version: version::metadata(stat),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => {
                return Err(Error::Symlink {
                    object: object(),
                    version: Some(version::metadata(&stat)),
                });
            }
            _ => return Err(not_a_file(&stat)),
        }
        // Without NONBLOCK a FIFO that takes its place, or a lease on it, would hold us for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = beneath(folder, path, flags).map_err(|error| match error {
            // A file with a lease (fcntl(2)), a socket, a device without a driver.
            Errno::AGAIN | Errno::NXIO | Errno::NODEV => not_a_file(&stat),
            other => self.refused(other),
        })?;
        let stat = fs::fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_a_file(&stat));
        }
        // Not more than that is reserved for it.
        let size = u64::try_from(stat.st_size).unwrap_or_default().min(limit);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let file = File::from(file);
        (&file)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| failed(errno(&error)))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            return Ok(Object {
                version: version::whole(&bytes),
                bytes,
                reservation: Reservation::default(),
            });
        }
        Err(Error::Oversized {
            object: object(),
            limit,
            version: version::oversized(&file, &stat, &bytes, limit),
        })
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
        for (number, entry) in fs::Dir::read_from(&folder).map_err(failed)?.enumerate() {
            let entry = entry.map_err(failed)?;
            let name = match entry.file_name().to_str() {
                Ok(name) if !name.starts_with('.') => name.to_owned(),
                _ => continue,
            };
            if number >= MOST_NAMES {
                listing.complete = false;
                break;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => fs::statat(&folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| {
                        FileType::from_raw_mode(stat.st_mode)
                    }),
                kind => kind,
            };
            if kind == FileType::Directory {
                listing.folders.push(name.clone());
            }
            // A directory that has the name of an object stands in its way.
            listing.objects.push(Listed {
                name,
                version: None,
            });
        }
        listing.folders.sort_unstable();
        listing
            .objects
            .sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(listing)
    }

    fn failed(&self, action: &'static str, error: Errno) -> Error {
        let object = self.object.clone();
        let reason = || os_reason(&std::io::Error::from(error));
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

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
