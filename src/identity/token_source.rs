//! Sources of identity tokens: JWTs in which a CI system names repository, branch and job.
//!
//! A token is a secret until it expires. It stays in memory, and only the claims that trust policies compare are
//! ever shown.

use std::process::{Output, Stdio};
use std::time::Duration;

use ::url::{Position, Url};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::future::join;
use s3lo_core::text::clipped;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use crate::bounded_file;
use crate::child_environment;
use crate::environment;
use crate::environment::variable;
use crate::identity::ci_system::CiSystem;
use crate::identity::jwt::{IdentityToken, MAX_LEN};
use crate::identity::relying_party::RelyingParty;
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::net::unreachable;
use crate::net::unreachable::{AWS_CLIENT_CERTIFICATE, AWS_TRUST, Unreachable};
use crate::net::{CONNECT_TIMEOUT, READ_TIMEOUT, url};
use crate::tasks::run_blocking;
use crate::text::{os_reason, shown_path};
use s3lo_core::explain::{Explain, Fact};

/// An identity token that a run needs and the environment does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenRequest {
    /// The variable that the run reads it from.
    pub variable: &'static str,
    /// The audience it is for.
    pub audience: String,
}

/// A source of identity tokens.
#[derive(Clone)]
#[non_exhaustive]
pub enum TokenSource {
    /// `buildkite-agent oidc request-token`.
    Buildkite {
        /// The variable that would hold a token that was requested before.
        variable: &'static str,
    },
    /// A file, which is read for each token.
    File(String),
    /// GitHub's endpoint, and the credential for it.
    GitHub {
        /// ACTIONS_ID_TOKEN_REQUEST_URL.
        url: Url,
        /// ACTIONS_ID_TOKEN_REQUEST_TOKEN.
        bearer: SecretString,
    },
    /// The variable of this name.
    Variable(String),
}

impl TokenSource {
    /// Detects the source that the environment offers for `party`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if it offers none.
    pub fn detect(ci: Option<CiSystem>, party: &'static RelyingParty) -> Result<Self, Error> {
        if let (Some(url), Some(bearer)) = (
            variable("ACTIONS_ID_TOKEN_REQUEST_URL")?,
            variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
        ) {
            let url = request_url(&url)?;
            let bearer = bearer.trim();
            if !bearer.bytes().all(|byte| byte.is_ascii_graphic()) {
                let name = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
                let expected = "the one line that the runner sets";
                return Err(environment::Error::new(name, "…".to_owned(), expected).into());
            }
            let bearer = SecretString::from(bearer);
            return Ok(Self::GitHub { url, bearer });
        }
        for name in party.variables_in(ci) {
            if variable(name)?.is_some() {
                return Ok(Self::Variable((*name).to_owned()));
            }
        }
        if ci == Some(CiSystem::Buildkite)
            && let Some(variable) = party.variables_in(ci).first()
        {
            return Ok(Self::Buildkite { variable });
        }
        let file = party.file_variable.map(variable).transpose()?.flatten();
        file.map(Self::File).ok_or(Error::Missing { ci, party })
    }

    /// The token that the CI system's agent issues, if this is where tokens come from.
    pub(crate) fn request(&self, audience: &str) -> Option<TokenRequest> {
        match self {
            Self::Buildkite { variable } => Some(TokenRequest {
                variable,
                audience: audience.to_owned(),
            }),
            _ => None,
        }
    }

    /// Whether the next token may be another one.
    pub fn is_renewed(&self) -> bool {
        !matches!(self, Self::Variable(_))
    }

    /// Gets a token for `audience`. Files and variables give the token that they hold.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is none, or it is not a JWT.
    pub async fn token(
        &self,
        audience: &str,
        http: &SharedHttpClient,
    ) -> Result<IdentityToken, Error> {
        let text = match self {
            Self::Buildkite { .. } => from_agent(audience).await?,
            Self::File(path) => {
                let path = path.clone();
                let _call = calls::begin(Awaited::reading(shown_path(&path)));
                run_blocking(move || from_file(&path)).await?
            }
            Self::GitHub { url, bearer } => {
                let call = calls::begin(Awaited::service("GitHub", "the request for a token"));
                let token = from_github(url, bearer, audience, http);
                call.scope(token).await?
            }
            Self::Variable(name) => match variable(name)? {
                Some(text) => SecretString::from(text),
                None => return Err(Error::Unset { name: name.clone() }),
            },
        };
        IdentityToken::new(text).ok_or_else(|| Error::NotAToken {
            place: self.to_string(),
        })
    }
}

impl std::fmt::Display for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Buildkite { .. } => f.write_str("`buildkite-agent oidc request-token`"),
            Self::File(path) => write!(f, "the file `{path}`"),
            Self::GitHub { .. } => f.write_str(CiSystem::github_name()),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// The time limit of a request for a token.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest file of a token, in bytes: the token, and whitespace around it.
