//! The part of the retries that the SDK makes itself.

use aws_config::SdkConfig;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::retry::RetryConfig;

use crate::net::retry::{ATTEMPTS, FIRST, LONGEST};

/// The SDK's retries: pauses of random length, from 100 ms doubling to 5 s.
pub fn config(attempts: u32) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(FIRST)
        .with_max_backoff(LONGEST)
}

/// Retries without the SDK's allowance of some thirty for a client, which a run with a thousand images
/// uses up while each of them is entitled to its own.
pub fn unrationed() -> RetryPartition {
    RetryPartition::custom("s3lo")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// 429: how Cloudflare R2 and other servers of the protocol throttle. The SDK goes by AWS's error
/// codes, and AWS throttles with 503.
#[derive(Clone, Copy, Debug)]
pub struct TooManyRequests;

impl ClassifyRetry for TooManyRequests {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            Some(response) if response.status().as_u16() == 429 => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "429 Too Many Requests"
    }
}

/// How often `config` tries a call.
pub fn attempts(config: &SdkConfig) -> u32 {
    config
        .retry_config()
        .map_or(ATTEMPTS, RetryConfig::max_attempts)
}
