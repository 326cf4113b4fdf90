//! What an AWS service said, and what it means for any of them.

use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use s3lo_core::text::{clipped, clipped_to};

use crate::aws::role;
use crate::diagnostic::Explain;
use crate::environment::variable;
use crate::net::error_chain::{find_source, innermost};
use crate::net::http::request_id;

/// What a service said, kept word for word for the person who must find it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: Option<u16>,
    /// The service's error code.
    pub code: Option<String>,
    /// The service's message.
    pub message: Option<String>,
    /// The request's ID.
    pub request_id: Option<String>,
}

/// The most characters of a service's message that are kept: AWS names a principal, an action and a
/// resource in the messages that matter most.
const LONGEST_MESSAGE: usize = 600;

impl ErrorResponse {
    /// What `error` holds of it, if the service answered at all.
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Self> {
        let response = error.raw_response()?;
        Some(Self {
            status: Some(response.status().as_u16()),
            code: error.code().map(clipped),
            message: error
                .message()
                .map(|text| clipped_to(text, LONGEST_MESSAGE)),
            request_id: request_id(response).map(clipped),
        })
    }

    /// The code, or nothing.
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// Whether `words` are in the message.
    pub fn says(&self, words: &str) -> bool {
        self.message
            .as_deref()
            .is_some_and(|message| message.contains(words))
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.is_throttled()
            || self
                .status
                .is_some_and(|status| status >= 500 || status == 408)
    }

    /// Whether the service asks for patience.
    pub fn is_throttled(&self) -> bool {
        // The SDK's own list, as far as these services use it, and R2's status.
        let codes = [
            "LimitExceededException",
            "RequestLimitExceeded",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ];
        codes.contains(&self.code()) || self.status == Some(429)
    }

    /// Whether the credentials' session is over.
    pub fn is_expired(&self) -> bool {
        [
            "ExpiredToken",
            "ExpiredTokenException",
            "TokenRefreshRequired",
        ]
        .contains(&self.code())
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.as_deref();
        let name = match (code, self.status) {
            (Some(code), Some(status)) => Some(format!("{code} ({status})")),
            (Some(code), None) => Some(code.to_owned()),
            (None, Some(status)) => Some(format!("status {status}")),
            (None, None) => None,
        };
        let message = self
            .message
            .as_deref()
            .map(|message| message.trim_end_matches('.').to_owned());
        let said: Vec<_> = name.into_iter().chain(message).collect();
        f.write_str(&said.join(": "))?;
        match &self.request_id {
            Some(id) => write!(f, " (request ID {id})"),
            None => Ok(()),
        }
    }
}

/// What concerns every call, whatever it is for: credentials and the clock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The clock differs too much from the service's.
    #[error("this machine's clock differs too much from the clock of {service}{}: {answer}", theirs(server_time.as_deref()))]
    ClockSkewed {
        /// The service.
        service: &'static str,
        /// The service's `Date`.
        server_time: Option<String>,
        /// What the service said.
        answer: ErrorResponse,
    },
    /// The request cannot be made of what is configured.
    #[error("no request to {service} can be made: {reason}")]
    Configuration {
        /// The service.
        service: &'static str,
        /// What the SDK says.
        reason: String,
    },
    /// The credentials are unknown or malformed.
    #[error("{service} refused the AWS credentials: {answer}")]
    Credentials {
        /// The service.
        service: &'static str,
        /// What the service said.
        answer: ErrorResponse,
    },
    /// The credentials were valid once.
    #[error("the session of the AWS credentials has expired: {service} answered {answer}")]
    Expired {
        /// The service.
        service: &'static str,
        /// What the service said.
        answer: ErrorResponse,
    },
    /// No credentials were found.
    #[error("there are no AWS credentials: {reason}")]
    NoCredentials {
        /// What was tried.
        reason: String,
    },
    /// The role could not be assumed.
    #[error(transparent)]
    Role(Box<role::Error>),
}

fn theirs(server_time: Option<&str>) -> String {
    server_time.map_or_else(String::new, |time| format!(" (there it is {time})"))
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Credentials or clock.
    Common(Error),
    /// The caller may not.
    Denied(ErrorResponse),
    /// An answer with an error that has its meaning in the service.
    Refused(ErrorResponse),
    /// No answer, or none that could be read; what happened.
    Unreachable(String),
}

impl Failure {
    /// What `error` of `service` means.
    pub fn of<E>(service: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = match (error, ErrorResponse::of(error)) {
            // What arrived was not what the service writes, whatever its status says.
            (SdkError::ResponseError(_), Some(_)) => {
                return Self::Unreachable(format!(
                    "its answer cannot be read: {}",
                    innermost(error)
                ));
            }
            (_, answer) => answer,
        };
        let Some(answer) = answer else {
            return match find_source::<CredentialsError>(error) {
                Some(error) => Self::Common(of_credentials(error)),
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
                    reason => Self::Unreachable(reason),
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
            // Without a code it is a page of somebody in between, who knows nothing of permissions.
            (code, Some(401 | 403)) if !matches!(code, "" | "InvalidObjectState") => {
                Self::Denied(answer)
            }
            _ => Self::Refused(answer),
        }
    }
}

/// Why there are no credentials.
pub fn of_credentials(error: &CredentialsError) -> Error {
    if let Some(role) = find_source::<role::Error>(error) {
        return Error::Role(Box::new(role.clone()));
    }
    let reason = match error {
        // The SDK's own words are a page about each provider that it tried.
        CredentialsError::CredentialsNotLoaded(_) => {
            let role = matches!(variable("AWS_ROLE_ARN"), Ok(Some(_)));
            let unused = "; AWS_ROLE_ARN names a role, which takes `--role-arn` or a token file";
            let unused = if role { unused } else { "" };
            format!("none in environment, profile, container or instance{unused}")
        }
        other => innermost(other),
    };
    Error::NoCredentials { reason }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::ClockSkewed { .. } => "clock_skewed",
            Self::Configuration { .. } => "configuration",
            Self::Credentials { .. } => "credentials_refused",
            Self::Expired { .. } => "session_expired",
            Self::NoCredentials { .. } => "no_credentials",
            Self::Role(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::ClockSkewed { service, .. } => {
                let minutes = if *service == "S3" { 15 } else { 5 };
                format!("set this machine's clock, for example with `timedatectl set-ntp true`; {service} allows {minutes} minutes")
            }
            Self::Configuration { .. } => "check the region, AWS_ENDPOINT_URL and its kind, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT, which may contradict each other".to_owned(),
            Self::Credentials { .. } => "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which must be of one set, or AWS_PROFILE".to_owned(),
            Self::Expired { .. } => "run the job again, at a desk after `aws sso login`; what was signed already is kept; credentials that another step exported end when they end, while `--role-arn` lets this program renew them".to_owned(),
            Self::NoCredentials { reason } if reason.contains("SSO") => {
                "log in again: `aws sso login`, with `--profile NAME` where AWS_PROFILE names one".to_owned()
            }
            Self::NoCredentials { .. } => "in CI give `--role-arn arn:aws:iam::ACCOUNT:role/NAME`, which takes the job's identity token; at a desk set AWS_PROFILE, after `aws sso login`; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; on a CI runner of your own with an instance role set AWS_EC2_METADATA_DISABLED=false".to_owned(),
            Self::Role(error) => error.help(),
        }
    }
}
