//! Sources of credentials that fail: the reason is a sentence, without the SDK's own types.

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN};
use crate::support::faults::outcome::dump_in;
use s3lo_test_servers::aws::sts_error;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::S3Server;

/// A name, and a function that makes the reply.
type Case = (&'static str, fn() -> Reply);

/// The answers of a service that gives no credentials.
fn replies() -> Vec<Case> {
    vec![
        ("404", || Reply::Answer(404, Vec::new(), b"no".to_vec())),
        ("403", || {
            let body = br#"{"code": "AccessDenied", "message": "no"}"#;
            Reply::Answer(403, Vec::new(), body.to_vec())
        }),
        ("500", || Reply::Answer(500, Vec::new(), Vec::new())),
        ("a page", || {
            Reply::Answer(200, Vec::new(), b"<html></html>".to_vec())
        }),
        ("no fields", || {
            Reply::Answer(200, Vec::new(), b"{}".to_vec())
        }),
        ("a code", || {
            let body = br#"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "no trust"}"#;
            Reply::Answer(200, Vec::new(), body.to_vec())
        }),
        ("hangs up", || Reply::HangUp),
    ]
}

/// The sentence of a run without credentials.
#[track_caller]
fn reason(aws: &AwsFixture, what: &str) -> String {
    let run = aws.s3lo(SIGN).ends_with(2);
    assert_eq!(dump_in(&run.err), None, "{what}: {}", run.err);
    assert_eq!(aws.count("GetPublicKey"), 0, "{what}");
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
    let code = json["error"]["code"].as_str().unwrap();
    assert!(
        ["no_credentials", "unreachable"].contains(&code),
        "{what}: {json}"
    );
    run.err
}

#[test]
fn a_service_of_the_host_that_gives_none() {
    for (what, reply) in replies() {
        let service = S3Server::start();
        service.fault(move |_| Some(reply()));
        let mut aws = AwsFixture::at_home();
        let url = format!("{}/credentials", service.endpoint);
        aws.sandbox.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url);
        reason(&aws, &format!("container, {what}"));
        let mut aws = AwsFixture::at_home();
        aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "false");
        let variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        aws.sandbox.set(variable, &service.endpoint);
        let text = reason(&aws, &format!("instance, {what}"));
        assert!(text.contains("hop limit"), "{text}");
    }
    // An instance without a role: the session is given, and no role is named.
    let service = S3Server::start();
    service.fault(|request| {
        Some(match request.path.as_str() {
            "/latest/api/token" => Reply::Answer(200, Vec::new(), b"session".to_vec())
                .header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
            _ => Reply::Answer(404, Vec::new(), b"<html>not found</html>".to_vec()),
        })
    });
    let mut aws = AwsFixture::at_home();
    aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "false");
    aws.sandbox
        .set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.endpoint);
    let text = reason(&aws, "an instance without a role");
    assert!(text.contains("attach a role to the instance"), "{text}");
}

#[test]
fn a_profile_that_gives_none() {
    for (what, script) in [
        ("it fails", "echo no >&2; exit 3"),
        ("it prints nothing", "true"),
        ("it prints a page", "echo '<html>'"),
        ("it prints another version", r#"echo '{"Version": 2}'"#),
        (
            "it prints half a pair",
            r#"echo '{"Version": 1, "AccessKeyId": "a"}'"#,
        ),
        (
            "it prints an end that is no time",
            r#"echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "soon"}'"#,
        ),
    ] {
        let mut aws = AwsFixture::at_home();
        aws.run_for_credentials(&format!("#!/bin/sh\n{script}\n"));
        reason(&aws, what);
    }
    for (what, config) in [
        (
            "no source",
            format!("[profile dev]\nrole_arn = {ROLE_ARN}\n"),
        ),
        (
            "a missing source",
            format!("[profile dev]\nrole_arn = {ROLE_ARN}\nsource_profile = no\n"),
        ),
        (
            "two sources",
            format!(
                "[profile dev]\nrole_arn = {ROLE_ARN}\nsource_profile = dev\ncredential_source = Environment\n"
            ),
        ),
        (
            "an unknown source",
            format!("[profile dev]\nrole_arn = {ROLE_ARN}\ncredential_source = Moon\n"),
        ),
        (
            "half a pair",
            "[profile dev]\naws_access_key_id = a\n".to_owned(),
        ),
        (
            "half a login",
            "[profile dev]\nsso_session = corp\n".to_owned(),
        ),
        (
            "half a role",
            "[profile dev]\nweb_identity_token_file = token\n".to_owned(),
        ),
        ("no section", "region = us-east-1\n".to_owned()),
        (
            "an open section",
            "[profile dev\nregion = us-east-1\n".to_owned(),
        ),
    ] {
        let mut aws = AwsFixture::at_home();
        aws.sandbox.write(".aws/config", config);
        aws.sandbox.set("AWS_PROFILE", "dev");
        reason(&aws, what);
    }
}

#[test]
fn a_role_of_a_profile_that_sts_refuses() {
    for (status, code, message) in [
        (
            403,
            "AccessDenied",
            "User: arn:aws:iam::111122223333:user/dev is not authorized",
        ),
        (400, "ValidationError", "1 validation error detected"),
        (
            403,
            "RegionDisabledException",
            "STS is not activated in this region",
        ),
        (
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid",
        ),
        (500, "InternalFailure", "oops"),
    ] {
        let mut aws = AwsFixture::at_home();
        let user = aws.server.user("dev", EVERYTHING);
        aws.server
            .fault(move |_| Some(sts_error(status, code, message)));
        let config = format!(
            "[profile base]\naws_access_key_id = {}\naws_secret_access_key = {}\n[profile dev]\nrole_arn = {ROLE_ARN}\nsource_profile = base\n",
            user.access_key_id, user.secret_access_key
        );
        aws.sandbox.write(".aws/config", config);
        aws.sandbox.set("AWS_PROFILE", "dev");
        let text = reason(&aws, code);
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn a_login_that_is_refused() {
    for (what, reply) in replies() {
        let portal = S3Server::start();
        portal.fault(move |_| Some(reply()));
        let mut aws = AwsFixture::at_home();
        aws.sandbox.write(
            ".aws/config",
            "[profile dev]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 111122223333\nsso_role_name = Signer\n",
        );
        // The SHA-1 of the start URL.
        let token = serde_json::json!({
            "accessToken": "of-the-login",
            "expiresAt": "2999-01-01T00:00:00Z",
            "region": "us-east-1",
            "startUrl": "https://corp.awsapps.com/start",
        });
        let name = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            b"https://corp.awsapps.com/start",
        );
        let name: String = name
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        aws.sandbox
            .write(&format!(".aws/sso/cache/{name}.json"), token.to_string());
        aws.sandbox.set("AWS_PROFILE", "dev");
        aws.sandbox.set("AWS_ENDPOINT_URL_SSO", &portal.endpoint);
        reason(&aws, what);
        assert!(!portal.requests().is_empty(), "{what}");
    }
}
