//! The CI system's identity token: a JWT that says which repository, branch and job this is.
//!
//! It is a secret for as long as it lives. It stays in memory, and of its contents only what a trust
//! policy compares is ever shown.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use super::ci::Ci;
use super::failure::innermost;
use crate::environment::{self, variable};
use crate::text::clipped;

/// Where tokens come from.
#[derive(Clone)]
#[non_exhaustive]
pub enum Source {
    /// `buildkite-agent oidc request-token`.
    Buildkite,
    /// A file, read anew for each token.
    File(String),
    /// GitHub's endpoint, and what to identify with there.
    GitHub {
        /// ACTIONS_ID_TOKEN_REQUEST_URL.
        url: String,
        /// ACTIONS_ID_TOKEN_REQUEST_TOKEN.
        bearer: SecretString,
    },
    /// A variable of this name.
    Variable(String),
}

impl Source {
    /// The one that the environment offers.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if it offers none.
    pub fn detect(ci: Option<Ci>) -> Result<Self, Error> {
        if let (Some(url), Some(bearer)) = (
            variable("ACTIONS_ID_TOKEN_REQUEST_URL")?,
            variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
        ) {
            check_request_url(&url)?;
            let bearer = SecretString::from(bearer);
            return Ok(Self::GitHub { url, bearer });
        }
        for name in ci.map(Ci::token_variables).unwrap_or_default() {
            if variable(name)?.is_some() {
                return Ok(Self::Variable((*name).to_owned()));
            }
        }
        match ci {
            Some(Ci::Buildkite) => Ok(Self::Buildkite),
            _ => match variable("AWS_WEB_IDENTITY_TOKEN_FILE")? {
                Some(path) => Ok(Self::File(path)),
                None => Err(Error::Missing { ci }),
            },
        }
    }

    /// Whether asking again may give another token.
    pub fn is_renewed(&self) -> bool {
        !matches!(self, Self::Variable(_))
    }

    /// A token for `audience`. Files and variables hold what they hold.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is none, or it is not a JWT.
    pub async fn token(&self, audience: &str, http: &SharedHttpClient) -> Result<Token, Error> {
        let text = match self {
            Self::Buildkite => from_agent(audience).await?,
            Self::File(path) => from_file(path)?,
            Self::GitHub { url, bearer } => from_github(url, bearer, audience, http).await?,
            Self::Variable(name) => match variable(name)? {
                Some(text) => SecretString::from(text),
                None => return Err(Error::Unset { name: name.clone() }),
            },
        };
        Token::new(text).ok_or_else(|| Error::NotAToken {
            place: self.to_string(),
        })
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Buildkite => f.write_str("`buildkite-agent oidc request-token`"),
            Self::File(path) => write!(f, "the file `{path}`"),
            Self::GitHub { .. } => f.write_str("GitHub"),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// A JWT ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)), in form: only STS can tell who made it.
pub struct Token {
    text: SecretString,
    claims: Claims,
}

impl Token {
    fn new(text: SecretString) -> Option<Self> {
        let trimmed = text.expose_secret().trim();
        let [_, claims, _] = <[&str; 3]>::try_from(trimmed.split('.').collect::<Vec<_>>()).ok()?;
        let compact = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if trimmed.len() > MOST || !trimmed.bytes().all(compact) {
            return None;
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims = serde_json::from_slice(&json).ok()?;
        let text = SecretString::from(trimmed);
        Some(Self { text, claims })
    }

    /// The token itself, for STS alone.
    pub fn secret(&self) -> &str {
        self.text.expose_secret()
    }

    /// What it says of itself.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// Whether a text is a token rather than the place of one.
pub(super) fn is_token(text: &str) -> bool {
    Token::new(SecretString::from(text)).is_some()
}

/// What a trust policy compares.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Claims {
    /// `iss`: the provider's URL.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// `aud`: whom it is for.
    #[serde(rename = "aud")]
    pub audience: Audience,
    /// `sub`: repository, branch, environment.
    #[serde(rename = "sub")]
    pub subject: String,
}

/// One or several.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Audience {
    /// A single one.
    One(String),
    /// A list.
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl std::fmt::Display for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(audience) => f.write_str(audience),
            Self::Several(audiences) => f.write_str(&audiences.join(", ")),
        }
    }
}

