//! How one image is verified: its manifest and its records are read at the same time, then judged.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{join, join_all};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use s3lo_core::crypto::public::{KeyId, PublicKey};
use s3lo_core::digest::Digest;
use s3lo_core::payload::Schema;
use s3lo_core::policy::decision::{Decision, Require, Vote, decide};
use s3lo_core::verdict::{Found, Reason, Verdict, judge};
use s3lo_core::{manifest, record, verdict};
use tokio::time::{Instant, timeout, timeout_at};

use crate::diagnostic::{Explain, Fact};
use crate::image::{Image, LISTING_TIMEOUT, RecordIds};
use crate::key::lazy::LazyKey;
use crate::key::reference::{KeyRef, Versions};
use crate::key::signer::{PublicKeys, WithheldVersions};
use crate::net::timed_out::{TimedOut, until};
use crate::store::Listing;
use crate::{image, key, policy, store};

pub use self::by_policy::{Basis, PolicyKeys, RequirementOutcome, RuleOutcome, verify_by_policy};
pub use self::rejection::Rejection;
use self::vote::{family, vote};

mod by_policy;
mod rejection;
mod vote;

/// A key to verify with, opened once for all images.
pub type Key = LazyKey<PublicKeys>;

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The lowest schema of a record that is accepted.
    pub min_schema: Schema,
    /// How many keys must have signed.
    pub require: Require,
    /// The end of the run.
    pub deadline: Instant,
}

/// The result for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The digest of the object under the tag, if it could be read in full.
    pub digest: Option<Digest>,
    /// The reason why the image fails for every key.
    pub rejected: Option<Reason>,
    /// The result for each key, in their order.
    pub keys: Vec<KeyResult>,
    /// The decision over all keys.
    pub decision: Decision,
    /// The rule of the policy that decided, if a policy did.
    pub rule: Option<RuleOutcome>,
    /// The records beside the manifest, if they were looked at to explain why a signature is missing. No verdict depends
    /// on them.
    pub beside: Option<RecordIds>,
}

/// A key, and what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyResult {
    /// The key, as it was named.
    pub key: KeyRef,
    /// Whether it signed.
    pub outcome: Result<KeyOutcome, Error>,
}

impl KeyResult {
    /// Whether it signed.
    pub fn has_signed(&self) -> bool {
        let verdict = self.outcome.as_ref().map(|outcome| &outcome.verdict);
        matches!(verdict, Ok(Verdict::Verified(_)))
    }
}

/// The result for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOutcome {
    /// The key's ID.
    pub key_id: KeyId,
    /// Whether the key signed the image.
    pub verdict: Verdict,
    /// The versions of the key that the service withholds: a signature by one of them is not found.
    pub withheld: Option<WithheldVersions>,
}

/// Verifies `image` by `keys`.
///
/// # Errors
///
/// [`Error`] if there is no image to give a verdict on.
pub async fn verify(image: &Image, keys: &[Key], options: &Options) -> Result<Outcome, Error> {
    let (min_schema, deadline) = (options.min_schema, options.deadline);
    let examined = examine(image, keys, min_schema, deadline, |_, _| None, &[]);
    let Findings {
        digest,
        rejected,
        keys,
        votes,
        ..
    } = examined.await?;
    let decision = match &rejected {
        Some(_) => Decision::Failed,
        None => {
            let all: Vec<_> = (0..votes.len()).collect();
            decide(&votes, &all, options.require)
        }
    };
    let outcome = Outcome {
        digest,
        rejected,
        keys,
        decision,
        rule: None,
        beside: None,
    };
    Ok(outcome.with_records_beside(image, options.deadline).await)
}

/// What was found out about an image and each of the keys.
struct Findings {
    /// The digest of the object under the tag, if it could be read in full.
    digest: Option<Digest>,
    /// The reason why the image fails for every key.
    rejected: Option<Reason>,
    keys: Vec<KeyResult>,
    /// The vote of each key, if the image does not fail for every one.
    votes: Vec<Vote>,
    /// The one of the digests that were looked for that the manifest names.
    mentioned: Option<Digest>,
}

