//! The reasons for which an image does not pass, with their advice.

use s3lo_core::digest;
use s3lo_core::reference;
use s3lo_core::text::clipped_to;

use crate::diagnostic::{Diagnostic, Explain, Fact};
use crate::environment;
use crate::gate::config;
use crate::gate::name::{Fault, Host};
use crate::gate::request;

/// The most characters of a name in a reason, which the kubelet cuts at 1,024.
const MAX_NAME_LEN: usize = 200;

/// The reason for which an image does not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The digest is of another algorithm than SHA-256.
    #[error(
        "`{}` is not a digest that a signature can be about",
        clipped_to(digest, MAX_NAME_LEN)
    )]
    BadDigest {
        /// The digest.
        digest: String,
        /// The reason.
        #[source]
        source: digest::Error,
    },
    /// The name has no tag.
    #[error("`{}` is pulled by its digest alone", clipped_to(image, MAX_NAME_LEN))]
    ByDigest {
        /// The image.
        image: String,
    },
    /// The gate's file is not one.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The name has another digest than the one that it leads to.
    #[error("`{}` leads to {digest}", clipped_to(name, MAX_NAME_LEN))]
    DigestsDiffer {
        /// The name.
        name: String,
        /// The digest.
        digest: String,
    },
    /// A variable that names the gate's file has no valid value.
    #[error(transparent)]
    Environment(#[from] environment::Error),
    /// The name is not one of the grammar.
    #[error(
        "`{}` is not the name of an image: {fault}",
        clipped_to(name, MAX_NAME_LEN)
    )]
    Name {
        /// The name.
        name: String,
        /// The part that is wrong.
        fault: Fault,
    },
    /// The name has neither a tag nor a digest.
    #[error("`{}` has neither a tag nor a digest", clipped_to(name, MAX_NAME_LEN))]
    NoTag {
        /// The name.
        name: String,
    },
    /// No tag of the image has the digest.
    #[error("no tag of `{image}` has the digest {digest}")]
    NoTagWithDigest {
        /// The image in its store.
        image: String,
        /// The digest.
        digest: String,
    },
    /// The image is of a host that the gate's file does not list.
    #[error("`{host}` is not among the hosts of the gate, and `other-images` is `deny`")]
    OtherImage {
        /// The host.
        host: Host,
    },
    /// No image in the store can have this name.
    #[error(transparent)]
    Reference(#[from] reference::Error),
    /// The policy refuses the image.
    #[error("{image}: {reason}")]
    Refused {
        /// The reference, without its pin.
        image: String,
        /// The reason.
        reason: String,
    },
    /// The policy refuses every tag of the image that has the digest.
    #[error("{image}: no tag with this digest passes; of `{tag}`: {reason}")]
    RefusedTags {
        /// The image in its store, with the digest.
        image: String,
        /// The first of the tags.
        tag: String,
        /// The reason for that one.
        reason: String,
    },
    /// The arguments are not those of a verifier.
    #[error(transparent)]
    Request(#[from] request::Error),
    /// The image has more tags than are looked at.
    #[error("`{image}` has more than {most} tags, of which any might have the digest")]
    TooManyTags {
        /// The image in its store.
        image: String,
        /// The most tags that are looked at.
        most: usize,
    },
    /// It cannot be found out whether the image passes.
    #[error("{}", .0.message)]
    Undecided(Box<Diagnostic>),
}

impl Error {
    /// Whether the image was refused. It was not decided otherwise.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::BadDigest { .. }
            | Self::ByDigest { .. }
            | Self::DigestsDiffer { .. }
            | Self::Name { .. }
            | Self::NoTag { .. }
            | Self::NoTagWithDigest { .. }
            | Self::OtherImage { .. }
            | Self::Reference(_)
            | Self::Refused { .. }
            | Self::RefusedTags { .. }
            | Self::TooManyTags { .. } => true,
            Self::Config(_) | Self::Environment(_) | Self::Request(_) | Self::Undecided(_) => false,
        }
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Undecided(Box::new(diagnostic))
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::BadDigest { source, .. } => source.code(),
            Self::ByDigest { .. } => "by_digest",
            Self::Config(error) => error.code(),
            Self::Environment(error) => error.code(),
            Self::DigestsDiffer { .. } | Self::Name { .. } | Self::NoTag { .. } => "bad_image_name",
            Self::NoTagWithDigest { .. } => "no_tag_with_digest",
            Self::OtherImage { .. } => "other_image",
            Self::Reference(error) => error.code(),
            Self::Refused { .. } | Self::RefusedTags { .. } => "image_refused",
            Self::Request(error) => error.code(),
            Self::TooManyTags { .. } => "too_many_tags",
            Self::Undecided(diagnostic) => diagnostic.code,
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Undecided(diagnostic) => diagnostic.facts.clone(),
            Self::Reference(error) => error.facts(),
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::BadDigest { source, .. } => source.help(),
            Self::ByDigest { .. } => {
                "name it by its tag alone, since the kubelet drops the tag of IMAGE:TAG@sha256:…, or set by-digest = \"any-tag\"".to_owned()
            }
            Self::Config(error) => error.help(),
            Self::DigestsDiffer { .. } | Self::Name { .. } | Self::NoTag { .. } => {
                "write HOST/IMAGE:TAG as a pod does".to_owned()
            }
            Self::Environment(error) => error.help(),
            Self::NoTagWithDigest { .. } => {
                "push the image again under a tag, and sign it".to_owned()
            }
            Self::OtherImage { .. } => {
                "add the host to the gate's file, or set other-images = \"allow\"".to_owned()
            }
            Self::Reference(error) => error.help(),
            Self::Refused { .. } | Self::RefusedTags { .. } => {
                "run `s3lo verify` with the same policy for all details".to_owned()
            }
            Self::Request(error) => error.help(),
            Self::TooManyTags { .. } => "name it by its tag".to_owned(),
            Self::Undecided(diagnostic) => diagnostic.help.clone(),
        }
    }
}
