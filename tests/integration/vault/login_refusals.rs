//! A refused login to Vault gets the change to make, complete enough to paste; the token is sent nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use s3lo::key::vault::client::address::Product;
use serde_json::json;
use test_case::test_matrix;

use crate::support::program::Sandbox;
use crate::support::vault::{Cluster, Vault};
use crate::vault::refusals::{Page, assert_reported, on};
use s3lo_test_servers::aws::{AUDIENCE, AwsServer, Issuer, TokenAlgorithm, now};
use s3lo_test_servers::http::{self, Reply, Wire};

const SIGN: &str = "sign local://./store/myapp:v1.0 --key hashivault://ci-signer";
const SUBJECT: &str = "repo:acme/app:ref:refs/heads/main";

/// No request from here gets an answer.
fn bare() -> Sandbox {
    Sandbox::with_image().with("VAULT_ADDR", "https://vault.example")
}

#[test]
fn a_missing_token_is_explained_in_the_yaml_of_the_ci_system() {
    let mut page = Page::new();
    for (variable, value) in [
        ("GITHUB_ACTIONS", "true"),
        ("GITLAB_CI", "true"),
        ("CIRCLECI", "true"),
        ("BITBUCKET_BUILD_NUMBER", "7"),
        ("JENKINS_URL", "https://ci.example"),
        ("NOTHING", "special"),
    ] {
        let sandbox = bare().with(variable, value);
        page.report(
            &format!("{variable}={value}"),
            &sandbox,
            &format!("{SIGN} --vault-role ci"),
        );
    }
    let sandbox = bare().with("VAULT_AUTH_ROLE", "ci");
    page.report("VAULT_AUTH_ROLE=ci", &sandbox, SIGN);
    let bao = SIGN.replace("hashivault", "openbao");
    page.report(
        "OpenBao",
        &bare().with("GITLAB_CI", "true"),
        &format!("{bao} --vault-role ci"),
    );
    assert_reported!(page);
}

#[test]
fn an_agent_that_gives_no_token_is_reported() {
    let mut page = Page::new();
    let mut sandbox = bare()
        .with("BUILDKITE", "true")
        .with("PATH", "/usr/bin:/bin");
    let line = format!("{SIGN} --vault-role ci");
    page.report("not in PATH", &sandbox, &line);
    let path = format!("{}:/usr/bin:/bin", sandbox.file("bin").display());
    sandbox.set("PATH", &path);
    sandbox.set("VAULT_MAX_RETRIES", "0");
    for (what, script) in [
        ("it fails", "echo 'fatal: no access token' >&2; exit 3"),
        ("it answers nonsense", "echo hello"),
    ] {
        sandbox.write_program("bin/buildkite-agent", &format!("#!/bin/sh\n{script}\n"));
        page.report(what, &sandbox, &line);
    }
    assert_reported!(page);
}

