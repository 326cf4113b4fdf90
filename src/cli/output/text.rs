//! Results as text.

use std::io::{self, IsTerminal as _, Write};

use clap::builder::styling::AnsiColor;
use s3lo_core::policy::decision::Decision;
use s3lo_core::verdict::Verdict;

use crate::cli::args::Color;
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::key::reference::KeyRef;
use crate::policy::PolicyFile;
use crate::sign::{Signed, Status};
use crate::text::printable;
use crate::verify::{Error, KeyOutcome, KeyResult, Outcome, Rejection, RuleOutcome};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Whether success prints nothing.
    pub(crate) quiet: bool,
    /// Whether stdout gets colors.
    pub(crate) out_colored: bool,
    /// Whether stderr gets colors.
    pub(crate) err_colored: bool,
}

impl Style {
    /// The style that the options ask for, on the terminals that there are.
    pub(crate) fn new(quiet: bool, color: Color) -> Self {
        // https://no-color.org: any value but the empty one.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !no_color,
        };
        Self {
            quiet,
            out_colored: colored(io::stdout().is_terminal()),
            err_colored: colored(io::stderr().is_terminal()),
        }
    }
}

/// A mark, in its color.
pub(crate) fn mark(mark: &'static str, color: AnsiColor, colored: bool) -> String {
    if colored {
        let style = color.on_default();
        return format!("{style}{mark}{style:#}");
    }
    mark.to_owned()
}

/// How an image is named: by its name, and in full where there are several.
fn name(image: &Image, several: bool) -> String {
    if several {
        return printable(&image.reference.to_string());
    }
    printable(&image.reference.name())
}

/// A signed image.
pub(crate) fn signed(
    out: &mut dyn Write,
    image: &Image,
    key: &KeyRef,
    signed: &Signed,
    several: bool,
) -> io::Result<()> {
    let done = match signed.status {
        Status::Kept => "Already signed",
        Status::Signed => "Signed",
        Status::WouldKeep => "Would keep the signature of",
        Status::WouldSign => "Would sign",
    };
    writeln!(out, "{done} {}", name(image, several))?;
    writeln!(out, "  Digest:  {}", signed.digest)?;
    writeln!(out, "  Key:     {}", printable(key.as_str()))?;
    writeln!(out, "  Key ID:  {}", signed.key_id)?;
    if let Some(time) = signed.signed_at {
        writeln!(out, "  Signed:  {time}")?;
    }
    let path = printable(&signed.stored_path);
    let label = match signed.status {
        Status::WouldSign => "Record",
        Status::Kept | Status::Signed | Status::WouldKeep => "Stored",
    };
    writeln!(out, "  {label}:  {path}")?;
    if signed.status.is_dry_run() {
        writeln!(out, "  Nothing was signed: this is a dry run")?;
    }
    Ok(())
}

