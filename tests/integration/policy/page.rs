//! The page about policies: its example is a policy, and its commands run on it as printed.

use s3lo_test_servers::s3::S3Server;

use super::sandbox;
use crate::cli::documentation::{blocks, text};
use crate::support::{MANIFEST, minio};

#[test]
fn the_documented_policy_and_commands_do_what_the_page_says() {
    let page = text("docs/policy.md");
    let [example] = <[String; 1]>::try_from(blocks(&page, "toml")).unwrap();
    let server = S3Server::start();
    let manifest = "/prod/manifests/payments/api/v1/manifest.json";
    server.put(manifest, MANIFEST.as_bytes());
    let sandbox = sandbox("")
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
        .with("AWS_ENDPOINT_URL_S3", &server.endpoint);
    sandbox.write("s3lo-policy.toml", &example);
    for (name, key) in [
        ("ci", "ci"),
        ("ci-2025", "old"),
        ("qa", "qa"),
        ("security", "security"),
    ] {
        let public = std::fs::read(sandbox.file(&format!("gate/keys/{key}.pub"))).unwrap();
        sandbox.write(&format!("keys/{name}.pub"), public);
    }
    let image = "s3://prod/payments/api:v1";
    let sign = |key: &str| {
        let line = format!("sign {image} --key {key}.key --schema-version 2");
        sandbox.s3lo(&line).ends_with(0);
    };
    let verify = |code| {
        let line = format!("verify {image} --policy s3lo-policy.toml");
        sandbox.s3lo(&line).ends_with(code)
    };
    sign("ci");
    assert!(verify(1).err.contains("any of qa, security"));
    // Not by `qa`, whose end comes.
    sign("security");
    let lines: Vec<_> = blocks(&page, "sh")
        .concat()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 3);
    for line in lines {
        sandbox
            .s3lo(line.strip_prefix("s3lo ").unwrap())
            .ends_with(0);
    }
    let line = "verify s3://elsewhere/app:v1 --policy s3lo-policy.toml";
    let refused = sandbox.s3lo(line).ends_with(1);
    assert!(
        refused.err.contains("only images of the bucket prod"),
        "{}",
        refused.err
    );
}
