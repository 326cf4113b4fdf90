//! Slips that a shell, a script or a CI system makes of a reference: they are named, since the text that comes of them
//! shows little of the cause.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

/// A slip, as a predicate of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Slip {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// Quotation marks around it.
    #[error("contains its own quotation marks")]
    Quoted,
    /// Two references in one argument.
    #[error("holds two references")]
    Several,
    /// White space in front of it.
    #[error("begins with {}", named(*.0))]
    SpaceBefore(char),
    /// White space after it.
    #[error("ends with {}", named(*.0))]
    SpaceAfter(char),
    /// A variable that was not replaced with its value.
    #[error("contains `{0}`, which was not replaced with its value")]
    Unexpanded(String),
}

fn named(c: char) -> &'static str {
    match c {
        '\r' => "a carriage return (\\r)",
        '\n' => "a newline",
        '\t' => "a tab",
        _ => "a space",
    }
}

impl Slip {
    /// The slip in `text`, if there is one.
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self::Empty);
        }
        if text.starts_with(['"', '\'']) {
            return Some(Self::Quoted);
        }
        if text.matches("://").nth(1).is_some() {
            return Some(Self::Several);
        }
        let before = text.chars().next().filter(|c| c.is_whitespace());
        let after = text.chars().next_back().filter(|c| c.is_whitespace());
        before
            .map(Self::SpaceBefore)
            .or_else(|| after.map(Self::SpaceAfter))
            .or_else(|| {
                // The store knows what is below the home directory.
                let name = unexpanded(text).filter(|name| !["$HOME", "${HOME}"].contains(name))?;
                Some(Self::Unexpanded(name.to_owned()))
            })
    }

    /// The next action.
    pub(super) fn help(&self) -> String {
        match self {
            Self::Empty => "set the variable that the reference comes from",
            Self::Quoted => "remove the quotation marks: something passes them on as part of the value",
            Self::Several => "give each reference as an argument of its own; in a CI input, one per line",
            Self::SpaceBefore('\r') | Self::SpaceAfter('\r') => "convert the script or file that it comes from, which has Windows line endings: `dos2unix FILE`",
            Self::SpaceBefore(_) | Self::SpaceAfter(_) => "remove the white space around the reference",
            Self::Unexpanded(_) => "let it be replaced first: in double quotes in a shell, as `${{ … }}` in a GitHub workflow, as `$NAME` in a Buildkite pipeline (`$$NAME` is left as it is)",
        }
        .to_owned()
    }
}

/// A variable as it is written, which a shell in single quotes or another CI system leaves as it is: `$NAME`, `${NAME}`,
/// `{{ name }}`.
fn unexpanded(text: &str) -> Option<&str> {
    let begins = |rest: &str| {
        rest.starts_with("{{")
            || rest
                .strip_prefix('$')
                .and_then(|name| name.chars().next())
                .is_some_and(|c| c.is_ascii_alphabetic() || "_{".contains(c))
    };
    let start = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| text.get(*at..).is_some_and(begins))?;
    let rest = text.get(start..)?;
    let mut open = 0_usize;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        match c {
            '{' | '(' => open = open.saturating_add(1),
            '}' | ')' => open = open.saturating_sub(1),
            _ => {}
        }
        open == 0 && !c.is_ascii_alphanumeric() && !"_{}()".contains(*c)
    });
    rest.get(..end.map_or(rest.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_named() {
        for (text, slip) in [
            ("", Slip::Empty),
            ("\n", Slip::Empty),
            ("\"s3://b/a:v1\"", Slip::Quoted),
            ("s3://b/a:v1,s3://b/c:v1", Slip::Several),
            ("s3://b/a:v1\nlocal://b/c:v1", Slip::Several),
            (" s3://b/a:v1", Slip::SpaceBefore(' ')),
            ("s3://b/a:v1\r", Slip::SpaceAfter('\r')),
            ("s3://b/a:$TAG", Slip::Unexpanded("$TAG".to_owned())),
            ("s3://b/a:$TAG-1", Slip::Unexpanded("$TAG".to_owned())),
            ("s3://$B/a:v1", Slip::Unexpanded("$B".to_owned())),
            (
                "s3://b/a:${TAG:-x}",
                Slip::Unexpanded("${TAG:-x}".to_owned()),
            ),
            (
                "s3://b/a:${{ github.sha }}",
                Slip::Unexpanded("${{ github.sha }}".to_owned()),
            ),
            (
                "s3://b/a:{{ tag }}",
                Slip::Unexpanded("{{ tag }}".to_owned()),
            ),
        ] {
            assert_eq!(Slip::of(text), Some(slip), "{text}");
        }
        for text in [
            "s3://b/a:v1",
            "s3://b/a:v$1",
            "s3://b/a:v1$",
            "s3://b/a b:v1",
        ] {
            assert_eq!(Slip::of(text), None, "{text}");
        }
    }
}
