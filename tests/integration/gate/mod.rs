//! The gate of a node: the program as containerd's image verifier, and the check of a node. That a real containerd asks it
//! is tested in `node`.

pub(crate) mod against_containerd;
pub(crate) mod by_digest;
pub(crate) mod check;
pub(crate) mod names;
pub(crate) mod verifier;

use std::io::Write as _;
use std::process::{Child, Stdio};

use s3lo_core::digest::Digest;

use crate::support::program::{Run, Sandbox, finish};
use crate::support::{MANIFEST, plain_key, vectors};

/// The gate's file of a node: one host whose images are in a directory.
pub(crate) const GATE: &str = "\
policy = \"policy.toml\"
other-images = \"allow\"
[[hosts]]
host = \"registry.example:5000\"
store = \"local://./store\"
";

/// A policy that trusts one key for everything.
pub(crate) const POLICY: &str = "\
version = 1
[keys.ci]
public = \"ci.pub\"
[[rules]]
images = [\"**\"]
require = [{ any = [\"ci\"] }]
";

/// A sandbox that is a node: with the gate's file, a policy, and the signer's key.
pub(crate) fn node() -> Sandbox {
    let sandbox = Sandbox::new();
    prepare(&sandbox);
    sandbox.with("S3LO_GATE_CONFIG", "gate.toml")
}

/// Writes the files of a node.
pub(crate) fn prepare(sandbox: &Sandbox) {
    sandbox.write("gate.toml", GATE);
    sandbox.write("policy.toml", POLICY);
    sandbox.write("ci.key", plain_key());
    let public = vectors().join("plain-keys/p256-pkcs8.pub");
    std::fs::copy(public, sandbox.file("ci.pub")).unwrap();
}

/// Signs an image that is in `./store`, in schema 2.
#[track_caller]
pub(crate) fn sign(sandbox: &Sandbox, image: &str) {
    let line = format!("sign local://./store/{image} --key ci.key --schema-version 2");
    sandbox.s3lo(&line).ends_with(0);
}

/// The digest of a manifest.
pub(crate) fn digest(manifest: &str) -> String {
    Digest::of(manifest.as_bytes()).to_string()
}

/// Another manifest than [`MANIFEST`], by its number.
pub(crate) fn manifest(number: usize) -> String {
    MANIFEST.replace(
        "\"layers\":[]",
        &format!("\"annotations\":{{\"n\":\"{number}\"}},\"layers\":[]"),
    )
}

/// The media type of stdin that containerd names.
const MEDIA_TYPE: &str = "application/vnd.oci.descriptor.v1+json";

/// Asks the gate as containerd does, with the descriptor on stdin.
pub(crate) fn ask(sandbox: &Sandbox, name: &str, digest: &str) -> Run {
    let mut child = asked(sandbox, name, digest);
    let descriptor = format!(
        "{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{digest}\",\"size\":2}}\n"
    );
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(descriptor.as_bytes());
    finish(child)
}

/// Starts the gate, with a pipe for stdin.
pub(crate) fn asked(sandbox: &Sandbox, name: &str, digest: &str) -> Child {
    let arguments = [
        "-name",
        name,
        "-digest",
        digest,
        "-stdin-media-type",
        MEDIA_TYPE,
    ];
    let mut command = sandbox.command(&arguments);
    command.stdin(Stdio::piped()).spawn().unwrap()
}

/// The one line of an answer: nothing else is printed, and nothing in it moves a terminal.
#[track_caller]
pub(crate) fn line(run: &Run) -> &str {
    assert_eq!(run.err, "");
    let line = run.out.strip_suffix('\n').unwrap();
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.len() <= 1024 && !line.is_empty(), "{line}");
    line
}
