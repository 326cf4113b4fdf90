//! The outcome of a run, for its CI system.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use s3lo_core::reference::Reference;

use crate::diagnostic::{Diagnostic, columns};
use crate::text::printable;

/// The command of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `sign`.
    Sign,
    /// `verify`.
    Verify,
}

impl Action {
    /// The command's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Verify => "verify",
        }
    }

    /// The command of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sign, Self::Verify]
            .into_iter()
            .find(|action| action.name() == name)
    }

    /// The other command.
    pub fn other(self) -> Self {
        match self {
            Self::Sign => Self::Verify,
            Self::Verify => Self::Sign,
        }
    }
}

/// The outcome of one image; with `sign`, for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// The image's name and tag.
    pub name: String,
    /// The reference as it was given.
    pub reference: String,
    /// The same without its pin.
    pub unpinned: String,
    /// The key as it was given.
    pub key: String,
    /// The outcome.
    pub result: RowOutcome,
    /// The errors of single keys.
    pub errors: Vec<Diagnostic>,
}

impl ReportRow {
    /// The outcome of an image with a key.
    pub fn new(reference: &Reference, key: &str, result: RowOutcome) -> Self {
        Self {
            name: reference.name(),
            reference: reference.to_string(),
            unpinned: reference.unpinned(),
            key: key.to_owned(),
            result,
            errors: Vec::new(),
        }
    }

    /// The same, with the errors of single keys.
    pub fn with_errors(self, errors: Vec<Diagnostic>) -> Self {
        Self { errors, ..self }
    }

    /// Scheme, and bucket or directory: the reference as far as the image's name.
    pub fn root(&self) -> Option<&str> {
        self.unpinned.strip_suffix(&self.name)?.strip_suffix('/')
    }

    /// Whether the image is signed, or verified.
    pub fn is_valid(&self) -> bool {
        self.valid().is_some()
    }

    /// The valid signature, if there is one.
    pub fn valid(&self) -> Option<&Valid> {
        match &self.result {
            RowOutcome::Valid(valid) => Some(valid),
            RowOutcome::Invalid(_) | RowOutcome::Failed(_) => None,
        }
    }

    /// Whether the key is in AWS KMS.
    pub(crate) fn is_by_kms(&self) -> bool {
        self.key.starts_with("awskms:")
    }
}

/// The outcome of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// A valid signature.
    Valid(Valid),
    /// No valid signature, and why.
    Invalid(Invalid),
    /// An error.
    Failed(Diagnostic),
}

/// A valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    /// Whether it was there already.
    pub kept: bool,
    /// The manifest's digest.
    pub digest: String,
    /// The key's ID.
    pub key_id: String,
    /// The time that its signer claims.
    pub signed_at: Option<String>,
    /// Where it lies.
    pub stored_path: Option<String>,
    /// Its schema.
    pub schema: u64,
    /// The ID that the key's service gave the request to sign.
    pub request_id: Option<String>,
    /// The policy that decided: facts with their names.
    pub policy: Vec<(&'static str, String)>,
}

/// The lack of a valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The reason.
    pub reason: String,
    /// The manifest's digest.
    pub digest: Option<String>,
    /// The key's ID.
    pub key_id: Option<String>,
    /// The place of the record that was looked for.
    pub looked_at: Option<String>,
    /// The IDs of records beside it, which are not verified.
    pub beside: Vec<String>,
    /// Each of several keys, and its verdict.
    pub verdicts: Vec<(String, String)>,
    /// The policy that decided: facts with their names.
    pub policy: Vec<(&'static str, String)>,
    /// Remarks on keys of which only some versions were tried.
    pub notes: Vec<String>,
    /// The next action.
    pub help: String,
}

impl Invalid {
    /// Everything known but the reason, each with its name.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let verdicts = self.verdicts.iter();
        let verdicts = verdicts.map(|(key, verdict)| ("Key", format!("{key}: {verdict}")));
        let beside = (!self.beside.is_empty()).then(|| self.beside.join(", "));
        let known = [
            ("Key ID", self.key_id.clone()),
            ("Digest", self.digest.clone()),
            ("Looked at", self.looked_at.clone()),
            ("Beside it, not verified", beside),
        ];
        let known = known
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let notes = self.notes.iter().map(|note| ("Note", note.clone()));
        let policy = self.policy.iter().cloned();
        verdicts.chain(known).chain(policy).chain(notes).collect()
    }
}

/// A report of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The command.
    pub action: Action,
    /// The outcomes, in the order asked.
    pub rows: Vec<ReportRow>,
    /// The error that ended the run early.
    pub stopped: Option<Diagnostic>,
    /// The role that was assumed.
    pub role: Option<String>,
    /// Whether nothing was signed, and the rows are what would have been.
    pub dry_run: bool,
    /// The region that was named, for the command to verify with.
    pub region: Option<String>,
    /// The S3 server that was named.
    pub endpoint: Option<String>,
}

