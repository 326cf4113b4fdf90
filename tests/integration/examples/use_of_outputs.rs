//! The outputs are inputs of the actions: a job signs and verifies with them, under the policies that were made.

use serde_json::Value;

use super::Made;
use super::cloudformation::STACKS;
use super::terraform::APPLIED;
use crate::cli::documentation::text;
use crate::support::MANIFEST;
use crate::support::aws_fixture::AwsFixture;
use s3lo_test_servers::aws::{AwsServer, Key, Subject, Trust};

#[test]
fn each_output_is_an_input_of_the_actions() {
    for (page, role) in [
        ("action.yml", "sign_role_to_assume"),
        ("verify/action.yml", "verify_role_to_assume"),
    ] {
        let action: Value = yaml_serde::from_str(&text(page)).unwrap();
        let inputs = action["inputs"].as_object().unwrap();
        let outputs = APPLIED[0].0["outputs"].as_object().unwrap();
        let mut used = 0;
        for output in outputs
            .keys()
            .filter(|name| !name.ends_with("to_assume") || *name == role)
        {
            let name = output
                .trim_start_matches("sign_")
                .trim_start_matches("verify_");
            let name = name.trim_end_matches("_prefix").replace('_', "-");
            assert!(inputs.contains_key(&name), "{page}: {name}");
            used += 1;
        }
        assert_eq!(used, 5, "{page}");
    }
}

/// The account after applying a case: the two roles, and the key with the alias of the outputs.
fn account(made: &Made) -> AwsFixture {
    let key = Key::of_vector("p256-pkcs8").with_id(super::KEY_ARN.rsplit('/').next().unwrap());
    let mut aws = AwsFixture::without_credentials(AwsServer::start(), key);
    for (role, policy) in [("sign", "sign"), ("verify", "verify")] {
        let name = made
            .text(&format!("/{role}/arn"))
            .rsplit('/')
            .next()
            .unwrap();
        let condition =
            made.policy(&format!("/{role}/trust"))["Statement"]["Condition"]["StringEquals"]
                .clone();
        let claim = |name: &str| {
            let key = format!("token.actions.githubusercontent.com:{name}");
            condition[key].as_str().unwrap().to_owned()
        };
        let trust = Trust {
            issuer: format!("https://{}", made.text("/provider/url")),
            audience: claim("aud"),
            subject: Subject::Equals(claim("sub")),
        };
        let policy = &made.0[role]["policies"][policy];
        aws.server.role(name, &trust, &policy.to_string());
    }
    aws.set(&aws.server.github_environment());
    aws
}

#[test]
fn a_job_signs_and_verifies_with_the_outputs() {
    for made in [Made::of(&STACKS, "branch"), Made::of(&APPLIED, "branch")] {
        let aws = account(made);
        let output = |name: &str| made.text(&format!("/outputs/{name}"));
        let common = format!(
            "{}myapp:v1.0 --region {} --allowed-account {}",
            output("reference_prefix"),
            output("region"),
            output("allowed_account"),
        );
        let signer = format!(
            "--key {} --role-arn {}",
            output("key"),
            output("sign_role_to_assume")
        );
        let gate = format!("--role-arn {}", output("verify_role_to_assume"));
        aws.s3lo(&format!("sign {common} {signer} --schema-version 2"))
            .ends_with(0);
        let pem = aws
            .s3lo(&format!(
                "public-key {signer} --region {}",
                output("region")
            ))
            .ends_with(0)
            .out;
        aws.sandbox.write("release-signer.pub", pem);
        aws.s3lo(&format!(
            "verify {common} --key release-signer.pub {gate} --min-schema 2"
        ))
        .ends_with(0);
        // The gate may not sign.
        let refused = aws.s3lo(&format!(
            "sign {common} --key {} {gate} --if-signed replace",
            output("key")
        ));
        assert!(refused.ends_with(2).err.contains("error[access_denied]"));
    }
}

#[test]
fn a_prefix_lets_its_images_be_signed_and_no_others() {
    for made in [Made::of(&STACKS, "all"), Made::of(&APPLIED, "all")] {
        let key = Key::of_vector("p256-pkcs8").with_id(super::KEY_ARN.rsplit('/').next().unwrap());
        let mut aws = AwsFixture::without_credentials(AwsServer::start(), key);
        let policy = made.0["sign"]["policies"]["sign"].to_string();
        let user = aws.server.user("ci", &policy);
        aws.set(&user.environment());
        let images = [
            "team/service:v1",
            "team/service/part:v1",
            "team/services:v1",
            "team:v1",
        ];
        for image in images {
            let path = format!(
                "/other-bucket/manifests/{}/manifest.json",
                image.replace(':', "/")
            );
            aws.s3.put(&path, MANIFEST.as_bytes());
        }
        let sign = |image: &str| {
            aws.s3lo(&format!(
                "sign s3://other-bucket/{image} --key awskms:///{} --schema-version 2",
                super::KEY_ARN
            ))
        };
        assert_eq!(
            made.text("/outputs/reference_prefix"),
            "s3://other-bucket/team/service"
        );
        for image in &images[..2] {
            sign(image).ends_with(0);
        }
        for image in &images[2..] {
            assert!(
                sign(image)
                    .ends_with(2)
                    .err
                    .contains("error[access_denied]"),
                "{image}"
            );
        }
    }
}
