//! How one image is signed: what runs at the same time, in what order, and what is checked before it
//! is stored.
//!
//! 1. At the same time: read the manifest, open the keys, list the records. The list costs no wait. It shows which
//!    record is there, and its version; only a complete one shows that a record is absent, and without one the record
//!    is asked for by its name. What is there is judged first, so a re-run signs nothing.
//! 2. Sign the payload.
//! 3. Judge the new record with the verifier that `verify` uses. A signer that answers nonsense stores
//!    nothing.
//! 4. At the same time: create the record, or replace the version that was judged; and check that the
//!    tag still has the manifest that was signed.
//! 5. If another signer was faster: check tag and record together, and try again, with pauses.
//!
//! A dry run ends after step 1.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{join, join_all};
use s3lo_core::crypto::public::KeyId;
use s3lo_core::digest::Digest;
use s3lo_core::payload::{Schema, payload};
use s3lo_core::record::{Record, Timestamp};
use s3lo_core::verdict::{Found, Reason, Verdict, Verified, judge};
use s3lo_core::{record, verdict};
use tokio::time::{Instant, sleep, timeout};

pub use self::error::Error;
use self::target::SignedManifest;
pub use self::target::digest_to_sign;
use crate::image::{Image, LISTING_TIMEOUT, TagState};
use crate::key::lazy::LazyKey;
use crate::key::reference::KeyRef;
use crate::key::signer::Signer;
use crate::net::clock::timestamp;
use crate::net::retry::spread;
use crate::net::timed_out::until;
use crate::store;
use crate::store::{Listing, Object, Version};

mod error;
mod target;

/// The most attempts to store a record while other signers are faster. Of those that replace the same record one
/// finishes in each round, and the pauses between rounds spread the others out.
const MAX_ROUNDS: u32 = 40;

/// The most attempts to store a record that exists when it is written and is absent when it is read.
const MAX_CONTRADICTIONS: u32 = 10;

/// The first pause between two rounds.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// A key to sign with, opened once for all images.
pub type Key = LazyKey<Arc<dyn Signer>>;

/// How to sign.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The schema of new records, if one was asked for. Otherwise it is 1, and a record of schema 2 is as good.
    pub schema: Option<Schema>,
    /// The action if a valid record exists.
    pub if_signed: IfSigned,
    /// Whether to sign and store nothing.
    pub dry_run: bool,
    /// The end of the run.
    pub deadline: Instant,
    /// The clock for `signedAt`.
    pub now: fn() -> SystemTime,
    /// The first pause between two rounds, which doubles; [`FIRST_PAUSE`] unless a test has no time.
    pub pause: Duration,
}

/// The action for an image that the key has signed already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfSigned {
    /// Refuse.
    Fail,
    /// Keep a valid record, and make no new signature.
    #[default]
    Keep,
    /// Sign anew.
    Replace,
}

/// A valid record in the store; in a dry run, the one that would be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whether this run made it.
    pub status: Status,
    /// The manifest's digest.
    pub digest: Digest,
    /// The key's ID.
    pub key_id: KeyId,
    /// When the signer claims to have signed.
    pub signed_at: Option<Timestamp>,
    /// `<bucket or root>/<object key>`.
    pub stored_path: String,
    /// The schema, which decides what the signature binds.
    pub schema: Schema,
    /// The ID of the request that made the signature, if a service made it.
    pub request_id: Option<String>,
}

/// The origin of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was there already.
    Kept,
    /// This run made it.
    Signed,
    /// It was there already, and a run that is no dry run would keep it.
    WouldKeep,
    /// There is none: a run that is no dry run would make it.
    WouldSign,
}

impl Status {
    /// Whether the record was there already.
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Kept | Self::WouldKeep)
    }

    /// Whether nothing was done.
    pub fn is_dry_run(self) -> bool {
        matches!(self, Self::WouldKeep | Self::WouldSign)
    }
}

