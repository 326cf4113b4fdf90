//! Both actions as `act` runs them: container actions, each in a container of its own, of a job that runs in another.

use std::fs;
use std::sync::LazyLock;

use crate::act::Act;
use crate::docker::{BUSYBOX, SCRATCH, built, dockerfile, engine, root};
use crate::support::program::{Run, finish};
use crate::support::{MANIFEST, copy, vectors};

/// The log of `tests/act/containers.yml`.
static LOG: LazyLock<Run> = LazyLock::new(|| {
    built();
    let act = Act::new().with("--platform", "ubuntu-24.04", BUSYBOX);
    let workspace = act.file("repository");
    copy(&vectors().join("keys"), &workspace.join("keys"));
    act.write(
        "repository/store/manifests/myapp/v1.0/manifest.json",
        MANIFEST,
    );
    act.write("repository/Dockerfile", &dockerfile());
    copy(&root().join("src"), &workspace.join("src"));
    act.write("repository/Cargo.lock", &text("Cargo.lock"));
    let mirrored = format!("docker://{SCRATCH}");
    for (folder, action, image) in [
        (".", "action.yml", "Dockerfile"),
        ("verify", "verify/action.yml", "../Dockerfile"),
        ("mirror", "action.yml", &mirrored),
    ] {
        let action = with_image(&text(action), image);
        act.write(&format!("repository/{folder}/action.yml"), &action);
    }
    // The jobs see the workspace, and no engine. What fails is removed as well: the engine would wait for it at its end.
    let flags = "--pull=false --bind --container-daemon-socket - --rm";
    let flags: Vec<_> = flags.split(' ').collect();
    let mut command = act.command(&text("tests/act/containers.yml"), &flags);
    finish(command.env("DOCKER_HOST", engine().host()).spawn().unwrap())
});

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// An action with another image: that of a release is named by its digest.
fn with_image(action: &str, image: &str) -> String {
    let (before, rest) = action.split_once("\n  image: ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    format!("{before}\n  image: {image}\n{after}")
}

/// How a step ended.
#[track_caller]
fn step(name: &str) -> bool {
    let ended = format!(" - Main {name} [");
    let mut lines = LOG.out.lines().filter(|line| line.contains(&ended));
    let line = lines.find(|line| line.contains("Success") || line.contains("Failure"));
    let line = line.unwrap_or_else(|| panic!("{name} did not run: {}{}", LOG.out, LOG.err));
    line.contains("Success")
}

#[test]
fn a_later_step_has_the_outputs_of_both_actions() {
    for name in [
        "sign",
        "a later step has the outputs",
        "verify",
        "it is verified",
        "sign by the image of a registry",
        "it has the outputs as well",
    ] {
        assert!(step(name), "{name}: {}", LOG.out);
    }
    assert!(LOG.out.contains("| verified, and so deployed"));
    // `./` and `./verify` at a commit, and an action at a release.
    for start in [
        "docker build -t act-dockeraction:latest".to_owned(),
        "docker build -t act-verify-dockeraction:latest".to_owned(),
        format!("docker run image={SCRATCH}"),
    ] {
        assert!(LOG.out.contains(&start), "{start}: {}", LOG.out);
    }
}

#[test]
fn a_wrong_key_or_password_fails_the_step() {
    assert!(!step("another key"));
    let line = "| not deployed, since no signature found for key keys/p384.pub";
    assert!(LOG.out.contains(line), "{}", LOG.out);
    assert!(!step("a wrong password"));
    assert_eq!(LOG.code, Some(1));
    assert!(!LOG.out.contains("deployed all the same"));
}

#[test]
fn the_summary_is_written_and_the_password_is_masked() {
    for summary in ["✅ Signed", "✅ Verified", "❌ Not verified"] {
        let line = format!("Summary - ### {summary}: <code>myapp:v1.0</code>");
        assert!(LOG.out.contains(&line), "{summary}: {}", LOG.out);
    }
    assert!(LOG.out.contains("⚙  ***"), "{}", LOG.out);
    assert!(!LOG.out.contains("this is not it"));
}
