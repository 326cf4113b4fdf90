//! Stores: one suite for all, and what each does by itself.

pub(crate) mod conformance;
pub(crate) mod local;
pub(crate) mod mounts;
pub(crate) mod quirks;
pub(crate) mod races;
pub(crate) mod s3;
