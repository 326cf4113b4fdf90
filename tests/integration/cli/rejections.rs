//! The advice of a failed verification beside its verdict.

use crate::support::MANIFEST;
use crate::support::program::Sandbox;

const REF: &str = "local://./store/myapp:v1.0";
const RECORDS: &str = "store/manifests/myapp/v1.0/signatures";

fn signed_by(keys: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with_image();
    for key in keys {
        let line = format!("sign {REF} --key keys/{key}.key --schema-version 2");
        sandbox.s3lo(&line).ends_with(0);
    }
    sandbox
}

fn rejected(sandbox: &Sandbox, options: &str) -> serde_json::Value {
    let line = format!("verify {REF} {options} -o json");
    sandbox.s3lo(&line).ends_with(1).json()
}

#[test]
fn the_records_beside_it_are_named_and_change_no_verdict() {
    let sandbox = signed_by(&["cosign", "rsa2048"]);
    let json = rejected(&sandbox, "--key keys/p384.pub");
    assert_eq!(json["recordsBeside"].as_array().unwrap().len(), 2);
    assert!(
        json["lookedAt"]
            .as_str()
            .unwrap()
            .starts_with("./store/manifests/")
    );
    assert!(json["help"].as_str().unwrap().contains("right key"));
    // Nor do names that any writer can create there.
    for name in [
        "evil\n.json",
        "0123456789ABCDEF.json",
        "x.json",
        "0123456789abcdef.json/y",
    ] {
        sandbox.write(&format!("{RECORDS}/{name}"), "{}");
    }
    let json = rejected(&sandbox, "--key keys/p384.pub");
    let beside = json["recordsBeside"].as_array().unwrap();
    let hex = |id: &str| id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(beside.iter().all(|id| hex(id.as_str().unwrap())), "{json}");
    assert_eq!(json["reason"], "no signature found for key keys/p384.pub");
}

#[test]
fn at_most_ten_records_are_named() {
    let sandbox = signed_by(&[]);
    for number in 0..50 {
        sandbox.write(&format!("{RECORDS}/{number:016x}.json"), "{}");
    }
    let json = rejected(&sandbox, "--key keys/p384.pub");
    assert_eq!(json["recordsBeside"].as_array().unwrap().len(), 10);
}

#[test]
fn an_unsigned_image_is_reported_as_such() {
    let sandbox = signed_by(&[]);
    let json = rejected(&sandbox, "--key keys/cosign.pub");
    assert_eq!(json["recordsBeside"], serde_json::json!([]));
    assert!(
        json["help"]
            .as_str()
            .unwrap()
            .starts_with("nobody has signed this image")
    );
}

#[test]
fn each_reason_has_its_remedy() {
    let sandbox = signed_by(&["cosign"]);
    let key = "--key keys/cosign.pub";
    let line = format!("sign {REF} --key keys/cosign.key --if-signed replace");
    sandbox.s3lo(&line).ends_with(0);
    let low = rejected(&sandbox, &format!("{key} --min-schema 2"));
    assert!(low["help"].as_str().unwrap().contains("--schema-version 2"));

    let pin = format!("sha256:{}", "0".repeat(64));
    let pinned = rejected(&sandbox, &format!("{key} --digest {pin}"));
    assert!(pinned["help"].as_str().unwrap().contains("find out which"));
    assert_eq!(pinned["lookedAt"], serde_json::Value::Null);

    sandbox.push("myapp", "v1.0", &format!("{MANIFEST} "));
    let moved = rejected(&sandbox, key);
    assert!(
        moved["help"]
            .as_str()
            .unwrap()
            .starts_with("the manifest of myapp:v1.0 changed after it was signed")
    );
}

#[test]
fn a_spelling_of_the_root_is_thought_of() {
    let sandbox = signed_by(&["cosign"]);
    let line = "verify local://store/myapp:v1.0 --key keys/cosign.pub";
    let run = sandbox.s3lo(line).ends_with(1);
    assert!(run.err.contains("`./store` is not `store`"), "{}", run.err);
}
