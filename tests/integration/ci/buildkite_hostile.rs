//! The plugin at its limits: values that would like to be code, secrets that would like to be seen, agents that fail,
//! jobs that are cancelled.

use std::sync::{Arc, Mutex, mpsc};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use crate::ci::buildkite::{account, and, signs, step_in, verifies};
use crate::support::aws_fixture::EVERYTHING;
use crate::support::buildkite::{ACCESS_TOKEN, PLUGIN, Step};
use crate::support::{files, plain_key};
use s3lo_test_servers::aws::AUDIENCE;

#[test]
fn paths_and_values_are_taken_as_they_are() {
    let account = account();
    let mut step = Step::below("a b, \"c\" $(touch made) 'd' é").with_token(AUDIENCE, &account.1);
    step.set_all(&account.0.server.environment());
    for (name, value) in [
        ("AWS_ENDPOINT_URL_S3", account.0.s3.endpoint.as_str()),
        ("COSIGN_PASSWORD", "secret"),
        ("BUILDKITE_STEP_KEY", "--style $(touch made)"),
        ("BUILDKITE_LABEL", "a\nb`touch made`\""),
    ] {
        step.set(name, value);
    }
    step.write(
        "keys/$(touch made) \"x\".key",
        &std::fs::read(step.checkout().join("keys/cosign.key")).unwrap(),
    );
    let step = step
        .with_command("echo '$(touch made)' \"two  spaces\"")
        .with_plugin(and(signs(), json!({"key": "keys/$(touch made) \"x\".key"})));
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(
        ended.log.contains("$(touch made) two  spaces\n"),
        "{}",
        ended.log
    );
    assert!(
        !files(&step.file(""))
            .iter()
            .any(|file| file.ends_with("made"))
    );
    assert_eq!(account.0.records().len(), 1);
}

#[test]
fn hostile_configurations_end_in_an_error_of_the_program() {
    for (setting, value) in [
        (
            "reference",
            json!("s3://my-bucket/$(touch made):`touch made`"),
        ),
        (
            "reference",
            json!("s3://my-bucket/a:b\n+++ forged\n~~~ headers"),
        ),
        (
            "reference",
            json!(["a'b\"c", "\u{1b}[31m", "--flag", "-e", "$IFS"]),
        ),
        (
            "key",
            json!([
                "env://$(touch made)",
                "env://A B",
                "env://BUILDKITE_AGENT_ACCESS_TOKEN'"
            ]),
        ),
        ("key", json!("hashivault://$(touch made)/v1/x/keys/y")),
        ("vault-jwt-env", json!("a[$(touch made)]")),
        ("web-identity-token-env", json!("x y")),
        ("role-to-assume", json!("$(touch made)")),
        ("region", json!({"deep": ["a", {"b": "c"}]})),
    ] {
        let account = account();
        let mut configuration = signs();
        configuration[setting] = value.clone();
        let step = step_in(&account).with_plugin_as(PLUGIN, configuration);
        let ended = step.run();
        assert_eq!(ended.code, 2, "{value}: {}", ended.log);
        assert!(account.0.records().is_empty(), "{value}");
        assert!(
            !files(&step.file(""))
                .iter()
                .any(|file| file.ends_with("made")),
            "{value}"
        );
        assert!(
            !ended.log.contains("\n+++ forged") && !ended.log.contains('\u{1b}'),
            "{}",
            ended.log
        );
        assert!(!step.given().contains_key("BUILDKITE_AGENT_ACCESS_TOKEN"));
    }
}

#[test]
fn no_secret_is_in_an_argument_the_log_or_the_build() {
    let account = account();
    let (aws, token) = &account;
    let pem = plain_key();
    let user = aws.server.user("agent", EVERYTHING);
    let mut secrets = vec![
        token.clone(),
        "canary-password-7f3a".to_owned(),
        ACCESS_TOKEN.to_owned(),
    ];
    secrets.extend(
        user.environment()
            .into_iter()
            .skip(1)
            .map(|(_, value)| value),
    );
    secrets.extend(
        pem.lines()
            .filter(|line| !line.starts_with("-----"))
            .map(str::to_owned),
    );
    let mut keyless = signs();
    keyless.as_object_mut().unwrap().remove("role-to-assume");
    for configuration in [
        and(signs(), json!({"key": "env://MY_KEY", "verbose": true})),
        and(keyless, json!({"key": "keys/cosign.key"})),
        and(
            verifies(),
            json!({"key": "env://MY_KEY", "verbose": true, "output": "json"}),
        ),
        and(
            signs(),
            json!({"role-to-assume": "arn:aws:iam::111122223333:role/nobody"}),
        ),
        // In the wrong place.
        and(signs(), json!({"web-identity-token-env": token})),
        and(signs(), json!({"key": pem})),
        and(
            signs(),
            json!({"vault-jwt-env": token, "key": "hashivault://vault.example/v1/transit/keys/x"}),
        ),
    ] {
        let mut step = step_in(&account)
            .with("MY_KEY", &pem)
            .with("COSIGN_PASSWORD", "canary-password-7f3a")
            .with_command("echo ran")
            .with_plugin_as(PLUGIN, configuration.clone());
        step.set_all(&user.environment());
        let ended = step.run();
        let mut seen = vec![ended.log];
        seen.extend(step.docker_calls().concat());
        for call in step.agent_calls() {
            let hidden = call.arguments[0] == "redactor";
            seen.extend(call.arguments);
            seen.extend((!hidden).then_some(call.stdin));
        }
        for text in &seen {
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "{configuration}: {text}");
            }
        }
        for call in step.agent_calls_of(&["redactor", "add"]) {
            assert_eq!(call.stdin, *token);
        }
        assert!(step.left().is_empty(), "{:?}", step.left());
    }
}

