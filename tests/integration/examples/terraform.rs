//! The Terraform module, formatted, and applied by Terraform with a stand-in for the AWS provider: the real one is in no
//! package registry.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{CASES, Made, Variables, output_of};
use crate::cli::documentation::root;
use crate::support::tools::tool;

pub(super) const MODULE: &str = "examples/terraform";

/// The resources of each case.
pub(super) static APPLIED: LazyLock<Vec<Made>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (_, variables) in CASES {
        let folder = copy_of_module();
        write_variables(folder.path(), variables);
        output_of(&mut terraform(
            folder.path(),
            &["apply", "-auto-approve", "-no-color"],
        ));
        let state = output_of(&mut terraform(folder.path(), &["show", "-json"]));
        all.push(Made::of_state(&serde_json::from_str(&state).unwrap()));
    }
    all
});

/// A folder with the module's files. Applied there it needs no `terraform init`, which would ask for the provider.
fn copy_of_module() -> TempDir {
    let folder = empty_folder();
    for name in crate::support::files(&root().join(MODULE)) {
        if name.ends_with(".tf") {
            std::fs::copy(root().join(MODULE).join(&name), folder.path().join(&name)).unwrap();
        }
    }
    folder
}

/// A folder in which Terraform uses the stand-in.
pub(super) fn empty_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let overrides = tool("terraform-provider-aws");
    let overrides = overrides.parent().unwrap().display();
    let config = format!(
        "provider_installation {{\n  dev_overrides {{\n    \"hashicorp/aws\" = \"{overrides}\"\n  }}\n}}\n"
    );
    std::fs::write(folder.path().join("terraform.rc"), config).unwrap();
    folder
}

fn write_variables(folder: &Path, variables: Variables) {
    let named = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    let named = Value::from(named.collect::<Map<_, _>>());
    std::fs::write(folder.join("terraform.tfvars.json"), named.to_string()).unwrap();
}

pub(super) fn terraform(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(tool("terraform"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_CLI_CONFIG_FILE", folder.join("terraform.rc"));
    command
}

impl Made {
    /// From the output of `terraform show -json`.
    fn of_state(state: &Value) -> Self {
        let values = &state["values"];
        let resources = values["root_module"]["resources"].as_array().unwrap();
        let find = |address: &str| {
            let found = resources.iter().find(|one| one["address"] == address);
            found.map(|one| &one["values"])
        };
        let resource = |address: &str| find(address).unwrap_or_else(|| panic!("{address}"));
        let parsed =
            |text: &Value| -> Value { serde_json::from_str(text.as_str().unwrap()).unwrap() };
        let role = |name: &str| {
            let role = resource(&format!("aws_iam_role.{name}"));
            let policy = resource(&format!("aws_iam_role_policy.{name}"));
            assert_eq!(policy["role"], role["name"]);
            json!({
                "arn": role["arn"],
                "boundary": role["permissions_boundary"],
                "trust": parsed(&role["assume_role_policy"]),
                "policies": {policy["name"].as_str().unwrap(): parsed(&policy["policy"])},
            })
        };
        let outputs = values["outputs"].as_object().unwrap();
        let outputs = outputs
            .iter()
            .map(|(name, output)| (name.clone(), output["value"].clone()));
        let provider = find("aws_iam_openid_connect_provider.ci[0]").map(|provider| {
            json!({
                "arn": provider["arn"],
                // IAM gives it without the scheme.
                "url": provider["url"].as_str().unwrap().strip_prefix("https://").unwrap(),
                "audiences": provider["client_id_list"],
            })
        });
        let key = resource("aws_kms_key.signing");
        let alias = resource("aws_kms_alias.signing");
        Self(json!({
            "outputs": outputs.collect::<Map<_, _>>(),
            "provider": provider,
            "sign": role("sign"),
            "verify": role("verify"),
            "key": {
                "arn": key["arn"],
                "description": key["description"],
                "spec": key["customer_master_key_spec"],
                "usage": key["key_usage"],
                "window": key["deletion_window_in_days"],
                "policy": parsed(&key["policy"]),
            },
            "alias": {alias["name"].as_str().unwrap(): alias["target_key_id"]},
        }))
    }
}

#[test]
fn the_module_is_valid_and_formatted() {
    let folder = copy_of_module();
    output_of(&mut terraform(folder.path(), &["fmt", "-check", "-diff"]));
    output_of(&mut terraform(folder.path(), &["validate", "-no-color"]));
}

/// Plans with some variables changed from those of the first case.
fn plan(folder: &Path, changed: &[(&str, &str)]) -> Output {
    write_variables(folder, CASES[0].1);
    let mut command = terraform(folder, &["plan", "-no-color", "-refresh=false"]);
    for (name, value) in changed {
        command.arg(format!("-var={name}={value}"));
    }
    command.output().unwrap()
}

#[test]
fn a_wildcard_widens_no_policy() {
    let folder = copy_of_module();
    let hostile: [&[(&str, &str)]; 3] = [
        &[
            ("repository", "acme/*"),
            ("repository_other_form", "*/app"),
            ("sign_ref", "*v"),
            ("verify_ref", "v?"),
            ("bucket", "my-*"),
            ("image_prefix", "team/"),
            ("key_alias", "a*"),
            ("issuer_url", "http://gitlab.example.com"),
            ("provider_arn", "arn:aws:iam::111122223333:oidc-provider/*"),
            ("role_path", "ci"),
            ("permissions_boundary", "*"),
            ("key_deletion_window", "6"),
            ("ci_system", "jenkins"),
            ("sign_trigger", "pull_request"),
            ("verify_trigger", "*"),
            ("sign_role_name", "a/b"),
            ("verify_role_name", "*"),
        ],
        &[
            ("repository", "acme"),
            ("sign_ref", "${aws:username}"),
            ("verify_ref", "a\", \"b"),
            ("bucket", "s3://my-bucket"),
            ("image_prefix", "*"),
        ],
        &[
            ("sign_ref", "v\n"),
            ("verify_ref", ""),
            ("image_prefix", "a/*"),
        ],
    ];
    for changed in hostile {
        let output = plan(folder.path(), changed);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        for (name, value) in changed {
            let refused = format!(": variable \"{name}\" {{");
            assert!(err.contains(&refused), "{name}={value}: {err}");
        }
    }
    let pattern = plan(folder.path(), &[("sign_ref", "release-*")]);
    assert!(pattern.status.success());
}

#[test]
fn what_github_alone_has_is_refused_elsewhere() {
    let folder = copy_of_module();
    let output = plan(folder.path(), &[("ci_system", "gitlab")]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(err.contains("Only GitHub names an environment"), "{err}");
    assert!(err.contains("Only GitHub has two forms"), "{err}");
}
