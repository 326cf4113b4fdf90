//! The variables of the AWS SDKs mean what they mean elsewhere; an empty one is an unset one, and one
//! that means nothing is named before anything is asked.

use std::collections::BTreeSet;

use crate::support::MANIFEST;
use crate::support::program::Desk;
use crate::support::workshop::{SIGN, VERIFY, Workshop};
use s3lo_test_servers::aws::Key;

#[track_caller]
fn code_of(desk: &Desk, line: &str) -> String {
    let json = desk.s3lo(&format!("{line} -o json")).ends_with(2).json();
    json["error"]["code"].as_str().unwrap().to_owned()
}

/// The regions that KMS was asked in.
fn regions(shop: &Workshop) -> Vec<String> {
    let calls = shop.calls();
    let of_kms = calls.into_iter().filter(|call| call.service == "kms");
    of_kms.map(|call| call.region.unwrap()).collect()
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let names = [
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_SESSION_TOKEN",
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "https_proxy",
        "http_proxy",
        "ALL_PROXY",
        "NO_PROXY",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_DEFAULT_REGION",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "GITHUB_ACTIONS",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];
    for name in names {
        let mut shop = Workshop::new();
        shop.desk.set(name, "");
        shop.s3lo(SIGN).ends_with(0);
    }
    let mut shop = Workshop::new();
    for name in names {
        shop.desk.set(name, "");
    }
    shop.s3lo(SIGN).ends_with(0);
    shop.s3lo(VERIFY).ends_with(0);
}

#[test]
fn an_empty_region_or_endpoint_leaves_it_to_the_next() {
    let mut shop = Workshop::new();
    shop.desk.set("AWS_REGION", "");
    shop.desk.set("AWS_DEFAULT_REGION", "us-east-1");
    shop.s3lo(SIGN).ends_with(0);
    assert_eq!(regions(&shop), ["us-east-1"; 2]);
    let mut shop = Workshop::new();
    shop.desk.set("AWS_ENDPOINT_URL", &shop.s3.endpoint);
    shop.desk.set("AWS_ENDPOINT_URL_S3", "");
    shop.s3lo(SIGN).ends_with(0);
    // Without any region there is none to ask in.
    let mut shop = Workshop::new();
    shop.desk.set("AWS_REGION", "");
    assert_eq!(code_of(&shop.desk, SIGN), "no_region");
}

#[test]
fn an_empty_password_stays_a_password() {
    // With another empty variable the environment is made anew.
    let desk = Desk::with_image()
        .with("COSIGN_PASSWORD", "")
        .with("AWS_PROFILE", "");
    desk.s3lo("sign local://./store/myapp:v1.0 --key keys/empty-password.key")
        .ends_with(0);
    desk.s3lo("generate-key-pair").ends_with(0);
    let desk = Desk::new()
        .without("COSIGN_PASSWORD")
        .with("AWS_PROFILE", "");
    assert_eq!(code_of(&desk, "generate-key-pair"), "password_missing");
    // As do the arguments, whatever is in them.
    let odd = [
        "sign",
        "local://./no such \"store\"/myapp:v1.0",
        "--key",
        "a 'b' $c",
    ];
    let told = Desk::with_image().run(&odd).ends_with(2).err;
    let again = Desk::with_image().with("AWS_PROFILE", "").run(&odd);
    assert_eq!(again.ends_with(2).err, told);
}

#[test]
fn a_key_is_asked_for_in_the_region_that_its_arn_names() {
    let mut shop = Workshop::new();
    let abroad = Key::of_vector("p384-pkcs8").in_region("eu-central-1");
    let abroad = shop.aws.add(abroad);
    let line = format!("{SIGN} --key awskms:///{abroad}");
    shop.s3lo(&line).ends_with(0);
    let asked = |shop: &Workshop| regions(shop).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(
        asked(&shop),
        ["eu-central-1", "us-east-1"].map(str::to_owned).into()
    );
    let calls = shop.calls();
    for call in calls
        .iter()
        .filter(|call| call.key_id.as_ref() == Some(&abroad))
    {
        assert_eq!(call.region.as_deref(), Some("eu-central-1"));
    }
    // The bucket's is another matter.
    for headers in shop.s3.headers() {
        assert!(headers["authorization"].contains("/us-east-1/s3/"));
    }
    // And without any other, that of the key will do, for the bucket as well.
    shop.desk = shop.desk.without("AWS_REGION");
    let before = shop.s3.headers().len();
    shop.s3lo(&format!(
        "sign s3://my-bucket/myapp:v1.0 --key awskms:///{abroad}"
    ))
    .ends_with(0);
    assert!(shop.s3.headers()[before]["authorization"].contains("/eu-central-1/s3/"));
}

#[test]
fn an_alias_is_asked_for_in_the_region_that_is_named_first() {
    let settings = [
        ("--region ap-south-1", "ap-south-1"),
        ("AWS_REGION=ca-central-1", "ca-central-1"),
        ("AWS_DEFAULT_REGION=eu-north-1", "eu-north-1"),
        ("profile", "sa-east-1"),
    ];
    // Each beats those that follow it.
    for first in 0..settings.len() {
        let mut shop = Workshop::new();
        shop.desk = shop.desk.without("AWS_REGION");
        let expected = settings[first].1;
        let key = shop
            .aws
            .add(Key::of_vector("p384-pkcs8").in_region(expected));
        shop.aws.alias("alias/release-signer", &key);
        let mut line = SIGN.to_owned();
        for (setting, region) in &settings[first..] {
            match setting.split_once('=') {
                Some((name, _)) => shop.desk.set(name, region),
                None if *setting == "profile" => {
                    let config = format!("[default]\nregion = {region}\n");
                    shop.desk.write(".aws/config", config);
                    let home = shop.desk.path().to_str().unwrap().to_owned();
                    shop.desk.set("HOME", &home);
                }
                None => line = format!("{SIGN} {setting}"),
            }
        }
        shop.s3lo(&line).ends_with(0);
        assert_eq!(regions(&shop), [expected; 2]);
    }
    let mut shop = Workshop::new();
    shop.desk = shop.desk.without("AWS_REGION");
    assert_eq!(code_of(&shop.desk, SIGN), "no_region");
    assert!(shop.aws.calls().is_empty() && shop.s3.requests().is_empty());
    insta::assert_snapshot!(shop.s3lo(SIGN).ends_with(2).err);
}

#[test]
fn every_partition_has_regions_of_its_own() {
    for (partition, region) in [
        ("aws", "me-central-1"),
        ("aws-cn", "cn-northwest-1"),
        ("aws-us-gov", "us-gov-east-1"),
        ("aws-iso", "us-iso-west-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
        ("aws-eusc", "eusc-de-east-1"),
    ] {
        let shop = Workshop::new();
        let arn = format!("arn:{partition}:kms:{region}:111122223333:alias/release-signer");
        // The server here is one of `aws` alone, and refuses; where it was asked is the point.
        shop.s3lo(&format!("public-key --key awskms:///{arn}"))
            .ends_with(2);
        let calls = shop.calls();
        assert_eq!(calls[0].region.as_deref(), Some(region));
        assert_eq!(calls[0].key_id.as_deref(), Some(arn.as_str()));
    }
}

#[test]
fn a_variable_that_means_nothing_is_named_before_anything_is_asked() {
    let mut texts = Vec::new();
    for setting in [
        "AWS_MAX_ATTEMPTS=zero",
        "AWS_MAX_ATTEMPTS=0",
        "AWS_MAX_ATTEMPTS=-1",
        "AWS_RETRY_MODE=bogus",
        "AWS_USE_FIPS_ENDPOINT=yes",
        "AWS_USE_DUALSTACK_ENDPOINT=1",
        "AWS_EC2_METADATA_DISABLED=on",
        "AWS_ENDPOINT_URL=nonsense",
        "AWS_ENDPOINT_URL=https://",
        "AWS_ENDPOINT_URL_KMS=kms.example:443",
        "AWS_ENDPOINT_URL_S3=ftp://a",
        "AWS_ENDPOINT_URL_STS=https://user:password@a",
        "AWS_SECRET_ACCESS_KEY=",
        "AWS_ACCESS_KEY_ID=",
    ] {
        let mut shop = Workshop::new();
        let (name, value) = setting.split_once('=').unwrap();
        shop.desk.set(name, value);
        let text = shop.s3lo(SIGN).ends_with(2).err;
        assert_eq!(
            code_of(&shop.desk, SIGN),
            "configuration",
            "{setting}\n{text}"
        );
        assert!(shop.aws.calls().is_empty() && shop.s3.requests().is_empty());
        assert!(text.contains(name) && !text.contains("password@"), "{text}");
        texts.push(format!("# {setting}\n{text}"));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn the_owner_of_the_bucket_is_named_in_every_request() {
    let shop = Workshop::new();
    let owner = "--expected-bucket-owner 111122223333";
    shop.s3lo(&format!("{SIGN} {owner}")).ends_with(0);
    shop.s3lo(&format!("{SIGN} {owner} --if-signed replace"))
        .ends_with(0);
    shop.s3lo(&format!("{VERIFY} {owner}")).ends_with(0);
    shop.s3.put(
        "/my-bucket/manifests/myapp/v2/manifest.json",
        MANIFEST.as_bytes(),
    );
    let line = VERIFY.replace("v1.0", "v2");
    shop.s3lo(&format!("{line} {owner}")).ends_with(1);
    // An image that is not there, whose neighbours are looked for.
    let line = VERIFY.replace("v1.0", "v3");
    shop.s3lo(&format!("{line} {owner}")).ends_with(2);
    let requests = shop.s3.requests();
    assert!(
        requests.contains(&"GET /my-bucket/".to_owned()),
        "{requests:?}"
    );
    assert_eq!(
        requests
            .iter()
            .filter(|line| line.starts_with("PUT"))
            .count(),
        2
    );
    for (line, headers) in requests.iter().zip(shop.s3.headers()) {
        let named = headers.get("x-amz-expected-bucket-owner");
        assert_eq!(named.map(String::as_str), Some("111122223333"), "{line}");
    }
    // Nor is it named where nobody asked for it.
    let before = requests.len();
    shop.s3lo(VERIFY).ends_with(0);
    let headers = &shop.s3.headers()[before..];
    assert!(
        headers
            .iter()
            .all(|one| !one.contains_key("x-amz-expected-bucket-owner"))
    );
    let refused = shop.s3lo(&format!("{VERIFY} --expected-bucket-owner acme -o json"));
    assert_eq!(refused.ends_with(2).json()["error"]["code"], "usage");
}
