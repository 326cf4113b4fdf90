//! Places in a file of TOML.

use std::ops::Range;

pub use s3lo_core::policy::Position;

/// The beginning of a span of `text`, or of the text where there is none.
pub(super) fn position(text: &str, span: Option<Range<usize>>) -> Position {
    let offset = span.map_or(0, |span| span.start);
    let before = text.get(..offset).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    Position {
        line: before.matches('\n').count().saturating_add(1),
        column: line.chars().count().saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "a = 1\né = 2\n";
        for (start, expected) in [(0, "1:1"), (4, "1:5"), (6, "2:1"), (8, "2:2"), (13, "3:1")] {
            let found = position(text, Some(start..start));
            assert_eq!(found.to_string(), expected, "{start}");
        }
        assert_eq!(position(text, None).to_string(), "1:1");
        assert_eq!(
            position(text, Some(7..8)).to_string(),
            "1:1",
            "within a character"
        );
    }
}
