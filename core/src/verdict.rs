//! The verdict on a record: whether it proves that a key signed a manifest. [`judge`] is the one
//! verifier, for `verify` and for what `sign` is about to store.
//!
//! Absence, ambiguity and every parse failure are reasons for rejection. Record and manifest,
//! which an attacker can write, lead to a verdict and never to an error.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::crypto::public::{KeyId, PublicKey};
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::payload::{Schema, payload};
use crate::record::{Record, Timestamp};
use crate::reference::Reference;
use crate::{manifest, record};

/// The finding of a store under the name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing.
    Absent,
    /// This.
    Bytes(&'a [u8]),
    /// Something that is no file of the store: a directory, a pipe, a link that is not followed.
    NotAFile,
    /// More bytes than such an object may have.
    Oversized,
    /// An object that the server sends in a form that cannot be read.
    Unreadable,
}

/// The key that must have signed.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The key reference that the user gave; only for the wording of a reason.
    pub reference: &'a str,
    /// The key.
    pub public: &'a PublicKey,
}

/// The result of [`judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The key signed this manifest.
    Verified(Verified),
    /// There is no proof that it did.
    Rejected(Reason),
}

/// The facts about a valid record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The schema, which decides what the signature binds.
    pub schema: Schema,
    /// The time at which the signer claims to have signed. It is not part of what is signed.
    pub signed_at: Option<Timestamp>,
}

/// The reason for a rejection. The wording is that of s3lo, which scripts match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The signature's base64 is broken.
    #[error("malformed signature encoding: {0}")]
    Encoding(String),
    /// The signature is not one of this key over this payload.
    #[error("invalid signature: it was not made by key {key_id} over this image")]
    InvalidSignature {
        /// The key's ID.
        key_id: KeyId,
    },
    /// The manifest is not the one that was signed.
    #[error("manifest changed: signed {signed}, current {current}")]
    ManifestChanged {
        /// The record's digest.
        signed: Digest,
        /// The digest under the tag.
        current: Digest,
    },
    /// The rule of the policy refuses the image.
    #[error("the policy refuses this image: {0}")]
    Denied(String),
    /// The rule of the policy refuses the manifest, no matter who signed it.
    #[error("the policy refuses this manifest: {digest} is in its `deny-digests`")]
    DeniedDigest {
        /// The digest under the tag, or one that its manifest names.
        digest: Digest,
    },
    /// The key was valid until then, by the policy.
    #[error("key {key_ref} expired on {end}")]
    KeyExpired {
        /// The key, as the policy names it.
        key_ref: String,
        /// Its `not-after`.
        end: Timestamp,
    },
    /// The policy revokes the key.
    #[error("key {key_ref} is revoked: {reason}")]
    KeyRevoked {
        /// The key, as the policy names it.
        key_ref: String,
        /// The reason in the policy.
        reason: String,
    },
    /// The bytes are not a manifest.
    #[error("malformed manifest: {0}")]
    MalformedManifest(String),
    /// The bytes are not a record.
    #[error("malformed signature record: {0}")]
    MalformedRecord(String),
    /// No rule of the policy is about the image.
    #[error("no rule of the policy matches this image")]
    NoRule,
    /// There is no record.
    #[error("no signature found for key {key_ref}")]
    NoSignature {
        /// The key, as the user named it.
        key_ref: String,
    },
    /// The manifest is not the one that the reference pins.
    #[error("manifest changed: pinned {pinned}, current {current}")]
    Pinned {
        /// The digest in the reference.
        pinned: Digest,
        /// The digest under the tag.
        current: Digest,
    },
    /// The record's schema is below what is accepted.
    #[error(
        "unsupported signature schema version {} (at least {} is required)",
        found.version(),
        required.version()
    )]
    SchemaTooLow {
        /// The record's.
        found: Schema,
        /// The lowest one that is accepted.
        required: Schema,
    },
    /// Fewer of the keys have signed than are required.
    #[error("too few different keys have signed it")]
    TooFewKeys,
    /// A requirement of the policy is not met.
    #[error("a requirement of the policy is not met: {requires}")]
    Unmet {
        /// The requirement.
        requires: String,
    },
    /// The record's schema is not known.
    #[error("unsupported signature schema version {version}")]
    UnsupportedSchema {
        /// The record's `schemaVersion`.
        version: String,
    },
}

const UNREADABLE: &str = "the server sends it in a form that cannot be read";

const NOT_A_FILE: &str = "it is not a regular file below the store's root";

