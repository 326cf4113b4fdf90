//! Sessions of roles, GitHub's identity tokens, the policy at S3, and the faults of the server.

use std::time::Duration;

use aws_sdk_kms::config::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::clients::{Client, get, refusal, refused};
use super::{ALL, SUBJECT, stranger, with_key};
use crate::support::MANIFEST;
use crate::support::program::Sandbox;
use s3lo_test_servers::aws::{
    AUDIENCE, AwsServer, GITHUB, GITHUB_REQUEST_TOKEN, Issuer, Key, Subject, TokenAlgorithm, Trust,
    kms_answer, kms_error, sts_error,
};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::iam::{self, Decision, Policy};
use s3lo_test_servers::s3::S3Server;

const MANIFEST_PATH: &str = "/bucket/manifests/myapp/v1.0/manifest.json";

/// A server with the role `signer` of GitHub's main branch.
fn with_role(policy: &str) -> (AwsServer, Client, String) {
    let server = AwsServer::start();
    let role = server.role(
        "signer",
        &trust(GITHUB, Subject::Equals(SUBJECT.to_owned())),
        policy,
    );
    // Whose credentials they are does not matter: the call is not signed.
    let client = Client::new(&server, &stranger());
    (server, client, role)
}

fn trust(issuer: &str, subject: Subject) -> Trust {
    Trust {
        issuer: issuer.to_owned(),
        audience: AUDIENCE.to_owned(),
        subject,
    }
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let middle = token.split('.').nth(1).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(middle);
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

#[test]
fn an_identity_token_opens_a_session_that_signs_until_it_expires() {
    let (server, client, role) = with_role(ALL);
    let arn = server.add(Key::of_vector("p256-pkcs8"));
    let credentials = client.assume(&role, &server.identity_token(SUBJECT, AUDIENCE, 300));
    let session = Client::new(&server, &credentials.unwrap());
    session.sign_raw(&arn).unwrap();
    let caller = "arn:aws:sts::111122223333:assumed-role/signer/s3lo-42";
    assert_eq!(session.identity().unwrap(), caller);
    // The call that opens it is not signed; those of the session carry its token.
    let calls = server.calls();
    assert!(!calls[0].headers.contains_key("authorization"));
    assert!(calls[1].headers.contains_key("x-amz-security-token"));
    server.expire_sessions();
    let message = "The security token included in the request is expired";
    assert_eq!(
        refused(session.sign_raw(&arn), "ExpiredTokenException"),
        message
    );
    assert_eq!(refused(session.identity(), "ExpiredToken"), message);
    let token = server.identity_token(SUBJECT, AUDIENCE, 300);
    let again = client.assume(&role, &token).unwrap();
    Client::new(&server, &again).sign_raw(&arn).unwrap();
}

#[test]
fn a_session_may_do_what_its_role_may() {
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"kms:GetPublicKey","Resource":"*"}]}"#;
    let (server, client, role) = with_role(policy);
    let arn = server.add(Key::of_vector("p256-pkcs8"));
    let token = server.identity_token(SUBJECT, AUDIENCE, 300);
    let session = Client::new(&server, &client.assume(&role, &token).unwrap());
    session.public_key(&arn).unwrap();
    assert_eq!(
        refused(session.sign_raw(&arn), "AccessDeniedException"),
        format!(
            "User: arn:aws:sts::111122223333:assumed-role/signer/s3lo-42 is not authorized to \
             perform: kms:Sign on resource: {arn} because no identity-based policy allows the \
             kms:Sign action"
        )
    );
}

#[test]
fn other_issuers_are_trusted_once_the_account_knows_them() {
    let (server, client, _) = with_role(ALL);
    let url = "https://gitlab.example.com";
    let like = Subject::Like("repo:acme/*:ref:refs/heads/m??n".to_owned());
    let role = server.role("signer", &trust(url, like), ALL);
    for algorithm in [TokenAlgorithm::Es256, TokenAlgorithm::Rs256] {
        let issuer = Issuer::new(url, algorithm);
        server.trust_issuer(&issuer, &["other", AUDIENCE]);
        client
            .assume(&role, &issuer.identity_token(SUBJECT, AUDIENCE, 300))
            .unwrap();
        let outcome = client.assume(&role, &issuer.identity_token("repo:acme", AUDIENCE, 300));
        refused(outcome, "AccessDenied");
        // Registered with the provider, but not trusted by the role.
        let outcome = client.assume(&role, &issuer.identity_token(SUBJECT, "other", 300));
        refused(outcome, "AccessDenied");
    }
}

