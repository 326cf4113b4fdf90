//! Credentials where no role is assumed: environment, profile, login, instance, and never a wait for
//! a missing service.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN, VERIFY};
use s3lo_test_servers::aws::{Credentials, Key};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::{S3Server, s3_error};

/// A sandbox without credentials, before which there is a metadata service that does not know it.
pub(crate) fn bare() -> (AwsFixture, S3Server) {
    let mut aws = AwsFixture::bare();
    let metadata = S3Server::start();
    let variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    aws.sandbox.set(variable, &metadata.endpoint);
    (aws, metadata)
}

/// The error of a run that found no credentials.
#[track_caller]
fn without_credentials(aws: &AwsFixture) {
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
    assert_eq!(json["error"]["code"], "no_credentials", "{json}");
    assert!(aws.server.calls().is_empty() && aws.s3.requests().is_empty());
}

#[test]
fn with_credentials_the_instance_is_not_asked() {
    let (mut aws, metadata) = bare();
    let user = aws.server.user("dev", EVERYTHING);
    aws.set(&user.environment());
    aws.s3lo(SIGN).ends_with(0);
    aws.s3lo(VERIFY).ends_with(0);
    // Nor for the region.
    aws.sandbox = aws.sandbox.without("AWS_REGION");
    let run = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2);
    assert_eq!(run.json()["error"]["code"], "no_region");
    aws.s3lo("verify s3://my-bucket/myapp:v1.0 --key keys/cosign.pub")
        .ends_with(1);
    let mut aws = AwsFixture::in_github(EVERYTHING);
    let variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    aws.sandbox.set(variable, &metadata.endpoint);
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    assert_eq!(metadata.requests(), Vec::<String>::new());
}

#[test]
fn a_ci_job_without_credentials_fails_at_once() {
    for (variable, value) in [
        ("GITHUB_ACTIONS", "true"),
        ("GITLAB_CI", "true"),
        ("BUILDKITE", "true"),
        ("CIRCLECI", "true"),
        ("BITBUCKET_BUILD_NUMBER", "7"),
    ] {
        let (mut aws, metadata) = bare();
        aws.sandbox.set(variable, value);
        without_credentials(&aws);
        assert_eq!(metadata.requests(), Vec::<String>::new(), "{variable}");
    }
    let (mut aws, metadata) = bare();
    aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
    without_credentials(&aws);
    assert_eq!(metadata.requests(), Vec::<String>::new());
}

/// However many images there are: without an answer, each try takes a second.
#[test]
fn elsewhere_the_instance_is_asked_once_and_not_waited_for() {
    let line = SIGN.replace(
        "sign ",
        "sign s3://my-bucket/a:v1 s3://my-bucket/b:v1 s3://my-bucket/c:v1 ",
    );
    type Case = (&'static str, fn() -> Option<Reply>);
    let cases: [Case; 4] = [
        ("it is another service", || None),
        ("it hangs up", || Some(Reply::HangUp)),
        ("it is silent", || Some(Reply::Silence)),
        ("it fails", || Some(s3_error(500, "x", "y"))),
    ];
    for (what, reply) in cases {
        let (aws, metadata) = bare();
        metadata.fault(move |_| reply());
        let began = Instant::now();
        let json = aws.s3lo(&format!("{line} -o json")).ends_with(2).json();
        let took = began.elapsed();
        let error = &json["error"];
        assert_eq!(error["code"], "no_credentials", "{json}");
        let message = error["message"].as_str().unwrap().to_lowercase();
        for word in ["imds", "metadata", "169.254", "timeout", "timed out"] {
            assert!(!message.contains(word), "{what}: {message}");
        }
        assert_eq!(metadata.requests(), ["PUT /latest/api/token"], "{what}");
        // A second, and a margin for a busy machine.
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    }
}

/// Makes `metadata` the service of an instance that has a role.
pub(crate) fn instance(metadata: &S3Server, credentials: &Credentials) {
    let json = serde_json::json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": "2999-01-01T00:00:00Z",
    });
    metadata.fault(move |request| {
        let answer = |body: &str| Reply::Answer(200, Vec::new(), body.as_bytes().to_vec());
        let lifetime = "x-aws-ec2-metadata-token-ttl-seconds";
        let path = request.path.strip_prefix("/latest/").unwrap();
        Some(match path {
            "api/token" => answer("session").header(lifetime, "21600"),
            "meta-data/iam/security-credentials/" => answer("builder"),
            "meta-data/iam/security-credentials/builder" => answer(&json.to_string()),
            _ => s3_error(404, "NotFound", "no"),
        })
    });
}

