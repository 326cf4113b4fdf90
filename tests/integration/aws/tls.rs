//! Failures of TLS are reported in words and with a remedy, the same for every service.

use std::sync::Arc;

use rcgen::date_time_ymd;
use rustls::ServerConfig;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN};
use crate::support::program::Sandbox;
use s3lo_test_servers::authority::{Authority, Leaf};
use s3lo_test_servers::http::{Reply, Request, Service, Wire, listen};

struct Nothing;

impl Service for Nothing {
    fn answer(&self, _: &Request, _: usize) -> Reply {
        Reply::Answer(404, Vec::new(), Vec::new())
    }
}

/// A request without TLS, refused as servers written in Go do.
struct TlsAlone;

impl Service for TlsAlone {
    fn answer(&self, _: &Request, _: usize) -> Reply {
        let body = b"Client sent an HTTP request to an HTTPS server.\n";
        Reply::Answer(400, Vec::new(), body.to_vec())
    }
}

/// The error of each service at this address, in the order of S3, KMS, STS and GitHub's tokens.
fn errors(endpoint: &str, ca: &str) -> Vec<(String, String)> {
    let base = || {
        let mut sandbox = Sandbox::new()
            .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .with("AWS_SECRET_ACCESS_KEY", "secret")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_MAX_ATTEMPTS", "1")
            .with("AWS_ENDPOINT_URL", endpoint);
        sandbox.write("ca.pem", ca);
        sandbox.set("AWS_CA_BUNDLE", "ca.pem");
        sandbox
    };
    let key = "public-key --key awskms:///alias/a";
    let mut github = AwsFixture::in_github(EVERYTHING).sandbox;
    github.write("ca.pem", ca);
    github.set("AWS_CA_BUNDLE", "ca.pem");
    github.set("AWS_MAX_ATTEMPTS", "1");
    let url = format!("{endpoint}/token?x=1");
    github.set("ACTIONS_ID_TOKEN_REQUEST_URL", &url);
    let runs = [
        (
            base(),
            "verify s3://my-bucket/myapp:v1.0 --key keys/cosign.pub".to_owned(),
        ),
        (base(), key.to_owned()),
        (base(), format!("{key} --allowed-account 111122223333")),
        (github, format!("{key} --role-arn {ROLE_ARN}")),
    ];
    runs.iter()
        .map(|(sandbox, line)| {
            let run = sandbox.s3lo(&format!("{line} -o json")).ends_with(2);
            let error = &run.json()["error"];
            let field = |name: &str| error[name].as_str().unwrap().to_owned();
            (field("message"), field("help"))
        })
        .collect()
}

#[track_caller]
fn assert_all(endpoint: &str, ca: &str, reason: &str, help: &str) {
    for (message, advice) in errors(endpoint, ca) {
        assert!(message.contains(reason), "{message}\n{reason}");
        assert!(advice.contains(help), "{advice}\n{help}");
    }
}

fn serve(config: Arc<ServerConfig>) -> String {
    listen(Wire::Tls(config), Nothing)
}

#[test]
fn a_certificate_is_refused_in_words_that_lead_to_its_remedy() {
    let authority = Authority::generate();
    let ca = authority.pem();
    let names = ["127.0.0.1"];
    let leaf = |change: fn(&mut Leaf)| serve(authority.server_with(&names, change));
    assert_all(
        &leaf(|leaf| leaf.not_after = date_time_ymd(2020, 1, 1)),
        &ca,
        "the server's certificate expired at 2020-01-01T00:00:00Z; it is 20",
        "renew the server's certificate; or set this machine's clock",
    );
    assert_all(
        &leaf(|leaf| leaf.not_before = date_time_ymd(2999, 1, 1)),
        &ca,
        "the server's certificate is not valid before 2999-01-01T00:00:00Z",
        "set this machine's clock",
    );
    assert_all(
        &serve(authority.server(&["minio.example", "s3.example"])),
        &ca,
        "the server's certificate is for `minio.example`, `s3.example`, not for `127.0.0.1`",
        "reach the server by a name of its certificate, `minio.example`, `s3.example`",
    );
    assert_all(
        &serve(authority.server(&names)),
        &Authority::generate().pem(),
        "certificate",
        "AWS_CA_BUNDLE=FILE",
    );
    assert_all(
        &leaf(|leaf| leaf.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
        &ca,
        "that of an authority (CA:TRUE)",
        "basicConstraints=CA:FALSE",
    );
}

#[test]
fn a_port_that_speaks_otherwise_is_recognised() {
    let ca = Authority::generate().pem();
    let plain = listen(Wire::Plain, Nothing).replace("http:", "https:");
    assert_all(&plain, &ca, "speak TLS there", "write `http://` in");
    assert_all(
        &listen(Wire::Plain, TlsAlone),
        &ca,
        "the server speaks TLS there",
        "write `https://` in",
    );
    let tls = serve(Authority::generate().server(&["127.0.0.1"]));
    assert_all(
        &tls.replace("https:", "http:"),
        &ca,
        "the server speaks TLS there",
        "write `https://` in",
    );
}

#[test]
fn a_certificate_is_not_asked_for_again() {
    let authority = Authority::generate();
    let server = serve(authority.server(&["minio.example"]));
    let sandbox = Sandbox::new()
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "secret")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ENDPOINT_URL", &server);
    let run = sandbox
        .s3lo("public-key --key awskms:///alias/a -v")
        .ends_with(2);
    assert!(!run.err.contains("trying again"), "{}", run.err);
}

/// An authority beside which other things lie, as in the bundles of other tools.
#[test]
fn what_is_no_certificate_is_passed_over_in_a_bundle() {
    let authority = Authority::generate();
    let server = serve(authority.server(&["127.0.0.1"]));
    let block = |label: &str| pem::encode(&pem::Pem::new(label, b"anything".to_vec()));
    for label in [
        "X509 CRL",
        "TRUSTED CERTIFICATE",
        "PRIVATE KEY",
        "DH PARAMETERS",
    ] {
        let bundle = format!("{}{}", block(label), authority.pem());
        for (message, _) in errors(&server, &bundle) {
            // The server is not AWS, but it is trusted.
            assert!(!message.contains("certificate"), "{label}: {message}");
        }
    }
}
