//! HashiCorp Vault and OpenBao: where they are, how a job logs in there, and what they answer.

pub mod address;
pub mod answer;
mod credentials;
pub mod failure;
mod http;
pub mod login;
pub mod place;
pub mod session;
pub mod settings;
pub mod tls;
mod variables;