#[test]
fn a_role_is_refused_in_the_words_of_aws() {
    let (server, client, role) = with_role(ALL);
    let good = server.identity_token(SUBJECT, AUDIENCE, 300);
    let foreign = Issuer::new("https://elsewhere.example.com", TokenAlgorithm::Es256);
    let forger = Issuer::new(GITHUB, TokenAlgorithm::Es256);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let mut claimed = claims(&good);
    claimed["sub"] = json!("repo:acme/app:ref:refs/heads/evil");
    let evil = URL_SAFE_NO_PAD.encode(claimed.to_string());
    let header = head.split('.').next().unwrap();
    let no_role = role.replace("signer", "nobody");
    let denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let no_key = "Couldn't retrieve verification key from your identity provider, please reference \
                  AssumeRoleWithWebIdentity documentation for requirements";
    let no_provider =
        "No OpenIDConnect provider found in your account for https://elsewhere.example.com";
    let no_jwt = "The ID Token provided is not a valid JWT. (You may see this error if you sent an \
                  Access Token)";
    for (role, token, code, message) in [
        (&no_role, good.clone(), "AccessDenied", denied),
        (
            &role,
            server.identity_token("repo:acme/app:ref:refs/heads/other", AUDIENCE, 300),
            "AccessDenied",
            denied,
        ),
        (
            &role,
            server.identity_token(SUBJECT, "https://github.com/acme", 300),
            "InvalidIdentityToken",
            "Incorrect token audience",
        ),
        (
            &role,
            foreign.identity_token(SUBJECT, AUDIENCE, 300),
            "InvalidIdentityToken",
            no_provider,
        ),
        (
            &role,
            forger.identity_token(SUBJECT, AUDIENCE, 300),
            "InvalidIdentityToken",
            no_key,
        ),
        (
            &role,
            format!("{header}.{evil}.{signature}"),
            "InvalidIdentityToken",
            "Token signature invalid",
        ),
        (
            &role,
            "gho_token".to_owned(),
            "InvalidIdentityToken",
            no_jwt,
        ),
        (
            &role,
            forger.token(&json!({"iss": GITHUB})),
            "InvalidIdentityToken",
            no_jwt,
        ),
    ] {
        assert_eq!(refused(client.assume(role, &token), code), message);
    }
    let expired = server.identity_token(SUBJECT, AUDIENCE, -7);
    let until = claims(&expired)["exp"].as_u64().unwrap();
    let message = refused(client.assume(&role, &expired), "ExpiredTokenException");
    assert!(message.starts_with("Token expired: current date/time "));
    assert!(message.ends_with(&format!(" must be before the expiration date/time {until}")));
    for (session, seconds) in [
        ("a", 900),
        ("a b", 900),
        ("s3lo", 899),
        ("s3lo", 43201),
        ("s3lo", 3601),
    ] {
        let outcome = client.assume_for(&role, &good, session, seconds);
        refused(outcome, "ValidationError");
    }
}

#[test]
fn github_gives_a_job_another_token_at_each_call() {
    let (server, client, role) = with_role(ALL);
    let environment: std::collections::HashMap<_, _> =
        server.github_environment().into_iter().collect();
    assert_eq!(environment["GITHUB_ACTIONS"], "true");
    let url = &environment["ACTIONS_ID_TOKEN_REQUEST_URL"];
    let path = url.strip_prefix(&server.endpoint).unwrap();
    let target = format!("{path}&audience=sts.amazonaws.com");
    let bearer = format!("bearer {}", environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]);
    let token = || {
        let (status, body) = get(&server, &target, &bearer);
        assert_eq!((status, &body["count"]), (200, &json!(1)));
        body["value"].as_str().unwrap().to_owned()
    };
    let (first, second) = (token(), token());
    assert_ne!(claims(&first)["jti"], claims(&second)["jti"]);
    client.assume(&role, &first).unwrap();
    server.set_subject("repo:acme/app:pull_request");
    refused(client.assume(&role, &token()), "AccessDenied");
    assert_eq!(get(&server, &target, "bearer stolen").0, 401);
    assert_eq!(get(&server, &target, GITHUB_REQUEST_TOKEN).0, 401);
    assert_eq!(get(&server, "/token?audience=x", &bearer).0, 400);
    let call = &server.calls()[0];
    assert_eq!(
        (call.service, &call.body["audience"]),
        ("github", &json!(AUDIENCE))
    );
}

