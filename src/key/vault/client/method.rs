//! Login methods.

use std::fmt;

use clap::ValueEnum;

/// A login method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// With the CI system's identity token
    // https://developer.hashicorp.com/vault/api-docs/auth/jwt
    Jwt,
    /// With VAULT_ROLE_ID and VAULT_SECRET_ID
    // https://developer.hashicorp.com/vault/api-docs/auth/approle
    #[value(name = "approle")]
    AppRole,
    /// With the pod's service account
    // https://developer.hashicorp.com/vault/api-docs/auth/kubernetes
    Kubernetes,
}

impl Method {
    /// The method of this name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "approle" => Some(Self::AppRole),
            "jwt" => Some(Self::Jwt),
            "kubernetes" => Some(Self::Kubernetes),
            _ => None,
        }
    }

    /// Its name, which is also its default mount.
    pub fn name(self) -> &'static str {
        match self {
            Self::AppRole => "approle",
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppRole => "AppRole",
            Self::Jwt => "JWT",
            Self::Kubernetes => "Kubernetes",
        })
    }
}
