//! This machine's clock: its time as it is written, and compared with the dates of servers' responses.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use s3lo_core::record::Timestamp;

/// A difference of clocks from which on it may be the reason for a refused signature. The SDK's own.
pub(crate) const MIN_SKEW: Duration = Duration::from_secs(4 * 60);

/// The advice on a clock that is wrong.
pub(crate) const SET_CLOCK: &str =
    "set this machine's clock, for example with `timedatectl set-ntp true`";

/// A time to the second, if it is one that can be written.
pub(crate) fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Timestamp::from_unix_seconds(since.as_secs())
}

/// The difference between the clock of a server and this machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// The size of it.
    pub by: Duration,
    /// Whether this machine's clock is behind.
    pub is_behind: bool,
}

impl ClockDifference {
    /// The difference by the `Date` of a response; that of a cache is an old one.
    pub(crate) fn of(response: &HttpResponse) -> Option<Self> {
        let headers = response.headers();
        if headers.get("age").is_some() {
            return None;
        }
        let there = DateTime::from_str(headers.get("date")?, Format::HttpDate).ok()?;
        let there = SystemTime::try_from(there).ok()?;
        Some(match there.duration_since(SystemTime::now()) {
            Ok(by) => Self {
                by,
                is_behind: true,
            },
            Err(ahead) => Self {
                by: ahead.duration(),
                is_behind: false,
            },
        })
    }
}

/// The largest difference that the responses of a run showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockReadings(Arc<Mutex<Option<ClockDifference>>>);

impl ClockReadings {
    /// Notes the date of a response.
    pub(crate) fn note(&self, response: &HttpResponse) {
        let Some(difference) = ClockDifference::of(response) else {
            return;
        };
        let mut largest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if largest
            .as_ref()
            .is_none_or(|known| known.by < difference.by)
        {
            *largest = Some(difference);
        }
    }

    /// The largest difference so far.
    pub(crate) fn largest(&self) -> Option<ClockDifference> {
        let largest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        largest.clone()
    }
}
