//! A client of HashiCorp Vault and OpenBao: where the server is, how a job logs in there, and what it answers.

pub mod address;
mod auth;
pub mod config;
pub mod error;
pub(crate) mod help;
mod http;
pub mod login;
pub mod response;
pub mod session;
pub mod tls;
pub(crate) mod variables;
