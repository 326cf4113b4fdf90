//! Buildkite: groups of the log
//! ([managing log output](https://buildkite.com/docs/pipelines/configure/managing-log-output)).

use crate::ci::{Host, Part, inert_lines};

pub(crate) struct Buildkite;

impl Host for Buildkite {
    fn folded(&self, part: &Part<'_>) -> String {
        format!("--- {}\n{}", title(part.title), inert_lines(part.text))
    }

    fn shown(&self, part: &Part<'_>) -> String {
        format!("+++ {}\n{}", title(part.title), inert_lines(part.text))
    }

    fn is_one_stream(&self) -> bool {
        true
    }
}

/// In a title a word between colons is drawn as a picture.
fn title(text: &str) -> String {
    text.replace(':', ": ").replace("  ", " ")
}
