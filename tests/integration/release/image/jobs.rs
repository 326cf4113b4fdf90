//! Jobs of CI systems that run in the images, against a real S3: the container action of GitHub, started as its
//! runner starts it, and a script of GitLab, in the image with a shell.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use s3lo::store::Store as _;
use serde_json::Value;
use tempfile::TempDir;

use super::built::Container;
use crate::store::conformance::{config, make_bucket, store, wait_for};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE, ROLE_ARN, trust};
use crate::support::github_runner::{Runner, Step};
use crate::support::minio::minio;
use crate::support::program::finish;
use crate::support::{MANIFEST, files};
use s3lo_test_servers::aws::{
    AUDIENCE, AwsServer, Call, Credentials, Issuer, Subject, TokenAlgorithm, Trust,
};
use s3lo_test_servers::http::Reply;

/// An account whose sessions MinIO knows as well, with the image `s3://BUCKET/myapp:v1.0` there.
struct Account {
    aws: AwsFixture,
    /// The server that the jobs use as STS.
    sts: AwsServer,
    bucket: &'static str,
}

impl Account {
    fn new(bucket: &'static str) -> Self {
        let mut aws = AwsFixture::bare();
        aws.server.role(ROLE, &trust(), EVERYTHING);
        let session = wait_for(async {
            make_bucket(bucket).await;
            let manifest = "manifests/myapp/v1.0/manifest.json";
            let store = store(bucket, &minio().endpoint);
            store.create(manifest, MANIFEST.as_bytes()).await.unwrap();
            session_of_minio().await
        });
        aws.server.user_with(session.clone(), "session", EVERYTHING);
        let sts = AwsServer::start();
        let account = aws.server.endpoint.clone();
        sts.fault(move |call| Some(exchanged(&account, call, &session)));
        aws.sandbox.set("AWS_ENDPOINT_URL_STS", &sts.endpoint);
        aws.sandbox.unset("AWS_ENDPOINT_URL_S3");
        Self { aws, sts, bucket }
    }

    fn reference(&self) -> String {
        format!("s3://{}/myapp:v1.0", self.bucket)
    }

    /// The records of the image.
    fn records(&self) -> Vec<String> {
        let store = store(self.bucket, &minio().endpoint);
        let listing = wait_for(store.list("manifests/myapp/v1.0/signatures/"));
        let names = listing.unwrap().objects.into_iter();
        names.map(|listed| listed.name).collect()
    }
}

/// Credentials of a session with MinIO.
async fn session_of_minio() -> Credentials {
    let sts = aws_sdk_sts::config::Builder::from(&config())
        .endpoint_url(&minio().endpoint)
        .build();
    let asked = aws_sdk_sts::Client::from_conf(sts).assume_role();
    // MinIO has no roles, but the SDK insists.
    let answer = asked
        .role_arn(ROLE_ARN)
        .role_session_name("test")
        .send()
        .await
        .unwrap();
    let given = answer.credentials().unwrap();
    Credentials {
        access_key_id: given.access_key_id().to_owned(),
        secret_access_key: given.secret_access_key().to_owned(),
        session_token: Some(given.session_token().to_owned()),
    }
}

/// The answer of the account to a call of STS: it checks the identity token and whom the role trusts; and of a
/// session that it gives, the credentials are replaced by those that MinIO knows.
fn exchanged(account: &str, call: &Call, session: &Credentials) -> Reply {
    let mut form = String::new();
    for (name, value) in call.body.as_object().unwrap() {
        let value = value.as_str().unwrap();
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        form.push_str(&format!("{name}={value}&"));
    }
    let host = account.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    stream
        .write_all(format!("{head}{form}").as_bytes())
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    for (tag, value) in [
        ("AccessKeyId", &session.access_key_id),
        ("SecretAccessKey", &session.secret_access_key),
        ("SessionToken", session.session_token.as_ref().unwrap()),
    ] {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        if let Some((before, (_, after))) = body
            .split_once(&open)
            .and_then(|(before, rest)| Some((before, rest.split_once(&close)?)))
        {
            body = format!("{before}{open}{value}{close}{after}");
        }
    }
    let headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
    Reply::Answer(status, headers, body.into_bytes())
}

