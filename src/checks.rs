//! Checks of what a job or a node needs: what was looked at, in which state it is, and what to do about it.

use crate::diagnostic::{Diagnostic, Fact};

/// The subject of a check. Subjects are in the order of the report.
pub trait Topic: Copy + Ord {
    /// The name for programs.
    fn name(self) -> &'static str;
}

/// The state of a thing that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is as it should be.
    Ok,
    /// It is missing or wrong.
    Missing,
    /// It was not looked at on purpose, or is not needed.
    Unchecked,
    /// It could not be looked at.
    Unknown,
}

impl State {
    /// The name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Unchecked => "unchecked",
            Self::Unknown => "unknown",
        }
    }
}

/// A check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check<T> {
    /// The subject.
    pub topic: T,
    /// The finding.
    pub state: State,
    /// The finding, in a sentence or a name.
    pub detail: String,
    /// Further facts.
    pub facts: Vec<Fact>,
    /// The error, with what to do about it.
    pub problem: Option<Diagnostic>,
}

impl<T: Topic> Check<T> {
    fn new(topic: T, state: State, detail: impl Into<String>) -> Self {
        Self {
            topic,
            state,
            detail: detail.into(),
            facts: Vec::new(),
            problem: None,
        }
    }

    pub(crate) fn ok(topic: T, detail: impl Into<String>) -> Self {
        Self::new(topic, State::Ok, detail)
    }

    pub(crate) fn unchecked(topic: T, detail: impl Into<String>) -> Self {
        Self::new(topic, State::Unchecked, detail)
    }

    pub(crate) fn unknown(topic: T, detail: impl Into<String>) -> Self {
        Self::new(topic, State::Unknown, detail)
    }

    /// A check that another one made impossible.
    pub(crate) fn after(topic: T, first: T) -> Self {
        Self::unknown(topic, see(first))
    }

    /// A check that failed: something is missing, unless there was no answer.
    pub(crate) fn failed(topic: T, problem: Diagnostic) -> Self {
        let state = match COULD_NOT_LOOK.contains(&problem.code) {
            true => State::Unknown,
            false => State::Missing,
        };
        Self {
            facts: problem.facts.clone(),
            problem: Some(problem.clone()),
            ..Self::new(topic, state, problem.message)
        }
    }

    pub(crate) fn with(self, facts: Vec<Fact>) -> Self {
        Self { facts, ..self }
    }
}

/// The codes of errors that leave open what is there.
const COULD_NOT_LOOK: [&str; 6] = [
    "io",
    "locked",
    "service_error",
    "throttled",
    "timed_out",
    "unreachable",
];

/// The outcome of all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing that was looked at is missing.
    Ready,
    /// Something is missing.
    Missing,
    /// Nothing is known to be missing, and something could not be looked at.
    Unknown,
}

/// Puts the checks in order. An error that several of them met is reported by the first.
pub(crate) fn in_order<T: Topic>(checks: &mut [Check<T>]) {
    checks.sort_by_key(|check| check.topic);
    let mut first: Vec<(T, Diagnostic)> = Vec::new();
    for check in checks {
        let Some(problem) = &check.problem else {
            continue;
        };
        match first.iter().find(|(_, known)| known == problem) {
            Some((topic, _)) => *check = Check::after(check.topic, *topic),
            None => first.push((check.topic, problem.clone())),
        }
    }
}

/// The outcome of the checks, as far as was looked.
pub fn outcome<T>(checks: &[Check<T>]) -> Outcome {
    match (count(checks, State::Missing), count(checks, State::Unknown)) {
        (0, 0) => Outcome::Ready,
        (0, _) => Outcome::Unknown,
        _ => Outcome::Missing,
    }
}

/// The number of checks in this state.
pub fn count<T>(checks: &[Check<T>], state: State) -> usize {
    let of_state = checks.iter().filter(|check| check.state == state);
    of_state.count()
}

/// The detail of a check that another one made impossible.
fn see(topic: impl Topic) -> String {
    format!(
        "not looked at: see {}",
        topic.name().replace('_', " ").replace("ci ", "CI ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Thing {
        Door,
        TwoWindows,
        Roof,
    }

    impl Topic for Thing {
        fn name(self) -> &'static str {
            match self {
                Self::Door => "door",
                Self::TwoWindows => "two_windows",
                Self::Roof => "roof",
            }
        }
    }

    #[test]
    fn one_error_is_one_thing_to_fix() {
        let error = || Diagnostic::usage("no", "do");
        let mut checks = vec![
            Check::failed(Thing::Roof, error()),
            Check::ok(Thing::Door, "green"),
            Check::failed(Thing::TwoWindows, error()),
        ];
        in_order(&mut checks);
        let states: Vec<_> = checks
            .iter()
            .map(|check| (check.topic, check.state))
            .collect();
        assert_eq!(
            states,
            [
                (Thing::Door, State::Ok),
                (Thing::TwoWindows, State::Missing),
                (Thing::Roof, State::Unknown),
            ]
        );
        assert_eq!(checks[2].detail, "not looked at: see two windows");
        assert_eq!(outcome(&checks), Outcome::Missing);
    }

    #[test]
    fn what_is_missing_outranks_what_is_unknown() {
        let unreachable = Diagnostic {
            code: "unreachable",
            ..Diagnostic::usage("no answer", "wait")
        };
        let unknown = Check::failed(Thing::Door, unreachable);
        let unchecked = Check::unchecked(Thing::Roof, "not tried");
        let missing = Check::failed(Thing::TwoWindows, Diagnostic::usage("no", "do"));
        let of = |checks: &[&Check<Thing>]| {
            let checks: Vec<_> = checks.iter().copied().cloned().collect();
            outcome(&checks)
        };
        assert_eq!(of(&[]), Outcome::Ready);
        assert_eq!(of(&[&unchecked]), Outcome::Ready);
        assert_eq!(of(&[&unchecked, &unknown]), Outcome::Unknown);
        assert_eq!(of(&[&unknown, &missing]), Outcome::Missing);
    }
}
