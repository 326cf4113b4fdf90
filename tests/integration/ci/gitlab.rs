//! The GitLab components, run by the real client with the program that they call: a pipeline, the results that its
//! jobs pass on, and the failures that stop it.

mod components;
mod hostile;
mod secrets;

use serde_json::Value;

use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN};
use crate::support::gitlab::team::DIGEST;
use crate::support::gitlab::{Project, aws, log};

/// A pipeline that includes the components, each with these inputs, and has a job that deploys.
fn including(includes: &[(&str, &str)], rest: &str) -> String {
    let mut yaml = "stages: [build, sign, verify, deploy]\ninclude:\n".to_owned();
    for (component, inputs) in includes {
        yaml += &format!(
            "  - component: $CI_SERVER_FQDN/s3lo/sign-action/{component}@1\n    inputs:\n"
        );
        for line in inputs.lines() {
            yaml += &format!("      {}\n", line.trim_end());
        }
    }
    yaml + "deploy:\n  stage: deploy\n  script:\n    - echo \"deploying $S3LO_VERIFY_DIGEST\"\n"
        + rest
}

/// To sign with the role and the key in KMS.
fn to_sign() -> String {
    format!(
        "stage: sign\nreference: s3://my-bucket/myapp:v1.0\nkey: awskms:///alias/release-signer\n\
         schema-version: 2\nrole-to-assume: {ROLE_ARN}"
    )
}

/// To verify with the public key in the repository.
fn to_verify() -> String {
    format!(
        "stage: verify\nreference: s3://my-bucket/myapp:v1.0\nkey: release-signer.pub\nmin-schema: 2\n\
         role-to-assume: {ROLE_ARN}"
    )
}

fn team() -> (AwsFixture, Project) {
    aws(EVERYTHING)
}

#[test]
fn what_is_deployed_is_the_digest_that_was_signed_and_verified() {
    let (aws, project) = team();
    let yaml = including(&[("sign", &to_sign()), ("verify", &to_verify())], "");
    let pipeline = project.run(&yaml).passes();
    assert!(
        pipeline
            .log("deploy")
            .contains(&format!("deploying {DIGEST}"))
    );
    assert_eq!(aws.records().len(), 1);
    // The job's own identity, and the session that is named after it.
    let assumed = &aws.calls_of("AssumeRoleWithWebIdentity")[0].body;
    let token = project.value("GITLAB_OIDC_TOKEN");
    assert_eq!(assumed["WebIdentityToken"], token);
    assert_eq!(assumed["RoleSessionName"], "s3lo-acme-app-1000");
    // The variables of later jobs.
    let signed = pipeline.variables("s3lo-sign");
    assert_eq!(signed["S3LO_SIGN_SIGNED"], "true");
    assert_eq!(signed["S3LO_SIGN_DIGEST"], DIGEST);
    let verified = pipeline.variables("s3lo-verify");
    assert_eq!(verified["S3LO_VERIFY_VERIFIED"], "true");
    assert_eq!(verified["S3LO_VERIFY_DIGEST"], DIGEST);
    assert_eq!(verified["S3LO_VERIFY_KEY_ID"], signed["S3LO_SIGN_KEY_ID"]);
    // The artifacts.
    let json = |job: &str| -> Value {
        serde_json::from_slice(&pipeline.artifact(job, &format!("{job}.json"))).unwrap()
    };
    assert_eq!(json("s3lo-sign")["digest"], DIGEST);
    assert_eq!(
        json("s3lo-sign")["storedPath"],
        signed["S3LO_SIGN_STORED_PATH"]
    );
    assert_eq!(json("s3lo-verify")["verified"], true);
    // The log.
    for (job, section) in [("s3lo-sign", "s3lo_sign"), ("s3lo-verify", "s3lo_verify")] {
        let lines = log::read(&pipeline.log(job)).unwrap();
        let reported = log::section(&lines, section).join("\n");
        assert!(reported.contains(DIGEST), "{job}: {lines:?}");
    }
}

#[test]
fn a_failed_verification_fails_the_pipeline_and_nothing_is_deployed() {
    let (aws, project) = team();
    let yaml = including(&[("verify", &to_verify())], "");
    // It is not signed.
    let pipeline = project.run(&yaml).fails();
    assert!(!pipeline.ran("deploy"));
    assert_eq!(
        pipeline.variables("s3lo-verify")["S3LO_VERIFY_VERIFIED"],
        "false"
    );
    let json = pipeline.artifact("s3lo-verify", "s3lo-verify.json");
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["verified"], false);
    // There is no verdict.
    aws.s3
        .fault(|_| Some(s3lo_test_servers::http::Reply::HangUp));
    let pipeline = project.run(&yaml).fails();
    assert!(!pipeline.ran("deploy"));
    assert_eq!(
        pipeline.variables("s3lo-verify")["S3LO_VERIFY_VERIFIED"],
        "false"
    );
}

