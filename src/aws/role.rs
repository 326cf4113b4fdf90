//! A role assumed by the CI system's identity: one exchange of a token for a session, which serves every
//! service of the run.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use tokio::time::Instant;

use crate::aws::arn::{Account, Arn};
use crate::aws::error::{ErrorResponse, Failure};
use crate::aws::{error, preconnect, retry, trust_policy};
use crate::diagnostic::Explain;
use crate::identity::jwt::{Claims, IdentityToken};
use crate::identity::token_source;
use crate::identity::token_source::TokenSource;
use crate::mask::Mask;
use crate::net::ca_bundle::untrusted_certificate_help;
use crate::net::error_chain::find_source;
use crate::net::retry::{Backoff, Retry, Throttle};
use crate::net::url::is_guarded;

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
    pub source: TokenSource,
    /// The accounts that the session may belong to; any, if none are named.
    pub allowed_accounts: Vec<Account>,
    /// Who is told of tokens and sessions.
    pub mask: Mask,
}

/// Gives the session's credentials, and renews them when they run out.
#[derive(Clone)]
pub struct Provider {
    role: Role,
    sts: aws_sdk_sts::Client,
    http: SharedHttpClient,
    attempts: u32,
    deadline: Instant,
}

impl Provider {
    /// A provider that gives up at `deadline`. STS is asked in the region of `config`.
    pub fn new(role: Role, config: &SdkConfig, http: SharedHttpClient, deadline: Instant) -> Self {
        let sts = aws_sdk_sts::config::Builder::from(config)
            // Each try takes a token of its own, so the SDK must not repeat a request.
            .retry_config(RetryConfig::disabled())
            .interceptor(Guarded)
            .build();
        Self {
            role,
            sts: aws_sdk_sts::Client::from_conf(sts),
            http,
            attempts: retry::attempts(config),
            deadline,
        }
    }

    /// Opens a connection to STS, if the token has to be asked for first.
    pub fn preconnect(&self) {
        if matches!(
            self.role.source,
            TokenSource::GitHub { .. } | TokenSource::Buildkite
        ) {
            preconnect::sts(&self.sts);
        }
    }

    async fn exchange(&self) -> Result<Credentials, Error> {
        let backoff = Backoff::new(self.attempts, self.deadline, Throttle::default());
        let classify = |error: &Error| match error {
            error if error.is_permanent(&self.role.source) => Retry::No,
            error if error.is_throttled() => Retry::Throttled,
            _ => Retry::Transient,
        };
        backoff.until_done(|| self.once(), classify).await
    }

    async fn once(&self) -> Result<Credentials, Error> {
        let (source, audience) = (&self.role.source, &self.role.audience);
        let token = source.token(audience, &self.http).await?;
        self.role.mask.hide(token.secret());
        self.ask(&token).await
    }

    async fn ask(&self, token: &IdentityToken) -> Result<Credentials, Error> {
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
                _ if find_source::<Plain>(&error).is_some() => Error::Plain,
                Failure::Common(error) => match error {
                    error::Error::Expired { answer, .. }
                    | error::Error::Credentials { answer, .. } => self.refused(token, answer),
                    other => Error::Common(other),
                },
                Failure::Denied(answer) | Failure::Refused(answer) => self.refused(token, answer),
                Failure::Unreachable(reason) => Error::Unreachable { reason },
            }),
        }
    }

    /// What STS said of the token; or that it was not STS, or could not say.
    fn refused(&self, token: &IdentityToken, answer: ErrorResponse) -> Error {
        if answer.code.is_none()
            || (answer.is_transient() && answer.code() != "IDPCommunicationError")
        {
            return Error::Service { answer };
        }
        Error::Refused {
            role: Box::new(self.role.arn.clone()),
            duration: self.role.duration,
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
        // What is not in the answer reads as empty, and as the year 1970.
        for (text, name) in [
            (&session.access_key_id, "AccessKeyId"),
            (&session.secret_access_key, "SecretAccessKey"),
            (&session.session_token, "SessionToken"),
        ] {
            if text.is_empty() {
                return Err(nonsense(name));
            }
        }
        self.role.mask.hide(&session.secret_access_key);
        self.role.mask.hide(&session.session_token);
        let expires = match SystemTime::try_from(session.expiration) {
            Ok(time) if time > SystemTime::UNIX_EPOCH => time,
            _ => return Err(nonsense("Expiration")),
        };
        // The SDK would ask for another one before every request.
        if expires <= SystemTime::now() {
            return Err(Error::Ended {
                at: session.expiration.to_string(),
            });
        }
        tracing::debug!("assumed {arn}");
        Ok(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            Some(expires),
            "AssumeRoleWithWebIdentity",
        ))
    }
}

/// Lets no identity token go where others can read it, whoever named the endpoint.
#[derive(Debug)]
struct Guarded;

