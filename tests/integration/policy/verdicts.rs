//! Verdicts by a policy, and how each is shown.

use serde_json::Value;

use super::{
    FILE, IMAGE, matches_snapshot, policy, requires, sandbox, shown, sign, signed_by, verify,
};
use crate::support::MANIFEST;
use crate::support::program::Sandbox;

const DIGEST: &str = "sha256:21d94c4ae81f56d81b98c4468796264cbff924c3fae1fd9e8379120a7d264f31";

const ANY: &str = "{ any = [\"ci\"] }";
const TWO: &str = "{ all = [\"ci\"] }, { at-least = 1, of = [\"qa\", \"security\"] }";

/// Each verdict: its title, its exit code, and the sandbox that leads to it.
fn cases() -> Vec<(&'static str, i32, Sandbox)> {
    let denied =
        "[[rules]]\nimages = [\"**\"]\ndeny = \"only images of the bucket prod are deployed\"\n";
    let other = "[[rules]]\nimages = [\"s3://prod/**\"]\nrequire = [{ any = [\"ci\"] }]\n";
    let tie = "[[rules]]\nimages = [\"local://./store/*\"]\nrequire = [{ any = [\"ci\"] }]\n\
               [[rules]]\nimages = [\"local://./store/**\"]\nrequire = [{ any = [\"qa\"] }]\n";
    let changed = signed_by(&["ci"], &requires(ANY));
    changed.push("myapp", "v1.0", &format!("{MANIFEST} "));
    let damaged = signed_by(&["ci"], &requires(ANY));
    damaged.push("myapp", "v1.0", "{}");
    let schema_1 = |policy: &str| {
        let sandbox = sandbox(policy);
        let line = format!("sign {IMAGE} --key ci.key --schema-version 1");
        sandbox.s3lo(&line).ends_with(0);
        sandbox
    };
    vec![
        ("verified", 0, signed_by(&["ci"], &requires(ANY))),
        (
            "verified by several requirements",
            0,
            signed_by(&["ci", "security"], &requires(TWO)),
        ),
        (
            "verified, signature of schema 1 where the rule accepts it",
            0,
            schema_1(&(requires(ANY) + "min-schema = 1\n")),
        ),
        (
            "verified until the end of the century",
            0,
            signed_by(
                &["ci"],
                &with_key("ci", "not-after = 2099-12-31T23:59:59Z", ANY),
            ),
        ),
        ("no signature", 1, sandbox(&requires(ANY))),
        (
            "one of two requirements not met",
            1,
            signed_by(&["ci"], &requires(TWO)),
        ),
        (
            "signed by a key that no requirement names",
            1,
            signed_by(&["old"], &requires(TWO)),
        ),
        ("signature of schema 1", 1, schema_1(&requires(ANY))),
        (
            "revoked key",
            1,
            signed_by(
                &["ci"],
                &with_key("ci", "revoked = \"runner compromised on 2026-11-03\"", ANY),
            ),
        ),
        (
            "revoked key beside one that has not signed",
            1,
            signed_by(
                &["old"],
                &with_key(
                    "old",
                    "revoked = \"replaced by ci\"",
                    "{ any = [\"ci\", \"old\"] }",
                ),
            ),
        ),
        (
            "expired key",
            1,
            signed_by(
                &["ci"],
                &with_key("ci", "not-after = 2020-01-31T00:00:00Z", ANY),
            ),
        ),
        ("no rule", 1, signed_by(&["ci"], &policy(other))),
        ("denied", 1, signed_by(&["ci"], &policy(denied))),
        (
            "denied manifest",
            1,
            signed_by(
                &["ci"],
                &(requires(ANY) + &format!("deny-digests = [\"{DIGEST}\"]\n")),
            ),
        ),
        ("changed manifest", 1, changed),
        ("no manifest", 1, damaged),
        (
            "two rules that are equally specific",
            2,
            signed_by(&["ci", "qa"], &policy(tie)),
        ),
    ]
}

/// A policy whose key of this name has one more line.
fn with_key(name: &str, line: &str, require: &str) -> String {
    let public = format!("public = \"keys/{name}.pub\"\n");
    requires(require).replace(&public, &format!("{public}{line}\n"))
}

#[test]
fn each_verdict_as_text() {
    let mut page = String::new();
    for (title, code, sandbox) in cases() {
        let run = verify(&sandbox).ends_with(code);
        page += &format!("# {title}\n{}\n", shown(&run));
        let quiet = sandbox.s3lo(&format!("-q verify {IMAGE} --policy {FILE}"));
        let quiet = quiet.ends_with(code);
        assert_eq!(quiet.out, "", "{title}");
        let expected = if code == 0 { "" } else { run.err.as_str() };
        assert_eq!(quiet.err, expected, "{title}");
    }
    matches_snapshot("each_verdict_as_text", &page);
}

#[test]
fn each_verdict_as_json() {
    let mut page = String::new();
    for (title, code, sandbox) in cases() {
        let line = format!("verify {IMAGE} --policy {FILE} -o json");
        let json = sandbox.s3lo(&line).ends_with(code).json();
        let verified = json.get("verified").is_some_and(|value| value == true);
        assert_eq!(verified, code == 0, "{title}");
        page += &format!("# {title}\n{json:#}\n\n");
    }
    matches_snapshot("each_verdict_as_json", &page);
}

#[test]
fn an_image_that_is_not_there_has_no_verdict() {
    let sandbox = signed_by(&["ci"], &requires(ANY));
    let line = format!("verify local://./store/myapp:v2 --policy {FILE}");
    insta::assert_snapshot!(sandbox.s3lo(&line).ends_with(2).err);
}

