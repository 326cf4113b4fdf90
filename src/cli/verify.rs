//! `s3lo verify`.

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use s3lo_core::policy::decision::{Decision, Require};
use s3lo_core::verdict::Verdict;

use crate::ci::report::{Invalid, ReportRow, RowOutcome, Valid};
use crate::cli::args::{Output, VerifyArgs};
use crate::cli::output::json::VerifyElement;
use crate::cli::output::text::Style;
use crate::cli::output::{progress, text};
use crate::cli::setup::{KeyCounting, PolicyRun, Run, RunContext};
use crate::cli::shutdown::DoneImages;
use crate::cli::{CommandError, CommandResults, ExitStatus, deadline, setup};
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::open_files;
use crate::option_name::option;
use crate::policy::PolicyFile;
use crate::verify::{Basis, Error, KeyResult, Options, Outcome, Rejection};

type Answer = Result<Outcome, Error>;

/// The images that have failed so far.
#[derive(Clone, Default)]
struct Failed(Arc<Mutex<Vec<String>>>);

impl Failed {
    fn add(&self, image: &Image) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.push(image.reference.to_string());
    }

    /// Their names.
    fn names(&self) -> Vec<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.clone()
    }
}

/// The error that ends a run. It does not hide the images that are refused already.
fn not_hiding(error: Diagnostic, refused: &[String]) -> CommandError {
    match refused {
        [] => error.into(),
        refused => CommandError::Refused(Diagnostic {
            message: format!("{}; not verified: {}", error.message, refused.join(", ")),
            ..error
        }),
    }
}

/// The outcome of each image.
pub(crate) struct VerifyResults {
    images: Vec<Image>,
    /// The keys that were named.
    keys: Vec<String>,
    policy: Option<Arc<PolicyFile>>,
    answers: Vec<Answer>,
    role: Option<String>,
}

/// Verifies every image by the keys.
pub(crate) async fn run(
    args: &VerifyArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(ExitStatus, VerifyResults), CommandError> {
    let deadline = deadline(args.images.timeout);
    let options = Options {
        min_schema: args.min_schema,
        require: args.require,
        deadline,
    };
    let policy = match &args.policy {
        Some(file) => Some(PolicyRun::new(file, &args.images, context, deadline).await?),
        None => None,
    };
    let references = match &policy {
        Some(policy) => policy.keys(),
        None => setup::keys(&args.keys)?.into(),
    };
    if policy.is_none()
        && let Require::AtLeast(least) = args.require
        && least.get() > args.keys.len()
    {
        return Err(CommandError::Diagnostic(Diagnostic::usage(
            format!(
                "{} asks for more keys than are given ({})",
                option("require").with(&least.to_string()),
                args.keys.len()
            ),
            format!("give {} for each key that may have signed", option("key")),
        )));
    }
    let counted = if args.require == Require::AtLeast(NonZeroUsize::MIN) {
        KeyCounting::Any
    } else {
        KeyCounting::Distinct
    };
    let Run {
        images,
        keys,
        signals,
        mut warnings,
        role,
    } = Run::new(
        &args.images,
        references,
        counted,
        &args.aws,
        &args.providers,
        context,
        deadline,
    )
    .await
    .map_err(|error| match &policy {
        Some(policy) => not_hiding(error, &policy.refused),
        None => error.into(),
    })?;
    let public = keys.public_keys();
    let (basis, names) = match &policy {
        None => {
            let names = keys.references().iter().map(ToString::to_string).collect();
            (Basis::Keys(public.into(), options), names)
        }
        Some(policy) => (policy.basis(&public, deadline), Vec::new()),
    };
    let policy = policy.map(|policy| policy.file);
    let most_keys = policy
        .as_ref()
        .map_or(args.keys.len(), |policy| policy.policy.keys().len());
    let text = output == Output::Text;
    let (failed, done) = (Failed::default(), DoneImages::default());
    let work = |image: Image| {
        let (basis, failed, done) = (basis.clone(), failed.clone(), done.clone());
        async move {
            let answer = basis.verify(&image).await;
            match answer.as_ref().map(|outcome| outcome.decision) {
                Ok(Decision::Failed) => failed.add(&image),
                Ok(Decision::Verified) => done.add(),
                Ok(Decision::Undecided) | Err(_) => {}
            }
            answer
        }
    };
    let several = images.len() > 1;
    let print = |image: &Image, answer: &Answer| {
        let to = Streams {
            out: &mut *out,
            err: &mut *err,
        };
        print(to, context.style, image, answer, policy.as_deref(), several)
    };
    let worked = progress::work_on(
        &images,
        open_files::concurrency(args.images.concurrency, most_keys),
        text,
        &context.waiting,
        work,
        print,
    );
    let ((answers, mut printed), of_keys) = match signals.during(&keys, worked).await {
        Ok(done) => done,
        // Nor is it hidden by a signal.
        Err(stopped) => {
            let stopped = done.explain(stopped, images.len(), "verified");
            return Err(not_hiding(stopped, &failed.names()));
        }
    };
    warnings.extend(of_keys);
    warnings.extend(setup::store_warnings(&images));
    let quiet = context.style.quiet;
    if !(quiet && ExitStatus::of_verdicts(&answers) == ExitStatus::Done) {
        // Warnings that cannot be written do not change the exit code.
        let _ = text::warnings(err, &warnings);
    }
    if text && images.len() > 1 {
        printed = printed.and_then(|()| summary(err, &answers));
    }
    let done = VerifyResults {
        keys: names,
        policy,
        images,
        answers,
        role,
    };
    if !text {
        printed = done.document(out);
    }
    match (ExitStatus::of_verdicts(&done.answers), printed) {
        // A proven failure is not hidden by a disk that is full.
        (ExitStatus::Refused, _) => Ok((ExitStatus::Refused, done)),
        (exit_status, printed) => printed
            .map(|()| (exit_status, done))
            .map_err(CommandError::Output),
    }
}

impl VerifyResults {
    /// The outcome of an image in the report.
    fn found(&self, image: &Image, answer: &Answer) -> RowOutcome {
        let failed = |error: &Error| RowOutcome::Failed(Diagnostic::new(error));
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(error) => return failed(error),
        };
        let invalid = || {
            let rejection = Rejection::new(&image.reference, outcome);
            RowOutcome::Invalid(Invalid {
                reason: rejection.reason.to_string(),
                digest: rejection.digest.map(|digest| digest.to_string()),
                key_id: rejection.key_id.map(|id| id.to_string()),
                looked_at: rejection.looked_at,
                beside: rejection.beside.unwrap_or_default(),
                verdicts: Self::verdicts(outcome),
                policy: self.policy_facts(outcome),
                notes: outcome.notes().map(str::to_owned).collect(),
                help: rejection.help,
            })
        };
        match outcome.decision {
            Decision::Verified => {}
            Decision::Failed => return invalid(),
            Decision::Undecided => {
                return outcome.first_error().map(failed).unwrap_or_else(invalid);
            }
        }
        let Some((_, key)) = outcome.first_valid() else {
            return invalid();
        };
        let signature = match &key.verdict {
            Verdict::Verified(valid) => Some(valid),
            Verdict::Rejected(_) => None,
        };
        let signed_at = signature.and_then(|valid| valid.signed_at);
        RowOutcome::Valid(Valid {
            kept: true,
            digest: outcome
                .digest
                .map(|digest| digest.to_string())
                .unwrap_or_default(),
            key_id: key.key_id.to_string(),
            signed_at: signed_at.map(|time| time.to_string()),
            stored_path: None,
            schema: signature.map_or(1, |valid| valid.schema.version()),
            request_id: None,
            policy: self.policy_facts(outcome),
        })
    }

    /// The policy that decided, and its rule.
    fn policy_facts(&self, outcome: &Outcome) -> Vec<(&'static str, String)> {
        let policy = self.policy.as_deref();
        policy.map_or_else(Vec::new, |policy| text::policy_facts(policy, outcome))
    }

    /// The verdict of each of several keys.
    fn verdicts(outcome: &Outcome) -> Vec<(String, String)> {
        if outcome.keys.len() < 2 {
            return Vec::new();
        }
        let verdict = |result: &KeyResult| {
            (
                result.key.as_str().to_owned(),
                text::verdict(&result.outcome),
            )
        };
        outcome.keys.iter().map(verdict).collect()
    }

    /// The keys that count: those that signed, or all where it is not so.
    fn keys_of(&self, answer: &Answer) -> String {
        let verified = answer
            .as_ref()
            .ok()
            .filter(|outcome| outcome.decision == Decision::Verified);
        let names: Vec<_> = match verified {
            None => match &self.policy {
                Some(policy) => vec![policy.path.as_str()],
                None => self.keys.iter().map(String::as_str).collect(),
            },
            Some(outcome) => {
                let signed = outcome.keys.iter().filter(|result| result.has_signed());
                signed.map(|result| result.key.as_str()).collect()
            }
        };
        names.join(", ")
    }
}

