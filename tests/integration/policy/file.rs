//! The policy file: where it is, what it may be, and the keys beside it.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{FILE, IMAGE, requires, sandbox, shown, signed_by, verify};
use crate::support::program::Sandbox;
use crate::support::vectors;

const ANY: &str = "{ any = [\"ci\"] }";

fn fifo(sandbox: &Sandbox, name: &str) {
    mknodat(CWD, sandbox.file(name), FileType::Fifo, Mode::RUSR, 0).unwrap();
}

#[test]
fn a_key_is_looked_for_beside_the_file_wherever_the_program_runs() {
    let sandbox = signed_by(&["ci"], &requires(ANY));
    // Another key of that name, where the program runs.
    let other = fs::read(sandbox.file("gate/keys/qa.pub")).unwrap();
    sandbox.write("keys/ci.pub", other);
    verify(&sandbox).ends_with(0);
    let absolute = sandbox.file(FILE);
    let line = format!("verify {IMAGE} --policy {}", absolute.display());
    sandbox.s3lo(&line).ends_with(0);
    // Beside the file is where the program runs, if the file has no directory.
    fs::copy(&absolute, sandbox.file("policy.toml")).unwrap();
    for key in ["qa", "security", "old"] {
        let file = format!("keys/{key}.pub");
        fs::copy(sandbox.file(&format!("gate/{file}")), sandbox.file(&file)).unwrap();
    }
    for path in ["policy.toml", "./policy.toml"] {
        let line = format!("verify {IMAGE} --policy {path}");
        sandbox.s3lo(&line).ends_with(1);
    }
    // A link to the file has a directory of its own.
    fs::create_dir(sandbox.file("linked")).unwrap();
    symlink(&absolute, sandbox.file("linked/policy.toml")).unwrap();
    let line = format!("verify {IMAGE} --policy linked/policy.toml");
    let run = sandbox.s3lo(&line).ends_with(2);
    assert!(run.err.contains("linked/keys/ci.pub"), "{}", run.err);
}

#[test]
fn a_policy_in_a_variable_has_its_keys_in_it() {
    let plain = signed_by(&["ci"], "");
    let pem = fs::read_to_string(plain.file("gate/keys/ci.pub")).unwrap();
    let inline = format!(
        "version = 1\n[keys.ci]\npublic = \"\"\"\n{pem}\"\"\"\n[[rules]]\nimages = [\"**\"]\nrequire = [{ANY}]\n"
    );
    let plain = plain.with("GATE", &inline);
    let line = format!("verify {IMAGE} --policy env://GATE");
    let json = plain.s3lo(&format!("{line} -o json")).ends_with(0).json();
    assert_eq!(json["policy"]["path"], "env://GATE");
    // As a file too.
    plain.write(FILE, &inline);
    verify(&plain).ends_with(0);
    let mut page = String::new();
    let mut report = |title: &str, sandbox: &Sandbox, line: &str| {
        let run = sandbox.s3lo(line).ends_with(2);
        page += &format!("# {title}\n{}\n", shown(&run));
    };
    report("unset", &plain, &line.replace("GATE", "GATES"));
    report("no name", &plain, &line.replace("GATE", "GA-TE"));
    let empty = plain.with("GATE", "");
    report("empty", &empty, &line);
    let with_path = empty.with("GATE", &requires(ANY));
    report("path", &with_path, &line);
    insta::assert_snapshot!(page);
}

#[test]
fn a_policy_is_a_regular_file_and_no_object() {
    let sandbox = sandbox(&requires(ANY));
    fifo(&sandbox, "fifo");
    sandbox.write("large.toml", format!("#{}", "x".repeat(300 * 1024)));
    sandbox.write("binary.toml", [0xff, 0xfe, 0]);
    sandbox.write("empty.toml", "");
    let mut page = String::new();
    for name in [
        "none.toml",
        "none/policy.toml",
        "fifo",
        "gate",
        "large.toml",
        "binary.toml",
        "empty.toml",
        "/dev/null",
        "/dev/zero",
        "s3://my-bucket/policy.toml",
        "local://./store/policy.toml",
    ] {
        let checked = sandbox.s3lo(&format!("policy check {name}")).ends_with(2);
        page += &format!("# {name}\n{}\n", shown(&checked));
        let verified = sandbox.s3lo(&format!("verify {IMAGE} --policy {name}"));
        assert_eq!(verified.ends_with(2).err, checked.err);
    }
    insta::assert_snapshot!(page);
}

#[test]
fn a_key_file_holds_a_public_key() {
    let sandbox = sandbox(&requires(ANY));
    let mut page = String::new();
    let mut report = |title: &str| {
        let run = verify(&sandbox).ends_with(2);
        page += &format!("# {title}\n{}\n", shown(&run));
        fs::remove_file(sandbox.file("gate/keys/ci.pub")).ok();
    };
    fs::remove_file(sandbox.file("gate/keys/ci.pub")).unwrap();
    report("missing");
    sandbox.write("gate/keys/ci.pub", "x".repeat(70_000));
    report("oversized");
    let private = fs::read(sandbox.file("ci.key")).unwrap();
    sandbox.write("gate/keys/ci.pub", private);
    report("a private key");
    let encrypted = fs::read(sandbox.file("keys/cosign.key")).unwrap();
    sandbox.write("gate/keys/ci.pub", encrypted);
    report("an encrypted private key");
    sandbox.write("gate/keys/ci.pub", "garbage");
    report("garbage");
    fifo(&sandbox, "gate/keys/ci.pub");
    report("a FIFO");
    fs::create_dir(sandbox.file("gate/keys/ci.pub")).unwrap();
    report("a directory");
    fs::remove_dir(sandbox.file("gate/keys/ci.pub")).unwrap();
    insta::assert_snapshot!(page);
    // Links are followed, as Kubernetes makes them for a ConfigMap.
    symlink(
        vectors()
            .canonicalize()
            .unwrap()
            .join("plain-keys/p256-pkcs8.pub"),
        sandbox.file("gate/keys/ci.pub"),
    )
    .unwrap();
    super::sign(&sandbox, &["ci"]);
    verify(&sandbox).ends_with(0);
}

