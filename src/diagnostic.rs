//! Errors as a person meets them: a code for programs, one sentence, the facts, and what to do next.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use s3lo_core::explain::{Explain, Fact};

use crate::build_info::VERSION;
use crate::option_name::OptionName;
use crate::text::printable;

/// An error as the user meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable, `snake_case`: for programs.
    pub code: &'static str,
    /// One sentence that names the thing.
    pub message: String,
    /// Further facts, a line each.
    pub facts: Vec<Fact>,
    /// The next action, complete enough to paste; on several lines where there is a statement to paste.
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
            facts: error.facts().into_iter().map(shown_fact).collect(),
            help: shown_lines(&error.help()),
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
    pub fn with(mut self, warnings: &[String]) -> Self {
        let warnings = warnings.iter().map(|text| Fact::new("warning", text));
        self.facts.extend(warnings.map(shown_fact));
        self
    }

    /// The same, with a fact in front of the others.
    pub fn about(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.insert(0, shown_fact(Fact::new(name, value)));
        self
    }

    /// The facts, the help and the link, each with its name in front, in a column.
    pub fn details(&self) -> Vec<String> {
        let facts = self.facts.iter();
        let facts = facts.map(|fact| (fact.name, fact.value.clone()));
        let end = [("help", self.help.clone()), ("docs", self.docs())];
        columns(facts.chain(end))
    }

    /// An option that nothing in the run uses; `users` would.
    pub fn unused_option(option: OptionName<'_>, users: &str, help: impl Into<String>) -> Self {
        Self::usage(format!("{option} is for {users}"), help)
    }

    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::plain("usage", shown(&message.into()), shown_lines(&help.into()))
    }

    /// An error without facts, whose texts can be printed as they are.
    pub(crate) fn plain(
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            facts: Vec::new(),
            help: help.into(),
        }
    }
}

/// Lines of names and values, the values in a column of their own.
pub(crate) fn columns(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Vec<String> {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let longest = pairs.iter().map(|(name, _)| name.len()).max();
    // A colon and a space.
    let width = longest.unwrap_or_default().saturating_add(2);
    let mut lines = Vec::new();
    for (name, value) in pairs {
        let mut label = format!("{name}:");
        for line in value.lines() {
            lines.push(format!("{label:width$}{line}"));
            label.clear();
        }
    }
    lines
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        for line in self.details() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// The most characters of a sentence: a longer one quotes an argument too long to read.
const MAX_LEN: usize = 2000;

/// The most characters of a help, which may hold a policy.
const MAX_HELP_LEN: usize = 6000;

fn shown(text: &str) -> String {
    let start: String = text.chars().take(MAX_LEN).collect();
    printable(&start)
}

fn shown_lines(text: &str) -> String {
    let start: String = text.chars().take(MAX_HELP_LEN).collect();
    let lines: Vec<_> = start.lines().map(printable).collect();
    lines.join("\n")
}

fn shown_fact(fact: Fact) -> Fact {
    Fact {
        value: shown(&fact.value),
        ..fact
    }
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

    fn facts(&self) -> Vec<Fact> {
        self.0.facts()
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
