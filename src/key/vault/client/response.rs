//! Vault's error responses: a status, and the sentences of `errors`.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt;

use s3lo_core::explain::Fact;
use s3lo_core::json::object;
use s3lo_core::text::clipped_to;
use serde::Deserialize;

use crate::text::without_secrets;

/// An error response, in Vault's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: u16,
    /// Vault's `errors`, one sentence each. Empty where it has nothing to say, or something else answered.
    pub errors: Vec<String>,
    origin: Origin,
}

/// The part of the way that answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    /// A proxy or another server.
    #[default]
    Elsewhere,
    /// Vault, before policies and engines.
    Front,
    /// Vault's policies or one of its engines, whose errors it counts.
    Backend,
}

/// A cause that the server's words name and its status does not. The same request fails again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The source address is not one that a role or token is bound to.
    Cidr,
    /// The cluster is the secondary of a disaster recovery.
    DisasterRecovery,
    /// The server does not reach the issuer of the identity token.
    Issuer,
    /// A quota of leases is used up.
    LeaseQuota,
    /// The namespace is locked.
    NamespaceLocked,
    /// There is no such namespace.
    NamespaceNotFound,
    /// The cluster is a secondary, which writes nothing.
    ReadOnly,
    /// A Sentinel policy.
    Sentinel,
}

/// The words of each cause, as Vault Enterprise and OpenBao write them:
/// <https://developer.hashicorp.com/vault/docs/enterprise/sentinel/examples>,
/// <https://developer.hashicorp.com/vault/docs/concepts/lease-count-quota-exceeded>,
/// <https://developer.hashicorp.com/vault/docs/concepts/namespace-api-lock>. Those of namespaces, issuers and addresses
/// were seen with OpenBao 2.7.2.
const CAUSES: &[(&str, Cause)] = &[
    ("namespace not found", Cause::NamespaceNotFound),
    (
        "API access to this namespace has been locked",
        Cause::NamespaceLocked,
    ),
    ("lease count quota exceeded", Cause::LeaseQuota),
    ("DR secondary", Cause::DisasterRecovery),
    ("cannot write to readonly storage", Cause::ReadOnly),
    ("evaluation resulted in denial", Cause::Sentinel),
    ("checking oidc discovery URL", Cause::Issuer),
    ("checking jwks URL", Cause::Issuer),
    ("fetching keys", Cause::Issuer),
    ("CIDR", Cause::Cidr),
];

/// The most sentences that are kept.
const MAX_SENTENCES: usize = 5;

/// The most characters of one: a login names claims and what they should have been.
const MAX_SENTENCE_LEN: usize = 600;

impl ErrorResponse {
    /// Reads the body of an error response, and removes the `secrets` that were sent.
    pub(crate) fn parse(status: u16, body: &[u8], secrets: &[&str]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            errors: Vec<String>,
        }
        let parsed = object::<Body>(body).map(|body| body.errors);
        let origin = match &parsed {
            Err(_) => Origin::Elsewhere,
            Ok(errors) if errors.iter().flat_map(|text| text.lines()).any(is_count) => {
                Origin::Backend
            }
            Ok(_) => Origin::Front,
        };
        let lines = parsed.unwrap_or_default();
        let errors = lines
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| line.trim().trim_start_matches("* "))
            .filter(|line| !line.is_empty() && !is_count(line))
            .take(MAX_SENTENCES)
            .map(|line| clipped_to(&without_secrets(line, secrets), MAX_SENTENCE_LEN))
            .collect();
        Self {
            status,
            errors,
            origin,
        }
    }

    /// A status alone.
    pub(crate) fn from_status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Whether `words` are in one of the sentences.
    pub fn says(&self, words: &str) -> bool {
        self.errors.iter().any(|error| error.contains(words))
    }

    /// The cause, if the server names one.
    pub fn cause(&self) -> Option<Cause> {
        let mut known = CAUSES.iter();
        let named = known.find(|(words, _)| self.says(words));
        named.map(|(_, cause)| *cause)
    }

    /// The claims that the server names in quotes: `claim "ref_protected" does not match …`.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().flat_map(|error| {
            let after = error.split("claim \"").skip(1);
            after.filter_map(|rest| rest.split_once('"').map(|(name, _)| name))
        })
    }

    /// Whether Vault wrote it, rather than a proxy.
    pub fn is_from_vault(&self) -> bool {
        self.origin != Origin::Elsewhere
    }

    /// Whether Vault gives no reason, as for a path that does not exist.
    pub fn is_empty(&self) -> bool {
        self.is_from_vault() && self.errors.is_empty()
    }

    /// Whether the token was rejected. For an unknown token Vault answers with two words (newer servers add two
    /// more); a policy's refusal is a list of one. Seen with 1.16.3.
    pub fn is_about_token(&self) -> bool {
        let bare = self.origin == Origin::Front && self.errors == ["permission denied"];
        // The last is a token of a namespace where there are none.
        let words = ["invalid token", "missing client token", "token check"];
        bare || words.iter().any(|words| self.says(words))
    }

    /// Whether the same request may succeed a moment later: 412 is a standby that has not caught up with
    /// what the client has seen ([consistency](https://developer.hashicorp.com/vault/docs/enterprise/consistency)).
    pub fn is_transient(&self) -> bool {
        // Some permanent errors have a 500. Seen with Vault 1.16.3 and OpenBao 2.7.2.
        let permanent = [
            "could not load",
            "failed to determine alias",
            "key derivation",
            "missing role_id",
            "no such key version",
            "requested version",
            "token check",
        ];
        if self.cause().is_some() {
            return false;
        }
        match self.status {
            408 | 412 | 429 | 472 | 473 => true,
            status => status >= 500 && !permanent.iter().any(|words| self.says(words)),
        }
    }

    /// Whether Vault throttles, by a
    /// [quota](https://developer.hashicorp.com/vault/docs/concepts/resource-quotas).
    pub fn is_throttled(&self) -> bool {
        self.status == 429 && self.cause() != Some(Cause::LeaseQuota)
    }

    /// Whether Vault is sealed.
    pub fn is_sealed(&self) -> bool {
        self.status == 503 && self.says("sealed")
    }

    /// The answer, for a message.
    pub(super) fn fact(&self) -> Fact {
        Fact::new("said", self.to_string())
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        match self.errors.as_slice() {
            [] => Ok(()),
            errors => write!(f, ": {}", errors.join("; ")),
        }
    }
}

