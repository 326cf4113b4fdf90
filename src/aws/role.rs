//! The role that is assumed with the CI system's identity token: one exchange of a token for a session, which
//! all services of the run share.

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
use tokio::time::Instant;

use crate::aws::account::check_allowed;
use crate::aws::arn::{Account, Arn};
use crate::aws::error::{Error, Failure};
use crate::aws::preconnect;
use crate::aws::response::ErrorResponse;
use crate::identity::jwt::IdentityToken;
use crate::identity::token_source::TokenSource;
use crate::mask::Mask;
use crate::net::error_chain::find_source;
use crate::net::retry::{Backoff, Retry, Throttle};
use crate::net::url;

/// A role, and how to assume it.
#[derive(Clone)]
pub struct Role {
    /// `arn:aws:iam::ACCOUNT:role/NAME`.
    pub arn: Arn,
    /// The name of the session in CloudTrail.
    pub session_name: String,
    /// The duration of the session: 15 minutes to 12 hours.
    pub duration: Duration,
    /// The audience of the token.
    pub audience: String,
    /// The source of tokens.
    pub source: TokenSource,
    /// The accounts that the session may belong to; any, if none are named.
    pub allowed_accounts: Vec<Account>,
    /// The mask that tokens and sessions are registered with.
    pub mask: Mask,
}

/// A provider of the session's credentials, which renews them when they expire.
#[derive(Clone)]
pub struct Provider {
    role: Role,
    sts: aws_sdk_sts::Client,
    http: SharedHttpClient,
    attempts: u32,
    deadline: Instant,
}

impl Provider {
    /// A provider that gives up after so many tries, or at `deadline`. STS is asked in the region of `config`.
    pub(crate) fn new(
        role: Role,
        config: &SdkConfig,
        http: SharedHttpClient,
        attempts: u32,
        deadline: Instant,
    ) -> Self {
        let sts = aws_sdk_sts::config::Builder::from(config)
            .interceptor(Guarded)
            .build();
        Self {
            role,
            sts: aws_sdk_sts::Client::from_conf(sts),
            http,
            attempts,
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
        let classify = |error: &Error| self.classify(error);
        backoff.run(|| self.attempt(), classify).await
    }

    /// Whether another token, or the same one a moment later, may succeed.
    fn classify(&self, error: &Error) -> Retry {
        let transient = match error {
            Error::AssumeRole { answer } if answer.is_throttled() => return Retry::Throttled,
            Error::AssumeRole { answer } => answer.is_transient(),
            Error::RoleRefused { answer, .. } => match answer.code() {
                // STS asks the CI system for its keys, and does not wait long for them.
                "IDPCommunicationError" => true,
                "InvalidIdentityToken" => answer.says("verification key"),
                "ExpiredTokenException" => self.role.source.is_renewed(),
                _ => false,
            },
            Error::Token(error) => !error.is_permanent(),
            Error::Unreachable { .. } => true,
            _ => false,
        };
        if transient {
            Retry::Transient
        } else {
            Retry::No
        }
    }

    async fn attempt(&self) -> Result<Credentials, Error> {
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
                _ if find_source::<Plain>(&error).is_some() => Error::TokenWithoutTls,
                Failure::Common(error) => match error {
                    Error::Expired { answer, .. } | Error::Credentials { answer, .. } => {
                        self.refused(token, answer)
                    }
                    other => other,
                },
                Failure::Denied(answer) | Failure::Refused(answer) => self.refused(token, answer),
                Failure::Unreachable(reason) => Error::Unreachable { reason },
            }),
        }
    }

    /// The refusal of the token; or a failure of STS, or of what answers in its place.
    fn refused(&self, token: &IdentityToken, answer: ErrorResponse) -> Error {
        if answer.code.is_none()
            || (answer.is_transient() && answer.code() != "IDPCommunicationError")
        {
            return Error::AssumeRole { answer };
        }
        Error::RoleRefused {
            role: Box::new(self.role.arn.clone()),
            duration: self.role.duration,
            claims: Box::new(token.claims().clone()),
            answer,
        }
    }

    fn session(&self, output: AssumeRoleWithWebIdentityOutput) -> Result<Credentials, Error> {
        let incomplete = |missing| Error::IncompleteResponse { missing };
        let user = output
            .assumed_role_user
            .ok_or_else(|| incomplete("AssumedRoleUser"))?;
        let arn: Arn = user
            .arn
            .parse()
            .map_err(|_| incomplete("the ARN of the session"))?;
        // The role's ARN was checked before; this is the session that STS gave.
        check_allowed(&self.role.allowed_accounts, &arn)?;
        let session = output
            .credentials
            .ok_or_else(|| incomplete("Credentials"))?;
        // The SDK reads what is missing as empty, and as the year 1970.
        for (text, name) in [
            (&session.access_key_id, "AccessKeyId"),
            (&session.secret_access_key, "SecretAccessKey"),
            (&session.session_token, "SessionToken"),
        ] {
            if text.is_empty() {
                return Err(incomplete(name));
            }
        }
        self.role.mask.hide(&session.secret_access_key);
        self.role.mask.hide(&session.session_token);
        let expires = match SystemTime::try_from(session.expiration) {
            Ok(time) if time > SystemTime::UNIX_EPOCH => time,
            _ => return Err(incomplete("Expiration")),
        };
        // With an expired session the SDK would assume the role before every request.
        if expires <= SystemTime::now() {
            return Err(Error::SessionEnded {
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

/// Refuses to send an identity token where others can read it.
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
        if url::parse(context.request().uri()).is_some_and(|url| url::is_guarded(&url)) {
            Ok(())
        } else {
            Err(Plain.into())
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not HTTPS")]
struct Plain;

/// Parses `arn:aws:iam::ACCOUNT:role/NAME`, in any partition, with or without a path before the name
/// ([CreateRole](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html)).
pub fn parse_arn(text: &str) -> Option<Arn> {
    let arn: Arn = text.parse().ok()?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
    let name = arn.resource.strip_prefix("role/")?;
    let named = !name.is_empty() && !name.ends_with('/') && name.bytes().all(valid);
    (arn.service == "iam" && arn.region.is_empty() && named).then_some(arn)
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