/// The longest token that STS takes, in bytes.
const MOST: usize = 20_000;

/// How long one request for a token may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn from_file(path: &str) -> Result<SecretString, Error> {
    let unreadable = |reason: String| Error::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    // All at once: a growing buffer would leave copies behind.
    let mut text = String::with_capacity(MOST.saturating_add(2));
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    Ok(SecretString::from(text))
}

/// [Buildkite's command](https://buildkite.com/docs/agent/v3/cli-oidc). The agent has credentials of
/// its own and redacts what it hands out.
async fn from_agent(audience: &str) -> Result<SecretString, Error> {
    let failed = |reason: String| Error::Agent {
        reason,
        lasting: false,
    };
    let mut agent = Command::new("buildkite-agent");
    agent
        .args(["oidc", "request-token", "--audience", audience])
        .args(["--lifetime", "300"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match timeout(PATIENCE, agent.output()).await {
        Err(_) => return Err(failed("it did not answer in time".to_owned())),
        // It cannot be started, and will not be a moment later.
        Ok(Err(error)) => {
            return Err(Error::Agent {
                reason: error.to_string(),
                lasting: true,
            });
        }
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let last = told.trim().lines().last().unwrap_or_default();
        return Err(failed(format!("{}: {}", output.status, clipped(last))));
    }
    let text = String::from_utf8(output.stdout);
    Ok(SecretString::from(text.map_err(|_| {
        failed("it answered with something that is not text".to_owned())
    })?))
}

/// [GitHub's protocol](https://docs.github.com/en/actions/reference/security/oidc): the URL has a query
/// already. Without an audience the token would be for the owner's URL.
async fn from_github(
    url: &str,
    bearer: &SecretString,
    audience: &str,
    http: &SharedHttpClient,
) -> Result<SecretString, Error> {
    let encoded = utf8_percent_encode(audience, NON_ALPHANUMERIC);
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}audience={encoded}");
    let authorization = format!("bearer {}", bearer.expose_secret());
    let (endpoint, _) = url.split_once('?').unwrap_or((&url, ""));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(super::aws::CONNECT)
        .read_timeout(super::aws::READ)
        .operation_timeout(PATIENCE)
        .build();
    let operation = Operation::builder()
        .service_name("GitHub")
        .operation_name("token")
        .http_client(http.clone())
        .endpoint_url(origin(endpoint))
        .no_auth()
        .no_retry()
        .timeout_config(timeouts)
        .serializer(move |()| {
            let mut request = HttpRequest::new(SdkBody::empty());
            let path = url.get(origin(&url).len()..).unwrap_or_default();
            request.set_uri(path)?;
            request
                .headers_mut()
                .try_insert("authorization", authorization.clone())?;
            request.headers_mut().insert("accept", "application/json");
            Ok(request)
        })
        .deserializer(|response: &HttpResponse| Ok::<_, OrchestratorError<Error>>(answer(response)))
        .build();
    match operation.invoke(()).await {
        Ok(answered) => answered,
        Err(error) => Err(Error::Request {
            reason: innermost(&error),
            lasting: false,
        }),
    }
}

/// Scheme and authority of a URL.
fn origin(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |scheme| scheme.saturating_add(3));
    let rest = url.get(begin..).unwrap_or_default();
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..begin.saturating_add(length)).unwrap_or(url)
}

