//! plugin.yml is complete enough for Buildkite's directory, and agrees with hooks and program.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ci::buildkite::account;
use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING};
use crate::support::buildkite::{Ended, Step, faults};
use crate::support::program::Sandbox;
use s3lo_test_servers::aws::{AUDIENCE, Subject, Trust};

fn definition() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.yml");
    yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn properties() -> BTreeSet<String> {
    let definition = definition();
    let properties = definition["configuration"]["properties"].as_object();
    properties.unwrap().keys().cloned().collect()
}

#[test]
fn plugin_yml_satisfies_the_buildkite_linter() {
    // https://github.com/buildkite-plugins/buildkite-plugin-linter/blob/main/lib/plugin-yaml-schema.yml
    let definition = definition();
    let keys: BTreeSet<_> = definition.as_object().unwrap().keys().collect();
    let wanted = [
        "author",
        "configuration",
        "description",
        "name",
        "requirements",
    ];
    assert!(keys.iter().map(|key| key.as_str()).eq(wanted), "{keys:?}");
    assert_eq!(definition["requirements"], json!([]));
    let configuration = &definition["configuration"];
    assert_eq!(configuration["additionalProperties"], false);
    assert_eq!(configuration["required"], json!(["reference"]));
    let either = json!([{"required": ["key"]}, {"required": ["policy"]}]);
    assert_eq!(configuration["anyOf"], either);
    for (name, property) in configuration["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{name}");
        assert!(!property["type"].is_null(), "{name}");
    }
}

#[test]
fn its_options_are_those_of_the_program_and_of_the_hooks() {
    let mut known = BTreeSet::new();
    for command in ["sign", "verify"] {
        let step = Step::new().with_plugin_as(
            "s3lo/s3lo-sign#v1.0.0",
            json!({"command": command, "xyzzy": "unknown"}),
        );
        let log = step.run().log;
        let list = log
            .lines()
            .find_map(|line| line.trim().split_once("; the options are "));
        let list = list.unwrap_or_else(|| panic!("{log}"));
        let (_, list) = list;
        known.extend(list.split(", ").map(str::to_owned));
    }
    // Its other name, which the AWS plugins of Buildkite use.
    assert!(known.contains("role-to-assume"));
    known.insert("role-arn".to_owned());
    assert_eq!(properties(), known);
}

#[test]
fn what_it_allows_is_what_makes_sense() {
    let with = |name: &str, value: Value| {
        let mut configuration = json!({"reference": "s3://b/i:t", "key": "k"});
        configuration[name] = value;
        faults(&configuration)
    };
    for (name, value) in [
        ("reference", json!(["a", "b"])),
        ("key", json!(["a"])),
        ("command", json!("verify")),
        ("schema-version", json!(2)),
        ("schema-version", json!("2")),
        ("min-schema", json!(1)),
        ("require", json!("all")),
        ("require", json!(2)),
        ("allowed-account", json!("012345678901")),
        ("environment", json!(["A", "b_2"])),
        ("annotate", json!(false)),
        ("runtime", json!("binary")),
        ("network", json!("host")),
        ("concurrency", json!(4)),
    ] {
        assert_eq!(with(name, value.clone()), [""; 0], "{name} {value}");
    }
    for (name, value) in [
        ("reference", json!(7)),
        ("reference", json!([])),
        ("key", json!("")),
        ("keys", json!("k")),
        ("password", json!("secret")),
        ("command", json!("verfy")),
        ("schema-version", json!(3)),
        ("if-signed", json!("sometimes")),
        // A number would lose the zero that it begins with.
        ("allowed-account", json!(111_122_223_333_u64)),
        ("expected-bucket-owner", json!(111_122_223_333_u64)),
        ("digest", json!("sha256:abc")),
        ("environment", json!(["A=b"])),
        ("vault-auth", json!("ldap")),
        ("annotate", json!("yes")),
        ("mount-checkout", json!("read-write")),
        ("runtime", json!("podman")),
        ("network", json!("")),
        ("concurrency", json!(0)),
    ] {
        assert_ne!(with(name, value.clone()), [""; 0], "{name} {value}");
    }
    for missing in [
        json!({"key": "k"}),
        json!({"reference": "r"}),
        json!({"policy": "p"}),
        json!({}),
    ] {
        assert_ne!(faults(&missing), [""; 0], "{missing}");
    }
}

/// A pipeline as a user writes it.
const PIPELINE: &str = r#"
env:
  COSIGN_PASSWORD: secret
