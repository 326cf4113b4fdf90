//! The PEM around a key ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)): exactly one block.
//!
//! Text before the block is skipped, as Go and OpenSSL skip it, and so is the `EC PARAMETERS` block
//! that `openssl ecparam -genkey` writes first. Two keys in one file are refused, since either
//! could be meant.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

/// The largest key file that is read, in bytes.
pub const MAX_BYTES: u64 = 64 * 1024;

/// One PEM block: its label and its contents.
pub struct Block {
    /// `PUBLIC KEY`, `ENCRYPTED SIGSTORE PRIVATE KEY`, …
    pub label: String,
    /// The decoded body, wiped when dropped.
    pub contents: Zeroizing<Vec<u8>>,
}

/// Reads the one key block of `text`.
///
/// # Errors
///
/// [`Error`] if there is not exactly one.
pub fn block(text: &[u8]) -> Result<Block, Error> {
    let begins = text
        .windows(BEGIN.len())
        .filter(|window| *window == BEGIN)
        .count();
    if begins == 0 {
        return Err(Error::NotPem);
    }
    let blocks = pem::parse_many(text).map_err(|_| Error::Malformed)?;
    // The parser passes over a block that has no end.
    if blocks.len() != begins {
        return Err(Error::Malformed);
    }
    let mut keys = blocks
        .into_iter()
        .filter(|block| block.tag() != "EC PARAMETERS");
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(Error::Several);
    };
    // Headers such as `DEK-Info` belong to OpenSSL's legacy encryption.
    if key.headers().iter().next().is_some() {
        return Err(Error::Headers);
    }
    Ok(Block {
        label: key.tag().to_owned(),
        contents: Zeroizing::new(key.into_contents()),
    })
}

/// Encodes one block as cosign does: lines of 64 characters, `\n` line ends.
pub(crate) fn encode(label: &str, contents: impl Into<Vec<u8>>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, contents), config)
}

const BEGIN: &[u8] = b"-----BEGIN ";

/// The reason why a text is not one PEM block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has headers, which only OpenSSL's legacy encryption writes.
    #[error("its PEM has headers, as OpenSSL's legacy encryption writes them")]
    Headers,
    /// The block is broken.
    #[error("its PEM is broken")]
    Malformed,
    /// There is no block.
    #[error("it holds no PEM block")]
    NotPem,
    /// There is not exactly one key.
    #[error("it does not hold exactly one key")]
    Several,
}
