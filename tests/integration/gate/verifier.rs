//! What passes and what does not, and that everything else blocks with one line.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{GATE, POLICY, ask, asked, digest, line, manifest, node, prepare, sign};
use crate::aws::credentials::{bare, instance};
use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING};
use crate::support::program::{Sandbox, finish};
use s3lo_test_servers::http::Reply;

const NAME: &str = "registry.example:5000/myapp:v1.0";

fn signed() -> Sandbox {
    let sandbox = node();
    sandbox.push("myapp", "v1.0", MANIFEST);
    sign(&sandbox, "myapp:v1.0");
    sandbox
}

/// Asserts that an image is blocked for this reason.
#[track_caller]
fn blocked(sandbox: &Sandbox, name: &str, digest: &str, code: i32, start: &str) -> String {
    let run = ask(sandbox, name, digest).ends_with(code);
    let line = line(&run).to_owned();
    assert!(line.starts_with(start), "{line}");
    line
}

#[test]
fn a_signed_image_passes_and_an_unsigned_one_does_not() {
    let sandbox = signed();
    let run = ask(&sandbox, NAME, &digest(MANIFEST)).ends_with(0);
    let expected = format!(
        "allowed: local://./store/myapp:v1.0@{} is verified",
        digest(MANIFEST)
    );
    assert_eq!(line(&run), expected);
    sandbox.push("myapp", "v1.1", MANIFEST);
    let other = NAME.replace("v1.0", "v1.1");
    let reason = "refused[image_refused]: local://./store/myapp:v1.1: no signature found for key ";
    blocked(&sandbox, &other, &digest(MANIFEST), 1, reason);
}

#[test]
fn the_tag_must_hold_what_containerd_resolved() {
    let sandbox = signed();
    let (old, new) = (digest(MANIFEST), digest(&manifest(1)));
    // A registry that serves another manifest than the store has.
    let reason = "refused[image_refused]: local://./store/myapp:v1.0: manifest changed: pinned ";
    blocked(&sandbox, NAME, &new, 1, reason);
    // A push after the signature.
    sandbox.push("myapp", "v1.0", &manifest(1));
    blocked(&sandbox, NAME, &old, 1, reason);
    let reason = "refused[image_refused]: local://./store/myapp:v1.0: manifest changed: signed ";
    blocked(&sandbox, NAME, &new, 1, reason);
}

#[test]
fn a_signature_of_another_tag_or_of_schema_1_does_not_count() {
    let sandbox = signed();
    let store = sandbox.file("store/manifests/myapp");
    crate::support::copy(&store.join("v1.0"), &store.join("v2.0"));
    let reason = "refused[image_refused]: local://./store/myapp:v2.0: invalid signature: ";
    blocked(
        &sandbox,
        &NAME.replace("v1.0", "v2.0"),
        &digest(MANIFEST),
        1,
        reason,
    );
    let line =
        "sign local://./store/myapp:v1.0 --key ci.key --schema-version 1 --if-signed replace";
    sandbox.s3lo(line).ends_with(0);
    let reason = "refused[image_refused]: local://./store/myapp:v1.0: unsupported signature schema version 1";
    blocked(&sandbox, NAME, &digest(MANIFEST), 1, reason);
}

#[test]
fn a_tag_that_is_not_in_the_store_is_not_decided() {
    let sandbox = signed();
    let reason = "error[image_not_found]: there is no image `other:v1` in the store `./store`";
    blocked(
        &sandbox,
        "registry.example:5000/other:v1",
        &digest(MANIFEST),
        2,
        reason,
    );
}

