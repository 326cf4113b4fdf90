//! Secrets are registered with the runner's masking before anything is printed, and never printed.

use std::collections::BTreeSet;

use s3lo::key::vault::client::address::Product;
use test_case::test_matrix;

use super::services::{by_kms, of_job};
use super::{DIGEST, signer, verifier};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN};
use crate::support::github_runner::{Runner, Step};
use crate::support::vault::vault;
use crate::support::{plain_key, vectors};
use crate::vault::logins::Job;
use s3lo_test_servers::aws::GITHUB_REQUEST_TOKEN;

/// Every line of it is masked before anything else is printed, and none appears in the output.
#[track_caller]
fn is_hidden_first(secret: &str, step: &Step) {
    let others = step
        .out
        .lines()
        .skip_while(|line| line.starts_with("::add-mask::"));
    assert!(
        !others.clone().any(|line| line.starts_with("::add-mask::")),
        "{}",
        step.out
    );
    is_hidden(secret, step);
}

#[track_caller]
fn is_hidden(secret: &str, step: &Step) {
    let others: Vec<_> = step
        .out
        .lines()
        .filter(|line| !line.starts_with("::add-mask::"))
        .collect();
    let (others, reported) = (others.join("\n"), step.shown());
    for line in secret
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        // The lines around a key are in other outputs as well.
        let frame = line.starts_with("-----") && line.ends_with("-----");
        assert!(step.hides(line) != frame, "{line:?}: {}", step.out);
        assert!(!others.contains(line), "{line:?} is printed: {}", step.out);
        assert!(!reported.contains(line), "{line:?} is shown: {reported}");
    }
}

/// The step, and the same as talkative as can be.
fn both(runner: Runner) -> [Step; 2] {
    let quiet = runner.run();
    [quiet, runner.debugging().with("verbose", "true").run()]
}

#[test]
fn a_password_is_hidden_before_anything_is_printed() {
    for password in [
        "secret",
        "canary of a password",
        "first canary\n\n  second: canary%0A  \r\nthird%25canary::x]",
    ] {
        for runner in [
            signer().with("password", password),
            signer().env("COSIGN_PASSWORD", password),
            signer().env("S3LO_PASSWORD", password),
            signer().with("password", password).with("timeout", "soon"),
            signer().with("password", password).with("if-singed", "x"),
            signer()
                .with("password", password)
                .with("key", "keys/cosign.key"),
            verifier().with("password", password),
        ] {
            for step in both(runner) {
                is_hidden_first(password, &step);
            }
        }
    }
}

#[test]
fn nothing_is_hidden_where_there_is_no_secret() {
    for password in ["", " ", "\n", " \r\n\t\n"] {
        for runner in [
            signer().with("password", password),
            signer().env("COSIGN_PASSWORD", password),
        ] {
            // The runner would warn of a mask that hides nothing.
            let step = runner.run().ends_with(0);
            assert_eq!(step.count("add-mask"), 0, "{password:?}");
        }
    }
}

#[test]
fn what_other_outputs_contain_is_not_hidden() {
    let public = std::fs::read_to_string(vectors().join("keys/cosign.pub")).unwrap();
    let verifier = || {
        let verifier = verifier().env("GATE", &public).with("key", "env://GATE");
        verifier.with("reference", "local://./store/none:v1")
    };
    for step in [
        verifier().run(),
        signer().with("password", "1").run(),
        signer().env("COSIGN_PASSWORD", "abc").run(),
    ] {
        assert_eq!(step.count("add-mask"), 0, "{}", step.out);
    }
}

#[test]
fn a_key_in_a_variable_is_hidden_line_by_line() {
    let key = plain_key();
    let runner = || {
        signer()
            .env("SIGNING_KEY", &key)
            .with("key", "env://SIGNING_KEY")
    };
    for step in both(runner()) {
        is_hidden_first(&key, &step.ends_with(0));
    }
    for step in both(runner().with("reference", "local://./store/none:v1")) {
        is_hidden_first(&key, &step.ends_with(2));
    }
    // One that is no key.
    for broken in [
        "canary-of-no-key",
        &key.replace("PRIVATE KEY", "CANARY KEY"),
    ] {
        for step in both(
            signer()
                .env("SIGNING_KEY", broken)
                .with("key", "env://SIGNING_KEY"),
        ) {
            is_hidden_first(broken, &step.ends_with(2));
        }
    }
    let verifier = || {
        verifier()
            .env("GATE", &key)
            .with("key", "plain.key\nenv://GATE")
    };
    for step in both(verifier()) {
        is_hidden_first(&key, &step.ends_with(0));
    }
}

#[test]
fn what_is_hidden_takes_no_output_away() {
    let key = plain_key();
    let runner = signer()
        .env("SIGNING_KEY", &key)
        .with("key", "env://SIGNING_KEY");
    let step = runner
        .with("password", "canary")
        .debugging()
        .run()
        .ends_with(0);
    assert_eq!(step.job_outputs(), step.output_names());
    assert_eq!(step.output("digest"), Some(DIGEST));
}

/// The tokens and sessions that the servers of a fixture have seen or given.
fn secrets_of(aws: &AwsFixture) -> BTreeSet<String> {
    let mut secrets: BTreeSet<_> = aws.server.secrets().into_iter().collect();
    for call in aws.calls() {
        secrets.extend(call.body["WebIdentityToken"].as_str().map(str::to_owned));
    }
    secrets
}

