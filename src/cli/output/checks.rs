//! Checks as text and as JSON.

use std::io::{self, Write};

use clap::builder::styling::AnsiColor;
use serde::Serialize;

use crate::checks::{Check, Outcome, State, Topic, count, outcome};
use crate::cli::ExitStatus;
use crate::cli::output::json;
use crate::cli::output::text::mark;
use crate::diagnostic::{Diagnostic, Fact, columns};
use crate::text::printable;

/// The width of the names in front of the findings.
const LABEL_WIDTH: usize = 16;

/// The place of the lines below a finding: after mark, space and name.
const INDENT: usize = LABEL_WIDTH + 2;

/// Writes the checks, a line each, and below it facts and what to do.
pub(crate) fn write<T: Topic>(
    out: &mut dyn Write,
    checks: &[Check<T>],
    label: impl Fn(T) -> &'static str,
    colored: bool,
) -> io::Result<()> {
    for check in checks {
        let mark = match check.state {
            State::Ok => mark("✓", AnsiColor::Green, colored),
            State::Missing => mark("✗", AnsiColor::Red, colored),
            State::Unchecked => "–".to_owned(),
            State::Unknown => mark("?", AnsiColor::Yellow, colored),
        };
        let (label, detail) = (label(check.topic), printable(&check.detail));
        writeln!(out, "{mark} {label:LABEL_WIDTH$}{detail}")?;
        let facts = check.facts.iter();
        let facts = facts.map(|fact| (fact.name, printable(&fact.value)));
        for line in columns(facts.chain(fix(check).map(|help| ("fix", help)))) {
            writeln!(out, "{:INDENT$}{line}", "")?;
        }
    }
    Ok(())
}

/// The next action, where something has to be done.
fn fix<T>(check: &Check<T>) -> Option<String> {
    let problem = check.problem.as_ref()?;
    let to_fix = matches!(check.state, State::Missing | State::Unknown);
    to_fix.then(|| problem.help.clone())
}

/// The number of things to do, if there are any.
pub(crate) fn to_fix<T>(checks: &[Check<T>]) -> Option<String> {
    let things = |number| match number {
        1 => "1 thing".to_owned(),
        number => format!("{number} things"),
    };
    let missing = things(count(checks, State::Missing));
    let unknown = count(checks, State::Unknown);
    match outcome(checks) {
        Outcome::Ready => None,
        Outcome::Missing if unknown == 0 => Some(format!("Not ready: fix {missing}.")),
        Outcome::Missing => Some(format!(
            "Not ready: fix {missing}; {} could not be looked at.",
            things(unknown)
        )),
        Outcome::Unknown => Some(format!(
            "Not known: {} could not be looked at.",
            things(unknown)
        )),
    }
}

/// How a run with these checks ends.
pub(crate) fn exit_status<T>(checks: &[Check<T>]) -> ExitStatus {
    match outcome(checks) {
        Outcome::Ready => ExitStatus::Done,
        Outcome::Missing => ExitStatus::Refused,
        Outcome::Unknown => ExitStatus::Failed,
    }
}

/// A check.
#[derive(Serialize)]
pub(crate) struct CheckElement<'a> {
    name: &'static str,
    state: &'static str,
    detail: &'a str,
    #[serde(
        skip_serializing_if = "<[_]>::is_empty",
        serialize_with = "json::as_object"
    )]
    facts: &'a [Fact],
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docs: Option<String>,
}

impl<'a> CheckElement<'a> {
    pub(crate) fn new(check: &'a Check<impl Topic>) -> Self {
        Self {
            name: check.topic.name(),
            state: check.state.name(),
            detail: &check.detail,
            facts: &check.facts,
            code: check.problem.as_ref().map(|problem| problem.code),
            fix: fix(check),
            docs: check.problem.as_ref().map(Diagnostic::docs),
        }
    }
}
