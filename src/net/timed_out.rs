//! The end of a run's time, and what was waited for then.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use humantime::format_duration;
use tokio::time::{Instant, timeout_at};

use crate::diagnostic::{Diagnostic, Explain, Fact};
use crate::net::calls;
use crate::net::calls::{Awaited, Call};
use crate::option_name::option;

/// The time of a run.
struct Limit {
    /// The value of `--timeout`.
    timeout: Option<Duration>,
    /// The deadline that has passed, and what was waited for then.
    passed: Option<(Instant, TimedOut)>,
}

static LIMIT: Mutex<Limit> = Mutex::new(Limit {
    timeout: None,
    passed: None,
});

/// Notes the time that a run may take, so that a time-out names it.
pub fn limit_to(timeout: Duration) {
    LIMIT.lock().unwrap_or_else(PoisonError::into_inner).timeout = Some(timeout);
}

/// Runs `work` until `deadline`.
///
/// # Errors
///
/// [`TimedOut`] if it is not done by then.
pub async fn until<F: Future>(
    deadline: Instant,
    mut work: Pin<&mut F>,
) -> Result<F::Output, TimedOut> {
    // The work is dropped after that, and its calls with it.
    let done = timeout_at(deadline, work.as_mut()).await;
    done.map_err(|_| TimedOut::at(deadline))
}

/// Runs `work` until `deadline`, with its error or the time-out explained.
///
/// # Errors
///
/// The error of the work, or [`TimedOut`].
pub(crate) async fn explained<T, E, F>(
    deadline: Instant,
    work: Pin<&mut F>,
) -> Result<T, Diagnostic>
where
    E: Explain + std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    match until(deadline, work).await {
        Ok(done) => done.map_err(|error| Diagnostic::new(&error)),
        Err(error) => Err(Diagnostic::new(&error)),
    }
}

/// The time of a run was up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimedOut {
    timeout: Option<Duration>,
    /// The awaited thing, and its outcome.
    awaited: Option<String>,
    facts: Vec<Fact>,
    kind: Kind,
}

/// The kind of wait that advice depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    File,
    #[default]
    Other,
    /// A service that did not answer.
    Silent,
    Throttled {
        by_kms: bool,
    },
}

impl TimedOut {
    /// All images of a run give the same reason, which is printed once: that of the first whose time is up, since what the
    /// others waited for is still in progress then.
    fn at(deadline: Instant) -> Self {
        let mut limit = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((passed, error)) = &limit.passed
            && *passed == deadline
        {
            return error.clone();
        }
        let error = Self::new(limit.timeout, calls::longest());
        limit.passed = Some((deadline, error.clone()));
        error
    }

    fn new(timeout: Option<Duration>, call: Option<Call>) -> Self {
        let Some(call) = call else {
            return Self {
                timeout,
                ..Self::default()
            };
        };
        let mut facts = Vec::new();
        let mut add = |name, value: Option<String>| {
            facts.extend(value.map(|value| Fact::new(name, value)));
        };
        add("url", call.url().map(str::to_owned));
        let is_silent = call.is_silent();
        if is_silent {
            // Of the tries before the silent one.
            add("lastAnswer", call.last_answer().map(str::to_owned));
            add(
                "tries",
                (call.tries() > 1).then(|| call.tries().to_string()),
            );
        }
        Self {
            timeout,
            awaited: Some(format!("{} {}", call.subject(), call.outcome())),
            facts,
            kind: match call.awaited() {
                Awaited::File { .. } => Kind::File,
                Awaited::Service { .. } if is_silent => Kind::Silent,
                Awaited::Service { name, .. } if call.is_throttled() => Kind::Throttled {
                    by_kms: name == "KMS",
                },
                _ => Kind::Other,
            },
        }
    }

    /// A longer time that is worth a try.
    fn longer(&self) -> String {
        const AT_LEAST: Duration = Duration::from_secs(10 * 60);
        const AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);
        let twice = self.timeout.unwrap_or_default().saturating_mul(2);
        let longer = twice.max(AT_LEAST).min(AT_MOST);
        option("timeout").with(&typed(longer)).to_string()
    }
}

/// A time as it is typed: `1m30s`.
fn typed(time: Duration) -> String {
    format_duration(time).to_string().replace(' ', "")
}

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("gave up")?;
        if let Some(timeout) = self.timeout {
            write!(f, " after {}", typed(timeout))?;
        }
        match &self.awaited {
            Some(awaited) => write!(f, ": {awaited}"),
            None => f.write_str(", before the work was done"),
        }
    }
}

impl std::error::Error for TimedOut {}

impl Explain for TimedOut {
    fn code(&self) -> &'static str {
        match self.kind {
            Kind::Throttled { .. } => "throttled",
            Kind::File | Kind::Other | Kind::Silent => "timed_out",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        self.facts.clone()
    }

    fn help(&self) -> String {
        let longer = self.longer();
        match self.kind {
            Kind::Throttled { by_kms } => {
                let fewer = option("concurrency").with("4");
                let quota = match by_kms {
                    true => {
                        "; AWS raises the quota of cryptographic operations on asymmetric keys if asked"
                    }
                    false => "",
                };
                format!(
                    "the service is overloaded: run it later, with {fewer}, or with {longer}{quota}"
                )
            }
            Kind::File => {
                format!("check the file system that it is on, or run it again with {longer}")
            }
            Kind::Silent => format!(
                "check that the server is the right one and healthy, and that no firewall or proxy drops packets\nif it is only slow, give it longer with {longer}"
            ),
            Kind::Other => format!("run it again, or give it longer with {longer}"),
        }
    }
}