#[test]
fn a_failed_signature_fails_the_pipeline_and_is_visible_to_later_jobs() {
    let (aws, project) = team();
    let inputs = to_sign().replace(":v1.0", ":v9");
    let rest = "report:\n  stage: deploy\n  when: always\n  script:\n    - echo \"signed is $S3LO_SIGN_SIGNED\"\n";
    let pipeline = project.run(&including(&[("sign", &inputs)], rest)).fails();
    assert!(!pipeline.ran("deploy"));
    assert!(pipeline.log("report").contains("signed is false"));
    assert!(aws.records().is_empty());
}

#[test]
fn several_images_are_signed_by_several_keys_in_one_job() {
    let (aws, mut project) = team();
    let other = "/my-bucket/manifests/team/service/v2/manifest.json";
    aws.s3.put(other, MANIFEST.as_bytes());
    project.set("COSIGN_PASSWORD", "secret");
    let many = "reference: |\n  s3://my-bucket/myapp:v1.0\n  s3://my-bucket/team/service:v2\n";
    let session = "role-session-name: chosen\nrole-duration: 30m\nconcurrency: 2";
    let sign = (to_sign() + "\nverbose: true\n" + session)
        .replace("reference: s3://my-bucket/myapp:v1.0\n", many)
        .replace(
            "key: awskms:///alias/release-signer\n",
            "key: |\n  awskms:///alias/release-signer\n  keys/cosign.key\n",
        );
    let verify = to_verify()
        .replace("reference: s3://my-bucket/myapp:v1.0\n", many)
        .replace(
            "key: release-signer.pub\n",
            "key: |\n  release-signer.pub\n  keys/cosign.pub\nrequire: all\n",
        );
    let yaml = including(&[("sign", &sign), ("verify", &verify)], "");
    let pipeline = project.run(&yaml).passes();
    let records = aws.s3.paths();
    let records = records.iter().filter(|path| path.contains("/signatures/"));
    assert_eq!(records.count(), 4);
    let assumed = &aws.calls_of("AssumeRoleWithWebIdentity")[0].body;
    assert_eq!(assumed["RoleSessionName"], "chosen");
    assert_eq!(assumed["DurationSeconds"], "1800");
    let json = pipeline.artifact("s3lo-verify", "s3lo-verify.json");
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    // The log has every request, in its grammar, and no secret.
    let log = pipeline.log("s3lo-sign");
    log::read(&log).unwrap();
    assert!(log.contains("GetPublicKey"), "{log}");
    assert!(!log.contains(&project.value("GITLAB_OIDC_TOKEN")));
    // There is no single digest to report.
    let reported = pipeline.variables("s3lo-sign");
    assert_eq!(
        reported.into_keys().collect::<Vec<_>>(),
        ["S3LO_SIGN_SIGNED"]
    );
}

#[test]
fn a_component_is_included_as_often_as_it_is_needed() {
    let (aws, project) = team();
    let other = "/my-bucket/manifests/myapp/v1.1/manifest.json";
    aws.s3.put(other, MANIFEST.as_bytes());
    let one = to_sign() + "\njob-name: sign the old";
    let two = to_sign().replace("v1.0", "v1.1") + "\njob-name: sign the new";
    let pipeline = project
        .run(&including(&[("sign", &one), ("sign", &two)], ""))
        .passes();
    assert_eq!(aws.count("Sign"), 2);
    // Artifacts of several jobs lie side by side in a later one.
    for job in ["sign the old", "sign the new"] {
        let slug = job.replace(' ', "-");
        let name = job.replace(' ', "IA");
        pipeline.artifact(&name, &format!("{slug}.json"));
    }
}

