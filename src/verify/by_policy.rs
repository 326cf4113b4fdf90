//! The verification of an image by a policy.

use std::future::ready;
use std::sync::Arc;
use std::time::SystemTime;

use s3lo_core::crypto::public::PublicKey;
use s3lo_core::policy::decision::Decision;
use s3lo_core::policy::{Selected, Standing};
use s3lo_core::record::Timestamp;
use s3lo_core::verdict::Reason;
use tokio::time::Instant;

use super::{Error, Findings, Key, KeyResult, Options, Outcome, examine, verify};
use crate::image::Image;
use crate::key;
use crate::key::reference::{KeyRef, Versions};
use crate::key::signer::PublicKeys;
use crate::net::clock::timestamp;
use crate::net::timed_out::TimedOut;
use crate::policy::{Demand, PolicyFile};

/// What images are verified by.
#[derive(Clone)]
pub enum Basis {
    /// Keys that are named, and how many of them have to have signed.
    Keys(Arc<[Key]>, Options),
    /// A policy.
    Policy(Arc<PolicyKeys>, Instant),
}

impl Basis {
    /// Verifies `image`.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no image to give a verdict on, or no rule that decides.
    pub async fn verify(&self, image: &Image) -> Result<Outcome, Error> {
        match self {
            Self::Keys(keys, options) => verify(image, keys, options).await,
            Self::Policy(keys, deadline) => verify_by_policy(image, keys, *deadline).await,
        }
    }
}

/// A policy with its keys open, at the time of the run.
pub struct PolicyKeys {
    file: Arc<PolicyFile>,
    /// The keys of the policy, in its order.
    keys: Vec<Key>,
    now: Option<Timestamp>,
}

impl PolicyKeys {
    /// The keys of a policy, of which `opened` are those of [`PolicyFile::services`].
    pub fn new(file: Arc<PolicyFile>, opened: &[Key]) -> Self {
        let keys = file.policy.keys().iter().enumerate();
        let keys = keys.map(|(number, key)| {
            let name = |versions| KeyRef::named(&key.name, versions);
            if let Some(public) = &key.public {
                let public = PublicKeys::from(public.clone());
                return Key::new(name(Versions::Single), ready(Ok(public)));
            }
            let service = file.service(number);
            match opened
                .iter()
                .find(|opened| Some(&opened.reference) == service)
            {
                Some(opened) => {
                    let versions = opened.reference.versions();
                    opened.clone().renamed(name(versions))
                }
                // No image of the run needs it.
                None => {
                    let unopened = Err(key::error::Error::new(TimedOut::default()));
                    Key::new(name(Versions::All), ready(unopened))
                }
            }
        });
        let keys = keys.collect();
        Self {
            keys,
            file,
            now: timestamp(SystemTime::now()),
        }
    }

    /// The reason for which the policy does not count a key.
    fn refused(&self, key: &KeyRef, public: &PublicKey) -> Option<Reason> {
        let key_ref = key.as_str().to_owned();
        match self.file.policy.standing(public, self.now) {
            Standing::Counts => None,
            Standing::Revoked(reason) => Some(Reason::KeyRevoked {
                key_ref,
                reason: reason.to_owned(),
            }),
            Standing::Expired(end) => Some(Reason::KeyExpired { key_ref, end }),
        }
    }
}

/// The rule that decided about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOutcome {
    /// Its pattern that matches.
    pub pattern: String,
    /// The line of the pattern in the policy.
    pub line: usize,
    /// What it requires.
    pub requirements: Vec<RequirementOutcome>,
}

/// Whether a requirement of a rule is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequirementOutcome {
    /// Its text: `any of ci, qa`.
    pub requires: String,
    /// Whether it is met.
    pub decision: Decision,
    /// The names of its keys that have signed.
    pub by: Vec<String>,
}

/// Verifies `image` by the rule of the policy that is about it.
///
/// # Errors
///
/// [`Error`] if there is no image to give a verdict on, or no rule that decides.
pub async fn verify_by_policy(
    image: &Image,
    policy: &PolicyKeys,
    deadline: Instant,
) -> Result<Outcome, Error> {
    let (selected, min_schema, denied) = match policy.file.demand(&image.reference)? {
        Demand::Signed {
            rule,
            min_schema,
            denied,
        } => (rule, min_schema, denied),
        Demand::Refused { reason, rule } => {
            return Ok(Outcome {
                digest: None,
                rejected: Some(reason),
                keys: Vec::new(),
                decision: Decision::Failed,
                rule: rule.as_ref().map(RuleOutcome::unread),
                beside: None,
            });
        }
    };
    let numbers = selected.keys().into_iter();
    let keys: Vec<_> = numbers
        .filter_map(|number| policy.keys.get(number).cloned())
        .collect();
    let refuse = |key: &KeyRef, public: &PublicKey| policy.refused(key, public);
    let Findings {
        digest,
        rejected,
        keys,
        votes,
        mentioned,
    } = examine(image, &keys, min_schema, deadline, refuse, denied).await?;
    let (decision, met, rejected) = match rejected {
        Some(reason) => (Decision::Failed, Vec::new(), Some(reason)),
        None => {
            let names: Vec<_> = mentioned.into_iter().chain(digest).collect();
            let ruling = selected.decide(&names, &votes);
            let denied = ruling.denied.map(|digest| Reason::DeniedDigest { digest });
            (ruling.decision, ruling.met, denied)
        }
    };
    let rule = RuleOutcome::new(&selected, &met, &keys);
    let outcome = Outcome {
        digest,
        rejected,
        keys,
        decision,
        rule: Some(rule),
        beside: None,
    };
    Ok(outcome.with_records_beside(image, deadline).await)
}

impl RuleOutcome {
    /// The rule for an image that is not read.
    pub fn unread(selected: &Selected<'_>) -> Self {
        Self::new(selected, &[], &[])
    }

    /// The rule, of whose requirements `met` has the decisions, and `keys` what is known of its keys.
    fn new(selected: &Selected<'_>, met: &[Decision], keys: &[KeyResult]) -> Self {
        let has_signed = |name: &str| {
            keys.iter()
                .any(|result| result.key.as_str() == name && result.has_signed())
        };
        let requirements = selected.rule.requirements().iter();
        let requirements = requirements.enumerate().map(|(number, requirement)| {
            let names = requirement.keys().iter();
            let names = names.filter_map(|number| selected.key(*number));
            let by = names.filter(|key| has_signed(&key.name));
            RequirementOutcome {
                requires: selected.text(requirement),
                decision: met.get(number).copied().unwrap_or(Decision::Failed),
                by: by.map(|key| key.name.clone()).collect(),
            }
        });
        Self {
            pattern: selected.pattern.to_string(),
            line: selected.at.line,
            requirements: requirements.collect(),
        }
    }

    /// The first requirement that is not met.
    pub fn unmet(&self) -> Option<&RequirementOutcome> {
        let mut all = self.requirements.iter();
        all.find(|requirement| requirement.decision == Decision::Failed)
    }
}
