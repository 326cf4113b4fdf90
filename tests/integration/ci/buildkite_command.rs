//! A step's command runs once, and as it would without the plugin; or the step fails with a reason.

use rustix::process::{Pid, Signal, kill_process_group};
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

/// It ends before the command runs, by one line of the plugin's.
#[track_caller]
fn refused(step: &Step) -> String {
    let ended = step.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    let lines = ended.log.lines();
    let mut errors: Vec<_> = lines.filter(|line| line.starts_with("+++")).collect();
    let error = errors.pop().unwrap_or_else(|| panic!("{}", ended.log));
    assert!(errors.is_empty(), "{}", ended.log);
    error.strip_prefix("+++ s3lo-sign: ").unwrap().to_owned()
}

#[test]
fn a_command_runs_in_the_agents_shell() {
    let several = "first=1\necho \"$((first + 1)) lines\"\ncd keys\npwd";
    let ended = succeeds(&guarded(several));
    assert!(
        ended.log.contains("~~~ Running commands\n$ first=1\n"),
        "{}",
        ended.log
    );
    assert!(ended.log.contains("\n2 lines\n"), "{}", ended.log);
    assert!(ended.log.ends_with("acme/app/keys\n"), "{}", ended.log);
    // `-e`, as the agent has it.
    assert_eq!(guarded("false\necho went on").run().code, 1);
    assert_eq!(guarded("exit 77").run().code, 77);
    for shell in ["/bin/sh -e -c", "'/bin/sh' \"-e\" -c"] {
        let named =
            guarded("echo \"in ${BASH_VERSION:-another shell}\"").with("BUILDKITE_SHELL", shell);
        let name = std::fs::read_link("/bin/sh").unwrap();
        if name.ends_with("dash") {
            assert!(succeeds(&named).log.contains("in another shell"), "{shell}");
        }
    }
    let spaced = guarded("true").with("BUILDKITE_SHELL", "printf '[%s] [%s]\\n' 'two words'");
    assert!(succeeds(&spaced).log.ends_with("[two words] [true]\n"));
}

#[test]
fn a_command_that_is_a_script_runs_as_one() {
    let step = guarded("ci/deploy it");
    step.write("ci/deploy it", b"#!/bin/sh\necho \"as $0\"\n");
    // A name with a space the agent hands to its shell as it is.
    assert_eq!(step.run().code, 127);
    let step = guarded("ci/../ci/deploy");
    step.write("ci/deploy", b"#!/bin/sh\necho \"as $0\"\n");
    let ended = succeeds(&step);
    assert!(
        ended
            .log
            .ends_with("~~~ Running script\n$ ./ci/deploy\nas ./ci/deploy\n"),
        "{}",
        ended.log
    );
}

#[test]
fn an_agent_that_evaluates_no_commands_runs_scripts_of_the_repository_alone() {
    let strict = |command: &str| guarded(command).with("BUILDKITE_COMMAND_EVAL", "false");
    let step = strict("ci/deploy");
    step.script("ci/deploy", "#!/bin/sh\necho deployed\n");
    assert!(succeeds(&step).log.ends_with("deployed\n"));
    let step = strict("ci/deploy");
    // It is not made executable either.
    step.write("ci/deploy", b"#!/bin/sh\necho deployed\n");
    assert_eq!(step.run().code, 126);
    for command in [
        "echo deployed",
        "../outside",
        "ci/../../outside",
        "/bin/echo",
    ] {
        let step = strict(command);
        step.script("../outside", "#!/bin/sh\necho deployed\n");
        let error = refused(&step);
        assert!(error.contains("BUILDKITE_COMMAND_EVAL"), "{error}");
    }
}

#[test]
fn a_command_finds_its_environment_as_it_was() {
    let names = [
        "name", "key", "image", "folder", "status", "variable", "location", "PWD", "LC_ALL",
        "hook", "line",
    ];
    let mut step = guarded("env");
    for name in names.iter().filter(|name| **name != "PWD") {
        step.set(name, "C.UTF-8");
    }
    let log = succeeds(&step).log;
    for name in names.iter().filter(|name| **name != "PWD") {
        assert!(
            log.contains(&format!("\n{name}=C.UTF-8\n")),
            "{name}: {log}"
        );
    }
    let of_plugins = "BUILDKITE_PLUGIN_";
    let seen = log.lines().filter(|line| line.starts_with(of_plugins));
    assert_eq!(seen.collect::<Vec<_>>(), [""; 0]);
    for name in [
        "S3LO_RESULTS_DIRECTORY=",
        "S3LO_SUMMARY_FILE=",
        "BUILDKITE_OIDC_TOKEN=",
    ] {
        assert!(!log.contains(name), "{log}");
    }
}

