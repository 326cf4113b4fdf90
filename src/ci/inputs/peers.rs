//! The names that the actions and tools beside this one give to what an option of ours does: cosign, vault-action,
//! configure-aws-credentials, build-push-action, attest-build-provenance.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

/// Our name for what others call `name`: an option, or in capitals a variable. A name of two meanings has none.
pub(crate) fn ours(name: &str) -> Option<&'static str> {
    let known = PEERS.iter().find(|(_, theirs)| theirs.contains(&name));
    known.map(|(ours, _)| *ours)
}

/// Whether the answer of [`ours`] is a variable.
pub(crate) fn is_variable(ours: &str) -> bool {
    ours.starts_with(|c: char| c.is_ascii_uppercase())
}

#[rustfmt::skip]
const PEERS: [(&str, &[&str]); 37] = [
    ("reference", &["image", "images", "image-name", "image-ref", "image-reference", "image-uri", "image-url", "ref",
        "refs", "references", "subject-name", "tag", "tags"]),
    ("key", &["cosign-key", "cosign-private-key", "cosign-public-key", "key-id", "key-path", "key-ref", "keys", "kms",
        "kms-arn", "kms-key", "kms-key-arn", "kms-key-id", "private-key", "public-key", "signing-key"]),
    ("password", &["cosign-password", "key-passphrase", "key-password", "passphrase", "private-key-password"]),
    ("digest", &["expected-digest", "image-digest", "manifest-digest", "sha256", "subject-digest"]),
    ("endpoint", &["aws-endpoint-url", "endpoint-url", "s3-endpoint", "s3-endpoint-url", "s3-url"]),
    ("expected-bucket-owner", &["bucket-owner"]),
    ("timeout", &["deadline", "max-wait"]),
    ("concurrency", &["jobs", "max-parallel", "parallel", "parallelism"]),
    ("schema-version", &["schema", "signature-schema", "signature-version"]),
    ("min-schema", &["min-schema-version", "minimum-schema"]),
    ("if-signed", &["force", "if-exists", "overwrite", "recreate"]),
    ("policy", &["policy-file", "policy-path", "trust-policy"]),
    ("require", &["min-signatures", "required", "threshold"]),
    ("region", &["aws-default-region", "aws-region", "kms-region", "s3-region"]),
    ("role-to-assume", &["assume-role", "assume-role-arn", "aws-role", "aws-role-arn", "aws-role-to-assume", "iam-role",
        "iam-role-arn", "role-arn", "role-chaining"]),
    ("role-session-name", &["aws-role-session-name", "role-session", "session-name"]),
    ("role-duration", &["role-duration-seconds", "session-duration", "role-session-duration"]),
    ("external-id", &["role-external-id"]),
    ("audience", &["aws-audience", "id-token-audience", "oidc-audience", "sts-audience"]),
    ("allowed-account", &["account-id", "allowed-account-id", "allowed-account-ids", "allowed-accounts",
        "aws-account-id"]),
    ("vault-address", &["url", "vault-addr", "vault-host", "vault-server", "vault-server-url", "vault-url"]),
    ("vault-namespace", &["namespace"]),
    ("vault-auth", &["method", "vault-auth-method", "vault-login", "vault-method"]),
    ("vault-auth-mount", &["vault-auth-path", "vault-mount", "vault-path"]),
    ("vault-audience", &["jwtgithubaudience", "jwt-github-audience", "vault-jwt-audience", "vault-oidc-audience"]),
    ("vault-role", &["vault-auth-role", "vault-jwt-role"]),
    ("vault-plain-http", &["allow-http", "insecure"]),
    ("output-file", &["json-file", "output-path", "result-file", "results-file"]),
    ("summary", &["job-summary", "step-summary"]),
    ("verbose", &["debug", "log-level"]),
    ("VAULT_TOKEN", &["vault-token"]),
    ("VAULT_CACERT", &["cacertificate", "vault-ca-cert", "vault-cacert"]),
    ("VAULT_ROLE_ID", &["vault-role-id", "roleid"]),
    ("VAULT_SECRET_ID", &["vault-secret-id", "secretid"]),
    ("AWS_ACCESS_KEY_ID", &["aws-access-key-id"]),
    ("AWS_SECRET_ACCESS_KEY", &["aws-secret-access-key"]),
    ("AWS_SESSION_TOKEN", &["aws-session-token"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_has_one_meaning() {
        let theirs: Vec<_> = PEERS.iter().flat_map(|(_, theirs)| *theirs).collect();
        let distinct: BTreeSet<_> = theirs.iter().collect();
        assert_eq!(theirs.len(), distinct.len());
        assert_eq!(ours("vault-url"), Some("vault-address"));
        assert_eq!(ours("role"), None);
        assert!(is_variable("VAULT_TOKEN") && !is_variable("key"));
    }
}
