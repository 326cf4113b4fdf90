//! The path of a mount: of a secrets engine, a login method or a namespace.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt;

/// The path of a mount: `transit`, or several parts with slashes between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mount(String);

/// The longest path of a mount, in bytes.
const MAX_MOUNT_LEN: usize = 512;

impl Mount {
    /// Reads a mount's path. Slashes around it are not part of it.
    pub fn parse(text: &str) -> Option<Self> {
        let path = text.trim_matches('/');
        let valid = path.len() <= MAX_MOUNT_LEN && path.split('/').all(is_segment);
        valid.then(|| Self(path.to_owned()))
    }

    /// The path, without slashes around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a part of a path needs no quoting in a policy, a URL or a shell.
fn is_segment(text: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(byte)
}
