//! `local://` on real FUSE mounts, which lack links, unnamed files, or exclusive renames.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use s3lo::store::local::LocalStore;
use s3lo::store::{Error, Store as _};
use tempfile::TempDir;

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

/// Reads an object that is too large, lets `change` happen to its file, and says whether its version then is another.
fn changes(root: &Path, change: impl FnOnce(&Path)) -> bool {
    let file = root.join("folder/a.json");
    fs::create_dir_all(root.join("folder")).unwrap();
    fs::write(&file, "start, end").unwrap();
    let store = LocalStore::new(root.to_str().unwrap());
    wait_for(async {
        let Err(Error::Oversized { version, .. }) = store.read("folder/a.json", 5).await else {
            panic!("10 bytes are more than 5");
        };
        change(&file);
        let replaced = store.replace("folder/a.json", b"small", &version).await;
        match replaced {
            Ok(()) => false,
            Err(Error::Changed { .. }) => true,
            other => panic!("{other:?}"),
        }
    })
}

/// Puts another file in the place of one, with the same mtime.
fn put_in_place(file: &Path, content: &str) {
    let other = file.with_extension("other");
    fs::write(&other, content).unwrap();
    let mtime = fs::metadata(file).unwrap().modified().unwrap();
    set_mtime(&other, mtime);
    fs::rename(other, file).unwrap();
}

fn set_mtime(file: &Path, mtime: SystemTime) {
    let file = File::options().write(true).open(file);
    file.unwrap().set_modified(mtime).unwrap();
}

#[test]
fn a_change_of_an_object_that_is_too_large_is_seen() {
    let (mount, folder) = (Mount::rclone("writes"), TempDir::new().unwrap());
    for root in [mount.path().as_path(), folder.path()] {
        assert!(!changes(root, |_| {}));
        assert!(changes(root, |file| put_in_place(file, "START, end")));
        assert!(changes(root, |file| put_in_place(file, "start, the end")));
        assert!(changes(root, |file| put_in_place(file, "start")));
        assert!(changes(root, |file| fs::remove_file(file).unwrap()));
    }
    // A file system of its own shows what was not read as well.
    assert!(changes(folder.path(), |file| put_in_place(
        file,
        "start, END"
    )));
}

/// rclone itself gives a file another mtime after a while.
#[test]
fn an_object_that_is_too_large_is_the_same_with_another_mtime_on_rclone() {
    let mount = Mount::rclone("writes");
    let touched = |file: &Path| set_mtime(file, SystemTime::UNIX_EPOCH);
    assert!(!changes(&mount.path(), touched));
}
