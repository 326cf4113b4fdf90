//! Every command of the documentation that needs no cloud runs as printed, prints what is documented,
//! and exits as documented.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::MANIFEST;
use crate::support::program::{Run, Sandbox};

const REF: &str = "local://./store/myapp:v1.0";

/// Snapshots without the values that differ from run to run.
fn settled(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(at) = text
        .find("202")
        .filter(|at| text.as_bytes().get(*at + 10) == Some(&b'T'))
    {
        text.replace_range(at..at + 20, "<TIME>");
    }
    text
}

fn both(run: &Run) -> String {
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        run.code.unwrap(),
        settled(&run.out),
        settled(&run.err)
    )
}

#[test]
fn sign_prints_what_was_signed_and_where_it_lies() {
    let run = Sandbox::with_image().s3lo(&format!("sign {REF} --key keys/cosign.key"));
    insta::assert_snapshot!(both(&run));
}

#[test]
fn sign_prints_json() {
    let run =
        Sandbox::with_image().s3lo(&format!("sign {REF} --key keys/cosign.key --output json"));
    insta::assert_snapshot!(both(&run));
}

#[test]
fn the_line_of_the_seed_page_runs_as_printed() {
    let sandbox = Sandbox::new();
    sandbox.write("local-s3/manifests/alpine/latest/manifest.json", MANIFEST);
    std::fs::copy(sandbox.file("keys/cosign.key"), sandbox.file("cosign.key")).unwrap();
    sandbox
        .s3lo("sign local://./local-s3/alpine:latest --key cosign.key")
        .ends_with(0);
    std::fs::copy(sandbox.file("keys/cosign.pub"), sandbox.file("cosign.pub")).unwrap();
    sandbox
        .s3lo("verify local://./local-s3/alpine:latest --key cosign.pub")
        .ends_with(0);
}

#[test]
fn a_second_run_keeps_the_signature() {
    let sandbox = Sandbox::with_image();
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    let record = "store/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json";
    let first = std::fs::read(sandbox.file(record)).unwrap();
    let run = sandbox.s3lo(&format!("sign {REF} --key keys/cosign.key"));
    insta::assert_snapshot!(both(&run));
    assert_eq!(std::fs::read(sandbox.file(record)).unwrap(), first);
    let json = sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key -o json"))
        .json();
    assert_eq!(json["status"], "kept");
}

#[test]
fn verify_prints_its_verdict() {
    let sandbox = Sandbox::with_image();
    let verify = format!("verify {REF} --key keys/cosign.pub");
    let unsigned = sandbox.s3lo(&verify);
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    let signed = sandbox.s3lo(&verify);
    let json = sandbox.s3lo(&format!("{verify} --output json"));
    sandbox.push("myapp", "v1.0", &MANIFEST.replace("[]", "[ ]"));
    let changed = sandbox.s3lo(&verify);
    let changed_json = sandbox.s3lo(&format!("{verify} --output json"));
    let all = [unsigned, signed, json, changed, changed_json];
    insta::assert_snapshot!(all.iter().map(both).collect::<Vec<_>>().join("\n"));
}

#[test]
fn if_signed_decides_about_a_valid_signature() {
    let sandbox = Sandbox::with_image();
    let sign = |rest: &str| {
        sandbox.s3lo(&format!(
            "sign {REF} --key keys/p256-sec1.key -o json {rest}"
        ))
    };
    assert_eq!(
        sign("--if-signed fail").ends_with(0).json()["status"],
        "signed"
    );
    assert_eq!(
        sign("--if-signed fail").ends_with(1).json()["error"]["code"],
        "already_signed"
    );
    assert_eq!(sign("").ends_with(0).json()["status"], "kept");
    assert_eq!(
        sign("--if-signed replace").ends_with(0).json()["status"],
        "signed"
    );
    // A lower schema gives way to a higher one; a higher one only to a lower one that is asked for, by `replace`.
    assert_eq!(
        sign("--schema-version 2").ends_with(0).json()["status"],
        "signed"
    );
    assert_eq!(
        sign("--schema-version 2").ends_with(0).json()["status"],
        "kept"
    );
    assert_eq!(sign("").ends_with(0).json()["status"], "kept");
    assert_eq!(
        sign("--schema-version 1").ends_with(1).json()["error"]["code"],
        "higher_schema"
    );
    assert_eq!(
        sign("--if-signed replace").ends_with(0).json()["schemaVersion"],
        1
    );
}

