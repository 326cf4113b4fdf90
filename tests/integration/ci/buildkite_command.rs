//! The step's command is the agent's business, or another plugin's: this plugin only comes before it and after it.

use serde_json::{Value, json};

use crate::support::buildkite::{Ended, PLUGIN, Step};

/// A gate by a key in the checkout, at an image that is signed in a store there.
fn gate() -> Value {
    json!({
        "command": "verify",
        "reference": "local://./signed/myapp:v1.0",
        "key": "keys/cosign.pub",
    })
}

/// A step with a store that holds a signed image.
fn step() -> Step {
    let step = Step::new();
    let vectors = crate::support::vectors();
    crate::support::copy(&vectors.join("store-v1"), &step.checkout().join("signed"));
    step
}

/// A step with the command, behind the gate.
fn guarded(command: &str) -> Step {
    step().with_command(command).with_plugin(gate())
}

const DOCKER: &str = "docker#v5.12.0";

/// Another plugin that runs the step's command in its own way.
fn with_docker(step: Step) -> Step {
    let hook = "#!/usr/bin/env bash\necho \"in docker: $BUILDKITE_COMMAND\"\n";
    step.with_other(DOCKER, json!({"image": "golang"}), &[("command", hook)])
}

#[track_caller]
fn succeeds(step: &Step) -> Ended {
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    ended
}

/// Settings that sign an image of a bucket.
fn signs() -> Value {
    json!({"reference": "s3://my-bucket/myapp:v1.0", "key": "keys/cosign.key"})
}

#[test]
fn the_plugin_takes_no_command_from_the_agent() {
    let hooks = concat!(env!("CARGO_MANIFEST_DIR"), "/hooks");
    assert!(!std::path::Path::new(hooks).join("command").exists());
    assert!(succeeds(&guarded("echo ran")).log.ends_with("\nran\n"));
    assert_eq!(guarded("exit 77").run().code, 77);
}

#[test]
fn a_command_that_another_plugin_takes_is_left_to_it() {
    let before = with_docker(step().with_command("deploy")).with_plugin(gate());
    let after = with_docker(guarded("deploy"));
    for step in [before, after] {
        let ended = succeeds(&step);
        // The gate ran before it, at any place in the list.
        let order = ["Verified", "in docker: deploy"].map(|text| ended.log.find(text).unwrap());
        assert!(order.is_sorted(), "{}", ended.log);
    }
}

#[test]
fn what_a_failed_command_pushed_is_not_signed() {
    let own = step().with_command("exit 9").with_plugin(signs());
    let hook = [("command", "#!/bin/bash\nexit 9\n")];
    let of_docker = step().with_plugin(signs());
    let of_docker = of_docker.with_other(DOCKER, json!({"image": "golang"}), &hook);
    for step in [own, of_docker] {
        let ended = step.run();
        assert_eq!(ended.code, 9, "{}", ended.log);
        let wanted = "s3lo-sign: nothing is signed: the step's command ended with status 9\n";
        assert!(ended.log.ends_with(wanted), "{}", ended.log);
        assert!(step.agent_calls().is_empty());
    }
}

#[test]
fn a_command_finds_its_environment_as_it_was() {
    let names = ["name", "key", "image", "folder", "status", "LC_ALL", "line"];
    let mut step = guarded("env");
    for name in names {
        step.set(name, "C.UTF-8");
    }
    let log = succeeds(&step).log;
    for name in names {
        assert!(
            log.contains(&format!("\n{name}=C.UTF-8\n")),
            "{name}: {log}"
        );
    }
    for name in [
        "S3LO_RESULTS_DIRECTORY=",
        "S3LO_SUMMARY_FILE=",
        "BUILDKITE_OIDC_TOKEN=",
    ] {
        assert!(!log.contains(name), "{log}");
    }
}

/// The step fails before its command runs, with one error.
#[track_caller]
fn refused(step: &Step) -> String {
    let ended = step.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    let errors = ended.log.matches("error[").count() + ended.log.matches("+++ s3lo-sign:").count();
    assert_eq!(errors, 1, "{}", ended.log);
    assert!(!step.checkout().join("made").exists(), "{}", ended.log);
    ended.log
}

#[test]
fn a_mistake_in_the_settings_is_reported_before_the_command_runs() {
    for (setting, value, named) in [
        ("command", json!("verfy"), "`verfy`"),
        ("command", json!(["verify"]), "`command`"),
        ("comand", json!("verify"), "`comand`"),
        ("if-singed", json!("fail"), "`if-signed`"),
        ("min-schema", json!(2), "`min-schema`"),
        ("annotate", json!("yes"), "`annotate`"),
        ("meta-data", json!(1), "`meta-data`"),
        ("mount-checkout", json!("read-only"), "`mount-checkout`"),
        ("environment", json!(["NAME=value"]), "`environment`"),
        ("environment", json!("$(touch made)"), "`environment`"),
        ("runtime", json!("podman"), "`runtime`"),
        ("network", json!(["host", "none"]), "`network`"),
        ("image", json!("--privileged"), "--privileged"),
        ("image", json!("two words"), "two words"),
        ("binary-url", json!(["a", "b"]), "`binary-url`"),
        ("command", json!("verfy"), "`command: verify`"),
        (
            "password",
            json!("secret"),
            "set the variable COSIGN_PASSWORD",
        ),
        ("output-file", json!("x.json"), "`output-file`"),
        ("wait", json!(true), "runtime"),
        ("command", json!(""), "`command`"),
        ("image", json!(["registry.example/s3lo"]), "`image`"),
        ("image", json!(""), "`image`"),
        ("runtime", json!("binary "), "`runtime`"),
        ("mount-checkout", json!([false]), "`mount-checkout`"),
        ("meta-data", json!("true "), "`meta-data`"),
        ("annotate", json!("\ntrue"), "`annotate`"),
        ("timeout", json!("soon"), "`timeout"),
    ] {
        let mut configuration = signs();
        configuration[setting] = value.clone();
        let step = step()
            .with_command("touch made")
            .with_plugin_as(PLUGIN, configuration);
        let log = refused(&step);
        assert!(log.contains(named), "{setting} {value}: {log}");
    }
    // The program's own errors are on the build's page too.
    let mut configuration = signs();
    configuration["timeout"] = json!("soon");
    let step = step().with_plugin_as(PLUGIN, configuration);
    refused(&step);
    let annotations = step.agent_calls_of(&["annotate", "--style", "error"]);
    assert_eq!(annotations.len(), 1);
    assert!(annotations[0].stdin.contains("timeout"), "{annotations:?}");
}

#[test]
fn an_image_that_cannot_be_pulled_is_reported_before_the_command_runs() {
    let step = step().with_command("touch made").with_plugin(signs());
    std::fs::remove_dir_all(step.file("bin/registry")).unwrap();
    let log = refused(&step);
    assert!(
        log.contains("cannot be pulled, see above: name one"),
        "{log}"
    );
}
