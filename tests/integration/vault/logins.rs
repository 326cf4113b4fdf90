//! Logins to a real Vault from every CI system.

use std::sync::Once;

use s3lo::key::vault::client::address::Product;
use serde_json::{Value, json};
use test_case::test_matrix;

use crate::aws::identity::buildkite;
use crate::support::MANIFEST;
use crate::support::program::{Run, Sandbox};
use crate::support::vault::{Cluster, Vault, vault};
use s3lo_test_servers::aws::{AUDIENCE, AwsServer, Issuer, TokenAlgorithm};

const IMAGE: &str = "local://./store/myapp:v1.0";
const SUBJECT: &str = "repo:acme/app:ref:refs/heads/main";

/// A job with an image to sign, and a key in a Vault. The key's name is also that of the policy, which
/// allows signing with it, and of the role whose tokens have that policy.
pub(crate) struct Job<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) name: &'a str,
    pub(crate) sandbox: Sandbox,
}

impl<'a> Job<'a> {
    /// With nothing to log in with, and no role.
    pub(crate) fn new(vault: &'a Vault, name: &'a str) -> Self {
        vault.key(name, "ecdsa-p256");
        vault.signer_policy(name);
        let sandbox = Sandbox::with_image().with("VAULT_ADDR", &vault.address);
        Self {
            vault,
            name,
            sandbox,
        }
    }

    /// As a job of GitHub Actions, which may log in where `jwt` is mounted.
    pub(crate) fn in_github(vault: &'a Vault, name: &'a str) -> (Self, AwsServer) {
        let (mut job, ci) = (Self::new(vault, name), AwsServer::start());
        trust_github(vault);
        job.has_role("jwt", &vault.address, SUBJECT);
        for (name, value) in ci.github_environment() {
            job.sandbox.set(&name, &value);
        }
        (job, ci)
    }

    /// Makes the role, where a login of the kind `jwt` is mounted.
    pub(crate) fn has_role(&self, mount: &str, audience: &str, subject: &str) {
        let claims = json!({"sub": subject});
        self.vault
            .jwt_role(mount, self.name, audience, &claims, &[self.name]);
    }

    /// `sign`, `verify` or `public-key`.
    pub(crate) fn run(&self, command: &str, flags: &str) -> Run {
        let image = if command == "public-key" { "" } else { IMAGE };
        self.sandbox.s3lo(&format!(
            "{command} {image} --key hashivault://{} {flags}",
            self.name
        ))
    }

    #[track_caller]
    pub(crate) fn signs(&self, flags: &str) {
        let json = self.run("sign", &format!("--if-signed replace -o json {flags}"));
        assert_eq!(json.ends_with(0).json()["status"], "signed");
    }

