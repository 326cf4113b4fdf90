//! Results as text.

use std::io::{self, Write};

use crate::explain::{Explained, printable};
use crate::image::Image;
use crate::key::KeyRef;
use crate::sign::{Signed, Status};
use crate::verdict::Verdict;
use crate::verify::{KeyOutcome, Outcome};

/// A signed image.
pub(super) fn signed(
    out: &mut dyn Write,
    image: &Image,
    key: &KeyRef,
    signed: &Signed,
) -> io::Result<()> {
    let done = match signed.status {
        Status::Kept => "Already signed",
        Status::Signed => "Signed",
    };
    writeln!(out, "{done} {}", printable(&image.reference.name()))?;
    writeln!(out, "  Digest:  {}", signed.digest)?;
    writeln!(out, "  Key:     {}", printable(key.as_str()))?;
    writeln!(out, "  Key ID:  {}", signed.key_id)?;
    if let Some(time) = signed.signed_at {
        writeln!(out, "  Signed:  {time}")?;
    }
    writeln!(out, "  Stored:  {}", printable(&signed.stored_path))
}

/// A verified image, with every key that signed it.
pub(super) fn verified(
    out: &mut dyn Write,
    image: &Image,
    keys: &[KeyRef],
    outcome: &Outcome,
) -> io::Result<()> {
    writeln!(out, "✓ Verified {}", printable(&image.reference.name()))?;
    if let Some(digest) = outcome.digest {
        writeln!(out, "  Digest:  {digest}")?;
    }
    for (key, outcome) in keys.iter().zip(&outcome.keys) {
        if let Ok(KeyOutcome {
            verdict: Verdict::Verified(valid),
            ..
        }) = outcome
        {
            if let Some(time) = valid.signed_at {
                writeln!(out, "  Signed:  {time}")?;
            }
            writeln!(out, "  Key:     {}", printable(key.as_str()))?;
        }
    }
    Ok(())
}

/// An image that is not.
pub(super) fn not_verified(err: &mut dyn Write, image: &Image, reason: &str) -> io::Result<()> {
    writeln!(
        err,
        "✗ Verification FAILED for {}",
        printable(&image.reference.name())
    )?;
    writeln!(err, "  {}", printable(reason))
}

/// An error, and the images that it befell where there were several.
pub(super) fn error(
    err: &mut dyn Write,
    explained: &Explained,
    images: &[String],
) -> io::Result<()> {
    let mut explained = explained.clone();
    match images {
        [] => {}
        [only] => explained.message = format!("{}: {}", printable(only), explained.message),
        [first, others @ ..] => {
            explained.message = format!(
                "{} (and {} more): {}",
                printable(first),
                others.len(),
                explained.message
            );
        }
    }
    writeln!(err, "{explained}")
}
