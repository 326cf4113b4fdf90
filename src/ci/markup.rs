//! Untrusted text inside Markdown.
//!
//! Text in `<code>` is written in character references, which are never read as markup
//! ([CommonMark 2.5](https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references)): no cell of a
//! table ends early, nothing becomes a link, an image, a heading, a mention or HTML.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::fmt::Write as _;

use s3lo_core::text::clipped_to;

use crate::text::printable;

/// `text` as code, within a line. Addresses of mail are looked for where references to characters are read already:
/// what may break the line there shows nothing, and keeps both halves apart.
pub fn code(text: &str) -> String {
    format!(
        "<code>{}</code>",
        plain(text).replace("&#64;", "<wbr>&#64;")
    )
}

/// A sentence: `text` between backquotes is code, and so is each word that could mean something in Markdown,
/// such as a name, an address, a mention, an issue or a commit. Plain words are left.
pub fn prose(text: &str) -> String {
    let text = clipped_to(&printable(text), MAX_TEXT_LEN);
    let mut sentence = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, inside, after)) = backquoted(rest) {
        push_words(&mut sentence, before);
        sentence.push_str(&code(inside));
        rest = after;
    }
    push_words(&mut sentence, rest);
    sentence
}

/// The text between the first two backquotes, and what is before and after it.
fn backquoted(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (inside, after) = rest.split_once('`')?;
    (!inside.is_empty()).then_some((before, inside, after))
}

fn push_words(sentence: &mut String, text: &str) {
    for (number, word) in text.split(' ').enumerate() {
        if number > 0 {
            sentence.push(' ');
        }
        let rest = word.trim_start_matches('(');
        let start = word.strip_suffix(rest).unwrap_or_default();
        let core = rest.trim_end_matches(is_punctuation);
        let end = rest.strip_prefix(core).unwrap_or_default();
        sentence.push_str(start);
        match core {
            "" => {}
            core if is_plain(core) => sentence.push_str(core),
            core => sentence.push_str(&code(core)),
        }
        // A number and a full stop or bracket begin a list.
        if !core.is_empty() && core.bytes().all(|byte| byte.is_ascii_digit()) {
            end.chars().for_each(|c| push_reference(sentence, c));
        } else {
            sentence.push_str(end);
        }
    }
}

/// Whether a word is nothing but a word.
fn is_plain(word: &str) -> bool {
    let letters =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    // A word that could be a commit, or a part of one.
    let is_hex = word.len() >= MIN_COMMIT_LEN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_name = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    !is_hex && (is_name || word.split(['-', '\'']).all(letters))
}

/// The shortest beginning of a commit's ID that becomes a link.
const MIN_COMMIT_LEN: usize = 7;

fn is_punctuation(c: char) -> bool {
    matches!(c, ',' | '.' | ';' | ':' | '!' | '?' | ')' | '…')
}

/// A character as nothing but itself.
fn push_reference(text: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(text, "&#{};", u32::from(c));
}

/// Lines as a block of code, which nothing in them ends.
pub fn block(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
    format!("<pre><code>{}</code></pre>\n", lines.join("\n"))
}

/// `text` as nothing but text, on one line.
fn plain(text: &str) -> String {
    let text = clipped_to(&printable(text), MAX_TEXT_LEN);
    let mut escaped = String::with_capacity(text.len());
    let (mut chars, mut before) = (text.chars().peekable(), String::new());
    while let Some(c) = chars.next() {
        let harmless = match c {
            ' ' | '-' | '/' | '=' | ',' | '+' => true,
            // Words that begin like `https://` or `www.` become links.
            ':' => chars.peek() != Some(&'/'),
            '.' => !before.ends_with("www"),
            c => c.is_alphanumeric(),
        };
        before.push(c.to_ascii_lowercase());
        if harmless {
            escaped.push(c);
        } else {
            push_reference(&mut escaped, c);
        }
    }
    escaped
}

/// The most characters of one text. A reference has at most 1,024 bytes.
const MAX_TEXT_LEN: usize = 2000;

/// The sign of success, or of failure.
pub(crate) fn mark(good: bool) -> &'static str {
    if good { "✅" } else { "❌" }
}

/// A table of two columns: a line for each thing that is known.
#[derive(Default)]
pub(crate) struct Card(String);

impl Card {
    /// Adds a line with a cell of Markdown.
    pub(crate) fn line(&mut self, name: &str, cell: String) {
        let rule = if self.0.is_empty() {
            "|:---|:---|\n"
        } else {
            ""
        };
        self.0.push_str(&format!("| {name} | {cell} |\n{rule}"));
    }

    /// Adds a line with a text, if there is one.
    pub(crate) fn known(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.line(name, code(text));
        }
    }

    /// The table, and a blank line after it; nothing if it has no line.
    pub(crate) fn text(self) -> String {
        match self.0.is_empty() {
            true => self.0,
            false => self.0 + "\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_holds_no_markup() {
        let escaped = plain("a|b`<i>\\|\n[x](y) &amp; @me é");
        assert!(
            !escaped.contains(['|', '`', '<', '\\', '\n', '[', '@']),
            "{escaped}"
        );
        assert!(escaped.starts_with("a&#124;b&#96;&#60;i"));
        assert!(escaped.ends_with("me é"));
        assert_eq!(plain("s3://a.b:v1"), "s3&#58;//a.b:v1");
        assert_eq!(plain("Www.a"), "Www&#46;a");
    }

    #[test]
    fn words_of_a_sentence_stay_and_everything_else_is_code() {
        for (text, expected) in [
            ("sign the image again", "sign the image again"),
            ("run `a b`, then", "run <code>a b</code>, then"),
            ("the job's read-only S3", "the job's read-only S3"),
            ("give --key FILE:", "give <code>--key</code> FILE:"),
            ("1. see", "1&#46; see"),
            ("- see (it)", "<code>-</code> see (it)"),
            ("@me.", "<code><wbr>&#64;me</code>."),
            ("a@b.c", "<code>a<wbr>&#64;b.c</code>"),
            ("see acme/app#1", "see <code>acme/app&#35;1</code>"),
            ("GH-1", "<code>GH-1</code>"),
            (":tada: x:tada:", "<code>:tada</code>: <code>x:tada</code>:"),
            ("ffac537e6c", "<code>ffac537e6c</code>"),
            ("an odd ` one", "an odd <code>&#96;</code> one"),
            ("``", "<code>&#96;&#96;</code>"),
            ("", ""),
        ] {
            assert_eq!(prose(text), expected, "{text}");
        }
    }
}
