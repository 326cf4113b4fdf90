//! CI systems: GitHub, GitLab, Buildkite, and any other.

pub(crate) mod act;
pub(crate) mod adopters;
pub(crate) mod azure;
pub(crate) mod buildkite;
pub(crate) mod buildkite_command;
pub(crate) mod buildkite_environment;
pub(crate) mod buildkite_hostile;
pub(crate) mod buildkite_runtime;
pub(crate) mod buildkite_schema;
pub(crate) mod buildkite_tokens;
pub(crate) mod examples;
pub(crate) mod forgejo;
pub(crate) mod github;
pub(crate) mod github_hostile;
pub(crate) mod gitlab;
pub(crate) mod inert;
pub(crate) mod result_files;
pub(crate) mod results;
pub(crate) mod setup;
pub(crate) mod summaries;
pub(crate) mod variables;
