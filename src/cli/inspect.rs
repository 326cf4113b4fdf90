//! `s3lo inspect`.

use std::io::{self, Write};
use std::sync::Arc;

use s3lo_core::verdict::Verdict;
use serde::Serialize;

use crate::cli::args::{InspectArgs, Output};
use crate::cli::output::{json, progress, text};
use crate::cli::setup::{KeyCounting, Run, RunContext};
use crate::cli::{CommandError, ExitStatus, deadline, setup};
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::inspect::{FoundRecord, Inspection, inspect};
use crate::key::reference::KeyRef;
use crate::open_files;
use crate::text::printable;
use crate::verify::{Error, Key};

type Answer = Result<Inspection, Error>;

/// Shows every image, and the records beside it.
pub(crate) async fn run(
    args: &InspectArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let deadline = deadline(args.images.timeout);
    let Run {
        images,
        keys,
        signals,
        mut warnings,
        ..
    } = Run::new(
        &args.images,
        setup::keys(&args.keys)?,
        KeyCounting::Any,
        &args.aws,
        &args.providers,
        context,
        deadline,
    )
    .await?;
    let public: Arc<[Key]> = keys.public_keys().into();
    let work = |image: Image| {
        let public = Arc::clone(&public);
        async move { inspect(&image, &public, deadline).await }
    };
    let text = output == Output::Text;
    let print = |image: &Image, answer: &Answer| match answer {
        Ok(found) => shown(out, image, keys.references(), found),
        Err(_) => Ok(()),
    };
    let concurrency = open_files::concurrency(args.images.concurrency, public.len());
    let worked = progress::work_on(&images, concurrency, text, &context.waiting, work, print);
    let ((answers, printed), of_keys) = signals.during(&keys, worked).await?;
    warnings.extend(of_keys);
    let _ = text::warnings(err, &warnings);
    printed?;
    let each = images.iter().zip(&answers);
    if text {
        for (image, answer) in each {
            let names = match images.len() {
                1 => Vec::new(),
                _ => vec![image.reference.to_string()],
            };
            for error in errors(answer) {
                text::error(err, &Diagnostic::new(error), &names)?;
            }
        }
    } else {
        let element = |(image, answer)| Element::new(image, keys.references(), answer);
        let elements = each.map(element).collect();
        json::write(out, &json::Results::new(elements, images.len() > 1))?;
    }
    let failed = answers.iter().any(|answer| errors(answer).next().is_some());
    Ok(if failed {
        ExitStatus::Failed
    } else {
        ExitStatus::Done
    })
}

/// The reason why an image cannot be shown, or those of keys that cannot be opened.
fn errors(answer: &Answer) -> impl Iterator<Item = &Error> {
    let of_keys = answer.iter().flat_map(|found| &found.keys);
    let of_keys = of_keys.filter_map(|key| key.as_ref().err());
    answer.as_ref().err().into_iter().chain(of_keys)
}

fn shown(
    out: &mut dyn Write,
    image: &Image,
    keys: &[KeyRef],
    found: &Inspection,
) -> io::Result<()> {
    writeln!(out, "{}", printable(&image.reference.to_string()))?;
    if let Some(digest) = found.digest {
        writeln!(out, "  Digest:     {digest}")?;
    }
    match &found.media_type {
        Ok(media_type) => writeln!(out, "  Media type: {media_type}")?,
        Err(reason) => writeln!(out, "  {}", printable(&reason.to_string()))?,
    }
    if !found.platforms.is_empty() {
        let names = found.platforms.join(", ");
        writeln!(out, "  Platforms:  {}", printable(&names))?;
    }
    let more = if found.more_records { " or more" } else { "" };
    writeln!(out, "  Records:    {}{more}", found.records.len())?;
    for record in &found.records {
        record_shown(out, keys, record)?;
    }
    Ok(())
}