/// A step of the workflow of `acme/app`, on its main branch.
fn step(action: &str, account: &Account) -> Runner {
    let url = format!("{}/token?api-version=2.0", account.aws.server.endpoint);
    Runner::new(action)
        .at(&account.aws)
        .may_identify_itself(&url)
        .with("reference", &account.reference())
        .with("key", "awskms:///alias/release-signer")
        .with("role-to-assume", ROLE_ARN)
        .with("endpoint", &minio().endpoint)
}

/// The folders that the runner mounts.
const FOLDERS: [&str; 5] = [
    "workspace",
    "home",
    "workflow",
    "file_commands",
    "runner_temp",
];

/// Runs it in a container of the image without a shell, with the folders that the runner mounts but these.
fn run(step: &Runner, but: &[&str]) -> Step {
    run_by(step, "scratch", but, None)
}

/// Runs it in a container of an image, by the image's entry point or by another.
fn run_by(step: &Runner, image: &str, but: &[&str], entrypoint: Option<&str>) -> Step {
    let container = Container::of(image);
    step.run_in(|folder, arguments, variables| {
        let names = FOLDERS.iter().filter(|name| !but.contains(name));
        let folders: Vec<_> = names
            .map(|name| (folder.join(name), format!("/github/{name}")))
            .collect();
        let mounts: Vec<_> = folders
            .iter()
            .map(|(here, there)| (here.as_path(), there.as_str()))
            .collect();
        let workspace = "/github/workspace";
        let mut command = match entrypoint {
            None => container.started(&mounts, variables, workspace, arguments),
            Some(program) => {
                let words = [&[program.to_owned()], arguments].concat();
                container.command(&mounts, variables, workspace, &words)
            }
        };
        command.spawn().unwrap()
    })
}

#[test]
fn the_action_signs_and_verifies_in_the_image() {
    let account = Account::new("signed-in-the-image");
    let signed = run(
        &step("action.yml", &account).with("schema-version", "2"),
        &[],
    )
    .ends_with(0);
    let digest = signed.output("digest").unwrap();
    assert!(digest.starts_with("sha256:"));
    let record = format!("{}.json", signed.output("keyID").unwrap());
    assert_eq!(account.records(), [record.as_str()]);
    let path = format!(
        "{}/manifests/myapp/v1.0/signatures/{record}",
        account.bucket
    );
    assert_eq!(signed.output("storedPath"), Some(path.as_str()));
    assert_eq!(signed.results().len(), 1);
    assert!(signed.summary.starts_with("### "), "{}", signed.summary);
    assert!(signed.new_files.is_empty(), "{:?}", signed.new_files);
    // The job's own identity did that.
    assert_eq!(
        account.aws.actions(),
        ["token", "AssumeRoleWithWebIdentity", "GetPublicKey", "Sign"]
    );
    assert_eq!(
        account
            .sts
            .calls()
            .iter()
            .filter(|call| call.service == "sts")
            .count(),
        1
    );

    let verified = run(
        &step("verify/action.yml", &account).with("min-schema", "2"),
        &[],
    )
    .ends_with(0);
    assert_eq!(verified.output("verified"), Some("true"));
    assert_eq!(verified.output("digest"), Some(digest));
    assert!(verified.new_files.is_empty(), "{:?}", verified.new_files);
}

#[test]
fn the_action_fails_in_the_image_as_the_program_does() {
    let account = Account::new("not-signed-in-the-image");
    let refused = run(&step("verify/action.yml", &account), &[]).ends_with(1);
    assert_eq!(refused.output("verified"), Some("false"));
    let unknown = run(
        &step("action.yml", &account).with("shema-version", "2"),
        &[],
    )
    .ends_with(2);
    assert!(unknown.results()[0]["error"]["message"].is_string());
    assert!(unknown.new_files.is_empty(), "{:?}", unknown.new_files);
    assert!(account.records().is_empty());
}

/// `runs.entrypoint`, or a runner that puts its own in the place of the image's.
#[test]
fn the_action_works_in_both_images_where_the_entry_point_is_overridden() {
    let account = Account::new("signed-by-another-entry-point");
    for (image, status) in [("scratch", "signed"), ("shell", "kept")] {
        let program = Some("/usr/local/bin/s3lo");
        let signed = run_by(&step("action.yml", &account), image, &[], program).ends_with(0);
        assert_eq!(signed.results()[0]["status"], status);
        let verified =
            run_by(&step("verify/action.yml", &account), image, &[], program).ends_with(0);
        assert_eq!(verified.output("verified"), Some("true"));
    }
    assert_eq!(account.records().len(), 1);
}

