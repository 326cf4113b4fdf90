//! Stores: one suite for all, and the peculiarities of each.

pub(crate) mod bucket_writers;
pub(crate) mod conformance;
pub(crate) mod local;
pub(crate) mod mounts;
pub(crate) mod quirks;
pub(crate) mod races;
pub(crate) mod refusals;
pub(crate) mod s3;
