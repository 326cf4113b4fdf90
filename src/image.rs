//! An image in a store: reads its manifest, and checks later that it has not changed.

use std::sync::Arc;
use std::time::Duration;

use s3lo_core::digest::Digest;
use s3lo_core::manifest::Manifest;
use s3lo_core::reference::Reference;
use s3lo_core::verdict::{Found, Reason};
use s3lo_core::{manifest, verdict};

use crate::diagnostic::{Explain, Fact};
use crate::similar::nearest;
use crate::store;
use crate::store::{Store, Version};
use crate::text::{printable, quoted};

/// The time limit for a listing of the records, without which every record is found too.
pub(crate) const LISTING_TIMEOUT: Duration = Duration::from_secs(3);

/// A reference and its store.
#[derive(Clone)]
pub struct Image {
    /// The reference that the user gave.
    pub reference: Reference,
    /// The store.
    pub store: Arc<dyn Store>,
}

/// The manifest under a tag, parsed as soon as it was read: its bytes are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedManifest {
    /// The manifest, or the reason why the object is none.
    pub manifest: Result<Manifest, Reason>,
    /// The digest of the object, if it could be read in full.
    pub digest: Option<Digest>,
    /// The version of the object, if it could be read in full.
    pub version: Option<Version>,
}

impl TaggedManifest {
    fn read(object: &store::Object) -> Self {
        let manifest = verdict::read_manifest(Found::Bytes(&object.bytes));
        let digest = match &manifest {
            Ok(manifest) => manifest.digest(),
            Err(_) => Digest::of(&object.bytes),
        };
        Self {
            manifest,
            digest: Some(digest),
            version: Some(object.version.clone()),
        }
    }

    fn unread(found: Found<'_>) -> Self {
        Self {
            manifest: verdict::read_manifest(found),
            digest: None,
            version: None,
        }
    }
}

impl Image {
    /// Reads the object under the tag.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is none, or the store fails.
    pub async fn read_manifest(&self) -> Result<TaggedManifest, Error> {
        let (tagged, _) = self.read_manifest_and(|_| ()).await?;
        Ok(tagged)
    }

    /// Reads the object under the tag, and takes what else is needed from its bytes, which are not kept.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is none, or the store fails.
    pub async fn read_manifest_and<T>(
        &self,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<(TaggedManifest, Option<T>), Error> {
        let key = self.reference.manifest_key();
        match self.store.read(&key, manifest::MAX_BYTES).await {
            Ok(object) => Ok((TaggedManifest::read(&object), Some(take(&object.bytes)))),
            Err(store::Error::NotFound { .. }) => Err(self.not_in_store().await),
            Err(error) => match error.as_found() {
                Some(found) => Ok((TaggedManifest::unread(found), None)),
                None => Err(error.into()),
            },
        }
    }

    async fn not_in_store(&self) -> Error {
        let meant = self.store.meant(&self.reference).await;
        let tags = match meant {
            Some(_) => None,
            None => self.tags().await,
        };
        Error::NotInStore {
            reference: self.reference.clone(),
            tags,
            meant,
        }
    }

    /// Lists the records beside the manifest.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if the store fails.
    pub async fn record_ids(&self) -> Result<RecordIds, store::Error> {
        let listing = self.store.list(&self.reference.records_prefix()).await?;
        let names = listing.objects.iter().map(|listed| &listed.name);
        let ids = names.filter_map(|name| name.strip_suffix(".json"));
        Ok(RecordIds {
            ids: ids.filter(|id| is_key_id(id)).map(str::to_owned).collect(),
            complete: listing.complete,
        })
    }

    async fn tags(&self) -> Option<Vec<String>> {
        let listing = self.store.list(&self.reference.tags_prefix()).await;
        Some(listing.ok()?.folders)
    }

    /// Compares the tag with the manifest that was read as `version` with `digest`.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if the store fails.
    pub async fn tag_state(
        &self,
        version: &Version,
        digest: Digest,
    ) -> Result<TagState, store::Error> {
        let key = self.reference.manifest_key();
        let again = self.store.read_unless(&key, manifest::MAX_BYTES, version);
        match again.await {
            Ok(None) => Ok(TagState::Same),
            // A store may send the object although nothing changed.
            Ok(Some(object)) => Ok(match Digest::of(&object.bytes) {
                current if current == digest => TagState::Same,
                current => TagState::Moved(current),
            }),
            Err(store::Error::NotFound { .. }) => Ok(TagState::Gone),
            Err(store::Error::Oversized { .. }) => Ok(TagState::Oversized),
            Err(store::Error::Unreadable { .. }) => Ok(TagState::Unreadable),
            Err(store::Error::NotAFile { .. } | store::Error::Symlink { .. }) => Ok(TagState::Gone),
            Err(error) => Err(error),
        }
    }
}

/// The IDs that the records of an image are named after. It is not verified that these keys signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordIds {
    /// The IDs, sorted.
    pub ids: Vec<String>,
    /// Whether there are no more.
    pub complete: bool,
}

/// Whether a name is a key's ID. A file of any other name is not a record.
fn is_key_id(name: &str) -> bool {
    name.len() == 16
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The state of a tag since its manifest was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagState {
    /// There is no manifest any more.
    Gone,
    /// It has another manifest.
    Moved(Digest),
    /// An object that is larger than a manifest may be.
    Oversized,
    /// It has the same manifest.
    Same,
    /// An object that the server sends in a form that cannot be read.
    Unreadable,
}

/// The reason why an image cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing under the tag.
    #[error("there is no image `{}` in the store `{}`", reference.name(), reference.root())]
    NotInStore {
        /// The image.
        reference: Reference,
        /// The tags of the image, if the store may be listed.
        tags: Option<Vec<String>>,
        /// Advice, if another reference was probably meant.
        meant: Option<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NotInStore { .. } => "image_not_found",
            Self::Store(error) => error.code(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Store(error) => error.facts(),
            Self::NotInStore {
                tags: Some(tags), ..
            } if !tags.is_empty() => vec![Fact::new("tags", some_of(tags))],
            Self::NotInStore { .. } => Vec::new(),
        }
    }

    fn help(&self) -> String {
        let (reference, tags) = match self {
            Self::Store(error) => return error.help(),
            Self::NotInStore {
                meant: Some(meant), ..
            } => return meant.clone(),
            Self::NotInStore {
                reference, tags, ..
            } => (reference, tags.as_deref()),
        };
        let push = format!(
            "push it with the s3lo that stores images: `s3lo push {} {}`",
            quoted(&reference.name()),
            quoted(&reference.unpinned())
        );
        let near = tags.and_then(|tags| nearest(reference.tag(), tags));
        match near {
            Some(near) => format!(
                "did you mean `{}:{}`?\nif not, {push}",
                reference.image(),
                printable(near)
            ),
            None if tags.is_some_and(<[String]>::is_empty) => format!(
                "check the names of store and image: the store has no tag of `{}`\n{push}",
                reference.image()
            ),
            None if tags.is_some() => format!("use one of the tags above, or {push}"),
            None => push,
        }
    }
}

/// The most names that a help line shows.
const MAX_SHOWN: usize = 10;

fn some_of(names: &[String]) -> String {
    let mut shown: Vec<_> = names
        .iter()
        .take(MAX_SHOWN)
        .map(|name| printable(name))
        .collect();
    if let Some(more) = names.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}