#[test]
fn a_record_that_is_not_valid_is_replaced_in_every_mode() {
    for mode in ["keep", "replace", "fail"] {
        let sandbox = Sandbox::with_image();
        let record = "store/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json";
        for torn in ["", "{", "[]", &"x".repeat(100_000)] {
            sandbox.write(record, torn);
            sandbox
                .s3lo(&format!(
                    "sign {REF} --key keys/cosign.key --if-signed {mode}"
                ))
                .ends_with(0);
            sandbox
                .s3lo(&format!("verify {REF} --key keys/cosign.pub"))
                .ends_with(0);
        }
    }
}

#[test]
fn a_pin_is_a_guard() {
    let sandbox = Sandbox::with_image();
    let held = s3lo_core::digest::Digest::of(MANIFEST.as_bytes());
    let other = s3lo_core::digest::Digest::of(b"other");
    for command in ["sign", "verify"] {
        let key = if command == "sign" {
            "keys/cosign.key"
        } else {
            "keys/cosign.pub"
        };
        sandbox
            .s3lo(&format!("{command} {REF}@{held} --key {key}"))
            .ends_with(0);
        sandbox
            .s3lo(&format!("{command} {REF} --digest {held} --key {key}"))
            .ends_with(0);
        sandbox
            .s3lo(&format!(
                "{command} {REF}@{held} --digest {held} --key {key}"
            ))
            .ends_with(0);
        sandbox
            .s3lo(&format!("{command} {REF}@{other} --key {key}"))
            .ends_with(1);
        sandbox
            .s3lo(&format!("{command} {REF} --digest {other} --key {key}"))
            .ends_with(1);
        // Against a different pin, and with several references, it is a usage error.
        sandbox
            .s3lo(&format!(
                "{command} {REF}@{held} --digest {other} --key {key}"
            ))
            .ends_with(2);
        sandbox
            .s3lo(&format!(
                "{command} {REF} {REF} --digest {held} --key {key}"
            ))
            .ends_with(2);
    }
}

#[test]
fn a_pinned_verify_that_fails_is_a_failure_even_where_the_key_cannot_be_opened() {
    let sandbox = Sandbox::with_image();
    let other = s3lo_core::digest::Digest::of(b"other");
    sandbox
        .s3lo(&format!("verify {REF}@{other} --key nowhere.pub"))
        .ends_with(1);
    sandbox
        .s3lo(&format!("verify {REF} --key nowhere.pub"))
        .ends_with(2);
    sandbox.push("myapp", "v1.0", "not a manifest");
    sandbox
        .s3lo(&format!("verify {REF} --key nowhere.pub"))
        .ends_with(1);
}

#[test]
fn one_of_several_keys_is_enough_unless_more_are_required() {
    let sandbox = Sandbox::with_image();
    sandbox
        .s3lo(&format!(
            "sign {REF} --key keys/cosign.key --key keys/p384.key"
        ))
        .ends_with(0);
    let verify = |rest: &str, code| {
        sandbox
            .s3lo(&format!("verify {REF} {rest}"))
            .ends_with(code);
    };
    verify("--key keys/rsa2048.pub --key keys/cosign.pub", 0);
    verify(
        "--key keys/rsa2048.pub --key keys/cosign.pub --require all",
        1,
    );
    verify("--key keys/p384.pub --key keys/cosign.pub --require all", 0);
    verify("--key keys/p384.pub --key keys/cosign.pub --require 2", 0);
    verify("--key keys/p384.pub --key keys/rsa2048.pub --require 2", 1);
    // The same key twice counts once.
    verify("--key keys/cosign.pub --key keys/cosign.pub --require 2", 1);
    verify("--key keys/cosign.key --key keys/cosign.pub --require 2", 1);
    // Nothing may be required, and no more than there are.
    verify("--key keys/cosign.pub --require 0", 2);
    verify("--key keys/cosign.pub --require 2", 2);
    // A key that could not be asked decides only where it could change the outcome.
    verify("--key nowhere.pub --key keys/cosign.pub", 0);
    verify("--key nowhere.pub --key keys/rsa2048.pub", 2);
    verify("--key nowhere.pub --key keys/rsa2048.pub --require all", 1);
    verify("--key nowhere.pub --key keys/cosign.pub --require all", 2);
}

