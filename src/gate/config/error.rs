//! Errors of the gate's file, with their advice.

use std::io;
use std::path::{Path, PathBuf};

use crate::bounded_file;
use crate::diagnostic::Explain;
use crate::gate::config::VARIABLE;
use crate::gate::name::Host;
use crate::gate::position::Position;

/// The reason why there are no settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no file.
    #[error("there is no `{}`", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file has a mistake.
    #[error("{}:{position}: {problem}", path.display())]
    Mistake {
        /// The path.
        path: PathBuf,
        /// The place of the mistake.
        position: Position,
        /// The mistake.
        problem: Problem,
    },
    /// The file cannot be read.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// A mistake in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The name of a bucket.
    #[error("`{0}` is not the name of a bucket")]
    Bucket(String),
    /// The name of a host.
    #[error("`{0}` is not a host that the name of an image can begin with")]
    Host(String),
    /// There is no host.
    #[error("there is no `[[hosts]]`")]
    NoHosts,
    /// The host does not lead to a store.
    #[error("nothing says where the images of `{0}` are")]
    NoLayout(Host),
    /// The file is not text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The place of the policy.
    #[error("`{0}` is not the path of a policy")]
    Policy(String),
    /// An option of S3.
    #[error("`{name}` has an invalid value")]
    S3 {
        /// The option.
        name: &'static str,
        /// The advice.
        expected: String,
    },
    /// The host leads to a store in more than one way.
    #[error("more than one field says where the images of `{0}` are")]
    SeveralLayouts(Host),
    /// The name of a store.
    #[error("`{0}` is not a store")]
    Store(String),
    /// The file is no TOML, or has other fields or other kinds of values.
    #[error("{0}")]
    Toml(String),
    /// The host is there twice, letter case and the ports of https and http aside.
    #[error("`{0}` appears twice")]
    Twice(Host),
}

impl Error {
    pub(super) fn of(path: &Path, error: bounded_file::Error) -> Self {
        let path = path.to_owned();
        match error {
            bounded_file::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::Missing { path }
            }
            error => Self::Unreadable {
                path,
                reason: error.to_string(),
            },
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "gate_file_not_found",
            Self::Unreadable { .. } => "gate_file_unreadable",
            Self::Mistake { .. } => "bad_gate_file",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Missing { .. } => format!(
                "write it, or name another file in {VARIABLE}, in the environment of containerd"
            ),
            Self::Unreadable { .. } => {
                "make it a regular file of at most 64 KiB that root may read".to_owned()
            }
            Self::Mistake { problem, .. } => problem.help(),
        }
    }
}

impl Problem {
    fn help(&self) -> String {
        match self {
            Self::Bucket(_) => "write the bucket alone: bucket = \"prod\"".to_owned(),
            Self::Host(_) => {
                "write it as in the names of images, with its port if it has one: host = \"registry.example:5000\"".to_owned()
            }
            Self::NoHosts => "add a table [[hosts]] for each host whose images have to be signed".to_owned(),
            Self::NoLayout(_) | Self::SeveralLayouts(_) => {
                "write one of these: layout = \"bucket-first\" if the first segment after the host is the bucket; bucket = \"prod\" if all its images are in one bucket".to_owned()
            }
            Self::NotUtf8 => "save it as UTF-8".to_owned(),
            Self::Policy(_) => {
                "write an absolute path, or one that is relative to this file: policy = \"policy.toml\"".to_owned()
            }
            Self::S3 { expected, .. } => expected.clone(),
            Self::Store(_) => "write store = \"s3://BUCKET\" or store = \"local://DIRECTORY\"".to_owned(),
            Self::Toml(_) => {
                "correct the field at this place; the fields are policy, other-images (\"allow\" or \"deny\"), by-digest (\"deny\" or \"any-tag\"), [[hosts]] with host and layout or bucket, and [s3]".to_owned()
            }
            Self::Twice(_) => "remove one of the two".to_owned(),
        }
    }
}