impl Intercept for Guarded {
    fn name(&self) -> &'static str {
        "Guarded"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_guarded(context.request().uri()) {
            Ok(())
        } else {
            Err(Plain.into())
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not HTTPS")]
struct Plain;

/// Reads `arn:aws:iam::ACCOUNT:role/NAME`, in any partition, the name perhaps behind a path
/// ([CreateRole](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html)).
pub fn parse_arn(text: &str) -> Option<Arn> {
    let arn: Arn = text.parse().ok()?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
    let name = arn.resource.strip_prefix("role/")?;
    let named = !name.is_empty() && !name.ends_with('/') && name.bytes().all(valid);
    (arn.service == "iam" && arn.region.is_empty() && named).then_some(arn)
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
            let session = self.exchange().await;
            session.map_err(CredentialsError::provider_error) as provider::Result
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
    /// STS does not tell whose the credentials are.
    #[error("GetCallerIdentity failed: {answer}")]
    Caller {
        /// What was said.
        answer: ErrorResponse,
    },
    /// The clock, or something else that is not about the role.
    #[error(transparent)]
    Common(error::Error),
    /// The session is over before it began.
    #[error("the session that STS gave ended at {at}, by this machine's clock")]
    Ended {
        /// When.
        at: String,
    },
    /// The answer lacks something.
    #[error("STS answered without {missing}")]
    Nonsense {
        /// What is not there.
        missing: &'static str,
    },
    /// The identity token would travel in the open.
    #[error("the identity token would go to STS without TLS")]
    Plain,
    /// STS refuses the token.
    #[error("STS refused to let this job assume `{role}`: {answer}")]
    Refused {
        /// The role.
        role: Box<Arn>,
        /// How long the session was to last.
        duration: Duration,
        /// What the token says.
        claims: Claims,
        /// What STS said.
        answer: ErrorResponse,
    },
    /// STS failed, or what answers there is not STS.
    #[error("AssumeRoleWithWebIdentity failed: {answer}")]
    Service {
        /// What was said.
        answer: ErrorResponse,
    },
    /// There is no token.
    #[error(transparent)]
    Token(#[from] token_source::Error),
    /// STS cannot be reached.
    #[error("cannot reach STS: {reason}")]
    Unreachable {
        /// What failed.
        reason: String,
    },
}

impl Error {
    /// Whether trying again is in vain.
    fn is_permanent(&self, source: &TokenSource) -> bool {
        let answer = match self {
            Self::Unreachable { .. } => return false,
            Self::Service { answer } => return !answer.is_transient(),
            Self::Token(error) => return error.is_permanent(),
            Self::Refused { answer, .. } => answer,
            _ => return true,
        };
        match answer.code() {
            // STS asks the CI system for its keys, and does not wait long for them.
            "IDPCommunicationError" => false,
            "InvalidIdentityToken" => !answer.says("verification key"),
            "ExpiredTokenException" => !source.is_renewed(),
            _ => true,
        }
    }

    fn is_throttled(&self) -> bool {
        matches!(self, Self::Service { answer } if answer.is_throttled())
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Account { .. } => "account_not_allowed",
            Self::Common(error) => error.code(),
            Self::Ended { .. } => "clock_skewed",
            Self::Plain => "configuration",
            Self::Refused { .. } => "role_refused",
            Self::Caller { answer } | Self::Service { answer } if answer.is_throttled() => {
                "throttled"
            }
            Self::Caller { .. } | Self::Nonsense { .. } | Self::Service { .. } => "service_error",
            Self::Token(error) => error.code(),
            Self::Unreachable { .. } => "unreachable",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Account { arn } => format!(
                "give the role and the key of the account that you mean, or add `--allowed-account {}`",
                arn.account
            ),
            Self::Common(error) => error.help(),
            Self::Nonsense { .. } => {
                "check AWS_ENDPOINT_URL_STS and HTTPS_PROXY: what answers there is not STS".to_owned()
            }
            Self::Ended { .. } => "set this machine's clock, for example with `timedatectl set-ntp true`".to_owned(),
            Self::Plain => {
                "give STS an `https://` URL; to move S3 alone, set AWS_ENDPOINT_URL_S3 in place of AWS_ENDPOINT_URL".to_owned()
            }
            Self::Refused { role, duration, claims, answer } => trust_policy::advice(role, *duration, claims, answer),
            Self::Caller { answer } | Self::Service { answer } if answer.is_transient() => {
                "STS failed repeatedly; run it again later, or give it longer with `--timeout`".to_owned()
            }
            Self::Caller { .. } | Self::Service { .. } => {
                "check AWS_ENDPOINT_URL_STS and HTTPS_PROXY: what answers there is not STS".to_owned()
            }
            Self::Token(error) => error.help(),
            Self::Unreachable { reason } if reason.contains("UnknownIssuer") => untrusted_certificate_help(),
            Self::Unreachable { .. } => {
                "check the network, HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_STS; STS is asked in the region of `--region`".to_owned()
            }
        }
    }
}