#[test]
fn a_command_that_is_cancelled_ends_in_its_own_way() {
    // It waits for input that never comes.
    let command =
        "trap 'echo cleaned up; exit 9' TERM; mkfifo wait; touch started; read -r line <>wait";
    let step = guarded(command);
    let started = step.checkout().join("started");
    let mut hooks = 0;
    let ended = step.run_while(|hook| {
        hooks += 1;
        // The command hook comes after the gate.
        if hooks == 2 {
            while !started.exists() {
                std::thread::yield_now();
            }
            let group = Pid::from_raw(i32::try_from(hook.id()).unwrap()).unwrap();
            kill_process_group(group, Signal::TERM).unwrap();
        }
    });
    assert_eq!(ended.code, 9, "{}", ended.log);
    assert!(ended.log.contains("cleaned up"), "{}", ended.log);
}

#[test]
fn the_repositorys_command_hook_runs_the_command_as_without_the_plugin() {
    let hook = "echo \"my way: $BUILDKITE_COMMAND\"\n";
    let step = guarded("deploy");
    step.write(".buildkite/hooks/command", hook.as_bytes());
    assert!(succeeds(&step).log.ends_with("\nmy way: deploy\n"));
    for (name, value) in [
        ("BUILDKITE_LOCAL_HOOKS_ENABLED", "false"),
        ("BUILDKITE_NO_LOCAL_HOOKS", "true"),
    ] {
        let step = guarded("deploy").with(name, value);
        step.write(".buildkite/hooks/command", hook.as_bytes());
        assert!(refused(&step).contains("local hooks are disabled"));
    }
}

#[test]
fn the_agents_command_hook_runs_the_command_as_without_the_plugin() {
    let step = guarded("deploy");
    let path = step.file("hooks/command");
    std::fs::write(path, "echo \"in the sandbox: $BUILDKITE_COMMAND\"\n").unwrap();
    assert!(succeeds(&step).log.ends_with("\nin the sandbox: deploy\n"));
    let more = step.file("more hooks");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("command"), "exit 5\n").unwrap();
    let step = step.with("BUILDKITE_ADDITIONAL_HOOKS_PATHS", more.to_str().unwrap());
    let ended = step.run();
    assert_eq!(ended.code, 5, "{}", ended.log);
}

#[test]
fn a_command_that_another_plugin_takes_is_left_to_it() {
    let before = with_docker(step().with_command("deploy")).with_plugin(gate());
    let after = with_docker(guarded("deploy"));
    for step in [before, after] {
        let ended = succeeds(&step);
        assert_eq!(
            ended.log.matches("in docker: deploy").count(),
            1,
            "{}",
            ended.log
        );
        assert!(!ended.log.contains("Running commands"), "{}", ended.log);
        // The gate ran before it, at any place in the list.
        let order = ["Verified", "in docker"].map(|text| ended.log.find(text).unwrap());
        assert!(order.is_sorted(), "{}", ended.log);
    }
    let vendored = guarded("deploy").with_other(
        "./.buildkite/plugins/mine",
        Value::Null,
        &[("command", "#!/bin/bash\necho mine\n")],
    );
    assert!(succeeds(&vendored).log.ends_with("mine\n"));
    let within = guarded("deploy").with_other(
        "github.com/acme/plugins/run/here#v1",
        json!({"a": [{"b": "}]\" \\"}]}),
        &[("command", "#!/bin/bash\necho 'from a folder'\n")],
    );
    assert!(succeeds(&within).log.ends_with("from a folder\n"));
}

#[test]
fn what_another_plugins_failed_command_pushed_is_not_signed() {
    let step = step().with_command("build").with_plugin(json!({
        "reference": "s3://my-bucket/myapp:v1.0",
        "key": "keys/cosign.key",
    }));
    let step = step.with_other(
        DOCKER,
        json!({"image": "golang"}),
        &[("command", "#!/bin/bash\nexit 9\n")],
    );
    let ended = step.run();
    assert_eq!(ended.code, 9, "{}", ended.log);
    assert!(ended.log.contains("nothing is signed"), "{}", ended.log);
}

#[test]
fn plugins_without_a_command_hook_leave_the_command_to_us() {
    let step = step()
        .with_command("echo once")
        .with_other(
            "ecr#v2.9.0",
            json!({"login": true}),
            &[("environment", "#!/bin/bash\n")],
        )
        .with_plugin(gate())
        .with_other(
            "cache#v1",
            json!({"path": "docker#v5.12.0"}),
            &[("post-command", "#!/bin/bash\n")],
        );
    assert_eq!(succeeds(&step).log.matches("\nonce").count(), 1);
}

#[test]
fn a_strict_agent_runs_the_first_command_hook_alone() {
    let strict = |step: Step| step.with("BUILDKITE_STRICT_SINGLE_HOOKS", "true");
    let before = strict(with_docker(step().with_command("deploy")).with_plugin(gate()));
    let ended = succeeds(&before);
    assert!(ended.log.contains("in docker: deploy"), "{}", ended.log);
    // Here docker's hook would be passed over, and so the command.
    for command in ["deploy", ""] {
        let error = refused(&strict(with_docker(guarded(command))));
        let wanted =
            "list github.com/buildkite-plugins/docker-buildkite-plugin#v5.12.0 before s3lo-sign";
        assert!(error.ends_with(wanted), "{error}");
    }
    let alone = strict(guarded("echo ran"));
    assert!(succeeds(&alone).log.ends_with("\nran\n"));
    let twice = strict(guarded("echo ran").with_plugin(gate()));
    assert_eq!(succeeds(&twice).log.matches("\nran\n").count(), 1);
}

