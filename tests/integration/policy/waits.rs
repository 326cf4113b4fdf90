//! The requests of a verification by a policy: one for the manifest and one for each key that counts, all in flight
//! together.

use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::{S3Server, s3_error};

use super::{FILE, policy, sandbox};
use crate::support::program::{Sandbox, finish};
use crate::support::{MANIFEST, eventually, minio};

const IMAGE: &str = "s3://bucket/myapp:v1.0";
const FOLDER: &str = "/bucket/manifests/myapp/v1.0";

/// A server with the image, signed by these keys, and a sandbox with a policy that names three.
fn signed_by(keys: &[&str], line: &str, require: &str) -> (S3Server, Sandbox) {
    let server = S3Server::start();
    server.put(&format!("{FOLDER}/manifest.json"), MANIFEST.as_bytes());
    let text = policy(&format!(
        "[[rules]]\nimages = [\"s3://bucket/*\"]\nrequire = [{require}]\n"
    ));
    let sandbox = sandbox(&text.replacen("qa.pub\"\n", &format!("qa.pub\"\n{line}"), 1))
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
        .with("AWS_ENDPOINT_URL_S3", &server.endpoint);
    for key in keys {
        let line = format!("sign {IMAGE} --key {key}.key --schema-version 2");
        sandbox.s3lo(&line).ends_with(0);
    }
    (server, sandbox)
}

const THREE: &str = "{ at-least = 2, of = [\"ci\", \"qa\", \"security\"] }";

fn record(sandbox: &Sandbox, key: &str) -> String {
    let line = format!("public-key --key gate/keys/{key}.pub -o json");
    let json = sandbox.s3lo(&line).ends_with(0).json();
    format!(
        "GET {FOLDER}/signatures/{}.json",
        json["keyID"].as_str().unwrap()
    )
}

/// The requests for the manifest and for the records of these keys.
fn expected(sandbox: &Sandbox, keys: &[&str]) -> Vec<String> {
    let records = keys.iter().map(|key| record(sandbox, key));
    let mut all: Vec<_> = records.collect();
    all.push(format!("GET {FOLDER}/manifest.json"));
    all.sort();
    all
}

/// The requests of a verification that ends with this exit code, without what names no path.
fn requests(server: &S3Server, sandbox: &Sandbox, code: i32) -> Vec<String> {
    let before = server.requests().len();
    let line = format!("verify {IMAGE} --policy {FILE}");
    sandbox.s3lo(&line).ends_with(code);
    let mut requests = server.requests().split_off(before);
    requests.sort();
    requests
}

#[test]
fn manifest_and_the_record_of_each_key_are_read_once_and_nothing_is_listed() {
    let (server, sandbox) = signed_by(&["ci", "qa"], "", THREE);
    let expected = expected(&sandbox, &["ci", "qa", "security"]);
    assert_eq!(requests(&server, &sandbox, 0), expected);
}

#[test]
fn a_key_in_two_requirements_is_read_once() {
    let require = format!("{{ all = [\"ci\", \"qa\"] }}, {THREE}");
    let (server, sandbox) = signed_by(&["ci", "qa"], "", &require);
    let expected = expected(&sandbox, &["ci", "qa", "security"]);
    assert_eq!(requests(&server, &sandbox, 0), expected);
}

#[test]
fn all_of_them_are_in_flight_together() {
    let (server, sandbox) = signed_by(&[], "", THREE);
    let expected = expected(&sandbox, &["ci", "qa", "security"]);
    let before = server.requests().len();
    server.fault(|_| Some(Reply::Silence));
    let mut child = sandbox.start(&["verify", IMAGE, "--policy", FILE]);
    // None is answered, so that none waits for another.
    eventually(|| {
        let mut requests = server.requests().split_off(before);
        requests.sort();
        requests.dedup();
        if requests == expected {
            Ok(())
        } else {
            Err(format!("{requests:?}"))
        }
    });
    child.kill().unwrap();
    finish(child);
}

#[test]
fn the_record_of_a_key_that_does_not_count_is_not_read() {
    for line in ["revoked = \"lost\"\n", "not-after = 2020-01-31T00:00:00Z\n"] {
        let (server, sandbox) = signed_by(&["ci", "qa", "security"], line, THREE);
        let expected = expected(&sandbox, &["ci", "security"]);
        assert_eq!(requests(&server, &sandbox, 0), expected, "{line}");
    }
}

#[test]
fn an_image_that_the_policy_refuses_by_its_name_is_not_read() {
    let (server, sandbox) = signed_by(&["ci"], "", THREE);
    let denied = "[[rules]]\nimages = [\"**\"]\ndeny = \"no\"\n";
    let unruled = "[[rules]]\nimages = [\"s3://other/**\"]\nrequire = [{ any = [\"ci\"] }]\n";
    for rules in [denied, unruled] {
        sandbox.write(FILE, policy(rules));
        assert_eq!(requests(&server, &sandbox, 1), [""; 0]);
    }
}

#[test]
fn a_record_that_cannot_be_read_matters_only_where_it_decides() {
    for (require, signed, code) in [
        ("{ any = [\"ci\", \"qa\"] }", &["ci"][..], 0),
        ("{ all = [\"ci\", \"qa\"] }", &["ci"], 2),
        ("{ any = [\"ci\"] }, { any = [\"qa\"] }", &["ci"], 2),
        ("{ any = [\"security\"] }, { any = [\"qa\"] }", &["ci"], 1),
        (THREE, &["ci", "security"], 0),
        (THREE, &["ci"], 2),
        (THREE, &[], 1),
    ] {
        let (server, sandbox) = signed_by(signed, "", require);
        let unread = record(&sandbox, "qa");
        let unread = unread.strip_prefix("GET ").unwrap().to_owned();
        server.fault(move |request| {
            // As for an archived object.
            let refused = s3_error(403, "InvalidObjectState", "The object is archived");
            (request.path == unread).then_some(refused)
        });
        let line = format!("verify {IMAGE} --policy {FILE}");
        let run = sandbox.s3lo(&line).ends_with(code);
        assert_eq!(run.out.starts_with("✓ Verified"), code == 0, "{}", run.out);
        // The error is reported whatever was decided.
        assert!(run.err.contains("error["), "{}", run.err);
        let refused = run.err.starts_with("✗ Verification FAILED");
        assert_eq!(refused, code == 1, "{}", run.err);
    }
}
