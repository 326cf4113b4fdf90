//! The PEM around a key ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)): exactly one block.
//!
//! Text before the block is skipped, as Go and OpenSSL skip it, and so is the `EC PARAMETERS` block
//! that `openssl ecparam -genkey` writes first. Two keys in one file are refused, since either
//! could be meant. What shells and clouds put around a text in PEM is taken off first.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::crypto::foreign::Foreign;
use crate::crypto::shape::Shape;
use crate::crypto::wrapping::{BEGIN, contains, unwrapped};

/// The largest key file that is read, in bytes.
pub const MAX_BYTES: u64 = 64 * 1024;

/// One PEM block: its label and its contents.
pub struct Block {
    /// `PUBLIC KEY`, `ENCRYPTED SIGSTORE PRIVATE KEY`, …
    pub label: String,
    /// The decoded body, wiped when dropped.
    pub contents: Zeroizing<Vec<u8>>,
}

/// Reads the one key block of a text.
///
/// # Errors
///
/// [`Error`] if there is not exactly one.
pub fn block(bytes: &[u8]) -> Result<Block, Error> {
    let text = unwrapped(bytes);
    let text = text.as_slice();
    let begins = text
        .windows(BEGIN.len())
        .filter(|window| *window == BEGIN)
        .count();
    if begins == 0 {
        let foreign = Foreign::of_text(bytes).or_else(|| Foreign::of_text(text));
        return Err(foreign.map_or(Error::NotPem, Error::Foreign));
    }
    if !contains(text, b"-----END ") {
        return Err(Error::NoEnd);
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
    if key.headers().iter().next().is_some() {
        return Err(if key.headers().get("Proc-Type").is_some() {
            Error::Headers
        } else {
            Error::OtherHeaders
        });
    }
    Ok(Block {
        label: key.tag().to_owned(),
        contents: Zeroizing::new(key.into_contents()),
    })
}

/// Whether a text holds public keys or certificates and nothing else, in any form.
pub fn is_public(bytes: &[u8]) -> bool {
    let text = unwrapped(bytes);
    let begins = text.windows(BEGIN.len()).filter(|window| *window == BEGIN);
    let begins = begins.count();
    if begins == 0 {
        return Foreign::is_public(bytes) || Foreign::is_public(&text);
    }
    let is_public = |block: &pem::Pem| {
        let label = block.tag();
        let public = label.ends_with("PUBLIC KEY") || label.contains("CERTIFICATE");
        // A private key may be called a public one.
        public && !Shape::of(block.contents()).is_some_and(Shape::is_private)
    };
    pem::parse_many(text.as_slice())
        .is_ok_and(|blocks| blocks.len() == begins && blocks.iter().all(is_public))
}

/// Encodes one block as cosign does: lines of 64 characters, `\n` line ends.
pub(crate) fn encode(label: &str, contents: impl Into<Vec<u8>>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, contents), config)
}

/// The reason why a text is not one PEM block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something else than a key in PEM.
    #[error("it is {0}")]
    Foreign(Foreign),
    /// It has the headers of OpenSSL's legacy encryption: `Proc-Type` and `DEK-Info`.
    #[error("its PEM has headers, as OpenSSL's legacy encryption writes them")]
    Headers,
    /// The block is broken.
    #[error("its PEM is broken")]
    Malformed,
    /// The block has no last line.
    #[error("its PEM has no END line")]
    NoEnd,
    /// There is no block.
    #[error("it holds no PEM block")]
    NotPem,
    /// It has other headers, which no key has.
    #[error("its PEM has headers")]
    OtherHeaders,
    /// There is not exactly one key.
    #[error("it does not hold exactly one key")]
    Several,
}
