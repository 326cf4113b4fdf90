//! The proxies of HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, and the hosts of NO_PROXY that are reached without one.
//!
//! The HTTP clients read these variables themselves, pass over a URL that they cannot parse, and then connect past the
//! proxy. So they are parsed here, strictly, and the clients get the result.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod reach;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;
use s3lo_core::explain::Explain;
use url::{Host, Url};

use crate::environment;
use crate::environment::variable;
use crate::net::url::Authority;

/// The proxies of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Exceptions,
}

impl Proxies {
    /// Reads the environment. As for curl and Go, the upper-case name counts first.
    ///
    /// # Errors
    ///
    /// [`Error`] if a variable is not the URL of a proxy.
    pub(crate) fn from_environment() -> Result<Self, Error> {
        let all = Proxy::from_variable(&["ALL_PROXY", "all_proxy"]);
        let or_all = |names| match Proxy::from_variable(names) {
            Ok(None) => all.clone(),
            own => own,
        };
        Ok(Self {
            http: or_all(&["HTTP_PROXY", "http_proxy"])?,
            https: or_all(&["HTTPS_PROXY", "https_proxy"])?,
            exceptions: Exceptions::from_environment()?,
        })
    }

    /// The proxy in `url`, which `variable` holds, for everything but the hosts of NO_PROXY.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not the URL of a proxy.
    pub(crate) fn only(variable: &str, url: &str) -> Result<Self, Error> {
        let proxy = Proxy::parse(variable, url)?;
        Ok(Self {
            http: Some(proxy.clone()),
            https: Some(proxy),
            exceptions: Exceptions::from_environment()?,
        })
    }

    /// The proxy for requests to `url`, if they take one.
    pub(crate) fn for_url(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        };
        let port = url.port_or_known_default();
        let passed = |host| self.exceptions.include(&host, port);
        proxy.filter(|_| !url.host().is_some_and(passed))
    }

    /// Each proxy once.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Proxy> {
        let https = self.https.as_ref();
        let http = self.http.as_ref().filter(|proxy| https != Some(*proxy));
        https.into_iter().chain(http)
    }

    /// The proxy for URLs of a scheme.
    pub(crate) fn for_scheme(&self, tls: bool) -> Option<&Proxy> {
        let proxy = if tls { &self.https } else { &self.http };
        proxy.as_ref()
    }
}

/// A proxy, and the variable that names it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    variable: String,
    url: Url,
}

impl Proxy {
    fn from_variable(names: &[&str]) -> Result<Option<Self>, Error> {
        let set = first_set(names)?;
        set.map(|(name, url)| Self::parse(name, &url)).transpose()
    }

    /// Parses `http://` or `https://`, a user and a password, a host, and a port. Without a scheme it is `http://`.
    fn parse(variable: &str, text: &str) -> Result<Self, Error> {
        let unusable = |reason| Error::Unusable {
            variable: variable.to_owned(),
            reason,
        };
        if text.starts_with(['"', '\'']) {
            return Err(unusable(Reason::Quoted));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if scheme.starts_with("socks") {
            return Err(unusable(Reason::Socks));
        }
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(unusable(Reason::NotAUrl));
        }
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        if let Some(user) = user {
            check_user(user).map_err(unusable)?;
        }
        let host = host.strip_suffix('/').unwrap_or(host);
        if host.parse::<Authority>().is_err() {
            return Err(unusable(Reason::NotAUrl));
        }
        match Url::parse(&format!("{scheme}://{rest}")) {
            Ok(url) => Ok(Self {
                variable: variable.to_owned(),
                url,
            }),
            Err(_) => Err(unusable(Reason::NotAUrl)),
        }
    }

    /// The URL for an HTTP client, which contains the password.
    pub(crate) fn secret_url(&self) -> &str {
        self.url.as_str()
    }

    /// The variable that names it.
    pub(crate) fn variable(&self) -> &str {
        &self.variable
    }

    /// Whether the proxy itself is reached over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// The place and the variable, without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.url.scheme())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        write!(f, " of {}", self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Checks that user and password are written as URLs write them, since clients cut a URL at any other character.
fn check_user(text: &str) -> Result<(), Reason> {
    for (position, c) in text.char_indices() {
        let rest = text.get(position..).unwrap_or_default();
        let code = rest.get(1..3).unwrap_or_default();
        let encoded = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_hexdigit());
        if c == '%' && encoded {
            continue;
        }
        if "#/?@%[]\\\"".contains(c) || c.is_whitespace() || c.is_control() {
            return Err(Reason::Character(c));
        }
    }
    Ok(())
}

