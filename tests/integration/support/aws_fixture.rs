//! An AWS account of a team: a bucket with an image, a key in KMS, and users and roles; and a sandbox set up for it.

use super::MANIFEST;
use super::program::{Run, Sandbox};
use s3lo_test_servers::aws::{AUDIENCE, AwsServer, Call, GITHUB, Key, Subject, Trust};
use s3lo_test_servers::s3::S3Server;

/// The account, with the key `alias/release-signer` and the image `s3://my-bucket/myapp:v1.0`.
pub(crate) struct AwsFixture {
    pub(crate) server: AwsServer,
    pub(crate) s3: S3Server,
    pub(crate) sandbox: Sandbox,
    /// The key's ARN.
    pub(crate) key: String,
}

/// Where the image's manifest lies.
pub(crate) const MANIFEST_PATH: &str = "/my-bucket/manifests/myapp/v1.0/manifest.json";

/// Where its records lie.
pub(crate) const RECORDS_PATH: &str = "/my-bucket/manifests/myapp/v1.0/signatures/";

/// The command line that signs the image.
pub(crate) const SIGN: &str = "sign s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer";

/// The command line that verifies it.
pub(crate) const VERIFY: &str =
    "verify s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer";

/// May do everything that is done here.
pub(crate) const EVERYTHING: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}
]}"#;

impl AwsFixture {
    /// With a P-256 key, and credentials in the environment that may do everything.
    pub(crate) fn new() -> Self {
        Self::with_key(Key::of_vector("p256-pkcs8"))
    }

    pub(crate) fn with_key(key: Key) -> Self {
        Self::with_policy(key, EVERYTHING)
    }

    /// Credentials in the environment with the permissions of `policy`.
    pub(crate) fn with_policy(key: Key, policy: &str) -> Self {
        let mut aws = Self::without_credentials(AwsServer::start(), key);
        let user = aws.server.user("dev", policy);
        aws.set(&user.environment());
        aws
    }

    /// A job of GitHub Actions that may assume the role `signer`, which has the permissions of `policy`.
    pub(crate) fn in_github(policy: &str) -> Self {
        let mut aws = Self::bare();
        aws.server.role(ROLE, &trust(), policy);
        aws.set(&aws.server.github_environment());
        aws
    }

    /// With a P-256 key, and without credentials.
    pub(crate) fn bare() -> Self {
        Self::without_credentials(AwsServer::start(), Key::of_vector("p256-pkcs8"))
    }

    /// With a home directory and without credentials.
    pub(crate) fn at_home() -> Self {
        let mut aws = Self::bare();
        let home = aws.sandbox.path().to_str().unwrap().to_owned();
        aws.sandbox.set("HOME", &home);
        aws.sandbox.set("PATH", "/usr/bin:/bin");
        aws.sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
        aws
    }

    pub(crate) fn without_credentials(server: AwsServer, key: Key) -> Self {
        let s3 = S3Server::start();
        s3.put(MANIFEST_PATH, MANIFEST.as_bytes());
        server.guard(&s3);
        let key = server.add(key);
        server.alias("alias/release-signer", &key);
        let mut aws = Self {
            sandbox: Sandbox::new().with("AWS_ENDPOINT_URL_S3", &s3.endpoint),
            server,
            s3,
            key,
        };
        aws.set(&aws.server.environment());
        aws
    }

    /// Lets a profile of the home directory run a program, `helper`, for its credentials.
    pub(crate) fn run_for_credentials(&mut self, script: &str) {
        let helper = self.sandbox.write_program("helper", script);
        let config = format!("[profile dev]\ncredential_process = {}\n", helper.display());
        self.sandbox.write(".aws/config", config);
        self.sandbox.set("AWS_PROFILE", "dev");
    }

    pub(crate) fn set(&mut self, variables: &[(String, String)]) {
        for (name, value) in variables {
            self.sandbox.set(name, value);
        }
    }

    pub(crate) fn s3lo(&self, line: &str) -> Run {
        self.sandbox.s3lo(line)
    }

    /// `GetPublicKey`, `Sign` and the like, in the order of arrival.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.action).collect()
    }

    /// Every call but those that only open a connection.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut calls = self.server.calls();
        calls.retain(|call| call.service != "warm");
        calls
    }

    /// The calls of an action.
    pub(crate) fn calls_of(&self, action: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.action == action);
        calls
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|made| *made == action).count()
    }

    /// The records of the image, whole.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        let paths = self.s3.paths();
        let records = paths.iter().filter(|path| path.starts_with(RECORDS_PATH));
        records.filter_map(|path| self.s3.get(path)).collect()
    }
}

/// The role's name.
pub(crate) const ROLE: &str = "signer";

/// The role, as `--role-arn` takes it.
pub(crate) const ROLE_ARN: &str = "arn:aws:iam::111122223333:role/signer";

/// The subject that the role trusts: the main branch of `acme/app`.
pub(crate) fn trust() -> Trust {
    Trust {
        issuer: GITHUB.to_owned(),
        audience: AUDIENCE.to_owned(),
        subject: Subject::Equals("repo:acme/app:ref:refs/heads/main".to_owned()),
    }
}
