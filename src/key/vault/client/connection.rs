//! A connection to a server: requests, with a token or without, and the meaning of each response.

use reqwest::header::{HOST, HeaderName, HeaderValue};
use reqwest::{Client, Request};
use rustify::Endpoint;
use s3lo_core::json::object;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::identity::jwt::LastClaims;
use crate::key::vault::client::address::Server;
use crate::key::vault::client::error::Error;
use crate::key::vault::client::http;
use crate::key::vault::client::http::{Failure, Response};
use crate::key::vault::client::response::{Cause, ErrorResponse};
use crate::key::vault::client::token::{Token, TokenOrigin};
use crate::net::calls;
use crate::net::calls::{Answer, Awaited, InProgress};
use crate::net::retry::{Backoff, Throttle, TryError};
use crate::net::unreachable::Route;

/// A connection to one server.
pub(crate) struct Connection {
    pub(crate) server: Server,
    /// The URL that requests name, without a path.
    pub(crate) origin: String,
    pub(crate) namespace: Option<String>,
    pub(crate) client: Client,
    /// The way to the server, if it leads through a proxy.
    pub(crate) route: Option<Route>,
    pub(crate) attempts: u32,
    pub(crate) deadline: Instant,
    pub(crate) throttle: Throttle,
    /// Those of the identity token that was last sent.
    pub(crate) claims: LastClaims,
}

impl Connection {
    /// The tries of a call to `action`.
    pub(crate) fn backoff(&self, action: String) -> Backoff {
        let backoff = Backoff::new(self.attempts, self.deadline, self.throttle.clone());
        backoff.of(self.call(action))
    }

    /// The beginning of a call to `action`.
    pub(crate) fn call(&self, action: String) -> InProgress {
        let call = calls::begin(Awaited::Service {
            name: self.server.product.to_string().into(),
            action: action.into(),
        });
        call.at(self.server.address.to_string())
    }

    /// Makes the HTTP request of an endpoint, in version 1 of the API.
    pub(crate) fn request(&self, endpoint: &impl Endpoint) -> Result<Request, Error> {
        let unusable = |reason: String| Error::Unreachable {
            server: self.server.clone(),
            reason: reason.into(),
            sent: false,
        };
        let made = endpoint.request(&self.origin);
        let made = made.map_err(|error| unusable(error.to_string()))?;
        let mut request = Request::try_from(made).map_err(|error| unusable(error.to_string()))?;
        let path = format!("{}/v1{}", self.server.address.path(), request.url().path());
        request.url_mut().set_path(&path);
        Ok(request)
    }

    /// Makes one attempt with a token.
    pub(crate) async fn attempt_with(
        &self,
        token: &Token,
        endpoint: &impl Endpoint,
        capability: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut request = self.request(endpoint)?;
        let secret = token.secret.as_ref().map(|secret| secret.expose_secret());
        if let Some(secret) = secret {
            let mut value = HeaderValue::from_str(secret).map_err(|_| Error::Token {
                server: self.server.clone(),
                origin: token.origin.clone(),
                answer: ErrorResponse::default(),
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(TOKEN, value);
        }
        let secrets = secret.as_slice();
        let response = self.send(request, secrets).await?;
        let path = path_of(endpoint);
        self.classify(response, &path, capability, secrets, Some(&token.origin))
    }

    /// Makes one attempt without a token. No error contains one of the `secrets`.
    pub(crate) async fn attempt(
        &self,
        request: Request,
        path: &str,
        capability: &'static str,
        secrets: &[&str],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let response = self.send(request, secrets).await?;
        self.classify(response, path, capability, secrets, None)
    }

    async fn send(&self, mut request: Request, secrets: &[&str]) -> Result<Response, Error> {
        let headers = request.headers_mut();
        // The URL may name the certificate's host in place of the server's.
        if let Ok(host) = HeaderValue::from_str(&self.server.address.host_header()) {
            headers.insert(HOST, host);
        }
        // Proves that a client made the request, and not a form in a browser.
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace
            // A path holds nothing that a header must not.
            && let Ok(value) = HeaderValue::from_str(namespace)
        {
            headers.insert(NAMESPACE, value);
        }
        let sent = http::send(&self.client, request, self.route.as_ref(), secrets).await;
        sent.map_err(|failure| match failure {
            Failure::Unreachable { reason, sent } => Error::Unreachable {
                server: self.server.clone(),
                reason,
                sent,
            },
            Failure::Oversized => Error::Nonsense {
                server: self.server.clone(),
                what: "more than any key takes".to_owned(),
            },
        })
    }

    /// The body of a success, or the meaning of an error response to a request with a token of this origin.
    fn classify(
        &self,
        response: Response,
        path: &str,
        capability: &'static str,
        secrets: &[&str],
        origin: Option<&TokenOrigin>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (server, path) = (self.server.clone(), path.to_owned());
        let answer = match response.status {
            200..=299 if is_wrapped(&response.body) => {
                return Err(Error::Wrapped { server, path });
            }
            200..=299 => return Ok(response.body),
            300..=399 => {
                let to = response.location;
                return Err(Error::Redirected { server, to });
            }
            status => ErrorResponse::parse(status, &response.body, secrets),
        };
        let namespace = self.namespace.clone();
        match answer.cause() {
            Some(Cause::NamespaceNotFound) => {
                return Err(Error::NoNamespace {
                    server,
                    namespace,
                    answer,
                });
            }
            Some(Cause::NamespaceLocked) => {
                return Err(Error::LockedNamespace {
                    server,
                    namespace,
                    answer,
                });
            }
            _ => {}
        }
        Err(match answer.status {
            400 | 403 | 500 if answer.is_about_token() => match origin.cloned() {
                Some(origin) => Error::Token {
                    server,
                    origin,
                    answer,
                },
                None => Error::Denied {
                    server,
                    capability,
                    path,
                    origin: None,
                    answer,
                },
            },
            404 if answer.says("no handler for route") || answer.says("unsupported path") => {
                Error::NoMount {
                    server,
                    path,
                    answer,
                }
            }
            404 if answer.is_empty() => Error::NotFound { server, path },
            403 if answer.is_from_vault() => Error::Denied {
                server,
                capability,
                path,
                origin: origin.cloned(),
                answer,
            },
            _ => Error::Service {
                server,
                path,
                answer,
            },
        })
    }
}

/// The path of an endpoint below the version of the API.
pub(crate) fn path_of(endpoint: &impl Endpoint) -> String {
    // vaultrs begins some paths with a slash, and one with a tab.
    endpoint.path().trim().trim_start_matches('/').to_owned()
}

impl TryError for Error {
    fn answer(&self) -> Answer {
        match (self, self.response()) {
            (_, Some(answer)) => Answer::Was(format!("status {}", answer.status)),
            (Self::Unreachable { reason, .. }, None) => Answer::none(reason.to_string()),
            (error, None) => Answer::none(error.to_string()),
        }
    }
}

/// Whether a response is in a wrap. None is asked for here, so a
/// [control group](https://developer.hashicorp.com/vault/docs/enterprise/control-groups) holds it.
fn is_wrapped(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Body {
        wrap_info: Option<IgnoredAny>,
    }
    object::<Body>(body).is_ok_and(|body| body.wrap_info.is_some())
}

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
