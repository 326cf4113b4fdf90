//! The CI systems whose log commands this program writes.

pub(crate) mod azure;
pub(crate) mod buildkite;
pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod plain;
