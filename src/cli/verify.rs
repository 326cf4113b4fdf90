//! `s3lo verify`.

use std::io::Write;

use super::args::{Output, VerifyArgs};
use super::json::{self, Results, VerifyElement};
use super::progress::{self, InOrder};
use super::{Ending, Stop, deadline, plan, text};
use crate::batch;
use crate::explain::Explained;
use crate::image::Image;
use crate::key::{KeyRef, file};
use crate::verdict::Policy;
use crate::verify::{Decision, Error, Key, Options, Outcome, Require, verify};

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
    let images = plan::images(&args.images).await?;
    let passwords = plan::passwords();
    let mut keys: Vec<Key> = Vec::with_capacity(references.len());
    for reference in &references {
        let opening = file::open_public(reference.clone(), passwords.clone());
        // A person is asked for one password after the other, in the order of the keys.
        let before = keys.last().cloned().filter(|_| passwords.would_ask());
        let opening = async move {
            if let Some(before) = before {
                before.settled().await;
            }
            opening.await
        };
        keys.push(Key::new(reference.clone(), opening));
    }
    let text = output == Output::Text;
    let bar = progress::bar(images.len(), text);
    let mut order = InOrder::new();
    let mut printed = Ok(());
    let work = |_, image: &Image| {
        let (image, keys) = (image.clone(), keys.as_slice());
        async move { verify(&image, keys, &options).await }
    };
    let answers: Vec<Answer> = batch::run(
        &images,
        args.images.concurrency,
        work,
        |number, answer: &Answer| match &bar {
            Some(bar) => bar.inc(1),
            None if text => {
                for (image, answer) in order.push(number, (images.get(number), answer.clone())) {
                    if let (Some(image), Ok(())) = (image, &printed) {
                        printed = print(out, err, image, &references, &answer, images.len() > 1);
                    }
                }
            }
            None => {}
        },
    )
    .await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
        let mut all = images.iter().zip(&answers);
        printed =
            all.try_for_each(|(image, answer)| print(out, err, image, &references, answer, true));
    }
    if text && images.len() > 1 {
        printed = printed.and_then(|()| summary(err, &answers));
    }
    if !text {
        let several = images.len() > 1 || references.len() > 1;
        let elements = images
            .iter()
            .zip(&answers)
            .map(|(image, answer)| VerifyElement::new(image, &references, answer, several));
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
