//! The policies of both, beside those of the documentation.

use serde_json::{Value, json};
use test_case::test_case;

use super::cloudformation::{STACKS, TEMPLATE, pascal};
use super::terraform::{APPLIED, MODULE};
use super::{CASES, KEY_ARN, Made, plain};
use crate::cli::documentation::{blocks, text};

/// The page with the documented policies.
const PAGE: &str = "docs/aws.md";

fn documented(part: &str) -> String {
    let mut found = blocks(&text(PAGE), "json");
    found.retain(|block| block.contains("Statement") && block.contains(part));
    assert!(!found.is_empty(), "{PAGE} has no policy with {part}");
    found.swap_remove(0)
}

fn parse(policy: &str) -> Value {
    plain(&serde_json::from_str(policy).unwrap())
}

fn sign_policy() -> String {
    documented("kms:Sign")
}

fn verify_policy() -> String {
    let block = blocks(&text(PAGE), "json")
        .into_iter()
        .find(|block| block.contains("s3:ListBucket") && !block.contains("s3:PutObject"));
    block.unwrap()
}

/// The trust policy for a provider.
fn trust(provider: &str) -> String {
    documented(&format!(":oidc-provider/{provider}\""))
}

/// A trust policy with another subject, compared as it is.
fn exactly(trust: &str, provider: &str, subject: Value) -> Value {
    let mut policy = parse(trust);
    policy["Statement"]["Condition"] = json!({
        "StringEquals": {format!("{provider}:aud"): "sts.amazonaws.com", format!("{provider}:sub"): subject}
    });
    policy
}

/// A trust policy with another subject, compared as a pattern.
fn alike(trust: &str, provider: &str, pattern: &str) -> Value {
    let mut policy = parse(trust);
    policy["Statement"]["Condition"] = json!({
        "StringEquals": {format!("{provider}:aud"): "sts.amazonaws.com"},
        "StringLike": {format!("{provider}:sub"): pattern},
    });
    policy
}

fn both() -> [(&'static str, &'static [Made]); 2] {
    [("the template", &STACKS), ("the module", &APPLIED)]
}

#[test]
fn template_and_module_make_the_same() {
    for ((case, _), (stack, applied)) in CASES.iter().zip(STACKS.iter().zip(APPLIED.iter())) {
        assert_eq!(plain(&stack.0), plain(&applied.0), "{case}");
    }
}

#[test_case("github")]
#[test_case("gitlab")]
#[test_case("buildkite")]
#[test_case("branch")]
fn the_policies_are_the_documented_ones(case: &str) {
    for (which, all) in both() {
        let made = Made::of(all, case);
        let sign = json!({"sign": parse(&sign_policy())});
        assert_eq!(made.policy("/sign/policies"), sign, "{which}");
        let verify = json!({"verify": parse(&verify_policy())});
        assert_eq!(made.policy("/verify/policies"), verify, "{which}");
    }
}

#[test]
fn a_prefix_narrows_the_documented_policies_to_its_images() {
    let narrowed = |policy: String| {
        let policy = policy.replace("my-bucket", "other-bucket");
        parse(&policy.replace("manifests/", "manifests/team/service/"))
    };
    for (which, all) in both() {
        let made = Made::of(all, "all");
        assert_eq!(
            made.policy("/sign/policies/sign"),
            narrowed(sign_policy()),
            "{which}"
        );
        assert_eq!(
            made.policy("/verify/policies/verify"),
            narrowed(verify_policy()),
            "{which}"
        );
    }
}

