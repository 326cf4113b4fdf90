//! `policy check` and `policy explain`.

use super::{FILE, IMAGE, matches_snapshot, policy, requires, sandbox, shown, sign, signed_by};
use crate::support::program::Sandbox;

const RULES: &str = "[[rules]]\nimages = [\"local://./store/*\"]\n\
    require = [{ all = [\"ci\"] }, { at-least = 1, of = [\"qa\", \"security\"] }]\n\
    [[rules]]\nimages = [\"s3://legacy/**\"]\nmin-schema = 1\nrequire = [{ any = [\"ci\", \"old\"] }]\n\
    [[rules]]\nimages = [\"**\"]\ndeny = \"only images of the bucket prod are deployed\"\n";

/// A policy with everything that is worth a note.
fn with_notes() -> String {
    let text = policy(RULES);
    let text = text.replacen("old.pub\"\n", "old.pub\"\nrevoked = \"lost\"\n", 1);
    let text = text.replacen(
        "qa.pub\"\n",
        "qa.pub\"\nnot-after = 2020-01-31T00:00:00Z\n",
        1,
    );
    text.replacen(
        "[[rules]]",
        "[keys.ci-again]\npublic = \"keys/ci.pub\"\n[keys.kms]\npublic = \"awskms:///alias/release\"\n\
         allow-remote = true\n[[rules]]",
        1,
    )
}

/// The output of a command line as text and as JSON.
fn both(sandbox: &Sandbox, line: &str, code: i32) -> String {
    let text = shown(&sandbox.s3lo(line).ends_with(code));
    let json = sandbox.s3lo(&format!("{line} -o json")).ends_with(code);
    let json = json.json();
    format!("$ s3lo {line}\n{text}\n{json:#}\n\n")
}

#[test]
fn check_counts_and_remarks() {
    let sandbox = sandbox(&requires("{ any = [\"ci\"] }"));
    let mut page = both(&sandbox, &format!("policy check {FILE}"), 0);
    sandbox.write(FILE, with_notes());
    page += &both(&sandbox, &format!("policy check {FILE}"), 0);
    matches_snapshot("checked", &page);
}

#[test]
fn check_sends_nothing() {
    // The key service does not exist, nor do credentials.
    let sandbox = sandbox(&with_notes()).with("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1");
    sandbox.s3lo(&format!("policy check {FILE}")).ends_with(0);
}

#[test]
fn explain_shows_rule_requirements_and_signers() {
    let sandbox = signed_by(&["ci"], &policy(RULES));
    let line = format!("policy explain {FILE} {IMAGE}");
    let mut page = both(&sandbox, &line, 1);
    sign(&sandbox, &["security"]);
    page += &both(&sandbox, &line, 0);
    matches_snapshot("explained", &page);
}

#[test]
fn explain_shows_why_there_is_no_verdict_by_keys() {
    let sandbox = signed_by(&["ci"], &policy(RULES));
    let denied = policy(&RULES.replace("local://./store/*", "s3://prod/*"));
    let unruled = policy(RULES.split_once("[[rules]]\nimages = [\"**\"]").unwrap().0);
    let unruled = unruled.replace("local://./store/*", "s3://prod/*");
    let tie = policy(RULES).replacen("\"**\"", "\"local://./store/**\"", 1);
    let line = format!("policy explain {FILE} {IMAGE}");
    let mut page = String::new();
    for (policy, code) in [(denied, 1), (unruled, 1), (tie, 2)] {
        sandbox.write(FILE, policy);
        page += &both(&sandbox, &line, code);
    }
    sandbox.write(FILE, policy(RULES));
    page += &both(&sandbox, &line.replace("v1.0", "v2"), 2);
    matches_snapshot("without_keys", &page);
}

#[test]
fn explain_has_the_exit_code_of_verify() {
    let sandbox = signed_by(&["ci", "qa"], &policy(RULES));
    let images = [
        (IMAGE.to_owned(), 0),
        (format!("{IMAGE} local://./store/none:v1"), 2),
        ("local://./store/none:v1 local://./other/x:v1".to_owned(), 1),
    ];
    for (images, code) in images {
        for line in [
            format!("policy explain {FILE} {images}"),
            format!("verify --policy {FILE} {images}"),
        ] {
            sandbox.s3lo(&line).ends_with(code);
        }
    }
}
