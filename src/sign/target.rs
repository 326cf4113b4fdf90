//! The manifest that is signed: what stands under the tag, if that can be signed and is what a pin names.

use s3lo_core::digest::Digest;
use s3lo_core::manifest::Manifest;
use s3lo_core::reference::Reference;

use crate::image;
use crate::image::TaggedManifest;
use crate::sign::error::Error;
use crate::store::Version;

/// The digest that a signature of the object under a tag is for.
///
/// # Errors
///
/// [`Error`] if there is no manifest, or not the one of the pin.
pub fn digest_to_sign(
    tagged: Result<TaggedManifest, image::Error>,
    reference: &Reference,
) -> Result<Digest, Error> {
    let target = SignedManifest::new(tagged, reference)?;
    Ok(target.manifest.digest())
}

/// The manifest to sign, and its version in the store.
pub(super) struct SignedManifest {
    pub(super) manifest: Manifest,
    pub(super) version: Version,
}

impl SignedManifest {
    pub(super) fn new(
        tagged: Result<TaggedManifest, image::Error>,
        reference: &Reference,
    ) -> Result<Self, Error> {
        let tagged = tagged?;
        let manifest = tagged.manifest.map_err(|reason| Error::Manifest {
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
        match tagged.version {
            Some(version) => Ok(Self { manifest, version }),
            // Without a version there is no manifest.
            None => Err(Error::Unsettled {
                reference: reference.clone(),
            }),
        }
    }
}
