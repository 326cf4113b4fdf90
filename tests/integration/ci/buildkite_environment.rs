//! The plugin gives the program the variables and files that it needs, and nothing else.

use serde_json::{Value, json};

use crate::ci::buildkite::{account, and, signs, step_in};
use crate::support::aws_fixture::EVERYTHING;
use crate::support::buildkite::{PLUGIN, Step};
use crate::support::{files, plain_key};
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::AUDIENCE;

/// Signs the image in the checkout's store, which fails: it is enough to see the container's input.
fn local(key: &str) -> Value {
    json!({"reference": "local://./store/myapp:v1.0", "key": key})
}

fn names(step: &Step) -> Vec<String> {
    step.run();
    step.given().into_keys().collect()
}

#[test]
fn the_program_is_given_its_own_variables_and_nothing_else() {
    let account = account();
    let step = step_in(&account)
        .with("COSIGN_PASSWORD", "secret")
        .with("DATABASE_PASSWORD", "of something else")
        .with("GITHUB_TOKEN", "of another")
        .with("S3LO_ENDPOINT", "http://127.0.0.1:1")
        .with("HTTPS_PROXY", "")
        .with("NO_PROXY", "127.0.0.1")
        .with_plugin(signs());
    assert_eq!(
        names(&step),
        [
            "AWS_ENDPOINT_URL_KMS",
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL_STS",
            "AWS_REGION",
            "BUILDKITE",
            "BUILDKITE_BUILD_NUMBER",
            "BUILDKITE_OIDC_TOKEN",
            "BUILDKITE_PIPELINE_SLUG",
            "BUILDKITE_PLUGIN_CONFIGURATION",
            "BUILDKITE_PLUGIN_NAME",
            "COSIGN_PASSWORD",
            "NO_PROXY",
        ]
    );
}

#[test]
fn a_role_is_assumed_by_the_identity_of_the_job_rather_than_by_credentials_of_the_agent() {
    let account = account();
    let user = account.0.server.user("agent", EVERYTHING);
    let with_credentials = |configuration| {
        let mut step = step_in(&account).with_plugin(configuration);
        step.set_all(&user.environment());
        step.set("AWS_PROFILE", "");
        step
    };
    let mut keyless = signs();
    keyless.as_object_mut().unwrap().remove("role-to-assume");
    let step = with_credentials(keyless);
    assert_eq!(step.run().code, 0);
    assert!(step.given().contains_key("AWS_SECRET_ACCESS_KEY"));
    assert!(step.agent_calls_of(&["oidc"]).is_empty());
    let step = with_credentials(and(signs(), json!({"if-signed": "replace"})));
    assert_eq!(step.run().code, 0);
    assert_eq!(step.audiences(), [AUDIENCE]);
    // Those of a first role are what an external ID asks for.
    let step = with_credentials(and(signs(), json!({"external-id": "x"})));
    step.run();
    assert!(step.given().contains_key("AWS_SECRET_ACCESS_KEY"));
    assert!(step.audiences().is_empty());
}

#[test]
fn variables_that_the_configuration_names_are_given() {
    let step = Step::new()
        .with("MY_KEY", &plain_key())
        .with("MORE", "two\nlines = $(touch made) \"quoted\" 'twice'\\")
        .with("UNLISTED", "x")
        .with_plugin(and(local("env://MY_KEY"), json!({"environment": ["MORE"]})));
    step.run();
    let given = step.given();
    assert_eq!(given["MY_KEY"], plain_key());
    assert_eq!(
        given["MORE"],
        "two\nlines = $(touch made) \"quoted\" 'twice'\\"
    );
    assert!(!given.contains_key("UNLISTED"));

    // A digest that the step's command learned, and set with `buildkite-agent env set`.
    let account = account();
    let pinned = and(signs(), json!({"environment": "S3LO_DIGEST"}));
    let step = step_in(&account)
        .with("S3LO_DIGEST", &format!("sha256:{}", "0".repeat(64)))
        .with_plugin(pinned);
    assert_eq!(step.run().code, 1);

    let (_, token) = &account;
    let mine = json!({"web-identity-token-env": "MY_TOKEN"});
    let step = step_in(&account)
        .with("MY_TOKEN", token)
        .with_plugin(and(signs(), mine));
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(step.audiences().is_empty());
}

