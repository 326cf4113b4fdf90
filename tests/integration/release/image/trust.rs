//! Whom the program trusts in the image: the authorities of its certificates, which are found without a word of
//! the environment, and nobody else.

use std::path::Path;

use super::built::Container;
use crate::support::program::{Run, finish};
use crate::support::workshop::{EVERYTHING, Workshop};
use s3lo_test_servers::aws::{AwsServer, Key};

/// An account that speaks TLS.
fn account() -> Workshop {
    let mut shop =
        Workshop::without_credentials(AwsServer::start_tls(), Key::of_vector("p256-pkcs8"));
    let user = shop.aws.user("dev", EVERYTHING);
    shop.set(&user.environment());
    shop
}

/// Asks the account for a key, in a container of `image` that has `certificates` in the place of its own.
fn ask(shop: &Workshop, image: &str, certificates: Option<&Path>) -> Run {
    let container = Container::of(image);
    let place = certificates.map(|file| (file, "/etc/ssl/certs/ca-certificates.crt"));
    let mounts: Vec<_> = place.into_iter().collect();
    let variables = shop.desk.environment();
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
    let shop = account();
    for image in ["scratch", "shell"] {
        let refused = ask(&shop, image, None).ends_with(2).json();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            message.ends_with("invalid peer certificate: UnknownIssuer"),
            "{message}"
        );
    }
    // Nobody was asked anything.
    assert_eq!(shop.count("GetPublicKey"), 0);
}

#[test]
fn the_certificates_of_the_image_are_those_that_count() {
    let shop = account();
    shop.desk.write("own.crt", shop.aws.ca_pem());
    let own = shop.desk.file("own.crt");
    for image in ["scratch", "shell"] {
        ask(&shop, image, Some(&own)).ends_with(0);
    }
    assert_eq!(shop.count("GetPublicKey"), 2);
}

#[test]
fn an_image_whose_certificates_are_gone_trusts_nobody() {
    let shop = account();
    shop.desk.write("empty.crt", "");
    let empty = shop.desk.file("empty.crt");
    ask(&shop, "scratch", Some(&empty)).ends_with(2);
    assert_eq!(shop.count("GetPublicKey"), 0);
}
