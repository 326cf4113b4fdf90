//! Everywhere else: results as the command line prints them, options as variables.

use crate::ci::{LogFormat, LogSection};

pub(crate) struct Plain;

impl LogFormat for Plain {
    fn collapsed(&self, section: &LogSection<'_>) -> String {
        section.text.to_owned()
    }

    fn expanded(&self, section: &LogSection<'_>) -> String {
        section.text.to_owned()
    }

    fn is_one_stream(&self) -> bool {
        false
    }
}
