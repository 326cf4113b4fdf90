//! How one image is verified: its manifest and its records are read at the same time, then judged.

use futures_util::future::{join, join_all};
use futures_util::{StreamExt as _, stream};
use s3lo_core::crypto::public::{KeyId, PublicKey};
use s3lo_core::digest::Digest;
use s3lo_core::verdict::{Found, Policy, Reason, Verdict, judge};
use s3lo_core::{record, verdict};
use tokio::time::{Instant, timeout, timeout_at};

use crate::diagnostic::{Explain, timed_out_help};
use crate::image::{Image, LISTING_TIMEOUT, RecordIds};
use crate::key::lazy::LazyKey;
use crate::key::reference::Versions;
use crate::key::signer::{PublicKeys, WithheldVersions};
use crate::store::Listing;
use crate::{image, key, store};

pub use self::decision::{Decision, Require};
use self::decision::{Vote, decide};
pub use self::rejection::Rejection;

mod decision;
mod rejection;

/// A key to verify with, opened once for all images.
pub type Key = LazyKey<PublicKeys>;

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The requirements on a record.
    pub policy: Policy,
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
    pub keys: Vec<Result<KeyOutcome, Error>>,
    /// The decision over all keys.
    pub decision: Decision,
    /// The records beside the manifest, if they were looked at to explain why a signature is missing. No verdict depends
    /// on them.
    pub beside: Option<RecordIds>,
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
    let manifest = async {
        let read = timeout_at(options.deadline, image.read_manifest());
        Ok::<_, Error>(read.await.map_err(|_| Error::TimedOut)??)
    };
    // A time-out of one key must not hide what another one proves.
    let records = join_all(keys.iter().map(|key| async move {
        let read = timeout_at(options.deadline, read_records(image, key));
        read.await.unwrap_or(Err(Error::TimedOut))
    }));
    let (tagged, records) = join(manifest, records).await;
    let tagged = tagged?;
    tracing::debug!("{}: manifest and records are read", image.reference);
    let manifest = match tagged.manifest {
        Ok(manifest) => manifest,
        Err(reason) => return Ok(Outcome::rejected(tagged.digest, &reason, records)),
    };
    let current = manifest.digest();
    if let Some(pinned) = image.reference.unmet_pin(current) {
        let reason = Reason::Pinned { pinned, current };
        return Ok(Outcome::rejected(Some(current), &reason, records));
    }
    let judged = keys.iter().zip(records).map(|(key, records)| {
        let reference = key.reference.as_str();
        let mut vote = Vote::unopened(key.reference.versions());
        let outcome = records.and_then(|records| {
            vote.open(&records.keys);
            records.outcome(|public, found| {
                let judged_by = verdict::Key { reference, public };
                judge(
                    &manifest,
                    found,
                    &image.reference,
                    judged_by,
                    options.policy,
                )
            })
        });
        vote.judge(&outcome);
        (outcome, vote)
    });
    let (outcomes, votes): (Vec<_>, Vec<_>) = judged.unzip();
    let mut outcome = Outcome {
        digest: Some(current),
        rejected: None,
        decision: decide(&votes, options.require),
        keys: outcomes,
        beside: None,
    };
    if outcome.decision == Decision::Failed && rejection::is_worth_a_listing(&outcome) {
        let until = options.deadline.min(Instant::now() + LISTING_TIMEOUT);
        let listed = timeout_at(until, image.record_ids()).await;
        outcome.beside = listed.ok().and_then(Result::ok);
    }
    Ok(outcome)
}

impl Outcome {
    /// Makes the outcome of an image that fails for every key.
    fn rejected(
        digest: Option<Digest>,
        reason: &Reason,
        records: Vec<Result<Records, Error>>,
    ) -> Self {
        let reject = |records: Records| KeyOutcome {
            key_id: records.keys.newest().id(),
            verdict: Verdict::Rejected(reason.clone()),
            withheld: None,
        };
        Self {
            digest,
            keys: records
                .into_iter()
                .map(|record| record.map(reject))
                .collect(),
            rejected: Some(reason.clone()),
            decision: Decision::Failed,
            beside: None,
        }
    }

    /// The first key with a valid signature, and its index.
    pub fn first_valid(&self) -> Option<(usize, &KeyOutcome)> {
        self.first(|verdict| matches!(verdict, Verdict::Verified(_)))
    }

    /// The first key without a valid signature, and its index.
    pub fn first_rejected(&self) -> Option<(usize, &KeyOutcome)> {
        self.first(|verdict| matches!(verdict, Verdict::Rejected(_)))
    }

    /// The first error of a key.
    pub fn first_error(&self) -> Option<&Error> {
        self.keys.iter().find_map(|key| key.as_ref().err())
    }

