//! A role that is assumed by credentials, as of a first role, in place of an identity token.

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, SIGN};
use s3lo_test_servers::aws::sts_error;

const TARGET: &str = "arn:aws:iam::111122223333:role/target";

/// A session in the environment that may do nothing, and a role that it may assume and that may do everything.
fn with_a_first_role(external_id: Option<&str>) -> AwsFixture {
    let mut aws = AwsFixture::bare();
    let nothing = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let first = aws.server.session("first", nothing);
    aws.set(&first.environment());
    aws.server
        .role_for("target", "first", external_id, EVERYTHING);
    aws
}

#[test]
fn credentials_assume_the_role_where_there_is_no_token() {
    let mut aws = with_a_first_role(None);
    let line = format!("{SIGN} --role-arn {TARGET}");
    aws.s3lo(&line).ends_with(0);
    assert_eq!(aws.count("AssumeRole"), 1);
    let call = aws.calls_of("AssumeRole").remove(0);
    assert_eq!(call.body["RoleArn"], TARGET);
    assert!(call.body["ExternalId"].is_null());
    // In a job as well.
    aws.sandbox.set("GITHUB_ACTIONS", "true");
    aws.s3lo(&line).ends_with(0);
    // The session's account is checked as that of any role.
    let other = line.replace("111122223333", "444455556666");
    let run = aws
        .s3lo(&format!("{other} --allowed-account 111122223333 -o json"))
        .ends_with(2);
    assert_eq!(run.json()["error"]["code"], "account_not_allowed");
    assert_eq!(aws.count("AssumeRole"), 2);
}

#[test]
fn an_external_id_is_sent_and_takes_credentials_where_there_is_a_token_too() {
    let mut aws = with_a_first_role(Some("acme/build:17"));
    let line = format!("{SIGN} --role-arn {TARGET} --external-id acme/build:17");
    aws.s3lo(&line).ends_with(0);
    aws.set(&aws.server.github_environment());
    aws.s3lo(&line).ends_with(0);
    assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 0);
    assert_eq!(
        aws.calls_of("AssumeRole")[1].body["ExternalId"],
        "acme/build:17"
    );
    for flags in ["--external-id a", "--external-id a%b"] {
        let run = aws.s3lo(&format!("{SIGN} --role-arn {TARGET} {flags} -o json"));
        assert_eq!(run.ends_with(2).json()["error"]["code"], "usage");
    }
    let run = aws.s3lo(&format!("{SIGN} --external-id acme -o json"));
    assert_eq!(run.ends_with(2).json()["error"]["code"], "configuration");
}

#[test]
fn a_refusal_is_explained_by_the_two_policies() {
    let mut texts = Vec::new();
    let aws = with_a_first_role(Some("acme"));
    for flags in ["", "--external-id other"] {
        let run = aws.s3lo(&format!("{SIGN} --role-arn {TARGET} {flags}"));
        texts.push(run.ends_with(2).err);
    }
    for (code, message) in [
        (
            "AccessDenied",
            "User: arn:aws:sts::111122223333:assumed-role/first/x is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/target with an explicit deny in a service control policy",
        ),
        (
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ),
    ] {
        let aws = with_a_first_role(None);
        aws.server.fault(move |call| {
            (call.action == "AssumeRole").then(|| sts_error(403, code, message))
        });
        texts.push(
            aws.s3lo(&format!("{SIGN} --role-arn {TARGET}"))
                .ends_with(2)
                .err,
        );
    }
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    ]}, { insta::assert_snapshot!(texts.join("\n")) });
}

#[test]
fn without_token_and_credentials_the_token_is_missing() {
    let mut aws = AwsFixture::bare();
    aws.sandbox.set("GITHUB_ACTIONS", "true");
    let run = aws
        .s3lo(&format!("{SIGN} --role-arn {TARGET} -o json"))
        .ends_with(2);
    assert_eq!(run.json()["error"]["code"], "no_identity_token");
    assert!(aws.server.calls().is_empty());
}

#[test]
fn a_profile_that_takes_the_environment_comes_before_it() {
    let mut aws = with_a_first_role(None);
    aws.sandbox.write(
        "config",
        format!("[profile target]\nrole_arn = {TARGET}\ncredential_source = Environment\n"),
    );
    aws.sandbox.set("AWS_CONFIG_FILE", "config");
    aws.sandbox.set("AWS_PROFILE", "target");
    aws.s3lo(SIGN).ends_with(0);
    assert_eq!(aws.count("AssumeRole"), 1);
    // A newline inside of the key would make the SDK panic.
    aws.sandbox.set("AWS_ACCESS_KEY_ID", "AKIA\nCANARY");
    let run = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2);
    assert_eq!(run.json()["error"]["code"], "configuration");
}
