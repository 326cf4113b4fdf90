//! Foreign text, cut to a bounded length.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

/// The most characters of a foreign text that an error carries.
const MOST: usize = 300;

/// The beginning of `text`. A bucket or a server may fill an error with megabytes.
pub fn clipped(text: &str) -> String {
    clipped_to(text, MOST)
}

/// The first `most` characters of `text`.
pub fn clipped_to(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
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
        assert_eq!(cut.chars().count(), MOST + 1);
    }
}
