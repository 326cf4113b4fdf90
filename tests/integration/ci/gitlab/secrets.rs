//! Keys and passwords are CI/CD variables, and no value of an input is more than a value.

use serde_json::json;

use super::{including, team};
use crate::support::aws_fixture::ROLE_ARN;
use crate::support::gitlab::team::Team;
use crate::support::gitlab::{Project, log};
use crate::support::program::{Sandbox, finish};
use crate::support::{plain_key, vectors};

#[test]
fn keys_and_passwords_are_variables_of_the_project() {
    let (aws, mut project) = team();
    let key = std::fs::read_to_string(vectors().join("keys/cosign.key")).unwrap();
    project.set("COSIGN_PASSWORD", "secret");
    project.set("COSIGN_PRIVATE_KEY", &plain_key());
    // GitLab gives jobs the path of a file that holds the value.
    project.set_file("COSIGN_KEY", &key);
    std::fs::remove_dir_all(project.file("keys")).unwrap();
    let inputs = format!(
        "stage: sign\nreference: s3://my-bucket/myapp:v1.0\nkey: |\n  env://COSIGN_PRIVATE_KEY\n  $COSIGN_KEY\nrole-to-assume: {ROLE_ARN}"
    );
    let yaml = including(&[("sign", &inputs)], "");
    let pipeline = project.run(&yaml).passes();
    assert_eq!(aws.records().len(), 2);
    let all = pipeline.log("s3lo-sign")
        + &String::from_utf8_lossy(&pipeline.artifact("s3lo-sign", "s3lo-sign.json"));
    for secret in [
        "PRIVATE KEY-----",
        "secret\n",
        &project.value("GITLAB_OIDC_TOKEN"),
    ] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn a_key_in_vault_signs_by_the_identity_of_the_job() {
    let mut team = Team::new();
    let inputs = |audience: &str| {
        format!(
            "stage: sign\nreference: s3://my-bucket/myapp:v1.0\nrole-to-assume: {ROLE_ARN}\n\
             key: hashivault://vault.example/v1/transit/keys/ci-signer\nvault-role: signer\n\
             vault-address: https://vault.example\nvault-audience: {audience}"
        )
    };
    let yaml = including(&[("sign", &inputs("https://vault.example"))], "");
    let pipeline = team.run(&yaml).passes();
    assert_eq!(team.aws.records().len(), 1);
    // The audience of GitLab's token is the one that the program gets.
    let job = pipeline.job("s3lo-sign");
    let audience = &job["id_tokens"]["VAULT_ID_TOKEN"]["aud"];
    assert_eq!(audience, "$VAULT_ID_TOKEN_AUDIENCE");
    let given = &job["variables"]["VAULT_ID_TOKEN_AUDIENCE"];
    assert_eq!(given.as_str(), Some(team.vault.address.as_str()));
    // Without one, the token has no audience, and Vault refuses it.
    team.has_token_for("");
    let refused = team
        .run(&including(&[("sign", &inputs("\"\""))], ""))
        .fails();
    let log = refused.log("s3lo-sign");
    assert!(log.contains("audience"), "{log}");
}

/// An input is a variable's value where it names one, and that may be the key itself.
#[test]
fn a_key_in_the_place_of_its_name_is_not_repeated() {
    let sandbox = Sandbox::with_image();
    let base64 = format!("eyJ{}", "a".repeat(61));
    for key in [&plain_key(), base64.as_str()] {
        let mut job = sandbox.command(&["ci", "sign", "--input"]);
        job.env("GITLAB_CI", "true");
        job.arg("reference=local://./store/myapp:v1.0");
        job.arg("--input").arg(format!("key={key}"));
        let run = finish(job.spawn().unwrap()).ends_with(2);
        let all = run.out + &run.err;
        assert!(all.contains("error"), "{all}");
        for line in key.lines().filter(|line| !line.starts_with("---")) {
            assert!(!all.contains(line), "{all}");
        }
    }
}

/// A job's shell gets the text of the inputs, and never runs it. What else could be run GitLab refuses by the inputs'
/// patterns, which the client does not know.
#[test]
fn the_value_of_an_input_is_never_a_command() {
    let mut project = Project::new("acme/app");
    project.set("OUT", &project.file("out").display().to_string());
    project.set("EVIL", "\"; touch $OUT; $(touch $OUT) `touch $OUT`");
    let jobs: Vec<_> = [
        "s3://b/a:v1; touch $OUT",
        "s3://b/a:v1' | touch '$OUT",
        "s3://b/a:v1\ntouch $OUT\n",
        "s3://b/a:$EVIL",
        "$EVIL",
        "--key=${EVIL}",
    ]
    .into_iter()
    .enumerate()
    .map(|(number, evil)| {
        let evil = json!(evil);
        format!(
            "stage: sign\njob-name: evil-{number}\nreference: {evil}\nkey: {evil}\nregion: {evil}\n\
             timeout: {evil}\nvault-role: {evil}"
        )
    })
    .collect();
    let includes: Vec<_> = jobs.iter().map(|job| ("sign", job.as_str())).collect();
    let pipeline = project.run(&including(&includes, "")).fails();
    assert!(!project.file("out").exists());
    for number in 0..jobs.len() {
        let job = format!("evil-{number}");
        log::read(&pipeline.log(&job)).unwrap();
        assert_eq!(pipeline.variables(&job)["S3LO_SIGN_SIGNED"], "false");
    }
}
