//! The results of `s3lo ci`: JSON on standard output, and the files that are asked for.

use std::os::unix::fs::MetadataExt as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::variables::{REFERENCE, job, text};
use crate::support::program::{Run, Sandbox, finish};

#[test]
fn json_on_stdout_is_json_and_nothing_else() {
    let sandbox = job()
        .with("S3LO_OUTPUT", "json")
        .with("S3LO_VERBOSE", "true");
    let signed = sandbox.s3lo("ci").ends_with(0).json();
    assert_eq!(signed["status"], "signed");
    // Where it never came to a run, too.
    let refused = sandbox
        .with("S3LO_VERBOSE", "maybe")
        .s3lo("ci")
        .ends_with(2);
    assert_eq!(refused.json()["error"]["code"], "usage");
}

#[test]
fn json_is_the_whole_of_stdout_on_every_host() {
    for host in [
        "",
        "GITHUB_ACTIONS",
        "GITLAB_CI",
        "BUILDKITE",
        "TF_BUILD",
        "CIRCLECI",
    ] {
        for (line, code) in [
            ("sign", 0),
            ("verify", 0),
            ("verify --key keys/p384.pub", 1),
            ("sign --key keys/missing.key", 2),
            ("sign --timeout soon", 2),
            ("sign --nonsense", 2),
        ] {
            let mut sandbox = job().with("S3LO_KEY", "plain.key");
            sandbox.write("plain.key", crate::support::plain_key());
            sandbox.s3lo("ci sign").ends_with(0);
            if !host.is_empty() {
                sandbox.set(host, "true");
            }
            for asked in ["--output json", "-v -o json"] {
                let run = sandbox.s3lo(&format!("ci {line} {asked}")).ends_with(code);
                assert!(run.json().is_object(), "{host} {line}");
            }
            let run = sandbox
                .with("S3LO_OUTPUT", "json")
                .s3lo(&format!("ci {line}"));
            assert!(run.ends_with(code).json().is_object(), "{host} {line}");
        }
    }
}

#[test]
fn results_on_standard_output_leave_the_json_alone_there() {
    for host in ["", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "TF_BUILD"] {
        let mut sandbox = job().with("AGENT_TEMPDIRECTORY", ".");
        if !host.is_empty() {
            sandbox.set(host, "true");
        }
        sandbox.set("GITHUB_STEP_SUMMARY", "/dev/stdout");
        let streams = "--output-file - --dotenv-file - --summary-file /dev/stdout";
        let run = sandbox
            .s3lo(&format!("ci sign --output json {streams}"))
            .ends_with(0);
        assert_eq!(run.json()["status"], "signed", "{host}");
        assert!(run.err.contains("S3LO_SIGN_SIGNED=true\n"), "{host}");
        assert_eq!(run.err.matches("### ✅ Signed").count(), 2, "{host}");
    }
}

/// In one stream, as a log has both.
#[test]
fn a_secret_is_masked_before_it_can_be_printed_where_stdout_is_json() {
    for (host, mask) in [
        ("GITHUB_ACTIONS", "::add-mask::canary%25\n"),
        (
            "TF_BUILD",
            "##vso[task.setsecret]canary%AZP25\n##vso[task.setsecret]canary%\n",
        ),
    ] {
        // The error of the key's file names it, in JSON too.
        let sandbox = job().with(host, "true").with("COSIGN_PASSWORD", "canary%");
        let words = "ci sign --key canary% --verbose --output json";
        let run = sandbox.s3lo(words).ends_with(2);
        assert_eq!(run.json()["error"]["code"], "key_not_found");
        assert!(run.out.contains("canary%"), "{}", run.out);
        let mut shell = std::process::Command::new("sh");
        shell.args([
            "-c",
            r#"exec "$0" $1 2>&1"#,
            env!("CARGO_BIN_EXE_s3lo"),
            words,
        ]);
        let both = finish(sandbox.in_sandbox(shell).spawn().unwrap()).ends_with(2);
        assert!(both.out.starts_with(mask), "{}", both.out);
    }
}

/// A run whose results are left in every file.
fn left(sandbox: &Sandbox, line: &str) -> Run {
    let files = "--output-file out/s3lo.json --dotenv-file out/s3lo.env --summary-file out/s3lo.md --results-directory out/each";
    sandbox.s3lo(&format!("ci {line} {files}"))
}

