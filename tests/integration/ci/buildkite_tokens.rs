//! The tokens that the plugin asks the agent for: those that the program would ask for where it could.

use s3lo::key::vault::client::address::Product;
use serde_json::{Value, json};
use test_case::test_matrix;

use crate::ci::buildkite::{account, and, signs, step_in, verifies};
use crate::support::aws_fixture::{EVERYTHING, ROLE_ARN};
use crate::support::buildkite::{PLUGIN, Step};
use crate::support::program::{Run, Sandbox};
use crate::support::vault::Vault;
use s3lo_test_servers::aws::{Issuer, TokenAlgorithm, now};

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_job_logs_in_to_vault(product: Product) {
    let vault = Vault::start(product);
    vault.key("signer", "ecdsa-p256");
    vault.signer_policy("signer");
    let provider = Issuer::new("https://agent.buildkite.com", TokenAlgorithm::Es256);
    vault.jwt_config("jwt", &provider);
    let claims = json!({"pipeline_slug": "app"});
    vault.jwt_role("jwt", "signer", &vault.address, &claims, &["signer"]);
    let now = now();
    let token = provider.token(&json!({
        "iss": provider.url(), "sub": "organization:acme", "aud": vault.address, "pipeline_slug": "app",
        "iat": now, "nbf": now, "exp": now + 300,
    }));
    let account = account();
    let key = format!("hashivault://{}/v1/transit/keys/signer", vault.host());
    let mut keyless = signs();
    keyless.as_object_mut().unwrap().remove("role-to-assume");
    let configuration = and(
        keyless,
        json!({"key": key, "vault-role": "signer", "vault-address": vault.address}),
    );
    let mut step = step_in(&account)
        .with_token(&vault.address, &token)
        .with_plugin(configuration);
    step.set_all(&account.0.server.user("agent", EVERYTHING).environment());
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(step.audiences(), [vault.address.as_str()]);
    assert_eq!(account.0.records().len(), 1);
}

#[test]
fn what_the_agent_hands_out_is_hidden_from_the_log_by_older_agents_too() {
    let account = account();
    let step = step_in(&account).with_plugin(signs());
    assert_eq!(step.run().code, 0);
    assert_eq!(
        step.agent_calls_of(&["redactor", "add"])[0].stdin,
        account.1
    );
    // An agent that cannot do that yet works too: nothing prints the token.
    let step = step_in(&account).with_plugin(and(signs(), json!({"if-signed": "replace"})));
    step.agent_lacks("redactor");
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(!ended.log.contains("redactor"), "{}", ended.log);
}

#[test]
fn an_agent_that_gives_no_token_ends_the_step_in_one_line() {
    let account = account();
    for configuration in [signs(), verifies()] {
        let step = step_in(&account).with_plugin(configuration);
        step.agent_fails_at(&["oidc"]);
        let ended = step.run();
        assert_eq!(ended.code, 2);
        let wanted =
            "+++ s3lo-sign: the agent gave no identity token for sts.amazonaws.com, see above\n";
        assert_eq!(
            ended.log,
            format!("fatal: oidc: 503 Service Unavailable\n{wanted}")
        );
        let mut runs = step.docker_calls();
        runs.retain(|call| call[0] == "run" && !call.contains(&"tokens".to_owned()));
        assert!(runs.is_empty(), "{runs:?}");
        assert!(step.left().is_empty());
    }
}