#[test]
fn the_identity_and_the_session_of_a_job_are_hidden_as_soon_as_they_are_known() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let mut seen = BTreeSet::new();
    for (input, value, code) in [
        ("timeout", "5m", 0),
        ("reference", "s3://my-bucket/nothing:v1", 2),
        ("role-duration", "2h", 2),
        ("audience", "other", 2),
        ("allowed-account", "444455556666", 2),
    ] {
        for debugging in [false, true] {
            let runner = by_kms(&aws).with(input, value);
            let runner = if debugging {
                runner.debugging()
            } else {
                runner
            };
            let step = runner.run().ends_with(code);
            let secrets = secrets_of(&aws);
            for secret in secrets.difference(&seen) {
                is_hidden(secret, &step);
            }
            is_hidden(GITHUB_REQUEST_TOKEN, &step);
            seen = secrets;
        }
    }
    // Of five runs, twice: tokens, keys and session tokens.
    assert!(seen.len() >= 12, "{}", seen.len());
}

#[test]
fn a_session_that_an_earlier_step_left_in_variables_is_hidden() {
    let aws = AwsFixture::new();
    let session = aws.server.session("dev", EVERYTHING);
    let mut runner = by_kms(&aws).with("role-to-assume", "");
    for (name, value) in session.environment() {
        runner.set_env(&name, &value);
    }
    for step in both(runner) {
        let step = step.ends_with(0);
        is_hidden_first(&session.secret_access_key, &step);
        is_hidden_first(session.session_token.as_deref().unwrap(), &step);
        // The key's ID is no secret.
        assert!(!step.hides(&session.access_key_id));
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_of_vault_is_hidden_first(product: Product) {
    let job = Job::new(vault(product), "github-action-token");
    let token = vault(product).token(&["github-action-token"], "5m");
    for step in both(of_job(&job).env("VAULT_TOKEN", &token)) {
        is_hidden_first(&token, &step.ends_with(0));
    }
    for step in both(of_job(&job).env("VAULT_TOKEN", "hvs.canary-of-no-token")) {
        is_hidden_first("hvs.canary-of-no-token", &step.ends_with(2));
    }
}

/// How the token of a login begins.
fn token_start(product: Product) -> &'static str {
    match product {
        Product::Vault => "hvs.",
        Product::OpenBao => "s.",
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_secret_id_and_the_token_that_it_gives_are_hidden(product: Product) {
    let job = Job::new(vault(product), "github-action-approle");
    let (role, secret) =
        vault(product).approle("github-action-approle", &["github-action-approle"]);
    let runner = of_job(&job).with("vault-auth", "approle");
    let runner = runner
        .env("VAULT_ROLE_ID", &role)
        .env("VAULT_SECRET_ID", &secret);
    for step in both(runner) {
        let step = step.ends_with(0);
        is_hidden(&secret, &step);
        // The only other masked value is the login's token.
        let tokens: Vec<_> = step
            .console
            .masker
            .values
            .iter()
            .filter(|one| one.starts_with(token_start(product)))
            .collect();
        let [token] = tokens[..] else {
            panic!("{}", step.out);
        };
        is_hidden(token, &step);
        // It has ended with the step.
        assert!(vault(product).lookup(token).is_none());
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_identity_that_vault_is_shown_is_hidden(product: Product) {
    let (job, ci) = Job::in_github(vault(product), "github-action-identity");
    let runner = of_job(&job).with("vault-role", "github-action-identity");
    for step in both(runner) {
        let step = step.ends_with(0);
        let masks = &step.console.masker.values;
        // The runner's bearer is a JWT as well.
        for (begin, count) in [("eyJ", 2), (token_start(product), 1)] {
            let secrets: Vec<_> = masks
                .iter()
                .filter(|mask| mask.starts_with(begin))
                .collect();
            assert_eq!(secrets.len(), count, "{begin}: {}", step.out);
            secrets.iter().for_each(|secret| is_hidden(secret, &step));
        }
    }
    assert!(ci.calls().iter().any(|call| call.service == "github"));
}

#[test]
fn a_token_in_a_variable_of_the_job_is_hidden_first() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let token = aws.server.identity_token(
        "repo:acme/app:ref:refs/heads/main",
        "sts.amazonaws.com",
        300,
    );
    // An action has no such option: a step that runs the program itself has.
    let sandbox = aws
        .sandbox
        .with("GITHUB_ACTIONS", "true")
        .with("ID_TOKEN", &token)
        .with("S3LO_WEB_IDENTITY_TOKEN_ENV", "ID_TOKEN")
        .with("S3LO_ROLE_TO_ASSUME", ROLE_ARN);
    for flags in ["", "--verbose"] {
        let run = sandbox.s3lo(&format!("ci {SIGN} {flags}")).ends_with(0);
        let masks = |line: &&str| line.starts_with("::add-mask::");
        let mut first = run.out.lines().take_while(masks);
        assert!(first.any(|line| line.ends_with(&token)), "{}", run.out);
        let mut others = run.out.lines().filter(|line| !masks(line));
        assert!(!others.any(|line| line.contains(&token)), "{}", run.out);
        assert!(!run.err.contains(&token), "{}", run.err);
    }
}