fn record_shown(out: &mut dyn Write, keys: &[KeyRef], record: &FoundRecord) -> io::Result<()> {
    writeln!(out, "\n  {}", record.name)?;
    match &record.content {
        Ok(content) => {
            writeln!(out, "    Schema:   {}", content.schema.version())?;
            writeln!(out, "    Digest:   {}", content.digest)?;
            if let Some(key) = &content.claims.key_ref {
                writeln!(out, "    Claims:   key {}", printable(key))?;
            }
            if let Some(time) = content.claims.signed_at {
                writeln!(out, "              signed {time}")?;
            }
        }
        Err(reason) => writeln!(out, "    Malformed: {}", printable(reason))?,
    }
    for (key, verdict) in verdicts(keys, record) {
        match verdict {
            Verdict::Verified(_) => writeln!(out, "    ✓ valid by {}", printable(key))?,
            Verdict::Rejected(reason) => {
                let reason = printable(&reason.to_string());
                writeln!(out, "    ✗ not valid by {}: {reason}", printable(key))?;
            }
        }
    }
    if record.verdicts.is_empty() {
        let reason = if keys.is_empty() {
            "no key was given"
        } else {
            "it was made by none of the keys given"
        };
        writeln!(out, "    Not checked: {reason}")?;
    }
    Ok(())
}

fn verdicts<'a>(
    keys: &'a [KeyRef],
    record: &'a FoundRecord,
) -> impl Iterator<Item = (&'a str, &'a Verdict)> {
    let verdicts = record.verdicts.iter();
    verdicts.filter_map(|(number, verdict)| Some((keys.get(*number)?.as_str(), verdict)))
}

#[derive(Serialize)]
#[serde(untagged)]
enum Element {
    #[serde(rename_all = "camelCase")]
    Found {
        #[serde(rename = "ref")]
        reference: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        /// The reason why it is no manifest.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        platforms: Vec<String>,
        records: Vec<RecordElement>,
        more_records: bool,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<json::ErrorFields>,
    },
    Failed {
        #[serde(rename = "ref")]
        reference: String,
        error: json::ErrorFields,
    },
}

/// A record. Its fields `claimed…` are not signed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordElement {
    #[serde(rename = "keyID")]
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_key_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_signed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<String>,
    verdicts: Vec<VerdictElement>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerdictElement {
    key_ref: String,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Element {
    fn new(image: &Image, keys: &[KeyRef], answer: &Answer) -> Self {
        let reference = image.reference.to_string();
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                let error = Diagnostic::new(error).into();
                return Self::Failed { reference, error };
            }
        };
        Self::Found {
            reference,
            digest: found.digest.map(|digest| digest.to_string()),
            media_type: found.media_type.as_ref().ok().map(ToString::to_string),
            reason: found.media_type.as_ref().err().map(ToString::to_string),
            platforms: found.platforms.clone(),
            records: found
                .records
                .iter()
                .map(|record| RecordElement::new(keys, record))
                .collect(),
            more_records: found.more_records,
            errors: errors(answer)
                .map(|error| Diagnostic::new(error).into())
                .collect(),
        }
    }
}

impl RecordElement {
    fn new(keys: &[KeyRef], record: &FoundRecord) -> Self {
        let content = record.content.as_ref().ok();
        let verdict = |(key, verdict): (&str, &Verdict)| VerdictElement {
            key_ref: key.to_owned(),
            verified: matches!(verdict, Verdict::Verified(_)),
            reason: match verdict {
                Verdict::Verified(_) => None,
                Verdict::Rejected(reason) => Some(reason.to_string()),
            },
        };
        Self {
            key_id: record.name.clone(),
            schema_version: content.map(|content| content.schema.version()),
            digest: content.map(|content| content.digest.to_string()),
            claimed_key_ref: content.and_then(|content| content.claims.key_ref.clone()),
            claimed_signed_at: content
                .and_then(|content| content.claims.signed_at)
                .map(|time| time.to_string()),
            malformed: record.content.as_ref().err().cloned(),
            verdicts: verdicts(keys, record).map(verdict).collect(),
        }
    }
}
