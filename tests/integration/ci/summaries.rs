//! Summaries as a person reads them: the text of each one, and that the pictures of the documentation show just that.

use std::path::Path;
use std::process::Command;

use insta::{assert_snapshot, with_settings};

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, MANIFEST_PATH, ROLE_ARN, SIGN, VERIFY};
use crate::support::{MANIFEST, vectors};

const IMAGE: &str = "s3://my-bucket/myapp:v1.0";
const KMS_KEY: &str = "awskms:///alias/release-signer";

/// A job of GitHub Actions that may assume the role, and public keys that have signed nothing.
fn job() -> AwsFixture {
    let aws = AwsFixture::in_github(EVERYTHING);
    for name in ["cosign.pub", "p384.pub"] {
        let key = std::fs::read(vectors().join("keys").join(name)).unwrap();
        aws.sandbox.write(name, key);
    }
    aws
}

/// The summary of a run that ends with this exit code.
#[track_caller]
fn summary(aws: &AwsFixture, line: &str, code: i32) -> String {
    let options = format!("--role-arn {ROLE_ARN} --region us-east-1 --summary-file summary.md");
    aws.s3lo(&format!("ci {line} {options}")).ends_with(code);
    std::fs::read_to_string(aws.sandbox.file("summary.md")).unwrap()
}

/// Compares with the snapshot of this name. Times and request IDs differ from run to run.
#[track_caller]
fn is_as_in_the_snapshot(name: &str, summary: &str) {
    let filters = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-30T08:41:19Z"),
        (
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            "0b6d5e1c-2f0a-4c7e-9d53-6a1f0c2b8e47",
        ),
    ];
    with_settings!({filters => filters, prepend_module_to_snapshot => false}, {
        assert_snapshot!(format!("summary_{name}"), summary);
    });
}

/// The bucket's image of this name and tag, with a manifest of its own.
fn push(aws: &AwsFixture, image: &str, tag: &str) {
    let manifest = MANIFEST.replace('}', &format!("}}{}", " ".repeat(tag.len())));
    let path = format!("/my-bucket/manifests/{image}/{tag}/manifest.json");
    aws.s3.put(&path, manifest.as_bytes());
}

fn references(names: &[&str]) -> String {
    let references = names.iter().map(|name| format!("s3://my-bucket/{name}"));
    references.collect::<Vec<_>>().join(" ")
}

/// Runs the commands that the summary shows, as a user of the account, and returns their number.
#[track_caller]
fn run_each_command_of(summary: &str, mut aws: AwsFixture) -> usize {
    let user = aws.server.user("reader", EVERYTHING);
    aws.set(&user.environment());
    let block = summary.split_once("<pre><code>").unwrap().1;
    let block = block.split_once("</code></pre>").unwrap().0;
    let lines = block.lines().map(text_of);
    let ran = lines.map(|line| {
        let command = line.strip_prefix("s3lo ").unwrap();
        match command.split_once(" > ") {
            None => drop(aws.s3lo(command).ends_with(0)),
            Some((command, file)) => {
                let run = aws.s3lo(command).ends_with(0);
                aws.sandbox.write(file, run.out);
            }
        }
    });
    ran.count()
}

/// The text that character references stand for.
fn text_of(markup: &str) -> String {
    let mut parts = markup.split("&#");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(';').unwrap();
        text.push(char::from_u32(number.parse().unwrap()).unwrap());
        text.push_str(rest);
    }
    text
}

#[test]
fn a_signature_is_shown_with_its_role_request_and_schema_and_the_commands_to_verify_it() {
    let aws = job();
    let line = format!("{SIGN} --schema-version 2");
    let signed = summary(&aws, &line, 0);
    is_as_in_the_snapshot("signed", &signed);
    let calls = aws.calls_of("Sign");
    assert!(signed.contains(&calls[0].request_id), "{signed}");
    let again = summary(&aws, &line, 0);
    assert!(again.starts_with("### ✅ Already signed"), "{again}");
    assert!(!again.contains("request ID"), "{again}");
    assert_eq!(run_each_command_of(&signed, aws), 2);
}

#[test]
fn a_verified_image_is_shown_with_the_digest_to_deploy() {
    let aws = job();
    summary(&aws, SIGN, 0);
    let verified = summary(&aws, VERIFY, 0);
    is_as_in_the_snapshot("verified", &verified);
}

#[test]
fn a_failed_verification_is_shown_with_all_that_the_log_shows() {
    let aws = job();
    summary(&aws, SIGN, 0);
    let failed = summary(&aws, &format!("verify {IMAGE} --key cosign.pub"), 1);
    is_as_in_the_snapshot("not_verified", &failed);
    let keys = "--key cosign.pub --key p384.pub";
    let failed = summary(&aws, &format!("verify {IMAGE} {keys}"), 1);
    is_as_in_the_snapshot("not_verified_by_several_keys", &failed);
    aws.s3.put(MANIFEST_PATH, format!("{MANIFEST} ").as_bytes());
    let moved = summary(&aws, VERIFY, 1);
    is_as_in_the_snapshot("moved", &moved);
}

#[test]
fn a_refused_role_is_shown_with_every_fact_and_the_statement_as_a_block() {
    let aws = job();
    aws.server
        .set_subject("repo:acme/app:ref:refs/heads/feature");
    let refused = summary(&aws, SIGN, 2);
    is_as_in_the_snapshot("role_refused", &refused);
}

#[test]
fn several_images_are_shown_in_rows_and_each_failure_is_explained_below() {
    let aws = job();
    for (image, tag) in [
        ("myapp", "v1.1"),
        ("team/payment-service", "v3"),
        ("team/web", "v7"),
    ] {
        push(&aws, image, tag);
    }
    let signed = ["myapp:v1.1", "team/payment-service:v3", "team/web:v7"];
    let line = format!(
        "sign {} --key {KMS_KEY} --schema-version 2",
        references(&signed)
    );
    let signed = summary(&aws, &line, 0);
    is_as_in_the_snapshot("several_signed", &signed);
    aws.s3.put(
        "/my-bucket/manifests/team/web/v7/manifest.json",
        MANIFEST.as_bytes(),
    );
    let all = [
        "myapp:v1.1",
        "team/payment-service:v3",
        "team/web:v7",
        "team/job:v9",
    ];
    let line = format!("verify {} --key {KMS_KEY}", references(&all));
    let several = summary(&aws, &line, 1);
    is_as_in_the_snapshot("several", &several);
}

#[test]
fn several_images_that_differ_have_columns_for_what_differs() {
    let aws = job();
    push(&aws, "team/web", "v7");
    let plain = std::fs::read(vectors().join("plain-keys/ed25519-pkcs8.key")).unwrap();
    aws.sandbox.write("plain.key", plain);
    aws.sandbox.push("app", "v2", MANIFEST);
    let images = format!("{IMAGE} local://./store/app:v2");
    let line = format!("sign {images} --key {KMS_KEY} --key plain.key");
    let signed = summary(&aws, &line, 0);
    is_as_in_the_snapshot("several_by_several_keys", &signed);
    let line = format!(
        "verify {} --key cosign.pub",
        references(&["myapp:v1.0", "team/web:v7"])
    );
    is_as_in_the_snapshot("several_failed", &summary(&aws, &line, 1));
    assert_eq!(run_each_command_of(&signed, aws), 6);
}

#[test]
fn the_pictures_show_what_the_program_prints() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/pictures");
    let run = Command::new("python3").arg(script).arg("--check").output();
    let run = run.expect("python3 is missing: install it");
    let stale = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success(),
        "{stale}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}
