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
        let lent = own.value("ADDR")?.is_none() && others.value("ADDR")?.is_some();
        Ok(if lent { others } else { own })
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
