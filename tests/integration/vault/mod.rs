//! Vault and OpenBao: keys, logins, tokens, and faults.

pub(crate) mod agents;
pub(crate) mod faults;
pub(crate) mod key_refusals;
pub(crate) mod keys;
pub(crate) mod least_privilege;
pub(crate) mod login_refusals;
pub(crate) mod logins;
pub(crate) mod namespaces;
pub(crate) mod refusals;
pub(crate) mod secrets;
pub(crate) mod tokens;