fn answer(response: &HttpResponse) -> Result<SecretString, Error> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let status = response.status().as_u16();
    if status != 200 {
        return Err(Error::Request {
            reason: format!("status {status}"),
            lasting: (400..500).contains(&status) && ![408, 425, 429].contains(&status),
        });
    }
    let body = response.body().bytes().unwrap_or_default();
    let answer = serde_json::from_slice::<Answer>(body).map_err(|_| Error::Request {
        reason: "its answer is not the JSON that was expected".to_owned(),
        lasting: false,
    })?;
    Ok(SecretString::from(answer.value))
}

/// The request carries a credential: it goes to HTTPS, or stays on this machine.
fn check_request_url(url: &str) -> Result<(), Error> {
    let origin = origin(url);
    let host = origin.split_once("://").map(|(_, host)| host);
    let host = host.unwrap_or_default();
    let local = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|name| host.strip_prefix(name).is_some_and(is_port));
    let plain = origin.starts_with("http://") && local;
    if (origin.starts_with("https://") || plain) && !host.is_empty() && !host.contains('@') {
        return Ok(());
    }
    // Neither a query nor a user, which may be secrets.
    let shown = match url.split('?').next() {
        Some(url) if !url.contains('@') => clipped(url),
        _ => "…".to_owned(),
    };
    Err(Error::Variable(environment::Error::new(
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        shown,
        "the `https://` URL that the runner sets",
    )))
}

fn is_port(rest: &str) -> bool {
    let digits = rest.strip_prefix(':').unwrap_or_default();
    rest.is_empty() || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The Buildkite agent gives none.
    #[error("`buildkite-agent oidc request-token` gave no identity token: {reason}")]
    Agent {
        /// What happened.
        reason: String,
        /// Whether asking again is in vain.
        lasting: bool,
    },
    /// The environment offers none.
    #[error("{}", missing(*ci))]
    Missing {
        /// The CI system.
        ci: Option<Ci>,
    },
    /// What is there is no JWT.
    #[error("what came from {place} is not an identity token (a JWT)")]
    NotAToken {
        /// Where it is from.
        place: String,
    },
    /// GitHub's endpoint gives none.
    #[error("GitHub gave no identity token: {reason}")]
    Request {
        /// What happened.
        reason: String,
        /// Whether asking again is in vain.
        lasting: bool,
    },
    /// The file cannot be read.
    #[error("cannot read the identity token from `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// The variable is unset or empty.
    #[error("the variable {name}, which should hold an identity token, is not set")]
    Unset {
        /// The variable.
        name: String,
    },
    /// A variable cannot be used.
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

impl Error {
    /// Whether asking again is in vain.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Agent { lasting, .. } | Self::Request { lasting, .. } => *lasting,
            _ => true,
        }
    }
}

fn missing(ci: Option<Ci>) -> &'static str {
    match ci {
        Some(Ci::GitHub) => "this job may not ask GitHub for an identity token",
        _ => "there is no identity token to assume the role with",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_goes_to_https_or_stays_on_this_machine() {
        for url in [
            "https://run.actions.example/token?api-version=2.0",
            "http://127.0.0.1:8080/token",
            "http://localhost/token",
        ] {
            assert!(check_request_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://run.actions.example/token",
            "http://127.0.0.1.example/token",
            "http://localhost:80@elsewhere.example/token",
            "https://",
            "ftp://run.actions.example",
            "token",
        ] {
            assert!(check_request_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_token_is_three_parts_of_which_the_second_is_claims() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"iss":"i","aud":["a","b"],"sub":"s"}"#);
        let token = Token::new(SecretString::from(format!("h.{claims}.s\n"))).unwrap();
        assert_eq!(token.secret(), format!("h.{claims}.s"));
        assert_eq!(token.claims().audience.to_string(), "a, b");
        for text in ["", "a.b", "a.b.c", "a.b.c.d", "{}", "h h.e30.s"] {
            assert!(Token::new(SecretString::from(text)).is_none(), "{text}");
        }
        let long = format!("h.{claims}.{}", "s".repeat(MOST));
        assert!(Token::new(SecretString::from(long)).is_none());
    }
}
