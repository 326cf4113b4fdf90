//! `s3lo ci verify` by a policy, on every host.

use serde_json::{Value, json};

use super::{FILE, IMAGE, matches_snapshot, requires, sandbox, shown, signed_by};
use crate::ci::github::VERIFY;
use crate::support::buildkite::Step;
use crate::support::github_runner::{RUNNER_TEMP, Runner, WORKSPACE};
use crate::support::gitlab::Project;
use crate::support::program::Sandbox;

const ANY: &str = "{ any = [\"ci\"] }";
const TWO: &str = "{ all = [\"ci\"] }, { at-least = 1, of = [\"qa\", \"security\"] }";

/// The files of the sandbox that a gate needs: image, records, policy and keys.
fn gate(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let names = crate::support::files(sandbox.path());
    let names = names
        .into_iter()
        .filter(|name| name.starts_with("gate/") || name.starts_with("store/"));
    names
        .map(|name| {
            let bytes = std::fs::read(sandbox.file(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

/// A step of GitHub's that verifies the image, signed by these keys, by a policy with this requirement.
fn step(keys: &[&str], require: &str) -> Runner {
    let runner = Runner::new(VERIFY);
    for (name, bytes) in gate(&signed_by(keys, &requires(require))) {
        runner.write(&name, bytes);
    }
    runner.with("reference", IMAGE).with("policy", FILE)
}

/// A policy that requires the key of this PEM, and needs no file.
fn with_one_key(pem: &str) -> String {
    format!(
        "version = 1\n[keys.ci]\npublic = \"\"\"\n{pem}\"\"\"\n[[rules]]\nimages = [\"**\"]\nrequire = [{ANY}]\n"
    )
}

#[test]
fn a_step_of_github_verifies_by_its_policy() {
    let done = step(&["ci", "qa"], TWO).run().ends_with(0);
    assert_eq!(done.output("verified"), Some("true"));
    assert_eq!(done.results()[0]["rule"]["pattern"], "**");
    assert_eq!(done.results()[0]["requirements"][1]["by"], json!(["qa"]));
    matches_snapshot("github_verified", &done.summary);

    let refused = step(&["ci"], TWO).run().ends_with(1);
    assert_eq!(refused.output("verified"), Some("false"));
    assert_eq!(refused.output("digest"), None);
    matches_snapshot("github_refused", &refused.summary);
    matches_snapshot("github_annotation", &refused.annotation().message);
}

#[test]
fn a_mistake_in_the_policy_is_an_error_of_the_step() {
    let runner = step(&["ci"], ANY);
    runner.write(FILE, requires("{ any = [\"cl\"] }"));
    let step = runner.run().ends_with(2);
    assert_eq!(step.output("verified"), Some("false"));
    matches_snapshot("github_mistake", &step.annotation().message);
}

#[test]
fn a_path_of_the_runners_machine_is_one_of_the_container() {
    let runner = step(&["ci"], ANY);
    let path = format!("{WORKSPACE}/{FILE}");
    runner.run_with("policy", &path).ends_with(0);
    // The runner translates the beginning of a value alone.
    runner.run_with("policy", &format!("\n{path}")).ends_with(0);
    let text = std::fs::read_to_string(runner.file("gate/keys/ci.pub")).unwrap();
    runner.write_temp("policy.toml", with_one_key(&text));
    let path = format!("{RUNNER_TEMP}/policy.toml");
    runner.run_with("policy", &format!(" {path}")).ends_with(0);
}

#[test]
fn what_is_empty_is_named() {
    let mut page = String::new();
    for (title, variables) in [
        ("no policy, and no key", &[][..]),
        ("an empty policy", &[("S3LO_POLICY", "")]),
        (
            "an empty policy and an empty key",
            &[("S3LO_POLICY", ""), ("S3LO_KEY", "")],
        ),
        (
            "a policy and a key",
            &[("S3LO_POLICY", FILE), ("S3LO_KEY", "gate/keys/ci.pub")],
        ),
        (
            "a policy and a schema",
            &[("S3LO_POLICY", FILE), ("S3LO_MIN_SCHEMA", "2")],
        ),
        (
            "a policy and a number",
            &[("S3LO_POLICY", FILE), ("S3LO_REQUIRE", "all")],
        ),
        (
            "two policies",
            &[("S3LO_POLICY", "gate/policy.toml\nother.toml")],
        ),
        ("another's name", &[("S3LO_POLICY_FILE", FILE)]),
    ] {
        let mut sandbox = signed_by(&["ci"], &requires(ANY)).with("S3LO_REFERENCE", IMAGE);
        for (name, value) in variables {
            sandbox.set(name, value);
        }
        let run = sandbox.s3lo("ci verify").ends_with(2);
        page += &format!("# {title}\n{}\n", shown(&run));
    }
    let github = step(&["ci"], ANY).with("policy", "").run().ends_with(2);
    page += &format!(
        "# GitHub, an empty policy\n{}\n",
        github.annotation().message
    );
    matches_snapshot("empty", &page);
    // Keys do as well, where the policy is left empty.
    let keys = signed_by(&["ci"], "")
        .with("S3LO_REFERENCE", IMAGE)
        .with("S3LO_KEY", "gate/keys/ci.pub")
        .with("S3LO_POLICY", "");
    keys.s3lo("ci verify").ends_with(0);
    let github = step(&["ci"], ANY).with("policy", "");
    github.with("key", "gate/keys/ci.pub").run().ends_with(0);
}

#[test]
fn only_a_verification_has_a_policy() {
    let sandbox = signed_by(&["ci"], &requires(ANY))
        .with("S3LO_REFERENCE", IMAGE)
        .with("S3LO_KEY", "ci.key");
    // A job may set the options of both, and has no key to verify with besides.
    let run = sandbox.with("S3LO_POLICY", FILE).s3lo("ci sign");
    run.ends_with(0);
    let run = sandbox_of_typed("ci sign");
    assert!(run.contains("S3LO_POLICY"), "{run}");
}

fn sandbox_of_typed(command: &str) -> String {
    let sandbox = sandbox(&requires(ANY));
    let line = format!("{command} {IMAGE} --key ci.key --policy {FILE}");
    sandbox.s3lo(&line).ends_with(2).err
}

#[test]
fn variables_of_other_hosts_name_a_policy() {
    let verified = |variables: &[(&str, &str)]| {
        let mut sandbox = signed_by(&["ci"], &requires(ANY));
        for (name, value) in variables {
            sandbox.set(name, value);
        }
        let run = sandbox.s3lo("ci verify -o json").ends_with(0).json();
        assert_eq!(run["policy"]["path"], FILE);
    };
    verified(&[("S3LO_REFERENCE", IMAGE), ("S3LO_POLICY", FILE)]);
    verified(&[
        ("DRONE", "true"),
        ("PLUGIN_REFERENCE", IMAGE),
        ("PLUGIN_POLICY", FILE),
    ]);
    verified(&[
        ("CI", "woodpecker"),
        ("PLUGIN_REFERENCE", IMAGE),
        ("PLUGIN_POLICY", FILE),
    ]);
}

#[test]
fn a_step_of_buildkite_verifies_by_its_policy() {
    let verify = |keys: &[&str]| {
        let step = Step::new()
            .with_command("echo deployed")
            .with_plugin(json!({
                "command": "verify", "reference": IMAGE, "policy": FILE,
            }));
        for (name, bytes) in gate(&signed_by(keys, &requires(TWO))) {
            step.write(&name, &bytes);
        }
        step.run()
    };
    let done = verify(&["ci", "security"]);
    assert_eq!(done.code, 0, "{}", done.log);
    assert!(done.log.contains("deployed"), "{}", done.log);
    let refused = verify(&["ci"]);
    assert_eq!(refused.code, 1, "{}", refused.log);
    assert!(!refused.log.contains("deployed"), "{}", refused.log);
    assert!(refused.log.contains("gate/policy.toml"), "{}", refused.log);
}

/// The variable that the plugin's hook hands to the container is the one that the policy is in.
#[test]
fn a_policy_of_buildkite_may_be_in_a_variable() {
    let sandbox = signed_by(&["ci"], "");
    let pem = std::fs::read_to_string(sandbox.file("gate/keys/ci.pub")).unwrap();
    let step = Step::new()
        .with("GATE", &with_one_key(&pem))
        .with_plugin(json!({
            "command": "verify", "reference": IMAGE, "policy": "env://GATE",
        }));
    for (name, bytes) in gate(&sandbox) {
        step.write(&name, &bytes);
    }
    let done = step.run();
    assert_eq!(done.code, 0, "{}", done.log);
}

#[test]
fn the_gitlab_component_verifies_by_its_policy() {
    let yaml = |more: &str| {
        format!(
            "stages: [verify, deploy]\ninclude:\n  - component: $CI_SERVER_FQDN/s3lo/sign-action/verify@1\n    inputs:\n      \
             stage: verify\n      reference: {IMAGE}\n      policy: {FILE}\n{more}\
             deploy:\n  stage: deploy\n  script: [\"echo deployed\"]\n"
        )
    };
    let project = |keys: &[&str]| {
        let project = Project::new("acme/app");
        for (name, bytes) in gate(&signed_by(keys, &requires(TWO))) {
            project.write(&name, &String::from_utf8(bytes).unwrap());
        }
        project
    };
    let signed = project(&["ci", "qa"]);
    let pipeline = signed.run(&yaml("")).passes();
    assert!(pipeline.ran("deploy"));
    let json = pipeline.artifact("s3lo-verify", "s3lo-verify.json");
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["policy"]["path"], FILE);
    let refused = project(&["ci"]);
    let pipeline = refused.run(&yaml("")).fails();
    assert!(!pipeline.ran("deploy"));
    // What was chosen contradicts it.
    for input in ["min-schema: 2", "require: all", "key: gate/keys/ci.pub"] {
        let pipeline = signed.run(&yaml(&format!("      {input}\n"))).fails();
        let log = pipeline.log("s3lo-verify");
        let name = input.split_once(':').unwrap().0;
        assert!(
            log.contains(&format!("`{name}`")) && log.contains("`policy`"),
            "{log}"
        );
    }
}

#[test]
fn a_token_is_listed_where_the_rule_of_the_image_needs_its_service() {
    let text = requires("{ any = [\"vault\"] }").replacen(
        "[[rules]]",
        "[keys.vault]\npublic = \"hashivault://vault.example/v1/transit/keys/x\"\nallow-remote = true\n\
         [[rules]]\nimages = [\"local://./store/other\"]\nrequire = [{ any = [\"ci\"] }]\n[[rules]]",
        1,
    );
    let sandbox = sandbox(&text)
        .with("BUILDKITE", "true")
        .with("S3LO_POLICY", FILE)
        .with("S3LO_VAULT_ROLE", "gate");
    let tokens = |image: &str| {
        let line = format!("ci tokens verify {image}");
        sandbox.s3lo(&line).ends_with(0).out
    };
    assert_eq!(tokens(IMAGE), "VAULT_ID_TOKEN\thttps://vault.example\n");
    assert_eq!(tokens("local://./store/other:v1"), "");
}