    /// The code of a run that could not.
    #[track_caller]
    pub(crate) fn refused(&self, flags: &str) -> String {
        let json = self.run("sign", &format!("--if-signed replace -o json {flags}"));
        let json = json.ends_with(2).json();
        json["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// Lets a server believe GitHub. The shared ones hear of it once.
fn trust_github(own: &Vault) {
    static SHARED: [Once; 2] = [Once::new(), Once::new()];
    let trust = || own.jwt_config("jwt", &Issuer::github());
    let products = [Product::Vault, Product::OpenBao];
    let shared = products.map(|product| std::ptr::eq(own, vault(product)));
    match SHARED.iter().zip(shared).find(|(_, shared)| *shared) {
        Some((once, _)) => once.call_once(trust),
        None => trust(),
    }
}

/// The audiences for which GitHub was asked for tokens.
fn audiences(ci: &AwsServer) -> Vec<Value> {
    let calls = ci.calls();
    let asked = calls.iter().filter(|call| call.action == "token");
    asked.map(|call| call.body["audience"].clone()).collect()
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_github_job_signs_and_verifies_by_a_role(product: Product) {
    let (job, ci) = Job::in_github(vault(product), "github");
    let role = "--vault-role github";
    job.signs(role);
    assert_eq!(audiences(&ci), [job.vault.address.as_str()]);
    job.run("verify", role).ends_with(0);
    let public = job.run("public-key", role).ends_with(0);
    job.sandbox.write("release.pub", public.out);
    // Verifying with that needs no login.
    let line = format!("verify {IMAGE} --key release.pub");
    job.sandbox.s3lo(&line).ends_with(0);
    assert_eq!(audiences(&ci).len(), 3);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_role_the_method_and_its_mount_may_be_in_variables(product: Product) {
    let (mut job, ci) = Job::in_github(vault(product), "by-variables");
    assert_eq!(job.refused(""), "no_credentials");
    job.sandbox.set("VAULT_AUTH_ROLE", "by-variables");
    job.signs("");
    job.sandbox.set("VAULT_AUTH_METHOD", "jwt");
    job.signs("");
    vault(product).mount_login("github-by-variables", "jwt");
    vault(product).jwt_config("github-by-variables", &Issuer::github());
    job.has_role("github-by-variables", &job.vault.address, SUBJECT);
    job.sandbox.set("VAULT_AUTH_PATH", "github-by-variables");
    job.signs("");
    assert_eq!(audiences(&ci).len(), 3);
    // The command line comes before each of them.
    job.sandbox.set("VAULT_AUTH_ROLE", "nobody");
    job.sandbox.set("VAULT_AUTH_METHOD", "approle");
    job.sandbox.set("VAULT_AUTH_PATH", "nowhere");
    job.signs("--vault-auth jwt --vault-role by-variables --vault-auth-mount jwt");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_mount_with_a_default_role_needs_none_that_is_named(product: Product) {
    let (job, _ci) = Job::in_github(vault(product), "by-default");
    vault(product).mount_login("with-a-default", "jwt");
    let issuer = Issuer::github();
    vault(product).post(
        "auth/with-a-default/config",
        &json!({"jwt_validation_pubkeys": [issuer.public_key()], "default_role": "by-default"}),
    );
    job.has_role("with-a-default", &job.vault.address, SUBJECT);
    job.signs("--vault-auth jwt --vault-auth-mount with-a-default");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_login_is_found_at_a_mount_of_any_depth(product: Product) {
    let (job, _ci) = Job::in_github(vault(product), "deep");
    vault(product).mount_login("team/b/github", "jwt");
    vault(product).jwt_config("team/b/github", &Issuer::github());
    vault(product).jwt_role(
        "team/b/github",
        "only-there",
        &job.vault.address,
        &json!({"sub": SUBJECT}),
        &["deep"],
    );
    for mount in [
        "team/b/github",
        "/team/b/github/",
        "auth/team/b/github",
        "auth/team/b/github/",
    ] {
        job.signs(&format!(
            "--vault-role only-there --vault-auth-mount {mount}"
        ));
    }
    assert_eq!(job.refused("--vault-role only-there"), "login_refused");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_audience_is_the_one_that_is_asked_for(product: Product) {
    let (job, ci) = Job::in_github(vault(product), "audience");
    job.has_role("jwt", "https://vault.example/?a=b&c", SUBJECT);
    let role = "--vault-role audience";
    job.signs(&format!(
        "{role} --vault-audience https://vault.example/?a=b&c"
    ));
    assert_eq!(audiences(&ci), ["https://vault.example/?a=b&c"]);
    assert_eq!(job.refused(role), "login_refused");
    assert_eq!(audiences(&ci)[1], job.vault.address);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_audience_is_the_server_s_address_however_that_is_written(product: Product) {
    let (mut job, ci) = Job::in_github(vault(product), "written");
    let address = job.vault.address.clone();
    job.sandbox.set("VAULT_ADDR", &format!("{address}/"));
    job.signs("--vault-role written");
    job.sandbox.unset("VAULT_ADDR");
    job.signs(&format!("--vault-role written --vault-address {address}"));
    assert_eq!(audiences(&ci), [address.as_str(), &address]);
}

/// A Vault that believes `url`, and a token of it for `audience`.
fn token_of<'a>(vault: &'a Vault, url: &str, audience: &str) -> (Job<'a>, String) {
    let issuer = Issuer::new(url, TokenAlgorithm::Es256);
    vault.jwt_config("jwt", &issuer);
    let job = Job::new(vault, "signer");
    let subject = "project_path:acme/app:ref_type:branch:ref:main";
    job.has_role("jwt", audience, subject);
    (job, issuer.identity_token(subject, audience, 300))
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn every_ci_system_that_gives_tokens_by_a_variable_logs_in(product: Product) {
    let vault = Vault::start(product);
    let circle = "https://oidc.circleci.com/org/00000000-1111-2222-3333-444444444444";
    let of_circle = "00000000-1111-2222-3333-444444444444";
    let bitbucket = "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc";
    let of_bitbucket = "ari:cloud:bitbucket::workspace/00000000-1111-2222-3333-444444444444";
    for (issuer, audience, variables) in [
        // GitLab's token for another audience is not taken.
        (
            "https://gitlab.com",
            vault.address.as_str(),
            "GITLAB_CI=true VAULT_ID_TOKEN=@ GITLAB_OIDC_TOKEN=not.the.one ID_TOKEN=nor.this.one",
        ),
        (
            circle,
            of_circle,
            "CIRCLECI=true CIRCLE_OIDC_TOKEN_V2=@ CIRCLE_OIDC_TOKEN=not.the.one",
        ),
        (circle, of_circle, "CIRCLECI=true CIRCLE_OIDC_TOKEN=@"),
        (
            bitbucket,
            of_bitbucket,
            "BITBUCKET_BUILD_NUMBER=7 BITBUCKET_STEP_OIDC_TOKEN=@",
        ),
    ] {
        let (mut job, token) = token_of(&vault, issuer, audience);
        for pair in variables.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            job.sandbox.set(name, &value.replace('@', &token));
        }
        job.signs("--vault-role signer");
        job.sandbox.set("VAULT_AUTH_ROLE", "signer");
        job.signs("");
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn in_buildkite_the_agent_is_asked_for_a_token_for_vault(product: Product) {
    let vault = Vault::start(product);
    let (mut job, token) = token_of(&vault, "https://agent.buildkite.com", &vault.address);
    buildkite(&mut job.sandbox, "cat token");
    job.sandbox.write("token", format!("{token}\n"));
    // A token that is for AWS by convention is not for Vault.
    job.sandbox.set("BUILDKITE_OIDC_TOKEN", "not.the.one");
    job.signs("--vault-role signer");
    let noted = std::fs::read_to_string(job.sandbox.file("agent.arguments")).unwrap();
    let asked = format!(
        "oidc request-token --audience {} --lifetime 300\n",
        vault.address
    );
    assert_eq!(noted, asked);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_may_be_in_any_file_or_any_variable(product: Product) {
    let vault = Vault::start(product);
    let (mut job, token) = token_of(&vault, "https://ci.example", &vault.address);
    job.sandbox.write("run/token", format!("{token}\n"));
    job.sandbox.set("MY_TOKEN", &token);
    // The CI system's own token does not matter then.
    for (name, value) in AwsServer::start().github_environment() {
        job.sandbox.set(&name, &value);
    }
    for flags in ["--vault-jwt-file run/token", "--vault-jwt-env MY_TOKEN"] {
        job.signs(&format!("--vault-role signer {flags}"));
    }
    // It states its own audience, and the program trusts an audience that the user names.
    for (audience, code) in [
        (vault.address.as_str(), None),
        ("other", Some("no_identity_token")),
    ] {
        let flags =
            format!("--vault-role signer --vault-jwt-env MY_TOKEN --vault-audience {audience}");
        match code {
            None => job.signs(&flags),
            Some(code) => assert_eq!(job.refused(&flags), code),
        }
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_for_aws_is_sent_to_vault_only_on_request(product: Product) {
    let vault = Vault::start(product);
    for audience in [AUDIENCE, "sts.amazonaws.com.cn"] {
        // Vault would take it.
        let (mut job, token) = token_of(&vault, "https://gitlab.com", audience);
        job.sandbox.set("GITLAB_CI", "true");
        job.sandbox.set("VAULT_ID_TOKEN", &token);
        let role = "--vault-role signer";
        assert_eq!(job.refused(role), "no_identity_token");
        let elsewhere = format!("{role} --vault-jwt-env VAULT_ID_TOKEN");
        assert_eq!(job.refused(&elsewhere), "no_identity_token");
        job.signs(&format!("{role} --vault-audience {audience}"));
    }
    // One of several audiences is one too many.
    let issuer = Issuer::new("https://gitlab.com", TokenAlgorithm::Es256);
    vault.jwt_config("jwt", &issuer);
    let mut job = Job::new(&vault, "several");
    job.has_role("jwt", &vault.address, SUBJECT);
    let now = s3lo_test_servers::aws::now();
    job.sandbox.set(
        "TOKEN",
        &issuer.token(&json!({
            "iss": issuer.url(),
            "sub": SUBJECT,
            "aud": [vault.address, AUDIENCE],
            "nbf": now,
            "exp": now + 300,
        })),
    );
    let flags = "--vault-role several --vault-jwt-env TOKEN";
    assert_eq!(job.refused(flags), "no_identity_token");
    let wanted = format!("{flags} --vault-audience {}", vault.address);
    assert_eq!(job.refused(&wanted), "no_identity_token");
    job.signs(&format!("{flags} --vault-audience {AUDIENCE}"));
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_for_another_server_is_sent_only_on_request(product: Product) {
    let vault = Vault::start(product);
    let (mut job, token) = token_of(&vault, "https://gitlab.com", "https://vault.example");
    job.sandbox.set("TOKEN", &token);
    let flags = "--vault-role signer --vault-jwt-env TOKEN";
    assert_eq!(job.refused(flags), "no_identity_token");
    job.signs(&format!("{flags} --vault-audience https://vault.example"));
    // A name that is no URL implies no server.
    let (mut job, token) = token_of(&vault, "https://gitlab.com", "vault");
    job.sandbox.set("TOKEN", &token);
    job.signs(flags);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_approle_logs_in_by_two_variables(product: Product) {
    let mut job = Job::new(vault(product), "approle");
    let (role_id, secret_id) = vault(product).approle("approle", &["approle"]);
    job.sandbox.set("VAULT_ROLE_ID", &role_id);
    job.sandbox.set("VAULT_SECRET_ID", &secret_id);
    job.signs("");
    job.run("verify", "").ends_with(0);
    job.run("public-key", "--vault-auth approle").ends_with(0);
    job.sandbox.set("VAULT_AUTH_METHOD", "approle");
    job.signs("");
    // The mount has its variable and its flag here as well.
    job.sandbox.set("VAULT_AUTH_PATH", "nowhere");
    assert_eq!(job.refused(""), "login_refused");
    job.signs("--vault-auth-mount approle");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_secret_id_of_one_use_is_enough_for_a_run(product: Product) {
    let mut job = Job::new(vault(product), "one-use");
    let settings = json!({"token_policies": ["one-use"], "secret_id_num_uses": 1});
    let (role_id, secret_id) = vault(product).approle_of("one-use", &settings);
    job.sandbox.set("VAULT_ROLE_ID", &role_id);
    job.sandbox.set("VAULT_SECRET_ID", &secret_id);
    job.signs("");
    assert_eq!(job.refused(""), "login_refused");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_pod_logs_in_by_the_token_of_its_service_account(product: Product) {
    let (vault, cluster) = (Vault::start(product), Cluster::start());
    vault.kubernetes_config("kubernetes", &cluster);
    let mut job = Job::new(&vault, "pod");
    vault.kubernetes_role("kubernetes", "pod", ("ci", "builder"), &["pod"]);
    let token = cluster.service_account_token("ci", "builder");
    job.sandbox.write("token", format!("{token}\n"));
    let file = "--vault-jwt-file token";
    job.signs(&format!("--vault-auth kubernetes --vault-role pod {file}"));
    job.sandbox.set("VAULT_AUTH_METHOD", "kubernetes");
    job.sandbox.set("VAULT_AUTH_ROLE", "pod");
    job.signs(file);
    job.run("verify", file).ends_with(0);
    // Another account of the same cluster is not let in.
    let other = cluster.service_account_token("ci", "default");
    job.sandbox.write("token", other);
    assert_eq!(job.refused(file), "login_refused");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn one_login_serves_every_image_and_key_of_a_run(product: Product) {
    let vault = Vault::start(product);
    let (job, ci) = Job::in_github(&vault, "first");
    vault.key("second", "ed25519");
    vault.post("team/a/transit/keys/third", &json!({"type": "rsa-2048"}));
    vault.policy(
        "first",
        r#"path "+/+/first" { capabilities = ["read", "update"] }
           path "+/+/second" { capabilities = ["read", "update"] }
           path "team/a/+/+/third" { capabilities = ["read", "update"] }"#,
    );
    // Each of two names of one server leads to the same login.
    let mut keys = format!(
        "--key hashivault://first --key hashivault://second --key hashivault://{}/v1/team/a/transit/keys/third",
        vault.host()
    );
    for number in 0..4 {
        job.sandbox.push("many", &format!("v{number}"), MANIFEST);
        keys.push_str(&format!(" local://./store/many:v{number}"));
    }
    let (tokens, logins) = (vault.tokens(), audiences(&ci).len());
    for (command, flags) in [("sign", "-o json"), ("verify", "--require all -o json")] {
        let line = format!("{command} {keys} {flags} --vault-role first");
        let json = job.sandbox.s3lo(&line).ends_with(0).json();
        let results = if command == "sign" { 12 } else { 4 };
        assert_eq!(json.as_array().unwrap().len(), results, "{json}");
    }
    assert_eq!(audiences(&ci).len(), logins + 2);
    assert_eq!(vault.tokens(), tokens);
}
