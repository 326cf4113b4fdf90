//! The one error of this folder: configuration, credentials, the role and its session.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use s3lo_core::explain::{Explain, Fact};
use s3lo_core::text::clipped;

use crate::aws::arn::Arn;
use crate::aws::credential_text;
use crate::aws::response::ErrorResponse;
use crate::aws::trust_policy;
use crate::environment;
use crate::environment::is_set;
use crate::identity::ci_system;
use crate::identity::ci_system::CiSystem;
use crate::identity::jwt::Claims;
use crate::identity::token_source;
use crate::net::ca_bundle;
use crate::net::clock::SET_CLOCK;
use crate::net::error_chain::{find_source, innermost};
use crate::net::http::WithoutTls;
use crate::net::proxy;
use crate::net::unreachable;
use crate::net::unreachable::{AWS_CLIENT_CERTIFICATE, AWS_TRUST, Unreachable};
use crate::option_name::{is_in_job, option};
use crate::similar::nearest;
use crate::text::{printable, quoted};

/// The reason why AWS cannot be called for any purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Error {
    #[error("`{arn}` belongs to account {}, which is not among those of {allowed_account}", arn.account, allowed_account = option("allowed-account"))]
    AccountNotAllowed { arn: Box<Arn> },
    #[error("STS failed to answer {action}")]
    AssumeRole {
        action: &'static str,
        answer: ErrorResponse,
    },
    #[error(transparent)]
    CaBundle(#[from] ca_bundle::Error),
    #[error("STS failed to answer GetCallerIdentity")]
    CallerIdentity { answer: ErrorResponse },
    #[error("this machine's clock differs too much from that of {service}")]
    ClockSkewed {
        service: &'static str,
        /// The `Date` of the response.
        server_time: Option<String>,
        answer: ErrorResponse,
    },
    /// A request that the SDK cannot make of the configuration.
    #[error("the settings for {service} contradict each other")]
    Configuration {
        service: &'static str,
        reason: String,
    },
    /// Credentials that are unknown or malformed.
    #[error("{service} refused the AWS credentials")]
    Credentials {
        service: &'static str,
        answer: ErrorResponse,
    },
    /// Credentials that were valid once.
    #[error("{service} refused the AWS session, which has expired")]
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
    /// A metadata service that is asked explicitly.
    #[error("the instance's metadata service gave no credentials")]
    InstanceMetadata { reason: String },
    /// A profile of `aws login`.
    #[error(
        "the profile `{}` was made by `aws login`, whose sessions only the AWS CLI can use",
        printable(profile)
    )]
    LoginProfile { profile: String },
    #[error(transparent)]
    MalformedCredential(#[from] credential_text::Error),
    #[error("there are no AWS credentials")]
    NoCredentials {
        reason: Unreachable,
        /// Whether the sign-in of the SDK's SSO failed.
        sso: bool,
        /// Whether there is no source of credentials at all.
        none: bool,
    },
    /// A profile that is named, and has no credentials or is not defined.
    #[error("the profile `{}` has no credentials", printable(profile))]
    NoProfile { profile: String, known: Vec<String> },
    /// An identity token or an external ID without a role.
    #[error("an identity token or an external ID is named, and no role to assume with it")]
    NoRole,
    /// An option, which may hold the token itself.
    #[error(
        "{} does not name the place of a token",
        option("web-identity-token-file")
    )]
    NotATokenFile,
    /// A variable or the setting of a profile, which may hold the token itself.
    #[error("{place} does not name the place of a token")]
    NotATokenFileSetting { place: String },
    /// An option, which may hold the token itself.
    #[error(
        "{} does not name the place of a token",
        option("web-identity-token-env")
    )]
    NotATokenVariable,
    #[error("{service} would be asked without TLS, on another machine")]
    PlainHttp { service: &'static str },
    #[error(
        "`role_arn` of the profile `{}` is not the ARN of a role",
        printable(profile)
    )]
    ProfileRole { profile: String },
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    #[error("`{}` is not the name of a region", printable(region))]
    Region { region: String },
    #[error("AWS STS did not let this job assume {role}")]
    RoleRefused {
        role: Box<Arn>,
        duration: Duration,
        claims: Box<Claims>,
        answer: ErrorResponse,
    },
    /// The refusal of credentials, such as those of a first role.
    #[error("AWS STS did not let these credentials assume {role}")]
    RoleRefusedCredentials {
        role: Box<Arn>,
        external_id: Option<String>,
        answer: ErrorResponse,
    },
    #[error("the session that STS gave ended at {at}, by this machine's clock")]
    SessionEnded { at: String },
    #[error(transparent)]
    Token(#[from] token_source::Error),
    #[error("the identity token would go to STS without TLS")]
    TokenWithoutTls,
    #[error("cannot connect to STS: {reason}")]
    Unreachable { reason: Unreachable },
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

impl Error {
    fn without_tls(service: &'static str, refused: WithoutTls) -> Self {
        match refused {
            WithoutTls::IdentityToken => Self::TokenWithoutTls,
            WithoutTls::Request => Self::PlainHttp { service },
        }
    }

    /// The error response, if there was one.
    pub(crate) fn response(&self) -> Option<&ErrorResponse> {
        match self {
            Self::AssumeRole { answer, .. }
            | Self::CallerIdentity { answer }
            | Self::ClockSkewed { answer, .. }
            | Self::Credentials { answer, .. }
            | Self::Expired { answer, .. }
            | Self::RoleRefused { answer, .. }
            | Self::RoleRefusedCredentials { answer, .. } => Some(answer),
            _ => None,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::AccountNotAllowed { .. } => "account_not_allowed",
            Self::AssumeRole { answer, .. } | Self::CallerIdentity { answer }
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
            | Self::PlainHttp { .. }
            | Self::ProfileRole { .. }
            | Self::Region { .. }
            | Self::TokenWithoutTls => "configuration",
            Self::Credentials { .. } => "credentials_refused",
            Self::Expired { .. } => "session_expired",
            Self::InstanceMetadata { .. }
            | Self::LoginProfile { .. }
            | Self::NoCredentials { .. }
            | Self::NoProfile { .. } => "no_credentials",
            Self::NotATokenFile | Self::NotATokenFileSetting { .. } | Self::NotATokenVariable => {
                "usage"
            }
            Self::MalformedCredential(error) => error.code(),
            Self::Proxy(error) => error.code(),
            Self::RoleRefused { .. } | Self::RoleRefusedCredentials { .. } => "role_refused",
            Self::Token(error) => error.code(),
            Self::Unreachable { .. } => "unreachable",
            Self::Variable(error) => error.code(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let answer = self.response().map(ErrorResponse::facts);
        let mut facts = answer.unwrap_or_default();
        match self {
            Self::RoleRefused { claims, .. } => facts.extend(claims.facts()),
            Self::ClockSkewed { server_time, .. } => {
                facts.extend(server_time.as_ref().map(|time| Fact::new("clock", time)));
            }
            Self::Configuration { reason, .. } | Self::InstanceMetadata { reason } => {
                facts.push(Fact::new("reason", reason));
            }
            Self::NoCredentials { reason, .. } => {
                facts.push(Fact::new("reason", &reason.reason));
            }
            Self::NoProfile { known, .. } if !known.is_empty() => {
                facts.push(Fact::new("profiles", known.join(", ")));
            }
            Self::Token(error) => facts.extend(error.facts()),
            _ => {}
        }
        facts
    }

    fn help(&self) -> String {
        match self {
            Self::AccountNotAllowed { arn } => format!(
                "use a role and a key of an allowed account, or add {}",
                option("allowed-account").with(arn.account.as_str())
            ),
            Self::AssumeRole { answer, .. } | Self::CallerIdentity { answer } if answer.is_transient() => {
                format!("run it again later, or give it longer with {timeout}", timeout = option("timeout").with("10m"))
            }
            Self::CallerIdentity { answer } if answer.code() == "RegionDisabledException" => {
                trust_policy::region_disabled()
            }
            Self::AssumeRole { .. } | Self::CallerIdentity { .. } | Self::IncompleteResponse { .. } => {
                "check AWS_ENDPOINT_URL_STS and HTTPS_PROXY: what answers there is not STS".to_owned()
            }
            Self::CaBundle(error) => error.help(),
            Self::ClockSkewed { service, .. } => {
                let minutes = if *service == "S3" { 15 } else { 5 };
                format!("{SET_CLOCK}; {service} allows {minutes} minutes")
            }
            Self::Configuration { .. } => "check the region, AWS_ENDPOINT_URL and its kind, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT, which may contradict each other".to_owned(),
            Self::Credentials { .. } => "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: all three must come from the same set\nwithout them, the profile that AWS_PROFILE names is used".to_owned(),
            Self::Expired { .. } => expired_help(),
            Self::HalfAPair { set, missing } => {
                format!("set {missing} as well, or unset {set} to use other credentials")
            }
            Self::InstanceMetadata { .. } => "attach a role to the instance\nin a container, raise the hop limit of its metadata service to 2: `aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled --http-put-response-hop-limit 2`".to_owned(),
            Self::LoginProfile { profile } => format!("add a profile to ~/.aws/config that takes the session from the AWS CLI, and set AWS_PROFILE to its name:\n[profile s3lo]\ncredential_process = aws configure export-credentials --profile {profile} --format process", profile = quoted(profile)),
            Self::MalformedCredential(error) => error.help(),
            Self::NoCredentials { reason, sso, .. } => reason.help(&SETTINGS, || match sso {
                true => "log in again: `aws sso login`, with `--profile NAME` where AWS_PROFILE names one".to_owned(),
                false => no_credentials_help(),
            }),
            Self::NoProfile { profile, known } => match nearest(profile, known) {
                Some(near) => format!("did you mean AWS_PROFILE={}?", quoted(near)),
                None => "set AWS_PROFILE to a profile of ~/.aws/config or ~/.aws/credentials, or unset it".to_owned(),
            },
            Self::NoRole => format!("give the role: {role_arn}", role_arn = option("role-arn").with("arn:aws:iam::ACCOUNT:role/NAME")),
            Self::NotATokenFile | Self::NotATokenFileSetting { .. } => {
                "give the path of the file that holds the token, not the token".to_owned()
            }
            Self::NotATokenVariable => {
                "give the name of the variable that holds the token, such as `GITLAB_OIDC_TOKEN`, not the token".to_owned()
            }
            Self::Region { .. } => {
                format!("write a region such as `eu-central-1` in {region}, AWS_REGION or the profile", region = option("region"))
            }
            Self::PlainHttp { .. } => format!("give it an `https://` URL\nto name another server only for S3, set AWS_ENDPOINT_URL_S3 in place of AWS_ENDPOINT_URL\nfor a server in a network that you trust, such as a LocalStack in a container, give {plain_http}", plain_http = option("aws-plain-http")),
            Self::ProfileRole { .. } => "write `role_arn = arn:aws:iam::ACCOUNT:role/NAME` there".to_owned(),
            Self::Proxy(error) => error.help(),
            Self::RoleRefusedCredentials { role, external_id, answer } => {
                trust_policy::advice_by_credentials(role, external_id.as_deref(), answer)
            }
            Self::RoleRefused { role, duration, claims, answer } => {
                trust_policy::advice(role, *duration, claims, answer)
            }
            Self::SessionEnded { .. } => SET_CLOCK.to_owned(),
            Self::Token(error) => error.help(),
            Self::TokenWithoutTls => {
                "give STS an `https://` URL\nto name another server only for S3, set AWS_ENDPOINT_URL_S3 in place of AWS_ENDPOINT_URL".to_owned()
            }
            Self::Unreachable { reason } => reason.help(&SETTINGS, || {
                format!("check the network, HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_STS; STS is asked in the region of {region}", region = option("region"))
            }),
            Self::Variable(error) => error.help(),
        }
    }
}

/// The settings of STS.
const SETTINGS: unreachable::Settings<'_> = unreachable::Settings {
    trust: AWS_TRUST,
    address: "AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL",
    client_certificate: AWS_CLIENT_CERTIFICATE,
};

fn expired_help() -> String {
    let first = if ci_system::in_any() || is_in_job() {
        format!(
            "run the job again\nif another step exports the credentials, give {} instead, which lets s3lo renew them",
            option("role-arn")
        )
    } else if credential_text::in_environment() {
        "replace AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, from which the credentials come".to_owned()
    } else {
        "run `aws sso login`, and run it again".to_owned()
    };
    format!("{first}\nimages that are already signed stay signed")
}

fn no_credentials_help() -> String {
    // A container has few of its system's variables.
    if !ci_system::in_any() && !is_in_job() {
        return "run `aws sso login`, and set AWS_PROFILE to the profile; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned();
    }
    if is_set("CODEBUILD_BUILD_ID") {
        return "give the build project a service role\nif the program runs in a container, start that by `docker run -e AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`".to_owned();
    }
    if is_set("KUBERNETES_SERVICE_HOST") && CiSystem::detect().is_none() {
        return "give the pod's service account a role, by IRSA or EKS Pod Identity: https://github.com/s3lo/sign-action/blob/main/docs/ci-systems.md#a-kubernetes-job\nor set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned();
    }
    format!(
        "give {role_arn}, which takes the job's identity token; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\non a runner of your own with an instance role, set AWS_EC2_METADATA_DISABLED=false\nin a container that a job of CodeBuild or ECS starts, run `docker run -e AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`",
        role_arn = option("role-arn").with("arn:aws:iam::ACCOUNT:role/NAME")
    )
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
        if let Some(without_tls) = find_source::<WithoutTls>(error) {
            return Self::Common(Error::without_tls(service, *without_tls));
        }
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
                None => {
                    let reason = innermost(error);
                    let unsent = matches!(error, SdkError::ConstructionFailure(_));
                    // The SDK's words for endpoints that contradict each other.
                    if unsent || reason.starts_with("Invalid Configuration") {
                        Self::Common(Error::Configuration { service, reason })
                    } else {
                        Self::Unreachable(Unreachable::from_error(error))
                    }
                }
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
    if let Some(refused) = find_source::<WithoutTls>(error) {
        return Error::without_tls("the service that gives credentials", *refused);
    }
    let none = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    let reason = if none {
        // The SDK's own words are a page about each provider that it tried.
        let role = is_set("AWS_ROLE_ARN");
        let mut reason =
            "none in the environment, a profile, the container or the instance".to_owned();
        if role {
            let role_arn = option("role-arn");
            reason +=
                &format!("; AWS_ROLE_ARN names a role, which takes {role_arn} or a token file");
        }
        reason.into()
    } else {
        Unreachable::from_error(error)
    };
    Error::NoCredentials {
        // So the SDK speaks of its own sign-in.
        sso: reason.reason.contains("SSO"),
        reason,
        none,
    }
}
