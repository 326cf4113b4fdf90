//! `sign --dry-run`: the image, the guards and the public key, and no signature.

use serde_json::json;

use crate::support::aws_fixture::{AwsFixture, SIGN};
use crate::support::files;
use crate::support::program::Sandbox;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::vault::{Kind, VaultServer};

const REF: &str = "local://./store/myapp:v1.0";

fn line(flags: &str) -> String {
    format!("sign {REF} --key keys/cosign.key --dry-run {flags}")
}

/// Every file of the store, with its bytes.
fn stored(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let store = sandbox.file("store");
    let read = |name: String| (name.clone(), std::fs::read(store.join(&name)).unwrap());
    files(&store).into_iter().map(read).collect()
}

#[test]
fn it_says_that_nothing_was_signed_and_writes_nothing() {
    let sandbox = Sandbox::with_image();
    let before = stored(&sandbox);
    let run = sandbox.s3lo(&line("--schema-version 2")).ends_with(0);
    insta::assert_snapshot!(run.out);
    assert_eq!(run.err, "");
    let json = sandbox.s3lo(&line("-o json")).ends_with(0).json();
    assert_eq!(json["status"], "would_sign");
    assert_eq!(json["schemaVersion"], 1);
    for field in ["storedPath", "signedAt", "requestID"] {
        assert!(json.get(field).is_none(), "{field}");
    }
    assert_eq!(stored(&sandbox), before);
    sandbox.s3lo(&line("--quiet")).ends_with(0);
    sandbox
        .s3lo(&format!("verify {REF} --key keys/cosign.pub"))
        .ends_with(1);
}

#[test]
fn a_valid_record_would_be_kept() {
    let sandbox = Sandbox::with_image();
    let sign = format!("sign {REF} --key keys/cosign.key");
    let signed = sandbox.s3lo(&format!("{sign} -o json")).ends_with(0).json();
    let before = stored(&sandbox);
    let json = sandbox.s3lo(&line("-o json")).ends_with(0).json();
    assert_eq!(json["status"], "would_keep");
    assert_eq!(json["signedAt"], signed["signedAt"]);
    assert_eq!(json["recordPath"], signed["storedPath"]);
    let run = sandbox.s3lo(&line(""));
    let text = run.ends_with(0).out;
    assert!(text.starts_with("Would keep the signature of myapp:v1.0\n"));
    assert!(text.ends_with("Nothing was signed: this is a dry run\n"));
    // It would sign again for a higher schema, or on request.
    for flags in ["--schema-version 2", "--if-signed replace"] {
        let json = sandbox
            .s3lo(&line(&format!("{flags} -o json")))
            .ends_with(0)
            .json();
        assert_eq!(json["status"], "would_sign", "{flags}");
    }
    assert_eq!(stored(&sandbox), before);
}

#[test]
fn a_guard_refuses_as_it_would() {
    let sandbox = Sandbox::with_image();
    let sign = format!("sign {REF} --key keys/cosign.key --schema-version 2");
    sandbox.s3lo(&sign).ends_with(0);
    let pinned = format!("--digest sha256:{}", "0".repeat(64));
    for (flags, code) in [
        ("--if-signed fail", "already_signed"),
        ("--schema-version 1", "higher_schema"),
        (pinned.as_str(), "digest_mismatch"),
    ] {
        let run = sandbox.s3lo(&line(&format!("{flags} -o json")));
        assert_eq!(run.ends_with(1).json()["error"]["code"], code);
    }
    for (line, code) in [
        (line("-o json").replace("v1.0", "none"), "image_not_found"),
        (
            line("-o json").replace("cosign.key", "cosign.pub"),
            "public_key_cannot_sign",
        ),
    ] {
        let json = sandbox.s3lo(&line).ends_with(2).json();
        assert_eq!(json["error"]["code"], code);
    }
}