steps:
  - label: ":docker: build"
    key: build
    command:
      - echo one
      - echo two
    plugins:
      - s3lo/s3lo-sign#v1.0.0:
          command: verify
          reference: local://./store/myapp:${TAG:-v1.0}
          key: keys/cosign.pub
          min-schema: 2
          annotate: false
  - wait
  - group: deploy
    steps:
      - command: echo deployed
        plugins:
          - docker#v5.12.0:
              image: golang
          - s3lo/s3lo-sign#v1.0.0:
              reference: [local://./store/myapp:v1.0]
              key: keys/cosign.key
"#;

#[test]
fn a_pipeline_is_read_as_buildkite_reads_it() {
    let steps = Step::of_pipeline(PIPELINE, &[("TAG", "v2.0")]);
    let [build, deploy] = &steps[..] else {
        panic!("{} steps", steps.len());
    };
    assert_eq!(build.variable("BUILDKITE_COMMAND"), "echo one\necho two");
    assert_eq!(build.variable("BUILDKITE_STEP_KEY"), "build");
    assert_eq!(deploy.variable("COSIGN_PASSWORD"), "secret");
    let ended = build.run();
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(ended.log.contains("myapp:v2.0"), "{}", ended.log);
    assert!(build.agent_calls_of(&["annotate"]).is_empty());
    // The docker plugin has no hooks here.
    let ended = deploy.run();
    assert!(ended.log.starts_with("deployed\n"), "{}", ended.log);
}

/// A user of the account, who follows the documentation.
pub(crate) struct Reader {
    account: (AwsFixture, String),
    public: String,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let account = account();
        let (aws, _) = &account;
        let trust = Trust {
            issuer: "https://agent.buildkite.com".to_owned(),
            audience: AUDIENCE.to_owned(),
            subject: Subject::Like("organization:acme:*".to_owned()),
        };
        aws.server.role("gate", &trust, EVERYTHING);
        let mut sandbox = Sandbox::new();
        let user = aws.server.user("admin", EVERYTHING);
        for (name, value) in aws.server.environment().iter().chain(&user.environment()) {
            sandbox.set(name, value);
        }
        let public = sandbox.s3lo("public-key --key awskms:///alias/release-signer");
        Self {
            public: public.ends_with(0).out,
            account,
        }
    }

    /// Runs the steps of a pipeline, one after the other, for the commit `v1.0`, whose image is there. The repository
    /// has a Makefile that pushes it, its digest, `deploy`, and the public key; the agents know what was set before.
    pub(crate) fn follows(&self, yaml: &str) -> Vec<(Step, Ended)> {
        let deploy = "#!/bin/sh\necho deployed \"$1\"\n".to_owned();
        self.follows_with(yaml, &[("deploy", deploy)])
    }

    /// With these scripts in the repository.
    pub(crate) fn follows_with(
        &self,
        yaml: &str,
        scripts: &[(&str, String)],
    ) -> Vec<(Step, Ended)> {
        let mut done: Vec<(Step, Ended)> = Vec::new();
        for mut step in Step::of_pipeline(yaml, &[("BUILDKITE_COMMIT", "v1.0")]) {
            let (aws, token) = &self.account;
            step.set_all(&aws.server.environment());
            step.set("AWS_ENDPOINT_URL_S3", &aws.s3.endpoint);
            step.write("release-signer.pub", self.public.as_bytes());
            step.write("Makefile", b"push:\n\t@echo pushed $(TAG)\n");
            step.write("digest", sha256_of(MANIFEST).as_bytes());
            for (name, script) in scripts {
                step.script(name, script);
            }
            if let Some((before, _)) = done.last() {
                step.knows_meta_data_of(before);
            }
            let step = step.with_token(AUDIENCE, token);
            let ended = step.run();
            done.push((step, ended));
        }
        done
    }
}

/// A build that signs, and a deployment behind a gate.
const RELEASE: &str = r#"
steps:
  - key: build
    command: make push TAG=$BUILDKITE_COMMIT && buildkite-agent env set "S3LO_DIGEST=$$(cat digest)"
    plugins:
      - s3lo/s3lo-sign#v1.0.0:
          reference: s3://my-bucket/myapp:$BUILDKITE_COMMIT
          key: awskms:///alias/release-signer
          schema-version: 2
          role-to-assume: arn:aws:iam::111122223333:role/signer
          environment: S3LO_DIGEST
  - wait
  - key: deploy
    command: ./deploy "$$(buildkite-agent meta-data get s3lo-verify:deploy:digest)"
    plugins:
      - s3lo/s3lo-sign#v1.0.0:
          command: verify
          reference: s3://my-bucket/myapp:$BUILDKITE_COMMIT
          key: release-signer.pub
          min-schema: 2
          role-to-assume: arn:aws:iam::111122223333:role/gate
"#;

#[test]
fn a_pipeline_signs_what_it_built_and_deploys_what_is_verified() {
    let reader = Reader::new();
    let [(build, built), (_, deployed)] = &reader.follows(RELEASE)[..] else {
        panic!("not two steps");
    };
    assert_eq!(built.code, 0, "{}", built.log);
    assert!(built.log.starts_with("pushed v1.0\n"), "{}", built.log);
    assert_eq!(build.given()["S3LO_DIGEST"], sha256_of(MANIFEST));
    assert_eq!(deployed.code, 0, "{}", deployed.log);
    let wanted = format!("\ndeployed {}\n", sha256_of(MANIFEST));
    assert!(deployed.log.ends_with(&wanted), "{}", deployed.log);
    // An image that was not built is not signed, and then not deployed.
    let other = RELEASE.replace("$$(cat digest)", &format!("sha256:{}", "0".repeat(64)));
    let reader = Reader::new();
    let codes: Vec<_> = reader
        .follows(&other)
        .iter()
        .map(|(_, ended)| ended.code)
        .collect();
    assert_eq!(codes, [1, 1]);
}

fn sha256_of(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

#[test]
#[should_panic(expected = "additional properties are not allowed")]
fn a_pipeline_that_plugin_yml_forbids_is_reported() {
    Step::of_pipeline(&PIPELINE.replace("min-schema", "min-shema"), &[]);
}

#[test]
fn the_hooks_run_the_image_of_one_release() {
    let lib = include_str!("../../../hooks/lib/run.bash");
    let named = lib
        .lines()
        .filter_map(|line| line.strip_prefix("s3lo_image=ghcr.io/"));
    let named: Vec<_> = named.collect();
    let [image] = named[..] else {
        panic!("{named:?}");
    };
    let version = image.strip_prefix("s3lo/sign-action:").unwrap();
    let version = version.split('@').next().unwrap();
    let numbers: Vec<_> = version.split('.').collect();
    assert_eq!(numbers.len(), 3, "{image}: a tag that never moves");
    assert!(numbers.iter().all(|number| number.parse::<u32>().is_ok()));
}
