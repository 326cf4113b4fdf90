//! One shared AWS configuration: the role, its credentials, and the error responses of AWS services.

pub(crate) mod account;
pub mod arn;
pub mod config;
pub(crate) mod config_files;
mod credentials;
pub mod error;
pub mod options;
pub mod preconnect;
pub mod response;
pub mod retry;
pub mod role;
pub mod session_name;
mod trust_policy;

pub use error::Error;
pub use options::{Options, RoleOptions};