#[test]
fn for_images_of_other_hosts_nothing_is_set_up() {
    let sandbox = node();
    std::fs::remove_file(sandbox.file("policy.toml")).unwrap();
    // Neither is the policy read, nor are variables of AWS.
    let sandbox = sandbox
        .with("AWS_REGION", "no region")
        .with("HTTPS_PROXY", "no proxy");
    let other = "docker.io/library/alpine:3.22";
    let run = ask(&sandbox, other, &digest(MANIFEST)).ends_with(0);
    assert_eq!(
        line(&run),
        "allowed: docker.io is not among the hosts of the gate"
    );
    sandbox.write("gate.toml", GATE.replace("allow", "deny"));
    let reason = "refused[other_image]: `docker.io` is not among the hosts of the gate, and `other-images` is `deny`";
    blocked(&sandbox, other, &digest(MANIFEST), 1, reason);
}

#[test]
fn no_settings_no_image() {
    let sandbox = signed();
    let missing = ask(
        &sandbox.with("S3LO_GATE_CONFIG", "none.toml"),
        NAME,
        &digest(MANIFEST),
    );
    let reason = "error[gate_file_not_found]: there is no `none.toml`; help: write it, ";
    assert!(line(&missing.ends_with(2)).starts_with(reason));
    let sandbox = signed();
    sandbox.write("gate.toml", GATE.replace("other-images", "other_images"));
    let reason =
        "error[bad_gate_file]: gate.toml:2:1: unknown field `other_images`, expected one of ";
    blocked(&sandbox, NAME, &digest(MANIFEST), 2, reason);
    // Not even one of another host.
    blocked(
        &sandbox,
        "docker.io/library/alpine:3.22",
        &digest(MANIFEST),
        2,
        reason,
    );
    sandbox.write("gate.toml", "x".repeat(64 * 1024 + 1));
    let reason =
        "error[gate_file_unreadable]: `gate.toml` cannot be read: it is larger than 65536 bytes";
    blocked(&sandbox, NAME, &digest(MANIFEST), 2, reason);
    sandbox.write("gate.toml", GATE);
    sandbox.write("policy.toml", POLICY.replace("[keys.ci]", "[key.ci]"));
    blocked(&sandbox, NAME, &digest(MANIFEST), 2, "error[bad_policy]: ");
}

#[test]
fn arguments_that_are_not_containerds_are_no_image() {
    let sandbox = signed();
    let digest = digest(MANIFEST);
    for (arguments, start) in [
        (vec!["-name", NAME], "error[usage]: `-digest` is missing"),
        (vec!["-digest", &digest], "error[usage]: `-name` is missing"),
        (
            vec!["-name", NAME, "-digest", &digest, "-policy", "other.toml"],
            "error[usage]: `-policy` is not an argument of an image verifier",
        ),
        (
            vec!["-name", NAME, "-digest", &digest, "--key", "\u{1b}[2J"],
            "error[usage]: `--key` is not",
        ),
    ] {
        let run = sandbox.run(&arguments).ends_with(2);
        assert!(line(&run).starts_with(start), "{}", run.out);
    }
    // Without arguments it is a command line, which passes nothing either.
    sandbox.run(&[] as &[&str]).ends_with(2);
    let both = [
        "--digest",
        digest.as_str(),
        "--name=registry.example:5000/myapp:v1.0",
    ];
    sandbox.run(&both).ends_with(0);
}

#[test]
fn the_answer_does_not_wait_for_stdin() {
    let sandbox = signed();
    // Nobody writes, and nobody closes.
    let mut silent = asked(&sandbox, NAME, &digest(MANIFEST));
    let open = silent.stdin.take();
    line(&finish(silent).ends_with(0));
    drop(open);
    let mut closed = asked(&sandbox, NAME, &digest(MANIFEST));
    drop(closed.stdin.take());
    line(&finish(closed).ends_with(0));
    // Without end: the writer is the one that gets an error.
    let mut flooded = asked(&sandbox, NAME, &digest(MANIFEST));
    let mut stdin = flooded.stdin.take().unwrap();
    let writer = std::thread::spawn(move || while stdin.write_all(&[b'x'; 65536]).is_ok() {});
    line(&finish(flooded).ends_with(0));
    writer.join().unwrap();
    let mut command = sandbox.command(&["-name", NAME, "-digest", &digest(MANIFEST)]);
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    line(&finish(command.stdin(Stdio::from(zeros)).spawn().unwrap()).ends_with(0));
}

