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
