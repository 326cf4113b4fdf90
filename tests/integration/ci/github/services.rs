//! Steps that need AWS or Vault, and the identity of their job.

use super::{DIGEST, IMAGE, SIGN, VERIFY};
use s3lo::key::vault::client::address::Product;
use test_case::test_matrix;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN};
use crate::support::github_runner::Runner;
use crate::support::vault::vault;
use crate::vault::logins::Job;

pub(super) const IN_S3: &str = "s3://my-bucket/myapp:v1.0";
pub(super) const IN_KMS: &str = "awskms:///alias/release-signer";

/// A job in a fixture that may assume the role, and signs the image there.
pub(super) fn by_kms(aws: &AwsFixture) -> Runner {
    let runner = Runner::new(SIGN).at(aws).with("reference", IN_S3);
    runner.with("key", IN_KMS).with("role-to-assume", ROLE_ARN)
}

#[test]
fn a_job_signs_by_its_identity_and_leaves_nothing_behind() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let signer = by_kms(&aws);
    let step = signer.run().ends_with(0);
    assert_eq!(step.output("digest"), Some(DIGEST));
    assert_eq!(aws.records().len(), 1);
    assert!(step.new_files.is_empty());
    // Neither the account nor the bucket is a secret: every output reaches other jobs.
    assert_eq!(step.job_outputs().len(), 5);
    let path = step.output("storedPath").unwrap();
    assert!(aws.s3.get(&format!("/{path}")).is_some(), "{path}");
    let request = step.results()[0]["requestID"].clone();
    assert!(request.is_string(), "{request}");
    let gate = signer
        .then_uses(VERIFY)
        .with("reference", IN_S3)
        .with("key", IN_KMS);
    let step = gate.with("role-to-assume", ROLE_ARN).run().ends_with(0);
    assert_eq!(step.output("digest"), Some(DIGEST));
    assert_eq!(step.job_outputs().len(), 5);
}

#[test]
fn what_another_step_hides_takes_no_digest_away() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let by_arn = by_kms(&aws).with("key", &format!("awskms:///{}", aws.key));
    // As an account is hidden by `mask-aws-account-id`, and a bucket that is one of the repository's secrets.
    let step = by_arn
        .secret("111122223333")
        .secret("my-bucket")
        .run()
        .ends_with(0);
    assert_eq!(step.job_outputs(), ["digest", "keyID", "signedAt"]);
    assert!(!step.console.log.join("\n").contains("111122223333"));
}

#[test]
fn a_job_without_id_token_permission_is_shown_the_line_to_add() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let mut runner = Runner::new(SIGN)
        .with("reference", IN_S3)
        .with("key", IN_KMS);
    for (name, value) in aws.sandbox.environment() {
        if name.starts_with("AWS_") {
            runner.set_env(&name, &value);
        }
    }
    let step = runner.with("role-to-assume", ROLE_ARN).run().ends_with(2);
    assert!(
        step.annotation().message.contains("id-token: write"),
        "{:?}",
        step.annotation()
    );
    assert!(aws.server.calls().is_empty());
}

#[test]
fn an_untrusted_job_is_shown_the_trust_statement_to_add() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.set_subject("repo:acme/app:ref:refs/heads/other");
    let step = by_kms(&aws).run().ends_with(2);
    for shown in [&step.annotation().message, &step.console.log.join("\n")] {
        assert!(
            shown.contains("repo:acme/app:ref:refs/heads/other"),
            "{shown}"
        );
        assert!(shown.contains("sts:AssumeRoleWithWebIdentity"), "{shown}");
    }
    assert!(aws.records().is_empty());
}

#[test]
fn accounts_that_are_not_allowed_are_refused() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let step = by_kms(&aws)
        .with("allowed-account", "444455556666\n777788889999")
        .run();
    let step = step.ends_with(2);
    assert!(
        step.annotation().message.contains("111122223333"),
        "{:?}",
        step.annotation()
    );
    let accounts = "444455556666\n111122223333";
    by_kms(&aws)
        .with("allowed-account", accounts)
        .run()
        .ends_with(0);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_job_logs_in_to_vault_by_its_identity(product: Product) {
    let (job, _ci) = Job::in_github(vault(product), "github-action");
    let signer = of_job(&job).with("vault-role", "github-action");
    let step = signer.run().ends_with(0);
    assert_eq!(step.output("digest"), Some(DIGEST));
    assert_eq!(step.job_outputs().len(), 5);
    let gate = signer.then_uses(VERIFY).with("reference", IMAGE);
    let gate = gate
        .with("key", "hashivault://github-action")
        .with("vault-role", "github-action");
    assert_eq!(gate.run().ends_with(0).output("digest"), Some(DIGEST));
}

/// The step of a job that has an image, and a key in a Vault.
pub(super) fn of_job(job: &Job<'_>) -> Runner {
    let mut runner = Runner::new(SIGN).with_image();
    for (name, value) in job.sandbox.environment() {
        match name.as_str() {
            "ACTIONS_ID_TOKEN_REQUEST_URL" => runner = runner.may_identify_itself(&value),
            name if name.starts_with("VAULT_") => runner.set_env(name, &value),
            _ => {}
        }
    }
    let key = format!("hashivault://{}", job.name);
    runner.with("reference", IMAGE).with("key", &key)
}
