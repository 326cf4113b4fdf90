//! The one error of this folder: configuration, credentials, the role and its session.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use s3lo_core::text::clipped;

use crate::aws::arn::Arn;
use crate::aws::response::ErrorResponse;
use crate::aws::trust_policy;
use crate::environment;
use crate::environment::variable;
use crate::identity::jwt::Claims;
use crate::identity::token_source;
use crate::net::ca_bundle;
use crate::net::ca_bundle::untrusted_certificate_help;
use crate::net::error_chain::{find_source, innermost};
use crate::net::unreachable::{TlsFailure, Unreachable};
use crate::option_name::option;
use s3lo_core::explain::Explain;

/// The reason why AWS cannot be called, whatever the call is for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Error {
    #[error("`{arn}` belongs to the account {}, which {allowed_account} does not name", arn.account, allowed_account = option("allowed-account"))]
    AccountNotAllowed { arn: Box<Arn> },
    #[error("AssumeRoleWithWebIdentity failed: {answer}")]
    AssumeRole { answer: ErrorResponse },
    #[error(transparent)]
    CaBundle(#[from] ca_bundle::Error),
    #[error("GetCallerIdentity failed: {answer}")]
    CallerIdentity { answer: ErrorResponse },
    #[error("this machine's clock differs too much from the clock of {service}{}: {answer}", at_service(server_time.as_deref()))]
    ClockSkewed {
        service: &'static str,
        /// The `Date` of the response.
        server_time: Option<String>,
        answer: ErrorResponse,
    },
    /// A request that the SDK cannot make of the configuration.
    #[error("no request to {service} can be made: {reason}")]
    Configuration {
        service: &'static str,
        reason: String,
    },
    /// Credentials that are unknown or malformed.
    #[error("{service} refused the AWS credentials: {answer}")]
    Credentials {
        service: &'static str,
        answer: ErrorResponse,
    },
    /// Credentials that were valid once.
    #[error("the session of the AWS credentials has expired: {service} answered {answer}")]
    Expired {
        service: &'static str,
        answer: ErrorResponse,
    },
    #[error("{set} is set, and {missing} is not")]
    HalfAPair {
        set: &'static str,
        missing: &'static str,
    },
    #[error("STS answered without {missing}")]
    IncompleteResponse { missing: &'static str },
    #[error("there are no AWS credentials: {reason}")]
    NoCredentials { reason: String, sso: bool },
    /// An identity token without a role to assume with it.
    #[error("an identity token is named, and no role to assume with it")]
    NoRole,
    /// An option, which may hold the token itself.
    #[error(
        "{} does not name the place of a token",
        option("web-identity-token-file")
    )]
    NotATokenFile,
    /// A variable, which may hold the token itself.
    #[error("`AWS_WEB_IDENTITY_TOKEN_FILE` does not name the place of a token")]
    NotATokenFileVariable,
    /// An option, which may hold the token itself.
    #[error(
        "{} does not name the place of a token",
        option("web-identity-token-env")
    )]
    NotATokenVariable,
    #[error("`{}` is not the name of a region", region.escape_debug())]
    Region { region: String },
    #[error("STS refused to let this job assume `{role}`: {answer}")]
    RoleRefused {
        role: Box<Arn>,
        duration: Duration,
        claims: Box<Claims>,
        answer: ErrorResponse,
    },
    #[error("the session that STS gave ended at {at}, by this machine's clock")]
    SessionEnded { at: String },
    #[error(transparent)]
    Token(#[from] token_source::Error),
    #[error("the identity token would go to STS without TLS")]
    TokenWithoutTls,
    #[error("cannot reach STS: {reason}")]
    Unreachable { reason: Unreachable },
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

fn at_service(server_time: Option<&str>) -> String {
    server_time.map_or_else(String::new, |time| format!(" (there it is {time})"))
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::AccountNotAllowed { .. } => "account_not_allowed",
            Self::AssumeRole { answer } | Self::CallerIdentity { answer }
                if answer.is_throttled() =>
            {
                "throttled"
            }
            Self::AssumeRole { .. }
            | Self::CallerIdentity { .. }
            | Self::IncompleteResponse { .. } => "service_error",
            Self::CaBundle(error) => error.code(),
            Self::ClockSkewed { .. } | Self::SessionEnded { .. } => "clock_skewed",
            Self::Configuration { .. }
            | Self::HalfAPair { .. }
            | Self::NoRole
            | Self::Region { .. }
            | Self::TokenWithoutTls => "configuration",
            Self::Credentials { .. } => "credentials_refused",
            Self::Expired { .. } => "session_expired",
            Self::NoCredentials { .. } => "no_credentials",
            Self::NotATokenFile | Self::NotATokenFileVariable | Self::NotATokenVariable => "usage",
            Self::RoleRefused { .. } => "role_refused",
            Self::Token(error) => error.code(),
            Self::Unreachable { .. } => "unreachable",
            Self::Variable(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::AccountNotAllowed { arn } => format!(
                "give the role and the key of the account that you mean, or add {}",
                option("allowed-account").with(arn.account.as_str())
            ),
            Self::AssumeRole { answer } | Self::CallerIdentity { answer } if answer.is_transient() => {
                format!("STS failed repeatedly; run it again later, or give it longer with {timeout}", timeout = option("timeout"))
            }
            Self::AssumeRole { .. } | Self::CallerIdentity { .. } | Self::IncompleteResponse { .. } => {
                "check AWS_ENDPOINT_URL_STS and HTTPS_PROXY: what answers there is not STS".to_owned()
            }
            Self::CaBundle(error) => error.help(),
            Self::ClockSkewed { service, .. } => {
                let minutes = if *service == "S3" { 15 } else { 5 };
                format!("set this machine's clock, for example with `timedatectl set-ntp true`; {service} allows {minutes} minutes")
            }
            Self::Configuration { .. } => "check the region, AWS_ENDPOINT_URL and its kind, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT, which may contradict each other".to_owned(),
            Self::Credentials { .. } => "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which must be of one set, or AWS_PROFILE".to_owned(),
            Self::Expired { .. } => format!("run the job again, at a desk after `aws sso login`; what was signed already is kept; credentials that another step exported end when they end, while {role_arn} lets this program renew them", role_arn = option("role-arn")),
            Self::HalfAPair { set, missing } => {
                format!("set {missing} as well, or unset {set} to use other credentials")
            }
            Self::NoCredentials { sso: true, .. } => {
                "log in again: `aws sso login`, with `--profile NAME` where AWS_PROFILE names one".to_owned()
            }
            Self::NoCredentials { .. } => format!("in CI give {role_arn}, which takes the job's identity token; at a desk set AWS_PROFILE, after `aws sso login`; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; on a CI runner of your own with an instance role set AWS_EC2_METADATA_DISABLED=false", role_arn = option("role-arn").with("arn:aws:iam::ACCOUNT:role/NAME")),
            Self::NoRole => format!("give the role: {role_arn}", role_arn = option("role-arn").with("arn:aws:iam::ACCOUNT:role/NAME")),
            Self::NotATokenFile | Self::NotATokenFileVariable => {
                "give the path of the file that holds the token, not the token".to_owned()
            }
            Self::NotATokenVariable => {
                "give the name of the variable that holds the token, such as `GITLAB_OIDC_TOKEN`, not the token".to_owned()
            }
            Self::Region { .. } => {
                format!("write a region such as `eu-central-1` in {region}, AWS_REGION or the profile", region = option("region"))
            }
            Self::RoleRefused { role, duration, claims, answer } => {
                trust_policy::advice(role, *duration, claims, answer)
            }
            Self::SessionEnded { .. } => {
                "set this machine's clock, for example with `timedatectl set-ntp true`".to_owned()
            }
            Self::Token(error) => error.help(),
            Self::TokenWithoutTls => {
                "give STS an `https://` URL; to move S3 alone, set AWS_ENDPOINT_URL_S3 in place of AWS_ENDPOINT_URL".to_owned()
            }
            Self::Unreachable { reason } if reason.tls == Some(TlsFailure::UnknownIssuer) => untrusted_certificate_help(),
            Self::Unreachable { .. } => {
                format!("check the network, HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_STS; STS is asked in the region of {region}", region = option("region"))
            }
            Self::Variable(error) => error.help(),
        }
    }
}

