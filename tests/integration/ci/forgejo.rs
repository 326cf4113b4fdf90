//! Forgejo and Gitea, which run jobs by the variables of GitHub Actions: identities are asked for in their own words.

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN, trust};
use crate::support::program::{Sandbox, statements};
use s3lo_test_servers::aws::{AUDIENCE, Issuer, TokenAlgorithm};

const ROLE: &str = "arn:aws:iam::444455556666:role/target";

/// A job that may not ask for an identity token.
fn job(variables: &[(&str, &str)]) -> Sandbox {
    let mut job = Sandbox::with_image()
        .with("GITHUB_ACTIONS", "true")
        .with("INPUT_REFERENCE", "local://./store/myapp:v1.0")
        .with("INPUT_KEY", "awskms:///alias/x")
        .with("INPUT_REGION", "us-east-1")
        .with("INPUT_ROLE-TO-ASSUME", ROLE);
    for (name, value) in variables {
        job.set(name, value);
    }
    job
}

#[test]
fn an_identity_is_asked_for_in_the_words_of_the_forge() {
    for (forge, name, add) in [
        (
            "FORGEJO_ACTIONS",
            "Forgejo",
            "`enable-openid-connect: true`",
        ),
        (
            "GITEA_ACTIONS",
            "Gitea",
            "`permissions: {id-token: write, contents: read}`",
        ),
        (
            "NO_FORGE",
            "GitHub",
            "`permissions: {id-token: write, contents: read}`",
        ),
    ] {
        let run = job(&[(forge, "true")]).s3lo("ci sign").ends_with(2);
        let sentence = format!("this job may not ask {name} for an identity token");
        assert!(run.out.contains(&sentence), "{}", run.out);
        assert!(
            run.out.contains(&format!("add to the job: {add}")),
            "{}",
            run.out
        );
        assert_eq!(
            run.out.contains("permissions"),
            add.contains("permissions"),
            "{}",
            run.out
        );
    }
}

/// The provider in IAM is the issuer that the token names, and the subject that of its repository, with IDs or without.
#[test]
fn a_role_that_does_not_trust_the_job_comes_with_the_forge_s_own_issuer() {
    for subject in [
        "repo:acme/app:ref:refs/tags/v1.0",
        "repo:acme-123456/app-456789:ref:refs/tags/v1.0",
    ] {
        let mut aws = AwsFixture::bare();
        let forge = Issuer::new("https://forge.example/api/actions", TokenAlgorithm::Es256);
        aws.server.trust_issuer(&forge, &[AUDIENCE]);
        aws.server.role("signer", &trust(), EVERYTHING);
        let token = forge.identity_token(subject, AUDIENCE, 300);
        aws.set(&[
            ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
            ("FORGEJO_ACTIONS".to_owned(), "true".to_owned()),
            ("TOKEN".to_owned(), token),
        ]);
        let line = format!("{SIGN} --role-arn {ROLE_ARN} --web-identity-token-env TOKEN");
        let run = aws.s3lo(&line).ends_with(2);
        let [statement] = &statements(&run.err)[..] else {
            panic!("{}", run.err);
        };
        let provider = "arn:aws:iam::111122223333:oidc-provider/forge.example/api/actions";
        assert_eq!(statement["Principal"]["Federated"], provider);
        let conditions = &statement["Condition"]["StringEquals"];
        assert_eq!(conditions["forge.example/api/actions:sub"], subject);
    }
}

/// A pull request from a fork cannot get permissions.
#[test]
fn a_pull_request_is_to_verify_alone() {
    for (event, advises) in [("pull_request", true), ("push", false), ("", false)] {
        for forge in ["FORGEJO_ACTIONS", "NO_FORGE"] {
            let variables = [(forge, "true"), ("GITHUB_EVENT_NAME", event)];
            let run = job(&variables).s3lo("ci verify").ends_with(2);
            assert_eq!(
                run.out.contains("sign after the merge"),
                advises,
                "{}",
                run.out
            );
            assert_eq!(
                run.out.contains("verify by a `.pub` file"),
                advises,
                "{}",
                run.out
            );
        }
    }
    // Which it can.
    let sandbox = job(&[
        ("INPUT_KEY", "keys/cosign.key"),
        ("INPUT_ROLE-TO-ASSUME", ""),
        ("INPUT_REGION", ""),
    ]);
    sandbox.s3lo("ci sign").ends_with(0);
    let pull_request = sandbox
        .with("GITHUB_EVENT_NAME", "pull_request")
        .with("INPUT_KEY", "keys/cosign.pub");
    pull_request.s3lo("ci verify").ends_with(0);
}

#[test]
fn a_token_endpoint_in_the_clear_is_explained() {
    for (forge, name) in [
        ("GITEA_ACTIONS", "Gitea"),
        ("FORGEJO_ACTIONS", "Forgejo"),
        ("NO_FORGE", "GitHub"),
    ] {
        let run = job(&[
            (forge, "true"),
            (
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                "http://gitea.example:3000/api/actions/_apis/token?x=y",
            ),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary"),
        ]);
        let run = run.s3lo("ci sign").ends_with(2);
        let sentence =
            format!("{name} serves identity tokens at `http://gitea.example` in the clear");
        assert!(run.out.contains(&sentence), "{}", run.out);
        assert!(
            run.out.contains(&format!("serve {name} over HTTPS")),
            "{}",
            run.out
        );
        let shown = run.out.replace("::add-mask::canary\n", "");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
