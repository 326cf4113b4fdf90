//! All that an example of the README speaks of: a team on GitLab with images in S3, keys in KMS, in Vault and in a
//! CI/CD variable, and scripts that build and deploy.

use s3lo::key::vault::client::address::Product;
use serde_json::json;

use super::{Pipeline, Project, SUBJECT, aws};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING};
use crate::support::vault::Vault;
use crate::support::{MANIFEST, vectors};
use s3lo_test_servers::aws::{Issuer, TokenAlgorithm};

/// The digest of the team's images.
pub(crate) const DIGEST: &str =
    "sha256:21d94c4ae81f56d81b98c4468796264cbff924c3fae1fd9e8379120a7d264f31";

pub(crate) struct Team {
    pub(crate) aws: AwsFixture,
    pub(crate) vault: Vault,
    pub(crate) project: Project,
    issuer: Issuer,
}

impl Team {
    pub(crate) fn new() -> Self {
        let (aws, mut project) = aws(EVERYTHING);
        let service = "/my-bucket/manifests/team/service/v2/manifest.json";
        aws.s3.put(service, MANIFEST.as_bytes());
        let key = std::fs::read_to_string(vectors().join("keys/cosign.key")).unwrap();
        project.set_file("COSIGN_KEY", &key);
        project.set("COSIGN_PASSWORD", "secret");
        let built = format!("echo IMAGE_DIGEST={DIGEST} >build.env");
        project.write_script("build-and-push", &built);
        project.write_script("deploy", "echo \"deployed $1\"");
        let mut team = Self {
            vault: Vault::start(Product::Vault),
            issuer: Issuer::new("https://gitlab.com", TokenAlgorithm::Es256),
            aws,
            project,
        };
        team.set_up_vault();
        team.project.set("VAULT_ADDR", &team.vault.address);
        team.has_token_for(&team.vault.address.clone());
        team
    }

    fn set_up_vault(&self) {
        let vault = &self.vault;
        vault.key("ci-signer", "ecdsa-p256");
        let policy = "path \"transit/keys/ci-signer\" { capabilities = [\"read\"] }
            path \"transit/sign/ci-signer\" { capabilities = [\"update\"] }";
        vault.policy("signer", policy);
        vault.jwt_config("jwt", &self.issuer);
        vault.post(
            "auth/jwt/role/signer",
            &json!({
                "role_type": "jwt",
                "user_claim": "sub",
                "bound_audiences": [vault.address],
                "bound_subject": SUBJECT,
                "token_policies": ["signer"],
                "token_ttl": "10m",
            }),
        );
    }

    /// The client makes no tokens: this is the one that GitLab makes for a job's audience.
    pub(crate) fn has_token_for(&mut self, audience: &str) {
        let token = self.issuer.identity_token(SUBJECT, audience, 300);
        self.project.set("VAULT_ID_TOKEN", &token);
    }

    /// Runs an example. The Vault that it names is the one that is here.
    pub(crate) fn run(&self, yaml: &str) -> Pipeline {
        let here = yaml
            .replace("https://vault.example", &self.vault.address)
            .replace("vault.example", self.vault.host());
        self.project.run(&here)
    }
}
