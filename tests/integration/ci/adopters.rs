//! The examples that adopters copy run: each documented workflow, component and plugin, as its own system would run it.

use std::collections::BTreeMap;
use std::process::Command;

use yaml_serde::Value;

use crate::ci::buildkite_schema::Reader;
use crate::ci::examples::parsed;
use crate::cli::documentation::{blocks, documented_vault, pages, sandbox, text};
use crate::examples::repositories::{Builder, COMMIT, example};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, trust};
use crate::support::github_runner::{Runner, Step};
use crate::support::gitlab::team::{DIGEST, Team};
use crate::support::program::Sandbox;
use crate::support::tools::tool;
use crate::support::vectors;

/// The YAML of all pages that has this at its top, but for those with tests of their own: `ci::setup` and
/// `ci::examples`.
fn documented(has: &str) -> Vec<String> {
    let of_others = ["docs/github-runners.md", "docs/ci-systems.md"];
    let pages = pages().into_iter();
    let pages = pages.filter(|page| !of_others.contains(&page.as_str()));
    pages.flat_map(|page| of_page(&page, has)).collect()
}

/// The YAML of a page that has this at its top.
pub(crate) fn of_page(page: &str, has: &str) -> Vec<String> {
    let blocks = blocks(&text(page), "yaml").into_iter();
    let mut blocks: Vec<_> = blocks
        .filter(|block| !parsed(block)[has].is_null())
        .collect();
    blocks.dedup();
    blocks
}

/// The workflow of the repository to copy.
const WORKFLOW: &str = "github/.github/workflows/release.yml";

