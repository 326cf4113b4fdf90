//! Variables with secrets that are not for the programs that this one starts: `buildkite-agent`, and the
//! `credential_process` of a profile, which the AWS SDK starts.

use std::sync::{Mutex, PoisonError};

use crate::environment::is_name;

/// Passwords of key files as options of a job.
pub(crate) const OPTION_PASSWORDS: [&str; 3] =
    ["INPUT_PASSWORD", "PLUGIN_PASSWORD", "S3LO_PASSWORD"];

/// Beginnings of the variables of Vault and OpenBao, and parts of the names of those with secrets. Their address and the
/// like are for everybody.
const OF_VAULT: ([&str; 2], [&str; 4]) =
    (["VAULT_", "BAO_"], ["TOKEN", "SECRET", "PASSWORD", "JWT"]);

/// Credentials of AWS and GitHub, which only a `credential_process` may need.
pub(crate) const OF_AWS: [&str; 4] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
];

/// The variables of keys: `env://NAME`.
static KEYS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Withholds the variable that a key is in.
pub fn withhold(name: &str) {
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    if !keys.iter().any(|known| known == name) {
        keys.push(name.to_owned());
    }
}

/// The variables of this process that a `credential_process` does not get.
pub(crate) fn withheld() -> Vec<String> {
    names(|_| false)
}

/// The variables of this process that `buildkite-agent` does not get. It has credentials of its own.
pub(crate) fn withheld_from_agent() -> Vec<String> {
    names(|name| OF_AWS.contains(&name))
}

fn is_vault_secret(name: &str) -> bool {
    let (beginnings, parts) = OF_VAULT;
    beginnings.iter().any(|start| name.starts_with(start))
        && parts.iter().any(|part| name.contains(part))
}

fn names(also: fn(&str) -> bool) -> Vec<String> {
    let keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_secret = |name: &str| {
        name == "COSIGN_PASSWORD"
            || OPTION_PASSWORDS.contains(&name)
            || is_vault_secret(name)
            || keys.iter().any(|key| key == name)
            || also(name)
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    // A shell cannot unset any other.
    names
        .filter(|name| is_name(name) && is_secret(name))
        .collect()
}
