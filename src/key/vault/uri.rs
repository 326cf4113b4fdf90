//! The URI of a key in the transit engine of Vault or OpenBao: `hashivault://HOST[:PORT]/v1/MOUNT/keys/KEY`, or
//! `hashivault://KEY` with address and mount from the environment. `?version=N` selects one version.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use s3lo_core::explain::Explain;

use std::num::NonZeroU64;

use crate::key::vault::client::address::Product;
use crate::key::vault::client::mount::Mount;
use crate::key::vault::client::variables::Variables;
use crate::net::url::Authority;
use crate::text::{is_vault_token, printable};

/// The URI of a key in a transit engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TransitKeyUri {
    /// The product, by the scheme.
    pub product: Product,
    /// The server and the mount, if the URI names them.
    pub location: Option<(Authority, Mount)>,
    /// The key.
    pub key: String,
    /// The selected version. Without one, all versions count.
    pub version: Option<NonZeroU64>,
}

impl TransitKeyUri {
    /// Whether a text is valid, without looking for a correction.
    fn is_valid(product: Product, rest: &str) -> bool {
        match rest.split_once("/v1/") {
            None => !rest.contains('/') && key(product.scheme(), rest).is_ok(),
            Some((authority, path)) => {
                let parts = path.rsplit_once("/keys/");
                authority.parse::<Authority>().is_ok()
                    && parts.is_some_and(|(mount, named)| {
                        let whole = mount.trim_matches('/') == mount;
                        whole
                            && Mount::parse(mount).is_some()
                            && key(product.scheme(), named).is_ok()
                    })
            }
        }
    }

    /// Reads what follows `hashivault://` or `openbao://`.
    ///
    /// # Errors
    ///
    /// [`Error`], with a correction where possible.
    pub fn parse(product: Product, rest: &str) -> Result<Self, Error> {
        let scheme = product.scheme();
        let (path, version) = match rest.split_once('?') {
            None => (rest, None),
            Some((path, query)) => (path, Some(version(query)?)),
        };
        let Some((authority, path)) = path.split_once('/') else {
            return Ok(Self {
                product,
                location: None,
                key: key(scheme, path)?,
                version,
            });
        };
        let form = || {
            let (instead, below_path) = correction(product, rest);
            Error::Form {
                scheme,
                instead,
                below_path,
            }
        };
        let authority = match authority.parse::<Authority>() {
            Ok(authority) => authority,
            Err(_) if ["", "http:", "https:"].contains(&authority) => return Err(form()),
            Err(_) => {
                return Err(Error::Host {
                    scheme,
                    host: authority.to_owned(),
                });
            }
        };
        let path = path.strip_prefix("v1/").ok_or_else(form)?;
        let (before, named) = path.rsplit_once('/').ok_or_else(form)?;
        let mount = before.strip_suffix("/keys").and_then(|mount| {
            let whole = !mount.starts_with('/') && !mount.ends_with('/');
            Mount::parse(mount).filter(|_| whole)
        });
        let mount = mount.filter(|_| !named.is_empty()).ok_or_else(form)?;
        Ok(Self {
            product,
            location: Some((authority, mount)),
            key: key(scheme, named)?,
            version,
        })
    }
}

/// A correction: the URI that may have been meant, or its form; and whether a path before `/v1/` was left out.
fn correction(product: Product, rest: &str) -> (String, bool) {
    let scheme = product.scheme();
    let path = rest.split('?').next().unwrap_or(rest).trim_matches('/');
    let path = path
        .replacen("/sign/", "/keys/", 1)
        .replacen("V1/", "v1/", 1);
    let path = path
        .strip_prefix("https://")
        .or_else(|| path.strip_prefix("http://"))
        .unwrap_or(&path);
    let (first, others) = path.split_once('/').unwrap_or((path, ""));
    // A path before `/v1/` is part of VAULT_ADDR.
    let below_path = others
        .split_once("/v1/")
        .filter(|_| !others.starts_with("v1/"));
    let others = match below_path {
        Some((_, others)) => others,
        None => others.strip_prefix("v1").unwrap_or(others),
    };
    let others = others.trim_start_matches('/');
    let last = others.rsplit('/').next().unwrap_or_default();
    let last = if is_vault_token(last) { "KEY" } else { last };
    let meant = if first.contains(['.', ':']) || first == "localhost" {
        // A host.
        [
            format!("{first}/v1/{others}"),
            format!("{first}/v1/transit/keys/{last}"),
            format!("{first}/v1/transit/keys/KEY"),
        ]
    } else {
        let alone = if first == "transit" { last } else { first };
        [
            format!("HOST/v1/{}", path.trim_start_matches("v1/")),
            alone.to_owned(),
            "HOST/v1/transit/keys/KEY".to_owned(),
        ]
    };
    let found = meant
        .iter()
        .find(|text| TransitKeyUri::is_valid(product, text));
    let pin = rest.split_once('?').map(|(_, query)| query);
    let pin = pin.filter(|query| version(query).is_ok());
    let pin = pin.map_or_else(String::new, |query| format!("?{query}"));
    let instead = format!("{scheme}://{}{pin}", found.map_or("KEY", String::as_str));
    (instead, below_path.is_some())
}