/// The first of the variables `names` that is set.
fn first_set<'a>(names: &[&'a str]) -> Result<Option<(&'a str, String)>, environment::Error> {
    for name in names {
        if let Some(text) = variable(name)? {
            return Ok(Some((name, text)));
        }
    }
    Ok(None)
}

/// The hosts of NO_PROXY, in the forms of Go and curl: a name with its subdomains, `.name` or `*.name`, an address,
/// a network, each but the network with a port or without; and `*` for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Exceptions(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    host: Pattern,
    port: Option<NonZeroU16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    Name(String),
    Network(IpNet),
}

impl Exceptions {
    fn from_environment() -> Result<Self, environment::Error> {
        let set = first_set(&["NO_PROXY", "no_proxy"])?;
        Ok(set.map_or_else(Self::default, |(_, text)| Self::parse(&text)))
    }

    /// Parses a list with commas or blanks between its entries. An entry in another form names no host, so the hosts
    /// that it may have meant are reached through the proxy.
    fn parse(text: &str) -> Self {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter_map(Exception::parse).collect())
    }

    fn include(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        self.0
            .iter()
            .any(|exception| exception.includes(host, port))
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self {
                host: Pattern::All,
                port: None,
            });
        }
        let network = match entry.parse::<IpAddr>() {
            Ok(address) => Some(address.into()),
            Err(_) if entry.contains('/') => Some(entry.parse::<IpNet>().ok()?),
            Err(_) => None,
        };
        if let Some(network) = network {
            return Some(Self {
                host: Pattern::Network(network),
                port: None,
            });
        }
        let name = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.'));
        let name = name.unwrap_or(entry).to_ascii_lowercase();
        let Authority { host, port } = name.parse().ok()?;
        let host = match host {
            Host::Domain(name) => Pattern::Name(name),
            Host::Ipv4(address) => Pattern::Network(IpAddr::V4(address).into()),
            Host::Ipv6(address) => Pattern::Network(IpAddr::V6(address).into()),
        };
        Some(Self { host, port })
    }

    fn includes(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        let same_port = self.port.is_none_or(|own| Some(own.get()) == port);
        same_port
            && match (&self.host, host) {
                (Pattern::All, _) => true,
                (Pattern::Name(own), Host::Domain(name)) => {
                    let name = name.trim_end_matches('.');
                    let start = name.strip_suffix(own.trim_end_matches('.'));
                    start.is_some_and(|start| start.is_empty() || start.ends_with('.'))
                }
                (Pattern::Network(own), Host::Ipv4(address)) => own.contains(&IpAddr::V4(*address)),
                (Pattern::Network(own), Host::Ipv6(address)) => own.contains(&IpAddr::V6(*address)),
                _ => false,
            }
    }
}

/// The reason why a variable cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Error {
    /// Nothing answers there.
    #[error("the proxy {proxy} cannot be reached: {reason}")]
    Unreachable {
        proxy: String,
        variable: String,
        reason: String,
    },
    /// The URL, which may hold a password, is not repeated.
    #[error("{variable} is not the URL of a proxy: {reason}")]
    Unusable { variable: String, reason: Reason },
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

/// A fault of a proxy's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A character that must be encoded.
    #[error("its user or password contains {}", named(*.0))]
    Character(char),
    /// Something else than scheme, host and port.
    #[error("it is not of the form http://HOST:PORT")]
    NotAUrl,
    /// Quotation marks, as `docker run --env-file` passes them on.
    #[error("it begins with a quotation mark")]
    Quoted,
    /// A SOCKS proxy.
    #[error("it is that of a SOCKS proxy")]
    Socks,
}

