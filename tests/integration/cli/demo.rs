//! `s3lo demo`: an image and a key pair to try the program with.

use s3lo_core::digest::Digest;

use crate::support::files;
use crate::support::program::Sandbox;

/// A folder of its own, without the keys of the tests and with the program on PATH.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::remove_dir_all(sandbox.file("keys")).unwrap();
    sandbox.without("COSIGN_PASSWORD")
}

#[test]
fn every_command_that_it_prints_runs_as_printed() {
    let sandbox = folder();
    let demo = sandbox.s3lo("demo").ends_with(0);
    insta::assert_snapshot!(demo.out);
    let commands: Vec<_> = demo
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    // The last one verifies a manifest that was changed.
    for (command, code) in commands.iter().zip([0, 0, 0, 0, 1]) {
        let program = env!("CARGO_BIN_EXE_s3lo");
        let line = command.replace("s3lo ", &format!("{program} "));
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).env_clear();
        let run = shell.current_dir(sandbox.path()).output().unwrap();
        assert_eq!(run.status.code(), Some(code), "{command}\n{run:?}");
    }
    assert_eq!(commands.len(), 5);
}

#[test]
fn its_image_is_a_whole_one() {
    let sandbox = folder();
    let digest = sandbox.s3lo("demo -o json").ends_with(0).json()["digest"].clone();
    let manifest = std::fs::read(sandbox.file("demo/manifests/hello/v1/manifest.json")).unwrap();
    assert_eq!(digest, Digest::of(&manifest).to_string());
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    for descriptor in layers.iter().chain([&manifest["config"]]) {
        let name = descriptor["digest"].as_str().unwrap();
        let hex = name.strip_prefix("sha256:").unwrap();
        let blob = std::fs::read(sandbox.file(&format!("demo/blobs/sha256/{hex}"))).unwrap();
        assert_eq!(Digest::of(&blob).to_string(), name);
        assert_eq!(descriptor["size"], blob.len());
    }
    let layer = layers[0]["digest"].as_str().unwrap().replace("sha256:", "");
    let layer = sandbox.file(&format!("demo/blobs/sha256/{layer}"));
    let mut tar = std::process::Command::new("tar");
    let listed = tar.arg("-tf").arg(layer).output().unwrap();
    assert_eq!(
        String::from_utf8(listed.stdout).unwrap(),
        "bin/\nbin/hello\n"
    );
}

#[test]
fn a_second_run_changes_nothing() {
    let sandbox = folder();
    sandbox.s3lo("demo").ends_with(0);
    let contents = || {
        let names = files(sandbox.path());
        let read = |name: &String| std::fs::read(sandbox.file(name)).unwrap();
        names.iter().map(read).collect::<Vec<_>>()
    };
    let before = contents();
    let again = sandbox.s3lo("demo").ends_with(0);
    assert_eq!(contents(), before);
    assert!(again.out.contains("COSIGN_PASSWORD=demo s3lo sign"));
}

#[test]
fn files_of_others_are_left_as_they_are() {
    let sandbox = folder();
    sandbox.write("cosign.key", "the key of another user");
    sandbox.s3lo("demo").ends_with(0);
    let key = std::fs::read(sandbox.file("cosign.key")).unwrap();
    assert_eq!(key, b"the key of another user");
    assert!(!sandbox.file("cosign.pub").exists());

    let manifest = "demo/manifests/hello/v1/manifest.json";
    sandbox.write(manifest, "another image");
    let refused = sandbox.s3lo("demo").ends_with(2);
    insta::assert_snapshot!(refused.err);
    assert_eq!(
        std::fs::read(sandbox.file(manifest)).unwrap(),
        b"another image"
    );
}

#[test]
fn a_link_is_not_followed() {
    let sandbox = folder();
    std::fs::create_dir(sandbox.file("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", sandbox.file("demo")).unwrap();
    sandbox.s3lo("demo").ends_with(2);
    std::fs::remove_file(sandbox.file("demo")).unwrap();
    std::fs::create_dir(sandbox.file("demo")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", sandbox.file("demo/manifests")).unwrap();
    sandbox.s3lo("demo").ends_with(2);
    assert_eq!(files(&sandbox.file("elsewhere")), [""; 0]);
}
