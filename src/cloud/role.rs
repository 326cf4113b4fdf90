//! A role assumed by the CI system's identity: one exchange of a token for a session, which serves every
//! service of the run.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use tokio::time::Instant;

use super::arn::{Account, Arn};
use super::failure::{self, Answer, Failure};
use super::oidc::{self, Claims, Source, Token};
use super::retry::{self, Backoff, Throttle};
use super::warm;

/// What to assume, as whom, with what.
#[derive(Clone)]
pub struct Role {
    /// `arn:aws:iam::ACCOUNT:role/NAME`.
    pub arn: Arn,
    /// What CloudTrail calls the session.
    pub session_name: String,
    /// How long the session lasts. STS takes 15 minutes to 12 hours.
    pub duration: Duration,
    /// For whom the token is.
    pub audience: String,
    /// Where tokens come from.
    pub source: Source,
    /// The accounts that the session may belong to; any, if none are named.
    pub allowed_accounts: Vec<Account>,
}

/// Gives the session's credentials, and renews them when they run out. Its copies are one.
#[derive(Clone)]
pub struct Provider {
    role: Role,
    sts: aws_sdk_sts::Client,
    http: SharedHttpClient,
    attempts: u32,
    deadline: Instant,
    /// What the first exchange gave, until the SDK asks for it.
    first: Arc<Mutex<Option<Credentials>>>,
}

impl Provider {
    /// A provider that gives up at `deadline`. STS is asked in the region of `config`.
    pub fn new(role: Role, config: &SdkConfig, http: SharedHttpClient, deadline: Instant) -> Self {
        let sts = aws_sdk_sts::config::Builder::from(config)
            // Each try takes a token of its own, so the SDK must not repeat a request.
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            role,
            sts: aws_sdk_sts::Client::from_conf(sts),
            http,
            attempts: retry::attempts(config),
            deadline,
            first: Arc::default(),
        }
    }

    /// Exchanges a token for a session now, so that what is wrong is told once and not by every call.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no token, or STS refuses it.
    pub async fn assume(&self) -> Result<(), Error> {
        if matches!(self.role.source, Source::GitHub { .. } | Source::Buildkite) {
            warm::sts(&self.sts);
        }
        let credentials = self.exchange().await?;
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
        Ok(())
    }

    async fn exchange(&self) -> Result<Credentials, Error> {
        let mut backoff = Backoff::new(self.attempts, self.deadline, Throttle::default());
        loop {
            let error = match backoff.counted(self.once()).await {
                Ok(credentials) => return Ok(credentials),
                Err(error) => error,
            };
            let lasting = error.is_lasting(&self.role.source);
            if lasting || !backoff.wait(error.is_throttled()).await {
                return Err(error);
            }
            tracing::debug!("{error}; trying again");
        }
    }

    async fn once(&self) -> Result<Credentials, Error> {
        let (source, audience) = (&self.role.source, &self.role.audience);
        let token = source.token(audience, &self.http).await?;
        self.ask(&token).await
    }

    async fn ask(&self, token: &Token) -> Result<Credentials, Error> {
        let role = &self.role;
        let seconds = i32::try_from(role.duration.as_secs()).unwrap_or(i32::MAX);
        let asked = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(role.arn.as_str())
            .role_session_name(&role.session_name)
            .duration_seconds(seconds)
            .web_identity_token(token.secret());
        match asked.send().await {
            Ok(output) => self.session(output),
            Err(error) => Err(match Failure::of("STS", &error) {
                Failure::Common(error) => match error {
                    failure::Error::Expired { answer, .. }
                    | failure::Error::Credentials { answer, .. } => self.refused(token, answer),
                    other => Error::Common(other),
                },
                Failure::Denied(answer) | Failure::Refused(answer) => self.refused(token, answer),
                Failure::Unreachable(reason) => Error::Unreachable { reason },
            }),
        }
    }

    fn refused(&self, token: &Token, answer: Answer) -> Error {
        Error::Refused {
            role: Box::new(self.role.arn.clone()),
            claims: token.claims().clone(),
            answer,
        }
    }

    fn session(&self, output: AssumeRoleWithWebIdentityOutput) -> Result<Credentials, Error> {
        let nonsense = |missing| Error::Nonsense { missing };
        let user = output
            .assumed_role_user
            .ok_or_else(|| nonsense("AssumedRoleUser"))?;
        let arn: Arn = user
            .arn
            .parse()
            .map_err(|_| nonsense("the ARN of the session"))?;
        // The role's ARN names the account as well; this is what STS did.
        allowed(&self.role.allowed_accounts, &arn)?;
        let session = output.credentials.ok_or_else(|| nonsense("Credentials"))?;
        let expires = SystemTime::try_from(session.expiration);
        tracing::debug!("assumed {arn}");
        Ok(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            Some(expires.map_err(|_| nonsense("the time at which the session ends"))?),
            "AssumeRoleWithWebIdentity",
        ))
    }
}

/// Fails unless `arn` belongs to one of `accounts`, if any are named.
///
/// # Errors
///
/// [`Error::Account`] otherwise.
pub fn allowed(accounts: &[Account], arn: &Arn) -> Result<(), Error> {
    if accounts.is_empty() || accounts.contains(&arn.account) {
        return Ok(());
    }
    Err(Error::Account {
        arn: Box::new(arn.clone()),
    })
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("role", &self.role.arn)
            .finish_non_exhaustive()
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let first = self
                .first
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let renewed = match first {
                Some(credentials) => Ok(credentials),
                None => self.exchange().await,
            };
            renewed.map_err(CredentialsError::provider_error) as provider::Result
        })
    }
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session belongs to an account that was not allowed.
    #[error("`{arn}` belongs to the account {}, which `--allowed-account` does not name", arn.account)]
    Account {
        /// The session, or the key.
        arn: Box<Arn>,
    },
    /// The clock, or something else that is not about the role.
    #[error(transparent)]
    Common(failure::Error),
    /// The answer lacks something.
    #[error("STS answered without {missing}")]
    Nonsense {
        /// What is not there.
        missing: &'static str,
    },
    /// STS refuses the token.
    #[error("STS refused to let this job assume `{role}`: {answer}")]
    Refused {
        /// The role.
        role: Box<Arn>,
        /// What the token says.
        claims: Claims,
        /// What STS said.
        answer: Answer,
    },
    /// There is no token.
    #[error(transparent)]
    Token(#[from] oidc::Error),
    /// STS cannot be reached.
    #[error("cannot reach STS: {reason}")]
    Unreachable {
        /// What failed.
        reason: String,
    },
}

impl Error {
    /// Whether trying again is in vain.
    fn is_lasting(&self, source: &Source) -> bool {
        let answer = match self {
            Self::Unreachable { .. } => return false,
            Self::Token(error) => return error.is_lasting(),
            Self::Refused { answer, .. } => answer,
            _ => return true,
        };
        match answer.code() {
            // STS asks the CI system for its keys, and does not wait long for them.
            "IDPCommunicationError" => false,
            "InvalidIdentityToken" => !answer.says("verification key"),
            "ExpiredTokenException" => !source.is_renewed(),
            _ => !answer.is_passing(),
        }
    }

    fn is_throttled(&self) -> bool {
        matches!(self, Self::Refused { answer, .. } if answer.is_throttled())
    }
}
