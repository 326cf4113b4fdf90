//! HTTP, proxies, certificates and retries, for every service.

use std::time::Duration;

pub mod ca_bundle;
pub mod calls;
pub mod clock;
pub(crate) mod error_chain;
pub(crate) mod http;
pub(crate) mod large_body;
pub(crate) mod many_headers;
pub mod proxy;
pub mod retry;
pub(crate) mod sent;
pub mod timed_out;
pub mod tls;
pub mod unreachable;
pub mod url;

/// The time limit for opening a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit until a response begins.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(20);
