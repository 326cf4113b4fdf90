//! How one image is signed: what runs at the same time, in what order, and what is checked before it
//! is kept.
//!
//! 1. At the same time: read the manifest, open the keys, list the signatures. The list is a hint that
//!    costs no wait: where our record is there already it is judged first, and a re-run signs nothing.
//! 2. Sign the payload.
//! 3. Judge the record that came of it with the verifier that `verify` uses. A signer that answers
//!    nonsense stores nothing.
//! 4. At the same time: create the record, or replace the version that was judged; and look whether
//!    the tag still holds the manifest that was signed.
//! 5. Where another signer was faster: look at manifest and record together, and go round again.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::{join, join_all};
use s3lo_core::crypto::public::KeyId;
use s3lo_core::digest::Digest;
use s3lo_core::manifest::Manifest;
use s3lo_core::payload::{Schema, payload};
use s3lo_core::record::{Record, Timestamp};
use s3lo_core::reference::Reference;
use s3lo_core::verdict::{Found, Policy, Reason, Verdict, Verified, judge};
use s3lo_core::{record, verdict};
use tokio::time::{Instant, timeout, timeout_at};

pub use self::error::Error;
use crate::image::{Image, LISTING_TIMEOUT, Snapshot, TagState};
use crate::key::lazy::Opening;
use crate::key::{KeyRef, Signer};
use crate::store::{Listing, Object, Version};
use crate::{image, store};

mod error;

/// How often a signer goes round again after another one was faster. Of those who replace the same
/// record one is done with each round, so this many may do it at once.
const ROUNDS: u32 = 100;

/// A key to sign with, opened once for all images.
pub type Key = Opening<Arc<dyn Signer>>;

/// How to sign.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The schema of new records.
    pub schema: Schema,
    /// What to do where a valid record exists.
    pub if_signed: IfSigned,
    /// When to give up.
    pub deadline: Instant,
    /// The clock from which records take their `signedAt`.
    pub now: fn() -> SystemTime,
}

/// What to do with an image that the key has signed already.
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

/// A record that stands in the store and is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whether this run made it.
    pub status: Status,
    /// The manifest's digest.
    pub digest: Digest,
    /// The key's ID.
    pub key_id: KeyId,
    /// When its signer says that it signed.
    pub signed_at: Option<Timestamp>,
    /// `<bucket or root>/<object key>`.
    pub stored_path: String,
    /// What it binds.
    pub schema: Schema,
    /// The ID of the request that made the signature, where a service did.
    pub request_id: Option<String>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was there.
    Kept,
    /// It was made now.
    Signed,
}

/// Signs `image` with every key; a result for each, in their order.
pub async fn sign(image: &Image, keys: &[Key], options: &Options) -> Vec<Result<Signed, Error>> {
    let prefix = image.reference.records_prefix();
    let hint = timeout(LISTING_TIMEOUT, image.store.list(&prefix));
    let manifest = join(image.read_manifest(), hint);
    let signers = join_all(keys.iter().map(Key::opened));
    let Ok(((snapshot, listing), signers)) =
        timeout_at(options.deadline, join(manifest, signers)).await
    else {
        return vec![Err(Error::TimedOut); keys.len()];
    };
    let before = match Before::new(snapshot, &image.reference) {
        Ok(before) => before,
        Err(error) => return vec![Err(error); keys.len()],
    };
    let listing = listing.ok().and_then(Result::ok);
    tracing::debug!(
        "{}: read {}; may be listed: {}",
        image.reference,
        before.manifest.digest(),
        listing.is_some()
    );
    join_all(keys.iter().zip(signers).map(|(key, signer)| {
        let (before, listing) = (&before, listing.as_ref());
        async move {
            let signing = Signing {
                image,
                signer: signer?,
                key: &key.reference,
                options,
                before,
            };
            timeout_at(options.deadline, signing.run(listing))
                .await
                .unwrap_or(Err(Error::TimedOut))
        }
    }))
    .await
}

/// The manifest that is going to be signed.
struct Before {
    manifest: Manifest,
    version: Version,
}

impl Before {
    fn new(snapshot: Result<Snapshot, image::Error>, reference: &Reference) -> Result<Self, Error> {
        let snapshot = snapshot?;
        let manifest =
            verdict::read_manifest(snapshot.found()).map_err(|reason| Error::Manifest {
                reference: reference.clone(),
                reason,
            })?;
        let current = manifest.digest();
        if let Some(pinned) = reference.unmet_pin(current) {
            return Err(Error::Pinned {
                reference: reference.clone(),
                pinned,
                current,
            });
        }
        match snapshot {
            Snapshot::Read(Object { version, .. }) => Ok(Self { manifest, version }),
            // `read_manifest` has refused them.
            Snapshot::NotAFile | Snapshot::Oversized => Err(Error::Unsettled {
                reference: reference.clone(),
            }),
        }
    }
}

/// One image, one key.
struct Signing<'a> {
    image: &'a Image,
    signer: Arc<dyn Signer>,
    key: &'a KeyRef,
    options: &'a Options,
    before: &'a Before,
}

/// A record that was made and judged, and is not stored yet.
struct Draft {
    record: Record,
    bytes: Vec<u8>,
    request_id: Option<String>,
}

/// What to do about what lies where the record belongs.
enum Step {
    /// Nothing: this stands.
    Done(Signed),
    /// Create a record, or replace this version of it.
    Put(Option<Version>),
}

