//! Errors as a person meets them: a code for programs, one sentence, and what to do next.

use std::error::Error;
use std::fmt;

pub use s3lo_core::explain::Explain;

use crate::option_name::option;
use crate::text::printable;

/// An error as the user meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable, `snake_case`: for programs.
    pub code: &'static str,
    /// One sentence that names the thing.
    pub message: String,
    /// The next action, complete enough to paste.
    pub help: String,
}

impl Diagnostic {
    /// Explains `error`: its sentence and those of its sources, without a `Debug` dump anywhere.
    pub fn new<E: Explain + Error + 'static>(error: &E) -> Self {
        let mut message = shown(&error.to_string());
        let mut next = error.source();
        while let Some(source) = next {
            message.push_str(": ");
            message.push_str(&shown(&source.to_string()));
            next = source.source();
        }
        Self {
            code: error.code(),
            message,
            help: shown(&error.help()),
        }
    }

    /// The same, with what else should be known.
    pub fn with(self, warnings: &[String]) -> Self {
        let parts = std::iter::once(self.message).chain(warnings.iter().map(|text| shown(text)));
        Self {
            message: parts.collect::<Vec<_>>().join("; "),
            ..self
        }
    }

    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code: "usage",
            message: shown(&message.into()),
            help: shown(&help.into()),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  help: {}", self.message, self.help)
    }
}

/// The most characters of a sentence: a longer one quotes an argument too long to read.
const MAX_LEN: usize = 2000;

fn shown(text: &str) -> String {
    let start: String = text.chars().take(MAX_LEN).collect();
    printable(&start)
}

/// The help for a run whose time is up.
pub(crate) fn timed_out_help() -> String {
    format!(
        "run it again, or give it longer with {}; {} shows what took the time",
        option("timeout").with("10m"),
        option("verbose")
    )
}
