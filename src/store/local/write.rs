//! Writes an object whole: a draft, which then gets the object's name.
//!
//! The draft has no name where the file system can do that ([`O_TMPFILE`][tmp]), and otherwise a random one: a file system may be shared by machines that do not see each other's locks. It gets the object's name by a
//! link, or by a rename that replaces nothing. Mounts of buckets and the like have neither
//! ([rclone, gcsfuse](https://github.com/systemd/casync/issues/202)), and every one has an error of its own for that:
//! there, under the lock, a look and a plain rename serve, and what is there then is read back.
//!
//! [tmp]: https://man7.org/linux/man-pages/man2/open.2.html

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use s3lo_core::manifest;
use tokio::time::{Instant, sleep};

use crate::diagnostic::SharedError;
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::store::local::lock::{holder, try_lock};
use crate::store::local::{Place, errno, error, version};
use crate::store::{Error, Version};
use crate::tasks::run_blocking;

/// The pauses between two attempts to get the lock: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(200));

/// The beginning and the end of drafts' names. The middle is random.
const DRAFT: (&str, &str) = (".s3lo.", ".tmp");

/// The age from which a draft is an orphan: that of a process that was killed.
const ORPHAN_AGE: Duration = Duration::from_secs(60 * 60);

/// Writes an object where there is none, or in the place of `version`. Another writer is waited for until the deadline.
pub(super) async fn put(
    place: Place,
    bytes: Vec<u8>,
    version: Option<Version>,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    let object = place.object.clone();
    let _call = calls::begin(Awaited::writing(&object));
    let mut waiting = None;
    let mut writing = run_blocking(move || Writing::begin(place, bytes, version)).await?;
    let mut pause = PAUSES.0;
    loop {
        writing = match run_blocking(move || writing.attempt()).await {
            Attempt::Done(done) => return done,
            Attempt::Locked(writing) => writing,
        };
        let over = |deadline| Instant::now().checked_add(pause) >= Some(deadline);
        if deadline.is_some_and(over) {
            return Err(writing.locked());
        }
        waiting.get_or_insert_with(|| calls::begin(Awaited::Lock(object.clone())));
        tracing::debug!("{}: the directory is locked", writing.place.object);
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSES.1);
    }
}

/// A draft on its way to its name.
struct Writing {
    place: Place,
    folder: OwnedFd,
    bytes: Vec<u8>,
    /// The draft, if it has no name.
    unnamed: Option<File>,
    version: Option<Version>,
}

enum Attempt {
    Done(Result<(), Error>),
    /// Another process has the lock.
    Locked(Box<Writing>),
}

impl Writing {
    fn begin(place: Place, bytes: Vec<u8>, version: Option<Version>) -> Result<Box<Self>, Error> {
        let folder = match version {
            Some(_) => place.folder()?,
            None => place.made_folder()?,
        };
        let unnamed = unnamed(&folder, &bytes).map_err(|error| place.failed("write", error))?;
        Ok(Box::new(Self {
            place,
            folder,
            bytes,
            unnamed,
            version,
        }))
    }

    fn attempt(self: Box<Self>) -> Attempt {
        match try_lock(&self.folder) {
            Ok(false) => Attempt::Locked(self),
            Ok(true) => Attempt::Done(self.place_draft()),
            Err(error) => Attempt::Done(Err(self.place.failed("write", error))),
        }
        // The lock ends with the directory's handle.
    }

    fn locked(&self) -> Error {
        Error::Backend(SharedError::new(error::Error::Locked {
            object: self.place.object.clone(),
            holder: holder(&self.folder),
        }))
    }

    /// Under the lock.
    fn place_draft(&self) -> Result<(), Error> {
        let (folder, name) = (&self.folder, self.place.name.as_str());
        let object = || self.place.object.clone();
        remove_orphans(folder);
        let placed = match &self.version {
            Some(version) if !self.is_still(version)? => {
                return Err(Error::Changed { object: object() });
            }
            Some(_) => self.replace(name).map(|()| Placed::Renamed),
            None => create(folder, self.unnamed.as_ref(), &self.bytes, name, &CALLS),
        };
        match placed {
            Ok(Placed::Atomically) => Ok(()),
            Ok(Placed::Renamed) => self.read_back(),
            Err(Errno::EXIST) => Err(Error::Exists { object: object() }),
            Err(Errno::ISDIR) => Err(Error::NotAFile {
                object: object(),
                version: version::directory(),
            }),
            Err(error) => Err(self.place.failed("write", error)),
        }
    }

