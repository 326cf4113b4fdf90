//! A job's identity token becomes a session of a role: once a run, for S3 and KMS alike, in any CI
//! system.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE, ROLE_ARN, SIGN, VERIFY, trust};
use crate::support::program::Sandbox;
use s3lo_test_servers::aws::{
    AUDIENCE, Call, GITHUB_REQUEST_TOKEN, Issuer, Key, Subject, TokenAlgorithm, Trust, sts_error,
};

const SUBJECT: &str = "repo:acme/app:ref:refs/heads/main";
const ASSUME: &str = "AssumeRoleWithWebIdentity";

/// The key ID that a request is signed with, if it is signed.
fn signer(headers: &HashMap<String, String>) -> Option<&str> {
    let (_, credential) = headers.get("authorization")?.split_once("Credential=")?;
    Some(credential.split_once('/')?.0)
}

#[test]
fn a_github_job_signs_and_verifies_with_a_role() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    assert_eq!(aws.actions(), ["token", ASSUME, "GetPublicKey", "Sign"]);
    let calls = aws.calls();
    let token = &calls[0];
    assert_eq!(token.body["audience"], AUDIENCE);
    // The URL that the runner gives has a query of its own.
    assert_eq!(token.body["api-version"], "2.0");
    let bearer = format!("bearer {GITHUB_REQUEST_TOKEN}");
    assert_eq!(token.headers["authorization"], bearer);
    let assumed = &calls[1];
    assert_eq!(assumed.body["RoleArn"], ROLE_ARN);
    assert_eq!(assumed.body["RoleSessionName"], "s3lo-acme-app-1234567890");
    assert_eq!(assumed.body["DurationSeconds"], "900");
    // The token is all that STS is shown.
    assert!(!assumed.headers.contains_key("authorization"));
    assert_eq!(aws.records().len(), 1);
    aws.s3lo(&format!("{VERIFY} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    aws.s3lo(&format!(
        "public-key --key awskms:///alias/release-signer --role-arn {ROLE_ARN}"
    ))
    .ends_with(0);
}

#[test]
fn one_token_and_one_session_serve_every_image_and_key_of_a_run() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let other = aws.server.add(Key::of_vector("p384-pkcs8"));
    aws.server.alias("alias/second", &other);
    let mut line = format!(
        "sign --role-arn {ROLE_ARN} --key awskms:///alias/release-signer --key awskms:///alias/second"
    );
    for number in 0..8 {
        let path = format!("/my-bucket/manifests/app{number}/v1/manifest.json");
        aws.s3.put(&path, MANIFEST.as_bytes());
        line.push_str(&format!(" s3://my-bucket/app{number}:v1"));
    }
    aws.s3lo(&line).ends_with(0);
    let counts = ["token", ASSUME, "GetPublicKey", "Sign"].map(|action| aws.count(action));
    assert_eq!(counts, [1, 1, 2, 16]);
    // And every request is signed with that session.
    let (calls, of_s3) = (aws.calls(), aws.s3.headers());
    let of_kms = calls.iter().filter(|call| call.service == "kms");
    let headers = of_kms.map(|call| &call.headers).chain(&of_s3);
    let mut signers: Vec<_> = headers.filter_map(signer).collect();
    assert!(signers.len() >= 18 + 16, "{}", signers.len());
    signers.dedup();
    assert_eq!(signers.len(), 1);
    assert!(signers[0].starts_with("ASIA"), "{signers:?}");
}

#[test]
fn the_requested_audience_is_encoded_and_sent_unchanged() {
    for audience in [
        "https://sts.example/?a=b&c=d#e",
        "two words + 100 %",
        "ünïcode",
    ] {
        let aws = AwsFixture::in_github(EVERYTHING);
        aws.server.register_audience(audience);
        let trust = Trust {
            audience: audience.to_owned(),
            ..trust()
        };
        aws.server.role(ROLE, &trust, EVERYTHING);
        let mut words: Vec<_> = SIGN.split(' ').collect();
        words.extend(["--role-arn", ROLE_ARN, "--audience", audience]);
        aws.sandbox.run(&words).ends_with(0);
        let asked = &aws.calls_of("token")[0];
        assert_eq!(asked.body["audience"], audience);
        assert_eq!(asked.body.as_object().unwrap().len(), 2, "{audience}");
    }
}

