//! Keys in the transit engine of HashiCorp Vault and OpenBao.

pub mod client;
pub mod help;
pub mod location;
pub mod signer;
pub mod transit_key;
pub mod uri;
