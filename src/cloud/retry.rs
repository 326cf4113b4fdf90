//! What is worth another try, beyond what the SDK knows, and when.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::retry::RetryConfig;
use tokio::time::{Instant, sleep};

/// How often a call is tried that fails without being throttled. With the pauses between them, the
/// tries of one call take some three seconds.
pub const ATTEMPTS: u32 = 6;

/// The first pause is at most this long.
const FIRST: Duration = Duration::from_millis(100);

/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(5);

/// No pause is longer while a service throttles: it refills its quota by the second, and whoever waited
/// longer than that would hold up the end of the run while the quota goes unused. It is the bounded
/// number of images at once that keeps the requests few.
const THROTTLED: Duration = Duration::from_millis(500);

/// The SDK's retries: pauses of random length, from [`FIRST`] doubling to [`LONGEST`].
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

/// Tries of our own, where the SDK's would not do: the same pauses, and no end to them while a service is
/// throttling and there is time.
pub struct Backoff {
    attempts: u32,
    deadline: Instant,
    tries: u32,
}

impl Backoff {
    /// At most `attempts` tries, and no pause that reaches beyond `deadline`.
    pub fn new(attempts: u32, deadline: Instant) -> Self {
        Self {
            attempts,
            deadline,
            tries: 1,
        }
    }

    /// Runs one try, whose requests are told of by its number.
    pub async fn counted<T>(&self, once: impl Future<Output = T>) -> T {
        TRY.scope(self.tries, once).await
    }

    /// Pauses before the next try. `false` if there is none: the tries are used up, which they never
    /// are for what is `throttled`, or the time is.
    pub async fn wait(&mut self, throttled: bool) -> bool {
        if !throttled && self.tries >= self.attempts {
            return false;
        }
        let doublings = self.tries.saturating_sub(1).min(16);
        let longest = if throttled { THROTTLED } else { LONGEST };
        let pause = FIRST.saturating_mul(1 << doublings).min(longest);
        let pause = pause.mul_f64(fraction());
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left <= pause {
            return false;
        }
        self.tries = self.tries.saturating_add(1);
        sleep(pause).await;
        true
    }
}

tokio::task_local! {
    static TRY: u32;
}

/// The number of the try that is being made, where it is one of our own.
pub(super) fn number() -> Option<u32> {
    TRY.try_with(|number| *number).ok()
}

/// From 0.5 to 1, so that those who failed together do not come back together.
fn fraction() -> f64 {
    let mut byte = [0];
    // Without randomness the pause is the longest, which is no harm.
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => 0.5 + f64::from(byte[0]) / 510.0,
        Err(_) => 1.0,
    }
}