#[test]
fn in_china_the_audience_is_that_of_china() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.s3lo(&format!(
        "{SIGN} --role-arn arn:aws-cn:iam::111122223333:role/signer"
    ))
    .ends_with(2);
    let asked = &aws.calls_of("token")[0];
    assert_eq!(asked.body["audience"], "sts.amazonaws.com.cn");
}

#[test]
fn a_session_has_the_name_that_is_given_before_the_one_of_the_variable() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    let line = format!("{SIGN} --role-arn {ROLE_ARN}");
    aws.sandbox
        .set("GITHUB_REPOSITORY", &format!("acme/{}", "a".repeat(100)));
    aws.s3lo(&line).ends_with(0);
    aws.sandbox
        .set("AWS_ROLE_SESSION_NAME", "from-the-variable");
    aws.s3lo(&line).ends_with(0);
    aws.s3lo(&format!("{line} --role-session-name from=the,flag@x.y+z_"))
        .ends_with(0);
    let calls = aws.calls_of(ASSUME);
    let names: Vec<_> = calls
        .iter()
        .map(|call| call.body["RoleSessionName"].as_str().unwrap())
        .collect();
    // 64 characters, and the run's number is whole.
    let long = format!("s3lo-acme-{}-1234567890", "a".repeat(43));
    assert_eq!(names, [&long, "from-the-variable", "from=the,flag@x.y+z_"]);
}

#[test]
fn a_session_name_of_the_greatest_length_is_taken() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let name = "build".repeat(12) + "1234";
    aws.s3lo(&format!(
        "{SIGN} --role-arn {ROLE_ARN} --role-session-name {name}"
    ))
    .ends_with(0);
    assert_eq!(aws.calls_of(ASSUME)[0].body["RoleSessionName"], name);
}

#[test]
fn a_session_lasts_as_long_as_the_run_may_take_or_as_is_asked() {
    let aws = AwsFixture::in_github(EVERYTHING);
    for (flags, from, to) in [
        ("", 900, 900),
        ("--timeout 10s", 900, 900),
        ("--timeout 30m", 1790, 1800),
        ("--timeout 3h", 3600, 3600),
        ("--role-duration 1h", 3600, 3600),
        ("--role-duration 15m --timeout 1h", 900, 900),
    ] {
        aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN} {flags}"))
            .ends_with(0);
        let calls = aws.calls_of(ASSUME);
        let seconds = calls.last().unwrap().body["DurationSeconds"].as_str();
        let seconds: u32 = seconds.unwrap().parse().unwrap();
        assert!((from..=to).contains(&seconds), "{flags}: {seconds}");
    }
}

#[test]
fn impossible_options_are_refused_before_any_request() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let long = "x.".repeat(33);
    for flags in [
        vec!["--role-session-name", "x"],
        vec!["--role-session-name", "two words"],
        vec!["--role-session-name", &long],
        vec!["--role-session-name", ""],
        vec!["--role-duration", "14m"],
        vec!["--role-duration", "13h"],
        vec!["--role-duration", "soon"],
        vec!["--role-duration", "-1h"],
        vec!["--role-duration", "99999999999999999999h"],
        vec!["--audience", ""],
        vec!["--web-identity-token-file", ""],
        vec!["--web-identity-token-env", "NO-NAME"],
        vec![
            "--web-identity-token-env",
            "A",
            "--web-identity-token-file",
            "b",
        ],
        vec!["--allowed-account", "11112222333"],
        vec!["--allowed-account", "1111222233334"],
        vec!["--allowed-account", "11112222333x"],
        vec!["--allowed-account", ""],
    ] {
        let mut words: Vec<_> = SIGN.split(' ').collect();
        words.extend(["--role-arn", ROLE_ARN, "-o", "json"]);
        words.extend(&flags);
        let json = aws.sandbox.run(&words).ends_with(2).json();
        assert_eq!(json["error"]["code"], "usage", "{flags:?}");
    }
    for role in [
        "signer",
        "arn:aws:iam::111122223333:user/signer",
        "arn:aws:sts::111122223333:assumed-role/signer/x",
        "arn:aws:iam::1111:role/signer",
        "",
    ] {
        let mut words: Vec<_> = SIGN.split(' ').collect();
        words.extend(["-o", "json", "--role-arn", role]);
        let json = aws.sandbox.run(&words).ends_with(2).json();
        assert_eq!(json["error"]["code"], "usage", "{role}");
    }
    assert!(aws.server.calls().is_empty() && aws.s3.requests().is_empty());
}