fn named(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_whitespace() || c.is_control() => "white space or a control character".to_owned(),
        c => format!("`{c}`"),
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Unusable { .. } | Self::Variable(_) => "configuration",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Unreachable { variable, .. } => format!(
                "check the host and the port in {variable}, or unset it to connect without a proxy"
            ),
            Self::Unusable { variable, reason } => match reason {
                Reason::Character(_) => format!(
                    "in {variable}=http://USER:PASSWORD@HOST:PORT write special characters of user and password in their URL encoding: `%23` for `#`, `%2F` for `/`, `%3F` for `?`, `%40` for `@`, `%25` for `%`, `%20` for a space"
                ),
                Reason::NotAUrl => format!(
                    "write {variable}=http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT, or unset it to connect without a proxy"
                ),
                Reason::Quoted => format!(
                    "remove the quotation marks from the value of {variable}; `docker run --env-file` passes them on"
                ),
                Reason::Socks => format!(
                    "name an HTTP proxy, {variable}=http://HOST:PORT: SOCKS is not supported"
                ),
            },
            Self::Variable(error) => error.help(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_scheme_a_user_and_a_host() {
        for (text, url) in [
            ("http://proxy.example:3128", "http://proxy.example:3128/"),
            ("proxy.example:3128/", "http://proxy.example:3128/"),
            ("https://10.0.0.1", "https://10.0.0.1/"),
            ("http://[2001:db8::1]:80", "http://[2001:db8::1]/"),
            (
                "http://svc:p%23s%40s!$&'()*+,;=^|~`<>{}@proxy.example:3128",
                "http://svc:p%23s%40s!$&'()*+,%3B%3D%5E%7C~%60%3C%3E%7B%7D@proxy.example:3128/",
            ),
        ] {
            let proxy = Proxy::parse("HTTPS_PROXY", text).unwrap();
            assert_eq!(proxy.secret_url(), url, "{text}");
            assert!(!proxy.to_string().contains("svc"));
        }
        for (text, reason) in [
            ("http://svc:p#ss@h:1", Reason::Character('#')),
            ("http://svc:p/ss@h:1", Reason::Character('/')),
            ("http://svc:p?ss@h:1", Reason::Character('?')),
            ("http://svc:p@ss@h:1", Reason::Character('@')),
            ("http://svc:p%ss@h:1", Reason::Character('%')),
            ("http://svc:p%2@h:1", Reason::Character('%')),
            ("http://svc:p ss@h:1", Reason::Character(' ')),
            ("http://svc:p\nss@h:1", Reason::Character('\n')),
            ("http://svc:pw@[h:1", Reason::NotAUrl),
            ("http://h:1:2", Reason::NotAUrl),
            ("http://h:x", Reason::NotAUrl),
            ("http://h:70000", Reason::NotAUrl),
            ("http://", Reason::NotAUrl),
            ("http:/h:1", Reason::NotAUrl),
            ("http://h:1/path", Reason::NotAUrl),
            ("ftp://h:1", Reason::NotAUrl),
            (" http://h:1", Reason::NotAUrl),
            ("\"http://h:1\"", Reason::Quoted),
            ("'http://h:1'", Reason::Quoted),
            ("socks5h://h:1", Reason::Socks),
        ] {
            let error = Proxy::parse("HTTPS_PROXY", text).unwrap_err();
            let variable = "HTTPS_PROXY".to_owned();
            assert_eq!(error, Error::Unusable { variable, reason }, "{text}");
        }
    }

    #[test]
    fn hosts_of_no_proxy_are_reached_directly() {
        let includes = |list: &str, url: &str| {
            let url = Url::parse(url).unwrap();
            let port = url.port_or_known_default();
            Exceptions::parse(list).include(&url.host().unwrap(), port)
        };
        let kms = "https://kms.us-east-1.amazonaws.com/";
        for list in [
            "amazonaws.com",
            ".amazonaws.com",
            "*.amazonaws.com",
            "AmazonAWS.com",
            "amazonaws.com.",
            "localhost, kms.us-east-1.amazonaws.com:443",
            "a b amazonaws.com:443",
            "*",
        ] {
            assert!(includes(list, kms), "{list}");
        }
        for list in [
            "",
            "aws.com",
            "s3.amazonaws.com",
            "kms.us-east-1.amazonaws.com:80",
            "*amazonaws.com",
            "kms.*.amazonaws.com",
            "https://kms.us-east-1.amazonaws.com",
            "10.0.0.0/8",
        ] {
            assert!(!includes(list, kms), "{list}");
        }
        for list in [
            "10.1.2.3",
            "10.0.0.0/8",
            "10.1.2.3:9000",
            "0.0.0.0/0",
            "10.1.2.3/32",
        ] {
            assert!(includes(list, "http://10.1.2.3:9000"), "{list}");
        }
        for list in [
            "10.1.2.4",
            "11.0.0.0/8",
            "10.1.2.3:9001",
            "10.0.0.0/33",
            "::/0",
        ] {
            assert!(!includes(list, "http://10.1.2.3:9000"), "{list}");
        }
        for list in [
            "2001:db8::1",
            "[2001:db8::1]",
            "[2001:db8::1]:443",
            "2001:db8::/32",
        ] {
            assert!(includes(list, "https://[2001:db8::1]"), "{list}");
        }
    }

    #[test]
    fn a_scheme_has_its_own_proxy() {
        let proxies = Proxies {
            https: Some(Proxy::parse("HTTPS_PROXY", "http://h:1").unwrap()),
            ..Proxies::default()
        };
        let at = |url| proxies.for_url(&Url::parse(url).unwrap()).is_some();
        assert!(at("https://s3.example"));
        assert!(!at("http://s3.example"));
    }
}