#[test]
fn calls_share_a_connection_and_are_written_down() {
    let (server, client, arn) = with_key();
    client.public_key(&arn).unwrap();
    client.sign_raw(&arn).unwrap();
    let missing = client.sign_raw("alias/none").unwrap_err();
    let calls = server.calls();
    for (call, (number, action, key)) in calls.iter().zip([
        (1, "GetPublicKey", arn.as_str()),
        (2, "Sign", &arn),
        (3, "Sign", "alias/none"),
    ]) {
        assert_eq!((call.number, call.connection), (number, 1));
        assert_eq!((call.service, call.action.as_str()), ("kms", action));
        assert_eq!(call.key_id.as_deref(), Some(key));
        assert_eq!(call.region.as_deref(), Some("us-east-1"));
    }
    assert_eq!(missing.2, calls[2].request_id);
    assert_ne!(calls[0].request_id, calls[1].request_id);
    let other = client
        .assume("arn:aws:iam::111122223333:role/none", "x")
        .unwrap_err();
    assert_eq!(other.2, server.calls()[3].request_id);
}

#[test]
fn the_server_misbehaves_as_configured() {
    let (server, client, arn) = with_key();
    let ask = |patience| {
        let timeouts = TimeoutConfig::builder().read_timeout(Duration::from_millis(patience));
        let config = aws_sdk_kms::Config::builder().timeout_config(timeouts.build());
        let call = client.kms.get_public_key().key_id(&arn).customize();
        let call = call.config_override(config).send();
        client.runtime.block_on(call).map_err(refusal)
    };
    server.fault(|call| {
        Some(match call.number {
            1 => kms_error(500, "KMSInternalException", "later"),
            2 => kms_error(400, "ThrottlingException", "Rate exceeded").header("retry-after", "1"),
            3 => Reply::Half,
            4 => Reply::HangUp,
            5 => Reply::Silence,
            6 => Reply::Flood {
                bytes: 1 << 20,
                length: Some(1 << 20),
            },
            7 => kms_answer(&json!({"KeyId": "another"})),
            _ => return None,
        })
    });
    let patient = 60_000;
    refused(ask(patient), "KMSInternalException");
    refused(ask(patient), "ThrottlingException");
    refused(ask(patient), "");
    refused(ask(patient), "");
    refused(ask(50), "");
    refused(ask(patient), "");
    assert_eq!(ask(patient).unwrap().key_id(), Some("another"));
    assert_eq!(ask(patient).unwrap().key_id(), Some(arn.as_str()));
    server.fault(|call| {
        let message = "Error communicating with <the provider>";
        (call.service == "sts").then(|| sts_error(400, "IDPCommunicationError", message))
    });
    let outcome = client.assume("arn:aws:iam::111122223333:role/signer", "x");
    let message = refused(outcome, "IDPCommunicationError");
    assert_eq!(message, "Error communicating with <the provider>");
}

#[test]
fn a_server_of_tls_is_trusted_by_its_authority() {
    let server = AwsServer::start_tls();
    assert!(server.endpoint.starts_with("https://127.0.0.1:"));
    let arn = server.add(Key::of_vector("p256-pkcs8"));
    let client = Client::new(&server, &server.user("alice", ALL));
    client.public_key(&arn).unwrap();
    client.sign_raw(&arn).unwrap();
    assert_eq!(server.calls()[1].connection, 1);
    let other = AwsServer::start_tls();
    let mut imposter = server;
    imposter.endpoint.clone_from(&other.endpoint);
    let client = Client::new(&imposter, &stranger());
    refused(client.public_key(&arn), "");
    assert!(other.calls().is_empty());
}

#[test]
fn the_environment_leads_to_the_server() {
    let server = AwsServer::start();
    let credentials = server.user("alice", ALL);
    let names = |variables: Vec<(String, String)>| -> Vec<String> {
        variables.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names(server.environment()),
        ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS", "AWS_REGION"]
    );
    assert_eq!(
        names(credentials.environment()),
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    );
}

