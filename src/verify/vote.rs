//! The vote of a key, from what was found out about it.

use s3lo_core::policy::decision::{Answer, Family, Vote};
use s3lo_core::verdict::Verdict;

use super::{Error, KeyOutcome};
use crate::key::reference::Versions;
use crate::key::signer::PublicKeys;

/// The versions of a key, if it could be opened. They count whether or not its records can be read.
pub(super) fn family(versions: Versions, keys: Option<&PublicKeys>) -> Family {
    match (keys, versions) {
        (Some(keys), _) => Family::Known(keys.family().collect()),
        (None, Versions::Single) => Family::Single,
        (None, Versions::One | Versions::All) => Family::Unknown,
    }
}

/// The vote of a key with this outcome.
pub(super) fn vote(family: Family, outcome: &Result<KeyOutcome, Error>) -> Vote {
    let answer = match outcome.as_ref().map(|outcome| &outcome.verdict) {
        Ok(Verdict::Verified(_)) => Answer::Signed,
        Ok(Verdict::Rejected(_)) => Answer::NotSigned,
        Err(_) => Answer::Unknown,
    };
    Vote { answer, family }
}
