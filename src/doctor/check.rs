//! The result of each check, and of all.

use crate::aws::policy::Policy;
use crate::diagnostic::{Diagnostic, Fact};

/// The subject of a check, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// This machine's clock.
    Clock,
    /// The proxies of the environment.
    Proxy,
    /// The certificates that are trusted.
    Certificates,
    /// The CI system.
    CiSystem,
    /// The identity token for AWS.
    IdentityToken,
    /// The role in AWS.
    Role,
    /// The credentials for AWS, and their owner.
    Credentials,
    /// The region of AWS.
    Region,
    /// The bucket or directory.
    Store,
    /// The manifest of the image.
    Manifest,
    /// The list of the image's signature records.
    Records,
    /// The record of the key.
    Record,
    /// Whether the record may be written.
    Writing,
    /// The identity token for the service that holds the key.
    KeyIdentityToken,
    /// The key.
    Key,
    /// Whether the key may sign.
    Signing,
}

impl Topic {
    /// The name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Proxy => "proxy",
            Self::Certificates => "certificates",
            Self::CiSystem => "ci_system",
            Self::IdentityToken => "identity_token",
            Self::Role => "role",
            Self::Credentials => "credentials",
            Self::Region => "region",
            Self::Store => "store",
            Self::Manifest => "manifest",
            Self::Records => "records",
            Self::Record => "record",
            Self::Writing => "writing",
            Self::KeyIdentityToken => "key_identity_token",
            Self::Key => "key",
            Self::Signing => "signing",
        }
    }
}

/// The state of a thing that signing needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is as it should be.
    Ok,
    /// It is missing or wrong.
    Missing,
    /// It was not looked at on purpose, or signing does not need it.
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
pub struct Check {
    /// The subject.
    pub topic: Topic,
    /// The finding.
    pub state: State,
    /// The finding, in a sentence or a name.
    pub detail: String,
    /// Further facts.
    pub facts: Vec<Fact>,
    /// The error, with what to do about it.
    pub problem: Option<Diagnostic>,
}

impl Check {
    fn new(topic: Topic, state: State, detail: impl Into<String>) -> Self {
        Self {
            topic,
            state,
            detail: detail.into(),
            facts: Vec::new(),
            problem: None,
        }
    }

    pub(super) fn ok(topic: Topic, detail: impl Into<String>) -> Self {
        Self::new(topic, State::Ok, detail)
    }

    pub(super) fn unchecked(topic: Topic, detail: impl Into<String>) -> Self {
        Self::new(topic, State::Unchecked, detail)
    }

    pub(super) fn unknown(topic: Topic, detail: impl Into<String>) -> Self {
        Self::new(topic, State::Unknown, detail)
    }

    /// A check that another one made impossible.
    pub(super) fn after(topic: Topic, first: Topic) -> Self {
        Self::unknown(topic, see(first))
    }

    /// A check that failed: something is missing, unless there was no answer.
    pub(super) fn failed(topic: Topic, problem: Diagnostic) -> Self {
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

    /// Leaves it open that there are no credentials, where nothing needs any.
    pub(super) fn forgive_credentials(&mut self) {
        let none = self
            .problem
            .as_ref()
            .is_some_and(|problem| problem.code == "no_credentials");
        if none && self.topic == Topic::Credentials {
            *self = Self::unchecked(
                self.topic,
                "none: only `s3://` references and keys in AWS KMS need them",
            );
        }
    }

    pub(super) fn with(self, facts: Vec<Fact>) -> Self {
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

/// All checks, and what a role needs.
#[derive(Clone, Debug)]
pub struct Report {
    /// The checks, by topic.
    pub checks: Vec<Check>,
    /// The least IAM policy for the reference and the key, if AWS has one of them.
    pub policy: Option<Policy>,
}

impl Report {
    /// The checks in order. An error that several of them met is reported by the first.
    pub(super) fn new(mut checks: Vec<Check>, policy: Option<Policy>) -> Self {
        checks.sort_by_key(|check| check.topic);
        let mut first: Vec<(Topic, Diagnostic)> = Vec::new();
        for check in &mut checks {
            let Some(problem) = &check.problem else {
                continue;
            };
            match first.iter().find(|(_, known)| known == problem) {
                Some((topic, _)) => *check = Check::after(check.topic, *topic),
                None => first.push((check.topic, problem.clone())),
            }
        }
        Self { checks, policy }
    }

    /// Whether the job can sign, as far as was looked.
    pub fn outcome(&self) -> Outcome {
        match (self.count(State::Missing), self.count(State::Unknown)) {
            (0, 0) => Outcome::Ready,
            (0, _) => Outcome::Unknown,
            _ => Outcome::Missing,
        }
    }

    /// The number of checks in this state.
    pub fn count(&self, state: State) -> usize {
        let of_state = self.checks.iter().filter(|check| check.state == state);
        of_state.count()
    }
}

/// The detail of a check that another one made impossible.
fn see(topic: Topic) -> String {
    format!(
        "not looked at: see {}",
        topic.name().replace('_', " ").replace("ci ", "CI ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_is_one_thing_to_fix() {
        let error = || Diagnostic::usage("no", "do");
        let checks = vec![
            Check::failed(Topic::Key, error()),
            Check::ok(Topic::Region, "us-east-1"),
            Check::failed(Topic::Proxy, error()),
        ];
        let report = Report::new(checks, None);
        let states: Vec<_> = report
            .checks
            .iter()
            .map(|check| (check.topic, check.state))
            .collect();
        assert_eq!(
            states,
            [
                (Topic::Proxy, State::Missing),
                (Topic::Region, State::Ok),
                (Topic::Key, State::Unknown),
            ]
        );
        assert_eq!(report.checks[2].detail, "not looked at: see proxy");
        assert_eq!(report.outcome(), Outcome::Missing);
    }

    #[test]
    fn what_is_missing_outranks_what_is_unknown() {
        let unreachable = Diagnostic {
            code: "unreachable",
            ..Diagnostic::usage("no answer", "wait")
        };
        let unknown = Check::failed(Topic::Store, unreachable);
        let unchecked = Check::unchecked(Topic::Writing, "not tried");
        let outcome = |checks: &[&Check]| {
            let checks = checks.iter().copied().cloned().collect();
            Report::new(checks, None).outcome()
        };
        assert_eq!(outcome(&[]), Outcome::Ready);
        assert_eq!(outcome(&[&unchecked]), Outcome::Ready);
        assert_eq!(outcome(&[&unchecked, &unknown]), Outcome::Unknown);
        let missing = Check::failed(Topic::Key, Diagnostic::usage("no", "do"));
        assert_eq!(outcome(&[&unknown, &missing]), Outcome::Missing);
    }
}
