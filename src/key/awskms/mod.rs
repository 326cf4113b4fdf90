//! Keys in AWS KMS.

pub(crate) mod help;
pub mod signer;
pub mod uri;