#[test]
fn several_images_and_keys_give_an_array_in_the_order_asked() {
    let sandbox = Sandbox::with_image();
    sandbox.push("team/other", "v2", MANIFEST);
    let line = format!(
        "{REF} local://./store/none:v1 local://./store/team/other:v2 --key keys/cosign.key --key keys/p384.key -o json"
    );
    let signed = sandbox.s3lo(&format!("sign {line}"));
    let line = line.replace(".key", ".pub");
    let verified = sandbox.s3lo(&format!("verify {line}"));
    insta::assert_snapshot!([both(&signed), both(&verified)].join("\n"));
}

#[test]
fn one_failure_does_not_stop_the_others_and_is_reported_once() {
    let sandbox = Sandbox::with_image();
    sandbox.push("myapp", "v1.1", MANIFEST);
    let run = sandbox.s3lo(&format!(
        "sign {REF} local://./store/myapp:v1.1 local://./store/none:v1 --key keys/p384.key --key nowhere.key"
    ));
    insta::assert_snapshot!(both(&run));
}

#[test]
fn in_verify_a_proven_failure_outranks_what_could_not_be_decided() {
    let sandbox = Sandbox::with_image();
    sandbox.push("myapp", "unsigned", MANIFEST);
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    let verify = |references: &str, code| {
        sandbox
            .s3lo(&format!("verify {references} --key keys/cosign.pub"))
            .ends_with(code);
    };
    let (unsigned, absent) = (
        "local://./store/myapp:unsigned",
        "local://./store/myapp:absent",
    );
    verify(&format!("{REF} {absent}"), 2);
    verify(&format!("{absent} {unsigned}"), 1);
    verify(&format!("{REF} {unsigned} {absent}"), 1);
}

#[test]
fn in_sign_what_could_not_be_done_outranks_a_guard() {
    let sandbox = Sandbox::with_image();
    let other = s3lo_core::digest::Digest::of(b"other");
    let absent = "local://./store/myapp:absent";
    sandbox
        .s3lo(&format!("sign {REF}@{other} --key keys/cosign.key"))
        .ends_with(1);
    sandbox
        .s3lo(&format!(
            "sign {REF}@{other} {absent} --key keys/cosign.key"
        ))
        .ends_with(2);
}

#[test]
fn a_generated_key_pair_signs_and_is_not_overwritten() {
    let sandbox = Sandbox::with_image();
    let run = sandbox.s3lo("generate-key-pair").ends_with(0);
    assert!(
        run.out
            .contains("Private key written to cosign.key\nPublic key written to cosign.pub"),
        "{}",
        run.out
    );
    let mode = |name: &str| sandbox.file(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("cosign.key"), mode("cosign.pub")), (0o600, 0o644));
    sandbox
        .s3lo(&format!("sign {REF} --key cosign.key"))
        .ends_with(0);
    sandbox
        .s3lo(&format!("verify {REF} --key cosign.pub"))
        .ends_with(0);
    let before = std::fs::read(sandbox.file("cosign.key")).unwrap();
    sandbox.s3lo("generate-key-pair").ends_with(2);
    assert_eq!(std::fs::read(sandbox.file("cosign.key")).unwrap(), before);
    sandbox.s3lo("generate-key-pair --force").ends_with(0);
    assert_ne!(std::fs::read(sandbox.file("cosign.key")).unwrap(), before);
    let json = sandbox
        .s3lo("generate-key-pair --output-key-prefix release -o json")
        .ends_with(0)
        .json();
    assert_eq!(json["publicKey"], "release.pub");
}

#[test]
fn a_new_key_without_a_password_requires_a_flag() {
    let sandbox = Sandbox::new().without("COSIGN_PASSWORD");
    sandbox.s3lo("generate-key-pair").ends_with(2);
    assert!(!sandbox.file("cosign.key").exists());
    let sandbox = sandbox.with("COSIGN_PASSWORD", "");
    sandbox.s3lo("generate-key-pair").ends_with(0);
}

#[test]
fn public_key_prints_what_cosign_wrote() {
    let sandbox = Sandbox::new();
    for key in ["cosign", "p384", "rsa2048", "ed25519"] {
        let pem = std::fs::read_to_string(sandbox.file(&format!("keys/{key}.pub"))).unwrap();
        let run = sandbox
            .s3lo(&format!("public-key --key keys/{key}.key"))
            .ends_with(0);
        assert_eq!(run.out, pem);
        let run = sandbox
            .s3lo(&format!("public-key --key keys/{key}.pub"))
            .ends_with(0);
        assert_eq!(run.out, pem);
    }
}