/// Whether a line is a headline: `2 errors occurred:`.
fn is_count(line: &str) -> bool {
    let number = line
        .strip_suffix(" errors occurred:")
        .or_else(|| line.strip_suffix(" error occurred:"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_read_without_the_headline() {
        let body =
            br#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#;
        let answer = ErrorResponse::parse(403, body, &[]);
        assert_eq!(answer.errors, ["permission denied", "invalid token"]);
        assert_eq!(
            answer.to_string(),
            "status 403: permission denied; invalid token"
        );
    }

    #[test]
    fn a_cause_is_known_by_the_server_s_words() {
        for (status, words, cause) in [
            (404, "namespace not found", Some(Cause::NamespaceNotFound)),
            (
                503,
                "API access to this namespace has been locked by an administrator - \\\"team/\\\" must be unlocked to gain access.",
                Some(Cause::NamespaceLocked),
            ),
            (
                429,
                "request path \\\"auth/jwt/login\\\": lease count quota exceeded",
                Some(Cause::LeaseQuota),
            ),
            (
                403,
                "2 errors occurred:\\n\\t* egp standard policy \\\"root/a\\\" evaluation resulted in denial.\\n\\nThe specific error was:\\n<nil>\\n\\t* permission denied\\n\\n",
                Some(Cause::Sentinel),
            ),
            (
                400,
                "path disabled in replication DR secondary mode",
                Some(Cause::DisasterRecovery),
            ),
            (
                429,
                "request path \\\"transit/sign/k\\\": rate limit quota exceeded",
                None,
            ),
            (403, "permission denied", None),
        ] {
            let body = format!(r#"{{"errors":["{words}"]}}"#);
            let answer = ErrorResponse::parse(status, body.as_bytes(), &[]);
            assert_eq!(answer.cause(), cause, "{words}");
            assert!(
                answer.is_transient() != (cause.is_some() || status == 403),
                "{words}"
            );
        }
    }

    #[test]
    fn the_claims_that_are_named_are_found() {
        let body = br#"{"errors":["error validating claims: claim \"a\" does not match any associated bound claim values; claim \"/b/c\" is missing", "claim \""]}"#;
        let answer = ErrorResponse::parse(400, body, &[]);
        assert_eq!(answer.claims().collect::<Vec<_>>(), ["a", "/b/c"]);
    }

    #[test]
    fn a_secret_in_an_answer_is_redacted() {
        let body = br#"{"errors":["bad token hvs.CAESIJ-secret, sorry"]}"#;
        let answer = ErrorResponse::parse(400, body, &["hvs.CAESIJ-secret"]);
        assert_eq!(answer.errors, ["bad token …, sorry"]);
    }

    #[test]
    fn an_answer_of_something_else_is_reduced_to_its_status() {
        for body in [
            "<html>bad gateway</html>",
            "",
            "[]",
            r#"{"errors":[]}"#,
            r#"{"errors":"x"}"#,
            r#"["permission denied"]"#,
        ] {
            assert_eq!(
                ErrorResponse::parse(502, body.as_bytes(), &[]).to_string(),
                "status 502"
            );
        }
        let many = format!(r#"{{"errors":[{}"x"]}}"#, r#""x","#.repeat(10_000));
        assert_eq!(
            ErrorResponse::parse(500, many.as_bytes(), &[]).errors.len(),
            MAX_SENTENCES
        );
    }
}
