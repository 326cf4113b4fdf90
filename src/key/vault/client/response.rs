//! Vault's error responses: a status, and the sentences of `errors`.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt;

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
        // The transit engine answers some permanent errors with 500. Seen with 1.16.3.
        let permanent = [
            "could not load",
            "failed to determine alias",
            "key derivation",
            "no such key version",
            "requested version",
            "token check",
        ];
        match self.status {
            408 | 412 | 429 | 472 | 473 => true,
            status => status >= 500 && !permanent.iter().any(|words| self.says(words)),
        }
    }

    /// Whether Vault throttles, by a
    /// [quota](https://developer.hashicorp.com/vault/docs/concepts/resource-quotas).
    pub fn is_throttled(&self) -> bool {
        self.status == 429
    }

    /// Whether Vault is sealed.
    pub fn is_sealed(&self) -> bool {
        self.status == 503 && self.says("sealed")
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
