//! The infrastructure of `examples/`: the CloudFormation template and the Terraform module make the same, with the
//! policies that are documented.

mod cloudformation;
mod pages;
mod policies;
pub(crate) mod repositories;
mod terraform;
mod use_of_outputs;

use std::process::Command;

use serde_json::Value;

/// The key in the documented policies.
const KEY_ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

type Variables = &'static [(&'static str, &'static str)];

/// The variables that each of the two is applied with, in the spelling of Terraform.
const CASES: [(&str, Variables); 5] = [
    (
        "github",
        &[
            ("repository", "acme/app"),
            ("repository_other_form", "acme@1234567/app@7654321"),
            ("bucket", "my-bucket"),
        ],
    ),
    (
        "gitlab",
        &[
            ("ci_system", "gitlab"),
            (
                "provider_arn",
                "arn:aws:iam::111122223333:oidc-provider/gitlab.com",
            ),
            ("repository", "acme/app"),
            ("sign_trigger", "branch"),
            ("sign_ref", "main"),
            ("verify_trigger", "tag"),
            ("verify_ref", "v*"),
            ("bucket", "my-bucket"),
        ],
    ),
    (
        "buildkite",
        &[
            ("ci_system", "buildkite"),
            ("repository", "acme/app"),
            ("sign_trigger", "branch"),
            ("sign_ref", "main"),
            ("verify_trigger", "tag"),
            ("verify_ref", "v*"),
            ("bucket", "my-bucket"),
        ],
    ),
    (
        "branch",
        &[
            ("repository", "acme/app"),
            ("sign_trigger", "branch"),
            ("sign_ref", "main"),
            ("verify_trigger", "branch"),
            ("verify_ref", "main"),
            ("bucket", "my-bucket"),
        ],
    ),
    (
        "all",
        &[
            ("ci_system", "gitlab"),
            ("issuer_url", "https://gitlab.example.com"),
            ("repository", "acme/team/app"),
            ("sign_trigger", "tag"),
            ("sign_ref", "v1.0"),
            ("verify_trigger", "branch"),
            ("verify_ref", "deploy/main"),
            ("bucket", "other-bucket"),
            ("image_prefix", "team/service"),
            ("key_alias", "team/signer"),
            ("key_deletion_window", "7"),
            ("sign_role_name", "team-signer"),
            ("verify_role_name", "team-gate"),
            ("role_path", "/ci/"),
            (
                "permissions_boundary",
                "arn:aws:iam::111122223333:policy/boundary",
            ),
        ],
    ),
];

/// The resources and outputs of a case.
#[derive(Clone, Debug, PartialEq)]
struct Made(Value);

impl Made {
    /// Of a list that has one result for each case.
    #[track_caller]
    fn of<'a>(all: &'a [Self], case: &str) -> &'a Self {
        let position = CASES.iter().position(|(name, _)| *name == case).unwrap();
        assert_eq!(all.len(), CASES.len());
        &all[position]
    }

    #[track_caller]
    fn text(&self, pointer: &str) -> &str {
        let found = self.0.pointer(pointer);
        found
            .unwrap_or_else(|| panic!("{pointer} in {}", self.0))
            .as_str()
            .unwrap()
    }

    #[track_caller]
    fn policy(&self, pointer: &str) -> Value {
        plain(
            self.0
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{pointer} in {}", self.0)),
        )
    }
}

/// A policy in which a list of one is that one: IAM takes them for the same.
fn plain(policy: &Value) -> Value {
    match policy {
        Value::Array(list) if list.len() == 1 => plain(&list[0]),
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

/// Runs a command; its stdout.
#[track_caller]
fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    let out = String::from_utf8(out).unwrap();
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out
}
