//! The name of an image as containerd passes it on: host, repository, tag and digest.
//!
//! The grammar is that of [distribution](https://pkg.go.dev/github.com/distribution/reference#pkg-overview), which is all
//! that the kubelet's requests can have. A client of containerd's own API can write more: `%67ood` for `good`, a user in
//! front of the host, empty segments. Any such name is refused, since it leads to a server under a name that no list of
//! hosts has.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest repository that the grammar allows.
const MAX_REPOSITORY_LEN: usize = 255;

/// The longest host name of DNS.
const MAX_HOST_LEN: usize = 253;

/// The longest tag that the grammar allows.
const MAX_TAG_LEN: usize = 128;

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// The host, whose server need not be the one that is asked: a mirror stands in for it.
    pub host: Host,
    /// The path on the host, with its slashes.
    pub repository: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest after the `@`, of any algorithm, if there is one.
    pub digest: Option<String>,
}

impl ImageName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`Fault`] if it is not one of the grammar.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (host, path) = name.split_once('/').ok_or(Fault::NoHost)?;
        // No repository holds a colon.
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let host = Host::parse(host)?;
        if repository.len() > MAX_REPOSITORY_LEN || !repository.split('/').all(is_path_component) {
            return Err(Fault::Repository);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(Fault::Tag);
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(Fault::Digest);
        }
        Ok(Self {
            host,
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

/// A host of images. Two that a client takes to the same address for their names alone are equal: letter case, leading
/// zeros of a port and the ports of `https` and `http` make no difference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    name: String,
    /// The port, unless it is that of a scheme.
    port: Option<u16>,
}

impl Host {
    /// Parses a host and its port.
    ///
    /// # Errors
    ///
    /// [`Fault`] if it is not one of the grammar.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (text, None),
        };
        let name = match name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(address)
                if address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b':') =>
            {
                let address: Ipv6Addr = address.parse().map_err(|_| Fault::Host)?;
                match address.to_canonical() {
                    IpAddr::V4(address) => address.to_string(),
                    IpAddr::V6(address) => format!("[{address}]"),
                }
            }
            // As `2130706433`, `127.1` and `0x7f.1`, which resolvers take for an address.
            None if is_numeric(name) && name.parse::<Ipv4Addr>().is_err() => {
                return Err(Fault::Host);
            }
            None if name.len() <= MAX_HOST_LEN && name.split('.').all(is_domain_component) => {
                name.to_ascii_lowercase()
            }
            _ => return Err(Fault::Host),
        };
        Ok(Self {
            name,
            port: match port {
                Some(port) => Some(number(port)?).filter(|port| !DEFAULT_PORTS.contains(port)),
                None => None,
            },
        })
    }
}

/// The ports of `https` and `http`.
const DEFAULT_PORTS: [u16; 2] = [443, 80];

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))
    }
}

/// A part of a name that is not of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The digest.
    #[error("the text after `@` is not a digest")]
    Digest,
    /// The host.
    #[error("its host is none that an image can have")]
    Host,
    /// There is no slash.
    #[error("it names no host")]
    NoHost,
    /// The path on the host.
    #[error("its repository is none that an image can have")]
    Repository,
    /// The tag.
    #[error("its tag is none that an image can have")]
    Tag,
}

fn number(port: &str) -> Result<u16, Fault> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.then(|| port.trim_start_matches('0').parse().ok());
    port.flatten().ok_or(Fault::Host)
}

