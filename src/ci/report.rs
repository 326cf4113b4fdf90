//! Results → the Markdown that a CI system shows beside the log.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use s3lo_core::reference::Reference;
use s3lo_core::text::clipped_to;

use crate::ci::markup::{block, code};
use crate::diagnostic::Diagnostic;
use crate::text::{printable, quoted};

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
        }
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
    /// The next action.
    pub help: String,
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
    /// The region that was named, for the command to verify with.
    pub region: Option<String>,
    /// The S3 server that was named.
    pub endpoint: Option<String>,
}

impl Report {
    /// Whether everything is signed, or verified.
    pub fn is_good(&self) -> bool {
        let valid = |row: &ReportRow| matches!(row.result, RowOutcome::Valid(_));
        self.stopped.is_none() && !self.rows.is_empty() && self.rows.iter().all(valid)
    }

    /// The only result, if there is but one and it is good.
    pub fn only(&self) -> Option<&Valid> {
        match self.rows.as_slice() {
            [
                ReportRow {
                    result: RowOutcome::Valid(valid),
                    ..
                },
            ] if self.stopped.is_none() => Some(valid),
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
    fn lead(&self) -> (String, Option<&str>) {
        let (done, not_done) = match self.action {
            Action::Sign => ("Signed", "Not signed"),
            Action::Verify => ("Verified", "Not verified"),
        };
        let valid = self.count(|found| matches!(found, RowOutcome::Valid(_)));
        let all = self.rows.len();
        let things = match self.action {
            Action::Sign if self.has_several_keys() => "signatures",
            _ => "images",
        };
        match self.rows.as_slice() {
            [] if self.is_interrupted() => ("Interrupted".to_owned(), None),
            [] => (not_done.to_owned(), None),
            [row] if valid == all => {
                let kept = matches!(&row.result, RowOutcome::Valid(valid) if valid.kept);
                let done = if kept && self.action == Action::Sign {
                    "Already signed"
                } else {
                    done
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
                let text = format!("{}\nhelp: {}", invalid.reason, invalid.help);
                let lines: Vec<_> = text.lines().map(printable).collect();
                Some((row, lines.join("\n")))
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

    /// The Markdown, in at most `most` bytes: whole rows, and the rest counted.
    pub fn markdown(&self, most: usize) -> String {
        let mut page = match self.lead() {
            (lead, Some(name)) => format!("### {lead}: {}\n\n", code(name)),
            (lead, None) => format!("### {lead}\n\n"),
        };
        let tail = self.tail();
        let space = most
            .saturating_sub(page.len())
            .saturating_sub(tail.len())
            .saturating_sub(REMAINDER_LEN);
        if !self.rows.is_empty() {
            page.push_str(&self.table(space));
        }
        page.push_str(&tail);
        page
    }

    fn table(&self, space: usize) -> String {
        match self.rows.as_slice() {
            [row] => self.card(row),
            rows => self.grid(rows, space),
        }
    }

    /// One image, a line for each thing that is known of it.
    fn card(&self, row: &ReportRow) -> String {
        let line = |name: &str, text: String| format!("| {name} | {text} |\n");
        let mut card = line("Image", code(&row.name)) + "|:---|:---|\n";
        card.push_str(&line("Outcome", self.outcome(&row.result)));
        if let RowOutcome::Valid(valid) = &row.result {
            card.push_str(&line("Digest", code(&valid.digest)));
            card.push_str(&line("Key", code(&row.key)));
            card.push_str(&line("Key ID", code(&valid.key_id)));
            for (name, known) in [
                ("Signed at", &valid.signed_at),
                ("Stored at", &valid.stored_path),
            ] {
                if let Some(text) = known {
                    card.push_str(&line(name, code(text)));
                }
            }
        } else {
            card.push_str(&line("Key", code(&row.key)));
        }
        if let RowOutcome::Invalid(invalid) = &row.result {
            let beside = invalid.beside.join(", ");
            for (name, known) in [
                ("Key ID", invalid.key_id.as_deref()),
                ("Digest", invalid.digest.as_deref()),
                ("Looked at", invalid.looked_at.as_deref()),
                ("Beside it, not verified", Some(beside.as_str())),
                ("Help", Some(invalid.help.as_str())),
            ] {
                if let Some(text) = known.filter(|text| !text.is_empty()) {
                    card.push_str(&line(name, code(text)));
                }
            }
        }
        card.push('\n');
        card
    }

    /// Several images, a line for each.
    fn grid(&self, rows: &[ReportRow], space: usize) -> String {
        let keys = self.has_several_keys();
        let mut grid = String::new();
        if let (false, Some(first)) = (keys, rows.first()) {
            grid.push_str(&format!("Key: {}\n\n", code(&first.key)));
        }
        let (title, rule) = if keys { (" Key |", ":---|") } else { ("", "") };
        grid.push_str(&format!(
            "| Image | Outcome | Digest |{title} Key ID | Signed at |\n|:---|:---|:---|{rule}:---|:---|\n"
        ));
        let mut left_out = 0_usize;
        for row in rows {
            let line = self.line(row, keys);
            if left_out > 0 || grid.len().saturating_add(line.len()) > space {
                left_out = left_out.saturating_add(1);
            } else {
                grid.push_str(&line);
            }
        }
        grid.push('\n');
        if left_out > 0 {
            grid.push_str(&format!(
                "And {left_out} more, which the step's `results` hold.\n\n"
            ));
        }
        grid
    }

    fn line(&self, row: &ReportRow, keys: bool) -> String {
        let valid = match &row.result {
            RowOutcome::Valid(valid) => Some(valid),
            RowOutcome::Invalid(_) | RowOutcome::Failed(_) => None,
        };
        let known = |text: Option<&str>| text.map(code).unwrap_or_default();
        let mut cells = vec![code(&row.name), self.outcome(&row.result)];
        cells.push(known(valid.map(|valid| short(&valid.digest)).as_deref()));
        if keys {
            cells.push(code(&row.key));
        }
        cells.push(known(valid.map(|valid| valid.key_id.as_str())));
        cells.push(known(valid.and_then(|valid| valid.signed_at.as_deref())));
        format!("| {} |\n", cells.join(" | "))
    }

    fn outcome(&self, found: &RowOutcome) -> String {
        match (self.action, found) {
            (Action::Sign, RowOutcome::Valid(valid)) if valid.kept => {
                format!("signed before (schema {})", valid.schema)
            }
            (Action::Sign, RowOutcome::Valid(valid)) => format!("signed (schema {})", valid.schema),
            (Action::Verify, RowOutcome::Valid(valid)) => {
                format!("verified (schema {})", valid.schema)
            }
            (_, RowOutcome::Invalid(invalid)) => {
                format!("**not verified**: {}", code(&invalid.reason))
            }
            (_, RowOutcome::Failed(diagnostic)) => format!("**failed**: {}", code(diagnostic.code)),
        }
    }

    /// The text below the table: errors with their help, and the commands to verify with.
    fn tail(&self) -> String {
        let mut tail = String::new();
        let failed = self.rows.iter().filter_map(|row| match &row.result {
            RowOutcome::Failed(diagnostic) => Some(diagnostic),
            _ => None,
        });
        let mut shown: Vec<&Diagnostic> = Vec::new();
        for diagnostic in self.stopped.iter().chain(failed) {
            if !shown.contains(&diagnostic) {
                shown.push(diagnostic);
            }
        }
        for diagnostic in shown.iter().take(MAX_ERRORS) {
            let first = format!("error[{}]: {}", diagnostic.code, diagnostic.message);
            let lines: Vec<_> = std::iter::once(first).chain(diagnostic.details()).collect();
            tail.push_str(&block(&lines));
            tail.push('\n');
        }
        if let Some(more) = shown.len().checked_sub(MAX_ERRORS).filter(|more| *more > 0) {
            tail.push_str(&format!("And {more} more errors, which the log shows.\n\n"));
        }
        if self.action == Action::Sign {
            let commands = self.commands();
            if !commands.is_empty() {
                tail.push_str("<details><summary>Verify</summary>\n\n");
                tail.push_str(&block(&commands));
                tail.push_str("\n</details>\n");
            }
        }
        tail
    }

    /// The commands that verify the images by the public key.
    fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        let mut exported: Vec<&str> = Vec::new();
        let mut verified = 0_usize;
        for row in &self.rows {
            let RowOutcome::Valid(valid) = &row.result else {
                continue;
            };
            if verified == MAX_COMMANDS {
                commands.push("# and so on".to_owned());
                break;
            }
            let public = quoted(&format!("{}.pub", valid.key_id));
            let region = flag("--region", self.region.as_deref());
            if !exported.contains(&row.key.as_str()) {
                exported.push(&row.key);
                let key = quoted(&row.key);
                commands.push(format!("s3lo public-key --key {key}{region} > {public}"));
            }
            let reference = quoted(&format!("{}@{}", row.unpinned, valid.digest));
            let endpoint = flag("--endpoint", self.endpoint.as_deref());
            let schema = match valid.schema {
                1 => String::new(),
                schema => format!(" --min-schema {schema}"),
            };
            commands.push(format!(
                "s3lo verify {reference} --key {public}{schema}{endpoint}"
            ));
            verified = verified.saturating_add(1);
        }
        commands
    }

    fn count(&self, wanted: impl Fn(&RowOutcome) -> bool) -> usize {
        self.rows.iter().filter(|row| wanted(&row.result)).count()
    }

    fn has_several_keys(&self) -> bool {
        let mut keys = self.rows.iter().map(|row| &row.key);
        let first = keys.next();
        keys.any(|key| Some(key) != first)
    }
}

/// The space reserved for the sentence about rows that are left out, in bytes.
const REMAINDER_LEN: usize = 200;

/// The number of errors that are shown in full.
const MAX_ERRORS: usize = 10;

/// The most commands to verify with.
const MAX_COMMANDS: usize = 10;

/// As much of a digest as a person compares; the whole of it is in the command to verify with, and in the results.
fn short(digest: &str) -> String {
    clipped_to(digest, 19)
}

fn flag(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(" {name} {}", quoted(value)))
}

fn in_words(diagnostic: &Diagnostic) -> String {
    let details = diagnostic.details().join("\n");
    format!("{}\n{details}", diagnostic.message)
}

/// Whether a file begins as the summary of a run does.
pub fn is_markdown(contents: &[u8]) -> bool {
    contents.starts_with(b"### ")
}