#[test]
fn kms_gives_the_public_key_and_is_asked_for_no_signature() {
    let aws = AwsFixture::new();
    let line = format!("{SIGN} --dry-run -o json");
    let json = aws.s3lo(&line).ends_with(0).json();
    assert_eq!(json["status"], "would_sign");
    aws.s3lo(&format!("{line} --if-signed replace"))
        .ends_with(0);
    assert_eq!(aws.actions(), ["GetPublicKey", "GetPublicKey"]);
    let requests = aws.s3.requests();
    assert!(
        requests.iter().all(|line| line.starts_with("GET ")),
        "{requests:?}"
    );
}

#[test]
fn vault_gives_the_key_and_is_asked_for_no_signature() {
    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    let sandbox = Sandbox::at_vault(&vault);
    let line = format!("sign {REF} --key hashivault://ci-signer --dry-run -o json");
    let json = sandbox.s3lo(&line).ends_with(0).json();
    assert_eq!(json["status"], "would_sign");
    assert_eq!(vault.kinds(), [Kind::Key]);
}

#[test]
fn several_images_are_counted_as_what_would_be_signed() {
    let sandbox = Sandbox::with_image();
    let line = format!("sign {REF} local://./store/none:v1 --key keys/cosign.key --dry-run");
    let run = sandbox.s3lo(&line).ends_with(2);
    assert!(
        run.err
            .contains("1 of 2 images would be signed by every key")
    );
    let json = sandbox.s3lo(&format!("{line} -o json")).ends_with(2).json();
    assert_eq!(json[0]["status"], "would_sign");
    assert_eq!(json[1]["error"]["code"], "image_not_found");
}

#[test]
fn no_output_of_a_job_looks_like_a_signature() {
    for signed in [false, true] {
        let mut sandbox = Sandbox::with_image();
        if signed {
            let sign = format!("sign {REF} --key keys/cosign.key");
            sandbox.s3lo(&sign).ends_with(0);
        }
        for (name, value) in [
            ("S3LO_REFERENCE", REF),
            ("S3LO_KEY", "keys/cosign.key"),
            ("S3LO_DRY_RUN", "true"),
            ("S3LO_DOTENV_FILE", "dotenv"),
            ("S3LO_OUTPUT_FILE", "results.json"),
            ("S3LO_RESULTS_DIRECTORY", "results"),
            ("GITHUB_OUTPUT", "outputs"),
            ("GITHUB_STEP_SUMMARY", "summary.md"),
        ] {
            sandbox.set(name, value);
        }
        let before = stored(&sandbox);
        let run = sandbox.s3lo("ci sign").ends_with(0);
        assert_eq!(stored(&sandbox), before);
        let text = |name: &str| std::fs::read_to_string(sandbox.file(name)).unwrap();
        assert_eq!(text("dotenv"), "S3LO_SIGN_SIGNED=false\n");
        let outputs = text("outputs");
        let names: Vec<_> = outputs
            .lines()
            .filter_map(|line| line.split_once("<<"))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["results"]);
        assert!(!outputs.contains("storedPath"));
        let status = if signed { "would_keep" } else { "would_sign" };
        let document: serde_json::Value = serde_json::from_str(&text("results.json")).unwrap();
        assert_eq!(document["status"], status);
        for name in files(&sandbox.file("results")) {
            let written = text(&format!("results/{name}"));
            assert!(name == "results" || written.is_empty(), "{name}: {written}");
        }
        assert!(run.out.contains("Nothing was signed: this is a dry run"));
        let summary = text("summary.md");
        if signed {
            assert!(summary.starts_with("### Would keep: <code>myapp:v1.0</code>"));
        } else {
            insta::assert_snapshot!(summary);
        }
    }
    // A document of a dry run is one of ours, which a failed run replaces.
    let sandbox = Sandbox::new().with("S3LO_OUTPUT_FILE", "results.json");
    sandbox.write("results.json", json!({"recordPath": "b/m"}).to_string());
    sandbox.s3lo("ci sign").ends_with(2);
    let left = std::fs::read_to_string(sandbox.file("results.json")).unwrap();
    assert!(left.contains("\"error\""), "{left}");
}