/// An account whose role trusts `issuer`, and a token of it.
fn trusting(issuer: &str, audience: &str, subject: &str) -> (AwsFixture, String) {
    let aws = AwsFixture::bare();
    let provider = Issuer::new(issuer, TokenAlgorithm::Es256);
    aws.server.trust_issuer(&provider, &[audience]);
    let trust = Trust {
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        subject: Subject::Equals(subject.to_owned()),
    };
    aws.server.role(ROLE, &trust, EVERYTHING);
    let token = provider.identity_token(subject, audience, 300);
    (aws, token)
}

/// Signs, and gives back the form that STS was asked with.
#[track_caller]
fn assumed(aws: &AwsFixture, flags: &str) -> serde_json::Value {
    aws.s3lo(&format!("{SIGN} {flags}")).ends_with(0);
    assert_eq!(aws.actions(), [ASSUME, "GetPublicKey", "Sign"]);
    aws.calls()[0].body.clone()
}

#[test]
fn every_ci_system_gives_its_jobs_a_role() {
    let circle = "https://oidc.circleci.com/org/00000000-1111-2222-3333-444444444444";
    let bitbucket = "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc";
    for (issuer, variables, name) in [
        (
            "https://gitlab.com",
            "GITLAB_CI=true CI_PROJECT_PATH=acme/app CI_PIPELINE_ID=7 GITLAB_OIDC_TOKEN=@",
            "s3lo-acme-app-7",
        ),
        (
            circle,
            "CIRCLECI=true CIRCLE_PROJECT_REPONAME=app CIRCLE_BUILD_NUM=7 CIRCLE_OIDC_TOKEN_V2=@ \
             CIRCLE_OIDC_TOKEN=not.the.one",
            "s3lo-app-7",
        ),
        (
            circle,
            "CIRCLECI=true CIRCLE_PROJECT_REPONAME=app CIRCLE_BUILD_NUM=7 CIRCLE_OIDC_TOKEN=@",
            "s3lo-app-7",
        ),
        (
            bitbucket,
            "BITBUCKET_BUILD_NUMBER=7 BITBUCKET_REPO_FULL_NAME=acme/app \
             BITBUCKET_STEP_OIDC_TOKEN=@",
            "s3lo-acme-app-7",
        ),
        (
            "https://agent.buildkite.com",
            "BUILDKITE=true BUILDKITE_PIPELINE_SLUG=app BUILDKITE_BUILD_NUMBER=7 \
             BUILDKITE_OIDC_TOKEN=@",
            "s3lo-app-7",
        ),
    ] {
        let (mut aws, token) = trusting(issuer, AUDIENCE, SUBJECT);
        for pair in variables.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            aws.sandbox.set(name, &value.replace('@', &token));
        }
        let form = assumed(&aws, &format!("--role-arn {ROLE_ARN}"));
        assert_eq!(form["WebIdentityToken"], token, "{variables}");
        assert_eq!(form["RoleSessionName"], name);
    }
}

/// Puts a `buildkite-agent` into PATH that records its arguments and then runs `script`.
pub(crate) fn buildkite(sandbox: &mut Sandbox, script: &str) {
    let script =
        format!("#!/bin/sh\necho \"$@\" >>agent.arguments\nenv >>agent.environment\n{script}\n");
    sandbox.write_program("bin/buildkite-agent", &script);
    let path = format!("{}:/usr/bin:/bin", sandbox.file("bin").display());
    for (name, value) in [
        ("PATH", path.as_str()),
        ("BUILDKITE", "true"),
        ("BUILDKITE_PIPELINE_SLUG", "app"),
        ("BUILDKITE_BUILD_NUMBER", "7"),
        ("BUILDKITE_AGENT_ACCESS_TOKEN", "of-the-agent"),
    ] {
        sandbox.set(name, value);
    }
}

