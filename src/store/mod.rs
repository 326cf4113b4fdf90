//! Where objects lie: the trait of a store, and errors by meaning.
//!
//! Every read is bounded by what is read, never by what a length claims. Writes are conditional:
//! an object is created where there is none, or replaced in the version that was read.

mod help;
pub mod local;
pub mod s3;

use async_trait::async_trait;

use crate::aws;
use crate::aws::response::ErrorResponse;
use crate::net::unreachable::Unreachable;

/// A bucket or a directory.
#[async_trait]
pub trait Store: Send + Sync {
    /// Names an object in errors: `s3://bucket/key`.
    fn locate(&self, key: &str) -> String;

    /// Opens connections that will be needed, while the credentials are on their way. Nothing waits for
    /// them; a store that has none does nothing.
    fn preconnect(&self) {}

    /// Reads an object of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`Error`]; [`Error::Oversized`] still tells the object's version.
    async fn read(&self, key: &str, limit: u64) -> Result<Object, Error>;

    /// Reads an object unless it still is `version`, which gives `None`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    async fn read_unless(
        &self,
        key: &str,
        limit: u64,
        version: &Version,
    ) -> Result<Option<Object>, Error>;

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
}

/// One page of names, sorted: what is not on it is absent only if the page is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The names, at most a thousand.
    pub names: Vec<String>,
    /// Whether there are no more.
    pub complete: bool,
}

impl Listing {
    /// Whether `name` is on the page.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|listed| listed == name)
    }

    /// Whether `name` is known not to exist.
    pub fn lacks(&self, name: &str) -> bool {
        self.complete && !self.has(name)
    }
}

/// An object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Which version of it.
    pub version: Version,
}

/// What tells one content of an object from another: an S3 ETag, or a local file's digest. It means
/// nothing beyond the store that gave it, and is never taken for the content's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// Why a store did not do what it was asked, by meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object is not the version that was to be replaced, or is gone.
    #[error("`{object}` was changed by somebody else")]
    Changed {
        /// The object.
        object: String,
    },
    /// Credentials, or the clock.
    #[error(transparent)]
    Common(aws::Error),
    /// The caller may not do this.
    #[error("{action} on `{object}` was refused: {answer}")]
    Denied {
        /// `s3:GetObject`, `s3:PutObject`, `s3:ListBucket`, or `read` and `write` of files.
        action: &'static str,
        /// The object.
        object: String,
        /// What the service or the operating system said.
        answer: ErrorResponse,
    },
    /// There is an object already.
    #[error("`{object}` exists already")]
    Exists {
        /// The object.
        object: String,
    },
    /// The file system is full.
    #[error("the disk is full: `{object}` was not written")]
    Full {
        /// The object.
        object: String,
    },
    /// The file system failed.
    #[error("cannot {action} `{object}`: {reason}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The object.
        object: String,
        /// What the operating system said.
        reason: String,
    },
    /// The bucket does not exist.
    #[error("the bucket `{bucket}` does not exist: {answer}")]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// What the service said.
        answer: ErrorResponse,
    },
    /// What stands there is not a file.
    #[error("`{object}` is not a regular file")]
    NotAFile {
        /// The object.
        object: String,
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
    /// The file system does not take writes.
    #[error("the file system is read-only: `{object}` was not written")]
    ReadOnly {
        /// The object.
        object: String,
    },
    /// A symbolic link stands where a directory or a file belongs.
    #[error("`{object}` is reached through a symbolic link, which is not followed")]
    Symlink {
        /// The object.
        object: String,
    },
    /// The service answered with an error that has no meaning of its own here.
    #[error("{action} on `{object}` failed: {answer}")]
    Service {
        /// The action.
        action: &'static str,
        /// The object.
        object: String,
        /// What the service said.
        answer: ErrorResponse,
    },
    /// The service could not be reached, or answered nothing that could be read.
    #[error("cannot reach S3 for `{object}`: {reason}")]
    Unreachable {
        /// The object.
        object: String,
        /// What failed.
        reason: Unreachable,
    },
    /// The bucket lies in another region, and the answer did not lead to it.
    #[error("the bucket `{bucket}` is not in the region {region}: {answer}")]
    WrongRegion {
        /// The bucket.
        bucket: String,
        /// The region that was asked.
        region: String,
        /// What the service said.
        answer: ErrorResponse,
    },
}

impl Error {
    /// Whether the object is not there, or was refused in a way that may mean so.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }
}
