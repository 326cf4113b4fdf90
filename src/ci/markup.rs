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
            // Writing to a String cannot fail.
            let _ = write!(escaped, "&#{};", u32::from(c));
        }
    }
    escaped
}

/// The most characters of one text. A reference has at most 1,024 bytes.
const MAX_TEXT_LEN: usize = 2000;

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
}
