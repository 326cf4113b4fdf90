//! AWS: credentials, roles, KMS, and faults of its services.

pub(crate) mod children;
pub(crate) mod clock;
pub(crate) mod credentials;
pub(crate) mod endpoints;
pub(crate) mod environment;
pub(crate) mod failing_sources;
pub(crate) mod faults;
pub(crate) mod identity;
pub(crate) mod identity_refusals;
pub(crate) mod kms;
pub(crate) mod least_privilege;
pub(crate) mod malformed_credentials;
pub(crate) mod moto;
pub(crate) mod plain_http;
pub(crate) mod proxies;
pub(crate) mod role_by_credentials;
pub(crate) mod role_refusals;
pub(crate) mod server;
pub(crate) mod tls;