    fn replace(&self, name: &str) -> Result<(), Errno> {
        let draft = Draft::new(&self.folder, self.unnamed.as_ref(), &self.bytes)?;
        draft.rename(name)
    }

    /// Whether the name still has this version.
    fn is_still(&self, version: &Version) -> Result<bool, Error> {
        let limit = version::limit(version).unwrap_or(manifest::MAX_BYTES);
        match self.place.read(&self.folder, limit) {
            Ok(object) => Ok(object.version == *version),
            Err(
                Error::Oversized { version: now, .. }
                | Error::NotAFile { version: now, .. }
                | Error::Symlink {
                    version: Some(now), ..
                },
            ) => Ok(now == *version),
            Err(Error::NotFound { .. } | Error::Symlink { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Looks whether the object is ours: without a lock that all writers see, another one may have been faster.
    fn read_back(&self) -> Result<(), Error> {
        let ours = version::whole(&self.bytes);
        if self.is_still(&ours)? {
            return Ok(());
        }
        let object = self.place.object.clone();
        Err(match self.version {
            Some(_) => Error::Changed { object },
            None => Error::Exists { object },
        })
    }
}

/// How a draft got its name.
#[derive(Debug, PartialEq, Eq)]
enum Placed {
    /// By a call that replaces nothing.
    Atomically,
    /// By a rename, which replaces any file there.
    Renamed,
}

/// The calls that file systems lack, each with an error of its own.
struct Calls {
    link_unnamed: fn(&File, &OwnedFd, &str) -> Result<(), Errno>,
    rename: fn(&OwnedFd, &str, &str) -> Result<(), Errno>,
    link: fn(&OwnedFd, &str, &str) -> Result<(), Errno>,
}

const CALLS: Calls = Calls {
    link_unnamed,
    rename: |folder, from, to| fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE),
    link: |folder, from, to| fs::linkat(folder, from, folder, to, AtFlags::empty()),
};

/// Creates an object, under the lock: `EXIST` if there is one. Any other error of a call means that the next one must
/// serve.
fn create(
    folder: &OwnedFd,
    unnamed: Option<&File>,
    bytes: &[u8],
    name: &str,
    calls: &Calls,
) -> Result<Placed, Errno> {
    if let Some(file) = unnamed {
        match (calls.link_unnamed)(file, folder, name) {
            Ok(()) => return Ok(Placed::Atomically),
            Err(Errno::EXIST) => return Err(Errno::EXIST),
            Err(_) => {}
        }
    }
    let draft = Draft::new(folder, None, bytes)?;
    for call in [calls.rename, calls.link] {
        match call(folder, &draft.name, name) {
            Ok(()) => return Ok(Placed::Atomically),
            Err(Errno::EXIST) => return Err(Errno::EXIST),
            Err(_) => {}
        }
    }
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => draft.rename(name).map(|()| Placed::Renamed),
        Err(error) => Err(error),
    }
}

/// A draft with a name of its own, which is removed in the end.
struct Draft<'a> {
    folder: &'a OwnedFd,
    name: String,
}

impl<'a> Draft<'a> {
    /// Links the unnamed file, or writes one.
    fn new(folder: &'a OwnedFd, unnamed: Option<&File>, bytes: &[u8]) -> Result<Self, Errno> {
        let mut random = [0_u8; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Errno::IO)?;
        let random = u64::from_le_bytes(random);
        let draft = Self {
            folder,
            name: format!("{}{random:016x}{}", DRAFT.0, DRAFT.1),
        };
        let name = draft.name.as_str();
        if unnamed.is_some_and(|file| link_unnamed(file, folder, name).is_ok()) {
            return Ok(draft);
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = fs::openat(folder, name, flags, Mode::from_raw_mode(0o666))?;
        fill(&File::from(file), bytes)?;
        Ok(draft)
    }

    fn rename(&self, name: &str) -> Result<(), Errno> {
        fs::renameat(self.folder, self.name.as_str(), self.folder, name)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = fs::unlinkat(self.folder, self.name.as_str(), AtFlags::empty());
    }
}

/// Removes what killed processes left behind. A failure leaves it to the next writer.
fn remove_orphans(folder: &OwnedFd) {
    let Ok(entries) = fs::Dir::read_from(folder) else {
        return;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if !bytes.starts_with(DRAFT.0.as_bytes()) || !bytes.ends_with(DRAFT.1.as_bytes()) {
            continue;
        }
        let Ok(stat) = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let age = now.checked_sub(u64::try_from(stat.st_mtime).unwrap_or_default());
        if age.is_some_and(|age| age >= ORPHAN_AGE.as_secs()) {
            let _ = fs::unlinkat(folder, name, AtFlags::empty());
        }
    }
}

/// A durable file without a name, or `None` where the file system has no such thing.
fn unnamed(folder: &OwnedFd, bytes: &[u8]) -> Result<Option<File>, Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let Ok(file) = fs::openat(folder, ".", flags, Mode::from_raw_mode(0o666)) else {
        // If the directory cannot be written to at all, that shows next.
        return Ok(None);
    };
    let file = File::from(file);
    fill(&file, bytes)?;
    Ok(Some(file))
}

fn fill(mut file: &File, bytes: &[u8]) -> Result<(), Errno> {
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|error| errno(&error))
}

