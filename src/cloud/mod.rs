//! What all AWS services share.

pub mod aws;
mod http;
pub mod retry;