impl Signing<'_> {
    async fn run(&self, listing: Option<&Listing>) -> Result<Signed, Error> {
        let reference = &self.image.reference;
        let object_key = reference.record_key(&self.signer.public_key().id());
        let name = object_key
            .strip_prefix(&reference.records_prefix())
            .unwrap_or_default();
        let listed = listing.is_some_and(|listing| listing.has(name));
        let mut replaced = None;
        if listed {
            match self.look_at_both(&object_key, None).await? {
                Step::Done(signed) => return Ok(signed),
                Step::Put(version) => replaced = version,
            }
        }
        let draft = self.draft().await?;
        tracing::debug!("{reference}: signed by {}", self.key);
        for round in 1..=ROUNDS {
            let (put, unmoved) = join(
                self.put(&object_key, &draft.bytes, replaced.as_ref()),
                self.unmoved(),
            )
            .await;
            unmoved?;
            match put {
                Ok(()) => return Ok(self.signed(&object_key, &draft)),
                Err(store::Error::Exists { .. } | store::Error::Changed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            tracing::debug!(object_key, round, "another signer was faster");
            match self.look_at_both(&object_key, Some(&draft)).await? {
                Step::Done(signed) => return Ok(signed),
                Step::Put(version) => replaced = version,
            }
        }
        Err(Error::Unsettled {
            reference: reference.clone(),
        })
    }

    /// Signs, and judges what came of it.
    async fn draft(&self) -> Result<Draft, Error> {
        let (schema, manifest) = (self.options.schema, self.before.manifest);
        let public = self.signer.public_key();
        let payload = payload(schema, &self.image.reference, manifest.digest());
        let signature = self.signer.sign(&payload).await?;
        let now = (self.options.now)().duration_since(UNIX_EPOCH);
        let signed_at = now
            .ok()
            .and_then(|since| Timestamp::from_unix_seconds(since.as_secs()))
            .ok_or(Error::Clock)?;
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
        let policy = Policy { min_schema: schema };
        match self.judge(&bytes, policy) {
            Verdict::Verified(_) => Ok(Draft {
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

    fn judge(&self, record: &[u8], policy: Policy) -> Verdict {
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
        let (manifest, reference) = (&self.before.manifest, &self.image.reference);
        judge(manifest, found, reference, key, policy)
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

    /// Fails unless the tag still holds what was signed.
    async fn unmoved(&self) -> Result<(), Error> {
        let from = self.before.manifest.digest();
        let now = self.image.tag_state(&self.before.version, from).await?;
        let to = match now {
            TagState::Same => return Ok(()),
            TagState::Moved(digest) => digest.to_string(),
            TagState::Gone => "nothing".to_owned(),
            TagState::Oversized => "something larger than a manifest".to_owned(),
        };
        let reference = self.image.reference.clone();
        Err(Error::Moved {
            reference,
            from,
            to,
        })
    }

    /// Looks at manifest and record at the same time: what is decided about the record holds for the
    /// manifest that is there now.
    async fn look_at_both(&self, object_key: &str, own: Option<&Draft>) -> Result<Step, Error> {
        let (unmoved, step) = join(self.unmoved(), self.look(object_key, own)).await;
        unmoved?;
        step
    }

    /// Judges the record that is there, and decides what becomes of it.
    async fn look(&self, object_key: &str, own: Option<&Draft>) -> Result<Step, Error> {
        let object = match self.image.store.read(object_key, record::MAX_BYTES).await {
            Ok(object) => object,
            Err(store::Error::NotFound { .. }) => return Ok(Step::Put(None)),
            Err(store::Error::Oversized { version, .. }) => return Ok(Step::Put(Some(version))),
            Err(error) => return Err(error.into()),
        };
        // A retried request may find the record that its first try has written.
        if let Some(draft) = own
            && object.bytes == draft.bytes
        {
            return Ok(Step::Done(self.signed(object_key, draft)));
        }
        let Object { bytes, version } = object;
        match self.judge(&bytes, Policy::default()) {
            Verdict::Rejected(_) => Ok(Step::Put(Some(version))),
            Verdict::Verified(verified) => self.decide(object_key, version, verified),
        }
    }

    fn decide(
        &self,
        object_key: &str,
        version: Version,
        verified: Verified,
    ) -> Result<Step, Error> {
        let (asked, there) = (self.options.schema, verified.schema);
        let reference = || self.image.reference.clone();
        match self.options.if_signed {
            IfSigned::Fail => Err(Error::AlreadySigned {
                reference: reference(),
                key: self.key.as_str().to_owned(),
            }),
            IfSigned::Replace => Ok(Step::Put(Some(version))),
            IfSigned::Keep if there < asked => Ok(Step::Put(Some(version))),
            IfSigned::Keep if there > asked => Err(Error::HigherSchema {
                reference: reference(),
                there,
                asked,
            }),
            IfSigned::Keep => Ok(Step::Done(Signed {
                status: Status::Kept,
                digest: self.before.manifest.digest(),
                key_id: self.signer.public_key().id(),
                signed_at: verified.signed_at,
                stored_path: self.image.reference.stored_path(object_key),
                schema: there,
                request_id: None,
            })),
        }
    }

    fn signed(&self, object_key: &str, draft: &Draft) -> Signed {
        Signed {
            status: Status::Signed,
            digest: draft.record.digest,
            key_id: self.signer.public_key().id(),
            signed_at: draft.record.claims.signed_at,
            stored_path: self.image.reference.stored_path(object_key),
            schema: draft.record.schema,
            request_id: draft.request_id.clone(),
        }
    }
}
