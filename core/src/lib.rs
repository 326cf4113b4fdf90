//! The pure core of s3lo: what is read, signed and stored, and the one verifier.
//!
//! Nothing here opens a file or a connection, or reads the environment or the clock.
//! The crate is `no_std`, so the compiler refuses all four: a moment comes in as an argument, and
//! randomness comes from aws-lc-rs alone.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

extern crate alloc;

pub mod crypto;
pub mod digest;
pub mod explain;
pub mod json;
pub mod manifest;
pub mod payload;
pub mod record;
pub mod reference;
pub mod text;
pub mod verdict;
