//! The gate as containerd's image verifier: which pulls it allows, and the reasons that are shown for the others.

use std::fs;

use super::containerd::Pull;
use super::fixture::{Buckets, Node, OF_ALL, OF_PROD};
use super::images::Image;

/// What becomes of a pull.
#[derive(Clone, Copy)]
enum Expected {
    Allowed,
    /// Blocked, with this exit code and this in its reason.
    Blocked(i32, &'static str),
}

use Expected::{Allowed, Blocked};

/// Pulls each image, and shows all that do not end as they should.
#[track_caller]
fn pulls(node: &Node, cases: &[(String, Expected)]) {
    let wrong = cases.iter().filter_map(|(image, expected)| {
        let pull = node.pull(image);
        (!is(&pull, image, *expected)).then(|| format!("{image}: {pull:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a pull ended as expected.
fn is(pull: &Pull, image: &str, expected: Expected) -> bool {
    match (pull, expected) {
        (Pull::Allowed, Allowed) => true,
        (Pull::Blocked(message), Blocked(code, reason)) => {
            let head = format!("image verifier bindir blocked pull of {image} with digest sha256:");
            let rejected = format!("verifier s3lo rejected image (exit code {code}): ");
            let shown = message
                .strip_prefix(&head)
                .and_then(|rest| rest.split_once(&rejected));
            // It is shown as it is: in a terminal, and in the events of a pod.
            shown.is_some_and(|(_, text)| {
                !text.is_empty() && text.contains(reason) && !text.contains(char::is_control)
            })
        }
        _ => false,
    }
}

fn of(host: &str, cases: &[(&str, Expected)]) -> Vec<(String, Expected)> {
    let whole = |(image, expected): &(&str, Expected)| (format!("{host}/{image}"), *expected);
    cases.iter().map(whole).collect()
}

#[test]
fn an_image_is_pulled_if_its_tag_is_signed_as_the_policy_requires() {
    let buckets = Buckets::new();
    let (image, index) = (Image::new("one"), Image::index("two"));
    for name in [
        "signed",
        "moved",
        "schema-1",
        "no-record",
        "not-a-record",
        "other-key",
        "copied",
    ] {
        buckets.push(&format!("prod/app:{name}"), &image);
    }
    buckets.push("prod/app:index", &index);
    buckets.push("prod/app:index-unsigned", &index);
    buckets.push("prod/team/service/app:v1", &image);
    buckets.push("dev/app:v1", &image);
    let signed = [
        "prod/app:signed",
        "prod/app:moved",
        "prod/app:index",
        "prod/team/service/app:v1",
        "dev/app:v1",
    ];
    buckets.sign(&signed, "cosign", "2");
    buckets.sign(&["prod/app:schema-1"], "cosign", "1");
    buckets.sign(&["prod/app:other-key"], "p384", "2");
    buckets.push("prod/app:moved", &Image::new("another"));
    buckets.copy_signatures("prod/app:signed", "prod/app:copied");
    buckets.copy_signatures("prod/app:signed", "prod/app:not-a-record");
    for path in buckets.s3.paths() {
        if path.starts_with("/prod/manifests/app/not-a-record/signatures/") {
            buckets
                .s3
                .put(&path, b"{\"schemaVersion\": \"\x1b[31m\n2\"}");
        }
    }
    let node = Node::new(buckets);
    let cases = [
        ("app:signed", Allowed),
        ("app:index", Allowed),
        ("team/service/app:v1", Allowed),
        ("app:no-record", Blocked(1, "no signature")),
        ("app:index-unsigned", Blocked(1, "no signature")),
        ("app:not-a-record", Blocked(1, "signature record")),
        ("app:moved", Blocked(1, "manifest changed")),
        ("app:schema-1", Blocked(1, "schema")),
        ("app:other-key", Blocked(1, "no signature")),
        ("app:copied", Blocked(1, "invalid signature")),
    ];
    pulls(&node, &of(OF_PROD, &cases));
    pulls(&node, &of(&format!("{OF_ALL}/prod"), &cases));
    pulls(
        &node,
        &[(format!("{OF_ALL}/dev/app:v1"), Blocked(1, "no rule"))],
    );
}

#[test]
fn images_of_other_hosts_are_pulled_if_the_file_allows_them() {
    let buckets = Buckets::new();
    let image = Image::new("one");
    buckets.push_signed("prod/app:signed", &image);
    buckets.push("prod/app:v1", &image);
    let node = Node::new(buckets);
    let signed = of(OF_PROD, &[("app:signed", Allowed)]);
    pulls(&node, &signed);
    pulls(&node, &of("other.example", &[("app:v1", Allowed)]));
    node.buckets.configure("deny", "deny");
    pulls(&node, &signed);
    let denied = [
        ("app:v1", Blocked(1, "other.example")),
        ("app:signed", Blocked(1, "other.example")),
    ];
    pulls(&node, &of("other.example", &denied));
}

#[test]
fn another_spelling_of_a_name_is_not_an_image_of_another_host() {
    let buckets = Buckets::new();
    buckets.push("prod/app:v1", &Image::new("one"));
    let node = Node::new(buckets);
    // containerd takes all of them for the same place.
    for name in [
        "registry.example:5000/%61pp:v1",
        "registry.example:5000//app:v1",
        "registry.example:5000/./app:v1",
        "registry.example:5000/app:v1?x=1",
        "ci@registry.example:5000/app:v1",
        "REGISTRY.EXAMPLE:5000/app:v1",
        "S3.LOCAL/prod/app:v1",
        "s3.local//prod/app:v1",
    ] {
        let pull = node.pull(name);
        assert!(is(&pull, name, Blocked(1, "")), "{name}: {pull:?}");
    }
}

#[test]
fn a_digest_is_enough_if_the_file_says_so_and_a_tag_has_it() {
    let buckets = Buckets::new();
    let (image, unsigned) = (Image::index("one"), Image::new("two"));
    buckets.push("prod/app:unsigned", &unsigned);
    buckets.push("prod/app:also-unsigned", &image);
    buckets.push_signed("prod/app:v1", &image);
    let node = Node::new(buckets);
    let of_image = |expected| (format!("{OF_PROD}/app@{}", image.digest()), expected);
    let of_unsigned = |expected| (format!("{OF_PROD}/app@{}", unsigned.digest()), expected);
    // With its tag it is the tag that has to be signed, for this very digest.
    let with_tag = |tag: &str, image: &Image, expected| {
        (format!("{OF_PROD}/app:{tag}@{}", image.digest()), expected)
    };
    let by_tag = [
        with_tag("v1", &image, Allowed),
        with_tag("v1", &unsigned, Blocked(1, "manifest changed")),
        with_tag("unsigned", &unsigned, Blocked(1, "no signature")),
        with_tag("also-unsigned", &image, Blocked(1, "no signature")),
    ];
    pulls(&node, &by_tag);
    let denied = [
        of_image(Blocked(1, "digest")),
        of_unsigned(Blocked(1, "digest")),
    ];
    pulls(&node, &denied);
    node.buckets.configure("allow", "any-tag");
    pulls(&node, &by_tag);
    pulls(
        &node,
        &[of_image(Allowed), of_unsigned(Blocked(1, "sha256:"))],
    );
}

#[test]
fn a_gate_that_cannot_read_its_files_blocks_every_image() {
    let buckets = Buckets::new();
    let image = Image::new("one");
    buckets.push_signed("prod/app:v1", &image);
    let node = Node::new(buckets);
    let sandbox = &node.buckets.sandbox;
    let good = fs::read_to_string(sandbox.file("gate.toml")).unwrap();
    let policy = sandbox.file("policy.toml");
    let without = |line: &str| good.replace(line, "");
    let files = [
        String::new(),
        "policy = ".to_owned(),
        without("other-images = \"allow\""),
        good.replace("\"allow\"", "\"warn\""),
        format!("unknown = 1\n{good}"),
    ];
    for file in files {
        sandbox.write("gate.toml", &file);
        for name in ["registry.example:5000/app:v1", "other.example/app:v1"] {
            let pull = node.pull(name);
            assert!(is(&pull, name, Blocked(2, ".toml")), "{pull:?}: {file}");
        }
    }
    // The policy is for the hosts of the file.
    let allowed = [("other.example/app:v1".to_owned(), Allowed)];
    let missing = good.replace("policy.toml", "missing.toml");
    sandbox.write("gate.toml", missing);
    let blocked = [("app:v1", Blocked(2, "missing.toml"))];
    pulls(&node, &of(OF_PROD, &blocked));
    pulls(&node, &allowed);
    sandbox.write("gate.toml", &good);
    fs::write(&policy, "version = 1").unwrap();
    let blocked = [("app:v1", Blocked(2, "policy.toml"))];
    pulls(&node, &of(OF_PROD, &blocked));
    pulls(&node, &allowed);
}

#[test]
fn a_hundred_pulls_at_once_end_as_each_should() {
    let buckets = Buckets::new();
    let tags: Vec<_> = (0..100)
        .map(|number| format!("prod/app:v{number}"))
        .collect();
    for tag in &tags {
        buckets.push(tag, &Image::new(tag));
    }
    let signed: Vec<_> = tags.iter().step_by(2).map(String::as_str).collect();
    buckets.sign(&signed, "cosign", "2");
    let node = Node::new(buckets);
    let started: Vec<_> = (0..100)
        .map(|number| {
            let name = format!("{OF_PROD}/app:v{number}");
            (node.start_pull(&name), name, number)
        })
        .collect();
    let wrong = started.into_iter().filter_map(|(pulling, name, number)| {
        let expected = match number % 2 {
            0 => Allowed,
            _ => Blocked(1, "no signature"),
        };
        let pull = pulling.finish();
        (!is(&pull, &name, expected)).then(|| format!("{name}: {pull:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(node.containerd.images().len(), 50);
}
