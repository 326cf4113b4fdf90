//! What all AWS services share.

pub mod arn;
pub mod aws;
pub mod bundle;
mod caller;
pub mod ci;
mod credentials;
pub mod failure;
pub(crate) mod http;
pub mod oidc;
pub mod retry;
pub mod role;
pub mod token;
pub(crate) mod url;
pub mod warm;
