//! Text that others have a say in, made fit for a message.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

/// The most characters of a foreign text that an error carries.
const MOST: usize = 300;

/// The beginning of `text`. A bucket or a server may fill an error with megabytes.
pub(crate) fn clipped(text: &str) -> String {
    clipped_to(text, MOST)
}

/// The first `most` characters of `text`.
pub(crate) fn clipped_to(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// `text` without what could move a terminal's cursor, start a line of its own, or turn the reading
/// direction.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = is_unprintable(c).then(|| c.escape_default());
            let plain = (!is_unprintable(c)).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// `text` as one word of a shell's command line: what is printed to be pasted may have been written by
/// whoever wants it to be pasted.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
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
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clipped("short"), "short");
        let cut = clipped(&"é".repeat(1_000_000));
        assert_eq!(cut.chars().count(), MOST + 1);
    }
}
