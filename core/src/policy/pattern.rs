//! Patterns of images: `SCHEME://ROOT/IMAGE` with `*` within a segment and `**` across segments.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::{format, vec};
use core::fmt;

use crate::reference::{Reference, Scheme};

/// The pattern of every image.
const EVERY_IMAGE: &str = "**";

/// A pattern of images.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

/// How specific a pattern is: the greatest one decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    exact: bool,
    /// The characters before the first `*`.
    literal: usize,
}

impl Pattern {
    /// Reads a pattern that some image can match.
    pub(super) fn parse(text: &str, schemes: &[Scheme]) -> Result<Self, &'static str> {
        if text == EVERY_IMAGE {
            return Ok(Self(text.to_owned()));
        }
        if text.trim() != text {
            return Err("begins or ends with white space");
        }
        let scheme = text
            .split_once("://")
            .filter(|(name, _)| schemes.iter().any(|scheme| scheme.name == *name));
        let Some((_, rest)) = scheme else {
            return Err("does not begin with the scheme of a store");
        };
        if rest.contains(['?', '[', ']', '{', '}', '\\']) {
            return Err("has a character that means something in other tools and nothing here");
        }
        if rest.contains("***") {
            return Err("has three `*` in a row");
        }
        if rest.contains('@') {
            return Err(
                "has an `@`, as before a digest, and a rule is about an image under any tag",
            );
        }
        let last = rest.rsplit('/').next().unwrap_or_default();
        if rest.contains('/') && last.contains(':') {
            return Err("names a tag, and a rule is about an image under any tag");
        }
        if !can_match(text, schemes) {
            return Err("matches no possible image");
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches `SCHEME://ROOT/IMAGE`.
    pub(super) fn matches(&self, name: &str) -> bool {
        matches(&self.0, name)
    }

    pub(super) fn rank(&self) -> Rank {
        let literal = self.0.split('*').next().unwrap_or_default();
        Rank {
            exact: !self.0.contains('*'),
            literal: literal.chars().count(),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an image can have a name that the pattern matches: one with something for each `*` is tried.
fn can_match(pattern: &str, schemes: &[Scheme]) -> bool {
    ["xxx", ""].into_iter().any(|within| {
        ["xxx", "xxx/xxx", ""].into_iter().any(|across| {
            let sample = pattern
                .replace("**", "\0")
                .replace('*', within)
                .replace('\0', across);
            let reference = Reference::parse(&format!("{sample}:t"), schemes);
            reference.is_ok_and(|reference| matches(pattern, &reference.repository()))
        })
    })
}

/// Compares by dynamic programming, since a search would try a pattern with many `*` in too many ways.
fn matches(pattern: &str, name: &str) -> bool {
    // For each beginning of the name, the empty one first: whether the pattern so far matches it.
    let mut reached = vec![true];
    reached.extend(name.chars().map(|_| false));
    let mut rest = pattern.chars().peekable();
    while let Some(wanted) = rest.next() {
        let crosses = wanted == '*' && rest.next_if_eq(&'*').is_some();
        // Of the next shorter beginning: as it was before this part of the pattern, and as it is with it.
        let (mut was, mut is) = (false, false);
        let ends = core::iter::once(None).chain(name.chars().map(Some));
        for (place, end) in reached.iter_mut().zip(ends) {
            let before = *place;
            *place = match wanted {
                '*' => before || (is && (crosses || end != Some('/'))),
                wanted => was && end == Some(wanted),
            };
            (was, is) = (before, *place);
        }
    }
    reached.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [Scheme; 2] = [Scheme::S3, Scheme::LOCAL];

    #[test]
    fn a_star_stays_in_its_segment_and_two_cross() {
        for (pattern, name, expected) in [
            ("s3://b/app", "s3://b/app", true),
            ("s3://b/app", "s3://b/app2", false),
            ("s3://b/app", "s3://b/ap", false),
            ("s3://b/*", "s3://b/app", true),
            ("s3://b/*", "s3://b/org/app", false),
            ("s3://b/**", "s3://b/org/app", true),
            ("s3://b/a*", "s3://b/a", true),
            ("s3://b/a*c*e", "s3://b/abcde", true),
            ("s3://b/a*c*e", "s3://b/abcdef", false),
            ("s3://b/**/app", "s3://b/app", false),
            ("s3://b/**/app", "s3://b/x/y/app", true),
            ("s3://b/*/app", "s3://b/x/y/app", false),
            ("s3://*/app", "s3://b/app", true),
            ("s3://*/app", "s3://b/x/app", false),
            ("s3://**", "s3://b/x/app", true),
            ("**", "local://./store/app", true),
            ("local://*/app", "local://./store/app", false),
            ("local://./*/app", "local://./store/app", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        let many = format!("s3://b/{}", "*a".repeat(300));
        assert!(!matches(&many, &format!("s3://b/{}b", "a".repeat(900))));
    }

    #[test]
    fn a_pattern_that_nothing_can_match_is_refused() {
        for pattern in [
            "",
            "*",
            "**/app",
            "app",
            "prod/app",
            "gs://b/app",
            "*://b/app",
            "s3:/b/app",
            "s3://",
            "s3://b",
            "s3://b/",
            "s3://*",
            "s3://b/app/",
            "s3://b//app",
            "s3://b/./app",
            "s3://b/../app",
            "s3://b c/app",
            "s3://b/app:v1",
            "s3://b/a@sha256:00",
            "s3://b/a?",
            "s3://b/[ab]",
            "s3://b/{a,b}",
            "s3://b/a***",
            "s3://b/a\nb",
            "S3://b/app",
            " s3://b/app",
            "s3://b/app ",
            "local://app",
        ] {
            assert!(Pattern::parse(pattern, &SCHEMES).is_err(), "{pattern}");
        }
        for pattern in [
            "**",
            "s3://b/app",
            "s3://b/*",
            "s3://b*",
            "s3://b**",
            "s3://**",
            "s3://*/*",
            "local://./store/app",
            "local:///srv/**",
            "s3://b/registry:5000/app",
            "s3://b/**/app",
        ] {
            let allowed = Pattern::parse(pattern, &SCHEMES).is_ok();
            assert_eq!(allowed, pattern != "s3://b*", "{pattern}");
        }
    }

    #[test]
    fn an_exact_pattern_ranks_first_and_then_the_longer_beginning() {
        let rank = |text: &str| Pattern::parse(text, &SCHEMES).unwrap().rank();
        assert!(rank("s3://b/a") > rank("s3://b/app*"));
        assert!(rank("s3://b/app*") > rank("s3://b/a*"));
        assert!(rank("s3://b/*") > rank("s3://**"));
        assert!(rank("s3://**") > rank("**"));
        assert_eq!(rank("s3://b/*"), rank("s3://b/**/x"));
    }
}
