//! Hostile answers of services.

use super::{fits_a_variable, is_shown_and_never_obeyed};
use crate::ci::github::{IMAGE, SIGN};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN};
use crate::support::github_runner::Runner;
use s3lo_test_servers::aws::{Key, kms_error, sts_error};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::s3_error;
use s3lo_test_servers::vault::{Kind, TOKEN, VaultServer, vault_errors};

fn by_kms(aws: &AwsFixture) -> Runner {
    quiet(aws).debugging()
}

fn quiet(aws: &AwsFixture) -> Runner {
    let runner = Runner::new(SIGN).at(aws).env("AWS_MAX_ATTEMPTS", "1");
    let runner = runner.with("reference", "s3://my-bucket/myapp:v1.0");
    runner.with("key", "awskms:///alias/release-signer")
}

fn by_role(aws: &AwsFixture) -> Runner {
    by_kms(aws).with("role-to-assume", ROLE_ARN)
}

/// A text as XML can hold it.
fn in_xml(text: &str) -> String {
    let reference = |c: char| match c {
        '&' | '<' | '>' => format!("&#{};", u32::from(c)),
        c if c.is_control() => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(reference).collect()
}

#[test]
fn text_of_s3_is_never_a_command() {
    let aws = AwsFixture::new();
    is_shown_and_never_obeyed("a refusal of S3", |text| {
        let message = in_xml(text);
        aws.s3
            .fault(move |_| Some(s3_error(403, "Refused", &message)));
        Some(by_kms(&aws).run())
    });
    is_shown_and_never_obeyed("a refusal of S3, in the details", |text| {
        let message = in_xml(text);
        aws.s3
            .fault(move |_| Some(s3_error(403, "Refused", &message)));
        Some(quiet(&aws).with("verbose", "true").run())
    });
    is_shown_and_never_obeyed("the code of an error of S3", |text| {
        let message = in_xml(text);
        aws.s3.fault(move |_| Some(s3_error(400, &message, "no")));
        Some(by_kms(&aws).run())
    });
    is_shown_and_never_obeyed("an answer of S3 that is no XML", |text| {
        let message = text.as_bytes().to_vec();
        let answer = move || Reply::Answer(400, Vec::new(), message.clone());
        aws.s3.fault(move |_| Some(answer()));
        Some(by_kms(&aws).run())
    });
}

#[test]
fn the_request_id_of_s3_is_a_text() {
    let aws = AwsFixture::new();
    is_shown_and_never_obeyed("the request ID of S3", |text| {
        // No header holds others.
        let visible = |c: char| c == ' ' || c.is_ascii_graphic();
        let id: String = text.chars().filter(|c| visible(*c)).take(4_000).collect();
        aws.s3.fault(move |_| {
            let body = b"<Error><Code>Refused</Code><Message>no</Message></Error>".to_vec();
            Some(Reply::Answer(400, Vec::new(), body).header("x-amz-request-id", &id))
        });
        Some(by_kms(&aws).run())
    });
}

#[test]
fn the_tags_that_s3_lists_are_texts() {
    is_shown_and_never_obeyed("a tag that S3 lists", |text| {
        let aws = AwsFixture::new();
        let path = format!("/my-bucket/manifests/myapp/{}", text.replace('/', "-"));
        aws.s3.put(&format!("{path}/manifest.json"), b"{}");
        let other = by_kms(&aws).with("reference", "s3://my-bucket/myapp:v9");
        fits_a_variable(text).then(|| other.run())
    });
}

#[test]
fn text_of_kms_is_never_a_command() {
    let aws = AwsFixture::new();
    is_shown_and_never_obeyed("an error of KMS", |text| {
        let message = text.to_owned();
        aws.server
            .fault(move |_| Some(kms_error(400, "NotFoundException", &message)));
        Some(by_kms(&aws).run())
    });
    is_shown_and_never_obeyed("the code of an error of KMS", |text| {
        let message = text.to_owned();
        aws.server
            .fault(move |_| Some(kms_error(400, &message, "no")));
        Some(by_kms(&aws).run())
    });
}

#[test]
fn text_of_sts_is_never_a_command() {
    let aws = AwsFixture::in_github(EVERYTHING);
    is_shown_and_never_obeyed("an error of STS", |text| {
        // Its server writes XML itself, which cannot hold the others.
        let message: String = text
            .chars()
            .filter(|c| !c.is_control() || *c == '\n')
            .collect();
        aws.server.fault(move |call| {
            let error = || sts_error(400, "ValidationError", &message);
            (call.action == "AssumeRoleWithWebIdentity").then(error)
        });
        Some(by_role(&aws).run())
    });
}

#[test]
fn text_of_github_is_never_a_command() {
    let aws = AwsFixture::in_github(EVERYTHING);
    is_shown_and_never_obeyed("an answer of GitHub", |text| {
        let message = text.as_bytes().to_vec();
        aws.server.fault(move |call| {
            let answer = || Reply::Answer(400, Vec::new(), message.clone());
            (call.service == "github").then(answer)
        });
        Some(by_role(&aws).run())
    });
}

#[test]
fn the_name_of_a_branch_is_a_text() {
    // It stands in the token's subject, which is printed where a role is refused.
    let aws = AwsFixture::in_github(EVERYTHING);
    is_shown_and_never_obeyed("the name of a branch", |text| {
        // A longer token is invalid.
        if text.len() > 4_000 {
            return None;
        }
        aws.server
            .set_subject(&format!("repo:acme/app:ref:refs/heads/{text}"));
        Some(by_role(&aws).run())
    });
}

#[test]
fn text_of_vault_is_never_a_command() {
    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    for (place, kind) in [
        ("an error of Vault", Kind::Key),
        ("a refusal of Vault", Kind::Login),
    ] {
        is_shown_and_never_obeyed(place, |text| {
            let message = text.to_owned();
            vault.fault(move |call| (call.kind == kind).then(|| vault_errors(400, &[&message])));
            let runner = Runner::new(SIGN).with_image().debugging();
            let runner = runner
                .with("reference", IMAGE)
                .with("key", "hashivault://ci-signer");
            let runner = runner
                .env("VAULT_ADDR", &vault.endpoint)
                .env("VAULT_MAX_RETRIES", "0");
            let runner = match kind {
                Kind::Login => runner
                    .env("VAULT_ROLE_ID", "a")
                    .env("VAULT_SECRET_ID", "canary-of-a-secret-id")
                    .with("vault-auth", "approle"),
                _ => runner.env("VAULT_TOKEN", TOKEN),
            };
            Some(runner.run())
        });
    }
}