/// Configurations and variables, of which each asks for a token, or for none.
fn logins() -> Vec<(Value, Vec<(&'static str, &'static str)>)> {
    let at = |key: &str, more: Value| {
        let store = if key.starts_with("awskms") {
            "s3://my-bucket"
        } else {
            "local://./store"
        };
        let reference = format!("{store}/myapp:v1.0");
        and(json!({"reference": reference, "key": key}), more)
    };
    let named = "hashivault://127.0.0.1:1/v1/transit/keys/x";
    let role = || json!({"vault-role": "signer"});
    vec![
        (
            at("awskms:///alias/x", json!({"role-to-assume": ROLE_ARN})),
            vec![],
        ),
        (
            at(
                "awskms:///alias/x",
                json!({"role-arn": ROLE_ARN, "audience": "https://x.example/?a=b c"}),
            ),
            vec![],
        ),
        (
            at(
                "awskms:///alias/x",
                json!({"role-to-assume": "arn:aws-cn:iam::111122223333:role/x"}),
            ),
            vec![],
        ),
        (
            at(
                "awskms:///alias/x",
                json!({"role-to-assume": "arn:aws-us-gov:iam::111122223333:role/x"}),
            ),
            vec![],
        ),
        (at(named, role()), vec![]),
        (
            at("hashivault://LOCALHOST:443/v1/a/b/keys/x?version=2", role()),
            vec![],
        ),
        (
            at("hashivault://localhost/v1/transit/keys/x", role()),
            vec![("VAULT_ADDR", "http://LocalHost:1/")],
        ),
        (
            at("hashivault://localhost:1/v1/transit/keys/x", role()),
            vec![("VAULT_ADDR", "http://localhost")],
        ),
        (at("hashivault://[::1]:1/v1/transit/keys/x", role()), vec![]),
        (
            at("hashivault://[::1]/v1/transit/keys/x", role()),
            vec![("VAULT_ADDR", "http://[::1]:1")],
        ),
        (
            at("hashivault://x", role()),
            vec![("VAULT_ADDR", "http://127.0.0.1:80/")],
        ),
        (
            at("hashivault://x", role()),
            vec![("BAO_ADDR", "https://127.0.0.1:443"), ("BAO_TOKEN", "s.x")],
        ),
        (
            at("openbao://x", role()),
            vec![("VAULT_ADDR", "http://127.0.0.1:1")],
        ),
        (
            at("hashivault://x", role()),
            vec![("VAULT_ADDR", "http://LocalHost:80/Vault/eu/")],
        ),
        (
            at("hashivault://localhost/v1/transit/keys/x", role()),
            vec![("VAULT_ADDR", "http://localhost:1/vault")],
        ),
        (
            at(
                "hashivault://x",
                json!({"vault-role": "r", "vault-address": "http://127.0.0.1:3/a/b"}),
            ),
            vec![("VAULT_ADDR", "http://127.0.0.1:1")],
        ),
        (
            at("hashivault://x", role()),
            vec![
                ("VAULT_AGENT_ADDR", "http://127.0.0.1:4"),
                ("VAULT_ADDR", "http://127.0.0.1:1"),
            ],
        ),
        (
            at("hashivault://x", role()),
            vec![("VAULT_SERVER_URL", "http://127.0.0.1:5")],
        ),
        (
            at("openbao://x", role()),
            vec![
                ("VAULT_AGENT_ADDR", "http://127.0.0.1:4"),
                ("BAO_SERVER_URL", "http://127.0.0.1:5"),
            ],
        ),
        (
            at("hashivault://x", role()),
            vec![("VAULT_ADDR", "unix:///run/agent.sock")],
        ),
        (
            at(
                "hashivault://x",
                json!({"vault-role": "r", "vault-audience": "https://vault.example"}),
            ),
            vec![("VAULT_ADDR", "unix:///run/agent.sock")],
        ),
        (
            at("openbao://x", role()),
            vec![
                ("VAULT_ADDR", "http://127.0.0.1:1"),
                ("BAO_ADDR", "http://127.0.0.1:2"),
            ],
        ),
        (
            at(
                "hashivault://x",
                json!({"vault-role": "r", "vault-address": "http://127.0.0.1:3"}),
            ),
            vec![("VAULT_ADDR", "http://127.0.0.1:1")],
        ),
        (
            at(named, json!({"vault-audience": "Vault of Acme"})),
            vec![("VAULT_TOKEN", "hvs.x")],
        ),
        (
            at(named, json!({"vault-auth": "jwt"})),
            vec![("VAULT_TOKEN", "hvs.x")],
        ),
        (at(named, json!({"vault-auth-mount": "gitlab"})), vec![]),
        (
            at(named, json!({"vault-auth-mount": "gitlab"})),
            vec![("VAULT_ROLE_ID", "r"), ("VAULT_SECRET_ID", "s")],
        ),
        (
            at(named, json!({"vault-auth": "approle"})),
            vec![("VAULT_ROLE_ID", "r"), ("VAULT_SECRET_ID", "s")],
        ),
        (
            at(named, json!({"vault-role": "r"})),
            vec![("VAULT_AUTH_METHOD", "kubernetes")],
        ),
        (
            at(
                named,
                json!({"vault-role": "r", "vault-jwt-env": "MY_TOKEN"}),
            ),
            vec![("MY_TOKEN", "x.y.z")],
        ),
        (
            at(
                named,
                json!({"vault-role": "r", "vault-jwt-file": "keys/cosign.pub"}),
            ),
            vec![],
        ),
        (
            at(named, json!({})),
            vec![("VAULT_TOKEN", "hvs.x"), ("VAULT_AUTH_ROLE", "r")],
        ),
        (
            at(named, json!({})),
            vec![
                ("VAULT_TOKEN_FILE", "keys/cosign.pub"),
                ("VAULT_AUTH_ROLE", "r"),
            ],
        ),
        (at(named, json!({})), vec![("VAULT_AUTH_ROLE", "r")]),
        (at(named, json!({})), vec![("VAULT_AUTH_METHOD", "jwt")]),
        (
            at(named, json!({})),
            vec![("VAULT_ROLE_ID", "r"), ("VAULT_SECRET_ID", "s")],
        ),
        (
            at(named, json!({})),
            vec![
                ("VAULT_AUTH_ROLE", "r"),
                ("VAULT_ROLE_ID", "r"),
                ("VAULT_SECRET_ID", "s"),
            ],
        ),
        (at(named, json!({})), vec![]),
        (
            at("keys/cosign.key", role()),
            vec![("VAULT_ADDR", "http://127.0.0.1:1")],
        ),
    ]
}