#[test]
fn a_pinned_image_must_still_be_there() {
    let sandbox = signed_by(&["ci"], &requires(ANY));
    let pinned = |digest: &str| sandbox.s3lo(&format!("verify {IMAGE}@{digest} --policy {FILE}"));
    pinned(DIGEST).ends_with(0);
    let other = format!("sha256:{}", "0".repeat(64));
    insta::assert_snapshot!(pinned(&other).ends_with(1).err);
}

#[test]
fn the_digest_in_json_is_that_of_the_file() {
    let sandbox = signed_by(&["ci"], &requires(ANY));
    let line = format!("verify {IMAGE} --policy {FILE} -o json");
    let json = sandbox.s3lo(&line).ends_with(0).json();
    let bytes = std::fs::read(sandbox.file(FILE)).unwrap();
    let digest = s3lo_core::digest::Digest::of(&bytes).to_string();
    assert_eq!(
        json["policy"],
        serde_json::json!({"path": FILE, "sha256": digest.trim_start_matches("sha256:")})
    );
}

#[test]
fn a_key_counts_once_under_two_names() {
    let twice = |public: &str, require: &str| {
        let second = format!("[keys.ci-again]\n{public}\n[[rules]]");
        requires(require).replacen("[[rules]]", &second, 1)
    };
    let inline = |sandbox: &Sandbox| {
        let pem = std::fs::read_to_string(sandbox.file("gate/keys/ci.pub")).unwrap();
        format!("public = \"\"\"\n{pem}\"\"\"")
    };
    let by_path = "public = \"keys/ci.pub\"";
    let both = "{ at-least = 2, of = [\"ci\", \"ci-again\"] }";
    let sandbox = signed_by(&["ci"], &twice(by_path, both));
    insta::assert_snapshot!(verify(&sandbox).ends_with(2).err);
    for public in [by_path.to_owned(), inline(&sandbox)] {
        sandbox.write(FILE, twice(&public, both));
        verify(&sandbox).ends_with(2);
        // With a third key it can be met, but not by those two.
        let three = "{ at-least = 2, of = [\"ci\", \"ci-again\", \"qa\"] }";
        sandbox.write(FILE, twice(&public, three));
        verify(&sandbox).ends_with(1);
        // What holds for one name holds for the other.
        let any = "{ any = [\"ci-again\"] }";
        sandbox.write(FILE, twice(&public, any));
        verify(&sandbox).ends_with(0);
        for (line, reason) in [
            ("revoked = \"lost\"", "key ci-again is revoked: lost"),
            (
                "not-after = 2020-01-31T00:00:00Z",
                "key ci-again expired on 2020-01-31T00:00:00Z",
            ),
        ] {
            let policy = twice(&public, any);
            let policy = policy.replacen(by_path, &format!("{by_path}\n{line}"), 1);
            sandbox.write(FILE, policy);
            let run = verify(&sandbox).ends_with(1);
            assert!(run.err.contains(reason), "{}", run.err);
        }
    }
    // The threshold can be reached with the other key.
    let three = "{ at-least = 2, of = [\"ci\", \"ci-again\", \"qa\"] }";
    sandbox.write(FILE, twice(by_path, three));
    sign(&sandbox, &["qa"]);
    verify(&sandbox).ends_with(0);
}

#[test]
fn several_images_are_decided_each_by_its_own_rule() {
    let rules = "[[rules]]\nimages = [\"local://./store/myapp\"]\nrequire = [{ any = [\"ci\"] }]\n\
                 [[rules]]\nimages = [\"local://./store/*\"]\nrequire = [{ any = [\"qa\"] }]\n";
    let sandbox = signed_by(&["ci"], &policy(rules));
    sandbox.push("web", "v1", MANIFEST);
    let line = "sign local://./store/web:v1 --key qa.key --schema-version 2";
    sandbox.s3lo(line).ends_with(0);
    let run = |images: &str, code| {
        let line = format!("verify {IMAGE} {images} --policy {FILE}");
        let json = sandbox.s3lo(&format!("{line} -o json")).ends_with(code);
        (json.json(), sandbox.s3lo(&line).ends_with(code))
    };
    let (json, text) = run("local://./store/web:v1", 0);
    let facts = |element: &Value| {
        let by = &element["requirements"][0]["by"];
        (
            element["ref"].clone(),
            element["rule"]["line"].clone(),
            by.clone(),
        )
    };
    let elements: Vec<_> = json.as_array().unwrap().iter().map(facts).collect();
    let expected = [(IMAGE, 11, "ci"), ("local://./store/web:v1", 14, "qa")];
    let expected = expected.map(|(name, line, by)| {
        (
            Value::from(name),
            Value::from(line),
            serde_json::json!([by]),
        )
    });
    assert_eq!(elements, expected);
    matches_snapshot("several_verified", &text.out);
    // The error of one does not hide the failure of another, in whatever order.
    sandbox.push("job", "v1", MANIFEST);
    for images in [
        "local://./store/job:v1 local://./store/none:v1",
        "local://./store/none:v1 local://./store/job:v1",
    ] {
        let (json, _) = run(images, 1);
        assert_eq!(json.as_array().unwrap().len(), 3);
    }
    let (json, text) = run("local://./store/none:v1", 2);
    assert_eq!(json[0]["verified"], true);
    assert_eq!(json[1]["error"]["code"], "image_not_found");
    assert!(
        text.err.ends_with("1 of 2 images are verified\n"),
        "{}",
        text.err
    );
}
