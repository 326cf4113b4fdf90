//! Buildkite: groups of the log
//! ([managing log output](https://buildkite.com/docs/pipelines/configure/managing-log-output)).

use crate::ci::{LogFormat, LogSection};

pub(crate) struct Buildkite;

impl LogFormat for Buildkite {
    fn collapsed(&self, section: &LogSection<'_>) -> String {
        format!("--- {}\n{}", title(section.title), section.text)
    }

    fn expanded(&self, section: &LogSection<'_>) -> String {
        format!("+++ {}\n{}", title(section.title), section.text)
    }

    fn is_one_stream(&self) -> bool {
        true
    }
}

/// In a title a word between colons is drawn as a picture.
fn title(text: &str) -> String {
    text.replace(':', ": ").replace("  ", " ")
}
