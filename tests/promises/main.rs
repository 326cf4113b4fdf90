//! The promises, one module each. Every test here either runs or fails: what it needs is started by
//! the test itself, and `./test` installs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::print_stdout,
    reason = "the counts of what was tried are part of the result"
)]

mod act;
mod adopters;
mod attack_cases;
mod aws_credentials;
mod aws_endpoints;
mod aws_environment;
mod aws_server;
mod bounds;
mod buildkite;
mod buildkite_command;
mod buildkite_given;
mod buildkite_hostile;
mod buildkite_schema;
mod buildkite_tokens;
mod ci_systems;
mod commands;
mod conformance;
mod documentation;
mod errors;
mod forgeries;
mod github;
mod github_hostile;
mod gitlab;
mod hostile_surroundings;
mod identity;
mod identity_refusals;
mod image;
mod interop;
mod kms;
mod kms_faults;
mod least_privilege;
mod local_store;
mod many_at_once;
mod moto;
mod properties;
mod races;
mod release;
mod rooms;
mod s3_store;
mod secrets;
mod support;
mod vault;
mod vault_faults;
mod vault_key_refusals;
mod vault_least_privilege;
mod vault_login_refusals;
mod vault_logins;
mod vault_refusals;
mod vault_secrets;
mod vault_tokens;
mod vectors;
mod wycheproof_vectors;