#[test]
fn a_github_job_without_a_token_is_reported() {
    let mut page = Page::new();
    for (what, status, body) in [
        ("the job may not ask", 403, "{}"),
        ("GitHub is down", 503, "{}"),
        ("its token is none", 200, r#"{"value": "hello"}"#),
    ] {
        let ci = AwsServer::start();
        ci.fault(move |_| Some(Reply::Answer(status, Vec::new(), body.into())));
        let mut sandbox = bare().with("VAULT_MAX_RETRIES", "0");
        for (name, value) in ci.github_environment() {
            sandbox.set(&name, &value);
        }
        page.report(what, &sandbox, &format!("{SIGN} --vault-role ci"));
    }
    assert_reported!(page);
}

#[test]
fn a_missing_login_setting_is_named() {
    let mut page = Page::new();
    page.keep_secret("canary-of-the-secret-id");
    let mut sandbox = bare();
    let kubernetes = "--vault-auth kubernetes";
    page.report(
        "Kubernetes without a role",
        &sandbox,
        &format!("{SIGN} {kubernetes}"),
    );
    page.report(
        "Kubernetes outside of a pod",
        &sandbox,
        &format!("{SIGN} {kubernetes} --vault-role ci"),
    );
    page.report(
        "AppRole and nothing",
        &sandbox,
        &format!("{SIGN} --vault-auth approle"),
    );
    sandbox.set("VAULT_SECRET_ID", "canary-of-the-secret-id");
    page.report(
        "a secret ID alone, by AppRole",
        &sandbox,
        &format!("{SIGN} --vault-auth approle"),
    );
    page.report("a secret ID alone", &sandbox, SIGN);
    sandbox.unset("VAULT_SECRET_ID");
    sandbox.set("VAULT_ROLE_ID", "675a50e7-cfe0-be76-e35f-49ec009731ea");
    page.report("a role ID alone", &sandbox, SIGN);
    let bao = SIGN.replace("hashivault", "openbao");
    page.report("a role ID alone, for OpenBao", &sandbox, &bao);
    assert_reported!(page);
}

#[test]
fn a_file_or_variable_without_an_identity_token_is_named() {
    let mut page = Page::new();
    page.keep_secret("canary-of-something-else");
    let mut sandbox = bare();
    sandbox.write("token", "canary-of-something-else");
    sandbox.set("GARBAGE", "canary-of-something-else");
    sandbox.set("EMPTY", "");
    for flags in [
        "--vault-jwt-file nowhere",
        "--vault-jwt-file keys",
        "--vault-jwt-file token",
        "--vault-jwt-env NOWHERE",
        "--vault-jwt-env EMPTY",
        "--vault-jwt-env GARBAGE",
        "--vault-auth kubernetes --vault-jwt-file token",
    ] {
        page.report(flags, &sandbox, &format!("{SIGN} --vault-role ci {flags}"));
    }
    // Each of these asks for a login, without a role that is named.
    for flags in [
        "--vault-jwt-env GARBAGE",
        "--vault-audience other",
        "--vault-auth-mount jwt",
    ] {
        page.report(
            &format!("{flags} alone"),
            &sandbox,
            &format!("{SIGN} {flags}"),
        );
    }
    assert_reported!(page);
}

/// A Vault that believes an issuer, at a mount with a role for its main branch.
struct Believing {
    vault: Vault,
    issuer: Issuer,
    page: Page,
}

impl Believing {
    fn new(product: Product, url: &str) -> Self {
        let (vault, issuer) = (
            Vault::start(product),
            Issuer::new(url, TokenAlgorithm::Es256),
        );
        vault.jwt_config("jwt", &issuer);
        Self {
            vault,
            issuer,
            page: Page::new(),
        }
    }

    /// Logs in with `token`, in vain.
    #[track_caller]
    fn report(&mut self, what: &str, token: &str, flags: &str) {
        let sandbox = Sandbox::with_image()
            .with("VAULT_ADDR", &self.vault.address)
            .with("TOKEN", token);
        self.page.keep_secret(token);
        let line = format!("{SIGN} --vault-jwt-env TOKEN {flags}");
        self.page.report(what, &sandbox, &line);
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_refused_identity_token_comes_with_its_remedy(product: Product) {
    let mut to = Believing::new(product, "https://gitlab.com");
    let address = to.vault.address.clone();
    let claims = json!({"sub": SUBJECT});
    to.vault
        .jwt_role("jwt", "ci", &address, &claims, &["signer"]);
    let project = json!({"project_path": "acme/app"});
    to.vault
        .jwt_role("jwt", "project", &address, &project, &["signer"]);
    to.vault.post(
        "auth/jwt/role/subject",
        &json!({
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [address],
            "bound_subject": "project_path:acme/app:ref_type:branch:ref:main",
        }),
    );
    let any = json!({"role_type": "jwt", "user_claim": "sub", "bound_claims": {"sub": SUBJECT}});
    to.vault.post("auth/jwt/role/no-audience", &any);
    let role = "--vault-role ci";
    let issuer = to.issuer.clone();
    let token = issuer.identity_token(SUBJECT, &address, 300);
    let other = issuer.identity_token(SUBJECT, "https://other.example", 300);
    to.report("a token for others", &other, role);
    to.report("a role of no audience", &token, "--vault-role no-audience");
    to.report("no such role", &token, "--vault-role nobody");
    to.report("no role at all", &token, "--vault-auth jwt");
    let branch = issuer.identity_token("repo:acme/app:ref:refs/heads/x", &address, 300);
    to.report("another branch", &branch, role);
    let protected = json!({"sub": SUBJECT, "ref_protected": "true", "/project/id": [7]});
    to.vault
        .jwt_role("jwt", "protected", &address, &protected, &["signer"]);
    let mut claims = json!({
        "iss": issuer.url(), "sub": SUBJECT, "aud": address, "nbf": now(), "exp": now() + 300,
        "ref_protected": "false", "project": {"id": 7},
    });
    to.report(
        "a branch that is not protected",
        &issuer.token(&claims),
        "--vault-role protected",
    );
    claims["ref_protected"] = "true".into();
    claims["project"]["id"] = 8.into();
    to.report(
        "another project",
        &issuer.token(&claims),
        "--vault-role protected",
    );
    to.report("a claim that is not there", &token, "--vault-role project");
    to.report("another subject", &token, "--vault-role subject");
    let expired = issuer.identity_token(SUBJECT, &address, -400);
    to.report("one that has expired", &expired, role);
    let early = issuer.token(&json!({
        "iss": issuer.url(), "sub": SUBJECT, "aud": address, "nbf": now() + 600, "exp": now() + 900,
    }));
    to.report("one that is not valid yet", &early, role);
    let (body, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", signature.chars().rev().collect::<String>());
    to.report("one with another signature", &forged, role);
    let stranger = Issuer::new("https://gitlab.com", TokenAlgorithm::Es256);
    let strange = stranger.identity_token(SUBJECT, &address, 300);
    to.report("one of another key", &strange, role);
    let elsewhere = issuer.token(&json!({
        "iss": "https://gitlab.example", "sub": SUBJECT, "aud": address, "exp": now() + 300,
    }));
    to.report("one of another issuer", &elsewhere, role);
    to.report(
        "nothing is mounted there",
        &token,
        &format!("{role} --vault-auth-mount gitlab"),
    );
    to.report(
        "an engine is mounted there",
        &token,
        &format!("{role} --vault-auth-mount transit"),
    );
    to.report(
        "another login is mounted there",
        &token,
        &format!("{role} --vault-auth-mount approle"),
    );
    to.vault.mount_login("bare", "jwt");
    to.report(
        "nobody configured it",
        &token,
        &format!("{role} --vault-auth-mount bare"),
    );
    let hostile = issuer.identity_token("a`; rm -rf / #\u{1b}[31m\n::error::", "$(id)", 300);
    to.report("a subject that wants to be pasted", &hostile, role);
    // For a login with a token where AppRole is mounted, OpenBao names the missing field.
    assert_reported!(to.page, on(product));
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_for_another_audience_is_reported_before_it_is_sent(product: Product) {
    let mut to = Believing::new(product, "https://gitlab.com");
    let address = to.vault.address.clone();
    let issuer = to.issuer.clone();
    let for_aws = issuer.identity_token(SUBJECT, AUDIENCE, 300);
    let for_us = issuer.identity_token(SUBJECT, &address, 300);
    to.report("it is for AWS", &for_aws, "--vault-role ci");
    to.report(
        "it is for AWS, in a pod",
        &for_aws,
        "--vault-auth kubernetes --vault-role ci",
    );
    to.report(
        "another is wished",
        &for_us,
        "--vault-role ci --vault-audience other",
    );
    assert_reported!(to.page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_refused_approle_comes_with_the_credential_to_renew(product: Product) {
    let (mut page, vault) = (Page::new(), Vault::start(product));
    let (role_id, secret_id) = vault.approle("ci", &["signer"]);
    let one_use = json!({"token_policies": ["signer"], "secret_id_num_uses": 1});
    let (other_role, used_up) = vault.approle_of("once", &one_use);
    let mut sandbox = Sandbox::with_image().with("VAULT_ADDR", &vault.address);
    page.keep_secret(&secret_id);
    page.keep_secret(&used_up);
    for (what, role_id, secret_id) in [
        ("a secret ID of another role", &role_id, &used_up),
        ("no such role ID", &"of-nobody".to_owned(), &secret_id),
    ] {
        sandbox.set("VAULT_ROLE_ID", role_id);
        sandbox.set("VAULT_SECRET_ID", secret_id);
        page.report(what, &sandbox, SIGN);
    }
    sandbox.set("VAULT_ROLE_ID", &other_role);
    sandbox.set("VAULT_SECRET_ID", &used_up);
    // The login succeeds, but there is no key behind it.
    sandbox.s3lo(SIGN).ends_with(2);
    page.report("a secret ID that is used up", &sandbox, SIGN);
    sandbox.set("VAULT_SECRET_ID", &secret_id);
    page.report(
        "no such mount",
        &sandbox,
        &format!("{SIGN} --vault-auth-mount nowhere"),
    );
    assert_reported!(page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_refused_service_account_comes_with_the_settings_to_check(product: Product) {
    let (mut page, vault, cluster) = (Page::new(), Vault::start(product), Cluster::start());
    let sandbox = Sandbox::with_image().with("VAULT_ADDR", &vault.address);
    let line = format!("{SIGN} --vault-auth kubernetes --vault-jwt-file token");
    let token = cluster.service_account_token("ci", "builder");
    let mut report = |what: &str, token: &str, flags: &str| {
        page.keep_secret(token);
        sandbox.write("token", token);
        page.report(what, &sandbox, &format!("{line} {flags}"));
    };
    report("nobody made a role", &token, "--vault-role ci");
    vault.kubernetes_config("kubernetes", &cluster);
    vault.kubernetes_role("kubernetes", "ci", ("ci", "builder"), &["signer"]);
    report("no such role", &token, "--vault-role nobody");
    let other = cluster.service_account_token("ci", "default");
    report("another account", &other, "--vault-role ci");
    let other = cluster.service_account_token("dev", "builder");
    report("another namespace", &other, "--vault-role ci");
    cluster.forget(&token);
    report("the pod is gone", &token, "--vault-role ci");
    report(
        "no such mount",
        &token,
        "--vault-role ci --vault-auth-mount k8s",
    );
    assert_reported!(page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_login_that_asks_for_a_second_factor_is_explained(product: Product) {
    let (mut page, vault) = (Page::new(), Vault::start(product));
    let (role_id, secret_id) = vault.approle("ci", &["signer"]);
    page.keep_secret(&secret_id);
    vault.demand_second_factor("approle");
    let sandbox = Sandbox::with_image()
        .with("VAULT_ADDR", &vault.address)
        .with("VAULT_ROLE_ID", &role_id)
        .with("VAULT_SECRET_ID", &secret_id);
    page.report("AppRole", &sandbox, SIGN);
    assert_reported!(page);
}

/// The keys of an issuer, until they are gone.
#[derive(Clone, Default)]
struct Keys {
    gone: Arc<AtomicBool>,
}

impl http::Service for Keys {
    fn answer(&self, _: &http::Request, _: usize) -> Reply {
        match self.gone.load(Ordering::Relaxed) {
            true => Reply::HangUp,
            false => Reply::Answer(200, Vec::new(), br#"{"keys":[]}"#.to_vec()),
        }
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_issuer_out_of_the_server_s_reach_is_named(product: Product) {
    let mut to = Believing::new(product, "https://gitlab.example");
    let address = to.vault.address.clone();
    let keys = Keys::default();
    let jwks = http::listen(Wire::Plain, keys.clone());
    to.vault.mount_login("gitlab", "jwt");
    to.vault
        .post("auth/gitlab/config", &json!({"jwks_url": jwks}));
    keys.gone.store(true, Ordering::Relaxed);
    to.vault.jwt_role(
        "gitlab",
        "ci",
        &address,
        &json!({"sub": SUBJECT}),
        &["signer"],
    );
    let token = to.issuer.identity_token(SUBJECT, &address, 300);
    let flags = "--vault-role ci --vault-auth-mount gitlab";
    to.report("its keys", &token, flags);
    assert_reported!(to.page);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_address_that_the_role_does_not_allow_is_explained(product: Product) {
    let (mut page, vault) = (Page::new(), Vault::start(product));
    let settings = json!({"secret_id_bound_cidrs": ["192.0.2.0/24"]});
    let (role_id, secret_id) = vault.approle_of("ci", &settings);
    page.keep_secret(&secret_id);
    let sandbox = Sandbox::with_image()
        .with("VAULT_ADDR", &vault.address)
        .with("VAULT_ROLE_ID", &role_id)
        .with("VAULT_SECRET_ID", &secret_id);
    page.report("AppRole", &sandbox, SIGN);
    assert_reported!(page);
}
