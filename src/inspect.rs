//! How one image is shown: its manifest, its platforms, and every record beside it.
//!
//! A record claims who signed and when; only the verdict of a given key is proof.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{join, join_all};
use futures_util::{StreamExt as _, stream};
use s3lo_core::digest::Digest;
use s3lo_core::manifest::MediaType;
use s3lo_core::payload::Schema;
use s3lo_core::platform::{MAX_CONFIG_BYTES, Platforms};
use s3lo_core::record::{self, Record};
use s3lo_core::verdict;
use s3lo_core::verdict::{Found, Reason, Verdict, judge};
use tokio::time::Instant;

use crate::image::{Image, RecordIds};
use crate::net::timed_out::until;
use crate::store::{self, Store};
use crate::verify::{Error, Key};

/// The most records that are read of an image.
const MAX_RECORDS: usize = 100;

/// The most records that are read at the same time.
const CONCURRENCY: usize = 16;

/// An image and the records beside it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The manifest's media type, or the reason why it is no manifest.
    pub media_type: Result<MediaType, Reason>,
    /// The digest of the object under the tag, if it could be read in full.
    pub digest: Option<Digest>,
    /// The names of its platforms.
    pub platforms: Vec<String>,
    /// The records, by name.
    pub records: Vec<FoundRecord>,
    /// Whether there are more records than were read.
    pub more_records: bool,
    /// Whether each key that was given could be opened.
    pub keys: Vec<Result<(), Error>>,
}

/// A record beside the manifest.
#[derive(Clone, Debug)]
pub struct FoundRecord {
    /// The name without `.json`, which is the ID of the key that the record is for.
    pub name: String,
    /// The content, which is not verified.
    pub content: Result<Record, String>,
    /// The verdict of each key that has this ID, by the index of the key.
    pub verdicts: Vec<(usize, Verdict)>,
}

/// Reads the manifest and all records of `image`, and judges each record by those of the `keys` that it is for.
///
/// # Errors
///
/// [`Error`] if there is no image, or the store does not list the records.
pub async fn inspect(image: &Image, keys: &[Key], deadline: Instant) -> Result<Inspection, Error> {
    until(deadline, pin!(inspect_all(image, keys))).await?
}

async fn inspect_all(image: &Image, keys: &[Key]) -> Result<Inspection, Error> {
    let manifest = image.read_manifest_and(Platforms::of_manifest);
    let read = join(manifest, image.record_ids());
    let opened = join_all(keys.iter().map(Key::opened));
    let ((read, listing), opened) = join(read, opened).await;
    let ((tagged, platforms), listing) = (read?, listing?);
    let (manifest, digest) = (tagged.manifest, tagged.digest);
    let RecordIds { mut ids, complete } = listing;
    let more_records = ids.len() > MAX_RECORDS || !complete;
    ids.truncate(MAX_RECORDS);
    let reads = ids.into_iter().map(|id| read_record(image, id));
    let found = stream::iter(reads)
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>();
    let platforms = named(&image.store, platforms.unwrap_or(Platforms::Unknown));
    let (platforms, found) = join(platforms, found).await;
    let mut records = Vec::with_capacity(found.len());
    for (name, object) in found {
        let found = store::found(&object).map_err(Clone::clone)?;
        // Removed since it was listed.
        if matches!(found, Found::Absent) {
            continue;
        }
        let mut verdicts = Vec::new();
        for (number, (key, opened)) in keys.iter().zip(&opened).enumerate() {
            let all = opened.iter().flat_map(|keys| keys.iter());
            for public in all.filter(|public| public.id().to_string() == name) {
                let reference = key.reference.as_str();
                let verdict = match &manifest {
                    Ok(manifest) => {
                        let key = verdict::Key { reference, public };
                        judge(manifest, found, &image.reference, key, Schema::V1)
                    }
                    Err(reason) => Verdict::Rejected(reason.clone()),
                };
                verdicts.push((number, verdict));
            }
        }
        records.push(FoundRecord {
            name,
            content: content(found),
            verdicts,
        });
    }
    Ok(Inspection {
        media_type: manifest.map(|manifest| manifest.media_type()),
        digest,
        platforms,
        records,
        more_records,
        keys: opened
            .into_iter()
            .map(|opened| opened.map(drop).map_err(Error::from))
            .collect(),
    })
}

/// The bytes of a record, without the share of memory that it was read in: records are small, and collected.
async fn read_record(image: &Image, id: String) -> (String, Result<Vec<u8>, store::Error>) {
    let key = image.reference.record_key(&id);
    let object = image.store.read(&key, record::MAX_BYTES).await;
    (id, object.map(|object| object.bytes))
}

fn content(found: Found<'_>) -> Result<Record, String> {
    match found {
        Found::Bytes(bytes) => Record::parse(bytes).map_err(|error| error.to_string()),
        Found::Oversized => Err(format!("it is larger than {} bytes", record::MAX_BYTES)),
        Found::Absent | Found::NotAFile => Err("it is not a file".to_owned()),
        Found::Unreadable => Err("the server sends it in a form that cannot be read".to_owned()),
    }
}

/// The names of the platforms, for an image from its configuration.
async fn named(store: &Arc<dyn Store>, platforms: Platforms) -> Vec<String> {
    let platforms = match platforms {
        Platforms::InConfig(digest) => {
            match store.read(&digest.blob_key(), MAX_CONFIG_BYTES).await {
                Ok(config) => Platforms::of_config(&config.bytes, digest),
                Err(_) => Platforms::Unknown,
            }
        }
        platforms => platforms,
    };
    match platforms {
        Platforms::Named(names) => names,
        Platforms::InConfig(_) | Platforms::Unknown => Vec::new(),
    }
}
