//! Foreign text, cut to a bounded length, on one line.

use alloc::string::String;

/// The most characters of a foreign text in an error.
const MAX_CHARS: usize = 300;

/// The beginning of `text`, since a bucket or a server may send megabytes.
pub fn clipped(text: &str) -> String {
    clipped_to(text, MAX_CHARS)
}

/// The first `max` characters of `text`, on one line: a line break in it would begin a line of our own advice.
pub fn clipped_to(text: &str, max: usize) -> String {
    // No escape is shorter than its character, so that more of the text is not needed.
    let end = text.char_indices().nth(max.saturating_add(1));
    let mut line = one_line(end.map_or(text, |(end, _)| text.get(..end).unwrap_or_default()));
    if let Some((end, _)) = line.char_indices().nth(max) {
        line.truncate(end);
        line.push('…');
    }
    line
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