/// A verified image, with every key that signed it.
pub(crate) fn verified(
    out: &mut dyn Write,
    style: Style,
    image: &Image,
    outcome: &Outcome,
    policy: Option<&PolicyFile>,
    several: bool,
) -> io::Result<()> {
    let check = mark("✓", AnsiColor::Green, style.out_colored);
    writeln!(out, "{check} Verified {}", name(image, several))?;
    if let Some(digest) = outcome.digest {
        writeln!(out, "  Digest:  {digest}")?;
    }
    for KeyResult { key, outcome } in &outcome.keys {
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
    for (name, value) in policy
        .iter()
        .flat_map(|policy| policy_facts(policy, outcome))
    {
        writeln!(out, "  {:8} {}", format!("{name}:"), printable(&value))?;
    }
    Ok(())
}

/// A rule by its pattern and its place in the policy.
pub(crate) fn place_of(policy: &PolicyFile, rule: &RuleOutcome) -> String {
    format!("{} ({}:{})", rule.pattern, policy.path, rule.line)
}

/// The policy that decided about an image, and its rule: facts with their names.
pub(crate) fn policy_facts(policy: &PolicyFile, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let Some(rule) = &outcome.rule else {
        return vec![("Policy", policy.path.clone())];
    };
    let requirements = rule.requirements.iter().map(|requirement| {
        let state = match requirement.decision {
            Decision::Verified => "met",
            Decision::Failed => "not met",
            Decision::Undecided => "not known",
        };
        let by = match (requirement.decision, requirement.by.as_slice()) {
            (Decision::Undecided, []) => String::new(),
            (_, []) => ", signed by none of them".to_owned(),
            (_, by) => format!(", signed by {}", by.join(", ")),
        };
        ("Needs", format!("{}: {state}{by}", requirement.requires))
    });
    let place = place_of(policy, rule);
    std::iter::once(("Rule", place))
        .chain(requirements)
        .collect()
}

/// An image that is not verified, with the verdict of each of several keys.
pub(crate) fn not_verified(
    err: &mut dyn Write,
    style: Style,
    image: &Image,
    outcome: &Outcome,
    policy: Option<&PolicyFile>,
    several: bool,
) -> io::Result<()> {
    let cross = mark("✗", AnsiColor::Red, style.err_colored);
    writeln!(
        err,
        "{cross} Verification FAILED for {}",
        name(image, several)
    )?;
    writeln!(err, "  {}", printable(&outcome.reason().to_string()))?;
    let rejection = Rejection::new(&image.reference, outcome);
    if outcome.keys.len() < 2 {
        if let Some(key_id) = rejection.key_id {
            writeln!(err, "  Key ID:    {key_id}")?;
        }
    } else {
        for KeyResult { key, outcome } in &outcome.keys {
            let (key, verdict) = (printable(key.as_str()), printable(&verdict(outcome)));
            writeln!(err, "  Key:       {key}: {verdict}")?;
        }
    }
    if let Some(digest) = rejection.digest {
        writeln!(err, "  Digest:    {digest}")?;
    }
    if let Some(path) = &rejection.looked_at {
        writeln!(err, "  Looked at: {}", printable(path))?;
    }
    if let Some([_, ..]) = rejection.beside.as_deref() {
        let ids = rejection.beside.iter().flatten().cloned();
        let ids = ids.collect::<Vec<_>>().join(", ");
        writeln!(err, "  Beside it: {ids} (not verified)")?;
    }
    for (name, value) in policy
        .iter()
        .flat_map(|policy| policy_facts(policy, outcome))
    {
        writeln!(err, "  {:10} {}", format!("{name}:"), printable(&value))?;
    }
    for note in outcome.notes() {
        writeln!(err, "  note: {note}")?;
    }
    let mut label = "help:";
    for line in rejection.help.lines() {
        writeln!(err, "  {label:5} {}", printable(line))?;
        label = "";
    }
    Ok(())
}

/// The verdict of one of several keys, in words.
pub(crate) fn verdict(outcome: &Result<KeyOutcome, Error>) -> String {
    match outcome.as_ref().map(|key| &key.verdict) {
        Ok(Verdict::Verified(_)) => "valid".to_owned(),
        Ok(Verdict::Rejected(reason)) => reason.to_string(),
        Err(_) => "not known, see below".to_owned(),
    }
}

/// An error, with the images it concerns if there are several.
pub(crate) fn error(
    err: &mut dyn Write,
    diagnostic: &Diagnostic,
    images: &[String],
) -> io::Result<()> {
    let diagnostic = diagnostic.clone();
    let diagnostic = match images {
        [] => diagnostic,
        [only] => diagnostic.about("image", only),
        [first, others @ ..] => {
            diagnostic.about("images", format!("{first} (and {} more)", others.len()))
        }
    };
    writeln!(err, "{diagnostic}")
}

/// Warnings, after success and failure alike.
pub(crate) fn warnings(err: &mut dyn Write, warnings: &[String]) -> io::Result<()> {
    for warning in warnings {
        writeln!(err, "warning: {}", printable(warning))?;
    }
    Ok(())
}
