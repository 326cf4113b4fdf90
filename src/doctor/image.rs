//! The image: its store, its manifest, and the records beside it.

use std::path::Path;
use std::pin::pin;
use std::time::SystemTime;

use futures_util::future::join;
use s3lo_core::record;
use s3lo_core::reference::Scheme;
use tokio::time::Instant;

use crate::diagnostic::Diagnostic;
use crate::doctor::check::{Check, Topic};
use crate::image::Image;
use crate::key::keyring::Keyring;
use crate::net::timed_out::until;
use crate::sign::{self, FIRST_PAUSE, IfSigned, Status, digest_to_sign};
use crate::store::{self, Listing};

/// The checks of an image, and the list of its records.
pub(super) struct Found {
    /// The checks.
    pub(super) checks: Vec<Check>,
    listing: Option<Listing>,
    /// Whether the store answers.
    answers: bool,
}

/// Reads the manifest, and lists the records.
pub(super) async fn check(image: &Image, deadline: Instant) -> Found {
    let prefix = image.reference.records_prefix();
    let reads = join(image.read_manifest(), image.store.list(&prefix));
    let (tagged, listing) = match until(deadline, pin!(reads)).await {
        Ok(read) => read,
        Err(error) => {
            let store = Check::failed(Topic::Store, Diagnostic::new(&error));
            return Found::without_answer(image, store);
        }
    };
    let manifest = match digest_to_sign(tagged, &image.reference) {
        Ok(digest) => Ok(Check::ok(Topic::Manifest, digest.to_string())),
        Err(error) => Err(Diagnostic::new(&error)),
    };
    let is_absent =
        image.reference.scheme() == Scheme::LOCAL && !Path::new(image.reference.root()).is_dir();
    let of_store = |error: &Diagnostic| {
        OF_STORE.contains(&error.code) || is_absent && error.code == "image_not_found"
    };
    let listed = listing.as_ref().map_err(Diagnostic::new);
    let mut errors = manifest
        .as_ref()
        .err()
        .into_iter()
        .chain(listed.as_ref().err());
    if let Some(error) = errors.find(|error| of_store(error)) {
        return Found::without_answer(image, Check::failed(Topic::Store, error.clone()));
    }
    Found {
        checks: vec![
            Check::ok(Topic::Store, name(image)),
            manifest.unwrap_or_else(|error| Check::failed(Topic::Manifest, error)),
            records(&listing),
            writing(image),
        ],
        listing: listing.ok(),
        answers: true,
    }
}

/// The codes of errors that are about the store, and not about an object in it.
const OF_STORE: [&str; 6] = [
    "bucket_not_found",
    "redirected",
    "session_expired",
    "credentials_refused",
    "unreachable",
    "wrong_region",
];

impl Found {
    /// An image in a store that does not answer, for the reason in `store`.
    pub(super) fn without_answer(image: &Image, store: Check) -> Self {
        let others = [Topic::Manifest, Topic::Records];
        let others = others.map(|topic| Check::after(topic, Topic::Store));
        let mut checks = vec![store, writing(image)];
        checks.extend(others);
        tracing::debug!("{}: its store does not answer", image.reference);
        Self {
            checks,
            listing: None,
            answers: false,
        }
    }

    /// Looks for the record of the key with this ID. `None` if there is one.
    pub(super) async fn record(
        &self,
        image: &Image,
        key_id: Option<String>,
        deadline: Instant,
    ) -> Option<Check> {
        if !self.answers {
            return Some(Check::after(Topic::Record, Topic::Store));
        }
        let Some(key_id) = key_id else {
            let reason = "its name is not known without the key";
            return Some(Check::unchecked(Topic::Record, reason));
        };
        let object_key = image.reference.record_key(&key_id);
        let read = image.store.read(&object_key, record::MAX_BYTES);
        let error = match until(deadline, pin!(read)).await {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => error,
            Err(error) => return Some(Check::failed(Topic::Record, Diagnostic::new(&error))),
        };
        let name = format!("{key_id}.json");
        let is_listed = |listing: &Listing| listing.find(&name).is_some();
        Some(match error {
            store::Error::NotFound { .. } => Check::ok(Topic::Record, "there is none yet"),
            // Signing goes on then: a new record is written only where there is none.
            store::Error::Denied(_) if !self.listing.as_ref().is_some_and(is_listed) => {
                Check::unchecked(
                    Topic::Record,
                    "without s3:ListBucket S3 does not tell an absent record from one that may not be read",
                )
            }
            error if error.as_found().is_some() => Check::ok(
                Topic::Record,
                format!("what stands in its place is none, and gives way: {error}"),
            ),
            error => Check::failed(Topic::Record, Diagnostic::new(&error)),
        })
    }
}

/// Judges the record that is there as `sign` does, by a dry run.
pub(super) async fn judged(image: &Image, keys: &Keyring, deadline: Instant) -> Check {
    let options = sign::Options {
        schema: None,
        if_signed: IfSigned::Keep,
        dry_run: true,
        deadline,
        now: SystemTime::now,
        pause: FIRST_PAUSE,
    };
    let mut results = sign::sign(image, &keys.signers(), &options).await;
    match results.pop() {
        Some(Ok(signed)) if signed.status == Status::WouldKeep => Check::ok(
            Topic::Record,
            format!(
                "there is a valid one of schema {}, which is kept",
                signed.schema.version()
            ),
        ),
        Some(Ok(_)) => Check::ok(
            Topic::Record,
            "there is one that is not valid for this image, and is replaced",
        ),
        Some(Err(error)) => Check::failed(Topic::Record, Diagnostic::new(&error)),
        None => Check::after(Topic::Record, Topic::Key),
    }
}

fn name(image: &Image) -> String {
    let root = image.reference.root();
    match image.store.region() {
        Some(region) => format!("the bucket {root} in {region}"),
        None => root.to_owned(),
    }
}

fn records(listing: &Result<Listing, store::Error>) -> Check {
    match listing {
        Ok(listing) => {
            let more = if listing.complete { "" } else { " or more" };
            let number = listing.objects.len();
            Check::ok(
                Topic::Records,
                format!("{number}{more} beside the manifest"),
            )
        }
        Err(error) if error.is_denied() => Check {
            problem: Some(Diagnostic::new(error)),
            ..Check::unchecked(
                Topic::Records,
                "they may not be listed, which signing does not need",
            )
        },
        Err(error) => Check::failed(Topic::Records, Diagnostic::new(error)),
    }
}

/// A conditional write would be a probe where the server knows conditions, and would overwrite where it does not.
fn writing(image: &Image) -> Check {
    let detail = match image.reference.scheme() {
        Scheme::S3 => {
            "s3:PutObject is not tried: a server that ignores conditions would overwrite a record"
        }
        _ => "not tried",
    };
    Check::unchecked(Topic::Writing, detail)
}