/// Reads the manifest and the records of all keys at the same time, and judges them. For a version of a key for which
/// `refuse` gives a reason no record is read. It looks whether the manifest names one of `digests`.
async fn examine(
    image: &Image,
    keys: &[Key],
    min_schema: Schema,
    deadline: Instant,
    refuse: impl Fn(&KeyRef, &PublicKey) -> Option<Reason>,
    digests: &[Digest],
) -> Result<Findings, Error> {
    let mentioned = |bytes: &[u8]| match digests {
        [] => Ok(None),
        digests => manifest::mentioned(bytes, digests),
    };
    let manifest = async {
        let read = until(deadline, pin!(image.read_manifest_and(mentioned))).await;
        Ok::<_, Error>(read??)
    };
    // Nothing is asked for until a key waits for it.
    let listing = listing(image).shared();
    // A time-out of one key must not hide what another one proves.
    let records = join_all(keys.iter().map(|key| {
        let read = read_records(image, key, listing.clone(), &refuse);
        async move { until(deadline, pin!(read)).await? }
    }));
    let (tagged, records) = join(manifest, records).await;
    let (tagged, mentioned) = tagged?;
    tracing::debug!("{}: manifest and records are read", image.reference);
    let manifest = match tagged.manifest {
        Ok(manifest) => manifest,
        Err(reason) => return Ok(Findings::rejected(tagged.digest, reason, keys, records)),
    };
    let mentioned = match mentioned.transpose() {
        Ok(mentioned) => mentioned.flatten(),
        Err(error) => {
            let reason = Reason::MalformedManifest(error.to_string());
            return Ok(Findings::rejected(tagged.digest, reason, keys, records));
        }
    };
    let current = manifest.digest();
    if let Some(pinned) = image.reference.unmet_pin(current) {
        let reason = Reason::Pinned { pinned, current };
        return Ok(Findings::rejected(Some(current), reason, keys, records));
    }
    let judged = keys.iter().zip(records).map(|(key, records)| {
        let reference = key.reference.as_str();
        let opened = match &records {
            Ok(records) => Some(records.keys.clone()),
            // A key that is open counts as what it is, even if its records could not be read in time.
            Err(_) => key.opened().now_or_never().and_then(Result::ok),
        };
        let family = family(key.reference.versions(), opened.as_ref());
        let outcome = records.and_then(|records| {
            records.outcome(|public, found| {
                let key = verdict::Key { reference, public };
                judge(&manifest, found, &image.reference, key, min_schema)
            })
        });
        let vote = vote(family, &outcome);
        let key = key.reference.clone();
        (KeyResult { key, outcome }, vote)
    });
    let (keys, votes) = judged.unzip();
    Ok(Findings {
        digest: Some(current),
        rejected: None,
        keys,
        votes,
        mentioned,
    })
}

impl Findings {
    /// An image that fails for every key.
    fn rejected(
        digest: Option<Digest>,
        reason: Reason,
        keys: &[Key],
        records: Vec<Result<Records, Error>>,
    ) -> Self {
        let reject = |records: Records| KeyOutcome {
            key_id: records.keys.newest().id(),
            verdict: Verdict::Rejected(reason.clone()),
            withheld: None,
        };
        let keys = keys.iter().zip(records).map(|(key, records)| KeyResult {
            key: key.reference.clone(),
            outcome: records.map(reject),
        });
        Self {
            digest,
            keys: keys.collect(),
            votes: Vec::new(),
            mentioned: None,
            rejected: Some(reason),
        }
    }
}

impl Outcome {
    /// Looks at the records beside the manifest, if that may explain why a signature is missing.
    async fn with_records_beside(mut self, image: &Image, deadline: Instant) -> Self {
        if self.decision == Decision::Failed && rejection::is_worth_a_listing(&self) {
            let until = deadline.min(Instant::now() + LISTING_TIMEOUT);
            let listed = timeout_at(until, image.record_ids()).await;
            self.beside = listed.ok().and_then(Result::ok);
        }
        self
    }

    /// The first key with a valid signature.
    pub fn first_valid(&self) -> Option<(&KeyRef, &KeyOutcome)> {
        self.first(|verdict| matches!(verdict, Verdict::Verified(_)))
    }

    /// The first key without a valid signature.
    pub fn first_rejected(&self) -> Option<(&KeyRef, &KeyOutcome)> {
        self.first(|verdict| matches!(verdict, Verdict::Rejected(_)))
    }

    fn first(&self, wanted: impl Fn(&Verdict) -> bool) -> Option<(&KeyRef, &KeyOutcome)> {
        let known = self.keys.iter().filter_map(|result| {
            let outcome = result.outcome.as_ref().ok()?;
            Some((&result.key, outcome))
        });
        known
            .into_iter()
            .find(|(_, outcome)| wanted(&outcome.verdict))
    }

    /// The keys that could be judged.
    pub fn judged(&self) -> impl Iterator<Item = &KeyOutcome> {
        self.keys
            .iter()
            .filter_map(|result| result.outcome.as_ref().ok())
    }

    /// The errors of keys.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.keys
            .iter()
            .filter_map(|result| result.outcome.as_ref().err())
    }

    /// The first error of a key.
    pub fn first_error(&self) -> Option<&Error> {
        self.errors().next()
    }

    /// Remarks on keys of which only some versions were tried.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        let withheld = self.judged().filter_map(|key| key.withheld.as_ref());
        withheld.map(|versions| versions.note.as_str())
    }

    /// The reason why the image is not verified.
    pub fn reason(&self) -> Reason {
        let unmet = self.rule.as_ref().and_then(RuleOutcome::unmet);
        let of_key = self.first_rejected().map(|(_, key)| &key.verdict);
        match (&self.rejected, unmet, of_key) {
            (Some(reason), _, _) => reason.clone(),
            // The one key of a rule gives a better reason than the rule.
            (None, Some(unmet), _) if self.keys.len() > 1 => Reason::Unmet {
                requires: unmet.requires.clone(),
            },
            (None, _, Some(Verdict::Rejected(reason))) => reason.clone(),
            _ => Reason::TooFewKeys,
        }
    }
}

