//! Keys and signatures: their encodings, and the algorithms.

pub mod algorithm;
pub mod cosign;
pub mod pem;
pub mod private;
pub mod public;