#[test]
fn a_job_of_the_same_name_changes_what_has_no_input() {
    let (aws, project) = team();
    let rest = "  before_script: []
default:
  tags: [of-the-team]
  image: registry.gitlab.example/acme/build
  before_script: [exit 7]
  after_script: [exit 8]
  cache: {paths: [of-the-team]}
prepare:
  stage: deploy
  before_script: []
  script: ['true']
s3lo-sign:
  stage: deploy
  needs: [prepare]
  rules:
    - if: $CI_COMMIT_BRANCH == \"main\"
  variables:
    AWS_ROLE_SESSION_NAME: chosen
s3lo-verify:
  rules:
    - if: $CI_COMMIT_TAG
";
    let yaml = including(&[("sign", &to_sign()), ("verify", &to_verify())], rest);
    let pipeline = project.run(&yaml).passes();
    assert!(!pipeline.ran("s3lo-verify"));
    let assumed = &aws.calls_of("AssumeRoleWithWebIdentity")[0].body;
    assert_eq!(assumed["RoleSessionName"], "chosen");
    // The team's own defaults would not run in the image, except for the choice of a runner.
    let job = pipeline.job("s3lo-sign");
    assert_eq!(job["tags"][0], "of-the-team");
    let image = job["image"]["name"].as_str().unwrap();
    assert!(image.starts_with("ghcr.io/s3lo/sign-action:1"), "{image}");
    for of_others in ["before_script", "after_script", "cache"] {
        assert!(job.get(of_others).is_none(), "{of_others}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_refused_before_anything_runs() {
    let (_, project) = team();
    for (component, inputs, expected) in [
        (
            "sign",
            to_sign().replace("key:", "image:"),
            "`key` input: required",
        ),
        (
            "sign",
            to_sign().replace("reference:", "image:"),
            "`reference` input: required",
        ),
        (
            "sign",
            to_sign().replace("schema-version: 2", "schema-version: 3"),
            "`schema-version` input: `3`",
        ),
        (
            "sign",
            to_sign().replace("schema-version: 2", "schema-version: two"),
            "`schema-version` input",
        ),
        (
            "sign",
            to_sign() + "\nif-signed: ask",
            "`if-signed` input: `ask`",
        ),
        ("sign", to_sign() + "\nverbose: loudly", "`verbose` input"),
        (
            "sign",
            to_sign() + "\ndependencies: build",
            "`dependencies` input",
        ),
        (
            "verify",
            to_verify().replace("min-schema: 2", "min-schema: 0"),
            "`min-schema` input: `0`",
        ),
        (
            "verify",
            to_verify() + "\nvault-auth: token",
            "`vault-auth` input: `token`",
        ),
        (
            "verify",
            to_verify() + "\ngit-strategy: copy",
            "`git-strategy` input: `copy`",
        ),
        ("forge", to_sign(), "forge"),
    ] {
        let yaml = including(&[(component, &inputs)], "");
        let refused = project.preview(&yaml).fails();
        assert!(refused.prints(expected), "{expected}");
    }
}

/// What GitLab lets pass the program refuses, by the name of the input.
#[test]
fn a_mistake_in_an_input_is_one_error_after_which_nothing_is_signed() {
    let (aws, project) = team();
    let long = format!("{}\nregion: us east", to_sign());
    let mistakes = [
        ("`timeout`", to_sign() + "\ntimeout: soon"),
        ("`region`", long),
        ("`role-to-assume`", to_sign().replace(ROLE_ARN, "signer")),
        (
            "`key` is empty",
            to_sign().replace("awskms:///alias/release-signer", "$MISSING"),
        ),
        ("has no tag", to_sign().replace(":v1.0", "")),
        (
            "`region` holds several values",
            to_sign() + "\nregion: \"a\\nb\"",
        ),
        ("`concurrency`", to_sign() + "\nconcurrency: 0"),
    ];
    let jobs: Vec<_> = mistakes
        .iter()
        .enumerate()
        .map(|(number, (_, inputs))| format!("{inputs}\njob-name: wrong-{number}"))
        .collect();
    let includes: Vec<_> = jobs.iter().map(|job| ("sign", job.as_str())).collect();
    let pipeline = project.run(&including(&includes, "")).fails();
    for (number, (named, _)) in mistakes.iter().enumerate() {
        let log = pipeline.log(&format!("wrong-{number}"));
        // Below the command as the runner shows it.
        let (_, log) = log.split_once("error[").unwrap();
        let log = format!("error[{log}");
        assert!(log.contains(named), "{named}: {log}");
        for part in ["error[", "help: "] {
            let lines = log.lines().map(str::trim_start);
            let count = lines.filter(|line| line.starts_with(part)).count();
            assert_eq!(count, 1, "{named}: {log}");
        }
        assert!(!log.contains("--input"), "{named}: {log}");
    }
    assert!(aws.records().is_empty());
    assert_eq!(aws.count("Sign"), 0);
}

#[test]
fn an_earlier_job_changes_nothing_of_what_is_signed_or_verified() {
    let (aws, project) = team();
    // A build that an attacker has taken over: it leaves another key in the place of ours, and variables, which
    // go before those of a job.
    let evil = std::fs::read_to_string(project.file("keys/cosign.pub")).unwrap();
    project.write("evil.pub", &evil);
    let build = "
build:
  stage: build
  script:
    - cp evil.pub release-signer.pub
    - echo S3LO_REFERENCE=s3://my-bucket/evil:v1 >build.env
    - echo S3LO_KEY=evil.pub >>build.env
  artifacts:
    paths: [release-signer.pub]
    reports:
      dotenv: build.env
";
    let yaml = including(&[("sign", &to_sign()), ("verify", &to_verify())], build);
    let pipeline = project.run(&yaml).passes();
    assert_eq!(
        pipeline.variables("s3lo-verify")["S3LO_VERIFY_DIGEST"],
        DIGEST
    );
    assert_eq!(aws.records().len(), 1);
    // A `dependencies` entry trusts the job with its files, and with the variables that an input names.
    let trusting = to_verify() + "\ndependencies: [build]";
    let yaml = including(&[("verify", &trusting)], build);
    let log = project.run(&yaml).fails().log("s3lo-verify");
    assert!(log.contains("no signature found for key release-signer.pub"));
    assert!(!log.contains("evil:v1"), "{log}");
}

/// They go before the variables of a job, and everyone who can run a pipeline can set them.
#[test]
fn a_variable_of_the_pipeline_changes_nothing_of_a_gate() {
    let (aws, mut project) = team();
    for (name, value) in [
        ("S3LO_REFERENCE", "s3://my-bucket/evil:v1"),
        ("S3LO_KEY", "keys/cosign.pub"),
        ("S3LO_DIGEST", "sha256:00"),
        ("S3LO_MIN_SCHEMA", "1"),
        ("S3LO_REQUIRE", "1"),
        ("S3LO_SCHEMA_VERSION", "1"),
        ("S3LO_DRY_RUN", "true"),
        ("S3LO_ENDPOINT", "http://127.0.0.1:1"),
        ("S3LO_ROLE_TO_ASSUME", "arn:aws:iam::111122223333:role/evil"),
        ("S3LO_WEB_IDENTITY_TOKEN_FILE", "keys/cosign.pub"),
        ("S3LO_DOTENV_FILE", "evil.env"),
        ("S3LO_RESULTS_DIRECTORY", "evil"),
        ("S3LO_COMMAND", "sign"),
        ("INPUT_REFERENCE", "s3://my-bucket/evil:v1"),
        ("INPUT_KEY", "keys/cosign.pub"),
        ("PLUGIN_KEY", "keys/cosign.pub"),
    ] {
        project.set(name, value);
    }
    // They would have let it pass.
    project.set("COSIGN_PASSWORD", "secret");
    let yaml = including(&[("sign", &to_sign()), ("verify", &to_verify())], "");
    let pipeline = project.run(&yaml).passes();
    assert_eq!(aws.records().len(), 1);
    let record: Value = serde_json::from_slice(&aws.records()[0]).unwrap();
    assert_eq!(record["schemaVersion"], 2);
    let verified = pipeline.variables("s3lo-verify");
    assert_eq!(verified["S3LO_VERIFY_DIGEST"], DIGEST);
    let log = pipeline.log("s3lo-verify");
    assert!(log.contains("release-signer.pub"), "{log}");
    assert!(log.contains("ignored: "), "{log}");
    let of_component = "since this step takes its options from the inputs of the component only";
    assert!(log.contains(of_component), "{log}");
}

#[test]
fn the_digest_of_an_earlier_job_pins_what_is_signed() {
    let (aws, project) = team();
    let build = |digest: &str| {
        format!(
            "build:\n  stage: build\n  script:\n    - echo IMAGE_DIGEST={digest} >build.env\n  artifacts:\n    reports:\n      dotenv: build.env\n"
        )
    };
    let pinned = to_sign().replace(":v1.0", ":v1.0@$IMAGE_DIGEST") + "\ndependencies: [build]";
    let run = |sign: &str, digest: &str| project.run(&including(&[("sign", sign)], &build(digest)));
    let other = format!("sha256:{}", "0".repeat(64));
    let refused = run(&pinned, &other).fails();
    assert!(
        refused.log("s3lo-sign").contains("digest"),
        "{}",
        refused.log("s3lo-sign")
    );
    // An empty variable is no pin, and is not ignored.
    run(&pinned, "").fails();
    run(&pinned.replace("\ndependencies: [build]", ""), DIGEST).fails();
    assert!(aws.records().is_empty());
    run(&pinned, DIGEST).passes();
    assert_eq!(aws.records().len(), 1);
}
