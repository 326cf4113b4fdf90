//! `s3lo sign`.

use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use s3lo_core::payload::Schema;

use crate::ci::report::{ReportRow, RowOutcome, Valid};
use crate::cli::args::{ImageArgs, Output, SignArgs};
use crate::cli::output::json::SignElement;
use crate::cli::output::{progress, text};
use crate::cli::setup::{KeyCounting, Run, RunContext};
use crate::cli::shutdown::DoneImages;
use crate::cli::{CommandError, CommandResults, ExitStatus, deadline, setup};
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::key::reference::KeyRef;
use crate::open_files;
use crate::option_name::option;
use crate::sign::{self, Error, FIRST_PAUSE, Options, Signed, sign};

type Signatures = Vec<Result<Signed, Error>>;

/// The outcome of each image with each key.
pub(crate) struct SignResults {
    images: Vec<Image>,
    keys: Vec<KeyRef>,
    results: Vec<Signatures>,
    role: Option<String>,
    dry_run: bool,
}

/// Signs every image with every key.
pub(crate) async fn run(
    args: &SignArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(ExitStatus, SignResults), CommandError> {
    let options = Options {
        schema: args.schema_version,
        if_signed: args.if_signed.into(),
        dry_run: args.dry_run,
        deadline: deadline(args.images.timeout),
        now: SystemTime::now,
        pause: FIRST_PAUSE,
    };
    let named = ImageArgs {
        stores: args.images.stores.writing(&args.written),
        ..args.images.clone()
    };
    let references = setup::keys(&args.keys)?;
    let Run {
        images,
        keys,
        signals,
        mut warnings,
        role,
    } = Run::new(
        &named,
        references,
        KeyCounting::Any,
        &args.aws,
        &args.providers,
        context,
        options.deadline,
    )
    .await?;
    let references = keys.references();
    let signers: Arc<[sign::Key]> = keys.signers().into();
    let text = output == Output::Text;
    let done = DoneImages::default();
    let work = |image: Image| {
        let (signers, done) = (Arc::clone(&signers), done.clone());
        async move {
            let signatures = sign(&image, &signers, &options).await;
            if signatures.iter().all(Result::is_ok) {
                done.add();
            }
            signatures
        }
    };
    let several = images.len() > 1;
    let quiet = context.style.quiet;
    let print = |image: &Image, results: &Signatures| match quiet {
        true => Ok(()),
        false => print(out, image, references, results, several),
    };
    let concurrency = open_files::concurrency(args.images.concurrency, references.len());
    let worked = progress::work_on(&images, concurrency, text, &context.waiting, work, print);
    let worked = signals.during(&keys, worked).await;
    let ((results, printed), of_keys) =
        worked.map_err(|stopped| done.explain(stopped, images.len(), "signed"))?;
    warnings.extend(of_keys);
    warnings.extend(setup::store_warnings(&images));
    if !(quiet && exit_status(&results) == ExitStatus::Done) {
        // Warnings that cannot be written do not change the exit code.
        let _ = text::warnings(err, &warnings);
    }
    printed?;
    if !quiet && options.schema.is_none() && any_of_schema_1(&results) {
        let _ = writeln!(err, "{}", schema_note());
    }
    if text {
        errors(err, &images, &results, args.dry_run)?;
    }
    let done = SignResults {
        keys: references.to_vec(),
        images,
        results,
        role,
        dry_run: args.dry_run,
    };
    if !text {
        done.document(out)?;
    }
    Ok((exit_status(&done.results), done))
}

/// Whether this run made a signature that does not cover the tag, or would have.
fn any_of_schema_1(results: &[Signatures]) -> bool {
    let is_new = |signed: &Signed| !signed.status.is_kept() && signed.schema == Schema::V1;
    results.iter().flatten().flatten().any(is_new)
}

fn schema_note() -> String {
    format!(
        "note: schema 1 covers the digest but not the tag, and s3lo 3 does not accept it; use {} unless s3lo 2 verifies",
        option("schema-version").with("2")
    )
}

impl SignResults {
    fn each(&self) -> impl Iterator<Item = (&Image, &KeyRef, &Result<Signed, Error>)> {
        let of_images = self.images.iter().zip(&self.results);
        of_images.flat_map(|(image, results)| {
            let of_keys = self.keys.iter().zip(results);
            of_keys.map(move |(key, result)| (image, key, result))
        })
    }
}

impl CommandResults for SignResults {
    type Element = SignElement;

    fn elements(&self, several: bool) -> Vec<SignElement> {
        let element = |(image, key, result)| SignElement::new(image, key, result, several);
        self.each().map(element).collect()
    }

    fn is_of_several(&self) -> bool {
        self.images.len() > 1 || self.keys.len() > 1
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    fn rows(&self) -> Vec<ReportRow> {
        let row = |(image, key, result): (&Image, &KeyRef, &Result<Signed, Error>)| {
            let found = match result {
                Ok(signed) => RowOutcome::Valid(Valid {
                    kept: signed.status.is_kept(),
                    digest: signed.digest.to_string(),
                    key_id: signed.key_id.to_string(),
                    signed_at: signed.signed_at.map(|time| time.to_string()),
                    stored_path: (!self.dry_run).then(|| signed.stored_path.clone()),
                    schema: signed.schema.version(),
                    request_id: signed.request_id.clone(),
                    policy: Vec::new(),
                }),
                Err(error) => RowOutcome::Failed(Diagnostic::new(error)),
            };
            ReportRow::new(&image.reference, key.as_str(), found)
        };
        self.each().map(row).collect()
    }

    fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }
}

fn print(
    out: &mut dyn Write,
    image: &Image,
    keys: &[KeyRef],
    results: &Signatures,
    several: bool,
) -> std::io::Result<()> {
    for (key, result) in keys.iter().zip(results) {
        if let Ok(signed) = result {
            text::signed(out, image, key, signed, several)?;
        }
    }
    Ok(())
}

/// Prints each error once, with the images it concerns: a wrong password concerns all of them.
fn errors(
    err: &mut dyn Write,
    images: &[Image],
    results: &[Signatures],
    dry_run: bool,
) -> std::io::Result<()> {
    let mut reported: Vec<(Diagnostic, Vec<String>)> = Vec::new();
    for (image, results) in images.iter().zip(results) {
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            let diagnostic = Diagnostic::new(error);
            let name = image.reference.to_string();
            match reported.iter_mut().find(|(known, _)| *known == diagnostic) {
                Some((_, names)) if names.last() == Some(&name) => {}
                Some((_, names)) => names.push(name),
                None => reported.push((diagnostic, vec![name])),
            }
        }
    }
    let failed = results
        .iter()
        .filter(|results| results.iter().any(Result::is_err))
        .count();
    for (diagnostic, names) in &reported {
        let names: &[String] = if images.len() > 1 { names } else { &[] };
        text::error(err, diagnostic, names)?;
    }
    if images.len() > 1 && failed > 0 {
        let signed = images.len().saturating_sub(failed);
        let are = if dry_run { "would be" } else { "are" };
        writeln!(
            err,
            "{signed} of {} images {are} signed by every key",
            images.len()
        )?;
    }
    Ok(())
}

/// A failure outranks a refusal.
fn exit_status(results: &[Signatures]) -> ExitStatus {
    let mut errors = results
        .iter()
        .flatten()
        .filter_map(|result| result.as_ref().err())
        .peekable();
    if errors.peek().is_none() {
        ExitStatus::Done
    } else if errors.all(Error::is_guard) {
        ExitStatus::Refused
    } else {
        ExitStatus::Failed
    }
}
