//! The program in the image trusts the authorities of its certificates, without any setting, and no others.

use std::path::Path;

use super::built::Container;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING};
use crate::support::program::{Run, finish};
use s3lo_test_servers::aws::{AwsServer, Key};

/// An account that speaks TLS.
fn account() -> AwsFixture {
    let mut aws =
        AwsFixture::without_credentials(AwsServer::start_tls(), Key::of_vector("p256-pkcs8"));
    let user = aws.server.user("dev", EVERYTHING);
    aws.set(&user.environment());
    aws
}

/// Asks the account for a key, in a container of `image` that has `certificates` in the place of its own.
fn ask(aws: &AwsFixture, image: &str, certificates: Option<&Path>) -> Run {
    let container = Container::of(image);
    let place = certificates.map(|file| (file, "/etc/ssl/certs/ca-certificates.crt"));
    let mounts: Vec<_> = place.into_iter().collect();
    let variables = aws.sandbox.environment();
    let words = "public-key --key awskms:///alias/release-signer --output json --timeout 20s";
    let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
    finish(
        container
            .started(&mounts, &variables, "/", &words)
            .spawn()
            .unwrap(),
    )
}

#[test]
fn a_server_of_an_unknown_authority_is_refused() {
    let aws = account();
    for image in ["scratch", "shell"] {
        let refused = ask(&aws, image, None).ends_with(2).json();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            message.ends_with("no trusted authority issued the server's certificate"),
            "{message}"
        );
    }
    // No service was asked.
    assert_eq!(aws.count("GetPublicKey"), 0);
}

#[test]
fn the_certificates_of_the_image_are_those_that_count() {
    let aws = account();
    aws.sandbox.write("own.crt", aws.server.ca_pem());
    let own = aws.sandbox.file("own.crt");
    for image in ["scratch", "shell"] {
        ask(&aws, image, Some(&own)).ends_with(0);
    }
    assert_eq!(aws.count("GetPublicKey"), 2);
}

#[test]
fn an_image_without_certificates_trusts_no_server() {
    let aws = account();
    aws.sandbox.write("empty.crt", "");
    let empty = aws.sandbox.file("empty.crt");
    ask(&aws, "scratch", Some(&empty)).ends_with(2);
    assert_eq!(aws.count("GetPublicKey"), 0);
}
