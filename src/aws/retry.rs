//! Retries of calls by the SDK, whose own are off: they have an allowance of some thirty for a client, which a
//! run with a thousand images uses up, and end while a service is still throttling.

use std::fmt;

use aws_config::SdkConfig;
use aws_runtime::retries::classifiers::TRANSIENT_ERRORS;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;

use crate::aws::response::ErrorResponse;
use crate::net::calls::Answer;
use crate::net::error_chain::innermost;
use crate::net::retry::{Backoff, MAX_ATTEMPTS, Retry, TryError};
use crate::net::unreachable::Unreachable;

/// The number of tries that `config` allows a call.
pub(crate) fn attempts(config: &SdkConfig) -> u32 {
    config
        .retry_config()
        .map_or(MAX_ATTEMPTS, RetryConfig::max_attempts)
}

/// Runs `call` until it succeeds or another try is in vain, by the rules of the SDK.
///
/// # Errors
///
/// That of the last try.
pub(crate) async fn run<T, E, F>(
    backoff: Backoff,
    call: impl Fn() -> F,
) -> Result<T, SdkError<E, HttpResponse>>
where
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let attempt = || {
        let sent = call();
        async move { sent.await.map_err(Failed) }
    };
    let mut clock = ClockCorrection::default();
    let classify = |error: &Failed<E>| match ErrorResponse::of(&error.0) {
        Some(answer) if clock.is_worth_a_try(&answer) => Retry::Transient,
        _ => error.classify(),
    };
    let done = backoff.run(attempt, classify).await;
    done.map_err(|Failed(error)| error)
}

/// The one more try of a request that was signed with a wrong time.
#[derive(Default)]
pub(crate) struct ClockCorrection {
    tried: bool,
}

impl ClockCorrection {
    /// Whether the response is the first that may come from a wrong time.
    pub(crate) fn is_worth_a_try(&mut self, answer: &ErrorResponse) -> bool {
        let first = !self.tried && answer.is_skewed();
        self.tried |= first;
        first
    }
}

/// A failed try.
struct Failed<E>(SdkError<E, HttpResponse>);

impl<E: ProvideErrorMetadata + std::error::Error + 'static> Failed<E> {
    fn classify(&self) -> Retry {
        let transient = match (&self.0, ErrorResponse::of(&self.0)) {
            (SdkError::ServiceError(_), Some(answer)) if answer.is_throttled() => {
                return Retry::Throttled;
            }
            (SdkError::ServiceError(_), Some(answer)) => {
                matches!(answer.status, Some(500 | 502 | 503 | 504))
                    || answer.code() == "InternalError"
                    || TRANSIENT_ERRORS.contains(&answer.code())
            }
            (SdkError::DispatchFailure(failure), _) => {
                (failure.is_timeout() || failure.is_io() || failure.as_other().is_some())
                    && !Unreachable::from_error(&self.0).is_permanent()
            }
            (error, _) => matches!(
                error,
                SdkError::ResponseError(_) | SdkError::TimeoutError(_)
            ),
        };
        if transient {
            Retry::Transient
        } else {
            Retry::No
        }
    }
}

impl<E> TryError for Failed<E>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn answer(&self) -> Answer {
        match ErrorResponse::of(&self.0) {
            Some(answer) => Answer::Was(answer.in_short()),
            None => Answer::none(innermost(&self.0)),
        }
    }
}

impl<E> fmt::Display for Failed<E>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ErrorResponse::of(&self.0) {
            Some(answer) => answer.fmt(f),
            None => f.write_str(&innermost(&self.0)),
        }
    }
}