#[test]
fn a_build_page_that_cannot_be_written_to_changes_nothing() {
    let account = account();
    let step = step_in(&account).with_plugin(signs());
    step.agent_fails_at(&["annotate", "meta-data"]);
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(ended.log.contains("fatal: annotate: 503"), "{}", ended.log);
    assert_eq!(account.0.records().len(), 1);
}

#[test]
fn a_job_that_is_cancelled_ends_in_order() {
    let account = account();
    let leader = Arc::new(Mutex::new(None::<u32>));
    let (done, waits) = mpsc::channel::<()>();
    let of_the_group = Arc::clone(&leader);
    account.0.s3.fault(move |_| {
        // The agent signals all processes of the hook, and no answer comes before these have ended.
        if let Some(leader) = of_the_group.lock().unwrap().take() {
            let group = Pid::from_raw(i32::try_from(leader).unwrap()).unwrap();
            kill_process_group(group, Signal::TERM).unwrap();
        }
        let _ = waits.recv();
        None
    });
    let step = step_in(&account).with_plugin(and(signs(), json!({"timeout": "20s"})));
    let ended = step.run_while(|child| *leader.lock().unwrap() = Some(child.id()));
    drop(done);
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(
        ended.log.contains("a signal stopped the run"),
        "{}",
        ended.log
    );
    assert!(account.0.records().is_empty());
    assert!(step.left().is_empty(), "{:?}", step.left());
}

/// A log that is full is no reason to sign what failed.
#[test]
fn a_log_that_cannot_be_written_to_changes_nothing() {
    for (name, value, exit_status) in [
        ("UNUSED", "", "1"),
        ("BUILDKITE_JOB_CANCELLED", "true", "0"),
    ] {
        let account = account();
        let step = step_in(&account)
            .with(name, value)
            .with("BUILDKITE_COMMAND_EXIT_STATUS", exit_status)
            .with_plugin(signs());
        assert_eq!(step.hook_with_log("post-command", "/dev/full"), Some(0));
        assert!(step.docker_calls().is_empty() && step.agent_calls().is_empty());
        assert!(account.0.s3.requests().is_empty());
    }
    let step = Step::new().with_plugin_as(PLUGIN, and(signs(), json!({"timeout": "soon"})));
    assert_eq!(step.hook_with_log("pre-command", "/dev/full"), Some(2));
}

/// Anyone who starts a build can set its variables: a setting is one of the step.
#[test]
fn a_variable_of_the_job_is_no_setting() {
    let account = account();
    let mut step = step_in(&account)
        .with_command("touch deployed")
        .with_plugin(verifies());
    for (name, value) in [
        ("IMAGE", "evil.example/yes"),
        ("COMMAND", "sign"),
        ("META_DATA", "false"),
        ("NETWORK", "host"),
        ("RUNTIME", "binary"),
        ("ENVIRONMENT_0", "S3LO_ENDPOINT"),
        ("OTHER", "/etc/passwd"),
    ] {
        step.set(&format!("BUILDKITE_PLUGIN_S3LO_SIGN_{name}"), value);
    }
    step.set("S3LO_ENDPOINT", "http://127.0.0.1:1");
    step.publish("evil.example/yes");
    let ended = step.run();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(!step.checkout().join("deployed").exists());
    assert_eq!(step.meta_data()["s3lo-verify:verified"], "false");
    assert!(!step.given().contains_key("S3LO_ENDPOINT"));
    for call in step.docker_calls() {
        for word in ["evil.example/yes", "--network"] {
            assert!(!call.contains(&word.to_owned()), "{call:?}");
        }
        assert!(
            !call.iter().any(|word| word.contains("/etc/passwd")),
            "{call:?}"
        );
    }
}

/// Nor is one that a list of the step's has no place for.
#[test]
fn a_variable_of_the_job_adds_nothing_to_a_list() {
    let account = account();
    let step = step_in(&account)
        .with("MORE", "x")
        .with("S3LO_DRY_RUN", "true")
        .with("BUILDKITE_PLUGIN_S3LO_SIGN_ENVIRONMENT_5", "S3LO_DRY_RUN")
        .with_plugin(and(signs(), json!({"environment": ["MORE"]})));
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(account.0.records().len(), 1);
}

#[test]
fn a_pin_of_white_space_or_in_lower_case_is_none() {
    let account = account();
    for (name, value) in [
        ("S3LO_DIGEST", " "),
        ("S3LO_DIGEST", "\n"),
        ("s3lo_digest", "sha256:0"),
    ] {
        let step = step_in(&account)
            .with(name, value)
            .with_plugin(and(signs(), json!({"environment": name})));
        let ended = step.run();
        assert_eq!(ended.code, 2, "{name}: {}", ended.log);
        assert!(ended.log.contains("`environment`"), "{}", ended.log);
    }
    assert!(account.0.records().is_empty());
}
