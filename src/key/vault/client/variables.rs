//! The variables that Vault's own client reads, and OpenBao's.

use crate::environment;
use crate::environment::variable;
use crate::key::vault::client::address::Service;

/// The variables of one family, VAULT_… or BAO_…: never some of each, which could be of two servers.
#[derive(Clone, Copy)]
pub(crate) struct Variables(pub(crate) Service);

impl Variables {
    /// Those that speak of a service's server: its own, unless the other family alone names one.
    pub(crate) fn of_service(service: Service) -> Result<Self, environment::Error> {
        let other = match service {
            Service::Vault => Service::OpenBao,
            Service::OpenBao => Service::Vault,
        };
        let (own, others) = (Self(service), Self(other));
        let lent = own.of("ADDR")?.is_none() && others.of("ADDR")?.is_some();
        Ok(if lent { others } else { own })
    }

    /// What a variable is called.
    pub(crate) fn named(self, end: &str) -> String {
        match self.0 {
            Service::Vault => format!("VAULT_{end}"),
            Service::OpenBao => format!("BAO_{end}"),
        }
    }

    /// A variable's name, and what it holds.
    pub(crate) fn of(self, end: &str) -> Result<Option<(String, String)>, environment::Error> {
        let name = self.named(end);
        // A newline at the end comes with secrets that were pasted.
        let value = variable(&name)?.map(|value| value.trim().to_owned());
        let value = value.filter(|value| !value.is_empty());
        Ok(value.map(|value| (name, value)))
    }

    /// The variable that says so, in one of the words that Vault's own client takes. An empty one says nothing,
    /// and one that means nothing is an error.
    pub(crate) fn flag(self, end: &str) -> Result<Option<String>, environment::Error> {
        // Word for word: to turn a check off it takes a clear one.
        let name = self.named(end);
        let Some(text) = variable(&name)? else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Ok(Some(name)),
            "0" | "f" | "false" => Ok(None),
            _ => Err(environment::Error::new(&name, text, "`true` or `false`")),
        }
    }
}
