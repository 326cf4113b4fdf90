//! Where AWS is asked: at the endpoint that the variables choose, through the proxy that they name, and
//! nowhere where the certificate is not of an authority that is trusted.

use std::collections::BTreeSet;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, SIGN, VERIFY};
use crate::support::plain_key;
use crate::support::program::Sandbox;
use s3lo_test_servers::aws::{AwsServer, Key};
use s3lo_test_servers::s3::{S3Server, s3_error};

#[track_caller]
fn code_of(sandbox: &Sandbox, line: &str) -> String {
    let json = sandbox.s3lo(&format!("{line} -o json")).ends_with(2).json();
    json["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn an_endpoint_for_kms_is_for_kms_alone() {
    let mut aws = AwsFixture::new();
    aws.sandbox.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    aws.s3lo(SIGN).ends_with(0);
    let s3 = aws.s3.endpoint.clone();
    aws.sandbox.set("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
    aws.s3lo(&format!("{SIGN} --endpoint {s3}")).ends_with(0);
    assert!(
        aws.s3
            .headers()
            .iter()
            .all(|one| !one.contains_key("x-amz-target"))
    );
    // The general one serves KMS where there is no other.
    aws.sandbox = aws.sandbox.without("AWS_ENDPOINT_URL_KMS");
    aws.sandbox.set("AWS_ENDPOINT_URL", &aws.server.endpoint);
    aws.s3lo(&format!("{VERIFY} --endpoint {s3}")).ends_with(0);
}

/// KMS behind TLS, at a sandbox that does not trust it yet.
fn behind_tls() -> AwsFixture {
    let mut aws =
        AwsFixture::without_credentials(AwsServer::start_tls(), Key::of_vector("p256-pkcs8"));
    let user = aws.server.user("dev", EVERYTHING);
    aws.set(&user.environment());
    aws.sandbox.set("AWS_MAX_ATTEMPTS", "1");
    aws.sandbox.write("ca.pem", aws.server.ca_pem());
    aws
}

#[test]
fn a_kms_of_another_authority_is_trusted_by_its_bundle_alone() {
    let mut aws = behind_tls();
    assert_eq!(code_of(&aws.sandbox, SIGN), "unreachable");
    assert!(aws.server.calls().is_empty());
    // Another authority's bundle is no help.
    aws.sandbox
        .write("other.pem", AwsServer::start_tls().ca_pem());
    aws.sandbox.set("AWS_CA_BUNDLE", "other.pem");
    assert_eq!(code_of(&aws.sandbox, SIGN), "unreachable");
    aws.sandbox.set("AWS_CA_BUNDLE", "ca.pem");
    aws.s3lo(SIGN).ends_with(0);
    // The key's name may contain its host.
    aws.sandbox
        .set("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1");
    let host = aws
        .server
        .endpoint
        .strip_prefix("https://")
        .unwrap()
        .to_owned();
    let line = SIGN.replace("awskms:///", &format!("awskms://{host}/"));
    aws.s3lo(&line).ends_with(0);
    aws.s3lo(&line.replace("127.0.0.1", "localhost"))
        .ends_with(0);
    assert_eq!(aws.count("GetPublicKey"), 3);
    // Certificates in any number, with words between them.
    let bundle = format!(
        "# ours\n{}\n\nand theirs\n{}",
        aws.server.ca_pem(),
        AwsServer::start_tls().ca_pem()
    );
    aws.sandbox.write("both.pem", bundle.replace('\n', "\r\n"));
    aws.sandbox.set("AWS_CA_BUNDLE", "both.pem");
    aws.s3lo(&line).ends_with(0);
}

#[test]
fn an_invalid_bundle_is_named_before_any_request() {
    let mut aws = behind_tls();
    let ca = aws.server.ca_pem().to_owned();
    let garbage = pem::encode(&pem::Pem::new("CERTIFICATE", b"garbage".to_vec()));
    let cut = pem::parse(&ca).unwrap().contents()[..100].to_vec();
    let cut = pem::encode(&pem::Pem::new("CERTIFICATE", cut));
    let mut texts = Vec::new();
    for (name, contents) in [
        ("text.pem", "hello".to_owned()),
        ("empty.pem", String::new()),
        ("key.pem", plain_key()),
        ("garbage.pem", garbage.clone()),
        ("cut.pem", cut),
        ("second.pem", format!("{ca}{garbage}")),
        ("huge.pem", ca.repeat((2 << 20) / ca.len() + 1)),
    ] {
        aws.sandbox.write(name, contents);
    }
    for name in [
        "nowhere.pem",
        "keys",
        "text.pem",
        "empty.pem",
        "key.pem",
        "garbage.pem",
        "cut.pem",
        "second.pem",
        "huge.pem",
    ] {
        aws.sandbox.set("AWS_CA_BUNDLE", name);
        assert_eq!(code_of(&aws.sandbox, SIGN), "configuration", "{name}");
        let text = aws.s3lo(SIGN).ends_with(2).err;
        assert!(!text.contains("panicked"), "{text}");
        texts.push(format!("# {name}\n{text}"));
    }
    assert!(aws.server.calls().is_empty() && aws.s3.requests().is_empty());
    insta::assert_snapshot!(texts.join("\n"));
}

/// A sandbox on AWS itself, behind a proxy that notes where to it is asked, and goes nowhere.
fn behind_a_proxy(settings: &[(&str, &str)]) -> (Sandbox, S3Server) {
    let proxy = S3Server::start();
    proxy.fault(|_| Some(s3_error(502, "BadGateway", "no way")));
    let mut sandbox = Sandbox::new()
        .with("HTTPS_PROXY", &proxy.endpoint)
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "secret")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_MAX_ATTEMPTS", "1");
    for (name, value) in settings {
        sandbox.set(name, value);
    }
    (sandbox, proxy)
}

/// The hosts that a proxy was asked for.
fn hosts(proxy: &S3Server) -> BTreeSet<String> {
    let requests = proxy.requests();
    let asked = |line: &String| line.strip_prefix("CONNECT ").unwrap().to_owned();
    requests.iter().map(asked).collect()
}

#[test]
fn every_service_is_asked_at_the_endpoint_that_the_variables_choose() {
    type Case = (&'static str, &'static str, [&'static str; 3]);
    let cases: [Case; 6] = [
        (
            "AWS_REGION=us-east-1",
            "",
            [
                "kms.us-east-1.amazonaws.com:443",
                "my-bucket.s3.us-east-1.amazonaws.com:443",
                "sts.us-east-1.amazonaws.com:443",
            ],
        ),
        (
            "AWS_REGION=eu-central-1",
            "",
            [
                "kms.eu-central-1.amazonaws.com:443",
                "my-bucket.s3.eu-central-1.amazonaws.com:443",
                "sts.eu-central-1.amazonaws.com:443",
            ],
        ),
        (
            "AWS_USE_FIPS_ENDPOINT=true",
            "",
            [
                "kms-fips.us-east-1.amazonaws.com:443",
                "my-bucket.s3-fips.us-east-1.amazonaws.com:443",
                "sts-fips.us-east-1.amazonaws.com:443",
            ],
        ),
        (
            "AWS_USE_DUALSTACK_ENDPOINT=true",
            "",
            [
                "kms.us-east-1.api.aws:443",
                "my-bucket.s3.dualstack.us-east-1.amazonaws.com:443",
                "sts.us-east-1.api.aws:443",
            ],
        ),
        (
            "AWS_USE_DUALSTACK_ENDPOINT=false",
            "--region cn-north-1",
            [
                "kms.cn-north-1.amazonaws.com.cn:443",
                "my-bucket.s3.cn-north-1.amazonaws.com.cn:443",
                "sts.cn-north-1.amazonaws.com.cn:443",
            ],
        ),
        (
            "AWS_USE_FIPS_ENDPOINT=True",
            "--region us-gov-west-1",
            [
                "kms-fips.us-gov-west-1.amazonaws.com:443",
                "my-bucket.s3-fips.us-gov-west-1.amazonaws.com:443",
                "sts.us-gov-west-1.amazonaws.com:443",
            ],
        ),
    ];
    for (setting, flags, [kms, s3, sts]) in cases {
        let setting = setting.split_once('=').unwrap();
        let (sandbox, proxy) = behind_a_proxy(&[setting]);
        let line = "verify s3://my-bucket/myapp:v1.0 --key awskms:///alias/a";
        sandbox.s3lo(&format!("{line} {flags}")).ends_with(2);
        assert_eq!(hosts(&proxy), [kms, s3].map(str::to_owned).into());
        // The account that is behind the credentials is known to STS.
        let (sandbox, proxy) = behind_a_proxy(&[setting]);
        let run = format!("{line} {flags} --allowed-account 111122223333");
        assert_eq!(code_of(&sandbox, &run), "unreachable");
        assert_eq!(hosts(&proxy), [sts.to_owned()].into());
    }
}

#[test]
fn a_host_in_no_proxy_bypasses_the_proxy() {
    let proxy = S3Server::start();
    proxy.fault(|_| Some(s3_error(502, "BadGateway", "no way")));
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let mut aws = behind_tls();
        aws.sandbox.set("AWS_CA_BUNDLE", "ca.pem");
        aws.sandbox.set(name, &proxy.endpoint);
        let asked = proxy.requests().len();
        let line = "public-key --key awskms:///alias/release-signer";
        assert_eq!(code_of(&aws.sandbox, line), "unreachable", "{name}");
        let host = aws.server.endpoint.strip_prefix("https://").unwrap();
        assert_eq!(proxy.requests()[asked..], [format!("CONNECT {host}")]);
        aws.sandbox.set("NO_PROXY", "localhost,127.0.0.1,.internal");
        aws.s3lo(line).ends_with(0);
        assert_eq!(proxy.requests().len(), asked + 1, "{name}");
    }
}

/// It becomes part of the host that is asked, and with a `#` or a `/` in it all of it.
#[test]
fn an_invalid_region_leads_to_no_other_host() {
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        for region in ["us-east-1.example/#", "eu central"] {
            let (mut sandbox, proxy) = behind_a_proxy(&[]);
            sandbox = sandbox.without("AWS_REGION");
            sandbox.set(name, region);
            let code = code_of(&sandbox, "public-key --key awskms:///alias/a");
            assert_eq!(hosts(&proxy), BTreeSet::new(), "{region}");
            assert_eq!(code, "configuration", "{region}");
        }
    }
}
