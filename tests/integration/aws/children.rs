//! The environment of child processes: it has no secret that is not for them.

use std::fs;

use super::identity::buildkite;
use crate::support::aws_fixture::{AwsFixture, EVERYTHING};

const CANARY: &str = "CANARY-OF-A-CHILD";

/// Variables with secrets of others, and those that a child needs.
fn set_secrets(aws: &mut AwsFixture) {
    for name in [
        "COSIGN_PASSWORD",
        "S3LO_PASSWORD",
        "VAULT_TOKEN",
        "VAULT_SECRET_ID",
        "BAO_TOKEN",
        "BAO_SECRET_ID",
    ] {
        aws.sandbox.set(name, CANARY);
    }
    aws.sandbox.set("VAULT_ADDR", "https://vault.example");
    aws.sandbox.set("OF_ANOTHER", "is-passed-on");
    let key = format!("{}# {CANARY}", crate::support::plain_key());
    aws.sandbox.set("PUBLIC_OR_PRIVATE", &key);
}

const SIGN: &str = "sign s3://my-bucket/myapp:v1.0 --key env://PUBLIC_OR_PRIVATE";

#[track_caller]
fn has_no_secret(environment: &str) {
    assert!(!environment.contains(CANARY), "{environment}");
    assert!(!environment.contains("PRIVATE KEY"), "{environment}");
    for needed in [
        "OF_ANOTHER=is-passed-on",
        "VAULT_ADDR=https://vault.example",
    ] {
        assert!(environment.contains(needed), "{environment}");
    }
}

#[test]
fn a_credential_process_gets_no_secret() {
    for (variable, text) in [
        (
            "AWS_CONFIG_FILE",
            "[default]\ncredential_process = PROCESS\n",
        ),
        (
            "AWS_CONFIG_FILE",
            "[default]\r\ncredential_process=PROCESS --for me # it\r\n",
        ),
        (
            "AWS_SHARED_CREDENTIALS_FILE",
            "[other]\n[default]\n\ncredential_process =PROCESS\n",
        ),
        ("", "[default]\ncredential_process = PROCESS 'a b'\n"),
    ] {
        let mut aws = AwsFixture::new();
        set_secrets(&mut aws);
        let own = aws.server.user("own", EVERYTHING);
        let script = format!(
            "#!/bin/sh\nenv >{}\necho '{{\"Version\": 1, \"AccessKeyId\": \"{}\", \"SecretAccessKey\": \"{}\"}}'\n",
            aws.sandbox.file("environment").display(),
            own.access_key_id,
            own.secret_access_key
        );
        let process = aws.sandbox.write_program("process", &script);
        let text = text.replace("PROCESS", process.to_str().unwrap());
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            aws.sandbox.unset(name);
        }
        if variable.is_empty() {
            let home = aws.sandbox.path().to_str().unwrap().to_owned();
            aws.sandbox.set("HOME", &home);
            aws.sandbox.unset("AWS_CONFIG_FILE");
            aws.sandbox.write(".aws/config", text);
        } else {
            aws.sandbox.write("file", text);
            aws.sandbox.set(variable, "file");
        }
        aws.sandbox.set("PATH", "/usr/bin:/bin");
        aws.s3lo(SIGN).ends_with(0);
        has_no_secret(&fs::read_to_string(aws.sandbox.file("environment")).unwrap());
    }
}

#[test]
fn the_buildkite_agent_gets_no_secret() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    for name in ["GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL"] {
        aws.sandbox.unset(name);
    }
    set_secrets(&mut aws);
    buildkite(&mut aws.sandbox, "exit 1");
    for name in [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    ] {
        aws.sandbox.set(name, CANARY);
    }
    aws.sandbox.set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    let role = "--role-arn arn:aws:iam::111122223333:role/signer";
    aws.s3lo(&format!("{SIGN} {role}")).ends_with(2);
    let environment = fs::read_to_string(aws.sandbox.file("agent.environment")).unwrap();
    has_no_secret(&environment);
    assert!(environment.contains("BUILDKITE_AGENT_ACCESS_TOKEN=of-the-agent"));
}
