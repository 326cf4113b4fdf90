//! Stores of objects: the extension point for kinds of store, the trait of a store, and errors by meaning.
//!
//! Every read is bounded by what is read, never by what a length claims. Writes are conditional:
//! an object is created where there is none, or replaced in the version that was read.

pub mod backend;
pub mod in_flight;
pub mod local;
pub mod s3;

use std::sync::Arc;

use async_trait::async_trait;
use s3lo_core::reference::{Reference, Scheme};
use s3lo_core::verdict::Found;

use crate::aws::arn::Arn;
use crate::aws::policy::Statement;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Explain, Fact, SharedError};
use crate::store::in_flight::Reservation;

/// A kind of store: its scheme, its command-line options, and how a store is opened.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The scheme of its references, with the rule for roots.
    fn scheme(&self) -> Scheme;

    /// Checks the options of this backend against the references of a run.
    ///
    /// # Errors
    ///
    /// An option that is invalid, or that is without effect on a reference.
    fn check_options(&self, _references: &[Reference]) -> Result<(), Diagnostic> {
        Ok(())
    }

    /// Opens the store of a root. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A setting that is missing or invalid.
    async fn open(&self, root: &str, context: &Context) -> Result<Arc<dyn Store>, Diagnostic>;
}

/// A bucket or a directory.
#[async_trait]
pub trait Store: Send + Sync {
    /// Names an object in errors: `s3://bucket/key`.
    fn locate(&self, key: &str) -> String;

    /// Advice for a reference to an image that is not in this store, where another reference was probably meant.
    async fn meant(&self, _reference: &Reference) -> Option<String> {
        None
    }

    /// Opens connections that will be needed, while the credentials are on their way. Nothing waits for
    /// them; a store that has none does nothing.
    fn preconnect(&self) {}

    /// The region in which the store was last asked, if it lies in one.
    fn region(&self) -> Option<String> {
        None
    }

    /// The IAM statements that a role needs to read and write objects. The keys are written as IAM writes them, in
    /// which `*` stands for any text.
    fn statements(&self, _caller: Option<&Arn>, _objects: &Objects) -> Vec<Statement> {
        Vec::new()
    }

    /// Warnings about the server: about its settings, and what showed while it was used.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Reads an object of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`Error`]; [`Error::NotFound`] only where that is certain. [`Error::Oversized`] and [`Error::Unreadable`] still
    /// tell the object's version.
    async fn read(&self, key: &str, limit: u64) -> Result<Object, Error>;

    /// Reads an object unless it still is `version`, which gives `None`. A store that can ask for that in the request
    /// itself does so, and saves the transfer.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    async fn read_unless(
        &self,
        key: &str,
        limit: u64,
        version: &Version,
    ) -> Result<Option<Object>, Error> {
        let object = self.read(key, limit).await?;
        Ok((object.version != *version).then_some(object))
    }

    /// Writes an object where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is one.
    async fn create(&self, key: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Writes an object in the place of `version`.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] if it is another version or gone.
    async fn replace(&self, key: &str, bytes: &[u8], version: &Version) -> Result<(), Error>;

    /// The names directly below `prefix`, which ends in `/`.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing below the prefix is an empty listing.
    async fn list(&self, prefix: &str) -> Result<Listing, Error>;

    /// The folders directly below `prefix`, which ends in `/`, if there are no more than `most` names. A store whose
    /// listings have pages gets as many of them as that takes.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    async fn folders(&self, prefix: &str, most: usize) -> Result<Folders, Error> {
        let Listing {
            folders, complete, ..
        } = self.list(prefix).await?;
        Ok(Folders {
            complete: complete && folders.len() <= most,
            names: folders,
        })
    }
}

/// Objects that a run reads, and those that it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// The keys that are read.
    pub read: Vec<String>,
    /// The keys that are written.
    pub written: Vec<String>,
}

/// One page of names, sorted: what is not on it is absent only if the page is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The objects, at most a thousand.
    pub objects: Vec<Listed>,
    /// The folders: what lies further below. In a directory each is among the objects too, since it takes the place of an
    /// object of its name.
    pub folders: Vec<String>,
    /// Whether there are no more.
    pub complete: bool,
}

/// Folders, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The names.
    pub names: Vec<String>,
    /// Whether there are no more.
    pub complete: bool,
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name below the prefix.
    pub name: String,
    /// Its version, where the store gives one.
    pub version: Option<Version>,
}

