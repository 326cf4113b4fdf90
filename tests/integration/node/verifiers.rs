//! containerd's side of the image verifier protocol, by a verifier that is a script.

use std::fs;
use std::path::PathBuf;

use s3lo_test_servers::registry::Registry;

use super::containerd::{Containerd, Pull};
use super::images::Image;
use crate::support::program::Sandbox;

const HOST: &str = "registry.example:5000";

/// A store in a folder, a registry of it, and a script that verifies.
struct Scripted {
    sandbox: Sandbox,
    registry: Registry,
    containerd: Containerd,
}

impl Scripted {
    /// A node that pulls from the bucket `prod`.
    fn new(script: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write_program("verifiers/script", &format!("#!/bin/sh\n{script}"));
        let registry = Registry::of_bucket("prod", sandbox.file("stores"));
        sandbox.write(
            &format!("hosts/{}_/hosts.toml", HOST.replace(':', "_")),
            format!("server = \"{}\"\n", registry.endpoint),
        );
        let folder = sandbox.path().to_str().unwrap().to_owned();
        let environment = [("FOLDER".to_owned(), folder)];
        let containerd = Containerd::start(&sandbox.file("verifiers"), &environment);
        Self {
            sandbox,
            registry,
            containerd,
        }
    }

    fn push(&self, reference: &str, image: &Image) {
        image.push(&format!("prod/{reference}"), |path, bytes| {
            self.sandbox.write(&format!("stores{path}"), bytes);
        });
    }

    fn hosts(&self) -> PathBuf {
        self.sandbox.file("hosts")
    }

    fn pull(&self, image: &str) -> Pull {
        self.containerd
            .pull(&format!("{HOST}/{image}"), &self.hosts())
    }
}

#[test]
fn an_image_is_pulled_if_the_verifier_allows_it_and_nothing_is_fetched_if_not() {
    let node = Scripted::new(r#"echo "because of $2"; case "$2" in *:good) ;; *) exit 1 ;; esac"#);
    let (image, index) = (Image::new("one"), Image::index("two"));
    node.push("app:bad", &image);
    node.push("team/app:bad", &index);
    for (name, image) in [("app:bad", &image), ("team/app:bad", &index)] {
        let name = format!("{HOST}/{name}");
        let message = format!(
            "image verifier bindir blocked pull of {name} with digest {} for reason: verifier script rejected image \
             (exit code 1): because of {name}",
            image.digest()
        );
        assert_eq!(
            node.containerd.pull(&name, &node.hosts()),
            Pull::Blocked(message)
        );
    }
    assert_eq!(node.containerd.contents(), [""; 0]);
    assert!(
        node.registry
            .requests()
            .iter()
            .all(|line| line.starts_with("HEAD "))
    );

    node.push("app:good", &image);
    node.push("team/app:good", &index);
    assert_eq!(node.pull("app:good"), Pull::Allowed);
    assert_eq!(node.pull("team/app:good"), Pull::Allowed);
    let names = ["app", "team/app"].map(|name| format!("{HOST}/{name}:good"));
    assert_eq!(node.containerd.images(), names);
    assert!(node.containerd.contents().contains(&index.digest()));
}

#[test]
fn a_verifier_gets_the_name_as_typed_and_the_digest_of_the_index_alone() {
    let node = Scripted::new(
        r#"echo "$*" >>"$FOLDER/calls"; cat >>"$FOLDER/stdin"; env | cut -d = -f 1 >"$FOLDER/names""#,
    );
    let (image, index) = (Image::new("one"), Image::index("two"));
    node.push("app:v1", &image);
    node.push("app:v2", &index);
    let pinned = format!("app:v1@{}", image.digest());
    let digest_alone = format!("app@{}", index.digest());
    let mut calls = String::new();
    let mut stdin = String::new();
    for (name, image, kind) in [
        ("app:v1", &image, "manifest"),
        ("app:v2", &index, "index"),
        (&pinned, &image, "manifest"),
        (&digest_alone, &index, "index"),
        // Spellings that lead to the same place.
        ("%61pp:v1", &image, "manifest"),
        ("/app:v1?x", &image, "manifest"),
    ] {
        assert_eq!(node.pull(name), Pull::Allowed, "{name}");
        let digest = image.digest();
        calls += &format!(
            "-name {HOST}/{name} -digest {digest} -stdin-media-type application/vnd.oci.descriptor.v1+json\n"
        );
        let size = image.manifest.len();
        stdin += &format!(
            "{{\"mediaType\":\"application/vnd.oci.image.{kind}.v1+json\",\"digest\":\"{digest}\",\"size\":{size}}}\n"
        );
    }
    let written = |name: &str| fs::read_to_string(node.sandbox.file(name)).unwrap();
    assert_eq!(written("calls"), calls);
    assert_eq!(written("stdin"), stdin);
    // Its environment is containerd's.
    let names = written("names");
    let mut names: Vec<_> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["FOLDER", "LD_LIBRARY_PATH", "PATH", "PWD"]);
}
