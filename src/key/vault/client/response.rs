//! What Vault said: a status, and the sentences of its `errors`.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt;

use s3lo_core::json::object;
use s3lo_core::text::{clipped, clipped_to};
use serde::Deserialize;

/// A refusal, with Vault's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Vault's `errors`, one sentence each. Empty where it has nothing to say, or something else answered.
    pub errors: Vec<String>,
    from: From,
}

/// Who answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum From {
    /// Somebody in between, or nobody.
    #[default]
    Elsewhere,
    /// Vault, before it came to policies and engines.
    Gate,
    /// Vault's policies or one of its engines: it counts their errors.
    Inside,
}

/// The most sentences that are kept.
const MOST: usize = 5;

/// The most characters of one: a login names claims and what they should have been.
const LONGEST: usize = 600;

impl Answer {
    /// Reads the body of a refusal. What was sent as a secret does not come back in it.
    pub(crate) fn of(status: u16, body: &[u8], secrets: &[&str]) -> Self {
        #[derive(Deserialize)]
        struct Refusal {
            errors: Vec<String>,
        }
        let refusal = object::<Refusal>(body).map(|refusal| refusal.errors);
        let from = match &refusal {
            Err(_) => From::Elsewhere,
            Ok(errors) if errors.iter().flat_map(|text| text.lines()).any(is_count) => From::Inside,
            Ok(_) => From::Gate,
        };
        let lines = refusal.unwrap_or_default();
        let errors = lines
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| line.trim().trim_start_matches("* "))
            .filter(|line| !line.is_empty() && !is_count(line))
            .take(MOST)
            .map(|line| clipped_to(&without(line, secrets), LONGEST))
            .collect();
        Self {
            status,
            errors,
            from,
        }
    }

    /// A status alone.
    pub(crate) fn bare(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Whether `words` are in one of the sentences.
    pub fn says(&self, words: &str) -> bool {
        self.errors.iter().any(|error| error.contains(words))
    }

    /// Whether it is from Vault, and not from somebody in between.
    pub fn is_vaults(&self) -> bool {
        self.from != From::Elsewhere
    }

    /// Whether Vault has nothing to say: so it answers for what is not there.
    pub fn is_empty(&self) -> bool {
        self.is_vaults() && self.errors.is_empty()
    }

    /// Whether the token is at fault. An unknown token is refused with two words alone (newer servers add two
    /// more), where a policy's refusal comes as a list of one: seen with 1.16.3.
    pub fn is_about_the_token(&self) -> bool {
        let bare = self.from == From::Gate && self.errors == ["permission denied"];
        // The last is a token of a namespace where there are none.
        let words = ["invalid token", "missing client token", "token check"];
        bare || words.iter().any(|words| self.says(words))
    }

    /// Whether the same request may succeed a moment later: 412 is a standby that has not caught up with
    /// what the client has seen ([consistency](https://developer.hashicorp.com/vault/docs/enterprise/consistency)).
    pub fn is_transient(&self) -> bool {
        // For some of what will never do, the transit engine says 500: seen with 1.16.3.
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

    /// Whether Vault asks for patience, by a
    /// [quota](https://developer.hashicorp.com/vault/docs/concepts/resource-quotas).
    pub fn is_throttled(&self) -> bool {
        self.status == 429
    }

    /// Whether Vault is sealed: it runs, and nobody has given it the key to its storage.
    pub fn is_sealed(&self) -> bool {
        self.status == 503 && self.says("sealed")
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        match self.errors.as_slice() {
            [] => Ok(()),
            errors => write!(f, ": {}", errors.join("; ")),
        }
    }
}

/// `2 errors occurred:`, which is a headline.
fn is_count(line: &str) -> bool {
    let number = line
        .strip_suffix(" errors occurred:")
        .or_else(|| line.strip_suffix(" error occurred:"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `text`, in which none of `secrets` is to be read.
pub(crate) fn without(text: &str, secrets: &[&str]) -> String {
    let long = secrets.iter().filter(|secret| secret.len() >= SHORTEST);
    long.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

/// What is shorter is no token, and might be part of any word.
const SHORTEST: usize = 8;

/// A header that a server may fill with anything.
pub(crate) fn shown(text: &str, secrets: &[&str]) -> String {
    clipped(&without(text, secrets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_are_kept_without_their_frame() {
        let body =
            br#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#;
        let answer = Answer::of(403, body, &[]);
        assert_eq!(answer.errors, ["permission denied", "invalid token"]);
        assert_eq!(
            answer.to_string(),
            "status 403: permission denied; invalid token"
        );
    }

    #[test]
    fn a_secret_does_not_come_back() {
        let body = br#"{"errors":["bad token hvs.CAESIJ-secret, sorry"]}"#;
        let answer = Answer::of(400, body, &["hvs.CAESIJ-secret"]);
        assert_eq!(answer.errors, ["bad token …, sorry"]);
    }

    #[test]
    fn what_is_not_from_vault_is_a_status_alone() {
        for body in [
            "<html>bad gateway</html>",
            "",
            "[]",
            r#"{"errors":[]}"#,
            r#"{"errors":"x"}"#,
            r#"["permission denied"]"#,
        ] {
            assert_eq!(
                Answer::of(502, body.as_bytes(), &[]).to_string(),
                "status 502"
            );
        }
        let many = format!(r#"{{"errors":[{}"x"]}}"#, r#""x","#.repeat(10_000));
        assert_eq!(Answer::of(500, many.as_bytes(), &[]).errors.len(), MOST);
    }
}