impl Listing {
    /// The object called `name`, if it is on the page.
    pub fn find(&self, name: &str) -> Option<&Listed> {
        self.objects.iter().find(|listed| listed.name == name)
    }

    /// Whether `name` is known not to exist.
    pub fn lacks(&self, name: &str) -> bool {
        self.complete && self.find(name).is_none()
    }
}

/// An object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Which version of it.
    pub version: Version,
    /// Its share of the memory for objects, which is free again once the object is dropped.
    pub reservation: Reservation,
}

/// The mark that distinguishes the contents of an object: an S3 ETag, or a local file's digest. It means
/// nothing beyond the store that gave it, and is never taken for the content's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error without a meaning for signing and verifying.
    #[error(transparent)]
    Backend(SharedError),
    /// The object is not the version that was to be replaced, or is gone.
    #[error("`{object}` was changed by another program")]
    Changed {
        /// The object.
        object: String,
    },
    /// The caller has no permission, or the store hides that the object does not exist.
    #[error(transparent)]
    Denied(SharedError),
    /// There is an object already.
    #[error("`{object}` already exists")]
    Exists {
        /// The object.
        object: String,
    },
    /// The object is not a file.
    #[error("`{object}` is not a regular file")]
    NotAFile {
        /// The object.
        object: String,
        /// Its version, by which it can be replaced.
        version: Version,
    },
    /// There is no such object.
    #[error("`{object}` does not exist")]
    NotFound {
        /// The object.
        object: String,
    },
    /// The object is larger than it may be.
    #[error("`{object}` is larger than {limit} bytes")]
    Oversized {
        /// The object.
        object: String,
        /// The bound, in bytes.
        limit: u64,
        /// The object's version, by which it can be replaced.
        version: Version,
    },
    /// The server has the object, and sends it in a form that cannot be read.
    #[error("`{object}` cannot be read: {reason}")]
    Unreadable {
        /// The object.
        object: String,
        /// The reason.
        reason: String,
        /// The object's version, by which it can be replaced.
        version: Version,
    },
    /// A symbolic link stands where a directory or a file belongs.
    #[error("`{object}` is reached through a symbolic link, which is not followed")]
    Symlink {
        /// The object.
        object: String,
        /// Its version, by which it can be replaced, if it is the link itself.
        version: Option<Version>,
    },
}

impl Error {
    /// Whether the caller has no permission, or the store hides whether the object exists.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }

    /// The finding in the object's place, if the store answered and there is something to judge.
    pub fn as_found(&self) -> Option<Found<'static>> {
        match self {
            Self::NotFound { .. } => Some(Found::Absent),
            Self::NotAFile { .. } | Self::Symlink { .. } => Some(Found::NotAFile),
            Self::Oversized { .. } => Some(Found::Oversized),
            Self::Unreadable { .. } => Some(Found::Unreadable),
            Self::Backend(_) | Self::Changed { .. } | Self::Denied(_) | Self::Exists { .. } => None,
        }
    }
}

/// The finding of a read, to judge it.
///
/// # Errors
///
/// The error of the read, if it is not known what is there.
pub fn found(read: &Result<Vec<u8>, Error>) -> Result<Found<'_>, &Error> {
    match read {
        Ok(bytes) => Ok(Found::Bytes(bytes)),
        Err(error) => error.as_found().ok_or(error),
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Backend(error) | Self::Denied(error) => error.code(),
            Self::Changed { .. } | Self::Exists { .. } => "conflict",
            Self::NotAFile { .. } => "not_a_file",
            Self::NotFound { .. } => "not_found",
            Self::Oversized { .. } => "oversized",
            Self::Unreadable { .. } => "unreadable",
            Self::Symlink { .. } => "symbolic_link",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Backend(error) | Self::Denied(error) => error.facts(),
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Backend(error) | Self::Denied(error) => error.help(),
            Self::Changed { .. } | Self::Exists { .. } => "run it again".to_owned(),
            Self::NotAFile { .. } => "remove what stands there, and sign again".to_owned(),
            Self::NotFound { .. } => "check the reference".to_owned(),
            Self::Oversized { .. } | Self::Unreadable { .. } => {
                "look at the object: it is not what s3lo or this program writes".to_owned()
            }
            Self::Symlink { .. } => {
                "replace the link with the directory or file itself; a store may only be linked to at its root".to_owned()
            }
        }
    }
}
