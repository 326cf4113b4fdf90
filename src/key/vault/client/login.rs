//! Logins: a job exchanges what it has, most often the identity token of its CI system, for a token.

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
use crate::identity::token_source::TokenRequest;
use crate::key::vault::client::address::Server;
use crate::key::vault::client::connection::Connection;
use crate::key::vault::client::error::Error;
use crate::key::vault::client::method::Method;
use crate::key::vault::client::mount::Mount;
use crate::key::vault::client::response::ErrorResponse;
use crate::key::vault::client::token::{Token, TokenOrigin};
use crate::mask::Mask;

/// A login, with its method and the mount of that.
pub(crate) struct LoginRequest {
    pub(crate) mount: Mount,
    pub(crate) method: LoginMethod,
    /// Masks tokens in logs.
    pub(crate) mask: Mask,
}

/// A login method, with its credentials.
pub(crate) enum LoginMethod {
    AppRole {
        role_id: String,
        secret_id: SecretString,
    },
    Jwt {
        role: Option<String>,
        /// The token's audience.
        audience: String,
        /// Whether the user chose that audience, which then may be any.
        chosen: bool,
        source: token_source::TokenSource,
        http: SharedHttpClient,
    },
    Kubernetes {
        role: String,
        /// The audience that the token must have, if the user names one.
        audience: Option<String>,
        source: token_source::TokenSource,
        http: SharedHttpClient,
    },
}

impl LoginMethod {
    fn method(&self) -> Method {
        match self {
            Self::AppRole { .. } => Method::AppRole,
            Self::Jwt { .. } => Method::Jwt,
            Self::Kubernetes { .. } => Method::Kubernetes,
        }
    }

