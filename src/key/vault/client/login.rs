//! Where the token comes from: it is given, or a job logs in with what it has, most often the identity token
//! of its CI system.

use std::fmt;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use reqwest::Request;
use s3lo_core::json::object;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;

use crate::identity::jwt::{Claims, IdentityToken};
use crate::identity::token_source;
use crate::key::vault::client::address::Server;
use crate::key::vault::client::error::Error;
use crate::key::vault::client::response::Answer;
use crate::key::vault::client::session::Connection;
use crate::key::vault::uri::Mount;
use crate::mask::Mask;

/// How a job logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A role ID and a secret ID ([AppRole](https://developer.hashicorp.com/vault/api-docs/auth/approle)).
    AppRole,
    /// The CI system's identity token ([JWT](https://developer.hashicorp.com/vault/api-docs/auth/jwt)).
    Jwt,
    /// A service account's token ([Kubernetes](https://developer.hashicorp.com/vault/api-docs/auth/kubernetes)).
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

    /// Its name, and where it is mounted unless somebody chose another place.
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

/// Where the token comes from.
pub(crate) enum Login {
    /// Somebody else logged in.
    Given(Held),
    /// A login of our own.
    With(Box<Credentials>),
}

/// A token.
pub(crate) struct Held {
    pub(crate) token: SecretString,
    /// Where it is from.
    pub(crate) place: String,
    /// Whether it is ours to revoke.
    pub(crate) ours: bool,
}

impl Held {
    /// A token that `place` gives, if it can be one: it becomes a header.
    pub(crate) fn given(text: &str, place: &str) -> Option<Self> {
        let text = text.trim();
        // Quotes are those of a shell or of YAML, which should not have come along.
        let valid = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'`".contains(&byte));
        (valid && (1..=LONGEST).contains(&text.len())).then(|| Self {
            token: SecretString::from(text),
            place: place.to_owned(),
            ours: false,
        })
    }
}

/// The longest token, in bytes. Batch tokens carry their policies.
const LONGEST: usize = 16 * 1024;

/// What a job logs in with, and where.
pub(crate) struct Credentials {
    pub(crate) mount: Mount,
    pub(crate) proof: Proof,
    /// Who is told of tokens.
    pub(crate) mask: Mask,
}

/// What a job logs in with.
pub(crate) enum Proof {
    AppRole {
        role_id: String,
        secret_id: SecretString,
    },
    Jwt {
        role: Option<String>,
        /// For whom the token is to be.
        audience: String,
        /// Whether somebody chose that audience, who is taken at their word.
        chosen: bool,
        source: token_source::TokenSource,
        http: SharedHttpClient,
    },
    Kubernetes {
        role: String,
        /// For whom the token has to be, where somebody says.
        audience: Option<String>,
        source: token_source::TokenSource,
        http: SharedHttpClient,
    },
}

impl Proof {
    fn method(&self) -> Method {
        match self {
            Self::AppRole { .. } => Method::AppRole,
            Self::Jwt { .. } => Method::Jwt,
            Self::Kubernetes { .. } => Method::Kubernetes,
        }
    }

    fn role(&self) -> Option<&str> {
        match self {
            Self::AppRole { .. } => None,
            Self::Jwt { role, .. } => role.as_deref(),
            Self::Kubernetes { role, .. } => Some(role),
        }
    }
}

impl Credentials {
    /// Logs in.
    pub(crate) async fn log_in(&self, connection: &Connection) -> Result<Held, Error> {
        // An identity token lives for minutes: each try takes a new one, where there are new ones.
        let once = || self.once(connection);
        connection.backoff().run(once, Error::retry).await
    }

    async fn once(&self, connection: &Connection) -> Result<Held, Error> {
        let token = self.identity(&connection.server).await?;
        if let Some(token) = &token {
            self.mask.hide(token.secret());
        }
        let request = self.request(connection, token.as_ref())?;
        let secret = match (&self.proof, &token) {
            (_, Some(token)) => token.secret(),
            (Proof::AppRole { secret_id, .. }, None) => secret_id.expose_secret(),
            (_, None) => "",
        };
        let claims = token.as_ref().map(IdentityToken::claims);
        let path = format!("auth/{}/login", self.mount);
        let reply = connection.once(request, &path, "update", &[secret]).await;
        let body = reply.map_err(|error| self.refused(error, claims))?;
        let login: LoggedIn = object(&body).map_err(|_| Error::Nonsense {
            server: connection.server.clone(),
            what: "something else than a token".to_owned(),
        })?;
        self.mask.hide(&login.auth.client_token);
        let (method, mount) = (self.proof.method(), &self.mount);
        let place = format!("the login by {method} at `{mount}`");
        let held = Held::given(&login.auth.client_token, &place);
        let held = held.ok_or_else(|| Error::Nonsense {
            server: connection.server.clone(),
            what: "a login without a usable token".to_owned(),
        })?;
        // Batch tokens cannot be revoked
        // (https://developer.hashicorp.com/vault/docs/concepts/tokens#batch-tokens).
        let ours = login.auth.token_type != "batch";
        tracing::debug!("logged in by {method} at `{mount}`");
        Ok(Held { ours, ..held })
    }

