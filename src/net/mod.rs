//! HTTP, proxies, certificates and retries: nothing of AWS.

pub mod ca_bundle;
pub(crate) mod http;
pub mod retry;
pub(crate) mod url;
