//! `s3lo doctor`.

use std::io::{self, Write};

use clap::builder::styling::AnsiColor;
use serde::Serialize;

use crate::aws::policy::Policy;
use crate::cli::args::{DoctorArgs, Output};
use crate::cli::output::text::mark;
use crate::cli::output::{json, text};
use crate::cli::setup::RunContext;
use crate::cli::shutdown::ShutdownSignals;
use crate::cli::{CommandError, ExitStatus, deadline, setup};
use crate::diagnostic::{Diagnostic, Fact, columns};
use crate::doctor::check::{Check, Outcome, Report, State, Topic};
use crate::doctor::{Doctor, Subject};
use crate::text::{inert_json, printable};

/// Looks at everything that signing needs.
pub(crate) async fn run(
    args: &DoctorArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let reference = args
        .reference
        .as_deref()
        .map(setup::reference)
        .transpose()?;
    for backend in args.stores.all() {
        backend.check_options(reference.as_slice())?;
    }
    let key = args.key.as_deref().map(setup::key).transpose()?;
    let subject = Subject {
        reference,
        key,
        backends: &args.stores,
        providers: &args.providers,
        names_aws: args.aws.first_set().is_some(),
    };
    let shared = context.shared(&args.aws, deadline(args.timeout));
    let doctor = Doctor::new(subject, shared).await;
    let signals = ShutdownSignals::listen();
    let examined = context.waiting.during(None, doctor.examine());
    let (report, of_keys) = match doctor.keys() {
        Some(keys) => signals.during(keys, examined).await?,
        None => {
            let examined = async { Ok(examined.await) };
            (signals.unless_received(examined).await?, Vec::new())
        }
    };
    let mut warnings = doctor.warnings();
    warnings.extend(of_keys);
    let _ = text::warnings(err, &warnings);
    match output {
        Output::Text => shown(out, args, &report, context.style.out_colored)?,
        Output::Json => json::write(out, &Element::new(&report))?,
    }
    Ok(match report.outcome() {
        Outcome::Ready => ExitStatus::Done,
        Outcome::Missing => ExitStatus::Refused,
        Outcome::Unknown => ExitStatus::Failed,
    })
}

fn shown(out: &mut dyn Write, args: &DoctorArgs, report: &Report, colored: bool) -> io::Result<()> {
    for check in &report.checks {
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
    writeln!(out, "\n{}", verdict(args, report))?;
    if let Some(policy) = &report.policy {
        let document = inert_json(&serde_json::to_string_pretty(policy)?);
        writeln!(out, "\nThe least IAM policy for this:\n{document}")?;
    }
    Ok(())
}

/// The width of the names in front of the findings.
const LABEL_WIDTH: usize = 16;

/// The place of the lines below a finding: after mark, space and name.
const INDENT: usize = LABEL_WIDTH + 2;

fn label(topic: Topic) -> &'static str {
    match topic {
        Topic::Clock => "Clock",
        Topic::Proxy => "Proxy",
        Topic::Certificates => "Certificates",
        Topic::CiSystem => "CI system",
        Topic::IdentityToken => "Identity token",
        Topic::Role => "Role",
        Topic::Credentials => "Credentials",
        Topic::Region => "Region",
        Topic::Store => "Store",
        Topic::Manifest => "Manifest",
        Topic::Records => "Records",
        Topic::Record => "Record",
        Topic::Writing => "Writing",
        Topic::KeyIdentityToken => "Token for key",
        Topic::Key => "Key",
        Topic::Signing => "Signing",
    }
}

/// The next action, where something has to be done.
fn fix(check: &Check) -> Option<String> {
    let problem = check.problem.as_ref()?;
    let to_fix = matches!(check.state, State::Missing | State::Unknown);
    to_fix.then(|| problem.help.clone())
}

fn verdict(args: &DoctorArgs, report: &Report) -> String {
    let (missing, unknown) = (report.count(State::Missing), report.count(State::Unknown));
    let things = |number| match number {
        1 => "1 thing".to_owned(),
        number => format!("{number} things"),
    };
    match report.outcome() {
        Outcome::Ready if args.reference.is_some() && args.key.is_some() => {
            "Ready to sign. Nothing was signed or written.".to_owned()
        }
        Outcome::Ready => {
            "Nothing is missing of what was looked at; name an image and a key to look at both."
                .to_owned()
        }
        Outcome::Missing if unknown == 0 => format!("Not ready: fix {}.", things(missing)),
        Outcome::Missing => format!(
            "Not ready: fix {}; {} could not be looked at.",
            things(missing),
            things(unknown)
        ),
        Outcome::Unknown => format!("Not known: {} could not be looked at.", things(unknown)),
    }
}

#[derive(Serialize)]
struct Element<'a> {
    ready: bool,
    checks: Vec<CheckElement<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a Policy>,
}

#[derive(Serialize)]
struct CheckElement<'a> {
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

impl<'a> Element<'a> {
    fn new(report: &'a Report) -> Self {
        let check = |check: &'a Check| CheckElement {
            name: check.topic.name(),
            state: check.state.name(),
            detail: &check.detail,
            facts: &check.facts,
            code: check.problem.as_ref().map(|problem| problem.code),
            fix: fix(check),
            docs: check.problem.as_ref().map(Diagnostic::docs),
        };
        Self {
            ready: report.outcome() == Outcome::Ready,
            checks: report.checks.iter().map(check).collect(),
            policy: report.policy.as_ref(),
        }
    }
}
