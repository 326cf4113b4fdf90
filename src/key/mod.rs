//! Keys: references, the providers that open them, and the signers that come of it.

pub mod awskms;
pub mod error;
pub mod file;
pub mod keyring;
pub mod lazy;
pub mod provider;
pub mod reference;
pub mod registry;
pub mod signer;
pub mod vault;
