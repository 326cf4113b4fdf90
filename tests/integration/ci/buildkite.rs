//! The Buildkite plugin signs after a step's command and verifies before it, and annotates the build.

use serde_json::{Value, json};

use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE, ROLE_ARN};
use crate::support::buildkite::{IMAGE, PLUGIN, Step};
use s3lo_test_servers::aws::{AUDIENCE, Issuer, Subject, TokenAlgorithm, Trust};

const SUBJECT: &str = "organization:acme:pipeline:app:ref:refs/heads/main:commit:a1:step:sign";

/// The account, whose role trusts Buildkite's jobs.
pub(crate) fn account() -> (AwsFixture, String) {
    let aws = AwsFixture::bare();
    let provider = Issuer::new("https://agent.buildkite.com", TokenAlgorithm::Es256);
    aws.server.trust_issuer(&provider, &[AUDIENCE]);
    let trust = Trust {
        issuer: provider.url().to_owned(),
        audience: AUDIENCE.to_owned(),
        subject: Subject::Equals(SUBJECT.to_owned()),
    };
    aws.server.role(ROLE, &trust, EVERYTHING);
    let token = provider.identity_token(SUBJECT, AUDIENCE, 300);
    (aws, token)
}

/// A step that finds the account's services, by an agent that hands out the token.
pub(crate) fn step_in((aws, token): &(AwsFixture, String)) -> Step {
    let mut step = Step::new().with_token(AUDIENCE, token);
    step.set_all(&aws.server.environment());
    step.set("AWS_ENDPOINT_URL_S3", &aws.s3.endpoint);
    step
}

/// The configuration that signs the account's image.
pub(crate) fn signs() -> Value {
    json!({
        "reference": "s3://my-bucket/myapp:v1.0",
        "key": "awskms:///alias/release-signer",
        "schema-version": 2,
        "role-to-assume": ROLE_ARN,
    })
}

/// The configuration that verifies it.
pub(crate) fn verifies() -> Value {
    json!({
        "command": "verify",
        "reference": "s3://my-bucket/myapp:v1.0",
        "key": "awskms:///alias/release-signer",
        "min-schema": 2,
        "role-to-assume": ROLE_ARN,
    })
}

/// A configuration with other settings besides.
pub(crate) fn and(mut configuration: Value, more: Value) -> Value {
    let settings = configuration.as_object_mut().unwrap();
    settings.extend(more.as_object().unwrap().clone());
    configuration
}

#[test]
fn a_step_of_its_own_signs() {
    let account = account();
    let step = step_in(&account).with_plugin(signs());
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let (aws, _) = &account;
    assert_eq!(aws.records().len(), 1);
    let actions = ["AssumeRoleWithWebIdentity", "GetPublicKey", "Sign"];
    assert_eq!(aws.actions(), actions);
    // The session is named after pipeline and build.
    assert_eq!(aws.calls()[0].body["RoleSessionName"], "s3lo-app-7");
    assert!(ended.log.starts_with("--- Signed"), "{}", ended.log);
    assert!(step.left().is_empty(), "{:?}", step.left());
}

#[test]
fn a_command_runs_and_what_it_pushed_is_signed() {
    let account = account();
    let step = step_in(&account)
        .with_command("echo built >built; echo 'the command runs'")
        .with_plugin(signs());
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let (ran, signed) = (ended.log.find("the command runs"), ended.log.find("Signed"));
    assert!(ran.unwrap() < signed.unwrap(), "{}", ended.log);
    assert!(step.checkout().join("built").exists());
    assert_eq!(account.0.records().len(), 1);
}

#[test]
fn a_failed_build_signs_nothing() {
    let account = account();
    let step = step_in(&account)
        .with_command("exit 3")
        .with_plugin(signs());
    let ended = step.run();
    assert_eq!(ended.code, 3);
    assert!(
        ended
            .log
            .contains("nothing is signed: the step's command ended with status 3")
    );
    assert!(account.0.calls().is_empty() && account.0.s3.requests().is_empty());
    // Not even a token is asked for, and the results of an earlier try stay in the build.
    assert!(step.agent_calls().is_empty());
}

#[test]
fn a_cancelled_job_signs_nothing() {
    let account = account();
    let step = step_in(&account)
        .with("BUILDKITE_JOB_CANCELLED", "true")
        .with_plugin(signs());
    let ended = step.run();
    assert!(
        ended
            .log
            .contains("nothing is signed: the job is cancelled")
    );
    assert!(account.0.s3.requests().is_empty() && step.agent_calls().is_empty());
}

#[test]
fn a_gate_lets_the_command_run_only_if_the_image_is_verified() {
    let account = account();
    let gate = || {
        step_in(&account)
            .with_command("echo deployed")
            .with_plugin(verifies())
    };
    let ended = gate().run();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(!ended.log.contains("deployed"));
    assert!(ended.log.contains("+++ Not verified"), "{}", ended.log);

    assert_eq!(step_in(&account).with_plugin(signs()).run().code, 0);
    let ended = gate().run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let (verified, ran) = (ended.log.find("Verified"), ended.log.find("deployed"));
    assert!(verified.unwrap() < ran.unwrap(), "{}", ended.log);
}

