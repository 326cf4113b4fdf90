//! Report → the Markdown that a CI system shows beside the log.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::commands;
use crate::ci::grid::grid;
use crate::ci::markup::{Card, block, code, mark, prose};
use crate::ci::report::{Action, Invalid, Report, ReportRow, RowOutcome, Valid, schema};
use crate::diagnostic::Diagnostic;

/// The summary of a run, in at most `most` bytes: whole rows and whole explanations, and the rest counted.
pub fn markdown(report: &Report, most: usize) -> String {
    let mut page = heading(report);
    let several = report.rows.len() > 1;
    if several && let Some(next) = failures(report) {
        page.push_str(&next);
    }
    // Rows show more images than explanations do, and have at least half of the space.
    let most = most
        .saturating_sub(page.len())
        .saturating_sub(REMAINDER_LEN);
    let tail = tail(report, most.saturating_div(2));
    if several {
        page.push_str(&grid(report, most.saturating_sub(tail.len())));
    }
    page.push_str(&tail);
    page
}

/// Whether a file begins as the summary of a run does, by this version or an earlier one.
pub fn is_markdown(contents: &[u8]) -> bool {
    contents.starts_with(b"### ")
}

/// The space reserved for the sentences about what is left out, in bytes.
const REMAINDER_LEN: usize = 400;

/// The most failures that are explained and named.
const MAX_FAILURES: usize = 10;

fn heading(report: &Report) -> String {
    let mark = match report.is_good() && report.dry_run {
        // Nothing is done.
        true => String::new(),
        false => format!("{} ", mark(report.is_good())),
    };
    match report.lead() {
        (lead, Some(name)) => format!("### {mark}{lead}: {}\n\n", code(name)),
        (lead, None) => format!("### {mark}{lead}\n\n"),
    }
}

/// The failed ones among several images.
fn failures(report: &Report) -> Option<String> {
    let all = report.rows.iter().filter(|row| !row.is_valid());
    let mut names: Vec<_> = all.map(|row| &row.unpinned).collect();
    names.dedup();
    let more = names.len().saturating_sub(MAX_FAILURES);
    let named: Vec<_> = names
        .iter()
        .take(MAX_FAILURES)
        .map(|name| code(name))
        .collect();
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let named = named.join(", ");
    (!names.is_empty()).then(|| format!("**Next:** See below why these failed: {named}{more}.\n\n"))
}

/// The text below the rows: each failure with its facts and the next action, or that of success.
fn tail(report: &Report, space: usize) -> String {
    let mut tail = String::new();
    let end = after_success(report);
    let space = space.saturating_sub(end.len());
    let explained = explained(report);
    let mut shown = 0_usize;
    for part in explained.iter().take(MAX_FAILURES) {
        let text = part.text(report);
        let is_only = shown == 0 && report.rows.len() < 2;
        if !is_only && tail.len().saturating_add(text.len()) > space {
            break;
        }
        tail.push_str(&text);
        shown = shown.saturating_add(1);
    }
    let left_out = explained.len().saturating_sub(shown);
    if left_out > 0 {
        tail.push_str(&format!(
            "And {left_out} more failures, which the log shows.\n\n"
        ));
    }
    tail + &end
}

/// A part of the page that explains an outcome.
enum Explained<'a> {
    Valid(&'a ReportRow, &'a Valid),
    Invalid(&'a ReportRow, &'a Invalid),
    Failed(Option<&'a ReportRow>, &'a Diagnostic),
}

impl Explained<'_> {
    fn text(&self, report: &Report) -> String {
        // Several images have it in common.
        let role = report.role.as_deref().filter(|_| report.rows.len() < 2);
        match *self {
            Self::Valid(row, valid) => of_valid(row, valid, role),
            Self::Invalid(row, invalid) => of_invalid(row, invalid, role),
            Self::Failed(row, error) => of_failed(row, error, role),
        }
    }
}

/// The only image or each failure; the same error of several images once.
fn explained(report: &Report) -> Vec<Explained<'_>> {
    let mut all = Vec::new();
    let mut errors: Vec<&Diagnostic> = Vec::new();
    if let Some(error) = &report.stopped {
        errors.push(error);
        all.push(Explained::Failed(None, error));
    }
    for row in &report.rows {
        let failed = match &row.result {
            RowOutcome::Valid(valid) => {
                if report.rows.len() == 1 {
                    all.push(Explained::Valid(row, valid));
                }
                None
            }
            RowOutcome::Invalid(invalid) => {
                all.push(Explained::Invalid(row, invalid));
                None
            }
            RowOutcome::Failed(error) => Some(error),
        };
        for error in failed.into_iter().chain(&row.errors) {
            if !errors.contains(&error) {
                errors.push(error);
                all.push(Explained::Failed(Some(row), error));
            }
        }
    }
    all
}

/// One image with a valid signature.
fn of_valid(row: &ReportRow, valid: &Valid, role: Option<&str>) -> String {
    let mut card = Card::default();
    card.known("Image", Some(&row.unpinned));
    card.known("Digest", Some(&valid.digest));
    card.known("Key", Some(&row.key));
    card.known("Key ID", Some(&valid.key_id));
    card.line("Schema", schema(valid.schema));
    card.known("Signed at", valid.signed_at.as_deref());
    card.known("Stored at", valid.stored_path.as_deref());
    for (name, value) in &valid.policy {
        card.known(name, Some(value));
    }
    card.known("Role", role);
    let request = if row.is_by_kms() {
        "KMS request ID"
    } else {
        "Request ID"
    };
    card.known(request, valid.request_id.as_deref());
    card.text()
}

