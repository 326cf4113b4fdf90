//! A CI job: what it says by its environment, and what it is told in the words of its CI system.

pub mod files;
pub mod inputs;
pub mod markup;
pub mod outputs;
pub mod report;
pub(crate) mod system;

use crate::ci::system::{azure, buildkite, github, gitlab, plain};
use crate::environment::is_true;
use crate::identity::ci_system::CiSystem;

/// A CI system's language on stdout. What is returned is whole lines, or nothing where the system has no word
/// for it. Whatever is given may be hostile.
pub trait LogFormat: Sync {
    /// Has a line of a secret hidden from now on.
    fn mask(&self, _secret: &str) -> String {
        String::new()
    }

    /// Text that is shown as it is, in a part of the log that can be folded.
    fn collapsed(&self, part: &LogSection<'_>) -> String;

    /// Text that is shown as it is, and not folded.
    fn expanded(&self, part: &LogSection<'_>) -> String;

    /// What the whole run comes to, where the system shows that beside the log.
    fn annotation(&self, _kind: Kind, _title: &str, _text: &str) -> String {
        String::new()
    }

    /// A step's output.
    fn output(&self, _name: &str, _value: &str) -> String {
        String::new()
    }

    /// A summary, which lies in a file.
    fn summary(&self, _path: &str) -> String {
        String::new()
    }

    /// What a step's user should know of its doing, where somebody looks for mistakes.
    fn debug(&self, text: &str) -> String {
        neutralize(text)
    }

    /// How a job says an option.
    fn option(&self, name: &str, value: Option<&str>) -> String {
        match value {
            None => name.to_owned(),
            Some(value) => format!("{name}: {value}"),
        }
    }

    /// Whether everything goes to stdout, so that commands and text keep their order.
    fn is_one_stream(&self) -> bool;
}

/// A part of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogSection<'a> {
    /// One line over it.
    pub title: &'a str,
    /// The lines.
    pub text: &'a str,
    /// What the system calls it where it wants a name.
    pub name: &'a str,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// What nobody can guess.
    pub token: &'a str,
}

/// What an annotation tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That all is well.
    Notice,
    /// That it is not.
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

/// Text in which no system finds a command: those that begin with `##` may be anywhere in a line.
pub(crate) fn neutralize(text: &str) -> String {
    // One by one: of three taken apart in pairs two would stay together.
    let mut apart = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '#' && apart.ends_with('#') {
            apart.push(' ');
        }
        apart.push(c);
    }
    apart
}

/// The same, in whole lines, none of which begins as a command does.
fn neutralize_lines(text: &str) -> String {
    let lines = neutralize(text);
    let lines = lines.lines().map(|line| match line.trim_start() {
        start if start.starts_with("::") => format!(" :{line}\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}