/// A run of the program against a bucket with an image.
fn on_s3(s3: &S3Server, environment: Vec<(String, String)>, line: &str) -> (Option<i32>, String) {
    let sandbox = environment
        .iter()
        .fold(Sandbox::new(), |sandbox, (name, value)| {
            sandbox.with(name, value)
        });
    let run = sandbox.s3lo(&format!(
        "{line} s3://bucket/myapp:v1.0 --endpoint {}",
        s3.endpoint
    ));
    (run.code, run.err)
}

#[test]
fn s3_enforces_the_policy_of_the_caller() {
    let (server, client, _) = with_role(ALL);
    let s3 = S3Server::start();
    s3.put(MANIFEST_PATH, MANIFEST.as_bytes());
    server.guard(&s3);
    let sign = "sign --key keys/cosign.key";
    let environment = |policy: &str| server.user("alice", policy).environment();
    assert_eq!(on_s3(&s3, environment(ALL), sign).0, Some(0));
    let read_only = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"},
        {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket"}]}"#;
    let verify = "verify --key keys/cosign.pub";
    assert_eq!(on_s3(&s3, environment(read_only), verify).0, Some(0));
    let resign = format!("{sign} --if-signed replace");
    let (code, err) = on_s3(&s3, environment(read_only), &resign);
    assert_eq!(code, Some(2));
    assert!(err.contains("AccessDenied"), "{err}");
    assert_eq!(on_s3(&s3, stranger().environment(), verify).0, Some(2));
    // Of a session too, while it lasts.
    let role = "arn:aws:iam::111122223333:role/signer";
    let token = server.identity_token(SUBJECT, AUDIENCE, 300);
    let session = client.assume(role, &token).unwrap().environment();
    assert_eq!(on_s3(&s3, session.clone(), verify).0, Some(0));
    server.expire_sessions();
    let (code, err) = on_s3(&s3, session, verify);
    assert_eq!(code, Some(2));
    assert!(err.contains("ExpiredToken"), "{err}");
}

#[test]
fn a_missing_object_is_missing_only_with_list_permission() {
    let get = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#;
    let list = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket"}"#;
    let list_some = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket",
        "Condition":{"StringLike":{"s3:prefix":"manifests/*"}}}"#;
    // The program's exit code, and how often it listed: to learn that there is no signature, and to explain that.
    let run = |statements: &str| {
        let s3 = S3Server::start();
        s3.put(MANIFEST_PATH, MANIFEST.as_bytes());
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        iam::enforce(&s3, &Policy::parse(&text));
        let verify = "verify --key keys/cosign.pub";
        let (code, err) = on_s3(&s3, stranger().environment(), verify);
        let listed = s3
            .requests()
            .iter()
            .filter(|line| !line.contains("/manifests"))
            .count();
        (code, listed, err.contains("AccessDenied"))
    };
    assert_eq!(run(&format!("{get},{list}")), (Some(1), 1, false));
    assert_eq!(run(&format!("{get},{list_some}")), (Some(1), 2, false));
    assert_eq!(run(get), (Some(2), 1, true));
    let text = format!(r#"{{"Version":"2012-10-17","Statement":{list_some}}}"#);
    let policy = Policy::parse(&text);
    let decide = |context| policy.decide("s3:ListBucket", "arn:aws:s3:::bucket", context);
    assert_eq!(
        decide(&[("s3:prefix", "manifests/myapp/")]),
        Decision::Allowed
    );
    assert_eq!(decide(&[("s3:prefix", "other")]), Decision::NotAllowed);
    assert_eq!(decide(&[]), Decision::NotAllowed);
}

#[test]
fn a_policy_that_is_not_understood_is_no_policy() {
    for (statement, why) in [
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*",
                   "Condition": {"StringEquals": {"aws:SourceIp": "*"}}}),
            "condition key aws:SourceIp",
        ),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*",
                   "Condition": {"Bool": {"kms:MessageType": "RAW"}}}),
            "condition operator Bool",
        ),
        (
            json!({"Effect": "Allow", "NotAction": "kms:Sign", "Resource": "*"}),
            "NotAction",
        ),
    ] {
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let panicked = std::panic::catch_unwind(|| Policy::parse(&text)).unwrap_err();
        let message = panicked.downcast::<String>().unwrap();
        assert!(message.contains(why), "{message}");
    }
    assert!(Policy::parse(ALL).allows("kms:Sign", "any", &[]));
}
