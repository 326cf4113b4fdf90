//! Credentials from every source: the white space around them is removed, and others are refused by the name of the
//! source, without a panic of the SDK.

use serde_json::{Value, json};

use crate::aws::credentials::log_in;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN};
use s3lo_test_servers::aws::{Credentials, sts_error};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::S3Server;

/// A run that is refused in JSON, before any request to KMS or S3, and without a word of the `secrets`.
#[track_caller]
fn refused(aws: &AwsFixture, line: &str, secrets: &[&str]) -> String {
    let run = aws.s3lo(&format!("{line} -v -o json")).ends_with(2);
    for secret in secrets {
        assert!(
            !run.out.contains(secret) && !run.err.contains(secret),
            "{}{}",
            run.out,
            run.err
        );
    }
    assert_eq!(aws.count("GetPublicKey"), 0);
    let error = &run.json()["error"];
    assert_eq!(error["code"], "configuration", "{error}");
    error["message"].as_str().unwrap().to_owned()
}

#[test]
fn white_space_around_credentials_in_the_environment_is_removed() {
    for space in ["\n", "\r\n", " ", "\t"] {
        let mut aws = AwsFixture::at_home();
        let session = aws.server.session("dev", EVERYTHING);
        for (name, value) in session.environment() {
            aws.sandbox.set(&name, &format!("{space}{value}{space}"));
        }
        aws.sandbox.set("AWS_REGION", &format!("us-east-1{space}"));
        aws.s3lo(SIGN).ends_with(0);
    }
}

#[test]
fn a_control_character_in_a_variable_is_refused_by_its_name() {
    for (name, value, wrong) in [
        (
            "AWS_ACCESS_KEY_ID",
            "AKIACANARY\nAKIA",
            "contains a newline",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            "AKIACANARY\u{1}",
            "contains a control character",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            "AKIACANARY AKIA",
            "contains white space",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            "AKIACANARYé",
            "contains a character that is not ASCII",
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            "canary\r\nkey",
            "contains a newline",
        ),
        ("AWS_SESSION_TOKEN", "canary\ntoken", "contains a newline"),
        (
            "AWS_SESSION_TOKEN",
            "canary\u{7f}token",
            "contains a control character",
        ),
    ] {
        let mut aws = AwsFixture::at_home();
        let session = aws.server.session("dev", EVERYTHING);
        aws.set(&session.environment());
        aws.sandbox.set(name, value);
        let message = refused(&aws, SIGN, &["AKIACANARY", "canary"]);
        assert_eq!(message, format!("{name} {wrong}"));
    }
}

/// The JSON of a set of credentials in the form of a process, a container or an instance.
fn json_of(keys: &Credentials) -> Value {
    json!({
        "Version": 1,
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "SessionToken": keys.session_token,
        "Token": keys.session_token,
        "Expiration": "2999-01-01T00:00:00Z",
        "Code": "Success",
    })
}

/// Lets a profile run a program that prints this.
fn process(aws: &mut AwsFixture, printed: &Value) {
    aws.run_for_credentials(&format!("#!/bin/sh\ncat <<'END'\n{printed}\nEND\n"));
}

/// Lets the service of a container answer with this.
fn container(aws: &mut AwsFixture, answer: &Value) -> S3Server {
    let service = S3Server::start();
    let body = answer.to_string().into_bytes();
    service.fault(move |_| Some(Reply::Answer(200, Vec::new(), body.clone())));
    let url = format!("{}/credentials", service.endpoint);
    aws.sandbox.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url);
    service
}

/// Lets the metadata service of an instance answer with this.
fn instance(aws: &mut AwsFixture, answer: &Value) -> S3Server {
    let service = S3Server::start();
    let body = answer.to_string().into_bytes();
    service.fault(move |request| {
        let answer = match request.path.as_str() {
            "/latest/api/token" => b"session".to_vec(),
            path if path.ends_with("/signer") => body.clone(),
            _ => b"signer".to_vec(),
        };
        let reply = Reply::Answer(200, Vec::new(), answer);
        Some(reply.header("x-aws-ec2-metadata-token-ttl-seconds", "21600"))
    });
    aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "false");
    let variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    aws.sandbox.set(variable, &service.endpoint);
    service
}