/// A failed call, classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A failure that has nothing to do with what was called: credentials, clock, configuration.
    Common(Error),
    /// The caller lacks the permission.
    Denied(ErrorResponse),
    /// An error response whose meaning depends on the service.
    Refused(ErrorResponse),
    /// No response, or none that can be read; the reason.
    Unreachable(Unreachable),
}

impl Failure {
    /// Classifies an error of a call to `service`.
    pub fn of<E>(service: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = match (error, ErrorResponse::of(error)) {
            // The body is not what the service writes, so its status is not believed either.
            (SdkError::ResponseError(_), Some(_)) => {
                let reason = format!("its answer cannot be read: {}", innermost(error));
                return Self::Unreachable(reason.into());
            }
            (_, answer) => answer,
        };
        let Some(answer) = answer else {
            return match find_source::<CredentialsError>(error) {
                Some(error) => Self::Common(from_credentials_error(error)),
                None if matches!(error, SdkError::ConstructionFailure(_)) => {
                    Self::Common(Error::Configuration {
                        service,
                        reason: innermost(error),
                    })
                }
                None => match innermost(error) {
                    // So the SDK speaks of endpoints that contradict each other.
                    reason if reason.starts_with("Invalid Configuration") => {
                        Self::Common(Error::Configuration { service, reason })
                    }
                    _ => Self::Unreachable(Unreachable::from_error(error)),
                },
            };
        };
        let date = || error.raw_response()?.headers().get("date").map(clipped);
        match (answer.code(), answer.status) {
            ("RequestTimeTooSkewed", _) => Self::Common(Error::ClockSkewed {
                service,
                server_time: date(),
                answer,
            }),
            // KMS and STS name the clock in the words of a signature error.
            ("InvalidSignatureException" | "SignatureDoesNotMatch", _)
                if answer.says(" is now earlier than ") || answer.says(" is still later than ") =>
            {
                Self::Common(Error::ClockSkewed {
                    service,
                    server_time: date(),
                    answer,
                })
            }
            _ if answer.is_expired() => Self::Common(Error::Expired { service, answer }),
            (
                "IncompleteSignature"
                | "IncompleteSignatureException"
                | "InvalidAccessKeyId"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "InvalidToken"
                | "InvalidTokenId"
                | "MissingAuthenticationToken"
                | "MissingAuthenticationTokenException"
                | "NotAuthorized"
                | "SignatureDoesNotMatch"
                | "UnrecognizedClientException",
                _,
            ) => Self::Common(Error::Credentials { service, answer }),
            ("AccessDenied" | "AccessDeniedException", _) => Self::Denied(answer),
            // Without a code it is a page of a proxy, which means nothing about permissions.
            (code, Some(401 | 403)) if !matches!(code, "" | "InvalidObjectState") => {
                Self::Denied(answer)
            }
            _ => Self::Refused(answer),
        }
    }
}

/// The reason why a provider gave no credentials.
pub(crate) fn from_credentials_error(error: &CredentialsError) -> Error {
    if let Some(error) = find_source::<Error>(error) {
        return error.clone();
    }
    let reason = match error {
        // The SDK's own words are a page about each provider that it tried.
        CredentialsError::CredentialsNotLoaded(_) => {
            let role = matches!(variable("AWS_ROLE_ARN"), Ok(Some(_)));
            let mut reason = "none in environment, profile, container or instance".to_owned();
            if role {
                let role_arn = option("role-arn");
                reason +=
                    &format!("; AWS_ROLE_ARN names a role, which takes {role_arn} or a token file");
            }
            reason
        }
        other => innermost(other),
    };
    Error::NoCredentials {
        // So the SDK speaks of its own sign-in.
        sso: reason.contains("SSO"),
        reason,
    }
}