#[test]
fn the_command_runs_once_however_often_the_plugin_is_listed() {
    let step = guarded("echo ran").with_plugin(gate()).with_plugin(gate());
    assert_eq!(succeeds(&step).log.matches("\nran").count(), 1);
    let versions = guarded("echo ran")
        .with_plugin_as("s3lo/s3lo-sign#v1.1.0", gate())
        .with_plugin_as("acme/s3lo-sign#main", gate());
    assert_eq!(succeeds(&versions).log.matches("\nran").count(), 1);
    let beside = with_docker(guarded("deploy")).with_plugin_as("acme/s3lo-sign#main", gate());
    let log = succeeds(&beside).log;
    assert_eq!(log.matches("in docker: deploy").count(), 1, "{log}");
    assert!(!log.contains("Running commands"), "{log}");
}

/// A step whose other plugin lies in an unexpected place.
fn beside_an_unseen(step: Step) -> Step {
    let step = step.with_other(
        DOCKER,
        json!({"image": "golang"}),
        &[("environment", "#!/bin/bash\n")],
    );
    let folder =
        step.file("plugins/agent 1/github-com-buildkite-plugins-docker-buildkite-plugin-v5-12-0");
    std::fs::remove_dir_all(folder).unwrap();
    step
}

#[test]
fn a_step_must_declare_who_runs_the_command_if_the_hook_cannot_see_it() {
    let chosen = |choice: &str| {
        let mut configuration = gate();
        configuration["step-command"] = Value::from(choice);
        step().with_command("echo ran").with_plugin(configuration)
    };
    let error = refused(&beside_an_unseen(guarded("echo ran")));
    assert!(error.contains("docker-buildkite-plugin#v5.12.0"), "{error}");
    assert!(
        error.contains("step-command") && error.contains("run") && error.contains("leave"),
        "{error}"
    );
    assert!(
        succeeds(&beside_an_unseen(chosen("run")))
            .log
            .ends_with("\nran\n")
    );
    let left = succeeds(&beside_an_unseen(chosen("leave")));
    assert!(!left.log.contains("\nran"), "{}", left.log);
    // Without a command the choice does not matter.
    succeeds(&beside_an_unseen(guarded("")));
    // A plugin that is there for something else, though it has the hook.
    assert!(
        succeeds(&with_docker(chosen("run")))
            .log
            .contains("\nran\n")
    );
    // And without another plugin there is none to leave it to.
    let error = refused(&chosen("leave"));
    assert!(error.contains("no other plugin"), "{error}");
}

#[test]
fn a_misspelt_option_is_reported_before_the_command_runs() {
    for (setting, value) in [
        ("command", json!("verfy")),
        ("step-command", json!("skip")),
        ("annotate", json!("yes")),
        ("meta-data", json!(1)),
        ("mount-checkout", json!("read-only")),
        ("environment", json!(["NAME=value"])),
        ("environment", json!("$(touch made)")),
        ("image", json!("--privileged")),
        ("image", json!("two words")),
    ] {
        let mut configuration = gate();
        configuration[setting] = value.clone();
        let step = step()
            .with_command("touch made")
            .with_plugin_as(PLUGIN, configuration);
        let error = refused(&step);
        assert!(error.starts_with(setting), "{value}: {error}");
        assert!(!step.checkout().join("made").exists());
        assert!(step.docker_calls().is_empty());
    }
}

#[test]
fn a_step_that_could_not_be_signed_fails_before_its_command_runs() {
    let signing = || {
        step().with_command("echo built").with_plugin(json!({
            "reference": "s3://my-bucket/myapp:v1.0",
            "key": "keys/cosign.key",
        }))
    };
    let mut step = signing();
    step.without_docker();
    let error = refused(&step);
    assert!(
        error.starts_with("docker is not installed on this agent"),
        "{error}"
    );
    let step = signing();
    std::fs::remove_dir_all(step.file("bin/registry")).unwrap();
    let error = refused(&step);
    assert!(error.ends_with("cannot be pulled, see above"), "{error}");
}

#[test]
fn an_unknown_option_is_reported_before_the_command_runs() {
    for (setting, value) in [
        ("comand", json!("verify")),
        ("command", json!(["verify"])),
        ("min_shema", json!(2)),
    ] {
        let mut configuration =
            json!({"reference": "local://./store/myapp:v1.0", "key": "keys/cosign.pub"});
        configuration[setting] = value;
        let step = Step::new()
            .with_command("touch ran")
            .with_plugin_as(PLUGIN, configuration);
        let ended = step.run();
        assert_ne!(ended.code, 0, "{setting}: {}", ended.log);
        assert!(!step.checkout().join("ran").exists(), "{setting}");
    }
}
