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

/// Whether a part of a path stands for itself in a URL and in a policy, where `+` alone is a wildcard.
pub(crate) fn is_segment(text: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-@+~:=,".contains(&byte);
    !matches!(text, "" | "." | ".." | "+") && text.bytes().all(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_a_path_that_stands_for_itself() {
        for (text, path) in [
            ("transit", "transit"),
            ("/team/a/transit/", "team/a/transit"),
            ("team@acme/transit", "team@acme/transit"),
            ("ci+prod/transit", "ci+prod/transit"),
            ("team~a/transit", "team~a/transit"),
            ("eu:1/transit", "eu:1/transit"),
        ] {
            assert_eq!(Mount::parse(text).unwrap().as_str(), path);
        }
        for text in [
            "", "/", "a//b", ".", "a/../b", "a b", "a?b", "a#b", "a%2fb", "a\\b", "a*", "+/a",
            "a\"b", "ä",
        ] {
            assert!(Mount::parse(text).is_none(), "{text}");
        }
    }
}
