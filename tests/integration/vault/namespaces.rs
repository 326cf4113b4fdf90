//! Namespaces of a real server. Of the two only OpenBao has them in the open.

use s3lo::key::vault::client::address::Product;
use serde_json::json;

use crate::support::program::Sandbox;
use crate::support::vault::{ROOT, Vault};
use s3lo_test_servers::aws::{AwsServer, Issuer};

const IMAGE: &str = "local://./store/myapp:v1.0";

/// An OpenBao with the namespace `org`, and in it `org/a` with a key and logins.
struct Namespaces {
    server: Vault,
}

impl Namespaces {
    fn start() -> Self {
        let server = Vault::start(Product::OpenBao);
        server.post("sys/namespaces/org", &json!({}));
        server.post("org/sys/namespaces/a", &json!({}));
        server.mount_in("org/a", "transit");
        server.post("org/a/transit/keys/signer", &json!({"type": "ecdsa-p256"}));
        let policy = r#"path "transit/keys/signer" { capabilities = ["read"] }
                        path "transit/sign/signer" { capabilities = ["update"] }"#;
        server.post("org/a/sys/policies/acl/signer", &json!({"policy": policy}));
        Self { server }
    }

    fn sandbox(&self, namespace: &str) -> Sandbox {
        Sandbox::with_image()
            .with("BAO_ADDR", &self.server.address)
            .with("BAO_NAMESPACE", namespace)
    }
}

fn sign(sandbox: &Sandbox, flags: &str) -> String {
    let line = format!("sign {IMAGE} --key openbao://signer --if-signed replace -o json {flags}");
    let run = sandbox.s3lo(&line);
    match run.code {
        Some(0) => "signed".to_owned(),
        _ => run.json()["error"]["code"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn a_key_of_a_namespace_signs_by_the_variable_and_by_the_flag() {
    let spaces = Namespaces::start();
    for written in ["org/a", "/org/a", "org/a/", "/org/a/"] {
        let sandbox = spaces.sandbox(written).with("BAO_TOKEN", ROOT);
        assert_eq!(sign(&sandbox, ""), "signed", "{written}");
        let sandbox = spaces.sandbox("").with("BAO_TOKEN", ROOT);
        let flag = format!("--vault-namespace {written}");
        assert_eq!(sign(&sandbox, &flag), "signed", "{written}");
        let line = format!("verify {IMAGE} --key openbao://signer {flag}");
        sandbox.s3lo(&line).ends_with(0);
    }
    // A namespace may also be part of the path, as its own client has it.
    let sandbox = spaces.sandbox("org").with("BAO_TOKEN", ROOT);
    let key = format!(
        "openbao://{}/v1/a/transit/keys/signer",
        spaces.server.host()
    );
    sandbox
        .s3lo(&format!("public-key --key {key}"))
        .ends_with(0);
}

#[test]
fn the_root_is_a_slash_and_has_keys_of_its_own() {
    let spaces = Namespaces::start();
    let sandbox = spaces.sandbox("/").with("BAO_TOKEN", ROOT);
    assert_eq!(sign(&sandbox, ""), "key_not_found");
    spaces.server.key("signer", "ed25519");
    assert_eq!(sign(&sandbox, ""), "signed");
    // The command line comes before the variable.
    let sandbox = spaces.sandbox("org/a").with("BAO_TOKEN", ROOT);
    let line = "public-key --key openbao://signer";
    let of_org = sandbox.s3lo(line).ends_with(0).out;
    let of_root = sandbox.s3lo(&format!("{line} --vault-namespace /"));
    assert_ne!(of_root.ends_with(0).out, of_org);
}

#[test]
fn a_job_logs_in_to_a_namespace_and_its_token_is_revoked_there() {
    let spaces = Namespaces::start();
    let server = &spaces.server;
    server.post("org/a/sys/auth/approle", &json!({"type": "approle"}));
    let settings = json!({"token_policies": ["signer"], "token_ttl": "5m"});
    let (role_id, secret_id) = server.approle_at("org/a/auth/approle", "ci", &settings);
    let sandbox = spaces
        .sandbox("org/a")
        .with("BAO_ROLE_ID", &role_id)
        .with("BAO_SECRET_ID", &secret_id);
    let tokens = server.list("org/a/auth/token/accessors");
    assert_eq!(sign(&sandbox, ""), "signed");
    assert_eq!(server.list("org/a/auth/token/accessors"), tokens);
    // The login is of the namespace alone.
    let elsewhere = sandbox.with("BAO_NAMESPACE", "org");
    assert_eq!(sign(&elsewhere, ""), "login_refused");

    server.post("org/a/sys/auth/jwt", &json!({"type": "jwt"}));
    server.jwt_config_at("org/a/auth/jwt", &Issuer::github());
    server.post(
        "org/a/auth/jwt/role/ci",
        &json!({
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [server.address],
            "token_policies": ["signer"],
        }),
    );
    let ci = AwsServer::start();
    let mut sandbox = spaces.sandbox("org/a");
    for (name, value) in ci.github_environment() {
        sandbox.set(&name, &value);
    }
    assert_eq!(sign(&sandbox, "--vault-role ci"), "signed");
    assert_eq!(server.list("org/a/auth/token/accessors"), tokens);
}

#[test]
fn a_namespace_that_is_not_there_is_named() {
    let spaces = Namespaces::start();
    for namespace in ["orgg", "org/b", "org/a/c"] {
        let sandbox = spaces.sandbox(namespace).with("BAO_TOKEN", ROOT);
        assert_eq!(sign(&sandbox, ""), "namespace_not_found", "{namespace}");
        let line = format!("sign {IMAGE} --key openbao://signer");
        let reported = sandbox.s3lo(&line).ends_with(2).err;
        assert!(reported.contains(&format!("`{namespace}`")), "{reported}");
        let approle = spaces
            .sandbox(namespace)
            .with("BAO_ROLE_ID", "a")
            .with("BAO_SECRET_ID", "b");
        assert_eq!(sign(&approle, ""), "namespace_not_found", "{namespace}");
    }
}

#[test]
fn a_token_of_another_namespace_is_refused_by_name() {
    let spaces = Namespaces::start();
    let answer = spaces.server.post(
        "org/auth/token/create",
        &json!({"policies": ["default"], "ttl": "5m"}),
    );
    let token = answer["auth"]["client_token"].as_str().unwrap();
    let sandbox = spaces.sandbox("/").with("BAO_TOKEN", token);
    let code = sign(&sandbox, "");
    assert!(
        ["access_denied", "credentials_refused"].contains(&code.as_str()),
        "{code}"
    );
    let reported = sandbox.s3lo(&format!("sign {IMAGE} --key openbao://signer"));
    let reported = reported.ends_with(2).err;
    assert!(reported.contains("namespace"), "{reported}");
    assert!(!reported.contains(token));
}

#[test]
fn a_namespace_that_is_locked_is_explained() {
    let spaces = Namespaces::start();
    let sandbox = spaces
        .sandbox("org/a")
        .with("BAO_TOKEN", ROOT)
        .with("BAO_MAX_RETRIES", "0");
    spaces
        .server
        .post("sys/namespaces/api-lock/lock/org", &json!({}));
    assert_eq!(sign(&sandbox, ""), "namespace_locked");
    let run = sandbox.s3lo(&format!("sign {IMAGE} --key openbao://signer"));
    let reported = run.ends_with(2).err;
    assert!(reported.contains("`bao namespace unlock`"), "{reported}");
}