fn digest() -> String {
    let run =
        Sandbox::with_image().s3lo("sign local://./store/myapp:v1.0 --key keys/cosign.key -o json");
    run.ends_with(0).json()["digest"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The value of an example's expressions.
fn evaluated(value: &Value, gate: &BTreeMap<String, String>) -> String {
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => yaml_serde::to_string(other).unwrap().trim().to_owned(),
    };
    let key = std::fs::read_to_string(vectors().join("plain-keys/p384-pkcs8.key")).unwrap();
    for (expression, stands_for) in [
        ("github.ref_name", "v1.0"),
        ("github.sha", "v1.0"),
        ("steps.push.outputs.digest", &digest()),
        ("needs.build.outputs.digest", &digest()),
        ("secrets.COSIGN_PASSWORD", "secret"),
        ("secrets.COSIGN_PRIVATE_KEY", &key),
    ] {
        text = text.replace(&format!("${{{{ {expression} }}}}"), stands_for);
    }
    for (name, value) in gate {
        text = text.replace(&format!("${{{{ steps.gate.outputs.{name} }}}}"), value);
    }
    assert!(!text.contains("${{"), "{text}");
    text
}

fn ran(step: &Value, aws: &AwsFixture, vault: &str) -> Option<Step> {
    let uses = step["uses"].as_str()?;
    let action = match uses.split_once('@')?.0 {
        "s3lo/sign-action" => "action.yml",
        "s3lo/sign-action/verify" => "verify/action.yml",
        _ => return None,
    };
    let none = BTreeMap::new();
    let mut runner = Runner::new(action).at(aws).env("VAULT_ADDR", vault);
    let exported = aws.s3lo("public-key --key awskms:///alias/release-signer --region us-east-1");
    runner.write("release-signer.pub", exported.ends_with(0).out);
    for (name, value) in step["with"].as_mapping().unwrap() {
        let value = evaluated(value, &none).replace("vault.example/", "127.0.0.1/");
        runner.set(name.as_str().unwrap(), &value);
    }
    for (name, value) in step["env"].as_mapping().into_iter().flatten() {
        runner.set_env(name.as_str().unwrap(), &evaluated(value, &none));
    }
    Some(runner.run().ends_with(0))
}

#[test]
fn every_workflow_runs_as_printed() {
    let (aws, vault) = (sandbox(), documented_vault());
    aws.server.role("gate", &trust(), EVERYTHING);
    let mut steps_run = 0;
    let workflows = documented("jobs").into_iter();
    for workflow in workflows.chain([example(WORKFLOW)]) {
        let workflow = parsed(&workflow);
        assert!(workflow["permissions"].as_mapping().unwrap().is_empty());
        for (_, job) in workflow["jobs"].as_mapping().unwrap() {
            assert_eq!(job["permissions"]["id-token"], "write");
            let mut outputs = BTreeMap::new();
            for step in job["steps"].as_sequence().unwrap() {
                if let Some(done) = ran(step, &aws, &vault.address) {
                    let names = done.output_names();
                    let pairs = names
                        .iter()
                        .map(|name| ((*name).to_owned(), done.output(name).unwrap().to_owned()));
                    outputs = pairs.collect();
                    steps_run += 1;
                }
                for (_, value) in step["env"].as_mapping().into_iter().flatten() {
                    let value = evaluated(value, &outputs);
                    assert!(!value.is_empty());
                }
            }
        }
    }
    println!("{steps_run} steps ran");
    assert!(steps_run >= 7, "{steps_run}");
}

#[test]
fn every_workflow_that_is_printed_is_sound() {
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, contents: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    };
    for name in [
        "action.yml",
        "verify/action.yml",
        "setup/action.yml",
        "Dockerfile",
    ] {
        write(name, &text(name));
    }
    let labels = "self-hosted-runner:\n  labels: [my-runner-scale-set]\n";
    let config = text(".github/actionlint.yaml") + labels;
    write(".github/actionlint.yaml", &config);
    write(".git/HEAD", "");
    // These actions are our own, and a release moves v1.
    write(
        "zizmor.yml",
        "rules:\n  unpinned-uses:\n    config:\n      policies:\n        s3lo/*: ref-pin\n        \"*\": hash-pin\n",
    );
    let workflows = [
        documented("jobs"),
        of_page("docs/github-runners.md", "jobs"),
        vec![example(WORKFLOW)],
    ]
    .concat();
    assert!(workflows.len() >= 8);
    for (number, workflow) in workflows.iter().enumerate() {
        write(&format!("printed/.github/workflows/{number}.yml"), workflow);
        // Of what lies here every input and output is checked.
        let here = workflow
            .replace(&format!("@{COMMIT}"), "@v1")
            .replace("s3lo/sign-action/verify@v1", "./verify")
            .replace("s3lo/sign-action/setup@v1", "./setup")
            .replace("s3lo/sign-action@v1", "./");
        write(&format!(".github/workflows/{number}.yml"), &here);
    }
    for (program, arguments) in [
        ("actionlint", vec!["-color"]),
        (
            "zizmor",
            vec![
                "--offline",
                "--no-progress",
                "--config",
                "zizmor.yml",
                "printed",
            ],
        ),
    ] {
        let output = Command::new(tool(program))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {printed}");
    }
}

#[test]
fn the_workflow_to_copy_hands_the_digest_of_its_build_on() {
    let (workflow, builder) = (parsed(&example(WORKFLOW)), Builder::new());
    let build = &workflow["jobs"]["build"];
    let steps = build["steps"].as_sequence().unwrap();
    let push = steps.iter().find(|step| step["id"] == "push").unwrap();
    let output = build["outputs"]["digest"].as_str().unwrap();
    assert_eq!(output, "${{ steps.push.outputs.digest }}");
    // What is signed is that digest, and what is deployed is the one that was verified.
    let signed = &workflow["jobs"]["sign"]["steps"][0]["with"]["reference"];
    let pin = "@${{ needs.build.outputs.digest }}";
    assert!(signed.as_str().unwrap().ends_with(pin));
    let deploy = workflow["jobs"]["deploy"]["steps"].as_sequence().unwrap();
    let [.., gate, last] = &deploy[..] else {
        panic!("no gate before the deployment");
    };
    assert_eq!(gate["id"], "gate");
    assert_eq!(last["run"], "./deploy \"$DIGEST\"");
    assert_eq!(last["env"]["DIGEST"], "${{ steps.gate.outputs.digest }}");
    let sandbox = Sandbox::new();
    let script = builder.script("build-and-push");
    sandbox.write_program("build-and-push", &script);
    let run = || {
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", push["run"].as_str().unwrap()])
            .env("GITHUB_SHA", "v1.0")
            .env("GITHUB_OUTPUT", sandbox.file("output"))
            .current_dir(sandbox.path());
        bash.output().unwrap().status.success()
    };
    assert!(run());
    let outputs = std::fs::read_to_string(sandbox.file("output")).unwrap();
    assert_eq!(outputs, format!("digest={DIGEST}\n"));
    sandbox.write_program("build-and-push", "#!/bin/sh\nexit 3\n");
    assert!(!run(), "a build that fails is passed on");
}

