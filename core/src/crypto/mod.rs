//! Keys and signatures as bytes.

pub mod algorithm;
pub mod cosign;
pub mod pem;
pub mod private;
pub mod public;
