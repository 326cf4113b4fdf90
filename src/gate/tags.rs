//! An image that is pulled by digest alone: it passes if the policy passes for one of its tags that has the digest.
//!
//! The tags are those that the store lists, which writers of the store decide. They can add tags until too many are there,
//! and put an old tag's manifest back: this way of pulling binds no tag.

use futures_util::{StreamExt as _, stream};
use s3lo_core::digest::Digest;
use s3lo_core::manifest;
use tokio::time::Instant;

use crate::diagnostic::Diagnostic;
use crate::gate::error::Error;
use crate::gate::policy::OpenPolicy;
use crate::gate::{Passed, decide};
use crate::image::Image;
use crate::store::backend;

/// The most tags of an image that are looked at.
const MAX_TAGS: usize = 200;

/// The most tags that are looked at at the same time.
const CONCURRENCY: usize = 16;

/// Has the policy decide about each tag of the image that has `digest`, until one passes. The reason is that of the first
/// tag that could not be looked at, or else of the first one that the policy refuses.
pub(super) async fn any(
    image: &Image,
    digest: Digest,
    policy: &OpenPolicy,
    deadline: Instant,
) -> Result<Passed, Error> {
    let prefix = image.reference.tags_prefix();
    let listed = image.store.folders(&prefix, MAX_TAGS).await;
    let listed = listed.map_err(|error| Diagnostic::new(&error))?;
    if !listed.complete {
        return Err(Error::TooManyTags {
            image: image.reference.repository(),
            most: MAX_TAGS,
        });
    }
    let tags = listed.names.into_iter();
    // A folder that can be no tag has no signature.
    let tagged = tags.filter_map(|tag| {
        let prefix = image.reference.repository();
        let reference = backend::parse(&format!("{prefix}:{tag}")).ok()?;
        (reference.tag() == tag).then(|| Image {
            reference,
            ..image.clone()
        })
    });
    // Collected first: the compiler does not see that a stream of borrowing closures may change threads.
    let decided: Vec<_> = tagged
        .map(|tagged| of_tag(tagged, digest, policy, deadline))
        .collect();
    let mut decided = stream::iter(decided).buffered(CONCURRENCY);
    let mut refusal = None;
    let mut failure = None;
    while let Some(result) = decided.next().await {
        match result {
            Ok(Some(passed)) => return Ok(passed),
            Ok(None) => {}
            Err(error) if error.is_refusal() => _ = refusal.get_or_insert(error),
            Err(error) => _ = failure.get_or_insert(error),
        }
    }
    Err(failure
        .or(refusal)
        .unwrap_or_else(|| Error::NoTagWithDigest {
            image: image.reference.repository(),
            digest: digest.to_string(),
        }))
}

/// Has the policy decide about a tag; `None` if it has another digest.
async fn of_tag(
    image: Image,
    digest: Digest,
    policy: &OpenPolicy,
    deadline: Instant,
) -> Result<Option<Passed>, Error> {
    let key = image.reference.manifest_key();
    match image.store.read(&key, manifest::MAX_BYTES).await {
        Ok(object) if Digest::of(&object.bytes) == digest => {}
        Ok(_) => return Ok(None),
        // The folder is that of another image, or no manifest of its tag can be read as one.
        Err(error) if error.as_found().is_some() => return Ok(None),
        Err(error) => return Err(Diagnostic::new(&error).into()),
    }
    let reference = &image.reference;
    let (tag, name) = (reference.tag().to_owned(), reference.repository());
    let decided = decide(image, digest, policy, deadline).await;
    decided.map(Some).map_err(|error| match error {
        Error::Refused { reason, .. } => Error::RefusedTags {
            image: format!("{name}@{digest}"),
            tag,
            reason,
        },
        error => error,
    })
}
