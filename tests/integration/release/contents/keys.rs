//! The deploy keys: given to git for the known servers, and to nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::project::Project;

/// An `ssh` that records its arguments, and runs the server's command here.
const SSH: &str = r#"#!/bin/sh
printf '%s\n' "$@" >"$NOTES/arguments"
env >"$NOTES/environment"
while [ "$1" != git@server.example ]; do
  if [ "$1" = -i ]; then cp "$2" "$NOTES/key"; stat -c %a "$2" >"$NOTES/mode"; echo "$2" >"$NOTES/path"; fi
  shift
done
shift
exec sh -c "$*"
"#;

#[test]
fn a_deploy_key_is_for_git_alone_and_is_gone_afterwards() {
    let mut project = Project::new();
    let server = project.server("server");
    let notes = tempfile::TempDir::new().unwrap();
    let ssh = notes.path().join("ssh");
    fs::write(&ssh, SSH).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    project.set("PATH", &format!("{}:/usr/bin:/bin", notes.path().display()));
    project.set("NOTES", notes.path().to_str().unwrap());
    let key =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nof this test\n-----END OPENSSH PRIVATE KEY-----";
    project.set("DEPLOY_KEY", key);

    let url = server.replace("file://", "git@server.example:");
    let tags = project.file("packaging/release/tags");
    let arguments = [tags.to_str().unwrap(), "fix", &url, "HEAD", "v1.2.3"];
    project.release("with-key", &arguments).ends_with(0);
    assert!(
        project
            .git(&format!("ls-remote {server}"))
            .contains("refs/tags/v1.2.3")
    );

    let note = |name: &str| fs::read_to_string(notes.path().join(name)).unwrap();
    assert_eq!(note("key"), format!("{key}\n"));
    assert_eq!(note("mode").trim(), "600");
    assert!(!fs::exists(note("path").trim()).unwrap());
    assert!(!note("environment").contains("of this test"));
    let arguments = note("arguments");
    let hosts = project.file("packaging/release/known_hosts");
    for option in [
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        &format!("UserKnownHostsFile={}", hosts.display()),
    ] {
        assert!(arguments.contains(option), "{arguments}");
    }
}

#[test]
fn a_missing_key_is_reported_before_any_request() {
    let mut project = Project::new();
    project.set("DEPLOY_KEY", "");
    let run = project.release("with-key", &["true"]).ends_with(1);
    assert!(run.err.contains("DEPLOY_KEY is empty"), "{}", run.err);
}

#[test]
fn what_fails_with_a_key_fails() {
    let mut project = Project::new();
    project.set("DEPLOY_KEY", "a key");
    project.release("with-key", &["false"]).ends_with(1);
}
