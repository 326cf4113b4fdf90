//! One shared AWS configuration: the role, its credentials, and the error responses of AWS services.

pub(crate) mod account;
pub mod arn;
pub mod config;
pub(crate) mod config_files;
pub mod credential_text;
mod credentials;
pub mod denial;
pub mod error;
pub(crate) mod missing_statement;
pub mod options;
pub mod policy;
pub mod preconnect;
mod profile;
pub mod response;
pub mod retry;
pub mod role;
mod role_settings;
pub mod session_name;
mod trust_policy;

pub use error::Error;
pub use options::{Options, RoleOptions};
