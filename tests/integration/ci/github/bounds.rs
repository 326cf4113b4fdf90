//! Many images: the display ends at GitHub's limits, and nothing is lost.

use std::fs;

use super::SIGN;
use crate::support::github_runner::{Runner, Step};
use crate::support::{MANIFEST, vectors};

/// The largest summary that GitHub shows, and the longest variable that Linux passes on, in bytes.
const LARGEST_SUMMARY: usize = 1024 * 1024;
const LONGEST_VARIABLE: usize = 128 * 1024;

/// Images with names as long as fit into the input.
fn images(many: usize) -> Vec<String> {
    let left = LONGEST_VARIABLE / many - "local://./s/:v1\n".len() - 1;
    let name = |number| format!("{number:04}-{}", "long".repeat(left))[..left].to_owned();
    (0..many).map(name).collect()
}

fn signed(images: &[String], keys: &[&str]) -> Step {
    let runner = Runner::new(SIGN);
    for image in images {
        runner.write(&format!("s/manifests/{image}/v1/manifest.json"), MANIFEST);
    }
    for key in keys {
        let pem = fs::read(vectors().join(format!("plain-keys/{key}.key"))).unwrap();
        runner.write(key, pem);
    }
    let references: Vec<_> = images
        .iter()
        .map(|image| format!("local://./s/{image}:v1"))
        .collect();
    let runner = runner.with("reference", &references.join("\n"));
    runner.with("key", &keys.join("\n")).run().ends_with(0)
}

/// The rows below the table's head.
fn rows(summary: &str) -> Vec<&str> {
    let lines = summary.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.collect()
}

/// As many bars as the head has, so that no row is half a one.
#[track_caller]
fn are_whole(rows: &[&str], summary: &str) {
    let head = summary.lines().find(|line| line.starts_with('|')).unwrap();
    let bars = |row: &str| row.matches('|').count();
    for row in rows {
        assert_eq!(bars(row), bars(head), "{row}");
        assert!(row.ends_with('|'), "{row}");
    }
}

#[test]
fn a_thousand_images_are_all_shown() {
    let images = images(1_000);
    let step = signed(&images, &["p256-pkcs8"]);
    assert_eq!(step.results().len(), 1_000);
    assert!(
        step.summary.len() <= LARGEST_SUMMARY,
        "{}",
        step.summary.len()
    );
    let rows = rows(&step.summary);
    are_whole(&rows, &step.summary);
    assert_eq!(rows.len(), 1_000);
    for (row, image) in rows.iter().zip(&images) {
        assert!(row.contains(image.split_once('-').unwrap().0), "{row}");
    }
    println!("a summary of 1,000 rows has {} bytes", step.summary.len());
}

#[test]
fn of_six_thousand_signatures_those_that_fit_are_shown_and_the_rest_is_counted() {
    // As many images as fit into a variable with names of this length; each is signed with six keys.
    let images = images(1_000);
    let keys = [
        "p256-pkcs8",
        "p256-sec1",
        "p384-pkcs8",
        "p384-sec1",
        "ed25519-pkcs8",
        "p521-pkcs8",
    ];
    let step = signed(&images, &keys);
    let results = step.results();
    assert_eq!(results.len(), 6_000);
    assert!(
        results.iter().all(|one| one["digest"].is_string()),
        "each is signed"
    );
    assert!(
        step.summary.len() <= LARGEST_SUMMARY,
        "{}",
        step.summary.len()
    );
    // It is used as far as it goes.
    assert!(
        step.summary.len() > LARGEST_SUMMARY / 10 * 9,
        "{}",
        step.summary.len()
    );
    let rows = rows(&step.summary);
    are_whole(&rows, &step.summary);
    let rest = 6_000 - rows.len();
    let reported = step
        .summary
        .lines()
        .find(|line| line.contains(&format!("{rest} more")));
    assert!(
        reported.is_some_and(|line| line.contains("results")),
        "{rest} of 6,000 are not shown"
    );
    println!(
        "a summary of {} rows has {} bytes and counts {rest} more; the results have {} bytes",
        rows.len(),
        step.summary.len(),
        step.output("results").unwrap().len()
    );
}