#[test]
fn a_key_may_come_from_a_variable_or_a_pipe() {
    let sandbox = Sandbox::with_image();
    let pem = std::fs::read_to_string(sandbox.file("keys/cosign.key")).unwrap();
    let sandbox = sandbox.with("SIGNING_KEY", &pem);
    let run = sandbox
        .s3lo(&format!("sign {REF} --key env://SIGNING_KEY -o json"))
        .ends_with(0);
    assert_eq!(run.json()["keyRef"], "env://SIGNING_KEY");
    let mut shell = std::process::Command::new("sh");
    let line = r#"cat keys/cosign.pub | "$0" verify "$1" --key /dev/stdin"#;
    let status = shell
        .args(["-c", line, env!("CARGO_BIN_EXE_s3lo"), REF])
        .current_dir(sandbox.path())
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let sandbox = Sandbox::new();
    for command in [
        "sign",
        "verify",
        "generate-key-pair",
        "public-key",
        "completions",
    ] {
        let run = sandbox.s3lo(&format!("{command} --help")).ends_with(0);
        assert!(run.out.contains("Examples:\n"), "{}", run.out);
    }
    for command in ["sign", "verify"] {
        assert!(
            sandbox
                .s3lo(&format!("{command} --help"))
                .out
                .contains("Exit codes: 0")
        );
    }
    insta::assert_snapshot!(sandbox.s3lo("--help").ends_with(0).out);
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = Sandbox::new()
            .s3lo(&format!("completions {shell}"))
            .ends_with(0);
        assert!(run.out.contains("generate-key-pair"), "{shell}");
    }
}

#[test]
fn with_json_every_exit_prints_json() {
    let sandbox = Sandbox::with_image();
    for line in [
        "sign --output json",
        "sign -o json local://./store/myapp:v1.0",
        "verify local://./store/myapp:v1.0 --key keys/cosign.pub --nonsense --output=json",
        "verify local://./store/myapp --key keys/cosign.pub -o json",
        "verify local://./store/absent:v1 --key keys/cosign.pub -ojson",
        "sign local://./store/myapp:v1.0 --key awskms:///alias/x -o json",
        "public-key --key nowhere -o json",
        "nonsense -o json",
        "verify -vojson",
        "verify -vo json",
        "-o json",
    ] {
        let run = sandbox.s3lo(line).ends_with(2);
        let error = &run.json()["error"];
        for field in ["code", "message", "help"] {
            assert!(
                error[field].as_str().is_some_and(|text| !text.is_empty()),
                "{line}: {}",
                run.out
            );
        }
        assert_eq!(run.err, "", "{line}");
    }
}

