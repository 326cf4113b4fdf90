//! Errors of directories, with their advice.

use s3lo_core::explain::Explain;

use crate::option_name::option;
use crate::text::quoted;

/// An error of the file system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The user has no permission.
    #[error("cannot {action} `{object}`: {reason}")]
    Denied {
        /// `read` or `write`.
        action: &'static str,
        /// The object.
        object: String,
        /// The reason, from the operating system.
        reason: String,
    },
    /// The file system is full.
    #[error("the disk is full: `{object}` was not written")]
    Full {
        /// The object.
        object: String,
    },
    /// Any other error.
    #[error("cannot {action} `{object}`: {reason}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The object.
        object: String,
        /// The reason, from the operating system.
        reason: String,
    },
    /// Another process has the lock.
    #[error("`{object}` was not written: {} has the lock of its directory", holder.as_deref().unwrap_or("another process"))]
    Locked {
        /// The object.
        object: String,
        /// The process, if the kernel shows it.
        holder: Option<String>,
    },
    /// A file has the name of a directory of the store.
    #[error("`{object}` was not written: a file is where the store has a directory")]
    NotADirectory {
        /// The object.
        object: String,
    },
    /// The file system is read-only.
    #[error("the file system is read-only: `{object}` was not written")]
    ReadOnly {
        /// The object.
        object: String,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "access_denied",
            Self::Full { .. } => "disk_full",
            Self::Io { .. } => "io",
            Self::Locked { .. } => "locked",
            Self::NotADirectory { .. } => "not_a_directory",
            Self::ReadOnly { .. } => "read_only",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Denied { action, object, .. } => format!(
                "let this user {action} it: `namei -l {}` shows who may",
                quoted(match *action {
                    // The file is not there yet.
                    "write" => object.rsplit_once('/').map_or(".", |(folder, _)| folder),
                    _ => object,
                })
            ),
            Self::Full { .. } => {
                "free some space and run it again; nothing was left half-written".to_owned()
            }
            Self::Io { .. } => "check the directory and its disk".to_owned(),
            Self::Locked { object, .. } => format!(
                "wait for that process to end, or give this run longer with {}: `lsof {}` shows which processes have the directory open",
                option("timeout").with("10m"),
                quoted(object.rsplit_once('/').map_or(".", |(folder, _)| folder))
            ),
            Self::NotADirectory { object } => format!(
                "remove the file, which is no part of an image: `namei -l {}` shows it",
                quoted(object)
            ),
            Self::ReadOnly { .. } => {
                "mount the store writable, or sign on another machine; verifying writes nothing"
                    .to_owned()
            }
        }
    }
}
