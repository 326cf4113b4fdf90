//! References to keys: the text of `--key`, split into scheme and rest, and checked for secrets.

use s3lo_core::explain::{Explain, Fact};

use std::fmt;

use crate::key::error::Error;
use crate::option_name::option;
use crate::text::{is_key_material, printable, quoted};

/// A checked `--key`. It is stored in records and printed, so it contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRef {
    written: String,
    scheme: String,
    rest: String,
    pub(crate) versions: Versions,
    pub(crate) suggestion: Option<String>,
}

impl KeyRef {
    /// Splits a reference, and refuses what may be a secret. The meaning of the rest is the provider's.
    pub(crate) fn split(text: &str) -> Result<Self, RefError> {
        let end = text.chars().next_back().filter(|c| "\r\n\t".contains(*c));
        let before_end = text.trim_end_matches(['\r', '\n', '\t']);
        if let Some(end) = end
            && !is_key_material(before_end)
            && !before_end.contains(char::is_control)
        {
            return Err(RefError::Ending(end));
        }
        if is_key_material(text) || text.contains(char::is_control) {
            return Err(RefError::KeyMaterial);
        }
        if text.len() > MAX_LEN {
            return Err(RefError::TooLong);
        }
        if text.is_empty() {
            return Err(RefError::Empty);
        }
        // PKCS #11 has URIs without slashes (RFC 7512).
        let pkcs11 = text
            .split_at_checked(7)
            .filter(|(start, _)| start.eq_ignore_ascii_case("pkcs11:"))
            .map(|(_, rest)| ("pkcs11", rest));
        let (scheme, rest) = match pkcs11.or_else(|| text.split_once("://")) {
            // As a variable in front of it leaves it that is not set. It must not become the path of a file.
            Some(("", _)) => return Err(RefError::NoScheme),
            Some(split) => split,
            None => (PATH_SCHEME, text),
        };
        if !WITHOUT_AUTHORITY.contains(&scheme) && carries_secret(rest) {
            return Err(RefError::Secret);
        }
        Ok(Self {
            written: text.to_owned(),
            scheme: scheme.to_owned(),
            rest: rest.to_owned(),
            versions: Versions::Single,
            suggestion: None,
        })
    }

    /// A key of a policy, which messages name as the policy does.
    pub(crate) fn named(name: &str, versions: Versions) -> Self {
        Self {
            written: name.to_owned(),
            scheme: PATH_SCHEME.to_owned(),
            rest: name.to_owned(),
            versions,
            suggestion: None,
        }
    }

    /// The reference as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The scheme: the text before `://`, or [`PATH_SCHEME`] for the path of a file.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The text after the scheme.
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// The versions of a key that the reference means.
    pub fn versions(&self) -> Versions {
        self.versions
    }

    /// The variable that the key itself is in: `env://NAME`.
    pub fn variable(&self) -> Option<&str> {
        (self.scheme == VARIABLE_SCHEME).then_some(&self.rest)
    }

    /// Advice, if a path looks like the reference of another provider.
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The versions of a key that a reference means, each with a public key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Versions {
    /// Such a key has no versions.
    Single,
    /// One version of several.
    One,
    /// All versions.
    All,
}

/// The scheme of a reference that is the path of a file.
pub const PATH_SCHEME: &str = "";

/// The scheme of a reference to a key in a variable.
pub const VARIABLE_SCHEME: &str = "env";

/// Schemes that are followed by a path or by the name of a variable, in which an `@` or a `token=` is no secret.
const WITHOUT_AUTHORITY: [&str; 2] = [PATH_SCHEME, VARIABLE_SCHEME];

/// The longest reference, in bytes: that of the longest path. It becomes part of every record.
const MAX_LEN: usize = 4096;

/// Whether a URL's user or query may be a password, a token or a PIN.
fn carries_secret(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let lower = rest.to_ascii_lowercase();
    authority.contains('@')
        || ["pin-value=", "pin=", "password=", "token=", "secret="]
            .iter()
            .any(|name| lower.contains(name))
}

/// Why a text is no key reference. No error quotes what may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefError {
    /// The text is empty.
    #[error("the key reference is empty")]
    Empty,
    /// A control character after it, as scripts with other line endings leave it.
    #[error("the key reference ends with {}", named(*.0))]
    Ending(char),
    /// The reference of an image.
    #[error("the key reference `{reference}` names an image, not a key")]
    Image {
        /// As it was written.
        reference: String,
    },
    /// The text is a key.
    #[error("the key reference holds a key, not the place of one")]
    KeyMaterial,
    /// The text begins with `://`.
    #[error("the key reference begins with `://`, without a kind of key")]
    NoScheme,
    /// A key service that this program does not support yet.
    #[error("{service} keys (`{scheme}:`) are not supported yet")]
    NotBuilt {
        /// The scheme.
        scheme: &'static str,
        /// The service's name.
        service: &'static str,
        /// The supported kinds of key.
        supported: Supported,
    },
    /// The provider's error.
    #[error(transparent)]
    Provider(#[from] Error),
    /// The text contains a password, a token or a PIN.
    #[error("the key reference carries a secret, and it would be stored in the record")]
    Secret,
    /// The text is longer than any path.
    #[error("the key reference is longer than {MAX_LEN} bytes")]
    TooLong,
    /// The scheme is unknown.
    #[error("unsupported kind of key `{}`", printable(scheme))]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// The text after it.
        path: String,
        /// The supported kinds of key.
        supported: Supported,
    },
}

