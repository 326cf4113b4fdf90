//! The gate of a node: as containerd's image verifier, and `s3lo gate check`.

pub(super) mod check;
pub(super) mod verifier;
