//! The variables of the AWS SDKs mean what they mean elsewhere; an empty one is an unset one, and one
//! that means nothing is named before anything is asked.

use std::collections::BTreeSet;

use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, SIGN, VERIFY};
use crate::support::program::Sandbox;
use s3lo_test_servers::aws::Key;

#[track_caller]
fn code_of(sandbox: &Sandbox, line: &str) -> String {
    let json = sandbox.s3lo(&format!("{line} -o json")).ends_with(2).json();
    json["error"]["code"].as_str().unwrap().to_owned()
}

/// The regions that KMS was asked in.
fn regions(aws: &AwsFixture) -> Vec<String> {
    let calls = aws.calls();
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
        let mut aws = AwsFixture::new();
        aws.sandbox.set(name, "");
        aws.s3lo(SIGN).ends_with(0);
    }
    let mut aws = AwsFixture::new();
    for name in names {
        aws.sandbox.set(name, "");
    }
    aws.s3lo(SIGN).ends_with(0);
    aws.s3lo(VERIFY).ends_with(0);
}

#[test]
fn an_empty_region_or_endpoint_leaves_it_to_the_next() {
    let mut aws = AwsFixture::new();
    aws.sandbox.set("AWS_REGION", "");
    aws.sandbox.set("AWS_DEFAULT_REGION", "us-east-1");
    aws.s3lo(SIGN).ends_with(0);
    assert_eq!(regions(&aws), ["us-east-1"; 2]);
    let mut aws = AwsFixture::new();
    aws.sandbox.set("AWS_ENDPOINT_URL", &aws.s3.endpoint);
    aws.sandbox.set("AWS_ENDPOINT_URL_S3", "");
    aws.s3lo(SIGN).ends_with(0);
    // Without any region there is no service to ask.
    let mut aws = AwsFixture::new();
    aws.sandbox.set("AWS_REGION", "");
    assert_eq!(code_of(&aws.sandbox, SIGN), "no_region");
}

#[test]
fn an_empty_password_stays_a_password() {
    // With another empty variable the environment is made anew.
    let sandbox = Sandbox::with_image()
        .with("COSIGN_PASSWORD", "")
        .with("AWS_PROFILE", "");
    sandbox
        .s3lo("sign local://./store/myapp:v1.0 --key keys/empty-password.key")
        .ends_with(0);
    sandbox.s3lo("generate-key-pair").ends_with(0);
    let sandbox = Sandbox::new()
        .without("COSIGN_PASSWORD")
        .with("AWS_PROFILE", "");
    assert_eq!(code_of(&sandbox, "generate-key-pair"), "password_missing");
    // As do the arguments, with any content.
    let odd = [
        "sign",
        "local://./no such \"store\"/myapp:v1.0",
        "--key",
        "a 'b' $c",
    ];
    let reported = Sandbox::with_image().run(&odd).ends_with(2).err;
    let again = Sandbox::with_image().with("AWS_PROFILE", "").run(&odd);
    assert_eq!(again.ends_with(2).err, reported);
}

