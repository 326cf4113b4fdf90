//! The action's results as a runner reads them: outputs, commands, the outcome of a step and of a job. `act` is another
//! implementation of GitHub's runner, with a parser of its own. It runs a job's scripts on this machine, and no containers:
//! where a job uses the action, the program is run as the action's container would run it.

pub(crate) mod runner;

use std::path::Path;
use std::sync::LazyLock;

use runner::{Act, without, without_actions, workflow};

use s3lo_core::digest::Digest;

use crate::support::program::Run;
use crate::support::vectors;

/// An image's name that is a command to the runner, to a shell, and to the runner of some years ago.
const HOSTILE: &str = "::set-output name=injected::yes $(touch injected) ##[error]x";

/// The log of `tests/act/sign.yml`.
static LOG: LazyLock<Run> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/act/sign.yml");
    let act = Act::new()
        .with("--env", "CHECKOUT", vectors().to_str().unwrap())
        .with("--env", "HOSTILE", HOSTILE);
    act.run(&std::fs::read_to_string(file).unwrap(), &[])
});

/// How a step ended.
#[track_caller]
fn step(name: &str) -> bool {
    let ended = format!(" - Main {name}");
    let line = LOG.out.lines().find(|line| line.contains(&ended));
    let line = line.unwrap_or_else(|| panic!("{name} did not run: {}", LOG.out));
    line.contains("Success")
}

#[test]
fn a_later_step_goes_on_by_the_outputs() {
    assert!(step("sign"));
    assert!(step("a later step has the outputs"), "{}", LOG.out);
    assert!(step("verify what was signed"));
    assert!(LOG.out.contains("| verified, and so deployed"));
    // Each output once, and those of `verify` beside those of `sign`.
    for output in ["verified=true", "verified=false", "digest=sha256:"] {
        let line = format!("::set-output:: {output}");
        assert!(LOG.out.contains(&line), "{output}");
    }
}

#[test]
fn an_image_that_is_not_verified_is_not_deployed() {
    assert!(!step("another key"));
    assert!(
        LOG.out
            .contains("| not deployed, since no signature found for key keys/p384.pub")
    );
    assert!(!step("what does not work"));
    assert_eq!(LOG.code, Some(1));
    for line in LOG.out.lines() {
        assert!(!line.contains("deployed all the same"), "{line}");
        assert!(!line.contains("nobody comes here either"), "{line}");
    }
}

#[test]
fn every_command_is_one_that_a_runner_carries_out() {
    let mut carried_out = 0;
    for line in LOG.out.lines() {
        // A line that is printed as text is no command.
        if let Some((_, text)) = line.split_once("]   | ") {
            assert!(!text.starts_with("::"), "{line}");
        }
        carried_out += usize::from(line.contains("  ⚙  ") || line.contains("  ❗  "));
        // Those that act only shows, of which GitHub's runner makes a group and an annotation.
        if let Some((_, shown)) = line.split_once("  ❓  ::") {
            let command = shown.split([':', ' ']).next().unwrap();
            assert!(["group", "endgroup", "notice"].contains(&command), "{line}");
        }
    }
    assert!(carried_out > 20, "{carried_out}");
    // The mask was the first of them: the password is nowhere.
    assert!(LOG.out.contains("⚙  ***"));
    assert!(!LOG.out.contains("add-mask"));
    // Texts between two tokens, one of them a note, and three errors that are shown as such.
    assert_eq!(LOG.out.matches("::stop-commands::s3lo-").count(), 7);
    assert_eq!(LOG.out.matches("❗  ::error title=").count(), 3);
    assert!(
        LOG.out
            .contains("Summary - ### ✅ Signed: <code>myapp:v1.0</code>")
    );
    assert!(
        LOG.out
            .contains("Summary - ### ❌ Not verified: <code>myapp:v1.0</code>")
    );
}

#[test]
fn a_hostile_name_does_nothing() {
    assert!(step("an image whose name is a command"));
    assert!(step("they did nothing"), "{}", LOG.out);
    assert!(!LOG.out.contains("::set-output:: injected"));
}

#[test]
fn the_workflow_that_tries_the_action_passes_here() {
    // Where docker built the images, their program is this one.
    let text = workflow("action.yml");
    let (head, rest) = text.split_once("on:\n  workflow_call:\n").unwrap();
    let (_, rest) = rest.split_once("\npermissions:").unwrap();
    let text = without(
        &format!("{head}on: push\npermissions:{rest}"),
        &["build the images", "they are small, and hold what they say"],
    );
    let text = without_actions(&text);
    assert_eq!(text.matches("run: s3lo ci ").count(), 10);
    let act = Act::new()
        .with("--env", "VECTORS", vectors().to_str().unwrap())
        .with("--env", "S3LO", env!("CARGO_BIN_EXE_s3lo"));
    act.program(
        "checkout",
        r#"mkdir tests && cp -r "$VECTORS" tests/vectors"#,
    );
    act.program("upload-artifact", r#"install -D "$S3LO" "$INPUT_PATH""#);
    let run = act.run(&text, &["--matrix", "arch:amd64"]);
    assert_eq!(run.code, Some(0), "{}\n{}\n{text}", run.out, run.err);
    assert_eq!(run.out.matches("Failed but continue").count(), 6);
    assert!(run.out.contains("Success - Main they failed, and say why"));
    // A release compares the program with this.
    let program = std::fs::read(env!("CARGO_BIN_EXE_s3lo")).unwrap();
    let output = format!(
        "::set-output:: amd64={}",
        &Digest::of(&program).to_string()[7..]
    );
    assert!(run.out.contains(&output), "{output}\n{}", run.out);
}
