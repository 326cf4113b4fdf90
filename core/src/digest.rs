//! The digest of a manifest: `sha256:<64 hex>`.
//!
//! The form is that of the [OCI image specification][oci]: lower-case hex only. Other algorithms are
//! refused, because neither the payload nor the record can name them.
//!
//! [oci]: https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::explain::Explain;

const PREFIX: &str = "sha256:";

/// The SHA-256 of a manifest's exact bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes `bytes` as they are.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hex digits, without the name of the algorithm.
    pub fn hex(self) -> String {
        format!("{self}").split_off(PREFIX.len())
    }

    /// The key of the object with these bytes in a store: `blobs/sha256/<64 hex>`.
    pub fn blob_key(self) -> String {
        format!("blobs/{self}").replace(':', "/")
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error`] unless `text` is `sha256:` and 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix(PREFIX).ok_or(Error::Algorithm)?;
        if hex.len() != 64 {
            return Err(Error::Length);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = match pair {
                [high, low] => (nibble(*high)? << 4) | nibble(*low)?,
                _ => return Err(Error::Length),
            };
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The reason why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin with `sha256:`.
    #[error("a digest begins with `sha256:`")]
    Algorithm,
    /// It has other characters than `0-9a-f`.
    #[error("a digest holds only the digits 0-9 and a-f, in lower case")]
    Hex,
    /// It is not at the end of a reference.
    #[error("a reference has one digest at most, at its end")]
    NotLast,
    /// It has too few or too many digits.
    #[error("a sha256 digest has 64 hex digits")]
    Length,
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "bad_digest"
    }

    fn help(&self) -> String {
        "write `sha256:` and 64 lower-case hex digits, as `sha256sum manifest.json` prints them"
            .to_owned()
    }
}

fn nibble(digit: u8) -> Result<u8, Error> {
    match digit {
        b'0'..=b'9' => Ok(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => Err(Error::Hex),
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_digest_prints_as_it_is_read() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), text);
        assert_eq!(text.parse(), Ok(Digest::of(b"")));
    }

    #[test]
    fn nothing_else_is_a_digest() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, error) in [
            (hex.to_owned(), Error::Algorithm),
            (format!("sha512:{hex}"), Error::Algorithm),
            (format!("SHA256:{hex}"), Error::Algorithm),
            (format!("sha256:{}", hex.to_uppercase()), Error::Hex),
            (format!("sha256:{hex}00"), Error::Length),
            (format!("sha256:{}", &hex[2..]), Error::Length),
            (format!("sha256:{}\n", &hex[1..]), Error::Hex),
            (format!("sha256: {}", &hex[1..]), Error::Hex),
            (format!("sha256:+{}", &hex[1..]), Error::Hex),
            (String::new(), Error::Algorithm),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(error), "{text:?}");
        }
    }
}