#[test]
fn the_roles_trust_what_is_documented() {
    let (github, gitlab, buildkite) = (
        "token.actions.githubusercontent.com",
        "gitlab.com",
        "agent.buildkite.com",
    );
    let gate = json!([
        "repo:acme/app:environment:production",
        "repo:acme@1234567/app@7654321:environment:production",
    ]);
    for (which, all) in both() {
        let of = |case: &str, role: &str| Made::of(all, case).policy(&format!("/{role}/trust"));
        assert_eq!(of("github", "sign"), parse(&trust(github)), "{which}");
        assert_eq!(
            of("github", "verify"),
            exactly(&trust(github), github, gate.clone())
        );
        let main = exactly(
            &trust(github),
            github,
            json!("repo:acme/app:ref:refs/heads/main"),
        );
        assert_eq!(of("branch", "sign"), main, "{which}");
        assert_eq!(of("branch", "verify"), main, "{which}");
        assert_eq!(of("gitlab", "sign"), parse(&trust(gitlab)), "{which}");
        let tag = "project_path:acme/app:ref_type:tag:ref:v*";
        assert_eq!(
            of("gitlab", "verify"),
            alike(&trust(gitlab), gitlab, tag),
            "{which}"
        );
        assert_eq!(of("buildkite", "sign"), parse(&trust(buildkite)), "{which}");
        let tag = "organization:acme:pipeline:app:ref:refs/tags/v*:commit:*:step:*";
        assert_eq!(
            of("buildkite", "verify"),
            alike(&trust(buildkite), buildkite, tag)
        );
        let (server, own) = (
            "gitlab.example.com",
            trust(gitlab).replace(gitlab, "gitlab.example.com"),
        );
        let tag = "project_path:acme/team/app:ref_type:tag:ref:v1.0";
        assert_eq!(of("all", "sign"), alike(&own, server, tag), "{which}");
        let branch = json!("project_path:acme/team/app:ref_type:branch:ref:deploy/main");
        assert_eq!(
            of("all", "verify"),
            exactly(&own, server, branch),
            "{which}"
        );
    }
}

#[test]
fn the_key_signs_for_the_signing_role_alone() {
    for ((which, all), (case, _)) in both()
        .into_iter()
        .flat_map(|one| CASES.map(|case| (one, case)))
    {
        let made = Made::of(all, case);
        assert_eq!(made.text("/key/arn"), KEY_ARN);
        assert_eq!(made.text("/key/spec"), "ECC_NIST_P256");
        assert_eq!(made.text("/key/usage"), "SIGN_VERIFY");
        assert_eq!(made.0["key"]["window"], if case == "all" { 7 } else { 30 });
        let [sign, verify] = ["/sign/arn", "/verify/arn"].map(|arn| made.text(arn));
        let mut may_sign = Vec::new();
        let mut may_read = Vec::new();
        for statement in made.0["key"]["policy"]["Statement"].as_array().unwrap() {
            let fields: Vec<_> = statement.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["Action", "Effect", "Principal", "Resource", "Sid"]);
            let principal = statement["Principal"]["AWS"].as_str().unwrap();
            let actions = plain(&statement["Action"]);
            let actions = actions.as_array().cloned().unwrap_or_else(|| vec![actions]);
            // A grant would let its holder sign.
            for forbidden in ["*", "kms:CreateGrant"] {
                assert!(
                    !actions
                        .iter()
                        .any(|action| action.as_str().unwrap().contains(forbidden))
                );
            }
            if actions.contains(&"kms:Sign".into()) {
                may_sign.push(principal);
            }
            if actions.contains(&"kms:GetPublicKey".into()) {
                may_read.push(principal);
            }
        }
        assert_eq!(may_sign, [sign], "{which}");
        assert_eq!(
            may_read,
            ["arn:aws:iam::111122223333:root", sign, verify],
            "{which}"
        );
    }
}

#[test]
fn provider_boundary_path_and_alias_are_as_asked() {
    for (which, all) in both() {
        let provider = |case: &str| &Made::of(all, case).0["provider"];
        assert!(provider("gitlab").is_null(), "{which}");
        for (case, host) in [
            ("github", "token.actions.githubusercontent.com"),
            ("buildkite", "agent.buildkite.com"),
            ("all", "gitlab.example.com"),
        ] {
            let arn = format!("arn:aws:iam::111122223333:oidc-provider/{host}");
            let made = json!({"arn": arn, "url": host, "audiences": ["sts.amazonaws.com"]});
            assert_eq!(*provider(case), made, "{which}");
        }
        let id = KEY_ARN.rsplit('/').next().unwrap();
        let made = Made::of(all, "github");
        assert!(made.0["sign"]["boundary"].is_null() && made.0["verify"]["boundary"].is_null());
        assert_eq!(
            made.0["alias"],
            json!({"alias/release-signer": id}),
            "{which}"
        );
        let made = Made::of(all, "all");
        let boundary = "arn:aws:iam::111122223333:policy/boundary";
        assert_eq!(made.text("/sign/boundary"), boundary, "{which}");
        assert_eq!(made.text("/verify/boundary"), boundary, "{which}");
        assert_eq!(
            made.text("/sign/arn"),
            "arn:aws:iam::111122223333:role/ci/team-signer"
        );
        assert_eq!(
            made.text("/verify/arn"),
            "arn:aws:iam::111122223333:role/ci/team-gate"
        );
        assert_eq!(made.0["alias"], json!({"alias/team/signer": id}), "{which}");
    }
}

