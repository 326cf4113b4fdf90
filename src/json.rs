//! Strict reading of a JSON object.
//!
//! serde's derive takes an array for a struct (its fields in order). No writer of manifests, records
//! or key files means that, so here only an object is an object.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use serde::de::{DeserializeOwned, Error as _};

/// Reads one JSON object with nothing behind it.
///
/// # Errors
///
/// Whatever [`serde_json`] finds wrong, or that the document is not an object.
pub(crate) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde_json::Error::custom("not a JSON object"));
    }
    serde_json::from_slice(bytes)
}