/// Lets the portal of a login, which stands in a profile, answer with this.
fn portal(aws: &mut AwsFixture, answer: &Value) -> S3Server {
    log_in(aws, "2999-01-01T00:00:00Z");
    let portal = S3Server::start();
    let json = json!({"roleCredentials": {
        "accessKeyId": answer["AccessKeyId"],
        "secretAccessKey": answer["SecretAccessKey"],
        "sessionToken": answer["Token"],
        "expiration": 32_472_144_000_000_u64,
    }});
    let body = json.to_string().into_bytes();
    portal.fault(move |_| Some(Reply::Answer(200, Vec::new(), body.clone())));
    aws.sandbox.set("AWS_ENDPOINT_URL_SSO", &portal.endpoint);
    portal
}

#[test]
fn every_source_is_named_whose_credentials_are_malformed() {
    type Source = (
        &'static str,
        fn(&mut AwsFixture, &Value) -> Option<S3Server>,
    );
    let sources: [Source; 4] = [
        ("the profile `dev`", |aws, json| {
            process(aws, json);
            None
        }),
        ("the credentials service of the container", |aws, json| {
            Some(container(aws, json))
        }),
        ("the instance's metadata service", |aws, json| {
            Some(instance(aws, json))
        }),
        ("the profile `dev`", |aws, json| Some(portal(aws, json))),
    ];
    for (place, set) in sources {
        for (field, part) in [
            ("AccessKeyId", "the access key ID"),
            ("SecretAccessKey", "the secret access key"),
            ("Token", "the session token"),
        ] {
            let mut aws = AwsFixture::at_home();
            let mut json = json_of(&aws.server.session("dev", EVERYTHING));
            for name in [field, &format!("Session{field}")] {
                if json.get(name).is_some() {
                    json[name] = Value::from("canary\nsecret");
                }
            }
            let _service = set(&mut aws, &json);
            let message = refused(&aws, SIGN, &["canary"]);
            assert_eq!(message, format!("{part} of {place} contains a newline"));
        }
        // White space around them is removed here too.
        let mut aws = AwsFixture::at_home();
        let mut json = json_of(&aws.server.session("dev", EVERYTHING));
        for name in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Token"] {
            json[name] = Value::from(format!("{}\n", json[name].as_str().unwrap()));
        }
        let _service = set(&mut aws, &json);
        aws.s3lo(SIGN).ends_with(0);
    }
}

#[test]
fn a_control_character_in_a_profile_is_refused_by_its_name() {
    let mut aws = AwsFixture::at_home();
    aws.sandbox.set("AWS_PROFILE", "signer");
    aws.sandbox.write(
        ".aws/credentials",
        "[base]\naws_access_key_id = AKIA\u{1}CANARY\naws_secret_access_key = canary\n",
    );
    // The SDK would sign a request to STS with it.
    let config = format!("[profile signer]\nrole_arn = {ROLE_ARN}\nsource_profile = base\n");
    aws.sandbox.write(".aws/config", config);
    let message = refused(&aws, SIGN, &["CANARY", "canary"]);
    assert_eq!(
        message,
        "aws_access_key_id of the profile `base` contains a control character"
    );
    assert!(aws.server.calls().is_empty());
}

#[test]
fn a_session_of_sts_is_checked() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.fault(|call| {
        (call.action == "AssumeRoleWithWebIdentity").then(|| {
            let Reply::Answer(_, headers, _) = sts_error(400, "x", "x") else {
                unreachable!();
            };
            let body = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/signer/s3lo</Arn><AssumedRoleId>A:s3lo</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>ASIACANARY&#10;X</AccessKeyId><SecretAccessKey>canary</SecretAccessKey><SessionToken>canary</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
            Reply::Answer(200, headers, body.as_bytes().to_vec())
        })
    });
    let line = format!("{SIGN} --role-arn {ROLE_ARN}");
    let message = refused(&aws, &line, &["ASIACANARY"]);
    assert_eq!(
        message,
        "the access key ID of the session that STS gave contains a newline"
    );
}

#[test]
fn the_credential_for_github_is_one_line() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    let line = format!("{SIGN} --role-arn {ROLE_ARN}");
    let token = s3lo_test_servers::aws::GITHUB_REQUEST_TOKEN;
    aws.sandbox
        .set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &format!("{token}\n"));
    aws.s3lo(&line).ends_with(0);
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.sandbox
        .set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary\ntoken");
    let message = refused(&aws, &line, &["canary"]);
    assert!(
        message.contains("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        "{message}"
    );
}
