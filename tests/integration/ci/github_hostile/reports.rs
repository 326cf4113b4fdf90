//! Each text of a report, from any source, in its summary.

use s3lo::ci::report::{Action, Invalid, Report, ReportRow, RowOutcome, Valid};
use s3lo::ci::summary::markdown;
use s3lo::diagnostic::Diagnostic;

use super::cases::{CASES, HARMLESS};
use super::markdown::shape;

const MOST: usize = 1024 * 1024;

fn row(text: &str, result: RowOutcome) -> ReportRow {
    ReportRow {
        name: text.to_owned(),
        reference: format!("s3://{text}"),
        unpinned: format!("s3://bucket/{text}"),
        key: text.to_owned(),
        result,
        errors: Vec::new(),
    }
}

fn valid(text: &str, schema: u64) -> RowOutcome {
    RowOutcome::Valid(Valid {
        kept: false,
        digest: text.to_owned(),
        key_id: text.to_owned(),
        signed_at: Some(text.to_owned()),
        stored_path: Some(text.to_owned()),
        schema,
        request_id: Some(text.to_owned()),
        policy: vec![("Rule", text.to_owned())],
    })
}

/// A step, a statement with the text in it, and another step.
fn help(text: &str) -> String {
    let visible = text.chars().filter(|c| *c != '\n');
    // Long help is cut.
    let line: String = visible.take(200).collect();
    format!("{line} {line}, now\nthen paste `{line}` this:\n{{\n  {line}\n}}\n({line}) at last")
}

fn invalid(text: &str) -> RowOutcome {
    RowOutcome::Invalid(Invalid {
        reason: text.to_owned(),
        digest: Some(text.to_owned()),
        key_id: Some(text.to_owned()),
        looked_at: Some(text.to_owned()),
        beside: vec![text.to_owned(); 2],
        verdicts: vec![(text.to_owned(), text.to_owned()); 2],
        policy: vec![("Rule", text.to_owned())],
        notes: vec![text.to_owned()],
        help: help(text),
    })
}

fn error(text: &str) -> Diagnostic {
    let error = Diagnostic::usage(text, help(text));
    error.with(&[text.to_owned()]).about("token", text)
}

/// Reports of every kind, each of which has the text in every place.
fn reports(text: &str) -> Vec<Report> {
    let with_error = row(text, valid(text, 1)).with_errors(vec![error(text)]);
    let runs = [
        vec![],
        vec![row(text, valid(text, 1))],
        vec![row(text, invalid(text))],
        vec![row(text, RowOutcome::Failed(error(text)))],
        vec![with_error],
        vec![row(text, valid(text, 1)), row(text, valid(text, 2))],
        vec![
            row(text, valid(text, 1)),
            row(text, invalid(text)),
            row(text, RowOutcome::Failed(error(text))),
        ],
    ];
    let both = [Action::Sign, Action::Verify].into_iter();
    let each = both.flat_map(|action| runs.clone().map(|rows| (action, rows)));
    each.map(|(action, rows)| Report {
        action,
        stopped: rows.is_empty().then(|| error(text)),
        rows,
        dry_run: false,
        role: Some(text.to_owned()),
        region: Some(text.to_owned()),
        endpoint: Some(text.to_owned()),
    })
    .collect()
}

#[test]
fn every_text_of_a_report_is_shown_and_never_obeyed() {
    let shapes = |text: &str| {
        let each = reports(text).into_iter();
        let shapes = each.map(|report| {
            let page = markdown(&report, MOST);
            shape(&page).unwrap_or_else(|why| panic!("{text:?}: {why}\n{page}"))
        });
        shapes.collect::<Vec<_>>()
    };
    let harmless = shapes(HARMLESS[0]);
    for (name, text, times) in CASES {
        // More of it is cut.
        let text: String = text.repeat(times).chars().take(300).collect();
        assert_eq!(shapes(&text), harmless, "{name}");
    }
}

#[test]
fn a_summary_of_long_texts_is_bounded() {
    for text in ["@".repeat(3_000), "@ ".repeat(1_500)] {
        for mut report in reports(&text) {
            let rows = report.rows.clone();
            if rows.len() > 1 {
                report.rows = rows.into_iter().cycle().take(200).collect();
            }
            let page = markdown(&report, MOST);
            assert!(page.len() <= MOST, "{} bytes", page.len());
        }
    }
}
