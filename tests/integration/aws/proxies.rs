//! Proxies: none is bypassed by a mistake in its URL, and one that refuses is named.

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN};
use crate::support::program::Sandbox;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::S3Server;

const PUBLIC_KEY: &str = "public-key --key awskms:///alias/a";

/// A sandbox with credentials for AWS itself.
fn sandbox() -> Sandbox {
    Sandbox::new()
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "secret")
        .with("AWS_REGION", "us-east-1")
}

/// A proxy that answers with this status.
fn proxy(status: u16) -> S3Server {
    let proxy = S3Server::start();
    proxy.fault(move |_| Some(Reply::Answer(status, Vec::new(), Vec::new())));
    proxy
}

#[track_caller]
fn error(sandbox: &Sandbox, line: &str) -> (String, String, String) {
    let run = sandbox.s3lo(&format!("{line} -o json")).ends_with(2);
    assert!(
        !run.out.contains("canary") && !run.err.contains("canary"),
        "{}",
        run.out
    );
    let error = &run.json()["error"];
    let field = |name: &str| error[name].as_str().unwrap().to_owned();
    (field("code"), field("message"), field("help"))
}

#[test]
fn a_proxy_that_cannot_be_parsed_is_not_bypassed() {
    let mut texts = Vec::new();
    for url in [
        "http://svc:canary#1@proxy.example:3128",
        "http://svc:canary/1@proxy.example:3128",
        "http://svc:canary?1@proxy.example:3128",
        "http://svc:canary 1@proxy.example:3128",
        "http://svc:canary%1@proxy.example:3128",
        "\"http://svc:canary@proxy.example:3128\"",
        "http://svc:canary@[proxy.example:3128",
        "http://svc:canary@proxy.example:3128:3128",
        "http://proxy.example:3128/canary.pac",
        "socks5://proxy.example:1080",
    ] {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"] {
            let (code, message, help) = error(&sandbox().with(name, url), PUBLIC_KEY);
            assert_eq!(code, "configuration", "{name}={url}");
            assert!(message.starts_with(name), "{message}");
            if name == "HTTPS_PROXY" {
                texts.push(format!("{message}\n  {help}"));
            }
        }
    }
    // A variable of a CGI script makes no library bypass a proxy.
    let proxy = proxy(407);
    let cgi = sandbox()
        .with("REQUEST_METHOD", "GET")
        .with("HTTPS_PROXY", &proxy.endpoint);
    assert_eq!(error(&cgi, PUBLIC_KEY).0, "unreachable");
    assert_eq!(proxy.requests().len(), 1);
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_proxy_that_asks_for_a_password_is_asked_once_and_named() {
    let proxy = proxy(407);
    let host = proxy.endpoint.strip_prefix("http://").unwrap().to_owned();
    let of = |name: &str| sandbox().with(name, &format!("http://svc:canary@{host}"));
    for (name, line, target) in [
        ("HTTPS_PROXY", PUBLIC_KEY, "kms.us-east-1.amazonaws.com:443"),
        (
            "ALL_PROXY",
            "verify s3://my-bucket/myapp:v1.0 --key keys/cosign.pub",
            "my-bucket.s3.us-east-1.amazonaws.com:443",
        ),
        // Without TLS the proxy answers in the server's place.
        (
            "HTTP_PROXY",
            "verify s3://my-bucket/myapp:v1.0 --key keys/cosign.pub --endpoint http://minio.example:9000",
            "minio.example:9000",
        ),
        (
            "HTTPS_PROXY",
            "public-key --key awskms:///alias/a --allowed-account 111122223333",
            "sts.us-east-1.amazonaws.com:443",
        ),
    ] {
        let asked = proxy.requests().len();
        let (code, message, help) = error(&of(name), line);
        let made = proxy.requests().len() - asked;
        // The manifest and the record are asked for at the same time.
        let most = if line.starts_with("verify") { 2 } else { 1 };
        assert!((1..=most).contains(&made), "{made} {line}");
        assert_eq!(code, "unreachable");
        let place = format!("http://{host} of {name}");
        assert!(
            message.contains(&place) && message.contains("407"),
            "{message}"
        );
        assert!(
            message.contains(target) && help.contains(target),
            "{message} {help}"
        );
        assert!(help.contains(&format!("{name}=http://USER")), "{help}");
    }
    // The same for the endpoint of GitHub's tokens.
    let asked = proxy.requests().len();
    let mut aws = AwsFixture::in_github(EVERYTHING);
    let url = "https://ghes.example/token?x=1";
    aws.sandbox.set("ACTIONS_ID_TOKEN_REQUEST_URL", url);
    aws.sandbox
        .set("HTTPS_PROXY", &format!("http://svc:canary@{host}"));
    let line = format!("{PUBLIC_KEY} --role-arn {ROLE_ARN}");
    let (code, message, _) = error(&aws.sandbox, &line);
    assert_eq!(proxy.requests().len(), asked + 1);
    assert_eq!(code, "no_identity_token");
    assert!(
        message.contains("ghes.example:443") && message.contains("407"),
        "{message}"
    );
}

#[test]
fn a_proxy_that_refuses_or_is_away_is_named() {
    for (status, words) in [
        (403, "opens no connection to"),
        (502, "opens no connection to"),
    ] {
        let proxy = proxy(status);
        let sandbox = sandbox()
            .with("HTTPS_PROXY", &proxy.endpoint)
            .with("AWS_MAX_ATTEMPTS", "1");
        let (code, message, help) = error(&sandbox, PUBLIC_KEY);
        assert_eq!(code, "unreachable");
        assert!(
            message.contains(words) && message.contains(&proxy.endpoint),
            "{message}"
        );
        assert!(
            help.contains("allow connections to kms.us-east-1.amazonaws.com:443"),
            "{help}"
        );
    }
    let sandbox = sandbox()
        .with("HTTPS_PROXY", "http://127.0.0.1:1")
        .with("AWS_MAX_ATTEMPTS", "1");
    let (_, message, help) = error(&sandbox, PUBLIC_KEY);
    assert!(
        message.contains("http://127.0.0.1:1 of HTTPS_PROXY cannot be reached"),
        "{message}"
    );
    assert!(help.contains("check the proxy in HTTPS_PROXY"), "{help}");
}

#[test]
fn no_proxy_takes_the_forms_of_other_tools() {
    let proxy = proxy(407);
    for (no_proxy, bypassed) in [
        ("invalid", true),
        (".kms.invalid", true),
        ("*.invalid", true),
        ("kms.invalid:443", true),
        ("localhost *.kms.invalid", true),
        ("*", true),
        ("kms.invalid:8443", false),
        ("*invalid", false),
        ("other.invalid", false),
        ("https://kms.invalid", false),
    ] {
        let asked = proxy.requests().len();
        let sandbox = sandbox()
            .with("HTTPS_PROXY", &proxy.endpoint)
            .with("NO_PROXY", no_proxy)
            .with("AWS_MAX_ATTEMPTS", "1")
            .with("AWS_ENDPOINT_URL_KMS", "https://kms.invalid");
        error(&sandbox, PUBLIC_KEY);
        let made = proxy.requests().len() - asked;
        assert_eq!(made, usize::from(!bypassed), "{no_proxy}");
    }
}