#[test]
fn in_buildkite_the_agent_is_asked_for_the_token() {
    let (mut aws, token) = trusting("https://agent.buildkite.com", "x=y", SUBJECT);
    buildkite(&mut aws.sandbox, "cat token");
    aws.sandbox.write("token", format!("{token}\n"));
    let form = assumed(&aws, &format!("--role-arn {ROLE_ARN} --audience x=y"));
    assert_eq!(form["WebIdentityToken"], token);
    let noted = |name: &str| std::fs::read_to_string(aws.sandbox.file(name)).unwrap();
    assert_eq!(
        noted("agent.arguments"),
        "oidc request-token --audience x=y --lifetime 300\n"
    );
    // It finds the variables there that the agent gave the job.
    assert!(noted("agent.environment").contains("BUILDKITE_AGENT_ACCESS_TOKEN=of-the-agent\n"));
}

#[test]
fn an_agent_that_fails_once_is_asked_once_more() {
    let (mut aws, token) = trusting("https://agent.buildkite.com", AUDIENCE, SUBJECT);
    buildkite(
        &mut aws.sandbox,
        "test -e again || { touch again; echo 'fatal: 503' >&2; exit 1; }\ncat token",
    );
    aws.sandbox.write("token", token);
    assumed(&aws, &format!("--role-arn {ROLE_ARN}"));
}

#[test]
fn a_token_may_be_in_any_file_or_variable() {
    let (mut aws, token) = trusting("https://ci.example", AUDIENCE, SUBJECT);
    aws.sandbox.write("run/token", format!("{token}\n"));
    aws.sandbox.set("MY_TOKEN", &token);
    // The CI system's token and the SDK's variable do not matter then.
    let agent = "http://127.0.0.1:1/token?api-version=2.0";
    aws.sandbox.set("ACTIONS_ID_TOKEN_REQUEST_URL", agent);
    aws.sandbox.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x");
    aws.sandbox.set("AWS_WEB_IDENTITY_TOKEN_FILE", "nowhere");
    for flags in [
        "--web-identity-token-file run/token",
        "--web-identity-token-env MY_TOKEN",
    ] {
        let line = format!("{SIGN} --role-arn {ROLE_ARN} {flags}");
        aws.s3lo(&line).ends_with(0);
    }
    assert_eq!(aws.count(ASSUME), 2);
    let form = &aws.calls_of(ASSUME)[0].body;
    assert_eq!(form["WebIdentityToken"], token);
    assert_eq!(form["RoleSessionName"], "s3lo");
    // The role may be in its variable just as well.
    aws.sandbox.set("AWS_ROLE_ARN", ROLE_ARN);
    aws.s3lo(&format!("{SIGN} --web-identity-token-env MY_TOKEN"))
        .ends_with(0);
    assert_eq!(aws.count(ASSUME), 3);
}

#[test]
fn kubernetes_gives_a_role_by_two_variables() {
    let (mut aws, token) = trusting("https://oidc.eks.example/id/1", AUDIENCE, SUBJECT);
    aws.sandbox.write("token", &token);
    let file = aws.sandbox.file("token");
    let file = file.to_str().unwrap().to_owned();
    aws.sandbox.set("AWS_ROLE_ARN", ROLE_ARN);
    aws.sandbox.set("AWS_WEB_IDENTITY_TOKEN_FILE", &file);
    assert_eq!(assumed(&aws, "")["WebIdentityToken"], token);
    // Keys in the environment come first, as in every SDK.
    let user = aws.server.user("dev", EVERYTHING);
    aws.set(&user.environment());
    aws.s3lo(&format!("{SIGN} --if-signed replace"))
        .ends_with(0);
    assert_eq!(aws.count(ASSUME), 1);
    // Unless the role is named on the command line.
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    assert_eq!(aws.count(ASSUME), 2);
}