#[test]
fn a_key_is_asked_for_in_the_region_that_its_arn_names() {
    let mut aws = AwsFixture::new();
    let abroad = Key::of_vector("p384-pkcs8").in_region("eu-central-1");
    let abroad = aws.server.add(abroad);
    let line = format!("{SIGN} --key awskms:///{abroad}");
    aws.s3lo(&line).ends_with(0);
    let asked = |aws: &AwsFixture| regions(aws).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(
        asked(&aws),
        ["eu-central-1", "us-east-1"].map(str::to_owned).into()
    );
    let calls = aws.calls();
    for call in calls
        .iter()
        .filter(|call| call.key_id.as_ref() == Some(&abroad))
    {
        assert_eq!(call.region.as_deref(), Some("eu-central-1"));
    }
    // The bucket's is another matter.
    for headers in aws.s3.headers() {
        assert!(headers["authorization"].contains("/us-east-1/s3/"));
    }
    // And without any other, that of the key will do, for the bucket as well.
    aws.sandbox = aws.sandbox.without("AWS_REGION");
    let before = aws.s3.headers().len();
    aws.s3lo(&format!(
        "sign s3://my-bucket/myapp:v1.0 --key awskms:///{abroad}"
    ))
    .ends_with(0);
    assert!(aws.s3.headers()[before]["authorization"].contains("/eu-central-1/s3/"));
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
        let mut aws = AwsFixture::new();
        aws.sandbox = aws.sandbox.without("AWS_REGION");
        let expected = settings[first].1;
        let key = aws
            .server
            .add(Key::of_vector("p384-pkcs8").in_region(expected));
        aws.server.alias("alias/release-signer", &key);
        let mut line = SIGN.to_owned();
        for (setting, region) in &settings[first..] {
            match setting.split_once('=') {
                Some((name, _)) => aws.sandbox.set(name, region),
                None if *setting == "profile" => {
                    let config = format!("[default]\nregion = {region}\n");
                    aws.sandbox.write(".aws/config", config);
                    let home = aws.sandbox.path().to_str().unwrap().to_owned();
                    aws.sandbox.set("HOME", &home);
                }
                None => line = format!("{SIGN} {setting}"),
            }
        }
        aws.s3lo(&line).ends_with(0);
        assert_eq!(regions(&aws), [expected; 2]);
    }
    let mut aws = AwsFixture::new();
    aws.sandbox = aws.sandbox.without("AWS_REGION");
    assert_eq!(code_of(&aws.sandbox, SIGN), "no_region");
    assert!(aws.server.calls().is_empty() && aws.s3.requests().is_empty());
    insta::assert_snapshot!(aws.s3lo(SIGN).ends_with(2).err);
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
        let aws = AwsFixture::new();
        let arn = format!("arn:{partition}:kms:{region}:111122223333:alias/release-signer");
        // The server here is one of `aws` alone, and refuses; where it was asked is the point.
        aws.s3lo(&format!("public-key --key awskms:///{arn}"))
            .ends_with(2);
        let calls = aws.calls();
        assert_eq!(calls[0].region.as_deref(), Some(region));
        assert_eq!(calls[0].key_id.as_deref(), Some(arn.as_str()));
    }
}

#[test]
fn an_invalid_variable_is_named_before_any_request() {
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
        let mut aws = AwsFixture::new();
        let (name, value) = setting.split_once('=').unwrap();
        aws.sandbox.set(name, value);
        let text = aws.s3lo(SIGN).ends_with(2).err;
        assert_eq!(
            code_of(&aws.sandbox, SIGN),
            "configuration",
            "{setting}\n{text}"
        );
        assert!(aws.server.calls().is_empty() && aws.s3.requests().is_empty());
        assert!(text.contains(name) && !text.contains("password@"), "{text}");
        texts.push(format!("# {setting}\n{text}"));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn the_owner_of_the_bucket_is_named_in_every_request() {
    let aws = AwsFixture::new();
    let owner = "--expected-bucket-owner 111122223333";
    aws.s3lo(&format!("{SIGN} {owner}")).ends_with(0);
    aws.s3lo(&format!("{SIGN} {owner} --if-signed replace"))
        .ends_with(0);
    aws.s3lo(&format!("{VERIFY} {owner}")).ends_with(0);
    aws.s3.put(
        "/my-bucket/manifests/myapp/v2/manifest.json",
        MANIFEST.as_bytes(),
    );
    let line = VERIFY.replace("v1.0", "v2");
    aws.s3lo(&format!("{line} {owner}")).ends_with(1);
    // An image that is not there, whose neighbours are looked for.
    let line = VERIFY.replace("v1.0", "v3");
    aws.s3lo(&format!("{line} {owner}")).ends_with(2);
    let requests = aws.s3.requests();
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
    for (line, headers) in requests.iter().zip(aws.s3.headers()) {
        let named = headers.get("x-amz-expected-bucket-owner");
        assert_eq!(named.map(String::as_str), Some("111122223333"), "{line}");
    }
    // Nor is it named where it was not requested.
    let before = requests.len();
    aws.s3lo(VERIFY).ends_with(0);
    let headers = &aws.s3.headers()[before..];
    assert!(
        headers
            .iter()
            .all(|one| !one.contains_key("x-amz-expected-bucket-owner"))
    );
    let refused = aws.s3lo(&format!("{VERIFY} --expected-bucket-owner acme -o json"));
    assert_eq!(refused.ends_with(2).json()["error"]["code"], "usage");
}
