//! One shared AWS configuration: the role, its credentials, and what AWS services answer.

mod account;
pub mod arn;
pub mod config;
mod credentials;
pub mod error;
pub mod preconnect;
pub mod retry;
pub mod role;
pub mod session_name;
mod trust_policy;
