//! The variables that Vault's own client reads, and OpenBao's.

use crate::environment;
use crate::environment::variable;
use crate::key::vault::client::address::Product;

/// The variables of one family, VAULT_… or BAO_…. The two are never mixed: they may be of two servers.
#[derive(Clone, Copy)]
pub(crate) struct Variables(pub(crate) Product);

impl Variables {
    /// The family that configures a product's server: its own, unless only the other family has an address.
    pub(crate) fn of_product(product: Product) -> Result<Self, environment::Error> {
        let other = match product {
            Product::Vault => Product::OpenBao,
            Product::OpenBao => Product::Vault,
        };
        let (own, others) = (Self(product), Self(other));
        let lent = own.address()?.is_none() && others.address()?.is_some();
        Ok(if lent { others } else { own })
    }

    /// The variable that names the server, and its value: that of an agent in front of it first, as Vault's own client
    /// has it; last the one that [GitLab](https://docs.gitlab.com/ci/secrets/hashicorp_vault/) reads.
    pub(crate) fn address(self) -> Result<Option<(String, String)>, environment::Error> {
        for end in ["AGENT_ADDR", "ADDR", "SERVER_URL"] {
            if let Some(found) = self.value(end)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The full name of a variable.
    pub(crate) fn name(self, end: &str) -> String {
        match self.0 {
            Product::Vault => format!("VAULT_{end}"),
            Product::OpenBao => format!("BAO_{end}"),
        }
    }

    /// A variable's name and value, if it is set.
    pub(crate) fn value(self, end: &str) -> Result<Option<(String, String)>, environment::Error> {
        let name = self.name(end);
        // A newline at the end comes with secrets that were pasted.
        let value = variable(&name)?.map(|value| value.trim().to_owned());
        let value = value.filter(|value| !value.is_empty());
        Ok(value.map(|value| (name, value)))
    }

    /// The name of a boolean variable that is true, in the words that Vault's own client takes. Any other word is an
    /// error.
    pub(crate) fn flag(self, end: &str) -> Result<Option<String>, environment::Error> {
        // Nothing but these words may turn a check off.
        let name = self.name(end);
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
