//! Every command of the documentation that needs no cloud runs as printed, prints what is promised,
//! and exits as promised.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::MANIFEST;
use crate::support::program::{Desk, Run};

const REF: &str = "local://./store/myapp:v1.0";

/// Snapshots without what differs from run to run.
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
    let run = Desk::with_image().s3lo(&format!("sign {REF} --key keys/cosign.key"));
    insta::assert_snapshot!(both(&run));
}

#[test]
fn sign_prints_json() {
    let run = Desk::with_image().s3lo(&format!("sign {REF} --key keys/cosign.key --output json"));
    insta::assert_snapshot!(both(&run));
}

#[test]
fn the_line_of_the_seed_page_runs_as_printed() {
    let desk = Desk::new();
    desk.write("local-s3/manifests/alpine/latest/manifest.json", MANIFEST);
    std::fs::copy(desk.file("keys/cosign.key"), desk.file("cosign.key")).unwrap();
    desk.s3lo("sign local://./local-s3/alpine:latest --key cosign.key")
        .ends_with(0);
    std::fs::copy(desk.file("keys/cosign.pub"), desk.file("cosign.pub")).unwrap();
    desk.s3lo("verify local://./local-s3/alpine:latest --key cosign.pub")
        .ends_with(0);
}

#[test]
fn a_second_run_keeps_the_signature() {
    let desk = Desk::with_image();
    desk.s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    let record = "store/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json";
    let first = std::fs::read(desk.file(record)).unwrap();
    let run = desk.s3lo(&format!("sign {REF} --key keys/cosign.key"));
    insta::assert_snapshot!(both(&run));
    assert_eq!(std::fs::read(desk.file(record)).unwrap(), first);
    let json = desk
        .s3lo(&format!("sign {REF} --key keys/cosign.key -o json"))
        .json();
    assert_eq!(json["status"], "kept");
}

#[test]
fn verify_prints_its_verdict() {
    let desk = Desk::with_image();
    let verify = format!("verify {REF} --key keys/cosign.pub");
    let unsigned = desk.s3lo(&verify);
    desk.s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    let signed = desk.s3lo(&verify);
    let json = desk.s3lo(&format!("{verify} --output json"));
    desk.push("myapp", "v1.0", &MANIFEST.replace("[]", "[ ]"));
    let changed = desk.s3lo(&verify);
    let changed_json = desk.s3lo(&format!("{verify} --output json"));
    let all = [unsigned, signed, json, changed, changed_json];
    insta::assert_snapshot!(all.iter().map(both).collect::<Vec<_>>().join("\n"));
}

