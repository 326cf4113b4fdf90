//! Several images in a table: a row for each, in columns that differ.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use s3lo_core::text::clipped_to;

use crate::ci::markup::{Card, code, mark, prose};
use crate::ci::report::{Action, Report, ReportRow, RowOutcome, schema};

/// Several images, a line for each, and below them what all of them have in common.
pub(crate) fn grid(report: &Report, space: usize) -> String {
    let columns = Columns::of(report);
    let common = columns.common(report);
    let mut grid = columns.head();
    let space = space.saturating_sub(common.len());
    let mut left_out = 0_usize;
    for row in &report.rows {
        let line = columns.line(report, row);
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
    grid + &common
}

/// The columns of several images; one whose text is the same in every row is left out, and shown once.
struct Columns<'a> {
    root: Common<Option<&'a str>>,
    key: Common<&'a str>,
    key_id: Common<&'a str>,
    schema: Common<u64>,
}

impl<'a> Columns<'a> {
    fn of(report: &'a Report) -> Self {
        let rows = || report.rows.iter();
        let valid = || rows().filter_map(ReportRow::valid);
        Self {
            root: Common::of(rows().map(ReportRow::root)),
            key: Common::of(rows().map(|row| row.key.as_str())),
            key_id: Common::of(valid().map(|valid| valid.key_id.as_str())),
            schema: Common::of(valid().map(|valid| valid.schema)),
        }
    }

    fn head(&self) -> String {
        let mut names = vec!["Image", "Outcome", "Digest"];
        let optional = [
            ("Key", self.key.differs()),
            ("Key ID", self.key_id.differs()),
            ("Schema", self.schema.differs()),
        ];
        names.extend(
            optional
                .iter()
                .filter(|(_, shown)| *shown)
                .map(|(name, _)| name),
        );
        names.push("Signed at");
        let rule = ":---|".repeat(names.len());
        format!("| {} |\n|{rule}\n", names.join(" | "))
    }

    fn line(&self, report: &Report, row: &ReportRow) -> String {
        let valid = row.valid();
        let shown = |text: Option<String>| text.map(|text| code(&text)).unwrap_or_default();
        let name = match self.root.shared().flatten() {
            Some(_) => &row.name,
            None => &row.unpinned,
        };
        let mut cells = vec![code(name), outcome(report, row)];
        cells.push(shown(
            valid.map(|valid| clipped_to(&valid.digest, DIGEST_LEN)),
        ));
        if self.key.differs() {
            cells.push(code(&row.key));
        }
        if self.key_id.differs() {
            cells.push(shown(
                valid.map(|valid| clipped_to(&valid.key_id, KEY_ID_LEN)),
            ));
        }
        if self.schema.differs() {
            cells.push(
                valid
                    .map(|valid| valid.schema.to_string())
                    .unwrap_or_default(),
            );
        }
        cells.push(shown(valid.and_then(|valid| valid.signed_at.clone())));
        format!("| {} |\n", cells.join(" | "))
    }

    /// The values that all images have in common.
    fn common(&self, report: &Report) -> String {
        let mut card = Card::default();
        card.known("Images in", self.root.shared().flatten());
        card.known("Key", self.key.shared());
        card.known("Key ID", self.key_id.shared());
        if let Some(version) = self.schema.shared() {
            card.line("Schema", schema(version));
        }
        card.known("Role", report.role.as_deref());
        card.text()
    }
}

/// As much of a digest, and of a key's ID, as a person compares. All of it is in the command to verify with, and in the
/// results.
const DIGEST_LEN: usize = 19;
const KEY_ID_LEN: usize = 8;

/// A property of several images.
#[derive(Clone, Copy)]
enum Common<T> {
    /// No image has it.
    Unknown,
    /// All that have it have the same.
    Shared(T),
    /// They differ.
    Differs,
}

impl<T: PartialEq + Copy> Common<T> {
    fn of(mut all: impl Iterator<Item = T>) -> Self {
        match all.next() {
            None => Self::Unknown,
            Some(first) if all.all(|other| other == first) => Self::Shared(first),
            Some(_) => Self::Differs,
        }
    }

    fn shared(self) -> Option<T> {
        match self {
            Self::Shared(value) => Some(value),
            Self::Unknown | Self::Differs => None,
        }
    }

    fn differs(self) -> bool {
        matches!(self, Self::Differs)
    }
}

/// The outcome in a few words. Reasons begin with their kind.
fn outcome(report: &Report, row: &ReportRow) -> String {
    let mark = mark(row.is_valid());
    match (report.action, &row.result) {
        (Action::Sign, RowOutcome::Valid(valid)) if report.dry_run => match valid.kept {
            true => "would keep".to_owned(),
            false => "would sign".to_owned(),
        },
        (Action::Sign, RowOutcome::Valid(valid)) if valid.kept => format!("{mark} signed before"),
        (Action::Sign, RowOutcome::Valid(_)) => format!("{mark} signed"),
        (Action::Verify, RowOutcome::Valid(_)) => format!("{mark} verified"),
        (_, RowOutcome::Invalid(invalid)) => {
            let kind = invalid.reason.split(": ").next().unwrap_or_default();
            format!("{mark} {}", prose(&clipped_to(kind, MAX_KIND_LEN)))
        }
        (_, RowOutcome::Failed(diagnostic)) => format!("{mark} {}", code(diagnostic.code)),
    }
}

/// The longest kind of a reason in a row, in characters: one names a key.
const MAX_KIND_LEN: usize = 60;
