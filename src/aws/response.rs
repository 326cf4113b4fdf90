//! Error responses of AWS services.

use std::fmt;
use std::time::Duration;

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use s3lo_core::explain::Fact;
use s3lo_core::text::{clipped, clipped_to};

use crate::net::clock::{ClockDifference, MIN_SKEW};
use crate::net::http::request_id;

/// The error response of an AWS service, word for word.
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
    /// The difference between the service's clock and this machine's, if the response is dated.
    pub clock_difference: Option<Duration>,
}

/// The most characters of a message that are kept: AWS names a principal, an action and a resource in the
/// messages that matter most.
const MAX_MESSAGE_LEN: usize = 600;

impl ErrorResponse {
    /// The response in `error`, if the service sent one.
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Self> {
        let response = error.raw_response()?;
        Some(Self {
            status: Some(response.status().as_u16()),
            code: error.code().map(clipped),
            message: error
                .message()
                .map(|text| clipped_to(text, MAX_MESSAGE_LEN)),
            request_id: request_id(response).map(clipped),
            clock_difference: ClockDifference::of(response).map(|difference| difference.by),
        })
    }

    /// The answer and the request's ID, for a message.
    pub fn facts(&self) -> Vec<Fact> {
        let id = self.request_id.as_ref();
        let id = id.map(|id| Fact::new("request", id));
        std::iter::once(Fact::new("said", self.to_string()))
            .chain(id)
            .collect()
    }

    /// The code, or an empty text.
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// The code and the status.
    pub fn in_short(&self) -> String {
        match (self.code.as_deref(), self.status) {
            (Some(code), Some(status)) => format!("{code} ({status})"),
            (Some(code), None) => code.to_owned(),
            (None, Some(status)) => format!("status {status}"),
            (None, None) => "an error".to_owned(),
        }
    }

    /// Whether the service's message contains `words`.
    pub fn says(&self, words: &str) -> bool {
        self.message
            .as_deref()
            .is_some_and(|message| message.contains(words))
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.is_throttled()
            || TRANSIENT_ERRORS.contains(&self.code())
            || self
                .status
                .is_some_and(|status| status >= 500 || status == 408)
    }

    /// Whether the service is throttling.
    pub fn is_throttled(&self) -> bool {
        // 429 is R2's.
        THROTTLING_ERRORS.contains(&self.code()) || self.status == Some(429)
    }

    /// Whether the signature may have been refused for the time that it names. The SDK signs the next request of the
    /// same client with the service's time
    /// ([clock skew](https://docs.aws.amazon.com/sdkref/latest/guide/feature-clock-skew.html)).
    pub fn is_skewed(&self) -> bool {
        let codes = [
            "InvalidSignatureException",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
        ];
        codes.contains(&self.code())
            && self
                .clock_difference
                .is_some_and(|difference| difference > MIN_SKEW)
    }

    /// Whether a policy denied access, rather than the state of an account or a region.
    pub fn is_access_denied(&self) -> bool {
        ["AccessDenied", "AccessDeniedException"].contains(&self.code())
    }

    /// Whether the session of the credentials has expired.
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
        let parts: Vec<_> = name.into_iter().chain(message).collect();
        f.write_str(&parts.join(": "))
    }
}
