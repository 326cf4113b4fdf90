//! Addresses of servers: from a key's reference, from VAULT_ADDR, and from both together.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt;
use std::str::FromStr;

use crate::net::url::{Authority, NotAHost};

/// The two servers that have a transit engine. They differ in the names of their variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// HashiCorp Vault: `hashivault://`.
    Vault,
    /// OpenBao: `openbao://`.
    OpenBao,
}

impl Product {
    /// The product whose keys have this scheme.
    pub fn from_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "hashivault" => Some(Self::Vault),
            "openbao" => Some(Self::OpenBao),
            _ => None,
        }
    }

    /// The scheme of its keys.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Vault => "hashivault",
            Self::OpenBao => "openbao",
        }
    }

    /// Its command-line client.
    pub fn command_line(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::OpenBao => "bao",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vault => "Vault",
            Self::OpenBao => "OpenBao",
        })
    }
}

/// A server: its product and its address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Vault or OpenBao.
    pub product: Product,
    /// Its address.
    pub address: Address,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.product, self.address)
    }
}

/// The address of a server: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    tls: bool,
    authority: Authority,
}

impl Address {
    /// The address of a key's server. `named` comes from the key's reference, `variable` from a variable or flag.
    /// The reference alone means HTTPS. If the variable names the same host, it supplies the scheme and a missing
    /// port. `None` if neither names a host.
    ///
    /// # Errors
    ///
    /// [`Contradiction`] if they name different hosts or ports.
    pub fn resolve(
        named: Option<&Authority>,
        variable: Option<Self>,
    ) -> Result<Option<Self>, Contradiction> {
        Ok(Self::both(named, variable)?.map(Self::without_usual_port))
    }

    /// Removes the default port, so that one server has one address.
    fn without_usual_port(mut self) -> Self {
        let usual = if self.tls { 443 } else { 80 };
        self.authority.port = self.authority.port.filter(|port| port.get() != usual);
        self
    }

    fn both(
        named: Option<&Authority>,
        variable: Option<Self>,
    ) -> Result<Option<Self>, Contradiction> {
        let (named, variable) = match (named, variable) {
            (None, variable) => return Ok(variable),
            (Some(named), None) => {
                return Ok(Some(Self {
                    tls: true,
                    authority: named.clone(),
                }));
            }
            (Some(named), Some(variable)) => (named, variable),
        };
        let ports = (named.port, variable.authority.port);
        let agree = match ports {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        if named.host != variable.authority.host || !agree {
            return Err(Contradiction {
                named: named.clone(),
                variable,
            });
        }
        Ok(Some(Self {
            tls: variable.tls,
            authority: Authority {
                host: named.host.clone(),
                port: ports.0.or(ports.1),
            },
        }))
    }

    /// Whether requests are safe from eavesdroppers: sent over HTTPS, or to this machine.
    pub fn is_guarded(&self) -> bool {
        self.tls || self.is_loopback()
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.authority.is_loopback()
    }

    /// Whether it is reached over HTTPS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }
}

impl FromStr for Address {
    type Err = NotAHost;

    /// # Errors
    ///
    /// [`NotAHost`] for anything else than `http://` or `https://`, a host, and a port.
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(NotAHost),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest).parse()?;
        Ok(Self { tls, authority })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// The reference names another server than the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The host of the reference.
    pub named: Authority,
    /// The address of the variable.
    pub variable: Address,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(named: &str, variable: &str) -> Result<String, Contradiction> {
        let named: Authority = named.parse().unwrap();
        let variable = (!variable.is_empty()).then(|| variable.parse().unwrap());
        Ok(Address::resolve(Some(&named), variable)?
            .unwrap()
            .to_string())
    }

    #[test]
    fn a_variable_supplies_scheme_and_port_of_the_host_that_the_reference_names() {
        for (named, variable, address) in [
            ("vault.example", "", "https://vault.example"),
            ("vault.example:8200", "", "https://vault.example:8200"),
            ("vault.example:443", "", "https://vault.example"),
            (
                "Vault.Example",
                "https://vault.example:8200/",
                "https://vault.example:8200",
            ),
            (
                "vault.example:8200",
                "https://vault.example",
                "https://vault.example:8200",
            ),
            (
                "127.0.0.1",
                "http://127.0.0.1:8200",
                "http://127.0.0.1:8200",
            ),
            ("[::1]", "http://[::1]:8200", "http://[::1]:8200"),
        ] {
            assert_eq!(resolve(named, variable).unwrap(), address);
        }
        for (named, variable) in [
            ("vault.example", "https://vault.example.org"),
            ("vault.example", "https://other.example"),
            ("vault.example:8200", "https://vault.example:8201"),
        ] {
            assert!(resolve(named, variable).is_err(), "{named} {variable}");
        }
    }

    #[test]
    fn an_address_is_scheme_host_and_port_alone() {
        for text in [
            "vault.example",
            "https://",
            "https:///",
            "https://vault.example/v1",
            "https://vault.example//",
            "https://user@vault.example",
            "https://vault.example:",
            "https://vault.example:x",
            "https://vault.example:+80",
            "https://vault.example?x",
            "https://vault.example#x",
            "https://[::1",
            "https://::1",
            "https://[::1]x",
            "unix:///run/vault.sock",
            "ftp://vault.example",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_guarded_on_loopback_alone() {
        let guarded = |text: &str| text.parse::<Address>().unwrap().is_guarded();
        for text in [
            "https://vault.example",
            "http://127.0.0.1:8200",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert!(guarded(text), "{text}");
        }
        for text in [
            "http://vault.example",
            "http://127.0.0.1.example",
            "http://localhost.example:80",
        ] {
            assert!(!guarded(text), "{text}");
        }
    }
}
