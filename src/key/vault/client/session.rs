//! A Vault that is asked: one login for a run, however many keys and images it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Request};
use rustify::Endpoint;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout_at};
use vaultrs::api::token::requests::RevokeTokenSelfRequest;
use zeroize::Zeroizing;

use crate::key::vault::client::address::Server;
use crate::key::vault::client::config::{Settings, Wishes};
use crate::key::vault::client::error::Error;
use crate::key::vault::client::http::{Broken, Reply};
use crate::key::vault::client::login::{Held, Login};
use crate::key::vault::client::response::Answer;
use crate::key::vault::client::{config, http};
use crate::net::retry::{Backoff, Throttle};

/// A server, and the token with which it is asked.
#[derive(Clone)]
pub struct Vault {
    connection: Arc<Connection>,
    login: Shared<BoxFuture<'static, Result<Arc<Held>, Error>>>,
    /// Whether the login is on its way, or done.
    begun: Arc<AtomicBool>,
}

/// How the server is asked, with a token or without.
pub(crate) struct Connection {
    pub(crate) server: Server,
    namespace: Option<String>,
    warning: Option<String>,
    client: Client,
    attempts: u32,
    deadline: Instant,
    throttle: Throttle,
}

/// How long the token's end is waited for, when the work is done.
const PARTING: Duration = Duration::from_secs(5);

impl Vault {
    /// Reads what is said of `server`. Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// [`config::Error`] for what is set and means nothing, and if there is no token and nothing to log in
    /// with.
    pub fn configure(server: Server, wishes: &Wishes) -> Result<Self, config::Error> {
        let settings = Settings::new(&server, wishes)?;
        let warning = settings.transport.trust.warning();
        let client = http::client(&server.address, settings.transport);
        let client = client.map_err(|reason| config::Error::Transport {
            server: server.clone(),
            reason,
        })?;
        let connection = Arc::new(Connection {
            server,
            namespace: settings.namespace,
            warning,
            client,
            attempts: settings.attempts,
            deadline: wishes.deadline,
            throttle: Throttle::default(),
        });
        let asked = Arc::clone(&connection);
        let begun = Arc::new(AtomicBool::new(false));
        let beginning = Arc::clone(&begun);
        let login = async move {
            beginning.store(true, Ordering::Relaxed);
            Ok(Arc::new(match settings.login {
                Login::Given(held) => held,
                Login::With(credentials) => credentials.log_in(&asked).await?,
            }))
        };
        Ok(Self {
            connection,
            login: login.boxed().shared(),
            begun,
        })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.connection.server
    }

    /// Logs in, if nobody did yet.
    ///
    /// # Errors
    ///
    /// [`Error`] if the login is refused, the same to everybody who waits.
    pub async fn log_in(&self) -> Result<(), Error> {
        self.login.clone().await.map(|_| ())
    }

    /// Makes a call: its answer, as JSON. `capability` is what a policy calls it.
    ///
    /// # Errors
    ///
    /// [`Error`] if Vault refuses, or does not answer in as many tries as it has.
    pub(crate) async fn call<E: Endpoint>(
        &self,
        endpoint: &E,
        capability: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let held = self.login.clone().await?;
        let connection = &self.connection;
        let once = || connection.with_token(endpoint, capability, &held);
        connection.backoff().run(once, Error::retry).await
    }

    /// What whoever runs this should know of the connection.
    pub fn warning(&self) -> Option<&str> {
        self.connection.warning.as_deref()
    }

    /// Gives the token back, if it is one that this run obtained.
    ///
    /// # Errors
    ///
    /// Why that failed. The token ends by itself, then.
    pub async fn log_out(&self) -> Result<(), String> {
        if !self.begun.load(Ordering::Relaxed) {
            return Ok(());
        }
        let until = Instant::now().checked_add(PARTING);
        let until = until.unwrap_or(self.connection.deadline);
        let ending = timeout_at(until, self.revoke(until)).await;
        let ended = ending.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        ended.map_err(|reason| {
            format!(
                "the token of this run's login to {} is not revoked, and ends by itself: {reason}",
                self.connection.server
            )
        })
    }

