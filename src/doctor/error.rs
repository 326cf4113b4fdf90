//! Faults that no request reports: a wrong clock, and a token that has expired.

use std::time::Duration;

use crate::diagnostic::{Explain, Fact};
use crate::identity::jwt::Claims;
use crate::net::clock::SET_CLOCK;

/// A fault of the machine or the job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// The clock differs from that of a server.
    #[error(
        "this machine's clock is {} s {} that of a server",
        by.as_secs(),
        if *is_behind { "behind" } else { "ahead of" }
    )]
    ClockSkewed { by: Duration, is_behind: bool },
    /// The identity token is not valid any more.
    #[error("the job's identity token expired at {at}")]
    TokenExpired { at: String, claims: Box<Claims> },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::ClockSkewed { .. } => "clock_skewed",
            Self::TokenExpired { .. } => "identity_token_expired",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::ClockSkewed { .. } => Vec::new(),
            Self::TokenExpired { claims, .. } => claims.facts(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::ClockSkewed { .. } => SET_CLOCK.to_owned(),
            Self::TokenExpired { .. } => {
                "run the job again, since a token is valid for some minutes; where a file or a variable holds it, put a new one there".to_owned()
            }
        }
    }
}