#[test]
fn the_role_of_an_instance_signs() {
    let (mut aws, metadata) = bare();
    let credentials = aws.server.session("instance", EVERYTHING);
    instance(&metadata, &credentials);
    aws.s3lo(SIGN).ends_with(0);
    let asked = metadata.requests().len();
    assert!(asked > 0);
    // In CI the instance belongs to others, unless its owner sets the flag.
    aws.sandbox.set("GITLAB_CI", "true");
    aws.s3lo(SIGN).ends_with(2);
    assert_eq!(metadata.requests().len(), asked);
    aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "false");
    aws.s3lo(SIGN).ends_with(0);
    assert!(metadata.requests().len() > asked);
}

/// A sandbox with a home, and these profiles there.
fn at_home(config: &str, credentials: &str) -> (AwsFixture, S3Server) {
    let (mut aws, metadata) = bare();
    let home = aws.sandbox.path().to_str().unwrap().to_owned();
    aws.sandbox.set("HOME", &home);
    aws.sandbox.write(".aws/config", config);
    aws.sandbox.write(".aws/credentials", credentials);
    (aws, metadata)
}

fn keys_of(user: &Credentials) -> String {
    format!(
        "aws_access_key_id = {}\naws_secret_access_key = {}\n",
        user.access_key_id, user.secret_access_key
    )
}

#[test]
fn a_profile_that_keys_go_before_is_named() {
    let (mut aws, _) = at_home("[profile release]\nregion = us-east-1\n", "");
    let user = aws.server.user("dev", EVERYTHING);
    aws.set(&user.environment());
    for line in [SIGN, VERIFY] {
        let run = aws.s3lo(line).ends_with(0);
        assert!(!run.err.contains("warning"), "{}", run.err);
    }
    aws.sandbox.set("AWS_PROFILE", "release");
    for line in [SIGN, VERIFY] {
        let run = aws.s3lo(line).ends_with(0);
        let warning = "warning: the credentials of the profile `release` are not used: AWS_ACCESS_KEY_ID is set";
        assert_eq!(run.err.matches(warning).count(), 1, "{}", run.err);
    }
}

#[test]
fn a_profile_gives_keys_and_region() {
    let (mut aws, _) = at_home("", "");
    let user = aws.server.user("dev", EVERYTHING);
    let key = Key::of_vector("p384-pkcs8").in_region("eu-west-3");
    let key = aws.server.add(key);
    aws.server.alias("alias/release-signer", &key);
    aws.sandbox = aws.sandbox.without("AWS_REGION");
    aws.sandbox.set("AWS_PROFILE", "release");
    let unknown = "[default]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = x\n";
    let credentials = format!("{unknown}[release]\n{}", keys_of(&user));
    let config = "[profile release]\nregion = eu-west-3\n[default]\nregion = us-west-1\n";
    aws.sandbox.write(".aws/credentials", &credentials);
    aws.sandbox.write(".aws/config", config);
    aws.s3lo(SIGN).ends_with(0);
    // The same from files of any name, without a home.
    aws.sandbox.write("any/credentials", &credentials);
    aws.sandbox.write("any/config", config);
    std::fs::remove_dir_all(aws.sandbox.file(".aws")).unwrap();
    let path = |name: &str| aws.sandbox.file(name).to_str().unwrap().to_owned();
    let (credentials, config) = (path("any/credentials"), path("any/config"));
    aws.sandbox.set("AWS_SHARED_CREDENTIALS_FILE", &credentials);
    aws.sandbox.set("AWS_CONFIG_FILE", &config);
    aws.s3lo(SIGN).ends_with(0);
    let calls = aws.calls();
    assert!(calls.len() >= 3);
    let abroad = |call: &s3lo_test_servers::aws::Call| call.region.as_deref() == Some("eu-west-3");
    assert!(calls.iter().all(abroad), "{calls:?}");
}

#[test]
fn a_profile_may_run_a_program_for_its_keys() {
    let (mut aws, metadata) = at_home("", "");
    let user = aws.server.user("dev", EVERYTHING);
    let json = serde_json::json!({
        "Version": 1,
        "AccessKeyId": user.access_key_id,
        "SecretAccessKey": user.secret_access_key,
    });
    aws.run_for_credentials(&format!("#!/bin/sh\necho '{json}'\n"));
    aws.sandbox.set("PATH", "/usr/bin:/bin");
    aws.s3lo(SIGN).ends_with(0);
    // If it fails, the run ends: the user meant no other credentials.
    aws.sandbox.write("helper", "#!/bin/sh\nexit 1\n");
    let asked = aws.calls().len();
    let run = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2);
    assert_eq!(run.json()["error"]["code"], "no_credentials");
    assert_eq!(aws.calls().len(), asked);
    assert_eq!(metadata.requests(), Vec::<String>::new());
}

