//! What docs/github-runners.md prints, run as printed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::ci::act::runner::Act;
use crate::ci::adopters::of_page;
use crate::ci::github::DIGEST;
use crate::cli::documentation::{blocks, text};
use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, trust};
use crate::support::program::Run;
use crate::support::releases::Releases;

const PAGE: &str = "docs/github-runners.md";

/// Where the printed addresses lead here.
const CURL: &str = r#"
for word; do
  case $word in
    https://github.com/s3lo/sign-action/releases/download/*) word=$MIRROR_HERE/${word#*/download/} ;;
    https://artifacts.example/s3lo/*) word=$MIRROR_HERE/artifacts/${word#*/s3lo/} ;;
  esac
  words+=("$word")
done
exec /usr/bin/curl "${words[@]}"
"#;

/// An account with a signed image and one that is not, and a role for each workflow.
fn account() -> AwsFixture {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.role("gate", &trust(), EVERYTHING);
    // `act` runs the main branch, where a tag is printed.
    let of_main = "/my-bucket/manifests/myapp/main/manifest.json";
    aws.s3.put(of_main, MANIFEST.as_bytes());
    aws
}

fn executable(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a workflow on this machine, in the place of its runner and of the container of its job.
fn run(workflow: &str, aws: &AwsFixture, releases: &Releases) -> Run {
    let project = releases.project().to_str().unwrap();
    let mut act = Act::new()
        .with("--platform", "self-hosted", "-self-hosted")
        .with("--platform", "my-runner-scale-set", "-self-hosted")
        .with("--local-repository", "s3lo/sign-action@v1", project)
        .with("--env", "MIRROR_HERE", &releases.mirror);
    for (name, value) in aws.sandbox.environment() {
        act = act.with("--env", &name, &value);
    }
    act.program("curl", CURL);
    if workflow.contains("uses: s3lo/sign-action/setup@v1") {
        fs::remove_file(act.file("bin/s3lo")).unwrap();
    }
    // `act` checks this out.
    let public = aws.s3lo(&format!(
        "public-key --key awskms:///alias/release-signer --role-arn {ROLE_ARN}"
    ));
    act.write("repository/release-signer.pub", &public.ends_with(0).out);
    let deploy = act.file("repository/deploy");
    executable(&deploy, "#!/bin/sh\necho \"deployed $1\"\n");
    let here = workflow
        .replace("on: workflow_dispatch", "on: push")
        .replace("  push:\n    tags: [\"v*\"]\n", "  push:\n");
    let lines = here
        .lines()
        .filter(|line| !line.starts_with("    container: "));
    let here = lines.map(|line| format!("{line}\n")).collect::<String>();
    let run = act.run(&here, &[]);
    assert_eq!(run.code, Some(0), "{}{}\n{here}", run.out, run.err);
    run
}

#[test]
fn a_workflow_that_signs_does() {
    let mut asked = Vec::new();
    for workflow in of_page(PAGE, "jobs") {
        if !workflow.contains("run: s3lo ci sign\n") {
            continue;
        }
        let (aws, releases) = (account(), Releases::new());
        let run = run(&workflow, &aws, &releases);
        assert!(run.out.contains("Summary - ### ✅ Signed"), "{}", run.out);
        assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 2);
        assert_eq!(aws.count("Sign"), 1);
        let printed = format!("| signed {DIGEST}\n");
        let prints = workflow.contains("echo \"signed $DIGEST\"");
        assert_eq!(run.out.contains(&printed), prints, "{}", run.out);
        let requests = releases.requests();
        asked.push(requests.concat().split("/v1").next().map(str::to_owned));
    }
    // From the release, in a container that has it, and from the mirror.
    let expected = ["", "", "/artifacts"].map(|start| Some(start.to_owned()));
    assert_eq!(asked, expected);
}

#[test]
fn a_workflow_that_verifies_deploys_what_it_verified() {
    let workflows = of_page(PAGE, "jobs");
    let mut gates = workflows
        .iter()
        .filter(|workflow| workflow.contains("run: s3lo ci verify\n"));
    let (gate, aws, releases) = (gates.next().unwrap(), account(), Releases::new());
    assert_eq!(gates.next(), None);
    let sign = format!(
        "sign s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer --schema-version 2 --role-arn {ROLE_ARN}"
    );
    aws.s3lo(&sign).ends_with(0);
    let run = run(gate, &aws, &releases);
    assert!(
        run.out.contains(&format!("| deployed {DIGEST}\n")),
        "{}",
        run.out
    );
}

#[test]
fn a_copy_of_the_actions_names_the_copy_of_the_image() {
    let commands = blocks(&text(PAGE), "sh").concat();
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    for name in ["bin", "verify"] {
        fs::create_dir(file(name)).unwrap();
    }
    executable(&file("bin/skopeo"), "#!/bin/sh\necho \"$*\" >copied\n");
    // As released.
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = format!("image: docker://ghcr.io/s3lo/sign-action:1.0.0@{digest}\n");
    let actions = ["action.yml", "verify/action.yml"];
    for name in actions {
        let released = text(name)
            .replace("image: Dockerfile\n", &image)
            .replace("image: ../Dockerfile\n", &image);
        assert!(released.contains(&image));
        fs::write(file(name), released).unwrap();
    }
    let ran = Command::new("sh")
        .args(["-e", "-c", &commands])
        .current_dir(folder.path())
        .env("PATH", format!("{}:/usr/bin:/bin", file("bin").display()))
        .status();
    assert!(ran.unwrap().success());
    let copied = fs::read_to_string(file("copied")).unwrap();
    let copy = copied.trim().rsplit(' ').next().unwrap();
    for name in actions {
        let line = format!("\n  image: {copy}@{digest}\n");
        assert!(
            fs::read_to_string(file(name)).unwrap().contains(&line),
            "{name}"
        );
    }
}
