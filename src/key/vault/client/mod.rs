//! A client of HashiCorp Vault and OpenBao. It logs in once per run, however many keys and images there are.

pub mod address;
pub(super) mod advice;
mod auth;
pub(crate) mod capabilities;
mod config;
mod connection;
pub mod error;
mod http;
mod login;
pub mod method;
pub mod mount;
pub mod options;
pub mod response;
pub mod tls;
pub mod token;
pub(crate) mod variables;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use rustify::Endpoint;
use tokio::time::{Instant, timeout_at};
use vaultrs::api::token::requests::RevokeTokenSelfRequest;
use zeroize::Zeroizing;

use crate::identity::jwt::{Claims, LastClaims};
use crate::identity::token_source::TokenRequest;
use crate::key::vault::client::address::Server;
use crate::key::vault::client::auth::Auth;
use crate::key::vault::client::config::Config;
use crate::key::vault::client::connection::{Connection, path_of};
use crate::key::vault::client::error::Error;
use crate::key::vault::client::options::Options;
use crate::key::vault::client::token::Token;
use crate::mask::Mask;
use crate::net::retry::{Backoff, Throttle};

/// A server, and the token of this run.
#[derive(Clone)]
pub struct Client {
    connection: Arc<Connection>,
    warning: Option<Arc<str>>,
    token_request: Option<TokenRequest>,
    login: Shared<BoxFuture<'static, Result<Arc<Token>, Error>>>,
    /// Whether the login has begun.
    begun: Arc<AtomicBool>,
}

/// The limit for the token's revocation at the end of a run.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Reads the configuration for `server`, and sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`options::Error`] for an invalid option or variable, and if there is neither a token nor a way to log in.
    pub fn new(
        server: Server,
        options: &Options,
        mask: &Mask,
        deadline: Instant,
    ) -> Result<Self, options::Error> {
        let config = Config::new(&server, options, mask)?;
        let warning = config.transport.trust.warning().map(Arc::from);
        let origin = server.address.origin(config.transport.server_name.as_ref());
        let client = http::client(&server.address, config.transport);
        let (client, route) = client.map_err(|reason| options::Error::Transport {
            server: server.clone(),
            reason,
        })?;
        let connection = Arc::new(Connection {
            server,
            origin,
            namespace: config.namespace,
            client,
            route,
            attempts: config.attempts,
            deadline,
            throttle: Throttle::default(),
            claims: LastClaims::default(),
        });
        let token_request = match &config.auth {
            Auth::LogIn(request) => request.method.token_request(),
            Auth::Token(_) => None,
        };
        let begun = Arc::new(AtomicBool::new(false));
        let login = {
            let (connection, begun) = (Arc::clone(&connection), Arc::clone(&begun));
            async move {
                begun.store(true, Ordering::Relaxed);
                Ok(Arc::new(match config.auth {
                    Auth::Token(token) => token,
                    Auth::LogIn(request) => request.log_in(&connection).await?,
                }))
            }
        };
        Ok(Self {
            connection,
            warning,
            token_request,
            login: login.boxed().shared(),
            begun,
        })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.connection.server
    }

    /// Logs in, unless that has happened.
    ///
    /// # Errors
    ///
    /// [`Error`] if the login fails, the same for every caller.
    pub async fn log_in(&self) -> Result<(), Error> {
        self.login.clone().await.map(|_| ())
    }

    /// Calls an endpoint, and returns the JSON of its response. `capability` is what a policy calls it.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails, after all attempts.
    pub(crate) async fn call<E: Endpoint>(
        &self,
        endpoint: &E,
        capability: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let token = self.login.clone().await?;
        let connection = &self.connection;
        let attempt = || connection.attempt_with(&token, endpoint, capability);
        let backoff = connection.backoff(action(endpoint));
        backoff.run(attempt, Error::retry).await
    }

    /// The identity token that the CI system's agent has to issue for the login.
    pub(crate) fn token_request(&self) -> Option<&TokenRequest> {
        self.token_request.as_ref()
    }

    /// The claims of the identity token that was last given to the server.
    pub(crate) fn claims(&self) -> Option<Claims> {
        self.connection.claims.get()
    }

    /// A warning about the connection.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Revokes the token, if it is of a login of this run.
    ///
    /// # Errors
    ///
    /// A warning for the user. The token expires on its own then.
    pub async fn log_out(&self) -> Result<(), String> {
        if !self.begun.load(Ordering::Relaxed) {
            return Ok(());
        }
        let until = Instant::now().checked_add(REVOKE_TIMEOUT);
        let until = until.unwrap_or(self.connection.deadline);
        let revoked = timeout_at(until, self.revoke(until)).await;
        let revoked = revoked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let server = &self.connection.server;
        revoked.map_err(|reason| {
            format!(
                "the token of this run's login to {server} is not revoked, and expires on its own: {reason}"
            )
        })?;
        match self.login.peek() {
            Some(Ok(token)) if token.left_another => Err(format!(
                "the answer to a login to {server} was lost; if it brought a token, it expires on its own"
            )),
            _ => Ok(()),
        }
    }

    async fn revoke(&self, until: Instant) -> Result<(), String> {
        // A login in flight may still return a token.
        let token = match self.login.clone().await {
            Ok(token) if token.revocable => token,
            _ => return Ok(()),
        };
        let connection = &self.connection;
        let backoff = Backoff::new(connection.attempts, until, Throttle::default());
        let endpoint = RevokeTokenSelfRequest {};
        let backoff = backoff.of(connection.call(action(&endpoint)));
        let attempt = || connection.attempt_with(&token, &endpoint, "update");
        match backoff.run(attempt, Error::retry).await {
            // An earlier attempt may have revoked it, although its response was lost.
            Ok(_) | Err(Error::Token { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// An endpoint in messages: its method, and its path below the version of the API.
fn action(endpoint: &impl Endpoint) -> String {
    format!("{:?} {}", endpoint.method(), path_of(endpoint))
}