    /// The identity token, where the method takes one.
    async fn identity(&self, server: &Server) -> Result<Option<IdentityToken>, Error> {
        let (source, audience, chosen, http) = match &self.proof {
            Proof::AppRole { .. } => return Ok(None),
            Proof::Jwt {
                source,
                audience,
                chosen,
                http,
                ..
            } => (source, Some(audience.as_str()), *chosen, http),
            Proof::Kubernetes {
                source,
                audience,
                http,
                ..
            } => (source, audience.as_deref(), audience.is_some(), http),
        };
        let token = source.token(audience.unwrap_or_default(), http).await;
        let token = token.map_err(|source| Error::Identity {
            server: server.clone(),
            source,
        })?;
        let audiences = &token.claims().audience;
        let wanted = audience.unwrap_or_default();
        let same = |known: &str| known.trim_end_matches('/') == wanted.trim_end_matches('/');
        let matching = audiences.any(same);
        // Whoever holds a token for AWS can assume the role that trusts it. Vault has no need to.
        let for_aws = audiences.any(is_of_aws) && !(chosen && is_of_aws(wanted));
        // One for another server could be used there. Names that are no URLs say nothing of servers.
        let for_another = match (chosen, audience) {
            (true, _) => !matching,
            (false, None) => false,
            (false, Some(_)) => audiences.any(|known| known.contains("://") && !same(known)),
        };
        if for_aws || for_another {
            return Err(Error::Audience {
                wanted: match audience {
                    Some(audience) => audience.to_owned(),
                    None => server.address.to_string(),
                },
                place: source.to_string(),
                audience: audiences.to_string(),
            });
        }
        Ok(Some(token))
    }

    fn request(
        &self,
        connection: &Connection,
        token: Option<&IdentityToken>,
    ) -> Result<Request, Error> {
        let mount = self.mount.as_str().to_owned();
        let jwt = token
            .map(IdentityToken::secret)
            .unwrap_or_default()
            .to_owned();
        match &self.proof {
            Proof::AppRole { role_id, secret_id } => connection.request(&LoginWithApproleRequest {
                mount,
                role_id: role_id.clone(),
                secret_id: secret_id.expose_secret().to_owned(),
            }),
            Proof::Jwt { role, .. } => connection.request(&JWTLoginRequest {
                mount,
                jwt,
                role: role.clone(),
            }),
            Proof::Kubernetes { role, .. } => connection.request(&LoginWithKubernetesRequest {
                mount,
                role: role.clone(),
                jwt,
            }),
        }
    }

    /// What a refusal means where there is no token yet whose policies could be at fault.
    fn refused(&self, error: Error, claims: Option<&Claims>) -> Error {
        let (server, answer) = match error {
            Error::Denied { server, answer, .. } | Error::Token { server, answer, .. } => {
                (server, answer)
            }
            Error::Service { server, answer, .. } if !answer.is_transient() => (server, answer),
            // A login has nothing at its path but itself.
            Error::NotFound { server, path } => {
                return Error::NoMount {
                    server,
                    path,
                    answer: Answer::bare(404),
                };
            }
            other => return other,
        };
        Error::Refused {
            server,
            method: self.proof.method(),
            mount: self.mount.to_string(),
            role: self.proof.role().map(str::to_owned),
            claims: claims.cloned().map(Box::new),
            answer,
        }
    }
}

/// Whether an audience is AWS's: STS, in any region and spelling, another of its services, or its sign-in.
fn is_of_aws(audience: &str) -> bool {
    let audience = audience.to_ascii_lowercase();
    audience.contains("amazonaws.") || audience.starts_with("urn:amazon:")
}

/// The `auth` of a login's answer.
#[derive(Deserialize)]
struct LoggedIn {
    #[serde(deserialize_with = "s3lo_core::json::inner")]
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    /// Whatever it is: the token has to be known, or nobody could revoke it.
    #[serde(default)]
    token_type: Value,
}

impl Drop for Auth {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.client_token);
    }
}
