//! Permissions in a Vault: policies, tokens and logins.

use serde_json::{Value, json};

use super::{Cluster, ROOT, Vault};
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::Issuer;

impl Vault {
    #[track_caller]
    pub(crate) fn policy(&self, name: &str, hcl: &str) {
        self.post(&format!("sys/policies/acl/{name}"), &json!({"policy": hcl}));
    }

    /// A policy, of the key's name, that lets its tokens sign with a key of `transit`: no more than the
    /// documentation grants.
    #[track_caller]
    pub(crate) fn signer_policy(&self, key: &str) {
        self.policy(
            key,
            &format!(
                r#"path "transit/keys/{key}" {{ capabilities = ["read"] }}
                   path "transit/sign/{key}" {{ capabilities = ["update"] }}"#
            ),
        );
    }

    /// A token that ends after `ttl`: `token(&["mine"], "5m")`.
    #[track_caller]
    pub(crate) fn token(&self, policies: &[&str], ttl: &str) -> String {
        self.token_of(&json!({"policies": policies, "ttl": ttl}))
    }

    /// A token of other settings: `type`, `num_uses`, `no_default_policy`.
    /// <https://developer.hashicorp.com/vault/api-docs/auth/token#create-token>
    #[track_caller]
    pub(crate) fn token_of(&self, settings: &Value) -> String {
        let answer = self.post("auth/token/create", settings);
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Vault's data on a token; nothing if it is not, or no longer, valid.
    pub(crate) fn lookup(&self, token: &str) -> Option<Value> {
        let (status, mut answer) = self.request("GET", "auth/token/lookup-self", Some(token), None);
        match status {
            200 => Some(answer["data"].take()),
            403 => None,
            _ => panic!("{status} {answer}"),
        }
    }

    /// How many tokens there are that can be revoked, root's included: of use on a Vault of the test's
    /// own, where no other test makes any.
    pub(crate) fn tokens(&self) -> usize {
        self.list("auth/token/accessors")
    }

    /// A token that wraps another one, of these settings.
    #[track_caller]
    pub(crate) fn wrapped(&self, settings: &Value) -> String {
        let body = settings.to_string();
        let headers = [("X-Vault-Token", ROOT), ("X-Vault-Wrap-TTL", "5m")];
        let answer = self.exchange("POST", "auth/token/create", &headers, &body);
        let (_, answer) = answer.unwrap();
        answer["wrap_info"]["token"].as_str().unwrap().to_owned()
    }

    /// From here on a login at this mount takes a code as well.
    #[track_caller]
    pub(crate) fn demand_second_factor(&self, mount: &str) {
        let method = self.post("identity/mfa/method/totp", &json!({"issuer": "tests"}));
        let mounts = self.get("sys/auth");
        self.post(
            "identity/mfa/login-enforcement/everybody",
            &json!({
                "mfa_method_ids": [method["data"]["method_id"]],
                "auth_method_accessors": [mounts[format!("{mount}/")]["accessor"]],
            }),
        );
    }

    #[track_caller]
    pub(crate) fn revoke(&self, token: &str) {
        self.post("auth/token/revoke", &json!({"token": token}));
    }

    /// A role of the login `approle`; its ID and a secret ID.
    #[track_caller]
    pub(crate) fn approle(&self, name: &str, policies: &[&str]) -> (String, String) {
        self.approle_of(
            name,
            &json!({"token_policies": policies, "token_ttl": "5m"}),
        )
    }

    /// One of other settings: `token_type`, `secret_id_num_uses`.
    /// <https://developer.hashicorp.com/vault/api-docs/auth/approle#create-update-approle>
    #[track_caller]
    pub(crate) fn approle_of(&self, name: &str, settings: &Value) -> (String, String) {
        self.approle_at("auth/approle", name, settings)
    }

    /// The same by the path of the login, which may be in a namespace.
    #[track_caller]
    pub(crate) fn approle_at(&self, login: &str, name: &str, settings: &Value) -> (String, String) {
        let role = format!("{login}/role/{name}");
        self.post(&role, settings);
        let field = |answer: Value, name: &str| answer["data"][name].as_str().unwrap().to_owned();
        let id = field(self.get(&format!("{role}/role-id")), "role_id");
        let secret = self.post(&format!("{role}/secret-id"), &json!({}));
        (id, field(secret, "secret_id"))
    }

    /// A login of the kind `jwt` trusts this issuer. A mount trusts one issuer: tests of
    /// the shared Vault that are not about the same one have mounts of their own.
    #[track_caller]
    pub(crate) fn jwt_config(&self, mount: &str, issuer: &Issuer) {
        self.jwt_config_at(&format!("auth/{mount}"), issuer);
    }

    /// The same by the path of the login, which may be in a namespace.
    #[track_caller]
    pub(crate) fn jwt_config_at(&self, path: &str, issuer: &Issuer) {
        let body = json!({
            "jwt_validation_pubkeys": [issuer.public_key()],
            "bound_issuer": issuer.url(),
        });
        self.post(&format!("{path}/config"), &body);
    }

    /// A role for tokens of this audience and of these claims: `json!({"repository": "acme/app"})`.
    #[track_caller]
    pub(crate) fn jwt_role(
        &self,
        mount: &str,
        name: &str,
        audience: &str,
        claims: &Value,
        policies: &[&str],
    ) {
        let body = json!({
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [audience],
            "bound_claims": claims,
            "token_policies": policies,
            "token_ttl": "5m",
        });
        self.post(&format!("auth/{mount}/role/{name}"), &body);
    }

    /// A login of the kind `kubernetes` asks this cluster.
    #[track_caller]
    pub(crate) fn kubernetes_config(&self, mount: &str, cluster: &Cluster) {
        let body = json!({
            "kubernetes_host": cluster.endpoint,
            // It has to be given, or Vault looks for the files of a pod; over plain HTTP it is not used.
            "kubernetes_ca_cert": Authority::generate().pem(),
            "disable_local_ca_jwt": true,
        });
        self.post(&format!("auth/{mount}/config"), &body);
    }

    /// A role for a service account.
    #[track_caller]
    pub(crate) fn kubernetes_role(
        &self,
        mount: &str,
        name: &str,
        (namespace, account): (&str, &str),
        policies: &[&str],
    ) {
        let body = json!({
            "bound_service_account_namespaces": [namespace],
            "bound_service_account_names": [account],
            "token_policies": policies,
            "token_ttl": "5m",
        });
        self.post(&format!("auth/{mount}/role/{name}"), &body);
    }
}