/// Reads the manifest to judge.
///
/// # Errors
///
/// [`Reason`] if the bytes are no manifest, or too many. `Absent` is the caller's to report: no
/// image is not the same as an image without a signature.
pub fn read_manifest(bytes: Found<'_>) -> Result<Manifest, Reason> {
    match bytes {
        Found::Absent => Err(Reason::MalformedManifest("it is gone".to_owned())),
        Found::NotAFile => Err(Reason::MalformedManifest(NOT_A_FILE.to_owned())),
        Found::Oversized => Err(Reason::MalformedManifest(format!(
            "it is larger than {} bytes",
            manifest::MAX_BYTES
        ))),
        Found::Unreadable => Err(Reason::MalformedManifest(UNREADABLE.to_owned())),
        Found::Bytes(bytes) => Manifest::parse(bytes).map_err(|error| {
            let foreign = foreign_format(bytes).map(ToOwned::to_owned);
            Reason::MalformedManifest(foreign.unwrap_or_else(|| error.to_string()))
        }),
    }
}

/// The name of a format that is not JSON, and how it may have come there. The bytes are judged as they are: what a
/// signature covers is the digest of these, and not of what they would unpack to.
fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some(
            "it is gzip, not JSON: it was uploaded so (Content-Encoding: gzip), or a proxy compresses what it passes on",
        ),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Some("it is Zstandard, not JSON: it was uploaded compressed")
        }
        _ if bytes.trim_ascii_start().first() == Some(&b'<') => {
            Some("it is a page of HTML or XML, not JSON")
        }
        _ => None,
    }
}

/// Judges what a store has under the name of `key`'s record of `reference`. A record of a schema below `min_schema` is
/// rejected.
///
/// The signed bytes are rebuilt from `reference` and `manifest`; of the record, only the signature is
/// trusted. No verdict depends on `keyRef`, `algorithm` or `signedAt`, which are not signed.
pub fn judge(
    manifest: &Manifest,
    found: Found<'_>,
    reference: &Reference,
    key: Key<'_>,
    min_schema: Schema,
) -> Verdict {
    match check(manifest, found, reference, key, min_schema) {
        Ok(verified) => Verdict::Verified(verified),
        Err(reason) => Verdict::Rejected(reason),
    }
}

fn check(
    manifest: &Manifest,
    found: Found<'_>,
    reference: &Reference,
    key: Key<'_>,
    min_schema: Schema,
) -> Result<Verified, Reason> {
    let current = manifest.digest();
    if let Some(pinned) = reference.unmet_pin(current) {
        return Err(Reason::Pinned { pinned, current });
    }
    let bytes = match found {
        Found::Absent => {
            return Err(Reason::NoSignature {
                key_ref: key.reference.to_owned(),
            });
        }
        Found::NotAFile => return Err(Reason::MalformedRecord(NOT_A_FILE.to_owned())),
        Found::Unreadable => return Err(Reason::MalformedRecord(UNREADABLE.to_owned())),
        Found::Oversized => {
            return Err(Reason::MalformedRecord(format!(
                "it is larger than {} bytes",
                record::MAX_BYTES
            )));
        }
        Found::Bytes(bytes) => bytes,
    };
    let record = Record::parse(bytes).map_err(|error| match error {
        record::Error::Malformed { reason } => {
            let foreign = foreign_format(bytes).map(ToOwned::to_owned);
            Reason::MalformedRecord(foreign.unwrap_or(reason))
        }
        record::Error::Unsupported { version } => Reason::UnsupportedSchema { version },
    })?;
    if record.schema < min_schema {
        return Err(Reason::SchemaTooLow {
            found: record.schema,
            required: min_schema,
        });
    }
    let key_id = key.public.id();
    if record.key_id != key_id.to_string() {
        return Err(Reason::MalformedRecord(format!(
            "its keyID is not {key_id}"
        )));
    }
    if record.digest != current {
        return Err(Reason::ManifestChanged {
            signed: record.digest,
            current,
        });
    }
    let payload = payload(record.schema, reference, current);
    if record
        .payload
        .is_some_and(|stored| stored != BASE64.encode(&payload))
    {
        return Err(Reason::MalformedRecord(
            "its payload is not the bytes that are signed".to_owned(),
        ));
    }
    let signature = BASE64
        .decode(&record.signature)
        .map_err(|error| Reason::Encoding(error.to_string().trim_end_matches('.').to_owned()))?;
    if !key.public.verifies(&payload, &signature) {
        return Err(Reason::InvalidSignature { key_id });
    }
    Ok(Verified {
        schema: record.schema,
        signed_at: record.claims.signed_at,
    })
}
