//! Images that are pulled by their digest alone.

use super::{GATE, ask, digest, line, manifest, node, prepare, sign};
use crate::support::MANIFEST;
use crate::support::aws_fixture::AwsFixture;
use crate::support::program::Sandbox;

fn any_tag() -> Sandbox {
    let sandbox = node();
    sandbox.write("gate.toml", format!("by-digest = \"any-tag\"\n{GATE}"));
    sandbox
}

fn name(manifest: &str) -> String {
    format!("registry.example:5000/myapp@{}", digest(manifest))
}

#[test]
fn they_are_refused_unless_the_file_says_otherwise() {
    let sandbox = node();
    sandbox.push("myapp", "v1", MANIFEST);
    sign(&sandbox, "myapp:v1");
    let run = ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(1);
    insta::assert_snapshot!(line(&run), @"refused[by_digest]: `registry.example:5000/myapp` is pulled by its digest alone; help: name it by its tag alone, since the kubelet drops the tag of IMAGE:TAG@sha256:…, or set by-digest = \"any-tag\"");
    // A client that keeps the tag is asked about the tag.
    let both = name(MANIFEST).replace('@', ":v1@");
    line(&ask(&sandbox, &both, &digest(MANIFEST)).ends_with(0));
    sandbox.push("myapp", "v2", MANIFEST);
    let other = name(MANIFEST).replace('@', ":v2@");
    line(&ask(&sandbox, &other, &digest(MANIFEST)).ends_with(1));
}

#[test]
fn one_signed_tag_with_the_digest_is_enough() {
    let sandbox = any_tag();
    for (tag, manifest) in [
        ("a", MANIFEST),
        ("b", &manifest(1)),
        ("c", MANIFEST),
        ("d", MANIFEST),
    ] {
        sandbox.push("myapp", tag, manifest);
    }
    let run = ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(1);
    let reason = format!(
        "refused[image_refused]: local://./store/myapp@{}: no tag with this digest passes; of `a`: no signature found for key ci",
        digest(MANIFEST)
    );
    assert!(line(&run).starts_with(&reason), "{}", run.out);
    // The signature of a tag with another manifest is none.
    sign(&sandbox, "myapp:b");
    ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(1);
    sign(&sandbox, "myapp:c");
    let run = ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(0);
    assert!(line(&run).contains("/myapp:c@"), "{}", run.out);
    let run = ask(&sandbox, &name(&manifest(2)), &digest(&manifest(2))).ends_with(1);
    let reason = "refused[no_tag_with_digest]: no tag of `local://./store/myapp` has the digest ";
    assert!(line(&run).starts_with(reason), "{}", run.out);
}

#[test]
fn an_image_without_a_rule_is_named_without_a_tag() {
    let sandbox = any_tag();
    sandbox.push("myapp", "v1", MANIFEST);
    sandbox.write(
        "policy.toml",
        super::POLICY.replace("**", "local://./other/**"),
    );
    let run = ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(1);
    let start = format!(
        "refused[image_refused]: local://./store/myapp@{}: ",
        digest(MANIFEST)
    );
    assert!(line(&run).starts_with(&start), "{}", run.out);
}

#[test]
fn what_is_no_tag_is_passed_over() {
    let sandbox = any_tag();
    sandbox.push("myapp", "v1", MANIFEST);
    sign(&sandbox, "myapp:v1");
    // Another image below, a tag without a manifest, one that is no file, one that is too large.
    sandbox.push("myapp/below", "v1", &manifest(1));
    sandbox.write("store/manifests/myapp/none/oci-layout", "{}");
    std::fs::create_dir_all(sandbox.file("store/manifests/myapp/folder/manifest.json")).unwrap();
    sandbox.push("myapp", "huge", &"x".repeat(4 * 1024 * 1024 + 1));
    sandbox.push("myapp", "a:b", MANIFEST);
    line(&ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(0));
    let below = digest(&manifest(1));
    ask(&sandbox, &name(&manifest(1)), &below).ends_with(1);
}

/// A store without end is not searched.
#[test]
fn more_than_two_hundred_tags_are_not_searched() {
    let sandbox = any_tag();
    for number in 0..199 {
        sandbox.push("myapp", &format!("v{number}"), &manifest(number));
    }
    sandbox.push("myapp", "z", MANIFEST);
    sign(&sandbox, "myapp:z");
    line(&ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(0));
    sandbox.push("myapp", "zz", MANIFEST);
    let run = ask(&sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(1);
    insta::assert_snapshot!(line(&run), @"refused[too_many_tags]: `local://./store/myapp` has more than 200 tags, of which any might have the digest; help: name it by its tag");
}

#[test]
fn the_tags_of_a_bucket_are_read_from_all_pages() {
    let mut aws = AwsFixture::new();
    prepare(&aws.sandbox);
    let gate = GATE.replace("store = \"local://./store\"", "bucket = \"my-bucket\"");
    aws.sandbox
        .write("gate.toml", format!("by-digest = \"any-tag\"\n{gate}"));
    aws.sandbox.set("S3LO_GATE_CONFIG", "gate.toml");
    let path = |tag: &str| format!("/my-bucket/manifests/many/{tag}/manifest.json");
    for number in 0..150 {
        aws.s3
            .put(&path(&format!("v{number}")), manifest(number).as_bytes());
    }
    aws.s3.put(&path("z"), MANIFEST.as_bytes());
    aws.s3lo("sign s3://my-bucket/many:z --key ci.key --schema-version 2")
        .ends_with(0);
    let name = name(MANIFEST).replace("myapp", "many");
    let run = ask(&aws.sandbox, &name, &digest(MANIFEST)).ends_with(0);
    assert!(line(&run).contains("/many:z@"), "{}", run.out);
    for number in 150..200 {
        aws.s3
            .put(&path(&format!("v{number}")), manifest(number).as_bytes());
    }
    let run = ask(&aws.sandbox, &name, &digest(MANIFEST)).ends_with(1);
    assert!(
        line(&run).starts_with("refused[too_many_tags]"),
        "{}",
        run.out
    );
}

/// What could not be looked at might be the tag that passes.
#[test]
fn a_tag_that_cannot_be_read_leaves_it_open() {
    let mut aws = AwsFixture::new();
    prepare(&aws.sandbox);
    let gate = GATE.replace("store = \"local://./store\"", "bucket = \"my-bucket\"");
    aws.sandbox
        .write("gate.toml", format!("by-digest = \"any-tag\"\n{gate}"));
    aws.sandbox.set("S3LO_GATE_CONFIG", "gate.toml");
    aws.sandbox.set("AWS_MAX_ATTEMPTS", "1");
    let broken = "/my-bucket/manifests/myapp/v0/manifest.json";
    aws.s3.put(broken, MANIFEST.as_bytes());
    let server_error = move |request: &s3lo_test_servers::http::Request| {
        let hit = request.method == "GET" && request.path == broken;
        hit.then(|| s3lo_test_servers::s3::s3_error(500, "InternalError", "no"))
    };
    aws.s3.fault(server_error);
    let run = ask(&aws.sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(2);
    assert!(line(&run).starts_with("error["), "{}", run.out);
    aws.s3lo("sign s3://my-bucket/myapp:v1.0 --key ci.key --schema-version 2")
        .ends_with(0);
    let run = ask(&aws.sandbox, &name(MANIFEST), &digest(MANIFEST)).ends_with(0);
    assert!(line(&run).contains("/myapp:v1.0@"), "{}", run.out);
}
