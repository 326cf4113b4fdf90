//! Foreign text, cut to a bounded length, on one line.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

/// The most characters of a foreign text in an error.
const MAX_CHARS: usize = 300;

/// The beginning of `text`, since a bucket or a server may send megabytes.
pub fn clipped(text: &str) -> String {
    clipped_to(text, MAX_CHARS)
}

/// The first `max` characters of `text`, on one line: a line break in it would begin a line of our own advice.
pub fn clipped_to(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => cut(&one_line(text), max),
        Some((end, _)) => cut(
            &format!("{}…", one_line(text.get(..end).unwrap_or_default())),
            max,
        ),
    }
}

/// The first `max` characters of a line, whose escapes may be longer than what they stand for.
fn cut(line: &str, max: usize) -> String {
    match line.char_indices().nth(max.saturating_add(1)) {
        None => line.to_owned(),
        Some(_) => {
            let end = line.char_indices().nth(max).map(|(end, _)| end);
            format!(
                "{}…",
                line.get(..end.unwrap_or_default()).unwrap_or_default()
            )
        }
    }
}

/// The text with its control characters escaped.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_is_one_line() {
        assert_eq!(clipped("a\nb\r\u{2028}"), "a\\nb\\r\\u{2028}");
        assert_eq!(clipped(&"\n".repeat(400)).chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clipped("short"), "short");
        let cut = clipped(&"é".repeat(1_000_000));
        assert_eq!(cut.chars().count(), MAX_CHARS + 1);
    }
}
