//! Identity tokens and their claims, which are not verified here.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3lo_core::explain::Fact;
use s3lo_core::text::clipped;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

/// A JWT ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)). Its signature is for its relying party to verify.
pub struct IdentityToken {
    text: SecretString,
    claims: Claims,
}

impl IdentityToken {
    /// Parses a token, without the whitespace around it.
    pub(crate) fn new(text: SecretString) -> Option<Self> {
        let trimmed = text.expose_secret().trim();
        let [_, claims, _] = <[&str; 3]>::try_from(trimmed.split('.').collect::<Vec<_>>()).ok()?;
        let compact = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if trimmed.len() > MAX_LEN || !trimmed.bytes().all(compact) {
            return None;
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims = serde_json::from_slice(&json).ok()?;
        let text = SecretString::from(trimmed);
        Some(Self { text, claims })
    }

    /// The token itself, for its relying party alone.
    pub fn secret(&self) -> &str {
        self.text.expose_secret()
    }

    /// The claims of the token.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// Whether a text is a token rather than the name of a file or variable that holds one.
pub(crate) fn is_token(text: &str) -> bool {
    IdentityToken::new(SecretString::from(text)).is_some()
}

/// The claims that trust policies compare.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Claims {
    /// `iss`: the provider's URL.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// `aud`: the relying parties.
    #[serde(rename = "aud")]
    pub audience: Audience,
    /// `sub`: repository, branch, environment.
    #[serde(rename = "sub")]
    pub subject: String,
    /// Every other claim.
    #[serde(flatten)]
    pub others: BTreeMap<String, Value>,
}

impl Claims {
    /// Issuer, audience and subject, for a message.
    pub fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::new("issuer", clipped(&self.issuer)),
            Fact::new("audience", clipped(&self.audience.to_string())),
            Fact::new("subject", clipped(&self.subject)),
        ]
    }

    /// `exp`: the end, in seconds since 1970.
    pub fn expires(&self) -> Option<u64> {
        let expires = self.others.get("exp")?;
        // Some issuers write fractions.
        expires
            .as_u64()
            .or_else(|| expires.to_string().split('.').next()?.parse().ok())
    }

    /// The value of a claim by its name, or by a JSON pointer as Vault's roles write it (`/project/path`).
    pub fn value(&self, name: &str) -> Option<String> {
        let known = match name {
            "iss" => Some(self.issuer.clone()),
            "aud" => Some(self.audience.to_string()),
            "sub" => Some(self.subject.clone()),
            _ => None,
        };
        let other = || {
            let (first, rest) = match name.strip_prefix('/') {
                None => (name, ""),
                Some(path) => path.split_at(path.find('/').unwrap_or(path.len())),
            };
            Some(match self.others.get(first)?.pointer(rest)? {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        known.filter(|text| !text.is_empty()).or_else(other)
    }
}

/// The claims of the token that was last given to a relying party, shared by those who ask for tokens and those who
/// report.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastClaims(Arc<Mutex<Option<Claims>>>);

impl LastClaims {
    /// Notes the claims of a token.
    pub(crate) fn note(&self, token: &IdentityToken) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(token.claims().clone());
    }

    /// The claims, if there was a token.
    pub(crate) fn get(&self) -> Option<Claims> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

/// One audience or several.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Audience {
    /// A single one.
    One(String),
    /// A list.
    Several(Vec<String>),
}

impl Audience {
    /// Whether one of them is `wanted`.
    pub fn any(&self, wanted: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(audience) => wanted(audience),
            Self::Several(audiences) => audiences.iter().any(|audience| wanted(audience)),
        }
    }
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(audience) => f.write_str(audience),
            Self::Several(audiences) => f.write_str(&audiences.join(", ")),
        }
    }
}

/// The longest token that STS takes, in bytes.
pub(crate) const MAX_LEN: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_the_second_holds_its_claims() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"iss":"i","aud":["a","b"],"sub":"s"}"#);
        let token = IdentityToken::new(SecretString::from(format!("h.{claims}.s\n"))).unwrap();
        assert_eq!(token.secret(), format!("h.{claims}.s"));
        assert_eq!(token.claims().audience.to_string(), "a, b");
        for text in ["", "a.b", "a.b.c", "a.b.c.d", "{}", "h h.e30.s"] {
            assert!(
                IdentityToken::new(SecretString::from(text)).is_none(),
                "{text}"
            );
        }
        let values = |name: &str| token.claims().value(name);
        assert_eq!(values("sub").as_deref(), Some("s"));
        assert_eq!(token.claims().expires(), None);
        assert_eq!(values("nothing"), None);
        let long = format!("h.{claims}.{}", "s".repeat(MAX_LEN));
        assert!(IdentityToken::new(SecretString::from(long)).is_none());
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_by_a_pointer() {
        let claims = r#"{"iss":"i","sub":"s","ref_protected":"false","n":7,"a":{"b":{"c":["x"]}}}"#;
        let claims: Claims = serde_json::from_str(claims).unwrap();
        for (name, value) in [
            ("iss", Some("i")),
            ("ref_protected", Some("false")),
            ("/ref_protected", Some("false")),
            ("n", Some("7")),
            ("/a/b/c", Some(r#"["x"]"#)),
            ("/a/b/c/0", Some("x")),
            ("/a/x", None),
            ("aud", None),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(claims.value(name).as_deref(), value, "{name}");
        }
    }
}
