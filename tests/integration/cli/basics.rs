//! Common habits: help, version, quiet, colors, and the commands of the other s3lo.

use crate::support::program::Sandbox;

const REF: &str = "local://./store/myapp:v1.0";

#[test]
fn no_arguments_show_how_to_begin() {
    let run = Sandbox::new().s3lo("").ends_with(2);
    insta::assert_snapshot!(run.err);
    assert_eq!(run.out, "");
}

#[test]
fn help_is_a_command_and_an_option() {
    let sandbox = Sandbox::new();
    let help = sandbox.s3lo("help").ends_with(0).out;
    assert_eq!(help, sandbox.s3lo("--help").ends_with(0).out);
    let of_sign = sandbox.s3lo("help sign").ends_with(0).out;
    assert_eq!(of_sign, sandbox.s3lo("sign --help").ends_with(0).out);
}

#[test]
fn the_version_names_what_a_report_of_a_fault_needs() {
    let sandbox = Sandbox::new();
    let version = sandbox.s3lo("version").ends_with(0).out;
    assert_eq!(version, sandbox.s3lo("--version").ends_with(0).out);
    let first = format!("s3lo {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.lines().next(), Some(first.as_str()));
    assert_eq!(sandbox.s3lo("-V").out.trim_end(), first);
    let json = sandbox.s3lo("version -o json").ends_with(0).json();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["schemaVersions"], serde_json::json!([1, 2]));
}

#[test]
fn a_command_of_the_other_s3lo_is_answered() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(
        sandbox
            .s3lo("push myapp:v1 s3://b/myapp:v1")
            .ends_with(2)
            .err
    );
    let json = sandbox.s3lo("list s3://b -o json").ends_with(2).json();
    assert_eq!(json["error"]["code"], "usage");
}

#[test]
fn quiet_prints_nothing_but_failures() {
    let sandbox = Sandbox::with_image();
    for line in [
        format!("-q sign {REF} -k keys/cosign.key"),
        format!("verify {REF} -k keys/cosign.pub --quiet"),
    ] {
        let run = sandbox.s3lo(&line).ends_with(0);
        assert_eq!((run.out.as_str(), run.err.as_str()), ("", ""), "{line}");
    }
    let failed = sandbox
        .s3lo(&format!("verify -q {REF} -k keys/p384.pub"))
        .ends_with(1);
    assert!(failed.err.starts_with("✗ Verification FAILED"));
    let error = sandbox.s3lo(&format!("verify -q {REF} -k none.pub"));
    assert!(error.ends_with(2).err.starts_with("error"));
    let json = sandbox.s3lo(&format!("verify -q {REF} -k keys/cosign.pub -o json"));
    assert_eq!(json.ends_with(0).json()["verified"], true);
}

#[test]
fn colors_are_for_terminals_and_for_those_who_ask() {
    let sandbox = Sandbox::with_image();
    let sign = format!("sign {REF} --key keys/cosign.key");
    sandbox.s3lo(&sign).ends_with(0);
    let good = format!("verify {REF} --key keys/cosign.pub");
    let bad = format!("verify {REF} --key keys/p384.pub");
    assert!(!sandbox.s3lo(&good).out.contains('\u{1b}'));
    let always = sandbox.s3lo(&format!("{good} --color always")).out;
    assert!(always.starts_with("\u{1b}[32m✓\u{1b}[0m Verified"));
    let always = sandbox.s3lo(&format!("{bad} --color always")).err;
    assert!(always.starts_with("\u{1b}[31m✗\u{1b}[0m Verification FAILED"));
    let never = sandbox.s3lo(&format!("{good} --color never")).out;
    assert!(never.starts_with("✓ Verified"));
}