#[test]
fn every_component_runs_as_printed() {
    let includes = documented("include");
    assert!(includes.len() >= 2, "{}", includes.len());
    for yaml in includes {
        Team::new().run(&yaml).passes();
    }
}

#[test]
fn the_project_to_copy_signs_what_it_builds_and_deploys_what_is_verified() {
    let (mut team, builder) = (Team::new(), Builder::new());
    for script in ["build-and-push", "deploy"] {
        team.project.write(script, &builder.script(script));
    }
    team.project.set("PUSH_TOKEN", "token");
    // The client's commit is one that nobody has pushed.
    let yaml = example("gitlab/.gitlab-ci.yml").replace("$CI_COMMIT_SHA", "v1.0");
    let pipeline = team.run(&yaml).passes();
    let log = pipeline.log("deploy");
    assert!(log.contains(&format!("deploying myapp@{DIGEST}")), "{log}");
    assert_eq!(team.aws.records().len(), 1);
    // What was built is not what is there.
    let other = format!("sha256:{}", "0".repeat(64));
    let yaml = yaml.replace("$digest\"", &format!("{other}\""));
    let pipeline = team.run(&yaml).fails();
    let log = pipeline.log("s3lo-sign");
    assert!(log.contains("error[digest_mismatch]"), "{log}");
    assert!(!pipeline.ran("deploy"));
}

#[test]
fn every_pipeline_runs_as_printed() {
    let pipelines = documented("steps");
    assert_eq!(pipelines.len(), 3);
    let reader = Reader::new();
    for yaml in pipelines {
        for (_, ended) in reader.follows(&yaml) {
            assert_eq!(ended.code, 0, "{}", ended.log);
        }
    }
}

#[test]
fn the_pipeline_to_copy_signs_what_it_builds_and_deploys_what_is_verified() {
    let (reader, builder) = (Reader::new(), Builder::new());
    let scripts = ["build-and-push", "deploy"].map(|name| (name, builder.script(name)));
    let yaml = example("buildkite/.buildkite/pipeline.yml");
    let done = reader.follows_with(&yaml, &scripts);
    let [_, (sign, _), (_, deployed)] = &done[..] else {
        panic!("{} steps", done.len());
    };
    for (_, ended) in &done {
        assert_eq!(ended.code, 0, "{}", ended.log);
    }
    assert_eq!(sign.given()["S3LO_DIGEST"], DIGEST);
    let expected = format!("deploying myapp@{DIGEST}\n");
    assert!(deployed.log.ends_with(&expected), "{}", deployed.log);
    // What was built is not what is there.
    let other = Builder::new().pushes(&format!("digest: sha256:{}", "0".repeat(64)));
    let scripts = ["build-and-push", "deploy"].map(|name| (name, other.script(name)));
    let done = Reader::new().follows_with(&yaml, &scripts);
    let codes: Vec<_> = done.iter().map(|(_, ended)| ended.code).collect();
    assert_eq!(codes, [0, 1, 1]);
}
