//! Keys and signatures: their encodings, and the algorithms.

pub mod algorithm;
pub mod cosign;
pub mod foreign;
pub mod pbes2;
pub mod pem;
pub mod private;
pub mod public;
mod shape;
mod wrapping;
