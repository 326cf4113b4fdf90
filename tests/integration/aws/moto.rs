//! The exchange of an identity token with an independent STS: moto's. It asks little of a token, and so
//! shows no refusals; but its answers come from outside this project.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::aws_fixture::{MANIFEST_PATH, ROLE_ARN};
use crate::support::program::Sandbox;
use crate::support::tools::tool;
use crate::support::{MANIFEST, plain_key};
use s3lo_test_servers::s3::S3Server;

/// A moto that serves until it is dropped.
struct Moto {
    endpoint: String,
    process: Child,
}

impl Moto {
    fn start() -> Self {
        let mut process = Command::new(tool("moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It takes a free port, and prints it once it listens there.
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let endpoint = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, url) = line.split_once("Running on ")?;
            Some(url.trim().to_owned())
        });
        // Its later output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            endpoint: endpoint.expect("moto did not start"),
            process,
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A token whose signature moto does not look at.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuY29tIiwiYXVkIjoic3RzLmFtYXpvbmF3cy5jb20iLCJzdWIiOiJyZXBvOmFjbWUvYXBwIn0.c2ln";

#[test]
fn a_role_is_assumed_at_motos_sts() {
    let (moto, s3) = (Moto::start(), S3Server::start());
    s3.put(MANIFEST_PATH, MANIFEST.as_bytes());
    let sandbox = Sandbox::new()
        .with("AWS_ENDPOINT_URL_STS", &moto.endpoint)
        .with("AWS_ENDPOINT_URL_S3", &s3.endpoint)
        .with("GITLAB_CI", "true")
        .with("GITLAB_OIDC_TOKEN", TOKEN);
    sandbox.write("plain.key", plain_key());
    let line = format!("sign s3://my-bucket/myapp:v1.0 --key plain.key --role-arn {ROLE_ARN}");
    // The account is that of the session's ARN, as moto reports it.
    sandbox
        .s3lo(&format!("{line} --allowed-account 444455556666"))
        .ends_with(2);
    sandbox
        .s3lo(&format!("{line} --allowed-account 111122223333"))
        .ends_with(0);
    let signed = s3
        .headers()
        .into_iter()
        .filter_map(|headers| headers.get("authorization").cloned());
    let signed: Vec<_> = signed.collect();
    assert!(!signed.is_empty());
    for authorization in signed {
        assert!(authorization.contains("Credential=ASIA"), "{authorization}");
    }
}

#[test]
fn moto_is_asked_whose_credentials_these_are() {
    let (moto, s3) = (Moto::start(), S3Server::start());
    s3.put(MANIFEST_PATH, MANIFEST.as_bytes());
    let sandbox = Sandbox::new()
        .with("AWS_ENDPOINT_URL_STS", &moto.endpoint)
        .with("AWS_ENDPOINT_URL_S3", &s3.endpoint)
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "a-secret");
    sandbox.write("plain.key", plain_key());
    let line = "sign s3://my-bucket/myapp:v1.0 --key plain.key --allowed-account";
    sandbox.s3lo(&format!("{line} 111122223333")).ends_with(2);
    sandbox.s3lo(&format!("{line} 123456789012")).ends_with(0);
}