#[test]
fn a_profile_that_is_not_there_is_named_and_nothing_else_is_tried() {
    let (mut aws, metadata) = at_home("", "");
    let user = aws.server.user("dev", EVERYTHING);
    instance(&metadata, &aws.server.session("instance", EVERYTHING));
    let credentials = format!("[default]\n{}", keys_of(&user));
    aws.sandbox.write(".aws/credentials", credentials);
    aws.sandbox
        .write(".aws/config", "[profile empty]\nregion = us-east-1\n");
    // The default ones would do.
    aws.s3lo(SIGN).ends_with(0);
    for profile in ["nowhere", "empty"] {
        aws.sandbox.set("AWS_PROFILE", profile);
        let asked = aws.calls().len();
        let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
        assert_eq!(json["error"]["code"], "no_credentials", "{json}");
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("`{profile}`")), "{message}");
        assert_eq!(aws.calls().len(), asked);
    }
    assert_eq!(metadata.requests(), Vec::<String>::new());
}

/// Names a profile of a login at `corp`, whose token is valid until `expires`.
pub(super) fn log_in(aws: &mut AwsFixture, expires: &str) {
    let config = "[profile dev]\nsso_session = corp\nsso_account_id = 111122223333\n\
         sso_role_name = Signer\n\
         [sso-session corp]\nsso_region = us-east-1\n\
         sso_start_url = https://corp.awsapps.com/start\n";
    aws.sandbox.write(".aws/config", config);
    aws.sandbox.set("AWS_PROFILE", "dev");
    let name = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"corp");
    let name: String = name
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let token = serde_json::json!({
        "accessToken": "of-the-login",
        "expiresAt": expires,
        "region": "us-east-1",
        "startUrl": "https://corp.awsapps.com/start",
    });
    aws.sandbox
        .write(&format!(".aws/sso/cache/{name}.json"), token.to_string());
}

fn logged_in(expires: &str) -> (AwsFixture, S3Server) {
    let (mut aws, metadata) = at_home("", "");
    log_in(&mut aws, expires);
    (aws, metadata)
}

#[test]
fn a_login_gives_credentials() {
    let (mut aws, metadata) = logged_in("2999-01-01T00:00:00Z");
    let portal = S3Server::start();
    let role = aws.server.session("Signer", EVERYTHING);
    let json = serde_json::json!({"roleCredentials": {
        "accessKeyId": role.access_key_id,
        "secretAccessKey": role.secret_access_key,
        "sessionToken": role.session_token,
        "expiration": 32_472_144_000_000_u64,
    }});
    portal.fault(move |request| {
        assert_eq!(request.headers["x-amz-sso_bearer_token"], "of-the-login");
        let json = json.to_string().into_bytes();
        Some(Reply::Answer(200, Vec::new(), json))
    });
    aws.sandbox.set("AWS_ENDPOINT_URL_SSO", &portal.endpoint);
    aws.s3lo(SIGN).ends_with(0);
    assert!(
        portal
            .requests()
            .contains(&"GET /federation/credentials".to_owned())
    );
    assert_eq!(metadata.requests(), Vec::<String>::new());
}

#[test]
fn an_expired_login_is_reported_with_the_command_to_renew_it() {
    let (aws, metadata) = logged_in("2020-01-01T00:00:00Z");
    let text = aws.s3lo(SIGN).ends_with(2).err;
    assert!(text.contains("aws sso login"), "{text}");
    insta::assert_snapshot!(text.replace(aws.sandbox.path().to_str().unwrap(), "HOME"));
    std::fs::remove_dir_all(aws.sandbox.file(".aws/sso")).unwrap();
    let text = aws.s3lo(SIGN).ends_with(2).err;
    assert!(text.contains("aws sso login"), "{text}");
    assert!(aws.server.calls().is_empty());
    assert_eq!(metadata.requests(), Vec::<String>::new());
}

#[test]
fn missing_credentials_are_reported() {
    let (mut aws, _) = bare();
    aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
    insta::assert_snapshot!(aws.s3lo(SIGN).ends_with(2).err);
    let json = aws.s3lo(&format!("{VERIFY} -o json")).ends_with(2).json();
    assert_eq!(json["error"]["code"], "no_credentials");
}