/// Signs `image` with every key. The results are in the order of the keys.
pub async fn sign(image: &Image, keys: &[Key], options: &Options) -> Vec<Result<Signed, Error>> {
    let prefix = image.reference.records_prefix();
    let listing = timeout(LISTING_TIMEOUT, image.store.list(&prefix));
    let manifest = join(image.read_manifest(), listing);
    let signers = join_all(keys.iter().map(Key::opened));
    let read = pin!(join(manifest, signers));
    let ((tagged, listing), signers) = match until(options.deadline, read).await {
        Ok(read) => read,
        Err(error) => return vec![Err(error.into()); keys.len()],
    };
    let target = match SignedManifest::new(tagged, &image.reference) {
        Ok(target) => target,
        Err(error) => return vec![Err(error); keys.len()],
    };
    let listing = listing.ok().and_then(Result::ok);
    tracing::debug!(
        "{}: read {}; may be listed: {}",
        image.reference,
        target.manifest.digest(),
        listing.is_some()
    );
    join_all(keys.iter().zip(signers).map(|(key, signer)| {
        let (target, listing) = (&target, listing.as_ref());
        async move {
            let signing = Signing {
                image,
                signer: signer?,
                key: &key.reference,
                options,
                target,
            };
            until(options.deadline, pin!(signing.run(listing))).await?
        }
    }))
    .await
}

/// One image, one key.
struct Signing<'a> {
    image: &'a Image,
    signer: Arc<dyn Signer>,
    key: &'a KeyRef,
    options: &'a Options,
    target: &'a SignedManifest,
}

/// A new record that verifies, and is not stored yet.
struct JudgedRecord {
    record: Record,
    bytes: Vec<u8>,
    request_id: Option<String>,
}

/// The next step, given what is stored under the name of the record.
enum RecordAction {
    /// None: this record is valid.
    Done(Signed),
    /// Create the record, or replace this version of it.
    Put(Option<Version>),
}

