//! The machine that a system runs an example on: the servers, the programs on its PATH, and identities.

use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::json;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE};
use crate::support::program::{Run, finish};
use s3lo_test_servers::aws::{Credentials, Issuer, Subject, TokenAlgorithm, Trust};
use s3lo_test_servers::http::{Reply, Request, Service, Wire, listen};

pub(crate) struct Host {
    pub(crate) aws: AwsFixture,
}

/// The credentials of the host's role, for those who ask at this path and with this authorization.
struct CredentialsService {
    path: &'static str,
    authorization: Option<&'static str>,
    credentials: Credentials,
}

impl Service for CredentialsService {
    fn answer(&self, request: &Request, _: usize) -> Reply {
        let given = request.headers.get("authorization").map(String::as_str);
        if request.path != self.path || given != self.authorization {
            return Reply::Answer(404, Vec::new(), Vec::new());
        }
        let answer = json!({
            "AccessKeyId": self.credentials.access_key_id,
            "SecretAccessKey": self.credentials.secret_access_key,
            "Token": self.credentials.session_token,
            "Expiration": "2099-01-01T00:00:00Z",
        });
        Reply::Answer(200, Vec::new(), answer.to_string().into_bytes())
    }
}

impl Host {
    /// One without credentials or a region, with `s3lo` and a `docker` that runs it, and with the public key of the gate.
    pub(crate) fn new() -> Self {
        let mut aws = AwsFixture::bare();
        let public = crate::support::vectors().join("plain-keys/p256-pkcs8.pub");
        std::fs::copy(public, aws.sandbox.file("release-signer.pub")).unwrap();
        let sandbox = &mut aws.sandbox;
        let docker = include_str!("../../support/docker_run");
        sandbox.write_program("bin/docker", docker);
        let bin = sandbox.file("bin");
        symlink(env!("CARGO_BIN_EXE_s3lo"), bin.join("s3lo")).unwrap();
        sandbox.set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
        // The address of an instance's credentials is on no loopback.
        sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
        sandbox.unset("AWS_REGION");
        sandbox.unset("COSIGN_PASSWORD");
        Self { aws }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.aws.sandbox.set(name, value);
    }

    pub(crate) fn set_all(&mut self, variables: &[(String, String)]) {
        self.aws.set(variables);
    }

    /// Signs what a gate will verify.
    pub(crate) fn sign(&self) {
        let key = crate::support::plain_key();
        self.aws.sandbox.write("signer.key", key);
        let user = self.aws.server.user("signer", EVERYTHING);
        let mut sign = self.aws.sandbox.command(&[
            "sign",
            "s3://my-bucket/myapp:v1.0",
            "--key=signer.key",
            "--schema-version=2",
            "--region=us-east-1",
        ]);
        sign.envs(user.environment());
        finish(sign.spawn().unwrap()).ends_with(0);
    }

    /// A system whose jobs the role `signer` trusts; a token of one of them.
    pub(crate) fn issuer(&self, issuer: &str, audience: &str, subject: &str) -> String {
        let issuer = Issuer::new(issuer, TokenAlgorithm::Es256);
        self.aws.server.trust_issuer(&issuer, &[audience]);
        let trust = Trust {
            issuer: issuer.url().to_owned(),
            audience: audience.to_owned(),
            subject: Subject::Equals(subject.to_owned()),
        };
        self.aws.server.role(ROLE, &trust, EVERYTHING);
        issuer.identity_token(subject, audience, 300)
    }

    /// Lets the role trust no one that there is.
    pub(crate) fn forget_role(&self) {
        let trust = Trust {
            issuer: "https://nobody.example".to_owned(),
            audience: "nobody".to_owned(),
            subject: Subject::Equals("nobody".to_owned()),
        };
        self.aws.server.role(ROLE, &trust, EVERYTHING);
    }

    /// Credentials that a secret of the system holds.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        self.aws.server.user("ci", EVERYTHING).environment()
    }

    /// A server of the host's role; its address.
    pub(crate) fn credentials_service(
        &self,
        path: &'static str,
        authorization: Option<&'static str>,
    ) -> String {
        listen(
            Wire::Plain,
            CredentialsService {
                path,
                authorization,
                credentials: self.aws.server.session("of-the-host", EVERYTHING),
            },
        )
    }

    /// Runs a script in the host's folder.
    pub(crate) fn sh(&self, shell: &str, script: &str) -> Run {
        let mut command = Command::new(shell);
        command.args(["-e", "-c", script]);
        finish(self.aws.sandbox.in_sandbox(command).spawn().unwrap())
    }

    /// Runs scripts one after the other, each in a shell of its own, until one fails.
    pub(crate) fn each(&self, shell: &str, scripts: &[String]) -> Run {
        let mut all = Run {
            code: Some(0),
            out: String::new(),
            err: String::new(),
        };
        for script in scripts {
            let run = self.sh(shell, script);
            all.out += &run.out;
            all.err += &run.err;
            all.code = run.code;
            if run.code != Some(0) {
                break;
            }
        }
        all
    }

    /// Runs the image's program with these arguments, and with these variables alone. The servers of the test are in
    /// the place of AWS.
    pub(crate) fn container(&self, arguments: &[String], variables: &[(String, String)]) -> Run {
        let host: HashMap<_, _> = self.aws.sandbox.environment().into_iter().collect();
        let servers = host
            .into_iter()
            .filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
        let arguments = match arguments {
            [] => &["ci".to_owned()],
            given => given,
        };
        let mut command = self.aws.sandbox.command(arguments);
        command.env_clear().envs(servers);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        finish(command.spawn().unwrap())
    }
}
