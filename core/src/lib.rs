//! The pure core of s3lo: what is read, signed and stored, and the one verifier.
//!
//! Nothing here opens a file or a connection, reads the environment or the clock.
#![forbid(unsafe_code)]

pub mod crypto;
pub mod digest;
pub mod json;
pub mod manifest;
pub mod payload;
pub mod record;
pub mod reference;
pub mod text;
pub mod verdict;
