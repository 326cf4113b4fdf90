//! The variables that Vault's own client reads, under both their names.

use super::address::Service;
use crate::environment::{self, variable};

/// The variables of a service, each with its value. The other service's stand in.
#[derive(Clone, Copy)]
pub(super) struct Variables(pub(super) Service);

impl Variables {
    /// What the service calls a variable.
    pub(super) fn named(self, end: &str) -> String {
        match self.0 {
            Service::Vault => format!("VAULT_{end}"),
            Service::OpenBao => format!("BAO_{end}"),
        }
    }

    /// `VAULT_…` or `BAO_…`, and what it holds.
    pub(super) fn of(self, end: &str) -> Result<Option<(String, String)>, environment::Error> {
        let prefixes = match self.0 {
            Service::Vault => ["VAULT_", "BAO_"],
            Service::OpenBao => ["BAO_", "VAULT_"],
        };
        for prefix in prefixes {
            let name = format!("{prefix}{end}");
            // A newline at the end comes with secrets that were pasted.
            let value = variable(&name)?.map(|value| value.trim().to_owned());
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    /// Whether a variable says so, in one of the words that Vault's own client takes. An empty one says
    /// nothing, and one that means nothing is an error.
    pub(super) fn flag(self, end: &str) -> Result<bool, environment::Error> {
        let Some((name, text)) = self.of(end)? else {
            return Ok(false);
        };
        match text.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Ok(true),
            "0" | "f" | "false" => Ok(false),
            _ => Err(environment::Error::new(&name, text, "`true` or `false`")),
        }
    }
}
