//! One shared AWS configuration: the role, its credentials, and what AWS services answer.

mod account;
pub mod arn;
pub mod config;
mod credentials;
pub mod error;
pub(crate) mod help;
pub mod preconnect;
pub mod role;
