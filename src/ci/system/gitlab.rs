//! GitLab CI: sections of the log
//! ([job logs](https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections)).

use crate::ci::{LogFormat, LogSection};

pub(crate) struct GitLab;

/// Begins a line anew and clears it. The zero is part of the grammar.
const CLEAR: &str = "\u{1b}[0K";

impl LogFormat for GitLab {
    fn collapsed(&self, section: &LogSection<'_>) -> String {
        let LogSection {
            title,
            name,
            began,
            ended,
            text,
            ..
        } = section;
        format!(
            "{CLEAR}section_start:{began}:{name}[collapsed=true]\r{CLEAR}{title}\n{text}{CLEAR}section_end:{ended}:{name}\r{CLEAR}\n"
        )
    }

    fn expanded(&self, section: &LogSection<'_>) -> String {
        section.text.to_owned()
    }

    fn is_one_stream(&self) -> bool {
        false
    }
}