    /// The reason why the image is not verified.
    pub fn reason(&self) -> &Reason {
        match (
            &self.rejected,
            self.first_rejected().map(|(_, key)| &key.verdict),
        ) {
            (Some(reason), _) | (None, Some(Verdict::Rejected(reason))) => reason,
            _ => &Reason::TooFewKeys,
        }
    }

    fn first(&self, wanted: impl Fn(&Verdict) -> bool) -> Option<(usize, &KeyOutcome)> {
        let known =
            |key: &'_ Result<KeyOutcome, Error>| key.as_ref().is_ok_and(|key| wanted(&key.verdict));
        let number = self.keys.iter().position(known)?;
        Some((number, self.keys.get(number)?.as_ref().ok()?))
    }
}

/// The content of the store under the name of a record.
enum Stored {
    Absent,
    Bytes(Vec<u8>),
    NotAFile,
    Oversized,
    Unreadable,
}

impl Stored {
    fn as_found(&self) -> Found<'_> {
        match self {
            Self::Absent => Found::Absent,
            Self::Bytes(bytes) => Found::Bytes(bytes),
            Self::NotAFile => Found::NotAFile,
            Self::Oversized => Found::Oversized,
            Self::Unreadable => Found::Unreadable,
        }
    }
}

/// The records of a key: one for each of its versions, newest first.
struct Records {
    keys: PublicKeys,
    found: Vec<Result<Stored, Error>>,
}

impl Records {
    /// Judges the records. The first valid one decides; if there is none, the newest record gives the
    /// reason, unless one of them could not be read.
    fn outcome(
        self,
        judge: impl Fn(&PublicKey, Found<'_>) -> Verdict,
    ) -> Result<KeyOutcome, Error> {
        let (mut absent, mut rejected, mut unread) = (None, None, None);
        for (public, stored) in self.keys.iter().zip(self.found) {
            let stored = match stored {
                Ok(stored) => stored,
                Err(error) => {
                    unread.get_or_insert(error);
                    continue;
                }
            };
            let outcome = KeyOutcome {
                key_id: public.id(),
                verdict: judge(public, stored.as_found()),
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
            return Err(error);
        }
        let absent = absent.map(|absent| KeyOutcome {
            withheld: self.keys.withheld().cloned(),
            ..absent
        });
        // A key has at least one version.
        rejected.or(absent).ok_or(Error::TimedOut)
    }
}

/// The most records of one key that are read at the same time.
const MAX_CONCURRENT_READS: usize = 16;

async fn read_records(image: &Image, key: &Key) -> Result<Records, Error> {
    let (keys, listing) = join(key.opened(), listing(image, key)).await;
    let keys = keys?;
    // Collected first: the compiler cannot tell that a stream of borrowing closures may change threads.
    let read: Vec<_> = keys
        .iter()
        .map(|public| read_record(image, public, listing.as_ref()))
        .collect();
    let found = stream::iter(read)
        .buffered(MAX_CONCURRENT_READS)
        .collect()
        .await;
    Ok(Records { keys, found })
}

/// Lists the records if the key may have many versions. This costs no wait, since the key is requested
/// at the same time, and saves a request for each version that did not sign. It is a hint: a version that a list which
/// is not complete leaves out is asked for by its name.
async fn listing(image: &Image, key: &Key) -> Option<Listing> {
    if key.reference.versions() != Versions::All {
        return None;
    }
    let prefix = image.reference.records_prefix();
    timeout(LISTING_TIMEOUT, image.store.list(&prefix))
        .await
        .ok()?
        .ok()
}

async fn read_record(
    image: &Image,
    public: &PublicKey,
    listing: Option<&Listing>,
) -> Result<Stored, Error> {
    let key_id = public.id();
    let name = format!("{key_id}.json");
    if listing.is_some_and(|listing| listing.lacks(&name)) {
        return Ok(Stored::Absent);
    }
    let object_key = image.reference.record_key(&key_id);
    match image.store.read(&object_key, record::MAX_BYTES).await {
        Ok(object) => Ok(Stored::Bytes(object.bytes)),
        Err(store::Error::NotFound { .. }) => Ok(Stored::Absent),
        Err(store::Error::Oversized { .. }) => Ok(Stored::Oversized),
        Err(store::Error::Unreadable { .. }) => Ok(Stored::Unreadable),
        Err(store::Error::NotAFile { .. } | store::Error::Symlink { .. }) => Ok(Stored::NotAFile),
        Err(error) => Err(error.into()),
    }
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run's time is up.
    #[error("the run's time was up before there was a verdict")]
    TimedOut,
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Image(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::TimedOut => "timed_out",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Image(error) => error.help(),
            Self::Key(error) => error.help(),
            Self::Store(error) => error.help(),
            Self::TimedOut => timed_out_help(),
        }
    }
}