/// An image that is not verified.
fn of_invalid(row: &ReportRow, invalid: &Invalid, role: Option<&str>) -> String {
    let mut card = Card::default();
    card.known("Image", Some(&row.unpinned));
    card.line("Reason", prose(&invalid.reason));
    if invalid.verdicts.is_empty() {
        card.known("Key", Some(&row.key));
    }
    for (name, value) in invalid.facts() {
        card.known(name, Some(&value));
    }
    card.known("Role", role);
    card.text() + &help(&invalid.help)
}

/// An error, and the image it concerns.
fn of_failed(row: Option<&ReportRow>, error: &Diagnostic, role: Option<&str>) -> String {
    let mut card = Card::default();
    card.known("Image", row.map(|row| row.unpinned.as_str()));
    card.known("Error", Some(error.code));
    card.line("Message", prose(&error.message));
    card.known("Key", row.map(|row| row.key.as_str()));
    card.known("Role", role);
    for fact in &error.facts {
        card.known(&label(fact.name), Some(&fact.value));
    }
    let about = format!("[More about {}]({})\n\n", code(error.code), error.docs());
    card.text() + &help(&error.help) + &about
}

/// The name of a fact as the beginning of a row: `lookedAt` as `Looked at`.
fn label(name: &str) -> String {
    if name == "url" {
        return "URL".to_owned();
    }
    let mut label = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            c if label.is_empty() => label.push(c.to_ascii_uppercase()),
            c if c.is_ascii_uppercase() => {
                label.push(' ');
                label.push(c.to_ascii_lowercase());
            }
            c => label.push(c),
        }
    }
    label
}

/// The next action: a paragraph for each step, and a block for each statement to paste.
fn help(text: &str) -> String {
    let mut help = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let start = if help.is_empty() { "**Next:** " } else { "" };
        help.push_str(&format!("{start}{}\n\n", sentence(line)));
        if !line.ends_with(':') {
            continue;
        }
        // JSON ends with its bracket; everything else is the rest of the text.
        let is_json = lines.peek().is_some_and(|line| line.starts_with('{'));
        let mut statement = Vec::new();
        for line in lines.by_ref() {
            statement.push(line.to_owned());
            if is_json && line.starts_with(['{', '}']) && line.ends_with('}') {
                break;
            }
        }
        if !statement.is_empty() {
            help.push_str(&format!("{}\n", block(&statement)));
        }
    }
    help
}

/// A step of the help as a sentence, with a capital letter and a full stop.
fn sentence(line: &str) -> String {
    let (first, rest) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
    let word = line.split(' ').next().unwrap_or_default();
    let is_word = word
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || byte == b',');
    let line = match is_word {
        true => format!("{}{rest}", first.to_ascii_uppercase()),
        false => line.to_owned(),
    };
    let end = if line.ends_with(['.', ':', '!', '?', '…']) {
        ""
    } else {
        "."
    };
    prose(&line) + end
}

/// The next action where something is signed or everything is verified.
fn after_success(report: &Report) -> String {
    match report.action {
        Action::Verify if !report.is_good() => String::new(),
        Action::Verify => match report.rows.as_slice() {
            [_] => "**Next:** Deploy the image by this digest: the tag can move.\n".to_owned(),
            _ => "**Next:** Deploy the images by the digests in the step's `results`: tags can move.\n".to_owned(),
        },
        Action::Sign if report.dry_run => "Nothing was signed: this is a dry run.\n".to_owned(),
        Action::Sign => {
            let commands = commands::verifying(report);
            if commands.is_empty() {
                return String::new();
            }
            let commands = block(&commands);
            if report.only().is_some() {
                return format!("**Next:** Export the public key once, commit it, and verify the signature where the image is used:\n\n{commands}");
            }
            let next = match report.is_good() {
                true => "**Next:** Verify the signatures where the images are used.\n\n",
                false => "",
            };
            format!("{next}<details><summary>Commands to verify with</summary>\n\n{commands}\n</details>\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_paragraphs_and_statements_are_blocks() {
        let text = "if main should not sign, stop\nadd this to the policy:\n{\n  \"Effect\": \"Allow\"\n}\nand this to ~/.aws/config:\n[profile a]\nregion = b";
        let expected = "**Next:** If main should not sign, stop.\n\n\
            Add this to the policy:\n\n\
            <pre><code>&#123;\n  &#34;Effect&#34;: &#34;Allow&#34;\n&#125;</code></pre>\n\n\
            And this to <code>&#126;/.aws/config</code>:\n\n\
            <pre><code>&#91;profile a&#93;\nregion = b</code></pre>\n\n";
        assert_eq!(help(text), expected);
        // A program's name keeps its spelling, and a statement on one line ends with it.
        assert_eq!(
            help("s3lo renews it:\n{\"a\": {}}\nrun `b`"),
            "**Next:** s3lo renews it:\n\n<pre><code>&#123;&#34;a&#34;: &#123;&#125;&#125;</code></pre>\n\nRun <code>b</code>.\n\n"
        );
    }

    #[test]
    fn the_name_of_a_fact_begins_a_row() {
        assert_eq!(label("said"), "Said");
        assert_eq!(label("requestId"), "Request id");
    }
}