#[test]
fn a_retry_shows_a_new_token() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let mut failed = 0;
    aws.server.fault(move |call| {
        let fails = call.action == ASSUME && failed < 2;
        failed += usize::from(fails);
        // A token that STS has seen may be refused the second time.
        fails.then(|| match failed {
            1 => sts_error(400, "IDPCommunicationError", "cannot reach the provider"),
            _ => sts_error(500, "InternalFailure", "An error occurred"),
        })
    });
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    let asked = ["token", ASSUME].map(|action| aws.count(action));
    assert_eq!(asked, [3, 3]);
    let calls = aws.calls_of(ASSUME);
    let tokens: std::collections::BTreeSet<_> = calls
        .iter()
        .map(|call| call.body["WebIdentityToken"].to_string())
        .collect();
    assert_eq!(tokens.len(), 3);
}

#[test]
fn a_session_that_expires_mid_run_is_reported_as_expired() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let ending = aws.server.clone();
    aws.server.fault(move |call| {
        if call.action == "Sign" {
            ending.expire_sessions();
        }
        None
    });
    let line = format!("{SIGN} --role-arn {ROLE_ARN} -o json");
    let json = aws.s3lo(&line).ends_with(2).json();
    assert_eq!(json["error"]["code"], "session_expired", "{json}");
    assert!(aws.records().is_empty());
}

#[test]
fn a_role_opens_its_connections_while_the_token_is_exchanged() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let (server, s3) = (aws.server.clone(), aws.s3.clone());
    aws.server.fault(move |call| {
        // STS waits until the others were knocked at: the run is not held up by it.
        let began = Instant::now();
        while call.action == ASSUME && began.elapsed() < Duration::from_secs(10) {
            let calls = server.calls();
            let opened = |to: &str| {
                let mut warm = calls.iter().filter(|call| call.service == "warm");
                warm.any(|call| call.action == to)
            };
            if opened("kms") && opened("sts") && s3.requests().len() >= 2 {
                break;
            }
            std::thread::yield_now();
        }
        None
    });
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    let calls = aws.server.calls();
    let place = |service: &str, action: &str| {
        let found = |call: &Call| call.service == service && call.action == action;
        calls.iter().position(found).unwrap()
    };
    assert!(place("warm", "kms") < place("kms", "GetPublicKey"));
    assert!(place("warm", "sts") < place("kms", "GetPublicKey"));
    let requests = aws.s3.requests();
    assert_eq!(&requests[..2], ["OPTIONS /my-bucket/"; 2], "{requests:?}");
    assert_eq!(
        requests
            .iter()
            .filter(|one| one.starts_with("OPTIONS"))
            .count(),
        2
    );
    // They identify no caller.
    let warm = calls.iter().filter(|call| call.service == "warm");
    let (headers, requests) = (aws.s3.headers(), aws.s3.requests());
    let of_s3 = requests.iter().zip(&headers);
    let of_s3 = of_s3.filter(|(line, _)| line.starts_with("OPTIONS"));
    for headers in warm
        .map(|call| &call.headers)
        .chain(of_s3.map(|(_, headers)| headers))
    {
        for name in ["authorization", "x-amz-security-token", "x-amz-target"] {
            assert!(!headers.contains_key(name), "{headers:?}");
        }
        let length = headers.get("content-length");
        assert!(length.is_none_or(|length| length == "0"), "{headers:?}");
    }
}

#[test]
fn without_a_role_nothing_is_asked_that_is_not_signed() {
    let aws = AwsFixture::new();
    aws.s3lo(SIGN).ends_with(0);
    aws.s3lo(VERIFY).ends_with(0);
    let calls = aws.calls();
    assert!(calls.iter().all(|call| signer(&call.headers).is_some()));
    assert!(
        aws.s3
            .headers()
            .iter()
            .all(|headers| signer(headers).is_some())
    );
    let requests = aws.s3.requests();
    assert!(!requests.iter().any(|line| line.starts_with("OPTIONS")));
}