#[test]
fn the_same_policy_in_json() {
    let sandbox = signed_by(&["ci", "qa"], "");
    let policy = serde_json::json!({
        "version": 1,
        "keys": {
            "ci": {"public": "keys/ci.pub", "not-after": "2099-01-31T00:00:00+02:00"},
            "qa": {"public": "keys/qa.pub"},
            "old": {"public": "keys/old.pub", "revoked": "lost"},
        },
        "rules": [
            {
                "images": ["local://./store/*"],
                "require": [{"all": ["ci"]}, {"at-least": 1, "of": ["qa", "old"]}],
                "min-schema": 2,
                "deny-digests": [format!("sha256:{}", "0".repeat(64))],
            },
            {"images": ["**"], "deny": "no"},
        ],
    });
    for text in [
        policy.to_string(),
        format!("{policy:#}"),
        format!("\u{feff}\n {policy}"),
    ] {
        sandbox.write(FILE, text);
        verify(&sandbox).ends_with(0);
    }
    sandbox.write(
        FILE,
        policy.to_string().replace("\"qa\",\"old\"", "\"old\""),
    );
    verify(&sandbox).ends_with(1);
    // A mistake has its line.
    sandbox.write(
        FILE,
        format!("{policy:#}").replace("\"public\": \"keys/qa", "\"pubic\": \"keys/qa"),
    );
    insta::assert_snapshot!(verify(&sandbox).ends_with(2).err);
}

#[test]
fn other_options_that_say_who_must_have_signed_are_refused() {
    let sandbox = sandbox(&requires(ANY));
    let mut page = String::new();
    for option in [
        "--key gate/keys/ci.pub",
        "--require any",
        "--require all",
        "--min-schema 1",
        "--min-schema 2",
        "--policy gate/policy.toml",
    ] {
        let run = sandbox.s3lo(&format!("verify {IMAGE} --policy {FILE} {option}"));
        page += &format!("# {option}\n{}\n", shown(&run.ends_with(2)));
    }
    let run = sandbox.s3lo(&format!("verify {IMAGE}")).ends_with(2);
    page += &format!("# neither keys nor a policy\n{}\n", shown(&run));
    let run = sandbox.s3lo(&format!("verify {IMAGE} --require 2 --policy="));
    page += &format!(
        "# empty, and another option\n{}\n",
        shown(&run.ends_with(2))
    );
    let run = sandbox.run(&["verify", IMAGE, "--policy", ""]).ends_with(2);
    page += &format!("# empty\n{}\n", shown(&run));
    insta::assert_snapshot!(page);
}

/// Whatever a policy holds, no line of the output begins a command to a runner, and no control character is left.
#[test]
fn a_hostile_policy_prints_inert() {
    let evil = "\\u001b[2J\\u001b]0;x\\u0007\\n::add-path::/tmp\\n##[add-path]/tmp\\r\\u202e";
    let patterns = [
        format!("version = \"{evil}\"\n"),
        format!("\"{evil}\" = 1\n"),
        format!("version = 1\n[keys.\"{evil}\"]\npublic = \"keys/ci.pub\"\n"),
        requires(ANY).replace("keys/ci.pub", evil),
        requires(ANY).replace("keys/ci.pub", &format!("awskms://{evil}")),
        requires(ANY).replace("keys/ci.pub", &format!("{evil}://{evil}")),
        requires(ANY).replace("\"**\"", &format!("\"s3://{evil}\"")),
        requires(&format!("{{ any = [\"{evil}\"] }}")),
        requires(&format!("{{ \"{evil}\" = 1 }}")),
        requires(ANY) + &format!("deny-digests = [\"{evil}\"]\n"),
        requires(ANY).replace(&format!("require = [{ANY}]"), &format!("deny = \"{evil}\"")),
        requires(ANY).replacen(
            "ci.pub\"\n",
            &format!("ci.pub\"\nrevoked = \"{evil}\"\n"),
            1,
        ),
        "\u{1b}[2J\n::add-path::/tmp\n".to_owned(),
        "{\"\u{1b}\n::add-path::/tmp".to_owned(),
    ];
    for policy in patterns {
        let sandbox = sandbox(&policy);
        for line in [
            format!("policy check {FILE}"),
            format!("policy check {FILE} -o json"),
            format!("policy explain {FILE} {IMAGE}"),
            format!("policy explain {FILE} {IMAGE} -o json"),
            format!("verify {IMAGE} --policy {FILE}"),
            format!("verify {IMAGE} --policy {FILE} -o json"),
            format!("ci verify {IMAGE} --policy {FILE} --summary-file summary.md"),
        ] {
            let run = sandbox.s3lo(&line);
            for text in [run.out, run.err] {
                let control = text.contains(|c: char| c.is_control() && c != '\n');
                assert!(!control && !text.contains('\u{202e}'), "{line}: {text:?}");
                let command = text.lines().any(|line| line.trim_start().starts_with("::"));
                assert!(!command && !text.contains("##["), "{line}: {text}");
            }
        }
    }
}
