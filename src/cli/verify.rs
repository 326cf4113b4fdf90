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
    let keys: Vec<_> = references
        .iter()
        .map(|reference| {
            let opening = file::open_public(reference.clone(), passwords.clone());
            Key::new(reference.clone(), opening)
        })
        .collect();
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
    printed?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
        for (image, answer) in images.iter().zip(&answers) {
            print(out, err, image, &references, answer, true)?;
        }
    }
    if !text {
        let several = images.len() > 1 || references.len() > 1;
        let elements = images
            .iter()
            .zip(&answers)
            .map(|(image, answer)| VerifyElement::new(image, &references, answer, several));
        json::write(out, &Results::new(elements.collect(), several))?;
    }
    Ok(ending(&answers))
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
                Decision::Verified => text::verified(out, image, keys, outcome)?,
                Decision::Failed => text::not_verified(err, image, &outcome.reason())?,
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