/// Names an unnamed file. By way of /proc, for the direct way wants a capability on kernels before
/// 6.10; `NOENT` means that there is no /proc.
fn link_unnamed(file: &File, folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::linkat(CWD, unnamed, folder, name, AtFlags::SYMLINK_FOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors that file systems were seen to give for links and RENAME_NOREPLACE.
    const ERRORS: [Errno; 8] = [
        Errno::PERM,
        Errno::NOSYS,
        Errno::IO,
        Errno::INVAL,
        Errno::OPNOTSUPP,
        Errno::MLINK,
        Errno::XDEV,
        Errno::NOENT,
    ];

    fn folder() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let handle = File::open(folder.path()).unwrap();
        (folder, handle.into())
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    /// The calls of a file system that answers each with `error`.
    macro_rules! without {
        ($error:expr) => {
            Calls {
                link_unnamed: |_, _, _| Err($error),
                rename: |_, _, _| Err($error),
                link: |_, _, _| Err($error),
            }
        };
    }

    fn calls_without(error: Errno) -> Calls {
        match error {
            Errno::PERM => without!(Errno::PERM),
            Errno::NOSYS => without!(Errno::NOSYS),
            Errno::IO => without!(Errno::IO),
            Errno::INVAL => without!(Errno::INVAL),
            Errno::OPNOTSUPP => without!(Errno::OPNOTSUPP),
            Errno::MLINK => without!(Errno::MLINK),
            Errno::XDEV => without!(Errno::XDEV),
            _ => without!(Errno::NOENT),
        }
    }

    #[test]
    fn without_links_and_exclusive_renames_an_object_is_created_once() {
        for error in ERRORS {
            let (folder, handle) = folder();
            let unnamed = unnamed(&handle, b"first").unwrap();
            let calls = calls_without(error);
            let first = create(&handle, unnamed.as_ref(), b"first", "a.json", &calls);
            assert_eq!(first, Ok(Placed::Renamed), "{error}");
            let second = create(&handle, None, b"second", "a.json", &calls);
            assert_eq!(second, Err(Errno::EXIST), "{error}");
            let bytes = std::fs::read(folder.path().join("a.json")).unwrap();
            assert_eq!(bytes, b"first", "{error}");
            assert_eq!(names(&folder), ["a.json"], "{error}");
        }
    }

    #[test]
    fn one_call_that_works_is_enough() {
        let one: [Calls; 3] = [
            Calls {
                link_unnamed: CALLS.link_unnamed,
                ..without!(Errno::IO)
            },
            Calls {
                rename: CALLS.rename,
                ..without!(Errno::IO)
            },
            Calls {
                link: CALLS.link,
                ..without!(Errno::IO)
            },
        ];
        for calls in one {
            let (folder, handle) = folder();
            let unnamed = unnamed(&handle, b"first").unwrap();
            let create = || create(&handle, unnamed.as_ref(), b"first", "a.json", &calls);
            assert_eq!(create(), Ok(Placed::Atomically));
            assert_eq!(create(), Err(Errno::EXIST));
            assert_eq!(names(&folder), ["a.json"]);
        }
    }

    #[test]
    fn an_orphan_is_removed_when_it_is_old_and_nothing_else_is() {
        let (folder, handle) = folder();
        let old = SystemTime::now() - 2 * ORPHAN_AGE;
        for (name, is_old) in [
            (".s3lo.0123456789abcdef.tmp", true),
            (".s3lo.tmp", true),
            (".s3lo.fedcba9876543210.tmp", false),
            ("0123456789abcdef.json", true),
        ] {
            let file = File::create(folder.path().join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        remove_orphans(&handle);
        let mut left = names(&folder);
        left.sort();
        assert_eq!(
            left,
            [".s3lo.fedcba9876543210.tmp", "0123456789abcdef.json"]
        );
    }
}