#[test]
fn a_reader_that_leaves_early_changes_no_exit_code() {
    let sandbox = Sandbox::with_image();
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    for (tag, code) in [("v1.0", 0), ("none", 2)] {
        let reference = format!("local://./store/myapp:{tag}");
        let mut child = sandbox.start(&["verify", &reference, "--key", "keys/cosign.pub"]);
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::with_image();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = sandbox.command(&["public-key", "--key", "keys/cosign.pub"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(
        reported.starts_with("error[io]: cannot write the result: "),
        "{reported}"
    );
    assert!(reported.contains("\n  help: "), "{reported}");
}

#[test]
fn a_pair_that_cannot_be_written_whole_leaves_the_old_one() {
    let sandbox = Sandbox::new();
    sandbox.s3lo("generate-key-pair").ends_with(0);
    let before = std::fs::read(sandbox.file("cosign.key")).unwrap();
    std::fs::remove_file(sandbox.file("cosign.pub")).unwrap();
    std::fs::create_dir(sandbox.file("cosign.pub")).unwrap();
    sandbox.s3lo("generate-key-pair --force").ends_with(2);
    assert_eq!(std::fs::read(sandbox.file("cosign.key")).unwrap(), before);
    for prefix in ["", "no/such/folder/x", "folder/", "a\nb"] {
        sandbox
            .run(&["generate-key-pair", "--output-key-prefix", prefix])
            .ends_with(2);
    }
}

#[test]
fn a_proven_failure_is_not_hidden_by_a_full_disk() {
    let sandbox = Sandbox::with_image();
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for output in ["text", "json"] {
        let line = ["verify", REF, "--key", "keys/cosign.pub", "-o", output];
        let ended = sandbox
            .command(&line)
            .stdout(full())
            .stderr(full())
            .status();
        assert_eq!(ended.unwrap().code(), Some(1), "{output}");
    }
}

#[test]
fn no_line_of_a_message_can_be_forged() {
    let sandbox = Sandbox::with_image();
    let hostile = "app\n::add-mask::x\u{1b}[31m\r##[error]y";
    for arguments in [
        vec!["verify", hostile, "--key", "keys/cosign.pub"],
        vec!["verify", REF, "--key", hostile],
        vec![
            "verify",
            REF,
            "--key",
            "keys/cosign.pub",
            "--digest",
            hostile,
        ],
        vec!["generate-key-pair", "--output-key-prefix", hostile],
        vec![hostile],
    ] {
        let run = sandbox.run(&arguments).ends_with(2);
        for line in (run.out.clone() + &run.err).lines() {
            let start = line.trim_start();
            assert!(
                !start.starts_with("::") && !start.starts_with("##["),
                "{}",
                run.err
            );
        }
        assert!(!run.err.contains(['\u{1b}', '\r']), "{}", run.err);
    }
}

/// The names that the actions and tools beside this one use, and not similar spellings.
#[test]
fn an_option_of_another_tool_s_name_is_answered_with_ours() {
    let sandbox = Sandbox::with_image();
    for (typed, right) in [
        ("--vault-url", "write `--vault-address`"),
        ("--vault-token", "set VAULT_TOKEN"),
        ("--kms-key", "write `--key`"),
        ("--aws-region", "write `--region`"),
        ("--role-chaining", "write `--role-arn`"),
        ("--image", "write the reference alone"),
        ("--cosign-password", "set COSIGN_PASSWORD"),
        ("--if-singed", "write `--if-signed`"),
    ] {
        for form in ["text", "json"] {
            let run = sandbox
                .s3lo(&format!("sign {REF} --key k {typed}=x -o {form}"))
                .ends_with(2);
            assert!((run.out + &run.err).contains(right), "{typed}");
        }
        let run = sandbox
            .s3lo(&format!("ci sign {REF} --key k {typed}=x"))
            .ends_with(2);
        let help = run.err.split("help: ").nth(1).unwrap();
        let others = ["vault-role", "vault-auth", "digest"];
        assert!(!others.iter().any(|other| help.contains(other)), "{help}");
    }
}

#[test]
fn a_signature_that_does_not_cover_the_tag_is_made_with_a_note_unless_it_was_asked_for() {
    let note = "note: schema 1 covers the digest but not the tag";
    let other = "local://./store/other:v1.0";
    let sign = |rest: &str| {
        let line = format!("sign {REF} {other} --key keys/p256-sec1.key {rest}");
        let sandbox = Sandbox::with_image();
        sandbox.push("other", "v1.0", MANIFEST);
        sandbox.s3lo(&line).ends_with(0).err
    };
    // Once a run.
    assert_eq!(sign("").matches(note).count(), 1);
    assert_eq!(sign("-o json").matches(note).count(), 1);
    for asked in ["--schema-version 1", "--schema-version 2", "-q"] {
        assert_eq!(sign(asked), "", "{asked}");
    }
    // Nothing was made.
    let sandbox = Sandbox::with_image();
    let line = format!("sign {REF} --key keys/p256-sec1.key");
    sandbox
        .s3lo(&format!("{line} --schema-version 2"))
        .ends_with(0);
    assert_eq!(sandbox.s3lo(&line).ends_with(0).err, "");
}

#[test]
fn a_variable_that_is_empty_or_was_not_replaced_is_thought_of() {
    let sandbox = Sandbox::with_image();
    for (reference, help) in [
        ("s3:///myapp:v1.0", "the variable after `s3://` is empty"),
        ("s3://bucket/:v1.0", "set the variable that is empty"),
        (
            "local://./store/${IMAGE}:$TAG",
            "`${IMAGE}`, which was not replaced",
        ),
        ("local://./store/myapp:${{github.sha}}", "was not replaced"),
    ] {
        let run = sandbox.s3lo(&format!("verify {reference} --key keys/cosign.pub"));
        assert!(run.ends_with(2).err.contains(help), "{reference}");
    }
}