/// A node of AWS, whose instance has a role, with a signed image in `my-bucket`.
fn node_of_aws(policy: &str) -> (AwsFixture, s3lo_test_servers::s3::S3Server) {
    let (mut aws, metadata) = bare();
    prepare(&aws.sandbox);
    let gate = GATE.replace("store = \"local://./store\"", "bucket = \"my-bucket\"");
    aws.sandbox.write("gate.toml", gate);
    aws.sandbox.set("S3LO_GATE_CONFIG", "gate.toml");
    let dev = aws.server.user("dev", EVERYTHING).environment();
    aws.set(&dev);
    aws.s3lo("sign s3://my-bucket/myapp:v1.0 --key ci.key --schema-version 2")
        .ends_with(0);
    dev.iter().for_each(|(name, _)| aws.sandbox.unset(name));
    let credentials = aws.server.session("node", policy);
    instance(&metadata, &credentials);
    (aws, metadata)
}

const READ: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/manifests/*"}
]}"#;

#[test]
fn the_credentials_are_those_of_the_node() {
    let (mut aws, metadata) = node_of_aws(READ);
    let run = ask(&aws.sandbox, NAME, &digest(MANIFEST)).ends_with(0);
    assert!(line(&run).starts_with("allowed: s3://my-bucket/myapp:v1.0@sha256:"));
    let asked = metadata.requests().len();
    assert!(asked > 0);
    // Whatever containerd was started by.
    aws.sandbox.set("CI", "true");
    aws.sandbox.set("GITLAB_CI", "true");
    line(&ask(&aws.sandbox, NAME, &digest(MANIFEST)).ends_with(0));
    assert!(metadata.requests().len() > asked);
    // Nothing is remembered.
    aws.s3
        .remove("/my-bucket/manifests/myapp/v1.0/manifest.json");
    let run = ask(&aws.sandbox, NAME, &digest(MANIFEST)).ends_with(2);
    assert!(line(&run).starts_with("error["), "{}", run.out);
}

#[test]
fn without_the_rights_to_read_nothing_is_decided() {
    let nothing = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let (mut aws, metadata) = node_of_aws(nothing);
    let run = ask(&aws.sandbox, NAME, &digest(MANIFEST)).ends_with(2);
    assert!(
        line(&run).starts_with("error[access_denied]: "),
        "{}",
        run.out
    );
    metadata.fault(|_| Some(Reply::HangUp));
    let run = ask(&aws.sandbox, NAME, &digest(MANIFEST)).ends_with(2);
    assert!(line(&run).contains("metadata"), "{}", run.out);
    aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
    let run = ask(&aws.sandbox, NAME, &digest(MANIFEST)).ends_with(2);
    assert!(
        line(&run).starts_with("error[no_credentials]: "),
        "{}",
        run.out
    );
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_until_containerd_would_end_it() {
    let (aws, _metadata) = node_of_aws(READ);
    aws.s3.fault(|_| Some(Reply::Silence));
    let began = Instant::now();
    let run = ask(&aws.sandbox, NAME, &digest(MANIFEST)).ends_with(2);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(8), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let reason = "error[timed_out]: gave up after 8s: S3 at http://127.0.0.1:";
    assert!(line(&run).starts_with(reason), "{}", run.out);
    assert!(
        line(&run).contains(" did not answer GetObject for "),
        "{}",
        run.out
    );
}

#[test]
fn many_pulls_at_once_are_each_decided() {
    let sandbox = signed();
    sandbox.push("myapp", "v1.1", MANIFEST);
    let children: Vec<_> = (0..40)
        .map(|number| {
            let name = match number % 2 {
                0 => NAME.to_owned(),
                _ => NAME.replace("v1.0", "v1.1"),
            };
            (number % 2, asked(&sandbox, &name, &digest(MANIFEST)))
        })
        .collect();
    for (code, child) in children {
        line(&finish(child).ends_with(code));
    }
}
