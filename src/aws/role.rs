//! The role that is assumed with the CI system's identity token, or with credentials: one exchange for a session, which
//! all services of the run share.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::types::AssumedRoleUser;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::time::Instant;

use crate::aws::account::check_allowed;
use crate::aws::arn::{Account, Arn};
use crate::aws::credential_text::cleaned;
use crate::aws::error::{Error, Failure};
use crate::aws::preconnect;
use crate::aws::response::ErrorResponse;
use crate::aws::retry::ClockCorrection;
use crate::identity::jwt::{Claims, IdentityToken, LastClaims};
use crate::identity::token_source;
use crate::identity::token_source::{TokenRequest, TokenSource};
use crate::mask::Mask;
use crate::net::calls;
use crate::net::calls::{Answer, Awaited};
use crate::net::retry::{Backoff, Retry, Throttle, TryError};

/// A role, and how to assume it.
#[derive(Clone)]
pub struct Role {
    /// `arn:aws:iam::ACCOUNT:role/NAME`.
    pub arn: Arn,
    /// The name of the session in CloudTrail.
    pub session_name: String,
    /// The duration of the session: 15 minutes to 12 hours.
    pub duration: Duration,
    /// The proof that the role asks for.
    pub proof: Proof,
    /// The accounts that the session may belong to; any, if none are named.
    pub allowed_accounts: Vec<Account>,
    /// The mask that tokens and sessions are registered with.
    pub mask: Mask,
}

/// The proof with which a role is assumed.
#[derive(Clone)]
#[non_exhaustive]
pub enum Proof {
    /// An identity token of the CI system.
    Token {
        /// The audience of the token.
        audience: String,
        /// The source of tokens.
        source: TokenSource,
    },
    /// Credentials of AWS, as of a first role.
    Credentials {
        /// The external ID that the role's trust policy asks for.
        external_id: Option<String>,
        /// The reason why there is no token, which counts if there are no credentials either.
        missing_token: Option<token_source::Error>,
    },
}

impl Role {
    /// Whether it is assumed by credentials.
    pub(crate) fn takes_credentials(&self) -> bool {
        matches!(self.proof, Proof::Credentials { .. })
    }
}

/// A provider of the session's credentials, which renews them when they expire.
#[derive(Clone)]
pub struct Provider {
    role: Role,
    sts: aws_sdk_sts::Client,
    http: SharedHttpClient,
    attempts: u32,
    deadline: Instant,
    claims: LastClaims,
}

impl Provider {
    /// The role's ARN.
    pub(crate) fn arn(&self) -> &Arn {
        &self.role.arn
    }

    /// The identity token that the CI system's agent has to issue.
    pub(crate) fn token_request(&self) -> Option<TokenRequest> {
        match &self.role.proof {
            Proof::Token { audience, source } => source.request(audience),
            Proof::Credentials { .. } => None,
        }
    }

    /// A provider that gives up after so many tries, or at `deadline`. STS is asked in the region of `config`, and with
    /// its credentials if the role takes some.
    pub(crate) fn new(
        role: Role,
        config: &SdkConfig,
        http: SharedHttpClient,
        attempts: u32,
        deadline: Instant,
    ) -> Self {
        Self {
            role,
            sts: aws_sdk_sts::Client::new(config),
            http,
            attempts,
            deadline,
            claims: LastClaims::default(),
        }
    }

    /// The claims of the identity token that was last given to STS.
    pub(crate) fn claims(&self) -> Option<Claims> {
        self.claims.get()
    }

    /// Whether there is a token or an external ID: without both there may be no credentials either.
    pub(crate) fn is_expected(&self) -> bool {
        match &self.role.proof {
            Proof::Token { .. } => true,
            Proof::Credentials { missing_token, .. } => missing_token.is_none(),
        }
    }

    /// Opens a connection to STS, if the token has to be asked for first.
    pub fn preconnect(&self) {
        if let Proof::Token { source, .. } = &self.role.proof
            && matches!(
                source,
                TokenSource::GitHub { .. } | TokenSource::Buildkite { .. }
            )
        {
            preconnect::sts(&self.sts);
        }
    }

    async fn exchange(&self) -> Result<Credentials, Error> {
        let backoff = Backoff::new(self.attempts, self.deadline, Throttle::default());
        let action = match &self.role.proof {
            Proof::Token { .. } => "AssumeRoleWithWebIdentity",
            Proof::Credentials { .. } => "AssumeRole",
        };
        let backoff = backoff.of(calls::begin(Awaited::service("STS", action)));
        let mut clock = ClockCorrection::default();
        let classify = |error: &Error| match error {
            Error::ClockSkewed { answer, .. } | Error::Credentials { answer, .. }
                if clock.is_worth_a_try(answer) =>
            {
                Retry::Transient
            }
            _ => self.classify(error),
        };
        backoff.run(|| self.attempt(), classify).await
    }