/// CloudFormation checks the patterns, and moto does not; Terraform checks those of the module.
#[test]
fn both_accept_the_same_values() {
    // The sections after it have CloudFormation's own tags.
    let template = text(TEMPLATE);
    let (_, parameters) = template.split_once("\nParameters:\n").unwrap();
    let (parameters, _) = parameters.split_once("\nRules:\n").unwrap();
    let parameters: Value = yaml_serde::from_str(parameters).unwrap();
    let parameters = parameters.as_object().unwrap();
    let module = text(&format!("{MODULE}/variables.tf"));
    let module: Vec<_> = module.split("variable \"").skip(1).collect();
    assert_eq!(parameters.len(), module.len());
    for variable in module {
        let (name, body) = variable.split_once('"').unwrap();
        let parameter = &parameters[&pascal(name)];
        if let Some(pattern) = parameter["AllowedPattern"].as_str() {
            let literal = serde_json::to_string(pattern).unwrap();
            assert!(
                body.contains(&format!("can(regex({literal}, var.{name}))")),
                "{name}"
            );
        } else if let Some(values) = parameter["AllowedValues"].as_array() {
            let values: Vec<_> = values.iter().map(Value::to_string).collect();
            let list = format!("contains([{}], var.{name})", values.join(", "));
            assert!(body.contains(&list), "{name}");
        } else {
            let (low, high) = (&parameter["MinValue"], &parameter["MaxValue"]);
            let range = format!("var.{name} >= {low} && var.{name} <= {high}");
            assert!(body.contains(&range), "{name}");
        }
        let default = match &parameter["Default"] {
            Value::Null => None,
            value => Some(format!(" = {value}\n")),
        };
        let line = body
            .lines()
            .find(|line| line.trim_start().starts_with("default "));
        let line = line.map(|line| format!("{}\n", line.trim_end()));
        assert_eq!(line.is_some(), default.is_some(), "{name}");
        if let (Some(line), Some(default)) = (line, default) {
            assert!(line.ends_with(&default), "{name}: {line}");
        }
    }
}

/// The subjects of the page are those that the module lets a role trust.
#[test]
fn the_documented_subjects_are_those_of_the_module() {
    let module = text(&format!("{MODULE}/policies.tf"));
    let value = |system: &str, field: &str| {
        let (_, block) = module.split_once(&format!("    {system} = {{\n")).unwrap();
        let lines = block.lines().map(str::trim);
        let mut of_field = lines.filter(|line| line.starts_with(&format!("{field} ")));
        of_field
            .next()
            .unwrap()
            .split('"')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    // A long one is in two parts.
    let page = text(PAGE).replace("` and then `", "");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let mut found = 0;
    for (system, name) in [
        ("github", "acme/app"),
        ("github", "acme@1234567/app@7654321"),
        ("gitlab", "acme/app"),
        ("buildkite", "acme:pipeline:app"),
    ] {
        let end = value(system, "end").replacen('*', "9f3c…", 1);
        let end = end.replacen('*', "sign", 1);
        let triggers = [
            ("branch", "main"),
            ("tag", "v1.0"),
            ("environment", "production"),
        ];
        for (trigger, of) in triggers {
            let entry = value(system, trigger);
            if entry == ":no-environment:" {
                continue;
            }
            let subject = format!("`{}{name}{entry}{of}{end}`", value(system, "start"));
            let row = rows.iter().find(|row| row.contains(&subject));
            let row = row.unwrap_or_else(|| panic!("{subject}"));
            assert!(row.split('|').nth(1).unwrap().contains(trigger), "{row}");
            found += 1;
        }
    }
    assert_eq!(found, 10);
}
