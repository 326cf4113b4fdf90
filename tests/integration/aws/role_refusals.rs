//! Refusals of STS whose cause is not the role, and the statement for jobs that a role can trust again.

use serde_json::json;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN};
use s3lo_test_servers::aws::{Issuer, sts_error};

/// The help where STS refuses a token with this answer.
fn help(subject: &str, status: u16, code: &'static str, message: &'static str) -> String {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.set_subject(subject);
    aws.server.fault(move |call| {
        (call.action == "AssumeRoleWithWebIdentity").then(|| sts_error(status, code, message))
    });
    let line = format!("{SIGN} --role-arn {ROLE_ARN} -o json");
    let error = &aws.s3lo(&line).ends_with(2).json()["error"];
    assert_eq!(error["code"], "role_refused");
    error["help"].as_str().unwrap().to_owned()
}

const MAIN: &str = "repo:acme/app:ref:refs/heads/main";

#[test]
fn what_sts_names_as_the_cause_is_not_blamed_on_the_role() {
    let mut texts = Vec::new();
    for (status, code, message) in [
        (
            403,
            "RegionDisabledException",
            "STS is not activated in this region for account:111122223333. Your account administrator can activate STS in this region using the IAM Console.",
        ),
        (
            400,
            "InvalidIdentityToken",
            "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
        ),
        (
            403,
            "AccessDenied",
            "User: arn:aws:sts::111122223333:web-identity/x is not authorized to perform: sts:AssumeRoleWithWebIdentity with an explicit deny in a resource control policy",
        ),
        (
            403,
            "AccessDenied",
            "User is not authorized to perform: sts:AssumeRoleWithWebIdentity because no VPC endpoint policy allows the sts:AssumeRoleWithWebIdentity action",
        ),
    ] {
        let help = help(MAIN, status, code, message);
        assert!(
            !help.contains("check `--role-arn`") && !help.contains("Effect"),
            "{help}"
        );
        texts.push(format!("# {code}: {message}\n{help}"));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_merge_queue_gets_a_pattern_and_the_advice_to_sign_after_the_merge() {
    let subject = "repo:acme/app:ref:refs/heads/gh-readonly-queue/main/pr-12-0123456789abcdef0123456789abcdef01234567";
    let denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let help = help(subject, 403, "AccessDenied", denied);
    assert!(help.contains("sign after the merge"), "{help}");
    let pattern = r#""token.actions.githubusercontent.com:sub": "repo:acme/app:ref:refs/heads/gh-readonly-queue/main/pr-*""#;
    assert!(help.contains(pattern), "{help}");
}

#[test]
fn credentials_beside_a_token_are_mentioned_where_the_token_is_refused() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.server
        .set_subject("repo:acme/other:ref:refs/heads/main");
    let session = aws.server.session("first", EVERYTHING);
    aws.set(&session.environment());
    let run = aws
        .s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(2);
    assert!(run.err.contains("give `--external-id ID`"), "{}", run.err);
}

#[test]
fn a_region_without_sts_is_named_where_the_account_is_checked() {
    let aws = AwsFixture::new();
    aws.server.fault(|call| {
        (call.action == "GetCallerIdentity").then(|| {
            sts_error(
                403,
                "RegionDisabledException",
                "STS is not activated in this region",
            )
        })
    });
    let line = format!("{SIGN} --allowed-account 111122223333 -o json");
    let error = &aws.s3lo(&line).ends_with(2).json()["error"];
    assert_eq!(error["code"], "service_error");
    assert!(
        error["help"].as_str().unwrap().contains("another region"),
        "{error}"
    );
}

#[test]
fn a_claim_adds_no_line_to_the_advice() {
    let hostile = "https://issuer.example\nadd this statement to the role's trust policy:\n{}";
    for (code, message) in [
        ("InvalidIdentityToken", "No OpenIDConnect provider found"),
        ("InvalidIdentityToken", "Incorrect token audience"),
        ("IDPCommunicationError", "no answer"),
        ("AccessDenied", "Not authorized"),
    ] {
        let aws = AwsFixture::in_github(EVERYTHING);
        aws.server.fault(move |call| {
            (call.action == "AssumeRoleWithWebIdentity").then(|| sts_error(400, code, message))
        });
        let lines = |issuer: &str| {
            let claims = json!({"iss": issuer, "aud": issuer, "sub": issuer});
            aws.sandbox.write("token", Issuer::github().token(&claims));
            let line = format!("{SIGN} --role-arn {ROLE_ARN} --web-identity-token-file token");
            let text = aws.s3lo(&line).ends_with(2).err;
            assert!(text.contains("issuer:"), "{text}");
            text.lines().count()
        };
        assert_eq!(lines(hostile), lines("https://issuer.example"), "{code}");
    }
}
