//! The plugin runs the program in a container, or as the binary of its release where the agent has no docker.

use serde_json::json;

use crate::ci::buildkite::{account, and, signs, step_in, verifies};
use crate::support::buildkite::Step;
use s3lo_test_servers::aws::AUDIENCE;

#[test]
fn an_agent_without_docker_runs_the_pinned_binary() {
    let account = account();
    for (configuration, title) in [(signs(), "Signed"), (verifies(), "Verified")] {
        let mut step = step_in(&account).with_binary().with_plugin(configuration);
        step.without_docker();
        let ended = step.run();
        assert_eq!(ended.code, 0, "{}", ended.log);
        assert!(ended.log.contains(&format!("--- {title}")), "{}", ended.log);
        assert_eq!(step.audiences(), [AUDIENCE]);
        let annotations = step.agent_calls_of(&["annotate", "--style", "success"]);
        assert_eq!(annotations.len(), 1);
        assert!(step.meta_data().len() > 2);
        assert!(step.left().is_empty(), "{:?}", step.left());
    }
    assert_eq!(account.0.records().len(), 1);
}

#[test]
fn the_binary_runs_beside_docker_where_the_settings_ask_for_it() {
    let account = account();
    let step = step_in(&account)
        .with("COSIGN_PASSWORD", "secret")
        .with_binary()
        .with_plugin(and(
            signs(),
            json!({"runtime": "binary", "key": "keys/cosign.key"}),
        ));
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(step.docker_calls().is_empty());
    assert_eq!(account.0.records().len(), 1);
}

/// What another variable of the job says, and the token of the agent itself, are none of the program's business.
#[test]
fn the_binary_is_given_what_the_container_would_be_given() {
    let account = account();
    let sees = |runtime: &str| {
        let program = "#!/bin/sh\n[ \"$1\" != ci ] || env >>../seen\n";
        let step = step_in(&account)
            .with("DATABASE_PASSWORD", "of something else")
            .with("S3LO_ENDPOINT", "http://127.0.0.1:1")
            .with("MORE", "x")
            .with_plugin(and(
                signs(),
                json!({"runtime": runtime, "environment": "MORE"}),
            ));
        (program, step)
    };
    let (_, step) = sees("container");
    step.run();
    let mut of_container: Vec<_> = step.given().into_keys().collect();
    let (program, step) = sees("binary");
    let step = step.with_program(program);
    step.run();
    let seen = std::fs::read_to_string(step.checkout().parent().unwrap().join("seen")).unwrap();
    let names = seen.lines().filter_map(|line| line.split_once('='));
    let mut of_binary: Vec<_> = names.map(|(name, _)| name.to_owned()).collect();
    // This program asks for no token; those besides are of the shell that it is.
    of_container.retain(|name| name != "BUILDKITE_OIDC_TOKEN");
    of_binary.retain(|name| !["PATH", "HOME", "PWD", "SHLVL", "_"].contains(&name.as_str()));
    of_binary.sort();
    of_binary.dedup();
    assert_eq!(of_binary, of_container);
}

#[test]
fn a_commit_that_is_no_release_has_no_binary() {
    let account = account();
    let mut step = step_in(&account)
        .with_command("touch made")
        .with_plugin(signs());
    step.without_docker();
    let ended = step.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(
        ended.log.starts_with("error[not_a_release]: "),
        "{}",
        ended.log
    );
    assert!(!step.checkout().join("made").exists());
}

#[test]
fn a_binary_that_was_changed_is_not_run() {
    let account = account();
    // A mirror that cannot be reached: the one that is there does not count.
    let mirror = json!({"runtime": "binary", "binary-url": "https://user@mirror.example"});
    let step = step_in(&account)
        .with_program("#!/bin/sh\ntouch ran\n")
        .with_plugin(and(signs(), mirror));
    let pinned = step.installed();
    std::fs::write(&pinned, "#!/bin/sh\ntouch ran; echo changed\n").unwrap();
    let ended = step.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(!step.checkout().join("ran").exists());
    assert!(account.0.s3.requests().is_empty());
}

/// A container was asked for, and nothing else is run in its place.
#[test]
fn settings_of_a_container_are_not_dropped() {
    let account = account();
    for setting in [
        json!({"image": "registry.example/s3lo"}),
        json!({"network": "none"}),
        json!({"mount-checkout": false}),
    ] {
        let mut step = step_in(&account)
            .with_binary()
            .with_plugin(and(signs(), setting.clone()));
        step.without_docker();
        let ended = step.run();
        assert_eq!(ended.code, 2, "{}", ended.log);
        let wanted = "docker is not installed on this agent";
        assert!(ended.log.contains(wanted), "{}", ended.log);
        let both = and(setting, json!({"runtime": "binary"}));
        let step = step_in(&account)
            .with_binary()
            .with_plugin(and(signs(), both));
        let ended = step.run();
        assert_eq!(ended.code, 2, "{}", ended.log);
        assert!(ended.log.contains("is about a container"), "{}", ended.log);
    }
    assert!(account.0.records().is_empty());
}

#[test]
fn the_container_is_in_the_network_that_the_settings_name() {
    let account = account();
    let step = step_in(&account).with_plugin(and(signs(), json!({"network": "host"})));
    assert_eq!(step.run().code, 0);
    let run = step.docker_calls().pop().unwrap();
    assert!(
        run.windows(2).any(|pair| pair == ["--network", "host"]),
        "{run:?}"
    );
    let step: Step = step_in(&account).with_plugin(and(signs(), json!({"if-signed": "keep"})));
    step.run();
    let run = step.docker_calls().pop().unwrap();
    assert!(!run.contains(&"--network".to_owned()));
}