fn named(c: char) -> &'static str {
    match c {
        '\r' => "a carriage return (\\r)",
        '\t' => "a tab",
        _ => "a newline",
    }
}

/// The kinds of key that the providers support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supported {
    /// The schemes.
    pub schemes: Vec<&'static str>,
    /// An example of each kind.
    pub examples: Vec<String>,
}

impl RefError {
    pub(crate) fn unknown_scheme(reference: &KeyRef, supported: Supported) -> Self {
        let (scheme, service) = match reference.scheme() {
            "azurekms" => ("azurekms", "Azure Key Vault"),
            "gcpkms" => ("gcpkms", "Google Cloud KMS"),
            "pkcs11" => ("pkcs11", "PKCS #11"),
            "s3" | "local" => {
                return Self::Image {
                    reference: reference.as_str().to_owned(),
                };
            }
            other => {
                return Self::UnknownScheme {
                    scheme: other.to_owned(),
                    path: reference.rest().to_owned(),
                    supported,
                };
            }
        };
        Self::NotBuilt {
            scheme,
            service,
            supported,
        }
    }
}

impl Explain for RefError {
    fn code(&self) -> &'static str {
        match self {
            Self::Provider(error) => error.code(),
            Self::Secret | Self::KeyMaterial => "secret_in_key_reference",
            Self::NotBuilt { .. } | Self::UnknownScheme { .. } => "unknown_key_scheme",
            Self::Empty | Self::Ending(_) | Self::Image { .. } | Self::NoScheme | Self::TooLong => {
                "bad_key_reference"
            }
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Provider(error) => error.facts(),
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Provider(error) => error.help(),
            Self::Empty => format!(
                "name a key, as in {key}",
                key = option("key").with("cosign.key")
            ),
            Self::Ending('\r') => "convert the script or file that it comes from, which has Windows line endings: `dos2unix FILE`".to_owned(),
            Self::Ending(_) => "remove the white space after the key reference".to_owned(),
            Self::Image { .. } => format!(
                "swap the two: the image stands alone, and the key after its option: {}",
                option("key").with("cosign.key")
            ),
            Self::NoScheme => format!(
                "write the kind of key, as in {key}: the variable in front of `://` is empty",
                key = option("key").with("awskms:///alias/NAME")
            ),
            Self::KeyMaterial => {
                format!(
                    "put the key into a variable and name that: {key}",
                    key = option("key").with("env://COSIGN_PRIVATE_KEY")
                )
            }
            Self::UnknownScheme {
                scheme, supported, ..
            } if supported
                .schemes
                .contains(&scheme.to_ascii_lowercase().as_str()) =>
            {
                format!(
                    "write it in lower case: `{}://`",
                    scheme.to_ascii_lowercase()
                )
            }
            Self::UnknownScheme { scheme, path, .. } if scheme.eq_ignore_ascii_case("file") => {
                format!(
                    "name a file by its path alone: {}",
                    option("key").with(&quoted(path))
                )
            }
            Self::NotBuilt { supported, .. } | Self::UnknownScheme { supported, .. } => {
                supported.advice()
            }
            Self::TooLong => "name the file by a shorter path".to_owned(),
            Self::Secret => {
                "remove the password, token or PIN from it, and give it in an environment variable"
                    .to_owned()
            }
        }
    }
}

impl Supported {
    fn advice(&self) -> String {
        match self.examples.split_last() {
            None => String::new(),
            Some((only, [])) => format!("use {only}"),
            Some((last, others)) => format!("use {} or {last}", others.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_its_scheme_is_no_path() {
        for text in [
            "://",
            "://cosign.pub",
            "://alias/release-signer",
            "://token=secret@host/../cosign.key",
        ] {
            assert_eq!(KeyRef::split(text), Err(RefError::NoScheme), "{text}");
        }
    }

    #[test]
    fn a_pin_of_pkcs11_is_a_secret_wherever_it_stands() {
        for text in [
            "pkcs11:token=x;pin-value=1234",
            "pkcs11:token=x;pin-value=1234?module-path=file:///x",
            "PKCS11:x?pin-value=1234&module-path=file:///x",
        ] {
            assert_eq!(KeyRef::split(text), Err(RefError::Secret), "{text}");
        }
    }
}
