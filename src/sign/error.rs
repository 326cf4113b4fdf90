//! Errors of signing, with what to do about them.

use s3lo_core::digest::Digest;
use s3lo_core::payload::Schema;
use s3lo_core::reference::Reference;
use s3lo_core::verdict::Reason;

use crate::diagnostic::{Explain, Fact};
use crate::net::clock::SET_CLOCK;
use crate::net::timed_out::TimedOut;
use crate::option_name::option;
use crate::text::quoted;
use crate::{image, key, store};

/// The reason why an image was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is already signed, and `--if-signed` is `fail`.
    #[error("`{}` is already signed by the key `{key}`", reference.name())]
    AlreadySigned {
        /// The image.
        reference: Reference,
        /// The key.
        key: String,
    },
    /// The clock is outside the years that a record can express.
    #[error("this machine's clock shows a year that a signature record cannot hold")]
    Clock,
    /// The store reports one object as existing and as missing.
    #[error(
        "the store refuses to create `{object}`, which exists, and to read it, since it does not"
    )]
    Contradiction {
        /// The object.
        object: String,
    },
    /// A record of a higher schema would be lowered.
    #[error(
        "`{}` is already signed with schema {}, which is stronger than schema {}",
        reference.name(),
        there.version(),
        asked.version()
    )]
    HigherSchema {
        /// The image.
        reference: Reference,
        /// The record's schema.
        there: Schema,
        /// The schema that was asked for.
        asked: Schema,
    },
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The key cannot be opened or does not sign.
    #[error(transparent)]
    Key(#[from] key::error::Error),
    /// A record of a schema that this program does not know would be lost.
    #[error("`{}` has a signature of schema {schema}, which this program does not know", reference.name())]
    LaterSchema {
        /// The image.
        reference: Reference,
        /// The record's `schemaVersion`.
        schema: String,
    },
    /// The object under the tag is not a manifest.
    #[error("`{}` cannot be signed: {reason}", reference.name())]
    Manifest {
        /// The image.
        reference: Reference,
        /// The verifier's reason.
        reason: Reason,
    },
    /// The tag was moved while it was being signed.
    #[error("the tag `{}` moved while it was being signed", reference.name())]
    Moved {
        /// The image.
        reference: Reference,
        /// The digest that was signed.
        from: Digest,
        /// The content of the tag now.
        to: String,
    },
    /// The signature does not verify with the signer's own key.
    #[error("the key `{key}` answered with a signature that does not verify: {reason}")]
    Nonsense {
        /// The key.
        key: String,
        /// The verifier's reason.
        reason: Reason,
    },
    /// The tag has another digest than its pin.
    #[error("the tag `{}` does not hold the image that it is pinned to", reference.name())]
    Pinned {
        /// The image.
        reference: Reference,
        /// The pin.
        pinned: Digest,
        /// The digest under the tag.
        current: Digest,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run's time is up.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// Other signers were faster in every round.
    #[error("the signature of `{}` kept changing while it was being written", reference.name())]
    Unsettled {
        /// The image.
        reference: Reference,
    },
}

impl Error {
    /// Whether a safety check refused, as opposed to a failure.
    pub fn is_guard(&self) -> bool {
        match self {
            Self::AlreadySigned { .. }
            | Self::HigherSchema { .. }
            | Self::LaterSchema { .. }
            | Self::Moved { .. }
            | Self::Pinned { .. } => true,
            Self::Clock
            | Self::Contradiction { .. }
            | Self::Image(_)
            | Self::Key(_)
            | Self::Manifest { .. }
            | Self::Nonsense { .. }
            | Self::Store(_)
            | Self::TimedOut(_)
            | Self::Unsettled { .. } => false,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadySigned { .. } => "already_signed",
            Self::Clock => "clock",
            Self::HigherSchema { .. } | Self::LaterSchema { .. } => "higher_schema",
            Self::Image(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Manifest { .. } => "not_a_manifest",
            Self::Moved { .. } => "tag_moved",
            Self::Nonsense { .. } => "signer_answered_nonsense",
            Self::Pinned { .. } => "digest_mismatch",
            Self::Store(error) => error.code(),
            Self::TimedOut(error) => error.code(),
            Self::Contradiction { .. } | Self::Unsettled { .. } => "unsettled",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Image(error) => error.facts(),
            Self::Key(error) => error.facts(),
            Self::Store(error) => error.facts(),
            Self::TimedOut(error) => error.facts(),
            Self::Moved { from, to, .. } => vec![
                Fact::new("signed", from.to_string()),
                Fact::new("current", to),
            ],
            Self::Pinned {
                pinned, current, ..
            } => vec![
                Fact::new("pinned", pinned.to_string()),
                Fact::new("current", current.to_string()),
            ],
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::AlreadySigned { .. } => {
                format!("nothing to do; to sign again, give {}", option("if-signed").with("replace"))
            }
            Self::Clock => SET_CLOCK.to_owned(),
            Self::HigherSchema { there, .. } => format!(
                "use {}, which keeps that signature\nto replace it with a weaker one, give {}",
                option("schema-version").with(&there.version().to_string()),
                option("if-signed").with("replace")
            ),
            Self::LaterSchema { .. } => format!(
                "sign with a newer release of this program\nto replace that signature, give {}",
                option("if-signed").with("replace")
            ),
            Self::Contradiction { .. } => {
                "contact the operator of the store: this is not another signer".to_owned()
            }
            Self::Image(error) => error.help(),
            Self::Key(error) => error.help(),
            Self::Manifest { .. } => {
                "push the image again\ns3lo signs OCI image manifests and indexes, and Docker schema 2 manifests and lists, of at most 4 MiB".to_owned()
            }
            Self::Moved { .. } => {
                format!(
                    "another push moved this tag: sign what you built by its digest, `REF:TAG@sha256:…` or {}",
                    option("digest").with("sha256:…")
                )
            }
            Self::Nonsense { .. } => {
                "check the key with `s3lo public-key --key KEY`, and report this if it happens again\nnothing was stored".to_owned()
            }
            Self::Pinned { reference, current, .. } => format!(
                "another push moved this tag since your build: push your image again\nonce you know who pushed the other image, and want it, name it: `{}`",
                quoted(&format!("{}@{current}", reference.unpinned()))
            ),
            Self::Store(error) => error.help(),
            Self::TimedOut(error) => error.help(),
            Self::Unsettled { .. } => "run it again: many signers at once were replacing the same record".to_owned(),
        }
    }
}