#[test]
fn the_agent_is_asked_for_the_tokens_that_the_program_would_ask_for() {
    let mut asked = 0;
    for (configuration, variables) in logins() {
        let step = || {
            let mut step = Step::new()
                .with("VAULT_MAX_RETRIES", "0")
                .with("BAO_MAX_RETRIES", "0")
                .with("COSIGN_PASSWORD", "secret")
                .with("AWS_MAX_ATTEMPTS", "1")
                .with("AWS_REGION", "us-east-1")
                .with("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
            // Tokens are asked for last, and one that there is not stops it: no server is needed.
            step.agent_fails_at(&["oidc"]);
            for (name, value) in &variables {
                step.set(name, value);
            }
            step
        };
        let on_its_own = step();
        on_its_own.run_program(&configuration);
        let mut wanted = on_its_own.audiences();
        wanted.dedup();
        let through_us = step().with_plugin_as(PLUGIN, configuration.clone());
        through_us.run();
        assert_eq!(
            through_us.audiences(),
            wanted,
            "{configuration} {variables:?}"
        );
        asked += wanted.len();
    }
    assert!(asked > 15, "{asked}");
}

/// Runs `s3lo ci tokens` where these variables are set.
fn tokens(variables: &[(&str, &str)]) -> Run {
    let mut sandbox = Sandbox::new();
    for (name, value) in variables {
        sandbox.set(name, value);
    }
    sandbox.s3lo("ci tokens sign")
}

const JOB: [(&str, &str); 3] = [
    ("BUILDKITE", "true"),
    ("S3LO_REFERENCE", "s3://my-bucket/myapp:v1.0"),
    ("S3LO_ROLE_TO_ASSUME", ROLE_ARN),
];

#[test]
fn tokens_are_listed_by_variable_and_audience() {
    let of_vault = [
        ("S3LO_KEY", "hashivault://vault.example/v1/transit/keys/x"),
        ("S3LO_VAULT_ROLE", "signer"),
    ];
    let both = tokens(&[&JOB[..], &of_vault].concat()).ends_with(0);
    let wanted = "BUILDKITE_OIDC_TOKEN\tsts.amazonaws.com\nVAULT_ID_TOKEN\thttps://vault.example\n";
    assert_eq!(both.out, wanted);
    // One that is there already is not listed.
    let there = [("BUILDKITE_OIDC_TOKEN", "a.b.c")];
    let one = tokens(&[&JOB[..], &of_vault, &there].concat()).ends_with(0);
    assert_eq!(one.out, "VAULT_ID_TOKEN\thttps://vault.example\n");
}

/// The program itself asks GitHub's runner, and in GitLab the job's YAML names the tokens.
#[test]
fn elsewhere_no_agent_is_asked() {
    let key = [
        ("S3LO_KEY", "awskms:///alias/x"),
        ("AWS_REGION", "eu-west-1"),
    ];
    for host in [
        &[
            ("GITHUB_ACTIONS", "true"),
            (
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                "https://github.example/?a=b",
            ),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x"),
        ][..],
        &[("GITLAB_CI", "true"), ("GITLAB_OIDC_TOKEN", "a.b.c")],
    ] {
        let listed = tokens(&[&JOB[1..], &key, host].concat()).ends_with(0);
        assert_eq!(listed.out, "", "{host:?}");
    }
}

#[test]
fn two_servers_that_need_a_token_each_are_refused() {
    let two = [
        (
            "S3LO_KEY",
            "hashivault://one.example/v1/transit/keys/x\nhashivault://two.example/v1/transit/keys/x",
        ),
        ("S3LO_VAULT_ROLE", "signer"),
    ];
    let refused = tokens(&[&JOB[..], &two].concat()).ends_with(2);
    let all = format!("{}{}", refused.out, refused.err);
    assert!(
        all.contains("https://one.example and https://two.example"),
        "{all}"
    );
    assert!(all.contains("S3LO_VAULT_AUDIENCE"), "{all}");
    let audience = [("S3LO_VAULT_AUDIENCE", "vault")];
    let listed = tokens(&[&JOB[..], &two, &audience].concat()).ends_with(0);
    assert_eq!(
        listed.out,
        "BUILDKITE_OIDC_TOKEN\tsts.amazonaws.com\nVAULT_ID_TOKEN\tvault\n"
    );
}
