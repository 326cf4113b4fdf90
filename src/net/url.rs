//! URLs of servers: whether they are any, and where they lead.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use url::{Host, Url};

/// The services of an instance's host: metadata, and credentials of containers.
const HOST_SERVICES: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
];

/// The name of this machine.
const LOCALHOST: &str = "localhost";

/// Parses an `http://` or `https://` URL without user and password.
///
/// The URL parser mends what the HTTP clients, which get the text, read in another way. So the host must be
/// written as the parser reads it.
pub(crate) fn parse(text: &str) -> Option<Url> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // The HTTP clients look up the name as it is written, and musl compares it with those of /etc/hosts byte by byte: in
    // capitals it may lead to another machine.
    match authority.parse::<Authority>().ok()?.host {
        Host::Domain(name) if name == LOCALHOST && !authority.starts_with(LOCALHOST) => {
            return None;
        }
        _ => {}
    }
    let printable = |c: char| !c.is_whitespace() && !c.is_control();
    Url::parse(text)
        .ok()
        .filter(|_| text.chars().all(printable))
}

/// Whether requests to `url` are unreadable on the way: it leads to this machine, or is HTTPS.
pub(crate) fn is_guarded(url: &Url) -> bool {
    url.scheme() == "https" || url.host().is_some_and(|host| is_loopback(&host))
}

/// Whether a URL without TLS leads to this machine, or to the services of its host.
pub(crate) fn is_near(text: &str) -> bool {
    if !text.starts_with("http://") {
        return false;
    }
    match parse(text).as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) if HOST_SERVICES.contains(&address) => true,
        Some(Host::Ipv6(address)) if address.segments().starts_with(&[0xfd00, 0x0ec2]) => true,
        Some(host) => is_loopback(&host),
        None => false,
    }
}

fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref() == LOCALHOST,
        Host::Ipv4(address) => *address == Ipv4Addr::LOCALHOST,
        Host::Ipv6(address) => *address == Ipv6Addr::LOCALHOST,
    }
}

/// A host, and its port where one is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    pub(crate) host: Host,
    pub(crate) port: Option<NonZeroU16>,
}

impl Authority {
    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl FromStr for Authority {
    type Err = NotAHost;

    /// # Errors
    ///
    /// [`NotAHost`] for anything else than a name, an IPv4 address or an IPv6 address in brackets, and a port.
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let number = |port: &str| {
            let plain = port.bytes().all(|byte| byte.is_ascii_digit());
            port.parse().ok().filter(|_| plain).ok_or(NotAHost)
        };
        let port = port.map(number).transpose()?;
        match Host::parse(host).map_err(|_| NotAHost)? {
            Host::Domain(name) if !name.eq_ignore_ascii_case(host) || !is_name(&name) => {
                Err(NotAHost)
            }
            // Of the ways to write one, some are names to others.
            Host::Ipv4(address) if address.to_string() != host => Err(NotAHost),
            host => Ok(Self { host, port }),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

fn is_name(text: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let word =
        |end: Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = text.strip_suffix('.').unwrap_or(text);
    (1..=253).contains(&name.len())
        && name.bytes().all(byte)
        && word(name.bytes().next())
        && word(name.bytes().next_back())
}

/// A text that is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host")]
pub struct NotAHost;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_and_a_host_that_is_read_as_it_is_written() {
        for text in [
            "https://minio.example:9000",
            "https://Minio.Example/",
            "http://my_minio:9000/a/b?c#d",
            "http://_minio:9000",
            "https://minio.example.:9000",
            "https://[2001:db8::1]:9000",
            "https://[2001:DB8:0::1]",
            "https://192.0.2.1",
        ] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "minio.example",
            "HTTPS://minio.example",
            "https:minio.example",
            "https://",
            "https:///",
            "https:///minio.example",
            "https://?x",
            "https://user@minio.example",
            "https://user:password@minio.example",
            "https://minio.example:",
            "https://minio.example:x",
            "https://minio.example:0",
            "https://minio.example:65536",
            "https://mi nio.example",
            "https://minio.example/a b",
            "https://mi\tnio.example",
            "https://minio.example\\@evil.example",
            "https://m%69nio.example",
            "https://127.1",
            "https://127.0.0.1.",
            "https://0x7f000001",
            "https://192.0.2.256",
            "https://[::1",
            "https://[::1]x",
            "https://::1",
            "ftp://minio.example",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_https_and_this_machine_are_guarded() {
        let guarded = |text: &str| parse(text).is_some_and(|url| is_guarded(&url));
        for text in [
            "https://run.actions.example/token?api-version=2.0",
            "http://127.0.0.1:8080/token",
            "http://localhost/token",
            "http://[::1]:1",
            "http://[0:0:0:0:0:0:0:1]",
        ] {
            assert!(guarded(text), "{text}");
        }
        for text in [
            "http://run.actions.example/token",
            "http://127.0.0.1.example/token",
            "http://127.0.0.1./token",
            "http://127.1/token",
            "http://localhost:80@elsewhere.example/token",
            "http://localhost\\@elsewhere.example/token",
            "http://localhost.example",
            "http://localhost./",
            "http://LOCALHOST:4566",
            "http://Localhost/",
            "https://",
            "ftp://run.actions.example",
            "token",
        ] {
            assert!(!guarded(text), "{text}");
        }
    }

    #[test]
    fn metadata_and_container_credentials_are_near() {
        for text in [
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/latest",
            "http://localhost:8080/",
        ] {
            assert!(is_near(text), "{text}");
        }
        for text in [
            "https://169.254.169.254/",
            "http://169.254.169.254.example/",
            "http://169.254.169.253/",
            "http://[fd00:ec3::254]/",
            "http://minio.example/",
            "http://LOCALHOST:8080/",
        ] {
            assert!(!is_near(text), "{text}");
        }
    }
}