const MAX_FILE_LEN: u64 = 64 * 1024;

fn from_file(path: &str) -> Result<SecretString, Error> {
    let unreadable = |reason: String| Error::Unreadable {
        path: shown_path(path).to_owned(),
        reason,
    };
    // A token may come from a pipe, whose writer is waited for as long as the run may take.
    match bounded_file::read_stream(path, MAX_FILE_LEN) {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(SecretString::from(text)),
            Err(_) => Err(unreadable("stream did not contain valid UTF-8".to_owned())),
        },
        Err(bounded_file::Error::Oversized { .. }) => Err(Error::NotAToken {
            place: TokenSource::File(path.to_owned()).to_string(),
        }),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// [Buildkite's command](https://buildkite.com/docs/agent/v3/cli-oidc). The agent has credentials of
/// its own and redacts what it hands out.
async fn from_agent(audience: &str) -> Result<SecretString, Error> {
    let failed = |reason: String| Error::Agent {
        reason,
        permanent: false,
    };
    let mut agent = Command::new("buildkite-agent");
    agent
        .args(["oidc", "request-token", "--audience", audience])
        .args(["--lifetime", "300"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for name in child_environment::withheld_from_agent() {
        agent.env_remove(name);
    }
    let _call = calls::begin(Awaited::Program("buildkite-agent oidc request-token"));
    let output = match timeout(REQUEST_TIMEOUT, bounded_output(agent)).await {
        Err(_) => return Err(failed("it did not answer in time".to_owned())),
        // A command that cannot be started cannot be started a moment later.
        Ok(Err(error)) => {
            return Err(Error::Agent {
                reason: os_reason(&error),
                permanent: true,
            });
        }
        Ok(Ok(output)) => output,
    };
    if output.stdout.len() > MAX_LEN {
        return Err(Error::Agent {
            reason: "it answered with more than a token".to_owned(),
            permanent: true,
        });
    }
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.trim().lines().last().unwrap_or_default();
        return Err(failed(format!("{}: {}", output.status, clipped(last))));
    }
    let text = String::from_utf8(output.stdout);
    Ok(SecretString::from(text.map_err(|_| {
        failed("it answered with something that is not text".to_owned())
    })?))
}

/// Runs a command, and keeps as much of its output as a token may have.
async fn bounded_output(mut command: Command) -> std::io::Result<Output> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let most = u64::try_from(MAX_LEN).unwrap_or(u64::MAX).saturating_add(1);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Closing the pipe early ends a command that floods it.
    let start = async move {
        let mut start = Vec::with_capacity(MAX_LEN);
        if let Some(stdout) = stdout {
            stdout.take(most).read_to_end(&mut start).await?;
        }
        std::io::Result::Ok(start)
    };
    let (stdout, stderr) = join(start, last_words(stderr)).await;
    Ok(Output {
        status: child.wait().await?,
        stdout: stdout?,
        stderr: stderr?,
    })
}

/// Reads a pipe to its end, and keeps the last of it.
async fn last_words(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let (mut kept, mut chunk) = (Vec::new(), [0; 4096]);
    let Some(mut pipe) = pipe else {
        return Ok(kept);
    };
    loop {
        let length = pipe.read(&mut chunk).await?;
        if length == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let surplus = kept.len().saturating_sub(chunk.len());
        kept.drain(..surplus);
    }
}

/// [GitHub's protocol](https://docs.github.com/en/actions/reference/security/oidc): the URL has a query
/// already. Without an audience the token would be for the owner's URL.
async fn from_github(
    url: &Url,
    bearer: &SecretString,
    audience: &str,
    http: &SharedHttpClient,
) -> Result<SecretString, Error> {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("audience", audience);
    let host = url.host_str().unwrap_or_default().to_owned();
    let authorization = format!("bearer {}", bearer.expose_secret());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .operation_timeout(REQUEST_TIMEOUT)
        .build();
    let operation = Operation::builder()
        .service_name("GitHub")
        .operation_name("token")
        .http_client(http.clone())
        .endpoint_url(&url[..Position::BeforePath])
        .no_auth()
        .no_retry()
        .timeout_config(timeouts)
        .serializer(move |()| {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_uri(&url[Position::BeforePath..Position::AfterQuery])?;
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
        Err(error) => Err(Error::Unreachable {
            host,
            reason: Unreachable::from_error(&error),
        }),
    }
}

fn answer(response: &HttpResponse) -> Result<SecretString, Error> {
    #[derive(Deserialize)]
    struct TokenResponse {
        value: String,
    }
    let status = response.status().as_u16();
    if status != 200 {
        return Err(Error::Request {
            reason: match refusal(response) {
                Some(message) => format!("status {status}: {message}"),
                None => format!("status {status}"),
            },
            permanent: (400..500).contains(&status) && ![408, 425, 429].contains(&status),
        });
    }
    let body = response.body().bytes().unwrap_or_default();
    let answer = serde_json::from_slice::<TokenResponse>(body).map_err(|_| Error::Request {
        reason: "its answer is not the JSON that was expected".to_owned(),
        permanent: false,
    })?;
    Ok(SecretString::from(answer.value))
}

/// The `message` of GitHub's refusal, and nothing else, since the body may echo the request.
fn refusal(response: &HttpResponse) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let body = response.body().bytes()?;
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    Some(clipped(&refusal.message))
}

/// Checks the URL, since the request carries a credential.
fn request_url(url: &str) -> Result<Url, Error> {
    match url::parse(url) {
        Some(url) if url::is_guarded(&url) => return Ok(url),
        Some(url) => {
            let host = url.host_str().map(clipped).unwrap_or_default();
            return Err(Error::PlainHttp { host });
        }
        None => {}
    }
    // Without query and user, which may be secrets.
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

/// The settings of GitHub's endpoint.
const SETTINGS: unreachable::Settings<'_> = unreachable::Settings {
    trust: AWS_TRUST,
    address: "ACTIONS_ID_TOKEN_REQUEST_URL",
    client_certificate: AWS_CLIENT_CERTIFICATE,
};

/// The reason why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Error {
    /// A failure of the Buildkite agent.
    #[error("`buildkite-agent oidc request-token` gave no identity token")]
    Agent {
        reason: String,
        /// Whether asking again is in vain.
        permanent: bool,
    },
    /// An environment without a token.
    #[error("{}", missing(*ci, party))]
    Missing {
        ci: Option<CiSystem>,
        party: &'static RelyingParty,
    },
    /// A text that is not a JWT.
    #[error("no identity token (JWT) came from {place}")]
    NotAToken { place: String },
    /// An endpoint in the clear.
    #[error(
        "{} serves identity tokens at `http://{host}` in the clear, where others can read them",
        CiSystem::github_name()
    )]
    PlainHttp { host: String },
    /// A failure of GitHub's endpoint.
    #[error("{} gave no identity token", CiSystem::github_name())]
    Request {
        reason: String,
        /// Whether asking again is in vain.
        permanent: bool,
    },
    /// No answer of GitHub's endpoint.
    #[error(
        "cannot connect to {} at {host} for an identity token: {reason}",
        CiSystem::github_name()
    )]
    Unreachable { host: String, reason: Unreachable },
    #[error("cannot read the identity token from `{path}`: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("the variable {name}, which should hold an identity token, is not set")]
    Unset { name: String },
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

