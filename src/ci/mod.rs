//! A CI job: its options, and its results in the form of its CI system.

mod commands;
pub mod files;
mod grid;
pub mod inputs;
pub mod markup;
pub mod outputs;
pub mod report;
pub mod summary;
pub(crate) mod system;

use crate::ci::system::{azure, buildkite, github, gitlab, plain};
use crate::environment::is_true;
use crate::identity::ci_system::CiSystem;

/// The log commands of a CI system. Each method returns whole lines, or nothing if the system has no such command. Text in
/// them is [`inert`](crate::text::inert), or is encoded here.
pub trait LogFormat: Sync {
    /// Masks a line of a secret from now on.
    fn mask(&self, _secret: &str) -> String {
        String::new()
    }

    /// A section of the log that is collapsed.
    fn collapsed(&self, section: &LogSection<'_>) -> String;

    /// A section of the log that is expanded.
    fn expanded(&self, section: &LogSection<'_>) -> String;

    /// The outcome of the run, for systems that show that beside the log.
    fn annotation(&self, _kind: AnnotationKind, _title: &str, _text: &str) -> String {
        String::new()
    }

    /// A step's output.
    fn output(&self, _name: &str, _value: &str) -> String {
        String::new()
    }

    /// A summary in a file.
    fn summary(&self, _path: &str) -> String {
        String::new()
    }

    /// A debug message.
    fn debug(&self, text: &str) -> String {
        text.to_owned()
    }

    /// Whether everything goes to stdout, so that commands and text keep their order.
    fn is_one_stream(&self) -> bool;
}

/// A section of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogSection<'a> {
    /// One line above it.
    pub title: &'a str,
    /// The lines.
    pub text: &'a str,
    /// Its name, for systems that need one.
    pub name: &'a str,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// A text that cannot be guessed.
    pub token: &'a str,
}

/// The kind of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnotationKind {
    /// Success.
    Notice,
    /// Failure.
    Error,
}

/// The CI system that this process runs in, by the variables that it sets.
pub fn detect() -> &'static dyn LogFormat {
    match CiSystem::detect() {
        Some(CiSystem::GitHub) => &github::GitHub,
        Some(CiSystem::GitLab) => &gitlab::GitLab,
        Some(CiSystem::Buildkite) => &buildkite::Buildkite,
        _ if is_true("TF_BUILD") => &azure::Azure,
        _ => &plain::Plain,
    }
}

/// The data of a command on one line, with what stands for a percent sign there.
fn encoded(text: &str, percent: &str) -> String {
    text.replace('%', percent)
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}