/// One of them may be the pin: without it, any image at the tag would be signed.
#[test]
fn an_unset_variable_that_the_configuration_names_ends_the_step() {
    let account = account();
    for (names, missing) in [
        (json!("S3LO_DIGEST"), "S3LO_DIGEST"),
        (json!(["SET", "S3LO_DIGESTT"]), "S3LO_DIGESTT"),
        (json!(["S3LO_REFERENCE", "SET"]), "S3LO_REFERENCE"),
        (json!(["SET", "EMPTY"]), "EMPTY"),
    ] {
        let step = step_in(&account)
            .with("SET", "x")
            .with("EMPTY", "")
            .with_plugin(and(signs(), json!({"environment": names})));
        let ended = step.run();
        assert_eq!(ended.code, 2, "{}", ended.log);
        let wanted = format!("`environment` names {missing}, which is not set or empty");
        assert!(ended.log.contains(&wanted), "{}", ended.log);
        assert!(!ended.log.contains("Signed "), "{}", ended.log);
    }
}

#[test]
fn vaults_variables_are_given_where_a_key_is_there() {
    for key in ["hashivault://ci-signer", "openbao://ci-signer"] {
        let step = Step::new()
            .with("VAULT_ADDR", "http://127.0.0.1:1")
            .with("VAULT_TOKEN", "hvs.token")
            .with("BAO_NAMESPACE", "team")
            .with("VAULT_MAX_RETRIES", "0")
            .with_plugin(local(key));
        let names = names(&step);
        for name in ["VAULT_ADDR", "VAULT_TOKEN", "BAO_NAMESPACE"] {
            assert!(names.iter().any(|given| given == name), "{names:?}");
        }
    }
}

#[test]
fn files_that_keys_and_variables_name_can_be_read() {
    let account = account();
    let mut step = step_in(&account);
    let outside = step.file("etc/\"release\", signer.key");
    std::fs::create_dir_all(outside.parent().unwrap()).unwrap();
    std::fs::copy(step.checkout().join("keys/cosign.key"), &outside).unwrap();
    let bundle = step.file("etc/bundle.pem");
    std::fs::write(&bundle, Authority::generate().pem()).unwrap();
    let token = step.file("etc/token");
    std::fs::write(&token, &account.1).unwrap();
    step.set("COSIGN_PASSWORD", "secret");
    step.set("AWS_CA_BUNDLE", bundle.to_str().unwrap());
    step.set("SSL_CERT_FILE", bundle.to_str().unwrap());
    let inside = step.checkout().join("keys/ed25519.key");
    let step = step.with_plugin(and(
        signs(),
        json!({
            "key": [outside.to_str().unwrap(), inside.to_str().unwrap(), "keys/p384.key"],
            "web-identity-token-file": token.to_str().unwrap(),
        }),
    ));
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(account.0.records().len(), 3);
    // And nothing else of the machine.
    let run = step.docker_calls().pop().unwrap();
    assert_eq!(
        run.iter().filter(|word| *word == "--mount").count(),
        5,
        "{run:?}"
    );
}

#[test]
fn the_checkout_is_read_and_never_written() {
    let step = Step::new().with("COSIGN_PASSWORD", "secret");
    let before = files(step.checkout());
    let step = step.with_plugin(local("keys/cosign.key"));
    let ended = step.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(ended.log.contains("read-only"), "{}", ended.log);
    assert_eq!(files(step.checkout()), before);
    assert!(step.left().is_empty(), "{:?}", step.left());
}

#[test]
fn without_the_checkout_nothing_of_it_is_seen() {
    let account = account();
    let blind = and(
        signs(),
        json!({"key": "keys/cosign.key", "mount-checkout": false}),
    );
    // A name may be written either way.
    let underscored = json!({"key": "keys/cosign.key", "mount_checkout": false});
    for blind in [blind.clone(), and(signs(), underscored)] {
        let step = step_in(&account)
            .with("COSIGN_PASSWORD", "secret")
            .with_plugin_as(PLUGIN, blind);
        let ended = step.run();
        assert_eq!(ended.code, 2, "{}", ended.log);
        assert!(ended.log.contains("keys/cosign.key"), "{}", ended.log);
    }
    // But for a file that is named whole.
    let step = step_in(&account).with("COSIGN_PASSWORD", "secret");
    let whole = step.checkout().join("keys/cosign.key");
    let step = step.with_plugin(and(blind, json!({"key": whole.to_str().unwrap()})));
    assert_eq!(step.run().code, 0);
}

#[test]
fn relative_paths_begin_where_the_hooks_run() {
    let account = account();
    let step = step_in(&account)
        .with("COSIGN_PASSWORD", "secret")
        .with_other("elsewhere#v1", json!({}), &[("pre-command", "cd keys\n")])
        .with_plugin(and(signs(), json!({"key": "cosign.key"})));
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
}
