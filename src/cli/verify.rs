//! `s3lo verify`.

use std::cell::RefCell;
use std::io::Write;
use std::num::NonZeroUsize;

use super::args::{Output, VerifyArgs};
use super::json::{self, Results, VerifyElement};
use super::plan::{self, Counted, Plan};
use super::progress;
use super::{Ending, Stop, deadline, text};
use crate::explain::Explained;
use crate::image::Image;
use crate::key::KeyRef;
use crate::verdict::Policy;
use crate::verify::{Decision, Error, Options, Outcome, Require, verify};

type Answer = Result<Outcome, Error>;

/// Verifies every image by the keys.
pub(super) async fn run(
    args: &VerifyArgs,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Ending, Stop> {
    let options = Options {
        policy: Policy {
            min_schema: args.min_schema,
        },
        require: args.require,
        deadline: deadline(args.images.timeout),
    };
    let references = plan::keys(&args.keys)?;
    if let Require::AtLeast(least) = args.require
        && least.get() > references.len()
    {
        return Err(Stop::Explained(Explained::usage(
            format!(
                "`--require {least}` asks for more keys than are given ({})",
                references.len()
            ),
            "give `--key` for each key that may have signed",
        )));
    }
    let counted = if args.require == Require::AtLeast(NonZeroUsize::MIN) {
        Counted::Any
    } else {
        Counted::Each
    };
    let Plan { images, keys } = Plan::new(
        &args.images,
        references,
        counted,
        &args.aws,
        &args.vault,
        options.deadline,
    )
    .await?;
    let (references, public) = (&keys.references, keys.public());
    let text = output == Output::Text;
    let proven = RefCell::new(Vec::new());
    let work = |image: Image| {
        let public = public.as_slice();
        let proven = &proven;
        async move {
            let answer = verify(&image, public, &options).await;
            let failed = |outcome: &Outcome| outcome.decision == Decision::Failed;
            if answer.as_ref().is_ok_and(failed) {
                proven.borrow_mut().push(image.reference.to_string());
            }
            answer
        }
    };
    let several = images.len() > 1;
    let print =
        |image: &Image, answer: &Answer| print(out, err, image, references, answer, several);
    let worked = progress::work_on(&images, args.images.concurrency, text, work, print);
    let ((answers, mut printed), warnings) = match keys.during(worked).await {
        Ok(done) => done,
        // Nor is it hidden by a signal.
        Err(stopped) if !proven.borrow().is_empty() => {
            let stopped = Explained {
                message: format!(
                    "{}; not verified: {}",
                    stopped.message,
                    proven.borrow().join(", ")
                ),
                ..stopped
            };
            let _ = super::failed(stopped, !text, out, err);
            return Ok(Ending::Refused);
        }
        Err(stopped) => return Err(stopped.into()),
    };
    // The verdict is what the exit code is for, whoever reads the rest.
    let _ = text::warnings(err, &warnings);
    if text && images.len() > 1 {
        printed = printed.and_then(|()| summary(err, &answers));
    }
    if !text {
        let several = images.len() > 1 || references.len() > 1;
        let elements = images
            .iter()
            .zip(&answers)
            .map(|(image, answer)| VerifyElement::new(image, references, answer, several));
        printed = json::write(out, &Results::new(elements.collect(), several));
    }
    match (ending(&answers), printed) {
        // A proven failure is not hidden by a disk that is full.
        (Ending::Refused, _) => Ok(Ending::Refused),
        (ending, printed) => printed.map(|()| ending).map_err(Stop::Output),
    }
}

fn print(
    out: &mut dyn Write,
    err: &mut dyn Write,
    image: &Image,
    keys: &[KeyRef],
    answer: &Answer,
    several: bool,
) -> std::io::Result<()> {
    let names = if several {
        vec![image.reference.to_string()]
    } else {
        Vec::new()
    };
    match answer {
        Err(error) => text::error(err, &Explained::new(error), &names),
        Ok(outcome) => {
            match outcome.decision {
                Decision::Verified => text::verified(out, image, keys, outcome, several)?,
                Decision::Failed => text::not_verified(err, image, keys, outcome, several)?,
                Decision::Undecided => {}
            }
            // A key that could not be asked is told of, even where the others decided.
            for error in outcome.keys.iter().filter_map(|key| key.as_ref().err()) {
                text::error(err, &Explained::new(error), &names)?;
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

/// A proven failure outranks what could not be decided.
fn ending(answers: &[Answer]) -> Ending {
    let is = |wanted: Decision| {
        answers
            .iter()
            .flatten()
            .any(|outcome| outcome.decision == wanted)
    };
    if is(Decision::Failed) {
        Ending::Refused
    } else if is(Decision::Undecided) || answers.iter().any(Result::is_err) {
        Ending::Failed
    } else {
        Ending::Done
    }
}