    /// The identity token that the CI system's agent has to issue.
    pub(crate) fn token_request(&self) -> Option<TokenRequest> {
        match self {
            Self::Jwt {
                audience, source, ..
            } => source.request(audience),
            // A pod's token is in a file.
            Self::AppRole { .. } | Self::Kubernetes { .. } => None,
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

impl LoginRequest {
    /// Logs in, in as many attempts as the connection allows.
    pub(crate) async fn log_in(&self, connection: &Connection) -> Result<Token, Error> {
        // An identity token expires within minutes, so each attempt gets a new one where possible.
        let attempt = || self.attempt(connection);
        let backoff = connection.backoff("the login".to_owned());
        let mut lost = None;
        let classify = |error: &Error| {
            if error.may_be_granted() {
                lost = Some(error.clone());
            }
            error.retry()
        };
        match (backoff.run(attempt, classify).await, lost) {
            (Ok(token), lost) => Ok(Token {
                left_another: lost.is_some(),
                ..token
            }),
            (Err(Error::Refused { server, answer, .. }), Some(lost))
                if self.method.method() == Method::AppRole =>
            {
                Err(Error::LostLogin {
                    server,
                    lost: Box::new(lost),
                    answer,
                })
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn attempt(&self, connection: &Connection) -> Result<Token, Error> {
        let token = self.identity(&connection.server).await?;
        if let Some(token) = &token {
            self.mask.hide(token.secret());
            connection.claims.note(token);
        }
        let request = self.request(connection, token.as_ref())?;
        let secret = match (&self.method, &token) {
            (_, Some(token)) => token.secret(),
            (LoginMethod::AppRole { secret_id, .. }, None) => secret_id.expose_secret(),
            (_, None) => "",
        };
        let claims = token.as_ref().map(IdentityToken::claims);
        let path = format!("auth/{}/login", self.mount);
        let response = connection
            .attempt(request, &path, "update", &[secret])
            .await;
        let body = response.map_err(|error| self.refused(error, claims))?;
        let login: LoginResponse = object(&body).map_err(|_| Error::Nonsense {
            server: connection.server.clone(),
            what: "something else than a token".to_owned(),
        })?;
        if login.auth.client_token.is_empty() && !login.auth.mfa_requirement.is_null() {
            return Err(Error::Mfa {
                server: connection.server.clone(),
                method: self.method.method(),
                mount: self.mount.to_string(),
            });
        }
        self.mask.hide(&login.auth.client_token);
        let origin = TokenOrigin::Login {
            method: self.method.method(),
            mount: self.mount.clone(),
        };
        let token = Token::new(&login.auth.client_token, origin);
        let token = token.ok_or_else(|| Error::Nonsense {
            server: connection.server.clone(),
            what: "a login without a usable token".to_owned(),
        })?;
        // Batch tokens cannot be revoked
        // (https://developer.hashicorp.com/vault/docs/concepts/tokens#batch-tokens).
        let revocable = login.auth.token_type != "batch";
        tracing::debug!("logged in by {} at `{}`", self.method.method(), self.mount);
        Ok(Token { revocable, ..token })
    }

    /// Gets the identity token, if the method takes one.
    async fn identity(&self, server: &Server) -> Result<Option<IdentityToken>, Error> {
        let (source, audience, chosen, http) = match &self.method {
            LoginMethod::AppRole { .. } => return Ok(None),
            LoginMethod::Jwt {
                source,
                audience,
                chosen,
                http,
                ..
            } => (source, Some(audience.as_str()), *chosen, http),
            LoginMethod::Kubernetes {
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
        // With a token for AWS, Vault could assume the role that trusts it.
        let for_aws = audiences.any(is_of_aws) && !(chosen && is_of_aws(wanted));
        // Vault could use a token for another server there. An audience that is no URL names no server.
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
                source_name: source.to_string(),
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
        match &self.method {
            LoginMethod::AppRole { role_id, secret_id } => {
                connection.request(&LoginWithApproleRequest {
                    mount,
                    role_id: role_id.clone(),
                    secret_id: secret_id.expose_secret().to_owned(),
                })
            }
            LoginMethod::Jwt { role, .. } => connection.request(&JWTLoginRequest {
                mount,
                jwt,
                role: role.clone(),
            }),
            LoginMethod::Kubernetes { role, .. } => {
                connection.request(&LoginWithKubernetesRequest {
                    mount,
                    role: role.clone(),
                    jwt,
                })
            }
        }
    }

    /// The meaning of an error response before there is a token with policies.
    fn refused(&self, error: Error, claims: Option<&Claims>) -> Error {
        let (server, answer) = match error {
            Error::Denied { server, answer, .. } => (server, answer),
            Error::Service { server, answer, .. }
                if !answer.is_transient() && answer.status != 429 =>
            {
                (server, answer)
            }
            // Where a login method is mounted, its path exists.
            Error::NotFound { server, path } => {
                return Error::NoMount {
                    server,
                    path,
                    answer: ErrorResponse::from_status(404),
                };
            }
            other => return other,
        };
        Error::Refused {
            server,
            method: self.method.method(),
            mount: self.mount.to_string(),
            role: self.method.role().map(str::to_owned),
            claims: claims.cloned().map(Box::new),
            answer,
        }
    }
}

/// Whether an audience is one of AWS: STS in any region and spelling, another service, or the sign-in.
fn is_of_aws(audience: &str) -> bool {
    let audience = audience.to_ascii_lowercase();
    audience.contains("amazonaws.") || audience.starts_with("urn:amazon:")
}

/// The response to a login.
#[derive(Deserialize)]
struct LoginResponse {
    #[serde(deserialize_with = "s3lo_core::json::inner")]
    auth: LoginData,
}

#[derive(Deserialize)]
struct LoginData {
    client_token: String,
    /// Any JSON: an odd type must not hide the token, which has to be revoked.
    #[serde(default)]
    token_type: Value,
    /// Present where the login asks for a second factor; then the token is empty
    /// (<https://developer.hashicorp.com/vault/docs/auth/login-mfa>).
    #[serde(default)]
    mfa_requirement: Value,
}

impl Drop for LoginData {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.client_token);
    }
}
