//! Keys of a Vault. They are those of `transit`; `post` makes those of other mounts.

use serde_json::{Value, json};

use super::Vault;

impl Vault {
    /// Makes a key: `key("mine", "ecdsa-p256")`.
    #[track_caller]
    pub(crate) fn key(&self, name: &str, kind: &str) {
        let mut body = json!({"type": kind});
        if kind == "hmac" {
            body["key_size"] = json!(32);
        }
        self.post(&format!("transit/keys/{name}"), &body);
    }

    /// One of Ed25519 that is another key in every context.
    #[track_caller]
    pub(crate) fn derived_key(&self, name: &str) {
        let body = json!({"type": "ed25519", "derived": true});
        self.post(&format!("transit/keys/{name}"), &body);
    }

    /// One of which Vault has only the public key: it looks like any other, but signs nothing.
    #[track_caller]
    pub(crate) fn public_key(&self, name: &str, kind: &str, pem: &str) {
        let body = json!({"type": kind, "public_key": pem});
        self.post(&format!("transit/keys/{name}/import"), &body);
    }

    #[track_caller]
    pub(crate) fn rotate(&self, name: &str) {
        self.post(&format!("transit/keys/{name}/rotate"), &json!({}));
    }

    /// `configure("mine", json!({"min_decryption_version": 2}))`.
    #[track_caller]
    pub(crate) fn configure(&self, name: &str, settings: &Value) {
        self.post(&format!("transit/keys/{name}/config"), settings);
    }

    /// Destroys the versions below `version`. Neither minimum of the key's configuration may be lower.
    #[track_caller]
    pub(crate) fn trim(&self, name: &str, version: u64) {
        let body = json!({"min_available_version": version});
        self.post(&format!("transit/keys/{name}/trim"), &body);
    }

    /// A key's `data`: `latest_version`, `keys` by version, and so on.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> Value {
        self.get(&format!("transit/keys/{name}"))["data"].take()
    }

    /// The public key of a version as Vault gives it: PEM, or the base64 of an Ed25519 key's 32 bytes.
    #[track_caller]
    pub(crate) fn version(&self, name: &str, version: u64) -> String {
        let key = self.read(name);
        let found = key["keys"][version.to_string()]["public_key"].as_str();
        found.unwrap_or_else(|| panic!("{key}")).to_owned()
    }
}
