//! Addresses of servers: from a key's reference, from VAULT_ADDR, and from both together.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt;
use std::str::FromStr;

use url::Host;

use crate::key::vault::client::mount::is_segment;
use crate::net::url::{Authority, NotAHost};
use crate::text::is_vault_token;

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

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    route: Route,
    /// The path below which a reverse proxy has the server: empty, or segments that each begin with a slash.
    path: String,
}

/// The way to a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Route {
    Https(Authority),
    Http(Authority),
    /// The socket of a Vault Agent or Proxy on this machine, without TLS.
    Socket(String),
}

impl Address {
    /// The address of a key's server. `named` comes from the key's reference, `variable` from a variable or flag.
    /// The reference alone means HTTPS. If the variable names the same host, it supplies the scheme, a missing
    /// port, and the path. `None` if neither names a host.
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
        let (authority, usual) = match &mut self.route {
            Route::Https(authority) => (authority, 443),
            Route::Http(authority) => (authority, 80),
            Route::Socket(_) => return self,
        };
        authority.port = authority.port.filter(|port| port.get() != usual);
        self
    }

    fn both(
        named: Option<&Authority>,
        variable: Option<Self>,
    ) -> Result<Option<Self>, Contradiction> {
        let (named, mut variable) = match (named, variable) {
            (None, variable) => return Ok(variable),
            (Some(named), None) => {
                return Ok(Some(Self {
                    route: Route::Https(named.clone()),
                    path: String::new(),
                }));
            }
            (Some(named), Some(variable)) => (named, variable),
        };
        match &mut variable.route {
            Route::Https(authority) | Route::Http(authority)
                if authority.host == named.host
                    && (named.port.is_none()
                        || authority.port.is_none()
                        || named.port == authority.port) =>
            {
                authority.port = named.port.or(authority.port);
                Ok(Some(variable))
            }
            _ => Err(Contradiction {
                named: named.clone(),
                variable,
            }),
        }
    }

    /// Whether requests are safe from eavesdroppers: sent over HTTPS, or to this machine.
    pub fn is_guarded(&self) -> bool {
        self.is_tls() || self.is_loopback()
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.route {
            Route::Https(authority) | Route::Http(authority) => authority.is_loopback(),
            Route::Socket(_) => true,
        }
    }

    /// Whether it is reached over HTTPS.
    pub fn is_tls(&self) -> bool {
        matches!(self.route, Route::Https(_))
    }

    /// The path of its socket, if it is reached by one.
    pub fn socket(&self) -> Option<&str> {
        match &self.route {
            Route::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The path below which a reverse proxy has the server: empty, or `/…`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of the `Host` header.
    pub(crate) fn host_header(&self) -> String {
        match &self.route {
            Route::Https(authority) | Route::Http(authority) => authority.to_string(),
            Route::Socket(_) => "localhost".to_owned(),
        }
    }

    /// The URL of the server without its path. With `name`, that stands in place of the host.
    pub(crate) fn origin(&self, name: Option<&ServerName>) -> String {
        let scheme = if self.is_tls() { "https" } else { "http" };
        let port = match &self.route {
            Route::Https(authority) | Route::Http(authority) => authority.port,
            Route::Socket(_) => None,
        };
        match (name, port) {
            (None, _) => format!("{scheme}://{}", self.host_header()),
            (Some(name), None) => format!("{scheme}://{name}"),
            (Some(name), Some(port)) => format!("{scheme}://{name}:{port}"),
        }
    }

    /// The host, as a resolver takes it.
    pub(crate) fn host(&self) -> Option<String> {
        match &self.route {
            Route::Https(authority) | Route::Http(authority) => Some(match &authority.host {
                Host::Ipv6(address) => address.to_string(),
                host => host.to_string(),
            }),
            Route::Socket(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = NotAHost;

    /// # Errors
    ///
    /// [`NotAHost`] for anything else than `http://` or `https://`, a host, a port and a path, or `unix://` and the
    /// path of a socket.
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (route, rest): (fn(Authority) -> Route, _) = match text.split_once("://") {
            Some(("https", rest)) => (Route::Https, rest),
            Some(("http", rest)) => (Route::Http, rest),
            Some(("unix", socket)) if is_socket(socket) => {
                return Ok(Self {
                    route: Route::Socket(socket.to_owned()),
                    path: String::new(),
                });
            }
            _ => return Err(NotAHost),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let below = path.strip_suffix('/').unwrap_or(path);
        let path = match path {
            "" => String::new(),
            _ if below.split('/').all(is_below) => format!("/{below}"),
            _ => return Err(NotAHost),
        };
        Ok(Self {
            route: route(authority.parse()?),
            path,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Route::Https(authority) => write!(f, "https://{authority}{}", self.path),
            Route::Http(authority) => write!(f, "http://{authority}{}", self.path),
            Route::Socket(socket) => write!(f, "unix://{socket}"),
        }
    }
}

/// Whether a text is a segment of a path that can lead to a server. Vault itself serves its API at `/v1` and its pages
/// at `/ui`, so an address with either was copied too far.
fn is_below(segment: &str) -> bool {
    is_segment(segment) && !["v1", "ui"].contains(&segment) && !is_vault_token(segment)
}

/// Whether a text is the absolute path of a socket.
fn is_socket(path: &str) -> bool {
    path.starts_with('/')
        && !path.ends_with('/')
        && path.len() <= MAX_SOCKET_LEN
        && path.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

/// The longest path of a socket, in bytes, that Linux takes (unix(7)).
const MAX_SOCKET_LEN: usize = 107;

/// The name that a server's certificate is for, where its address has another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerName(String);

impl ServerName {
    /// Reads a domain name. An IP address would be connected to in place of the server's.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority = text.parse::<Authority>().ok()?;
        match authority.host {
            Host::Domain(name) if authority.port.is_none() => Some(Self(name)),
            _ => None,
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
            (
                "proxy.example:8443",
                "https://proxy.example/vault/eu/",
                "https://proxy.example:8443/vault/eu",
            ),
        ] {
            assert_eq!(resolve(named, variable).unwrap(), address);
        }
        for (named, variable) in [
            ("vault.example", "https://vault.example.org"),
            ("vault.example", "https://other.example"),
            ("vault.example:8200", "https://vault.example:8201"),
            ("vault.example", "unix:///run/vault.sock"),
        ] {
            assert!(resolve(named, variable).is_err(), "{named} {variable}");
        }
    }

    #[test]
    fn an_address_may_have_a_path_or_be_a_socket() {
        for (text, shown, origin, path) in [
            (
                "https://a.example",
                "https://a.example",
                "https://a.example",
                "",
            ),
            (
                "https://a.example/",
                "https://a.example",
                "https://a.example",
                "",
            ),
            (
                "https://a.example:1/vault/",
                "https://a.example:1/vault",
                "https://a.example:1",
                "/vault",
            ),
            (
                "http://[::1]:8200/team@a/vault~1",
                "http://[::1]:8200/team@a/vault~1",
                "http://[::1]:8200",
                "/team@a/vault~1",
            ),
            (
                "unix:///run/vault/agent.sock",
                "unix:///run/vault/agent.sock",
                "http://localhost",
                "",
            ),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(
                (address.to_string(), address.origin(None), address.path()),
                (shown.to_owned(), origin.to_owned(), path)
            );
        }
        let named = |text: &str| {
            let name = ServerName::parse("vault.corp.example").unwrap();
            text.parse::<Address>().unwrap().origin(Some(&name))
        };
        assert_eq!(
            named("https://10.0.0.5:8200/vault"),
            "https://vault.corp.example:8200"
        );
        assert_eq!(named("https://10.0.0.5"), "https://vault.corp.example");
    }

    #[test]
    fn an_address_that_could_lead_elsewhere_is_refused() {
        for text in [
            "vault.example",
            "https://",
            "https:///",
            "https://vault.example/v1",
            "https://vault.example/vault/v1/",
            "https://vault.example/ui/vault",
            "https://vault.example//",
            "https://vault.example//vault",
            "https://vault.example/vault//",
            "https://vault.example/../vault",
            "https://vault.example/vault/.",
            "https://vault.example/vault%2f..",
            "https://vault.example/hvs.of-somebody",
            "https://vault.example/vault?x",
            "https://vault.example/vault#x",
            "https://vault.example/a b",
            "https://vault.example/a\\b",
            "https://user@vault.example",
            "https://vault.example:",
            "https://vault.example:x",
            "https://vault.example:+80",
            "https://vault.example?x",
            "https://vault.example#x",
            "https://[::1",
            "https://::1",
            "https://[::1]x",
            "unix://",
            "unix:///",
            "unix://run/vault.sock",
            "unix:///run/vault.sock/",
            "unix:///run/vault\n.sock",
            "unix:/run/vault.sock",
            "ftp://vault.example",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert!(
            format!("unix:///{}", "x".repeat(107))
                .parse::<Address>()
                .is_err()
        );
    }

    #[test]
    fn the_name_of_a_certificate_is_a_domain() {
        assert!(ServerName::parse("vault.corp.example").is_some());
        for text in [
            "",
            "10.0.0.5",
            "[::1]",
            "a.example:8200",
            "https://a.example",
            "a b",
            "a/b",
        ] {
            assert!(ServerName::parse(text).is_none(), "{text}");
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
            "http://127.0.0.1:8200/vault",
            "unix:///run/vault.sock",
        ] {
            assert!(guarded(text), "{text}");
        }
        for text in [
            "http://vault.example",
            "http://127.0.0.1.example",
            "http://localhost.example:80",
            "http://vault.example/127.0.0.1",
        ] {
            assert!(!guarded(text), "{text}");
        }
    }
}
