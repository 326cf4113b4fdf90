//! What is checked, and the report.

use crate::aws::policy::Policy;
use crate::checks;
pub use crate::checks::{Outcome, State};

/// The subject of a check, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// This machine's clock.
    Clock,
    /// The proxies of the environment.
    Proxy,
    /// The certificates that are trusted.
    Certificates,
    /// The CI system.
    CiSystem,
    /// The identity token for AWS.
    IdentityToken,
    /// The role in AWS.
    Role,
    /// The credentials for AWS, and their owner.
    Credentials,
    /// The region of AWS.
    Region,
    /// The bucket or directory.
    Store,
    /// The manifest of the image.
    Manifest,
    /// The list of the image's signature records.
    Records,
    /// The record of the key.
    Record,
    /// Whether the record may be written.
    Writing,
    /// The identity token for the service that holds the key.
    KeyIdentityToken,
    /// The key.
    Key,
    /// Whether the key may sign.
    Signing,
}

impl checks::Topic for Topic {
    fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Proxy => "proxy",
            Self::Certificates => "certificates",
            Self::CiSystem => "ci_system",
            Self::IdentityToken => "identity_token",
            Self::Role => "role",
            Self::Credentials => "credentials",
            Self::Region => "region",
            Self::Store => "store",
            Self::Manifest => "manifest",
            Self::Records => "records",
            Self::Record => "record",
            Self::Writing => "writing",
            Self::KeyIdentityToken => "key_identity_token",
            Self::Key => "key",
            Self::Signing => "signing",
        }
    }
}

/// A check of what signing needs.
pub type Check = checks::Check<Topic>;

/// Leaves it open that there are no credentials, where nothing needs any.
pub(super) fn forgive_credentials(check: &mut Check) {
    let problem = check.problem.as_ref();
    let none = problem.is_some_and(|problem| problem.code == "no_credentials");
    if none && check.topic == Topic::Credentials {
        *check = Check::unchecked(
            check.topic,
            "none: only `s3://` references and keys in AWS KMS need them",
        );
    }
}

/// All checks, and what a role needs.
#[derive(Clone, Debug)]
pub struct Report {
    /// The checks, by topic.
    pub checks: Vec<Check>,
    /// The least IAM policy for the reference and the key, if AWS has one of them.
    pub policy: Option<Policy>,
}

impl Report {
    /// The checks in order.
    pub(super) fn new(mut checks: Vec<Check>, policy: Option<Policy>) -> Self {
        checks::in_order(&mut checks);
        Self { checks, policy }
    }
}