#[test]
fn a_home_that_is_not_there_is_none_that_is_needed() {
    let account = Account::new("signed-without-a-home");
    run(&step("action.yml", &account), &["home"]).ends_with(0);
    assert_eq!(account.records().len(), 1);
}

/// As a runner of GitLab: it resets the entrypoint, and pipes the job's script into a shell.
#[test]
fn a_script_of_gitlab_signs_in_the_image_with_a_shell() {
    let account = Account::new("signed-by-a-script");
    let gitlab = Issuer::new("https://gitlab.com", TokenAlgorithm::Es256);
    let subject = "project_path:acme/app:ref_type:branch:ref:main";
    account.aws.server.trust_issuer(&gitlab, &[AUDIENCE]);
    let trust = Trust {
        issuer: gitlab.url().to_owned(),
        audience: AUDIENCE.to_owned(),
        subject: Subject::Equals(subject.to_owned()),
    };
    account.aws.server.role(ROLE, &trust, EVERYTHING);
    let mut variables = account.aws.sandbox.environment();
    variables.retain(|(name, _)| name.starts_with("AWS_"));
    let token = gitlab.identity_token(subject, AUDIENCE, 300);
    for (name, value) in [
        ("CI", "true"),
        ("GITLAB_CI", "true"),
        ("CI_PROJECT_PATH", "acme/app"),
        ("CI_PIPELINE_ID", "7"),
        ("CI_PROJECT_DIR", "/builds/acme/app"),
        ("GITLAB_OIDC_TOKEN", token.as_str()),
        ("S3LO_REFERENCE", &account.reference()),
        ("S3LO_KEY", "awskms:///alias/release-signer"),
        ("S3LO_ROLE_TO_ASSUME", ROLE_ARN),
        ("S3LO_ENDPOINT", &minio().endpoint),
        ("S3LO_DOTENV_FILE", "s3lo.env"),
    ] {
        variables.push((name.to_owned(), value.to_owned()));
    }
    let builds = TempDir::new().unwrap();
    let shell = Container::of("shell");
    let run = |script: &str| {
        let mounts: [(&Path, &str); 1] = [(builds.path(), "/builds/acme/app")];
        let command = ["sh", "-c", script];
        let mut command = shell.command(&mounts, &variables, "/builds/acme/app", &command);
        finish(command.spawn().unwrap()).ends_with(0)
    };
    let signed = run("s3lo ci sign");
    assert!(signed.out.contains("section_start:"), "{}", signed.out);
    assert_eq!(account.records().len(), 1);
    assert_eq!(files(builds.path()), ["s3lo.env"]);
    let dotenv = std::fs::read_to_string(builds.path().join("s3lo.env")).unwrap();
    assert!(dotenv.starts_with("S3LO_SIGN_SIGNED=true\n"), "{dotenv}");
    let verified = run("cd / && cd - >/dev/null && s3lo ci verify && cat s3lo.env");
    assert!(
        verified.out.ends_with('\n') && verified.out.contains("S3LO_VERIFY_VERIFIED=true\n"),
        "{}",
        verified.out
    );
}

/// Without a CI system, as in Tekton: the image is run as it is, and reports the outcome.
#[test]
fn the_image_signs_without_a_command() {
    let account = Account::new("signed-by-the-image-alone");
    let (reference, key) = (account.reference(), crate::support::plain_key());
    let variables = [
        ("S3LO_REFERENCE", reference.as_str()),
        ("S3LO_KEY", "env://PRIVATE_KEY"),
        ("PRIVATE_KEY", key.as_str()),
        ("S3LO_ENDPOINT", minio().endpoint.as_str()),
        ("S3LO_OUTPUT", "json"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", crate::support::minio::USER),
        ("AWS_SECRET_ACCESS_KEY", crate::support::minio::PASSWORD),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let container = Container::of("scratch");
    let results = TempDir::new().unwrap();
    // Tekton gives every step this folder, and reads the results that the task declares.
    let mounts = [(results.path(), "/tekton/results")];
    let run = container
        .started(&mounts, &variables, "/", &[])
        .spawn()
        .unwrap();
    let result: Value = finish(run).ends_with(0).json();
    assert_eq!(result["status"], "signed");
    assert_eq!(account.records().len(), 1);
    for name in ["digest", "keyID", "storedPath", "signedAt"] {
        let left = std::fs::read_to_string(results.path().join(name)).unwrap();
        assert_eq!(left, result[name].as_str().unwrap());
    }
}