#[test]
fn a_gate_that_cannot_decide_stays_shut() {
    let account = account();
    account.0.server.expire_sessions();
    let step = step_in(&account)
        .with("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        .with("AWS_MAX_ATTEMPTS", "1")
        .with_command("echo deployed")
        .with_plugin(verifies());
    let ended = step.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(!ended.log.contains("deployed"));
}

#[test]
fn a_gate_by_a_public_key_in_the_checkout_needs_no_identity() {
    let account = account();
    let key = and(signs(), json!({"key": "keys/cosign.key"}));
    let signer = step_in(&account).with("COSIGN_PASSWORD", "secret");
    let ended = signer.with_plugin(key).run();
    assert_eq!(ended.code, 0, "{}", ended.log);

    let user = account.0.server.user("gate", EVERYTHING);
    let mut step = step_in(&account)
        .with_command("echo deployed")
        .with_plugin(json!({
            "command": "verify", "reference": "s3://my-bucket/myapp:v1.0", "key": "keys/cosign.pub", "min-schema": 2,
        }));
    step.set_all(&user.environment());
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(ended.log.contains("deployed"));
    assert!(step.agent_calls_of(&["oidc"]).is_empty());
}

#[test]
fn a_step_may_have_a_gate_and_sign_too() {
    let account = account();
    assert_eq!(step_in(&account).with_plugin(signs()).run().code, 0);
    let (aws, _) = &account;
    aws.s3.put(
        "/my-bucket/manifests/next/v1/manifest.json",
        MANIFEST.as_bytes(),
    );
    let next = and(signs(), json!({"reference": "s3://my-bucket/next:v1"}));
    let step = step_in(&account)
        .with_command("echo once")
        .with_plugin(verifies())
        .with_plugin(next);
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(ended.log.matches("\nonce").count(), 1, "{}", ended.log);
    let order = ["--- Verified", "\nonce", "--- Signed"].map(|text| ended.log.find(text).unwrap());
    assert!(order.is_sorted(), "{}", ended.log);
}

#[test]
fn lists_of_references_and_keys_are_all_signed() {
    let account = account();
    let (aws, _) = &account;
    aws.s3.put(
        "/my-bucket/manifests/two/v1/manifest.json",
        MANIFEST.as_bytes(),
    );
    let lists = json!({
        "reference": ["s3://my-bucket/myapp:v1.0", "s3://my-bucket/two:v1"],
        "key": ["awskms:///alias/release-signer", "keys/ed25519.key"],
        "schema-version": "2",
        "role-arn": ROLE_ARN,
        "allowed-account": ["111122223333"],
    });
    let step = step_in(&account)
        .with("COSIGN_PASSWORD", "secret")
        .with_plugin(lists);
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let paths = aws.s3.paths();
    assert_eq!(
        paths
            .iter()
            .filter(|path| path.contains("/signatures/"))
            .count(),
        4
    );
    // There is no single digest then: only the build page shows the results.
    assert!(step.meta_data().is_empty(), "{:?}", step.meta_data());
    assert_eq!(step.agent_calls_of(&["annotate"]).len(), 1);
}

#[test]
fn the_build_gets_an_annotation_and_meta_data() {
    let account = account();
    let step = step_in(&account).with_plugin(signs());
    assert_eq!(step.run().code, 0);
    let annotations = step.agent_calls_of(&["annotate"]);
    let [annotation] = &annotations[..] else {
        panic!("{annotations:?}");
    };
    assert_eq!(
        annotation.arguments[..3],
        ["annotate", "--style", "success"]
    );
    assert!(
        annotation.stdin.starts_with("### ✅ Signed"),
        "{}",
        annotation.stdin
    );
    let set = step.meta_data();
    let keys: Vec<_> = set.keys().map(String::as_str).collect();
    let wanted = [
        "s3lo-sign:digest",
        "s3lo-sign:keyID",
        "s3lo-sign:signedAt",
        "s3lo-sign:storedPath",
    ];
    assert_eq!(keys, wanted);
    assert!(set["s3lo-sign:digest"].starts_with("sha256:"));
    // Raw values: `buildkite-agent meta-data get` gives them as they are.
    assert!(set.values().all(|value| value.trim() == value));

    let step = step_in(&account)
        .with("BUILDKITE_STEP_KEY", "gate")
        .with_plugin(verifies());
    assert_eq!(step.run().code, 0);
    let set = step.meta_data();
    assert_eq!(set["s3lo-verify:verified"], "true");
    assert_eq!(set["s3lo-verify:gate:verified"], "true");
    assert_eq!(set["s3lo-verify:digest"], set["s3lo-verify:gate:digest"]);
}

#[test]
fn failures_are_annotated_as_errors() {
    let account = account();
    let step = step_in(&account).with_plugin(verifies());
    assert_eq!(step.run().code, 1);
    let annotations = step.agent_calls_of(&["annotate", "--style", "error"]);
    assert_eq!(annotations.len(), 1);
    assert!(annotations[0].stdin.starts_with("### ❌ Not verified"));
    let set = step.meta_data();
    assert_eq!(set["s3lo-verify:verified"], "false");
    assert!(!set["s3lo-verify:reason"].is_empty());
    assert!(!set.contains_key("s3lo-verify:digest"));
}

#[test]
fn steps_do_not_overwrite_each_others_annotation_and_a_retry_overwrites_its_own() {
    let account = account();
    let context = |step: Step| {
        step.run();
        let annotations = step.agent_calls_of(&["annotate"]);
        annotations[0].arguments.last().unwrap().clone()
    };
    let step = || step_in(&account);
    let other_key = and(signs(), json!({"if-signed": "replace"}));
    let contexts = [
        context(step().with_plugin(signs())),
        context(step().with_plugin(other_key)),
        context(step().with_plugin(verifies())),
        context(
            step()
                .with("BUILDKITE_STEP_ID", "another")
                .with_plugin(signs()),
        ),
        context(
            step()
                .with("BUILDKITE_PARALLEL_JOB", "1")
                .with_plugin(signs()),
        ),
        context(
            step()
                .with("BUILDKITE_LABEL", "of a matrix")
                .with_plugin(signs()),
        ),
    ];
    for (index, context) in contexts.iter().enumerate() {
        assert!(
            context.starts_with("s3lo-sign-") && context.len() <= 100,
            "{context}"
        );
        assert!(!contexts[..index].contains(context), "{contexts:?}");
    }
    let again = context(
        step()
            .with("BUILDKITE_JOB_ID", "retried")
            .with_plugin(signs()),
    );
    assert_eq!(again, contexts[0]);
}

#[test]
fn the_build_is_left_alone_where_the_settings_ask_for_that() {
    let account = account();
    let quiet = and(signs(), json!({"annotate": false, "meta-data": false}));
    let step = step_in(&account).with_plugin(quiet);
    assert_eq!(step.run().code, 0);
    assert!(step.agent_calls_of(&["annotate"]).is_empty());
    assert!(step.agent_calls_of(&["meta-data"]).is_empty());
}

#[test]
fn the_plugin_works_under_any_name() {
    let account = account();
    for location in [
        "https://git.example/team/My_Fork.git#v2",
        "ssh://git@git.example/team/signer-buildkite-plugin.git#main",
        "github.com/acme/plugins/signing/s3lo#v1.0.0",
        "./.buildkite/plugins/sign",
    ] {
        let step = step_in(&account).with_command("echo ran").with_plugin_as(
            location,
            and(signs(), json!({"if-signed": "replace", "annotate": false})),
        );
        let ended = step.run();
        assert_eq!(ended.code, 0, "{location}: {}", ended.log);
        assert!(ended.log.contains("ran\n"), "{location}: {}", ended.log);
        assert!(step.agent_calls_of(&["annotate"]).is_empty(), "{location}");
        assert_eq!(step.meta_data().len(), 4, "{location}");
    }
    assert_eq!(account.0.count("Sign"), 4);
}

#[test]
fn the_image_of_this_version_runs_unless_another_is_named() {
    let account = account();
    let step = step_in(&account).with_plugin(signs());
    assert_eq!(step.run().code, 0);
    // It is fetched before the step's command runs, and once. Then the settings are checked, and after the command the
    // tokens are listed.
    let calls = step.docker_calls();
    let verbs: Vec<_> = calls.iter().map(|call| call[0].as_str()).collect();
    assert_eq!(verbs, ["image", "pull", "run", "image", "run", "run"]);
    for (call, ends) in [
        (2, &["ci", "tokens", "sign"][..]),
        (4, &["ci", "tokens", "sign"]),
        (5, &["ci", "sign"]),
    ] {
        let words = [&["--", IMAGE], ends].concat();
        let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        let windows = calls[call].windows(words.len());
        assert!(
            windows.into_iter().any(|part| part == words),
            "{:?}",
            calls[call]
        );
    }

    let mirror = "registry.example:5000/s3lo@sha256:0123";
    let step = step_in(&account).with_plugin(and(signs(), json!({"image": mirror})));
    step.publish(mirror);
    assert_eq!(step.run().code, 0);
    let run = step.docker_calls().pop().unwrap();
    assert!(
        run.windows(3).any(|part| part == [mirror, "ci", "sign"]),
        "{run:?}"
    );
}

#[test]
fn what_the_program_does_not_know_is_refused_by_name() {
    let account = account();
    let step = step_in(&account).with_plugin_as(PLUGIN, and(signs(), json!({"if-singed": "fail"})));
    let ended = step.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(ended.log.contains("if-signed"), "{}", ended.log);
    assert!(account.0.s3.requests().is_empty());
}