/// The records of a key: one for each of its versions, newest first.
struct Records {
    keys: PublicKeys,
    read: Vec<Read>,
}

/// The record of one version of a key.
enum Read {
    /// It would not count.
    Refused(Reason),
    /// The bytes of the record.
    Record(Result<Vec<u8>, store::Error>),
}

impl Records {
    /// Judges the records. The first valid one decides; if there is none, the newest record gives the
    /// reason, unless one of them could not be read.
    fn outcome(
        self,
        judge: impl Fn(&PublicKey, Found<'_>) -> Verdict,
    ) -> Result<KeyOutcome, Error> {
        let (mut absent, mut rejected, mut unread) = (None, None, None);
        for (public, read) in self.keys.iter().zip(&self.read) {
            let verdict = match read {
                Read::Refused(reason) => Verdict::Rejected(reason.clone()),
                Read::Record(read) => match store::found(read) {
                    Ok(found) => judge(public, found),
                    Err(error) => {
                        unread.get_or_insert(error);
                        continue;
                    }
                },
            };
            let outcome = KeyOutcome {
                key_id: public.id(),
                verdict,
                withheld: None,
            };
            let first = match &outcome.verdict {
                Verdict::Verified(_) => return Ok(outcome),
                Verdict::Rejected(Reason::NoSignature { .. }) => &mut absent,
                Verdict::Rejected(_) => &mut rejected,
            };
            first.get_or_insert(outcome);
        }
        if let Some(error) = unread {
            return Err(error.clone().into());
        }
        let absent = absent.map(|absent| KeyOutcome {
            withheld: self.keys.withheld().cloned(),
            ..absent
        });
        // A key has at least one version.
        let outcome = rejected.or(absent);
        outcome.ok_or_else(|| TimedOut::default().into())
    }
}

/// The most records of one key that are read at the same time.
const MAX_CONCURRENT_READS: usize = 16;

async fn read_records(
    image: &Image,
    key: &Key,
    listing: impl Future<Output = Option<Arc<Listing>>>,
    refuse: impl Fn(&KeyRef, &PublicKey) -> Option<Reason>,
) -> Result<Records, Error> {
    // Only a key with many versions needs it. It costs no wait, since the key is requested at the same time.
    let listing = async {
        match key.reference.versions() {
            Versions::All => listing.await,
            Versions::Single | Versions::One => None,
        }
    };
    let (keys, listing) = join(key.opened(), listing).await;
    let keys = keys?;
    // Collected first: the compiler does not see that a stream of borrowing closures may change threads.
    let read: Vec<_> = keys
        .iter()
        .map(|public| {
            let refused = refuse(&key.reference, public);
            let read = read_record(image, public, listing.as_deref());
            async move {
                match refused {
                    Some(reason) => Read::Refused(reason),
                    None => Read::Record(read.await),
                }
            }
        })
        .collect();
    let read = stream::iter(read)
        .buffered(MAX_CONCURRENT_READS)
        .collect()
        .await;
    Ok(Records { keys, read })
}

/// Lists the records, which saves a request for each version of a key that did not sign. It is a hint: a version that a
/// list which is not complete leaves out is asked for by its name.
async fn listing(image: &Image) -> Option<Arc<Listing>> {
    let prefix = image.reference.records_prefix();
    let listed = timeout(LISTING_TIMEOUT, image.store.list(&prefix)).await;
    listed.ok()?.ok().map(Arc::new)
}

async fn read_record(
    image: &Image,
    public: &PublicKey,
    listing: Option<&Listing>,
) -> Result<Vec<u8>, store::Error> {
    let key_id = public.id();
    let object = image.reference.record_key(&key_id);
    if listing.is_some_and(|listing| listing.lacks(&format!("{key_id}.json"))) {
        return Err(store::Error::NotFound { object });
    }
    let read = image.store.read(&object, record::MAX_BYTES).await?;
    Ok(read.bytes)
}

/// The reason why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The key cannot be opened.
    #[error(transparent)]
    Key(#[from] key::error::Error),
    /// The policy does not decide.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run's time is up.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
}

impl Error {
    fn cause(&self) -> &dyn Explain {
        match self {
            Self::Image(error) => error,
            Self::Key(error) => error,
            Self::Policy(error) => error,
            Self::Store(error) => error,
            Self::TimedOut(error) => error,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        self.cause().code()
    }

    fn facts(&self) -> Vec<Fact> {
        self.cause().facts()
    }

    fn help(&self) -> String {
        self.cause().help()
    }
}
