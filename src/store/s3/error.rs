//! Errors of S3, with their advice.

use s3lo_core::explain::{Explain, Fact};

use crate::aws;
use crate::aws::response::ErrorResponse;
use crate::net::unreachable::{AWS_CLIENT_CERTIFICATE, AWS_TRUST, Settings, Unreachable};
use crate::net::url;
use crate::option_name::option;
use crate::store::s3::{denial, remedy};

/// An error of S3 that is no answer about an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of credentials or the clock.
    #[error(transparent)]
    Common(aws::Error),
    /// The caller has no permission.
    #[error("S3 refused {action} on `{object}`")]
    Denied {
        /// `s3:GetObject`, `s3:PutObject`, `s3:ListBucket` or `s3express:CreateSession`.
        action: &'static str,
        /// The object.
        object: String,
        /// The response.
        answer: ErrorResponse,
        /// Whether an option names the server, which then has access keys and perhaps no roles.
        endpoint_is_named: bool,
        /// Whether an option names the owner of the bucket.
        owner_is_named: bool,
    },
    /// The bucket does not exist.
    #[error("the bucket `{bucket}` does not exist")]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// A proxy or another server sends the request elsewhere. Redirects are not followed.
    #[error("the S3 server redirects to `{location}`")]
    Redirected {
        /// The target.
        location: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// Any other error response.
    #[error("{action} on `{object}` failed")]
    Service {
        /// The action.
        action: &'static str,
        /// The object.
        object: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// There was no readable response.
    #[error("cannot connect to S3{}: {reason}", server.as_ref().map(|url| format!(" at {url}")).unwrap_or_default())]
    Unreachable {
        /// The server that the options or the environment name.
        server: Option<String>,
        /// The object.
        object: String,
        /// The reason.
        reason: Unreachable,
    },
    /// The bucket is in another region, which the response does not name.
    #[error("the bucket `{bucket}` is not in the region {region}")]
    WrongRegion {
        /// The bucket.
        bucket: String,
        /// The region of the request.
        region: String,
        /// The response.
        answer: ErrorResponse,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Common(error) => error.code(),
            Self::Denied { .. } => "access_denied",
            Self::NoBucket { .. } => "bucket_not_found",
            Self::Redirected { .. } => "redirected",
            Self::Service { answer, .. } if answer.is_throttled() => "throttled",
            Self::Service { .. } => "service_error",
            Self::Unreachable { .. } => "unreachable",
            Self::WrongRegion { .. } => "wrong_region",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let answer = match self {
            Self::Common(error) => return error.facts(),
            Self::Unreachable { object, .. } => return vec![Fact::new("object", object)],
            Self::Denied { answer, .. }
            | Self::NoBucket { answer, .. }
            | Self::Redirected { answer, .. }
            | Self::Service { answer, .. }
            | Self::WrongRegion { answer, .. } => answer,
        };
        answer.facts()
    }

    fn help(&self) -> String {
        match self {
            Self::Common(error) => error.help(),
            Self::Denied {
                action,
                object,
                answer,
                endpoint_is_named,
                owner_is_named,
            } => denial::advice(
                action,
                object,
                answer.message.as_deref(),
                *endpoint_is_named,
                *owner_is_named,
            ),
            Self::NoBucket { .. } => {
                format!("check the bucket's name, and that it is in this account or at this {endpoint}", endpoint = option("endpoint"))
            }
            Self::Redirected { location, .. } => format!(
                "if that server is yours, name it: {}\nredirects are never followed",
                option("endpoint").with(&server_of(location))
            ),
            Self::Service { action, answer, .. } => match remedy::of(action, answer) {
                Some(remedy) => remedy,
                None if answer.is_throttled() => format!("sign fewer images at once with {concurrency}, or give it longer with {timeout}", timeout = option("timeout").with("10m"), concurrency = option("concurrency").with("4")),
                None if answer.status.is_some_and(|status| status >= 500) => "run it again later: the service failed each time it was asked".to_owned(),
                None if answer.code().is_empty() => format!("check {} and HTTPS_PROXY: S3 itself does not answer this way", option("endpoint")),
                None => "look the code up in the S3 API's list of errors, and quote the request ID to the operator of the service".to_owned(),
            },
            Self::Unreachable { reason, .. } => {
                let address = format!("{} or AWS_ENDPOINT_URL_S3", option("endpoint"));
                let settings = Settings {
                    trust: AWS_TRUST,
                    address: &address,
                    client_certificate: AWS_CLIENT_CERTIFICATE,
                };
                reason.help(&settings, || format!("check that the server runs, and the network, HTTPS_PROXY and NO_PROXY\nits address comes from {endpoint}, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; without them it is Amazon's", endpoint = option("endpoint")))
            }
            Self::WrongRegion { .. } => format!("name the bucket's region: {region} or AWS_REGION", region = option("region").with("REGION")),
        }
    }
}

/// The server of a redirect's target, as an option names it: where it is no URL, a placeholder.
fn server_of(location: &str) -> String {
    match url::parse(location) {
        Some(url) if url.host_str().is_some() => url.origin().ascii_serialization(),
        _ => "https://HOST".to_owned(),
    }
}
