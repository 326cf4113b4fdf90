//! Places in a file of TOML.

use std::fmt;
use std::ops::Range;

/// A line and a column, the column in characters; both begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The beginning of a span of `text`, or of the text where there is none.
    pub(super) fn of(text: &str, span: Option<Range<usize>>) -> Self {
        let offset = span.map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count().saturating_add(1),
            column: line.chars().count().saturating_add(1),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "a = 1\né = 2\n";
        for (start, expected) in [(0, "1:1"), (4, "1:5"), (6, "2:1"), (8, "2:2"), (13, "3:1")] {
            let position = Position::of(text, Some(start..start));
            assert_eq!(position.to_string(), expected, "{start}");
        }
        assert_eq!(Position::of(text, None).to_string(), "1:1");
        assert_eq!(
            Position::of(text, Some(7..8)).to_string(),
            "1:1",
            "within a character"
        );
    }
}