impl CommandResults for VerifyResults {
    type Element = VerifyElement;

    fn elements(&self, several: bool) -> Vec<VerifyElement> {
        let each = self.images.iter().zip(&self.answers);
        each.map(|(image, answer)| {
            VerifyElement::new(image, answer, self.policy.as_deref(), several)
        })
        .collect()
    }

    fn is_of_several(&self) -> bool {
        self.images.len() > 1 || self.keys.len() > 1
    }

    fn rows(&self) -> Vec<ReportRow> {
        let each = self.images.iter().zip(&self.answers);
        let row = |(image, answer): (&Image, &Answer)| {
            ReportRow::new(
                &image.reference,
                &self.keys_of(answer),
                self.found(image, answer),
            )
            .with_errors(
                answer
                    .iter()
                    .flat_map(Outcome::errors)
                    .map(Diagnostic::new)
                    .collect(),
            )
        };
        each.map(row).collect()
    }

    fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }
}

/// Where results go, and where errors.
struct Streams<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

fn print(
    Streams { out, err }: Streams<'_>,
    style: Style,
    image: &Image,
    answer: &Answer,
    policy: Option<&PolicyFile>,
    several: bool,
) -> std::io::Result<()> {
    let names = if several {
        vec![image.reference.to_string()]
    } else {
        Vec::new()
    };
    match answer {
        Err(error) => text::error(err, &Diagnostic::new(error), &names),
        Ok(outcome) => {
            match outcome.decision {
                Decision::Verified if style.quiet => {}
                Decision::Verified => text::verified(out, style, image, outcome, policy, several)?,
                Decision::Failed => {
                    text::not_verified(err, style, image, outcome, policy, several)?
                }
                Decision::Undecided => {}
            }
            // A key that failed is reported even if the others decided.
            for error in outcome.errors() {
                text::error(err, &Diagnostic::new(error), &names)?;
            }
            Ok(())
        }
    }
}

/// How many of several images passed, where not all did.
fn summary(err: &mut dyn Write, answers: &[Answer]) -> std::io::Result<()> {
    let passed = |answer: &&Answer| {
        answer
            .as_ref()
            .is_ok_and(|outcome| outcome.decision == Decision::Verified)
    };
    match answers.iter().filter(passed).count() {
        all if all == answers.len() => Ok(()),
        some => writeln!(err, "{some} of {} images are verified", answers.len()),
    }
}