impl Signing<'_> {
    async fn run(&self, listing: Option<&Listing>) -> Result<Signed, Error> {
        let reference = &self.image.reference;
        let object_key = reference.record_key(&self.signer.public_key().id());
        let name = object_key
            .strip_prefix(&reference.records_prefix())
            .unwrap_or_default();
        let mut replaced = match self.first_action(&object_key, name, listing).await? {
            RecordAction::Done(signed) => return Ok(signed),
            RecordAction::Put(_) if self.options.dry_run => return Ok(self.unsigned(&object_key)),
            RecordAction::Put(version) => version,
        };
        let judged = self.make_record().await?;
        tracing::debug!("{reference}: signed by {}", self.key);
        let mut contradictions: u32 = 0;
        for round in 1..=MAX_ROUNDS {
            let (put, tag) = join(
                self.put(&object_key, &judged.bytes, replaced.as_ref()),
                self.ensure_tag_unchanged(),
            )
            .await;
            tag?;
            match put {
                Ok(()) => return Ok(self.signed(&object_key, &judged)),
                Err(store::Error::Exists { .. } | store::Error::Changed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            tracing::debug!(object_key, round, "another signer was faster");
            if round > 1 {
                sleep(spread(self.options.pause, round)).await;
            }
            let created = replaced.is_none();
            match self
                .check_tag_and_record(&object_key, Some(&judged))
                .await?
            {
                RecordAction::Done(signed) => return Ok(signed),
                RecordAction::Put(version) => replaced = version,
            }
            if created && replaced.is_none() {
                contradictions = contradictions.saturating_add(1);
                if contradictions >= MAX_CONTRADICTIONS {
                    return Err(Error::Contradiction { object: object_key });
                }
            }
        }
        Err(Error::Unsettled {
            reference: reference.clone(),
        })
    }

    /// Decides by the list of the records what to do first. The guards of [`IfSigned`] rest on what is found here: a
    /// condition of the write only closes the race.
    async fn first_action(
        &self,
        object_key: &str,
        name: &str,
        listing: Option<&Listing>,
    ) -> Result<RecordAction, Error> {
        let replaces = self.options.if_signed == IfSigned::Replace;
        match listing.map(|listing| (listing.find(name), listing.lacks(name))) {
            // Any object there is replaced, and the list names its version.
            Some((Some(listed), _)) if replaces && listed.version.is_some() => {
                Ok(RecordAction::Put(listed.version.clone()))
            }
            Some((Some(_), _)) => self.check_tag_and_record(object_key, None).await,
            Some((None, true)) => Ok(RecordAction::Put(None)),
            // Unknown. What is there shows when it is written over.
            _ if replaces => Ok(RecordAction::Put(None)),
            _ => match self.check_tag_and_record(object_key, None).await {
                // S3 gives this answer for an absent object to a caller that may not list the bucket. There the condition of the
                // write has to do.
                Err(Error::Store(error)) if error.is_denied() => Ok(RecordAction::Put(None)),
                other => other,
            },
        }
    }

    /// The schema of a new record.
    fn schema(&self) -> Schema {
        self.options.schema.unwrap_or_default()
    }

    /// Signs the payload, and makes a record that verifies.
    async fn make_record(&self) -> Result<JudgedRecord, Error> {
        let (schema, manifest) = (self.schema(), self.target.manifest);
        let public = self.signer.public_key();
        let payload = payload(schema, &self.image.reference, manifest.digest());
        let signature = self.signer.sign(&payload).await?;
        let signed_at = timestamp((self.options.now)()).ok_or(Error::Clock)?;
        let record = Record::new(
            schema,
            manifest.digest(),
            &payload,
            &signature.bytes,
            (
                self.key.as_str(),
                public.id(),
                public.key_type().algorithm(),
            ),
            signed_at,
        );
        let bytes = record.to_bytes();
        match self.judge(&bytes, schema) {
            Verdict::Verified(_) => Ok(JudgedRecord {
                record,
                bytes,
                request_id: signature.request_id,
            }),
            Verdict::Rejected(reason) => Err(Error::Nonsense {
                key: self.key.as_str().to_owned(),
                reason,
            }),
        }
    }

    fn judge(&self, record: &[u8], min_schema: Schema) -> Verdict {
        let oversized = u64::try_from(record.len()).is_ok_and(|length| length > record::MAX_BYTES);
        let found = if oversized {
            Found::Oversized
        } else {
            Found::Bytes(record)
        };
        let key = verdict::Key {
            reference: self.key.as_str(),
            public: self.signer.public_key(),
        };
        let (manifest, reference) = (&self.target.manifest, &self.image.reference);
        judge(manifest, found, reference, key, min_schema)
    }

    async fn put(
        &self,
        object_key: &str,
        bytes: &[u8],
        replaced: Option<&Version>,
    ) -> Result<(), store::Error> {
        let store = &self.image.store;
        match replaced {
            Some(version) => store.replace(object_key, bytes, version).await,
            None => store.create(object_key, bytes).await,
        }
    }

    /// Fails unless the tag still has the manifest that was signed.
    async fn ensure_tag_unchanged(&self) -> Result<(), Error> {
        let from = self.target.manifest.digest();
        let now = self.image.tag_state(&self.target.version, from).await?;
        let to = match now {
            TagState::Same => return Ok(()),
            TagState::Moved(digest) => digest.to_string(),
            TagState::Gone => "nothing".to_owned(),
            TagState::Oversized => "something larger than a manifest".to_owned(),
            TagState::Unreadable => "something that cannot be read".to_owned(),
        };
        let reference = self.image.reference.clone();
        Err(Error::Moved {
            reference,
            from,
            to,
        })
    }

    /// Checks tag and record at the same time: the decision on the record is about the manifest that is
    /// there now.
    async fn check_tag_and_record(
        &self,
        object_key: &str,
        own: Option<&JudgedRecord>,
    ) -> Result<RecordAction, Error> {
        let (tag, action) = join(
            self.ensure_tag_unchanged(),
            self.judge_existing(object_key, own),
        )
        .await;
        tag?;
        action
    }

    /// Judges the stored record, and decides whether to keep or replace it.
    async fn judge_existing(
        &self,
        object_key: &str,
        own: Option<&JudgedRecord>,
    ) -> Result<RecordAction, Error> {
        let object = match self.image.store.read(object_key, record::MAX_BYTES).await {
            Ok(object) => object,
            Err(store::Error::NotFound { .. }) => return Ok(RecordAction::Put(None)),
            Err(
                store::Error::Oversized { version, .. }
                | store::Error::Unreadable { version, .. }
                | store::Error::NotAFile { version, .. }
                | store::Error::Symlink {
                    version: Some(version),
                    ..
                },
            ) => {
                return Ok(RecordAction::Put(Some(version)));
            }
            Err(error) => return Err(error.into()),
        };
        // A retried request may find the record that its first attempt wrote.
        if let Some(judged) = own
            && object.bytes == judged.bytes
        {
            return Ok(RecordAction::Done(self.signed(object_key, judged)));
        }
        let Object { bytes, version, .. } = object;
        match self.judge(&bytes, Schema::V1) {
            // It may be valid to those who know its schema.
            Verdict::Rejected(Reason::UnsupportedSchema { version: schema })
                if self.options.if_signed != IfSigned::Replace && is_later(&schema) =>
            {
                Err(Error::LaterSchema {
                    reference: self.image.reference.clone(),
                    schema,
                })
            }
            Verdict::Rejected(_) => Ok(RecordAction::Put(Some(version))),
            Verdict::Verified(verified) => self.decide(object_key, version, verified),
        }
    }

    fn decide(
        &self,
        object_key: &str,
        version: Version,
        verified: Verified,
    ) -> Result<RecordAction, Error> {
        let (asked, stored) = (self.schema(), verified.schema);
        let reference = || self.image.reference.clone();
        match self.options.if_signed {
            IfSigned::Fail => Err(Error::AlreadySigned {
                reference: reference(),
                key: self.key.as_str().to_owned(),
            }),
            IfSigned::Replace => Ok(RecordAction::Put(Some(version))),
            IfSigned::Keep if stored < asked => Ok(RecordAction::Put(Some(version))),
            IfSigned::Keep if stored > asked && self.options.schema.is_some() => {
                Err(Error::HigherSchema {
                    reference: reference(),
                    there: stored,
                    asked,
                })
            }
            IfSigned::Keep => Ok(RecordAction::Done(Signed {
                status: match self.options.dry_run {
                    true => Status::WouldKeep,
                    false => Status::Kept,
                },
                digest: self.target.manifest.digest(),
                key_id: self.signer.public_key().id(),
                signed_at: verified.signed_at,
                stored_path: self.image.reference.stored_path(object_key),
                schema: stored,
                request_id: None,
            })),
        }
    }

    /// The facts of a record that was not made.
    fn unsigned(&self, object_key: &str) -> Signed {
        Signed {
            status: Status::WouldSign,
            digest: self.target.manifest.digest(),
            key_id: self.signer.public_key().id(),
            signed_at: None,
            stored_path: self.image.reference.stored_path(object_key),
            schema: self.schema(),
            request_id: None,
        }
    }

    fn signed(&self, object_key: &str, judged: &JudgedRecord) -> Signed {
        Signed {
            status: Status::Signed,
            digest: judged.record.digest,
            key_id: self.signer.public_key().id(),
            signed_at: judged.record.claims.signed_at,
            stored_path: self.image.reference.stored_path(object_key),
            schema: judged.record.schema,
            request_id: judged.request_id.clone(),
        }
    }
}

/// Whether a version of a record's schema is above those that this program knows.
fn is_later(schema: &str) -> bool {
    let newest = Schema::V2.version();
    schema.parse::<u64>().is_ok_and(|version| version > newest)
}
