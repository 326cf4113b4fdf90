//! Nothing that is believed, and nothing secret, goes to another machine without TLS.

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN, VERIFY};

/// The same server under an address that is not this machine's by its name, although packets to it arrive here.
fn elsewhere(endpoint: &str) -> String {
    endpoint.replace("127.0.0.1", "0.0.0.0")
}

const PUBLIC_KEY: &str = "public-key --key awskms:///alias/release-signer";

#[track_caller]
fn refusal(aws: &AwsFixture, line: &str) -> (String, String) {
    let asked = aws.calls().len();
    let json = aws.s3lo(&format!("{line} -o json")).ends_with(2).json();
    assert_eq!(aws.calls().len(), asked, "{line}");
    let error = &json["error"];
    let field = |name: &str| error[name].as_str().unwrap().to_owned();
    (field("code"), field("message"))
}

#[test]
fn kms_and_sts_on_another_machine_are_asked_over_tls_alone() {
    for variable in ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"] {
        let mut aws = AwsFixture::new();
        aws.sandbox.unset("AWS_ENDPOINT_URL_KMS");
        aws.sandbox.set(variable, &elsewhere(&aws.server.endpoint));
        for line in [SIGN, VERIFY, PUBLIC_KEY] {
            let (code, message) = refusal(&aws, line);
            assert_eq!(code, "configuration", "{line}");
            assert!(
                message.contains("KMS would be asked without TLS"),
                "{message}"
            );
        }
        // A LocalStack in a container.
        aws.s3lo(&format!("{SIGN} --aws-plain-http")).ends_with(0);
        aws.s3lo(&format!("{VERIFY} --aws-plain-http")).ends_with(0);
    }
    // An attacker on the network could name the allowed account.
    let mut aws = AwsFixture::new();
    let sts = elsewhere(&aws.server.endpoint);
    aws.sandbox.set("AWS_ENDPOINT_URL_STS", &sts);
    let line = format!("{SIGN} --allowed-account 111122223333");
    let (code, message) = refusal(&aws, &line);
    assert_eq!(code, "configuration");
    assert!(
        message.contains("STS would be asked without TLS"),
        "{message}"
    );
    aws.s3lo(&format!("{line} --aws-plain-http")).ends_with(0);
}

#[test]
fn a_store_may_be_on_another_machine_without_tls() {
    let mut aws = AwsFixture::new();
    aws.sandbox
        .set("AWS_ENDPOINT_URL_S3", &elsewhere(&aws.s3.endpoint));
    aws.s3lo(SIGN).ends_with(0);
    aws.s3lo(VERIFY).ends_with(0);
}

/// A profile that assumes a role of its own.
fn with_profile(profile: &str) -> AwsFixture {
    let mut aws = AwsFixture::bare();
    aws.sandbox.write("config", profile);
    aws.sandbox.set("AWS_CONFIG_FILE", "config");
    aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
    aws
}

#[test]
fn an_identity_token_goes_over_tls_by_way_of_a_profile_too() {
    let trust = crate::support::aws_fixture::trust();
    let of_profile = format!("role_arn = {ROLE_ARN}\nweb_identity_token_file = token\n");
    for (profile, set) in [
        (format!("[default]\n{of_profile}"), None),
        (format!("[profile ci]\n{of_profile}"), Some("ci")),
        // The SDK assumes this role by itself.
        (
            format!(
                "[profile base]\n{of_profile}[profile ci]\nrole_arn = arn:aws:iam::111122223333:role/other\nsource_profile = base\n"
            ),
            Some("ci"),
        ),
    ] {
        let mut aws = with_profile(&profile);
        if let Some(name) = set {
            aws.sandbox.set("AWS_PROFILE", name);
        }
        aws.server.role("signer", &trust, EVERYTHING);
        aws.server.role_for("other", "signer", None, EVERYTHING);
        let token = || {
            aws.server.identity_token(
                "repo:acme/app:ref:refs/heads/main",
                "sts.amazonaws.com",
                300,
            )
        };
        aws.sandbox.write("token", token());
        aws.s3lo(SIGN).ends_with(0);
        let sts = elsewhere(&aws.server.endpoint);
        aws.sandbox.write("token", token());
        aws.sandbox.set("AWS_ENDPOINT_URL_STS", &sts);
        for flag in ["", "--aws-plain-http"] {
            let (code, message) = refusal(&aws, &format!("{SIGN} {flag}"));
            assert_eq!(code, "configuration", "{profile}");
            assert!(
                message.contains("identity token would go to STS without TLS"),
                "{message}"
            );
        }
    }
}

#[test]
fn the_role_of_a_profile_is_assumed_over_tls_alone() {
    let mut aws = with_profile(&format!(
        "[profile ci]\nrole_arn = {ROLE_ARN}\nsource_profile = base\n"
    ));
    let user = aws.server.user("dev", EVERYTHING);
    aws.server.role_for("signer", "dev", None, EVERYTHING);
    aws.sandbox.write(
        "credentials",
        format!(
            "[base]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            user.access_key_id, user.secret_access_key
        ),
    );
    aws.sandbox
        .set("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    aws.sandbox.set("AWS_PROFILE", "ci");
    aws.s3lo(SIGN).ends_with(0);
    let sts = elsewhere(&aws.server.endpoint);
    aws.sandbox.set("AWS_ENDPOINT_URL_STS", &sts);
    let (code, message) = refusal(&aws, SIGN);
    assert_eq!(code, "configuration");
    assert!(message.contains("would be asked without TLS"), "{message}");
    aws.s3lo(&format!("{SIGN} --aws-plain-http")).ends_with(0);
}