#[test]
fn if_signed_decides_about_a_valid_signature() {
    let desk = Desk::with_image();
    let sign = |rest: &str| {
        desk.s3lo(&format!(
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
    // A lower schema gives way to a higher one, a higher one only when told.
    assert_eq!(
        sign("--schema-version 2").ends_with(0).json()["status"],
        "signed"
    );
    assert_eq!(
        sign("--schema-version 2").ends_with(0).json()["status"],
        "kept"
    );
    assert_eq!(
        sign("").ends_with(1).json()["error"]["code"],
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
        let desk = Desk::with_image();
        let record = "store/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json";
        for torn in ["", "{", "[]", &"x".repeat(100_000)] {
            desk.write(record, torn);
            desk.s3lo(&format!(
                "sign {REF} --key keys/cosign.key --if-signed {mode}"
            ))
            .ends_with(0);
            desk.s3lo(&format!("verify {REF} --key keys/cosign.pub"))
                .ends_with(0);
        }
    }
}

#[test]
fn a_pin_is_a_guard() {
    let desk = Desk::with_image();
    let held = s3lo_core::digest::Digest::of(MANIFEST.as_bytes());
    let other = s3lo_core::digest::Digest::of(b"other");
    for command in ["sign", "verify"] {
        let key = if command == "sign" {
            "keys/cosign.key"
        } else {
            "keys/cosign.pub"
        };
        desk.s3lo(&format!("{command} {REF}@{held} --key {key}"))
            .ends_with(0);
        desk.s3lo(&format!("{command} {REF} --digest {held} --key {key}"))
            .ends_with(0);
        desk.s3lo(&format!(
            "{command} {REF}@{held} --digest {held} --key {key}"
        ))
        .ends_with(0);
        desk.s3lo(&format!("{command} {REF}@{other} --key {key}"))
            .ends_with(1);
        desk.s3lo(&format!("{command} {REF} --digest {other} --key {key}"))
            .ends_with(1);
        // Against a different pin, and with several references, it is a usage error.
        desk.s3lo(&format!(
            "{command} {REF}@{held} --digest {other} --key {key}"
        ))
        .ends_with(2);
        desk.s3lo(&format!(
            "{command} {REF} {REF} --digest {held} --key {key}"
        ))
        .ends_with(2);
    }
}

#[test]
fn a_pinned_verify_that_fails_is_a_failure_even_where_the_key_cannot_be_opened() {
    let desk = Desk::with_image();
    let other = s3lo_core::digest::Digest::of(b"other");
    desk.s3lo(&format!("verify {REF}@{other} --key nowhere.pub"))
        .ends_with(1);
    desk.s3lo(&format!("verify {REF} --key nowhere.pub"))
        .ends_with(2);
    desk.push("myapp", "v1.0", "not a manifest");
    desk.s3lo(&format!("verify {REF} --key nowhere.pub"))
        .ends_with(1);
}

#[test]
fn one_of_several_keys_is_enough_unless_more_are_required() {
    let desk = Desk::with_image();
    desk.s3lo(&format!(
        "sign {REF} --key keys/cosign.key --key keys/p384.key"
    ))
    .ends_with(0);
    let verify = |rest: &str, code| {
        desk.s3lo(&format!("verify {REF} {rest}")).ends_with(code);
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
    let desk = Desk::with_image();
    desk.push("team/other", "v2", MANIFEST);
    let line = format!(
        "{REF} local://./store/none:v1 local://./store/team/other:v2 --key keys/cosign.key --key keys/p384.key -o json"
    );
    let signed = desk.s3lo(&format!("sign {line}"));
    let line = line.replace(".key", ".pub");
    let verified = desk.s3lo(&format!("verify {line}"));
    insta::assert_snapshot!([both(&signed), both(&verified)].join("\n"));
}

#[test]
fn one_failure_does_not_stop_the_others_and_is_told_once() {
    let desk = Desk::with_image();
    desk.push("myapp", "v1.1", MANIFEST);
    let run = desk.s3lo(&format!(
        "sign {REF} local://./store/myapp:v1.1 local://./store/none:v1 --key keys/p384.key --key nowhere.key"
    ));
    insta::assert_snapshot!(both(&run));
}

#[test]
fn in_verify_a_proven_failure_outranks_what_could_not_be_decided() {
    let desk = Desk::with_image();
    desk.push("myapp", "unsigned", MANIFEST);
    desk.s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    let verify = |references: &str, code| {
        desk.s3lo(&format!("verify {references} --key keys/cosign.pub"))
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
    let desk = Desk::with_image();
    let other = s3lo_core::digest::Digest::of(b"other");
    let absent = "local://./store/myapp:absent";
    desk.s3lo(&format!("sign {REF}@{other} --key keys/cosign.key"))
        .ends_with(1);
    desk.s3lo(&format!(
        "sign {REF}@{other} {absent} --key keys/cosign.key"
    ))
    .ends_with(2);
}

#[test]
fn a_generated_key_pair_signs_and_is_not_overwritten() {
    let desk = Desk::with_image();
    let run = desk.s3lo("generate-key-pair").ends_with(0);
    assert!(
        run.out
            .contains("Private key written to cosign.key\nPublic key written to cosign.pub"),
        "{}",
        run.out
    );
    let mode = |name: &str| desk.file(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("cosign.key"), mode("cosign.pub")), (0o600, 0o644));
    desk.s3lo(&format!("sign {REF} --key cosign.key"))
        .ends_with(0);
    desk.s3lo(&format!("verify {REF} --key cosign.pub"))
        .ends_with(0);
    let before = std::fs::read(desk.file("cosign.key")).unwrap();
    desk.s3lo("generate-key-pair").ends_with(2);
    assert_eq!(std::fs::read(desk.file("cosign.key")).unwrap(), before);
    desk.s3lo("generate-key-pair --force").ends_with(0);
    assert_ne!(std::fs::read(desk.file("cosign.key")).unwrap(), before);
    let json = desk
        .s3lo("generate-key-pair --output-key-prefix release -o json")
        .ends_with(0)
        .json();
    assert_eq!(json["publicKey"], "release.pub");
}

#[test]
fn a_new_key_without_a_password_wants_it_said() {
    let desk = Desk::new().without("COSIGN_PASSWORD");
    desk.s3lo("generate-key-pair").ends_with(2);
    assert!(!desk.file("cosign.key").exists());
    let desk = desk.with("COSIGN_PASSWORD", "");
    desk.s3lo("generate-key-pair").ends_with(0);
}

#[test]
fn public_key_prints_what_cosign_wrote() {
    let desk = Desk::new();
    for key in ["cosign", "p384", "rsa2048", "ed25519"] {
        let pem = std::fs::read_to_string(desk.file(&format!("keys/{key}.pub"))).unwrap();
        let run = desk
            .s3lo(&format!("public-key --key keys/{key}.key"))
            .ends_with(0);
        assert_eq!(run.out, pem);
        let run = desk
            .s3lo(&format!("public-key --key keys/{key}.pub"))
            .ends_with(0);
        assert_eq!(run.out, pem);
    }
}

#[test]
fn a_key_may_come_from_a_variable_or_a_pipe() {
    let desk = Desk::with_image();
    let pem = std::fs::read_to_string(desk.file("keys/cosign.key")).unwrap();
    let desk = desk.with("SIGNING_KEY", &pem);
    let run = desk
        .s3lo(&format!("sign {REF} --key env://SIGNING_KEY -o json"))
        .ends_with(0);
    assert_eq!(run.json()["keyRef"], "env://SIGNING_KEY");
    let mut shell = std::process::Command::new("sh");
    let line = r#"cat keys/cosign.pub | "$0" verify "$1" --key /dev/stdin"#;
    let status = shell
        .args(["-c", line, env!("CARGO_BIN_EXE_s3lo"), REF])
        .current_dir(desk.path())
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let desk = Desk::new();
    for command in [
        "sign",
        "verify",
        "generate-key-pair",
        "public-key",
        "completions",
    ] {
        let run = desk.s3lo(&format!("{command} --help")).ends_with(0);
        assert!(run.out.contains("Examples:\n"), "{}", run.out);
    }
    for command in ["sign", "verify"] {
        assert!(
            desk.s3lo(&format!("{command} --help"))
                .out
                .contains("Exit codes: 0")
        );
    }
    insta::assert_snapshot!(desk.s3lo("--help").ends_with(0).out);
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = Desk::new()
            .s3lo(&format!("completions {shell}"))
            .ends_with(0);
        assert!(run.out.contains("generate-key-pair"), "{shell}");
    }
}

#[test]
fn with_json_every_exit_prints_json() {
    let desk = Desk::with_image();
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
        let run = desk.s3lo(line).ends_with(2);
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
    let desk = Desk::with_image();
    desk.s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    for (tag, code) in [("v1.0", 0), ("none", 2)] {
        let reference = format!("local://./store/myapp:{tag}");
        let mut child = desk.start(&["verify", &reference, "--key", "keys/cosign.pub"]);
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let desk = Desk::with_image();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = desk.command(&["public-key", "--key", "keys/cosign.pub"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).starts_with("error: cannot write the result: ")
    );
}

#[test]
fn a_pair_that_cannot_be_written_whole_leaves_the_old_one() {
    let desk = Desk::new();
    desk.s3lo("generate-key-pair").ends_with(0);
    let before = std::fs::read(desk.file("cosign.key")).unwrap();
    std::fs::remove_file(desk.file("cosign.pub")).unwrap();
    std::fs::create_dir(desk.file("cosign.pub")).unwrap();
    desk.s3lo("generate-key-pair --force").ends_with(2);
    assert_eq!(std::fs::read(desk.file("cosign.key")).unwrap(), before);
    for prefix in ["", "no/such/folder/x", "folder/", "a\nb"] {
        desk.run(&["generate-key-pair", "--output-key-prefix", prefix])
            .ends_with(2);
    }
}

#[test]
fn a_proven_failure_is_not_hidden_by_a_full_disk() {
    let desk = Desk::with_image();
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for output in ["text", "json"] {
        let line = ["verify", REF, "--key", "keys/cosign.pub", "-o", output];
        let ended = desk.command(&line).stdout(full()).stderr(full()).status();
        assert_eq!(ended.unwrap().code(), Some(1), "{output}");
    }
}

#[test]
fn no_line_of_a_message_is_somebody_elses() {
    let desk = Desk::with_image();
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
        let run = desk.run(&arguments).ends_with(2);
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
