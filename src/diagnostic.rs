//! Errors as a person meets them: a code for programs, one sentence, and what to do next.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use s3lo_core::explain::Explain;

use crate::build_info::VERSION;
use crate::option_name::{OptionName, option};
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

    /// The page about this code, in this version's documentation.
    pub fn docs(&self) -> String {
        // Releases begin with 1.0.0.
        let revision = match VERSION.strip_prefix("0.") {
            Some(_) => "main".to_owned(),
            None => format!("v{VERSION}"),
        };
        let code = self.code;
        format!("https://github.com/s3lo/sign-action/blob/{revision}/docs/errors.md#{code}")
    }

    /// The same, with what else should be known.
    pub fn with(self, warnings: &[String]) -> Self {
        let parts = std::iter::once(self.message).chain(warnings.iter().map(|text| shown(text)));
        Self {
            message: parts.collect::<Vec<_>>().join("; "),
            ..self
        }
    }

    /// An option that nothing in the run uses; `users` would.
    pub fn unused_option(option: OptionName<'_>, users: &str, help: impl Into<String>) -> Self {
        Self::usage(format!("{option} is for {users}"), help)
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
        let Self {
            code,
            message,
            help,
        } = self;
        write!(
            f,
            "error[{code}]: {message}\n  help: {help}\n  docs: {}",
            self.docs()
        )
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

/// An error of any module, with its advice.
pub trait ExplainedError: Error + Explain + Send + Sync {}

impl<E: Error + Explain + Send + Sync> ExplainedError for E {}

/// An error of a key provider or a store. Code that handles keys and stores in general does not know its type.
#[derive(Clone, Debug)]
pub struct SharedError(Arc<dyn ExplainedError>);

impl SharedError {
    /// Wraps an error.
    pub fn new(error: impl ExplainedError + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Explain for SharedError {
    fn code(&self) -> &'static str {
        self.0.code()
    }

    fn help(&self) -> String {
        self.0.help()
    }
}

impl PartialEq for SharedError {
    fn eq(&self, other: &Self) -> bool {
        Diagnostic::new(self) == Diagnostic::new(other)
    }
}

impl Eq for SharedError {}