    async fn revoke(&self, until: Instant) -> Result<(), String> {
        // A login that is on its way may give a token that nobody knows of yet.
        let held = match self.login.clone().await {
            Ok(held) if held.ours => held,
            _ => return Ok(()),
        };
        let connection = &self.connection;
        let backoff = Backoff::new(connection.attempts, until, Throttle::default());
        let endpoint = RevokeTokenSelfRequest {};
        let once = || connection.with_token(&endpoint, "update", &held);
        match backoff.run(once, Error::retry).await {
            // Or it is revoked, by a try whose answer was lost, or has ended by itself.
            Ok(_) | Err(Error::Token { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Connection {
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.attempts, self.deadline, self.throttle.clone())
    }

    /// What an endpoint makes of itself, for the client, in the first version of the API.
    pub(crate) fn request(&self, endpoint: &impl Endpoint) -> Result<Request, Error> {
        let unusable = |reason: String| Error::Unreachable {
            server: self.server.clone(),
            reason: reason.into(),
        };
        let made = endpoint.request(&self.server.address.to_string());
        let made = made.map_err(|error| unusable(error.to_string()))?;
        let mut request = Request::try_from(made).map_err(|error| unusable(error.to_string()))?;
        let path = format!("/v1{}", request.url().path());
        request.url_mut().set_path(&path);
        Ok(request)
    }

    async fn with_token(
        &self,
        endpoint: &impl Endpoint,
        capability: &'static str,
        held: &Held,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut request = self.request(endpoint)?;
        let path = endpoint.path();
        let token = held.token.expose_secret();
        let mut value = HeaderValue::from_str(token).map_err(|_| Error::Token {
            server: self.server.clone(),
            place: held.place.clone(),
            answer: Answer::default(),
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(TOKEN, value);
        // vaultrs begins some with a slash, and one with a tab.
        let path = path.trim().trim_start_matches('/');
        let answered = self.once(request, path, capability, &[token]).await;
        answered.map_err(|error| match error {
            Error::Token { server, answer, .. } => Error::Token {
                server,
                place: held.place.clone(),
                answer,
            },
            other => other,
        })
    }

    /// One try. What is in `secrets` is in no error that comes of it.
    pub(crate) async fn once(
        &self,
        mut request: Request,
        path: &str,
        capability: &'static str,
        secrets: &[&str],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let headers = request.headers_mut();
        // So that no form in a browser, and no other confused deputy, passes for a client.
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            // It is of the letters that a path may have.
            if let Ok(value) = HeaderValue::from_str(namespace) {
                headers.insert(NAMESPACE, value);
            }
        }
        let server = || self.server.clone();
        match http::send(&self.client, request, secrets).await {
            Ok(reply) => self.meaning(reply, path, capability, secrets),
            Err(Broken::Unreachable(reason)) => Err(Error::Unreachable {
                server: server(),
                reason,
            }),
            Err(Broken::Oversized) => Err(Error::Nonsense {
                server: server(),
                what: "more than any key takes".to_owned(),
            }),
        }
    }

    /// What a status means.
    fn meaning(
        &self,
        reply: Reply,
        path: &str,
        capability: &'static str,
        secrets: &[&str],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (server, path) = (self.server.clone(), path.to_owned());
        let answer = match reply.status {
            200..=299 => return Ok(reply.body),
            300..=399 => {
                let to = reply.location.map(|place| format!("`{place}`"));
                let to = to.unwrap_or_else(|| "a place that it does not name".to_owned());
                return Err(Error::Redirected { server, to });
            }
            status => Answer::of(status, &reply.body, secrets),
        };
        Err(match answer.status {
            400 | 403 | 500 if answer.is_about_the_token() => Error::Token {
                server,
                place: String::new(),
                answer,
            },
            404 if answer.says("no handler for route") || answer.says("unsupported path") => {
                Error::NoMount {
                    server,
                    path,
                    answer,
                }
            }
            404 if answer.is_empty() => Error::NotFound { server, path },
            403 if answer.is_vaults() => Error::Denied {
                server,
                capability,
                path,
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

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
