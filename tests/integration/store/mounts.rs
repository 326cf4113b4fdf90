//! `local://` on real FUSE mounts, which lack links, unnamed files, or exclusive renames.

use std::fs;
use std::path::Path;

use s3lo::store::local::LocalStore;

use super::conformance::{conforms, make_bucket, wait_for};
use crate::support::mount::Mount;
use crate::support::program::{Sandbox, finish};
use crate::support::{MANIFEST, eventually, files};

const RECORDS: &str = "store/manifests/myapp/v1.0/signatures";

/// A sandbox whose `./store` is a folder of the mount.
fn sandbox_on(mount: &Path) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(mount.join("store")).unwrap();
    std::os::unix::fs::symlink(mount.join("store"), sandbox.file("store")).unwrap();
    sandbox.push("myapp", "v1.0", MANIFEST);
    sandbox
}

/// Signs, keeps, replaces and verifies; nothing but the record is left.
fn serves(mount: &Path) {
    let sandbox = sandbox_on(mount);
    let reference = "local://./store/myapp:v1.0";
    for (mode, status) in [("keep", "signed"), ("keep", "kept"), ("replace", "signed")] {
        let line = format!("sign {reference} --key keys/cosign.key --if-signed {mode} -o json");
        let run = sandbox.s3lo(&line).ends_with(0);
        assert_eq!(run.json()["status"], status);
    }
    sandbox
        .s3lo(&format!(
            "sign {reference} --key keys/cosign.key --if-signed fail"
        ))
        .ends_with(1);
    sandbox
        .s3lo(&format!("verify {reference} --key keys/cosign.pub"))
        .ends_with(0);
    assert_eq!(files(&sandbox.file(RECORDS)), ["d78a77d897aeffc7.json"]);
    // Several signers at once.
    let keys = ["p384", "p521", "ed25519", "rsa2048"].map(|name| format!("keys/{name}.key"));
    let started = keys
        .each_ref()
        .map(|key| sandbox.start(&["sign", reference, "--key", key]));
    for child in started {
        finish(child).ends_with(0);
    }
    assert_eq!(files(&sandbox.file(RECORDS)).len(), 5);
}

#[test]
fn an_rclone_mount_serves() {
    for mode in ["off", "writes"] {
        let mount = Mount::rclone(mode);
        serves(&mount.path());
        // It arrives on the other side as well, and nothing else does.
        let (records, seen) = (mount.source().join(RECORDS), mount.path().join(RECORDS));
        eventually(|| match (files(&records), files(&seen)) {
            (there, here) if there == here => Ok(()),
            both => Err(format!("{mode}: {both:?}")),
        });
    }
}

#[test]
fn an_rclone_mount_conforms() {
    let mount = Mount::rclone("writes");
    let root = mount.path().join("made/on/demand");
    wait_for(conforms(&LocalStore::new(root.to_str().unwrap())));
}

#[test]
fn a_bucket_mounted_by_s3fs_serves() {
    wait_for(make_bucket("mounted"));
    let mount = Mount::s3fs("mounted");
    serves(&mount.path());
}

#[test]
fn a_bucket_mounted_by_s3fs_conforms() {
    wait_for(make_bucket("mounted-conforms"));
    let mount = Mount::s3fs("mounted-conforms");
    let root = mount.path().join("made/on/demand");
    wait_for(conforms(&LocalStore::new(root.to_str().unwrap())));
}