impl Error {
    /// Whether asking again is in vain.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Agent { permanent, .. } | Self::Request { permanent, .. } => *permanent,
            Self::Unreachable { reason, .. } => reason.is_permanent(),
            _ => true,
        }
    }
}

fn missing(ci: Option<CiSystem>, party: &RelyingParty) -> String {
    match ci {
        Some(CiSystem::GitHub) => format!(
            "this job may not ask {} for an identity token",
            CiSystem::github_name()
        ),
        _ => party.missing.to_owned(),
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Variable(error) => error.code(),
            Self::PlainHttp { .. } => "configuration",
            _ => "no_identity_token",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Agent { reason, .. } | Self::Request { reason, .. } => {
                vec![Fact::new("reason", reason)]
            }
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Agent { permanent: false, .. } => "run the job again; `buildkite-agent oidc request-token --audience sts.amazonaws.com` shows the agent's own error".to_owned(),
            Self::Agent { .. } => "run it where `buildkite-agent` is in PATH, or pass its token in: `BUILDKITE_OIDC_TOKEN=\"$(buildkite-agent oidc request-token --audience sts.amazonaws.com)\"`".to_owned(),
            Self::Missing { ci, party } => party.help_in(*ci),
            Self::NotAToken { .. } => "check that it is the identity token itself, three parts with two dots between them".to_owned(),
            Self::Request { permanent: true, .. } => format!("check that the job has `{}`, and that it runs this program itself", CiSystem::github_permission()),
            Self::Request { .. } => format!("run the job again; {} failed to answer", CiSystem::github_name()),
            Self::PlainHttp { .. } => format!(
                "serve {} over HTTPS, with a ROOT_URL that begins with `https://`: the runner makes ACTIONS_ID_TOKEN_REQUEST_URL of it\nor sign without an identity token, with credentials of the job's own",
                CiSystem::github_name()
            ),
            Self::Unreachable { reason, .. } => reason.help(&SETTINGS, || {
                "check the network, the host in ACTIONS_ID_TOKEN_REQUEST_URL, HTTPS_PROXY and NO_PROXY\na GitHub Enterprise Server must be reachable from the runner's containers as well".to_owned()
            }),
            Self::Unreadable { .. } => "check the path, and that this user may read the file".to_owned(),
            Self::Unset { name } => format!("have the CI system put the identity token into {name}"),
            Self::Variable(error) => error.help(),
        }
    }
}
