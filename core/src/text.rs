//! Foreign text, cut to a bounded length.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

/// The most characters of a foreign text in an error.
const MAX_CHARS: usize = 300;

/// The beginning of `text`, since a bucket or a server may send megabytes.
pub fn clipped(text: &str) -> String {
    clipped_to(text, MAX_CHARS)
}

/// The first `max` characters of `text`.
pub fn clipped_to(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clipped("short"), "short");
        let cut = clipped(&"é".repeat(1_000_000));
        assert_eq!(cut.chars().count(), MAX_CHARS + 1);
    }
}
