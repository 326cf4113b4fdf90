//! The rate that a service lets through.

use std::time::Instant;

/// A bucket of tokens: so many requests a second, a tenth of them at once. What is refused takes none.
pub(crate) struct Throttle {
    rate: f64,
    tokens: f64,
    last: Instant,
}

impl Throttle {
    pub(crate) fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self {
            rate,
            tokens: rate / 10.0,
            last: Instant::now(),
        }
    }

    pub(crate) fn admits(&mut self) -> bool {
        let now = Instant::now();
        let gained = self.rate * (now - self.last).as_secs_f64();
        self.tokens = (self.tokens + gained).min(self.rate / 10.0);
        self.last = now;
        let admitted = self.tokens >= 1.0;
        self.tokens -= if admitted { 1.0 } else { 0.0 };
        admitted
    }
}
