//! `s3lo policy`.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use s3lo_core::payload::Schema;
use s3lo_core::policy::decision::Decision;
use s3lo_core::policy::{Policy, Standing, Terms};
use serde::Serialize;

use crate::cli::args::Output;
use crate::cli::args::policy::{PolicyArgs, PolicyCheckArgs, PolicyExplainArgs, PolicyWork};
use crate::cli::output::json::{self, VerifyElement};
use crate::cli::output::{progress, text};
use crate::cli::setup::{self, KeyCounting, PolicyRun, Run, RunContext};
use crate::cli::{CommandError, ExitStatus, deadline};
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::net::clock::timestamp;
use crate::open_files;
use crate::policy::PolicyFile;
use crate::text::printable;
use crate::verify::{Error, Outcome, RuleOutcome};

type Answer = Result<Outcome, Error>;

/// Runs `check` or `explain`.
pub(crate) async fn run(
    args: &PolicyArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    match &args.work {
        PolicyWork::Check(args) => check(args, context, output, out).await,
        PolicyWork::Explain(args) => explain(args, context, output, out, err).await,
    }
}

/// Files are read at once, unless their file system does not answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);

/// What a policy has, as JSON.
#[derive(Serialize)]
struct Checked<'a> {
    path: &'a str,
    sha256: String,
    keys: usize,
    rules: usize,
    notes: Vec<String>,
}

async fn check(
    args: &PolicyCheckArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let file = setup::policy(&args.file, context, deadline(CHECK_TIMEOUT)).await?;
    let checked = Checked {
        path: &file.path,
        sha256: file.digest.hex(),
        keys: file.policy.keys().len(),
        rules: file.policy.rules().len(),
        notes: notes(&file.policy),
    };
    if output == Output::Json {
        json::write(out, &checked)?;
        return Ok(ExitStatus::Done);
    }
    writeln!(out, "{} can be used", printable(checked.path))?;
    writeln!(out, "  SHA-256: {}", checked.sha256)?;
    writeln!(out, "  Keys:    {}", checked.keys)?;
    writeln!(out, "  Rules:   {}", checked.rules)?;
    for note in &checked.notes {
        writeln!(out, "  note: {}", printable(note))?;
    }
    Ok(ExitStatus::Done)
}

/// What may surprise those who wrote the policy, though it is no mistake.
fn notes(policy: &Policy) -> Vec<String> {
    let now = timestamp(SystemTime::now());
    let mut notes = Vec::new();
    for key in policy.keys() {
        let Some(public) = &key.public else {
            notes.push(format!(
                "anyone who can change what `{}` leads to decides what key {} is",
                key.remote.as_deref().unwrap_or_default(),
                key.name
            ));
            continue;
        };
        match policy.standing(public, now) {
            Standing::Counts => {}
            Standing::Revoked(reason) => {
                notes.push(format!("key {} is revoked: {reason}", key.name));
            }
            Standing::Expired(end) => {
                notes.push(format!("key {} expired on {end}", key.name));
            }
        }
        let mut others = policy.keys().iter();
        let same = others.find(|other| other.name < key.name && other.is(public));
        if let Some(same) = same {
            notes.push(format!(
                "{} and {} are one key, which counts once",
                same.name, key.name
            ));
        }
    }
    let schema_1 = policy.rules().iter().filter(
        |rule| matches!(&rule.terms, Terms::Require { min_schema, .. } if *min_schema == Schema::V1),
    );
    notes.extend(schema_1.map(|rule| {
        format!(
            "the rule in line {} accepts signatures that do not cover the tag (min-schema = 1)",
            rule.at.line
        )
    }));
    notes
}

async fn explain(
    args: &PolicyExplainArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let deadline = deadline(args.images.timeout);
    let policy = PolicyRun::new(&args.file, &args.images, context, deadline).await?;
    let Run {
        images,
        keys,
        signals,
        mut warnings,
        ..
    } = Run::new(
        &args.images,
        policy.keys(),
        KeyCounting::Any,
        &args.aws,
        &args.providers,
        context,
        deadline,
    )
    .await?;
    let basis = policy.basis(&keys.public_keys(), deadline);
    let work = |image: Image| {
        let basis = basis.clone();
        async move { basis.verify(&image).await }
    };
    let is_text = output == Output::Text;
    let print = |image: &Image, answer: &Answer| explained(out, image, &policy.file, answer);
    let keys_of_rule = policy.file.policy.keys().len();
    let concurrency = open_files::concurrency(args.images.concurrency, keys_of_rule);
    let worked = progress::work_on(&images, concurrency, is_text, &context.waiting, work, print);
    let ((answers, printed), of_keys) = signals.during(&keys, worked).await?;
    printed?;
    warnings.extend(of_keys);
    warnings.extend(setup::store_warnings(&images));
    let _ = text::warnings(err, &warnings);
    if !is_text {
        let several = images.len() > 1;
        let elements = images
            .iter()
            .zip(&answers)
            .map(|(image, answer)| VerifyElement::new(image, answer, Some(&policy.file), several));
        json::write(out, &json::Results::new(elements.collect(), several))?;
    }
    Ok(ExitStatus::of_verdicts(&answers))
}

fn explained(
    out: &mut dyn Write,
    image: &Image,
    policy: &PolicyFile,
    answer: &Answer,
) -> io::Result<()> {
    writeln!(out, "{}", printable(&image.reference.to_string()))?;
    let lines = match answer {
        Ok(outcome) => of_outcome(policy, outcome),
        Err(_) => of_unread(image, policy),
    };
    for (name, value) in lines {
        writeln!(out, "  {:9} {}", format!("{name}:"), printable(&value))?;
    }
    let errors: Vec<_> = match answer {
        Ok(outcome) => outcome.errors().collect(),
        Err(error) => vec![error],
    };
    for error in errors {
        text::error(out, &Diagnostic::new(error), &[])?;
    }
    Ok(())
}

fn of_outcome(policy: &PolicyFile, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let mut lines = text::policy_facts(policy, outcome);
    lines.extend(outcome.keys.iter().map(|result| {
        let verdict = text::verdict(&result.outcome);
        ("Key", format!("{}: {verdict}", result.key))
    }));
    lines.extend(outcome.digest.map(|digest| ("Digest", digest.to_string())));
    let result = match outcome.decision {
        Decision::Verified => "verified".to_owned(),
        Decision::Failed => format!("refused: {}", outcome.reason()),
        Decision::Undecided => "not known, see below".to_owned(),
    };
    lines.push(("Result", result));
    lines
}

/// The rule for an image that could not be read.
fn of_unread(image: &Image, policy: &PolicyFile) -> Vec<(&'static str, String)> {
    let Ok(selected) = policy.policy.select(&image.reference) else {
        return Vec::new();
    };
    let rule = RuleOutcome::unread(&selected);
    let place = ("Rule", text::place_of(policy, &rule));
    let requirements = rule.requirements.into_iter();
    let needs = requirements.map(|requirement| ("Needs", requirement.requires));
    std::iter::once(place).chain(needs).collect()
}
