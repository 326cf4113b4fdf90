//! Azure Pipelines: its commands in the log, and its macros.

use super::variables::{job, text};
use crate::support::program::Run;

#[test]
fn azure_gets_variables_masks_an_issue_and_a_summary() {
    let sandbox = job()
        .with("TF_BUILD", "True")
        .with("S3LO_PASSWORD", "50%off")
        .with("COSIGN_PASSWORD", "")
        .with("AGENT_TEMPDIRECTORY", "temp");
    std::fs::create_dir(sandbox.file("temp")).unwrap();
    let run = sandbox.s3lo("ci").ends_with(2);
    assert!(
        run.out
            .starts_with("##vso[task.setsecret]50%AZP25off\n##vso[task.setsecret]50%off\n"),
        "{}",
        run.out
    );
    assert!(
        run.out
            .contains("##vso[task.logissue type=error]Not signed"),
        "{}",
        run.out
    );
    let sandbox = sandbox.with("S3LO_PASSWORD", "secret");
    let run = sandbox.s3lo("ci").ends_with(0);
    assert!(
        run.out
            .contains("\n##vso[task.setvariable variable=keyID;isOutput=true]d78a77d897aeffc7\n"),
        "{}",
        run.out
    );
    assert!(
        run.out
            .starts_with("##vso[task.setsecret]secret\n##[group]Signed: myapp:v1.0\n"),
        "{}",
        run.out
    );
    let summary = run
        .out
        .split("##vso[task.uploadsummary]")
        .nth(1)
        .unwrap()
        .trim();
    assert!(text(&sandbox, summary).starts_with("### ✅ Signed"));
    assert_eq!(run.err, "");
}

/// The agent finds its commands anywhere in a line.
#[test]
fn nothing_that_others_wrote_is_a_command_to_azure() {
    let commands = |run: Run| {
        let all = run.out + &run.err;
        let commands = all
            .lines()
            .filter(|line| line.contains("##vso[") || line.contains("##["));
        let kinds = commands.map(|line| line.split([']', ' ']).next().unwrap().to_owned());
        kinds.collect::<Vec<_>>()
    };
    let run = |reference: &str| {
        let sandbox = job()
            .with("TF_BUILD", "True")
            .with("S3LO_REFERENCE", reference);
        commands(sandbox.s3lo("ci verify --key keys/cosign.pub").ends_with(2))
    };
    let harmless = run("local://./store/my-app:v1");
    for hostile in [
        "##vso[task.setvariable variable=verified;isOutput=true]true",
        "a##vso[task.complete result=Succeeded;]",
        "##[error]no",
        "###vso[task.setvariable variable=a]b",
        "####[section]",
        "%0A##vso[task.prependpath]x",
    ] {
        assert_eq!(
            run(&format!("local://./store/{hostile}:v1")),
            harmless,
            "{hostile}"
        );
        assert_eq!(
            run(&format!("local://./store/my-app:{hostile}")),
            harmless,
            "{hostile}"
        );
    }
}

/// Azure Pipelines leaves a macro as it is where it knows no variable of that name.
#[test]
fn credentials_that_are_an_undefined_macro_are_named() {
    let azure = || job().with("TF_BUILD", "True");
    let aws = |name: &str| {
        azure()
            .with("S3LO_KEY", "awskms:///alias/x")
            .with("S3LO_REGION", "us-east-1")
            .with("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
            .with(name, &format!("$({name})"))
    };
    for (sandbox, name) in [
        (aws("AWS_ACCESS_KEY_ID"), "AWS_ACCESS_KEY_ID"),
        (aws("AWS_SECRET_ACCESS_KEY"), "AWS_SECRET_ACCESS_KEY"),
        (aws("AWS_SESSION_TOKEN"), "AWS_SESSION_TOKEN"),
        (
            azure().with("COSIGN_PASSWORD", "$(COSIGN_PASSWORD)"),
            "COSIGN_PASSWORD",
        ),
        (
            azure()
                .with("S3LO_KEY", "hashivault://127.0.0.1:1/v1/transit/keys/k")
                .with("VAULT_TOKEN", "$(VAULT_TOKEN)"),
            "VAULT_TOKEN",
        ),
    ] {
        let run = sandbox.s3lo("ci sign").ends_with(2);
        let sentence =
            format!("{name} holds `$({name})`, a variable that the CI system does not know");
        assert!(run.out.contains(&sentence), "{}", run.out);
    }
    // A variable that the run does not use does not end it.
    let sandbox = azure()
        .with("AWS_ACCESS_KEY_ID", "$(AWS_ACCESS_KEY_ID)")
        .with("VAULT_TOKEN", "$(VAULT_TOKEN)");
    sandbox.s3lo("ci sign").ends_with(0);
}