/// Reads `version=N`.
fn version(query: &str) -> Result<NonZeroU64, Error> {
    let number = query.strip_prefix("version=").unwrap_or_default();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let number = number.parse().ok().filter(|_| plain);
    number.ok_or_else(|| Error::Version {
        query: query.to_owned(),
    })
}

/// Reads a key's name, as the engine accepts it: letters, digits, `_`, and inside it `.` and `-`.
fn key(scheme: &'static str, text: &str) -> Result<String, Error> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let ends = [text.bytes().next(), text.bytes().next_back()];
    let valid = ends.into_iter().all(|end| end.is_some_and(word))
        && text.bytes().all(|byte| word(byte) || b".-".contains(&byte))
        && text.len() <= MAX_KEY_LEN;
    match text {
        "" => Err(Error::NoKey { scheme }),
        _ if valid => Ok(text.to_owned()),
        _ => Err(Error::Key {
            scheme,
            key: text.to_owned(),
        }),
    }
}

/// The longest name of a key, in bytes.
const MAX_KEY_LEN: usize = 512;

/// Why a text is no URI of a key in a transit engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has slashes, and is not of the form with a server.
    #[error("the key is not of the form `{scheme}://HOST/v1/MOUNT/keys/KEY`")]
    Form {
        /// The scheme.
        scheme: &'static str,
        /// The right form.
        instead: String,
        /// Whether there is a path between the host and `/v1/`.
        below_path: bool,
    },
    /// The host is none.
    #[error("`{}` is not a host", printable(host))]
    Host {
        /// The scheme.
        scheme: &'static str,
        /// The text.
        host: String,
    },
    /// The key is none.
    #[error("`{}` is not the name of a transit key", printable(key))]
    Key {
        /// The scheme.
        scheme: &'static str,
        /// The text.
        key: String,
    },
    /// There is no key after the scheme.
    #[error("`{scheme}://` is not followed by a key")]
    NoKey {
        /// The scheme.
        scheme: &'static str,
    },
    /// The text after the question mark is not a version.
    #[error("`?{}` does not name a version of the key", printable(query))]
    Version {
        /// The text.
        query: String,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "bad_key_reference"
    }

    fn help(&self) -> String {
        match self {
            Self::Form {
                instead,
                scheme,
                below_path: true,
            } => format!(
                "write `{instead}`, and the path below which the server is in {}, as in `https://HOST/PATH`",
                Variables(Product::from_scheme(scheme).unwrap_or(Product::Vault)).name("ADDR")
            ),
            Self::Form { instead, .. } => format!("write `{instead}`"),
            Self::Host { scheme, .. } => {
                format!(
                    "write `{scheme}://HOST:PORT/v1/transit/keys/KEY`, without the port if it is 443"
                )
            }
            Self::Key { scheme, .. } => format!(
                "write letters, digits, `_`, `.` and `-`, as in `{scheme}://ci-signer`, or with a server `{scheme}://HOST/v1/transit/keys/ci-signer`"
            ),
            Self::NoKey { scheme } => format!(
                "write `{scheme}://KEY`, or with a server `{scheme}://HOST/v1/transit/keys/KEY`"
            ),
            Self::Version { .. } => {
                "write `?version=N`, N from 1 on, or omit it for all versions".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<TransitKeyUri, Error> {
        TransitKeyUri::parse(Product::Vault, rest)
    }

    #[test]
    fn the_long_form_has_host_mount_and_key() {
        for (rest, host, mount, key, version) in [
            (
                "vault.example/v1/transit/keys/ci-signer",
                "vault.example",
                "transit",
                "ci-signer",
                None,
            ),
            (
                "v.example:8200/v1/team/a/transit/keys/k",
                "v.example:8200",
                "team/a/transit",
                "k",
                None,
            ),
            (
                "[::1]:8200/v1/t/keys/a.b_c-d",
                "[::1]:8200",
                "t",
                "a.b_c-d",
                None,
            ),
            (
                "10.0.0.7/v1/keys/keys/keys?version=12",
                "10.0.0.7",
                "keys",
                "keys",
                Some(12),
            ),
        ] {
            let name = parse(rest).unwrap();
            let (server, engine) = name.location.unwrap();
            assert_eq!(
                (server.to_string(), engine.as_str()),
                (host.to_owned(), mount)
            );
            assert_eq!(name.key, key);
            assert_eq!(name.version.map(NonZeroU64::get), version);
        }
    }

    #[test]
    fn the_short_form_has_a_key_alone() {
        for key in ["ci-signer", "a", "k_1", "vault.example"] {
            let name = parse(key).unwrap();
            assert_eq!((name.key.as_str(), name.location), (key, None));
        }
        assert_eq!(parse("k?version=3").unwrap().version, NonZeroU64::new(3));
    }

    #[test]
    fn a_correction_is_a_valid_uri() {
        for (rest, instead) in [
            ("/ci-signer", "ci-signer"),
            ("ci-signer/", "ci-signer"),
            (
                "vault.example/transit/keys/k",
                "vault.example/v1/transit/keys/k",
            ),
            (
                "vault.example/V1/transit/keys/k",
                "vault.example/v1/transit/keys/k",
            ),
            (
                "vault.example/v1/transit/keys/k/",
                "vault.example/v1/transit/keys/k",
            ),
            (
                "vault.example/v1/transit/sign/k",
                "vault.example/v1/transit/keys/k",
            ),
            ("transit/keys/k", "HOST/v1/transit/keys/k"),
            ("team/a/transit/keys/k", "HOST/v1/team/a/transit/keys/k"),
            ("transit/k", "k"),
            ("/transit/keys/k", "HOST/v1/transit/keys/k"),
            ("/v1/transit/keys/k", "HOST/v1/transit/keys/k"),
            ("vault.example/v1/k", "vault.example/v1/transit/keys/k"),
            ("vault.example/k", "vault.example/v1/transit/keys/k"),
            ("vault.example/", "vault.example/v1/transit/keys/KEY"),
            ("vault.example/v1/", "vault.example/v1/transit/keys/KEY"),
            ("bao.example/keys/k", "bao.example/v1/transit/keys/k"),
            ("k/1", "k"),
            ("/k?version=3", "k?version=3"),
            (
                "vault.example/v1/transit//keys/k",
                "vault.example/v1/transit/keys/k",
            ),
            (
                "vault.example/hvs.of-somebody",
                "vault.example/v1/transit/keys/KEY",
            ),
            ("/", "HOST/v1/transit/keys/KEY"),
            (
                "https://vault.example/v1/transit/keys/k",
                "vault.example/v1/transit/keys/k",
            ),
            (
                "http://127.0.0.1:8200/v1/transit/keys/k?version=2",
                "127.0.0.1:8200/v1/transit/keys/k?version=2",
            ),
            (
                "https://vault.example/",
                "vault.example/v1/transit/keys/KEY",
            ),
            (
                "proxy.example/vault/v1/transit/keys/k",
                "proxy.example/v1/transit/keys/k",
            ),
            (
                "https://proxy.example/a/vault/v1/team/transit/sign/k",
                "proxy.example/v1/team/transit/keys/k",
            ),
            (
                "vault.example/v1/team/v1/transit/sign/k",
                "vault.example/v1/team/v1/transit/keys/k",
            ),
        ] {
            match parse(rest) {
                Err(Error::Form {
                    instead: corrected, ..
                }) => {
                    assert_eq!(corrected, format!("hashivault://{instead}"), "{rest}");
                }
                other => panic!("{rest}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_uri_that_could_lead_elsewhere_is_refused() {
        for rest in [
            "",
            "/",
            "/ci-signer",
            "vault.example/",
            "vault.example/transit/keys/k",
            "vault.example/v1/transit/keys/",
            "vault.example/v1/keys/k",
            "vault.example/v1//keys/k",
            "vault.example/v1/transit//keys/k",
            "vault.example/v1//transit/keys/k",
            "vault.example/v1/../sys/keys/k",
            "vault.example/v1/a/../transit/keys/k",
            "vault.example/v1/transit/sign/k",
            "vault.example/v1/transit/keys/k/config",
            "vault.example/v1/tran%2fsit/keys/k",
            "vault.example/v1/transit/keys/k%2e",
            "vault.example/v1/transit/keys/k#x",
            "vault.example:0/v1/transit/keys/k",
            "vault.example:99999/v1/transit/keys/k",
            "vault example/v1/transit/keys/k",
            "-k",
            "k-",
            "k k",
            "k?version=0",
            "k?version=01",
            "k?version=-1",
            "k?version=+1",
            "k?version=",
            "k?version=99999999999999999999",
            "k?version=1&version=2",
            "k?v=1",
            "k?",
        ] {
            assert!(parse(rest).is_err(), "{rest}");
        }
    }
}
