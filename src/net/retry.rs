//! Retries: which calls are tried again, and after what pause.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::net::calls::{Answer, InProgress};

/// The number of tries of a call that fails without being throttled. With the pauses between them they
/// take some three seconds.
pub const MAX_ATTEMPTS: u32 = 6;

/// The first pause, at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The time after the deadline in which the run ends.
const GRACE: Duration = Duration::from_secs(1);

/// Whether a failed call is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call would fail again.
    No,
    /// The same call may succeed.
    Transient,
    /// The same call succeeds once the service has capacity for it.
    Throttled,
}

/// The tries of one call: pauses of random length that double, and no limit to their number while the service
/// throttles and there is time.
pub struct Backoff {
    attempts: u32,
    deadline: Instant,
    throttle: Throttle,
    failed: u32,
    call: Option<InProgress>,
}

/// The error of a try.
pub trait TryError: Display {
    /// The answer in short, or the reason why there was none.
    fn answer(&self) -> Answer;
}

impl Backoff {
    /// Allows at most `attempts` tries, and no pause that reaches beyond `deadline`. All calls to one service
    /// share a `throttle`.
    pub fn new(attempts: u32, deadline: Instant, throttle: Throttle) -> Self {
        Self {
            attempts,
            deadline,
            throttle,
            failed: 0,
            call: None,
        }
    }

    /// The same, whose tries are those of `call`.
    pub fn of(self, call: InProgress) -> Self {
        Self {
            call: Some(call),
            ..self
        }
    }

    /// Runs `attempt` until it succeeds, `classify` answers [`Retry::No`], or no tries or no time are left.
    ///
    /// # Errors
    ///
    /// That of the last try.
    pub async fn run<T, E: TryError, F: Future<Output = Result<T, E>>>(
        mut self,
        mut attempt: impl FnMut() -> F,
        mut classify: impl FnMut(&E) -> Retry,
    ) -> Result<T, E> {
        loop {
            // On the heap: a call of the SDK takes some 7 KB, and each future around it would hold it once more.
            let once = Box::pin(attempt());
            let done = match &self.call {
                Some(call) => call.attempt(once).await,
                None => once.await,
            };
            let error = match done {
                Ok(done) => {
                    self.throttle.eased();
                    self.call.iter().for_each(InProgress::answered);
                    return Ok(done);
                }
                Err(error) => error,
            };
            let retry = classify(&error);
            let throttled = retry == Retry::Throttled;
            if let Some(call) = &self.call {
                call.failed(error.answer(), throttled);
            }
            if retry == Retry::No || !self.wait(throttled).await {
                return Err(error);
            }
            tracing::debug!("{error}; trying again");
        }
    }

    /// Pauses before the next try. `false` if there is none: no time is left, or no try, which does not
    /// count where the service is throttling.
    async fn wait(&mut self, throttled: bool) -> bool {
        let Some(pause) = self.pause(throttled, Instant::now()) else {
            if throttled {
                // The deadline ends the run then, with an error that names the call and how often it was tried.
                sleep_until(self.deadline + GRACE).await;
            }
            return false;
        };
        sleep(pause).await;
        true
    }

    /// The pause before the next try, which a failure at `now` asks for.
    fn pause(&mut self, throttled: bool, now: Instant) -> Option<Duration> {
        let pause = if throttled {
            self.throttle.tightened(now)
        } else {
            self.failed = self.failed.saturating_add(1);
            if self.failed >= self.attempts {
                return None;
            }
            doubled(self.failed.saturating_sub(1))
        };
        let pause = pause.mul_f64(fraction());
        if self.deadline.saturating_duration_since(now) <= pause {
            return None;
        }
        Some(pause)
    }
}

/// The first pause, doubled `times` times.
fn doubled(times: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << times.min(16))
        .min(MAX_PAUSE)
}

/// A pause of random length that begins at `first`, doubles with each of `times`, and ends at ten times the first.
pub fn spread(first: Duration, times: u32) -> Duration {
    let most = first.saturating_mul(10);
    let pause = first.saturating_mul(1 << times.min(16)).min(most);
    pause.mul_f64(fraction())
}

/// The throttling of one service, shared by all calls to it. While some of them succeed the quota is in use, and
/// a refused call only has to wait its turn: longer pauses would starve some images and leave quota unused. While
/// none succeeds, the pauses double.
#[derive(Clone, Default)]
pub struct Throttle(Arc<Mutex<Pressure>>);

#[derive(Default)]
struct Pressure {
    doublings: u32,
    /// The time of the last doubling. Calls that are refused together count as one refusal.
    since: Option<Instant>,
}

impl Throttle {
    fn eased(&self) {
        *self.pressure() = Pressure::default();
    }

    /// The pause after a refusal at `now`.
    fn tightened(&self, now: Instant) -> Duration {
        let mut pressure = self.pressure();
        let pause = doubled(pressure.doublings);
        match pressure.since {
            Some(since) if now.saturating_duration_since(since) < pause => {}
            first_or_later => {
                if first_or_later.is_some() {
                    pressure.doublings = pressure.doublings.saturating_add(1).min(16);
                }
                pressure.since = Some(now);
            }
        }
        doubled(pressure.doublings)
    }

    fn pressure(&self) -> MutexGuard<'_, Pressure> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A random number from 0.5 to 1, so that calls that failed together are not repeated together.
fn fraction() -> f64 {
    let mut byte = [0];
    // Without randomness the pause is the longest, which does no harm.
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => 0.5 + f64::from(byte[0]) / 510.0,
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The time is an argument: tokio's paused clock would need its feature `test-util`, and with it the tests
    // would share no compiled dependency with the program.

    #[test]
    fn simultaneous_refusals_count_once_and_a_success_resets_the_pause() {
        let throttle = Throttle::default();
        let mut now = Instant::now();
        for _ in 0..64 {
            assert_eq!(throttle.tightened(now), FIRST_PAUSE);
        }
        now += FIRST_PAUSE;
        for _ in 0..64 {
            assert_eq!(throttle.tightened(now), 2 * FIRST_PAUSE);
        }
        throttle.eased();
        assert_eq!(throttle.tightened(now), FIRST_PAUSE);
        for _ in 0..20 {
            now += MAX_PAUSE;
            throttle.tightened(now);
        }
        assert_eq!(throttle.tightened(now), MAX_PAUSE);
    }

    #[test]
    fn throttling_is_retried_until_the_deadline_and_other_failures_six_times() {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(60);
        let tries = |throttled| {
            let mut backoff = Backoff::new(6, deadline, Throttle::default());
            let (mut now, mut tries) = (start, 1);
            while let Some(pause) = backoff.pause(throttled, now) {
                now += pause;
                tries += 1;
            }
            assert!(now < deadline);
            tries
        };
        assert!(tries(true) > 13, "{}", tries(true));
        assert_eq!(tries(false), 6);
    }
}