/// Whether the last part of a name is a number, which that of no domain is
/// ([WHATWG URL](https://url.spec.whatwg.org/#ends-in-a-number-checker)).
fn is_numeric(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    hex.is_some_and(is_hex) || last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_domain_component(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(valid) && !text.starts_with('-') && !text.ends_with('-')
}

/// Lower-case letters and digits, and between them a dot, one or two underscores, or any number of dashes.
fn is_path_component(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |text: &str| ["", ".", "_", "__"].contains(&text) || text.bytes().all(|byte| byte == b'-');
    text.starts_with(is_plain) && text.ends_with(is_plain) && text.split(is_plain).all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG_LEN
        && text.starts_with(first)
        && text.chars().all(|c| first(c) || c == '.' || c == '-')
}

/// An algorithm, a colon and at least 32 hexadecimal digits, as loose as the grammar.
fn is_digest(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.split(['-', '_', '+', '.']).all(is_part)
            && (32..=256).contains(&hex.len())
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_name_is_taken_apart() {
        for (text, host, repository, tag, digest) in [
            (
                "docker.io/library/alpine:3.22",
                "docker.io",
                "library/alpine",
                Some("3.22"),
                None,
            ),
            ("localhost/a:v1", "localhost", "a", Some("v1"), None),
            (
                "s3.local/my-bucket/team/app:v1",
                "s3.local",
                "my-bucket/team/app",
                Some("v1"),
                None,
            ),
            (
                "[::1]:5000/a__b/c---d:_x",
                "[::1]:5000",
                "a__b/c---d",
                Some("_x"),
                None,
            ),
            (
                &format!("r.example:5000/app@{D}"),
                "r.example:5000",
                "app",
                None,
                Some(D),
            ),
            (
                &format!("r.example/app:v1@{D}"),
                "r.example",
                "app",
                Some("v1"),
                Some(D),
            ),
            ("r.example/app", "r.example", "app", None, None),
        ] {
            let name = ImageName::parse(text).unwrap();
            assert_eq!(name.host.to_string(), host, "{text}");
            assert_eq!(
                (
                    name.repository.as_str(),
                    name.tag.as_deref(),
                    name.digest.as_deref()
                ),
                (repository, tag, digest),
                "{text}"
            );
        }
    }

    #[test]
    fn hosts_that_differ_in_spelling_alone_are_one() {
        let host = |text| Host::parse(text).unwrap();
        for same in [
            "Registry.EXAMPLE",
            "registry.example:443",
            "registry.example:80",
            "registry.example:0443",
        ] {
            assert_eq!(host(same), host("registry.example"), "{same}");
        }
        assert_eq!(host("r:05000"), host("R:5000"));
        assert_eq!(host("[0:0::1]:5000"), host("[::1]:5000"));
        assert_ne!(host("registry.example:5000"), host("registry.example"));
    }

    #[test]
    fn a_name_outside_of_the_grammar_is_refused() {
        for (text, fault) in [
            ("alpine:3.22", Fault::NoHost),
            ("", Fault::NoHost),
            ("/a:v1", Fault::Host),
            ("u@h/a:v1", Fault::NoHost),
            ("h.example./a:v1", Fault::Host),
            ("-h/a:v1", Fault::Host),
            ("h:/a:v1", Fault::Host),
            ("h:65536/a:v1", Fault::Host),
            ("h:+1/a:v1", Fault::Host),
            ("[::1/a:v1", Fault::Host),
            ("[::1%lo]/a:v1", Fault::Host),
            ("h ost/a:v1", Fault::Host),
            ("h\u{e9}/a:v1", Fault::Host),
            ("h/%67ood:v1", Fault::Repository),
            ("h//b/good:v1", Fault::Repository),
            ("h/b/./good:v1", Fault::Repository),
            ("h/b/../good:v1", Fault::Repository),
            ("h/b/:v1", Fault::Repository),
            ("h/:v1", Fault::Repository),
            ("h/Good:v1", Fault::Repository),
            ("h/a___b:v1", Fault::Repository),
            ("h/a..b:v1", Fault::Repository),
            ("h/a-:v1", Fault::Repository),
            ("h/good?x=1:v1", Fault::Repository),
            ("h/good:v1?x=1", Fault::Tag),
            ("h/good:", Fault::Tag),
            ("h/good:-v1", Fault::Tag),
            ("h/good:v1\n", Fault::Tag),
            ("h/good:v1@", Fault::Digest),
            ("h/good:v1@sha256", Fault::Digest),
            ("h/good:v1@sha256:12", Fault::Digest),
            (&format!("h/good@{D}@{D}"), Fault::Digest),
        ] {
            assert_eq!(ImageName::parse(text), Err(fault), "{text:?}");
        }
        let long = |len| ImageName::parse(&format!("h/{}:v1", "a".repeat(len)));
        assert!(long(255).is_ok());
        assert_eq!(long(256), Err(Fault::Repository));
    }
}