    /// Whether another token, or the same one a moment later, may succeed.
    fn classify(&self, error: &Error) -> Retry {
        let renewed = match &self.role.proof {
            Proof::Token { source, .. } => source.is_renewed(),
            Proof::Credentials { .. } => false,
        };
        let transient = match error {
            Error::AssumeRole { answer, .. } if answer.is_throttled() => return Retry::Throttled,
            Error::AssumeRole { answer, .. } => answer.is_transient(),
            Error::RoleRefused { answer, .. } => match answer.code() {
                // STS asks the CI system for its keys, and does not wait long for them.
                "IDPCommunicationError" => true,
                "InvalidIdentityToken" => answer.says("verification key"),
                "ExpiredTokenException" => renewed,
                _ => false,
            },
            Error::Token(error) => !error.is_permanent(),
            Error::Unreachable { reason } => !reason.is_permanent(),
            _ => false,
        };
        if transient {
            Retry::Transient
        } else {
            Retry::No
        }
    }

    async fn attempt(&self) -> Result<Credentials, Error> {
        match &self.role.proof {
            Proof::Token { audience, source } => {
                let token = source.token(audience, &self.http).await?;
                self.role.mask.hide(token.secret());
                self.claims.note(&token);
                self.ask(&token).await
            }
            Proof::Credentials {
                external_id,
                missing_token,
            } => {
                let asked = self.ask_with_credentials(external_id.as_deref()).await;
                match (asked, missing_token) {
                    (Err(Error::NoCredentials { none: true, .. }), Some(missing)) => {
                        Err(Error::Token(missing.clone()))
                    }
                    (asked, _) => asked,
                }
            }
        }
    }

    /// Whole seconds of the session.
    fn seconds(&self) -> i32 {
        i32::try_from(self.role.duration.as_secs()).unwrap_or(i32::MAX)
    }

    async fn ask(&self, token: &IdentityToken) -> Result<Credentials, Error> {
        let asked = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(self.role.arn.as_str())
            .role_session_name(&self.role.session_name)
            .duration_seconds(self.seconds())
            .web_identity_token(token.secret());
        match asked.send().await {
            Ok(output) => self.session(output.assumed_role_user, output.credentials),
            Err(error) => Err(match Failure::of("STS", &error) {
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

    async fn ask_with_credentials(&self, external_id: Option<&str>) -> Result<Credentials, Error> {
        let asked = self
            .sts
            .assume_role()
            .role_arn(self.role.arn.as_str())
            .role_session_name(&self.role.session_name)
            .duration_seconds(self.seconds())
            .set_external_id(external_id.map(str::to_owned));
        match asked.send().await {
            Ok(output) => self.session(output.assumed_role_user, output.credentials),
            Err(error) => Err(match Failure::of("STS", &error) {
                Failure::Common(error) => error,
                Failure::Denied(answer) | Failure::Refused(answer) => {
                    self.refused_credentials(external_id, answer)
                }
                Failure::Unreachable(reason) => Error::Unreachable { reason },
            }),
        }
    }

    /// The refusal of the credentials; or a failure of STS, or of what answers in its place.
    fn refused_credentials(&self, external_id: Option<&str>, answer: ErrorResponse) -> Error {
        if is_of_sts_itself(&answer) {
            let action = "AssumeRole";
            return Error::AssumeRole { action, answer };
        }
        Error::RoleRefusedCredentials {
            role: Box::new(self.role.arn.clone()),
            external_id: external_id.map(str::to_owned),
            answer,
        }
    }

    /// The refusal of the token; or a failure of STS, or of what answers in its place.
    fn refused(&self, token: &IdentityToken, answer: ErrorResponse) -> Error {
        if is_of_sts_itself(&answer) && answer.code() != "IDPCommunicationError" {
            let action = "AssumeRoleWithWebIdentity";
            return Error::AssumeRole { action, answer };
        }
        Error::RoleRefused {
            role: Box::new(self.role.arn.clone()),
            duration: self.role.duration,
            claims: Box::new(token.claims().clone()),
            answer,
        }
    }

    fn session(
        &self,
        user: Option<AssumedRoleUser>,
        session: Option<aws_sdk_sts::types::Credentials>,
    ) -> Result<Credentials, Error> {
        let incomplete = |missing| Error::IncompleteResponse { missing };
        let user = user.ok_or_else(|| incomplete("AssumedRoleUser"))?;
        let arn: Arn = user
            .arn
            .parse()
            .map_err(|_| incomplete("the ARN of the session"))?;
        // The role's ARN was checked before; this is the session that STS gave.
        check_allowed(&self.role.allowed_accounts, &arn)?;
        let session = session.ok_or_else(|| incomplete("Credentials"))?;
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
        let session = Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            Some(expires),
            "STS",
        );
        Ok(cleaned("the session that STS gave", session)?)
    }
}

impl TryError for Error {
    fn answer(&self) -> Answer {
        match (self, self.response()) {
            (_, Some(answer)) => Answer::Was(answer.in_short()),
            (Self::Unreachable { reason }, None) => Answer::none(reason.to_string()),
            (error, None) => Answer::none(error.to_string()),
        }
    }
}

/// Whether a response is a failure of STS, or of what answers in its place, rather than a refusal.
fn is_of_sts_itself(answer: &ErrorResponse) -> bool {
    answer.code.is_none() || answer.is_transient()
}

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