#[test]
fn results_are_left_in_every_file_that_is_asked_for() {
    let sandbox = job();
    std::fs::create_dir(sandbox.file("out")).unwrap();
    left(&sandbox, "sign").ends_with(0);
    let json: Value = serde_json::from_str(&text(&sandbox, "out/s3lo.json")).unwrap();
    let digest = json["digest"].as_str().unwrap();
    assert_eq!(text(&sandbox, "out/each/digest"), digest);
    assert_eq!(
        text(&sandbox, "out/each/keyID"),
        json["keyID"].as_str().unwrap()
    );
    assert_eq!(
        text(&sandbox, "out/each/storedPath"),
        json["storedPath"].as_str().unwrap()
    );
    let results: Value = serde_json::from_str(&text(&sandbox, "out/each/results")).unwrap();
    assert_eq!(results[0]["ref"], REFERENCE);
    let lines = text(&sandbox, "out/s3lo.env");
    assert!(
        lines.starts_with(&format!(
            "S3LO_SIGN_SIGNED=true\nS3LO_SIGN_DIGEST={digest}\n"
        )),
        "{lines}"
    );
    assert_eq!(lines.lines().count(), 5);
    assert!(text(&sandbox, "out/s3lo.md").starts_with("### ✅ Signed"));
    for name in ["s3lo.json", "s3lo.env", "s3lo.md", "each", "each/digest"] {
        let (file, folder) = (sandbox.file(&format!("out/{name}")), sandbox.file("out"));
        assert_eq!(
            file.metadata().unwrap().uid(),
            folder.metadata().unwrap().uid()
        );
    }
}

#[test]
fn results_are_left_where_nothing_was_done_too() {
    for (option, line) in [
        ("S3LO_TIMEOUT", "sign"),
        ("S3LO_REQUIRE", "verify --key keys/cosign.pub"),
        ("S3LO_VERBOSE", "verify"),
    ] {
        let sandbox = job().with(option, "nonsense");
        std::fs::create_dir(sandbox.file("out")).unwrap();
        left(&sandbox, line).ends_with(2);
        let json: Value = serde_json::from_str(&text(&sandbox, "out/s3lo.json")).unwrap();
        assert_eq!(json["error"]["code"], "usage");
        let results: Value = serde_json::from_str(&text(&sandbox, "out/each/results")).unwrap();
        assert_eq!(results, json!([json]));
        let lines = text(&sandbox, "out/s3lo.env");
        assert!(
            ["S3LO_SIGN_SIGNED=false\n", "S3LO_VERIFY_VERIFIED=false\n"].contains(&lines.as_str()),
            "{lines}"
        );
        assert!(text(&sandbox, "out/s3lo.md").starts_with("### ❌ Not "));
    }
}

#[test]
fn an_image_that_is_not_verified_leaves_no_digest_to_deploy() {
    let sandbox = job().with("S3LO_KEY", "keys/cosign.pub");
    std::fs::create_dir(sandbox.file("out")).unwrap();
    left(&sandbox, "verify").ends_with(1);
    assert_eq!(
        text(&sandbox, "out/s3lo.env"),
        "S3LO_VERIFY_VERIFIED=false\n"
    );
    assert_eq!(text(&sandbox, "out/each/verified"), "false");
    assert_eq!(
        text(&sandbox, "out/each/reason"),
        "no signature found for key keys/cosign.pub"
    );
    assert!(!sandbox.file("out/each/digest").exists());
}

#[test]
fn unwritable_results_are_reported_and_hide_no_failure() {
    let sandbox = job().with("S3LO_OUTPUT_FILE", "missing/s3lo.json");
    let run = sandbox.s3lo("ci sign").ends_with(2);
    assert!(run.out.starts_with("Signed myapp"), "{}", run.out);
    assert_snapshot!(run.err);
    let run = sandbox.s3lo("ci verify --key keys/p384.pub").ends_with(1);
    assert!(run.err.contains("missing/s3lo.json"), "{}", run.err);
}

#[test]
fn what_an_earlier_run_left_is_not_what_this_one_found() {
    let stale = [
        (
            "out/s3lo.env",
            "S3LO_VERIFY_VERIFIED=true\nS3LO_VERIFY_DIGEST=sha256:evil\n",
        ),
        ("out/s3lo.json", "{\"verified\": true}"),
        ("out/each/digest", "sha256:evil"),
        ("out/each/keyID", "evil"),
    ];
    for (name, value) in [
        ("S3LO_REQUIRE", "[]\n[]"),
        ("S3LO_MIN_SHEMA", "1"),
        ("S3LO_REGION", "-h"),
        ("S3LO_KEY", "keys/p384.pub"),
    ] {
        let sandbox = job().with("S3LO_KEY", "keys/cosign.pub").with(name, value);
        for (file, text) in stale {
            sandbox.write(file, text);
        }
        let code = left(&sandbox, "verify").code;
        assert!(matches!(code, Some(1 | 2)), "{name}");
        assert_eq!(
            text(&sandbox, "out/s3lo.env"),
            "S3LO_VERIFY_VERIFIED=false\n",
            "{name}"
        );
        assert!(
            !text(&sandbox, "out/s3lo.json").contains("\"verified\": true"),
            "{name}"
        );
        assert!(!sandbox.file("out/each/digest").exists(), "{name}");
        assert!(!sandbox.file("out/each/keyID").exists(), "{name}");
    }
}
