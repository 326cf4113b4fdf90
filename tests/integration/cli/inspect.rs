//! `s3lo inspect`: the manifest, and the objects beside it.

use s3lo_core::digest::Digest;

use crate::support::program::Sandbox;

const REF: &str = "local://./store/myapp:v1.0";
const RECORDS: &str = "store/manifests/myapp/v1.0/signatures";

fn signed() -> Sandbox {
    let sandbox = Sandbox::with_image();
    for key in ["cosign", "p384"] {
        let line = format!("sign {REF} --key keys/{key}.key --schema-version 2");
        sandbox.s3lo(&line).ends_with(0);
    }
    sandbox
}

#[test]
fn each_record_is_shown_with_the_verdict_of_the_key_that_it_is_for() {
    let sandbox = signed();
    let line = format!("inspect {REF} -k keys/cosign.pub -k keys/rsa2048.pub -o json");
    let found = sandbox.s3lo(&line).ends_with(0).json();
    let records = found["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    let judged: Vec<_> = records
        .iter()
        .filter(|record| record["verdicts"] != serde_json::json!([]))
        .collect();
    assert_eq!(judged.len(), 1);
    assert_eq!(judged[0]["verdicts"][0]["verified"], true);
    assert_eq!(judged[0]["claimedKeyRef"], "keys/cosign.key");
    assert_eq!(found["moreRecords"], false);
}

#[test]
fn it_prints_what_is_there() {
    let sandbox = signed();
    sandbox.write(&format!("{RECORDS}/0123456789abcdef.json"), "{}");
    sandbox.write(&format!("{RECORDS}/notes.json"), "{}");
    let run = sandbox.s3lo(&format!("inspect {REF} --key keys/cosign.pub"));
    let mut text = run.ends_with(0).out;
    while let Some(at) = text.find("signed 202") {
        text.replace_range(at..at + 27, "signed <TIME>");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_record_that_proves_nothing_is_never_shown_as_valid() {
    let sandbox = signed();
    // Another image's record, a changed manifest, a pin that is not met.
    sandbox.write(
        "store/manifests/myapp/v1.0/manifest.json",
        "{\"config\":{} }",
    );
    let pinned = format!("{REF}@{}", Digest::of(b"another"));
    for reference in [REF, pinned.as_str()] {
        let line = format!("inspect {reference} -k keys/cosign.pub -k keys/p384.pub");
        let run = sandbox.s3lo(&line).ends_with(0);
        assert!(!run.out.contains('✓'), "{}", run.out);
        assert_eq!(run.out.matches("not valid by").count(), 2, "{}", run.out);
    }
    // No manifest at all.
    sandbox.write("store/manifests/myapp/v1.0/manifest.json", "nonsense");
    let run = sandbox.s3lo(&format!("inspect {REF} -k keys/cosign.pub"));
    assert!(!run.ends_with(0).out.contains('✓'));
}

#[test]
fn hostile_names_and_contents_are_printed_on_their_line() {
    let sandbox = signed();
    let record = r#"{"schemaVersion":2,"digest":"DIGEST","keyRef":"a\n##vso[task.complete]\u001b[2J","keyID":"x","algorithm":"","signature":"","signedAt":""}"#;
    let digest = Digest::of(b"").to_string();
    sandbox.write(
        &format!("{RECORDS}/0123456789abcdef.json"),
        record.replace("DIGEST", &digest),
    );
    sandbox.write(&format!("{RECORDS}/evil\n::error::x.json"), "{}");
    let run = sandbox.s3lo(&format!("inspect {REF}")).ends_with(0);
    assert!(!run.out.contains('\u{1b}'));
    let lines = || run.out.lines().map(str::trim_start);
    assert!(!lines().any(|line| line.starts_with("##") || line.starts_with("::")));
}

#[test]
fn an_image_that_is_not_there_is_an_error() {
    let sandbox = Sandbox::with_image();
    sandbox.s3lo("inspect local://./store/none:v1").ends_with(2);
    let line = format!("inspect {REF} local://./store/none:v1 -o json");
    let several = sandbox.s3lo(&line).ends_with(2).json();
    assert_eq!(several[0]["records"], serde_json::json!([]));
    assert_eq!(several[1]["error"]["code"], "image_not_found");
}

#[test]
fn at_most_a_hundred_records_are_read() {
    let sandbox = Sandbox::with_image();
    for number in 0..150 {
        sandbox.write(&format!("{RECORDS}/{number:016x}.json"), "{}");
    }
    let found = sandbox
        .s3lo(&format!("inspect {REF} -o json"))
        .ends_with(0)
        .json();
    assert_eq!(found["records"].as_array().unwrap().len(), 100);
    assert_eq!(found["moreRecords"], true);
}

#[test]
fn many_images_with_many_records_share_the_memory_for_objects() {
    let sandbox = Sandbox::new();
    let mut line = "inspect".to_owned();
    for image in 0..10 {
        sandbox.push(&format!("app{image}"), "v1", crate::support::MANIFEST);
        for number in 0..100 {
            let name = format!("store/manifests/app{image}/v1/signatures/{number:016x}.json");
            sandbox.write(&name, "{}");
        }
        line.push_str(&format!(" local://./store/app{image}:v1"));
    }
    let found = sandbox.s3lo(&format!("{line} -o json")).ends_with(0).json();
    assert_eq!(found.as_array().unwrap().len(), 10);
}

#[test]
fn json_holds_no_control_sequence() {
    let sandbox = signed();
    let digest = Digest::of(b"").to_string();
    let record = format!(
        "{{\"schemaVersion\":2,\"digest\":\"{digest}\",\"keyRef\":\"a\u{9b}31m\u{202e}b\",\"keyID\":\"x\",\"algorithm\":\"\",\"signature\":\"\",\"signedAt\":\"\"}}"
    );
    sandbox.write(&format!("{RECORDS}/0123456789abcdef.json"), record);
    let run = sandbox.s3lo(&format!("inspect {REF} -o json")).ends_with(0);
    assert!(!run.out.contains(['\u{9b}', '\u{202e}']));
    let found = run.json();
    let claimed = found["records"].as_array().unwrap().iter();
    let claimed: Vec<_> = claimed.map(|record| &record["claimedKeyRef"]).collect();
    assert!(claimed.contains(&&serde_json::json!("a\u{9b}31m\u{202e}b")));
}
