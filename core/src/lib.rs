//! The pure core of s3lo: references, manifests, payloads, records, keys, and the one verifier.
//!
//! Nothing here uses files, the network, the environment or the clock: the crate is `no_std`, so the
//! compiler refuses them. The time is an argument, and aws-lc-rs is the one source of randomness.
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
pub mod platform;
pub mod policy;
pub mod record;
pub mod reference;
pub mod text;
pub mod verdict;