impl Report {
    /// Whether everything is signed, or verified.
    pub fn is_good(&self) -> bool {
        self.stopped.is_none() && !self.rows.is_empty() && self.rows.iter().all(ReportRow::is_valid)
    }

    /// The only result, if there is but one and it is good.
    pub fn only(&self) -> Option<&Valid> {
        match self.rows.as_slice() {
            [row] if self.stopped.is_none() => row.valid(),
            _ => None,
        }
    }

    /// The outcome, in a few words.
    pub fn title(&self) -> String {
        match self.lead() {
            (lead, Some(name)) => format!("{lead}: {}", printable(name)),
            (lead, None) => lead,
        }
    }

    fn is_interrupted(&self) -> bool {
        self.stopped
            .as_ref()
            .is_some_and(|stopped| stopped.code == "interrupted")
    }

    /// The outcome, and the image if there is but one.
    pub(crate) fn lead(&self) -> (String, Option<&str>) {
        let (done, not_done) = match self.action {
            Action::Sign if self.dry_run => ("Would sign", "Would not sign"),
            Action::Sign => ("Signed", "Not signed"),
            Action::Verify => ("Verified", "Not verified"),
        };
        let valid = self.rows.iter().filter(|row| row.is_valid()).count();
        let all = self.rows.len();
        let things = match self.action {
            Action::Sign if self.has_several_keys() => "signatures",
            _ => "images",
        };
        match self.rows.as_slice() {
            [] if self.is_interrupted() => ("Interrupted".to_owned(), None),
            [] => (not_done.to_owned(), None),
            [row] if valid == all => {
                let kept = row.valid().is_some_and(|valid| valid.kept);
                let done = match self.action {
                    Action::Sign if kept && self.dry_run => "Would keep",
                    Action::Sign if kept => "Already signed",
                    _ => done,
                };
                (done.to_owned(), Some(&row.name))
            }
            [row] => (not_done.to_owned(), Some(&row.name)),
            _ if self.stopped.is_some() => (not_done.to_owned(), None),
            _ if valid == all => (format!("{done}: {all} {things}"), None),
            _ => {
                let missing = all.saturating_sub(valid);
                (format!("{not_done}: {missing} of {all} {things}"), None)
            }
        }
    }

    /// The result in one line.
    pub fn in_short(&self) -> String {
        match self.only() {
            _ if self.dry_run => "nothing was signed: this is a dry run".to_owned(),
            Some(valid) => format!("{} by key {}", valid.digest, valid.key_id),
            None => format!("the step's `results` hold all {}", self.rows.len()),
        }
    }

    /// The first problem, and the number of others.
    pub fn first_problem(&self) -> Option<String> {
        if let Some(stopped) = &self.stopped {
            return Some(in_words(stopped));
        }
        let mut problems = self.rows.iter().filter_map(|row| match &row.result {
            RowOutcome::Valid(_) => None,
            RowOutcome::Invalid(invalid) => {
                let facts = invalid.facts().into_iter();
                let facts = facts.map(|(name, value)| (name, printable(&value)));
                let help: Vec<_> = invalid.help.lines().map(printable).collect();
                let lines = columns(facts.chain([("help", help.join("\n"))]));
                let text = format!("{}\n{}", printable(&invalid.reason), lines.join("\n"));
                Some((row, text))
            }
            RowOutcome::Failed(diagnostic) => Some((row, in_words(diagnostic))),
        });
        let (row, first) = problems.next()?;
        let more = match problems.count() {
            0 => String::new(),
            more => format!("\n(and {more} more)"),
        };
        let first = if self.rows.len() > 1 {
            format!("{}: {first}", printable(&row.reference))
        } else {
            first
        };
        Some(format!("{first}{more}"))
    }

    /// Why not everything is verified, on one line.
    pub fn reason(&self) -> Option<String> {
        let problem = self.first_problem()?;
        Some(problem.lines().next().unwrap_or_default().to_owned())
    }

    fn has_several_keys(&self) -> bool {
        let mut keys = self.rows.iter().map(|row| &row.key);
        let first = keys.next();
        keys.any(|key| Some(key) != first)
    }
}

/// The schema, and what a signature of it covers.
pub(crate) fn schema(version: u64) -> String {
    match version {
        1 => "1, digest only".to_owned(),
        version => format!("{version}, covers the tag"),
    }
}

fn in_words(diagnostic: &Diagnostic) -> String {
    let details = diagnostic.details().join("\n");
    format!("{}\n{details}", diagnostic.message)
}
