//! The gate of a node: decides whether containerd may pull an image.
//!
//! containerd runs the program for each pull, with the name of the image and the digest that it leads to. The digest is
//! the pin: it is what containerd then fetches, and everything below it is checked against it. The name leads to the
//! reference in the store, whose signatures the policy judges. Children of an index are not asked about.
//!
//! Nothing is remembered from one pull to the next, and nothing is set up for an image of another host.

pub mod check;
pub mod config;
mod error;
pub mod name;
mod policy;
pub mod position;
pub mod request;
mod tags;

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join;
use s3lo_core::digest::Digest;
use s3lo_core::reference::Reference;
use tokio::time::Instant;

use crate::aws::config::Settings;
use crate::context::{Context, Passwords};
use crate::diagnostic::Diagnostic;
use crate::gate::config::{ByDigest, Config, OtherImages};
pub use crate::gate::error::Error;
use crate::gate::name::{Host, ImageName};
use crate::gate::policy::OpenPolicy;
use crate::gate::request::Request;
use crate::image::Image;
use crate::mask::Mask;
use crate::net::timed_out::until;
use crate::store::backend::Stores;

/// The time for a decision. containerd kills a verifier after ten seconds, and then shows no reason.
pub const TIME_LIMIT: Duration = Duration::from_secs(8);

/// An image that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The image is of a host that the gate's file does not list.
    OtherImage(Host),
    /// The policy accepts it.
    Verified(Reference),
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherImage(host) => write!(f, "{host} is not among the hosts of the gate"),
            Self::Verified(reference) => write!(f, "{reference} is verified"),
        }
    }
}

/// The first half of a decision, for which nothing but the name is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// The image passes as it is.
    Passed(Passed),
    /// The image has to pass the policy.
    Subject(Subject),
}

/// An image that has to pass the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The tag that was named, or one of the image's that stands for all.
    reference: Reference,
    digest: Digest,
    /// Whether any of the image's tags will do.
    any_tag: bool,
}

/// A tag that stands for all tags of an image, of which none is named.
const SOME_TAG: &str = "latest";

/// Finds out what an image has to pass.
///
/// # Errors
///
/// [`Error`] if it is refused for its name or digest alone.
pub fn examine(request: &Request, config: &Config) -> Result<Examined, Error> {
    let name = ImageName::parse(&request.name).map_err(|fault| Error::Name {
        name: request.name.clone(),
        fault,
    })?;
    if name
        .digest
        .as_ref()
        .is_some_and(|digest| *digest != request.digest)
    {
        return Err(Error::DigestsDiffer {
            name: request.name.clone(),
            digest: request.digest.clone(),
        });
    }
    let Some(entry) = config.entry(&name.host) else {
        return match config.other_images {
            OtherImages::Allow => Ok(Examined::Passed(Passed::OtherImage(name.host))),
            OtherImages::Deny => Err(Error::OtherImage { host: name.host }),
        };
    };
    let digest = request.digest.parse();
    let digest = digest.map_err(|source| Error::BadDigest {
        digest: request.digest.clone(),
        source,
    })?;
    let any_tag = name.tag.is_none();
    if any_tag && name.digest.is_none() {
        return Err(Error::NoTag {
            name: request.name.clone(),
        });
    }
    if any_tag && config.by_digest == ByDigest::Deny {
        return Err(Error::ByDigest {
            image: format!("{}/{}", name.host, name.repository),
        });
    }
    let tag = name.tag.as_deref().unwrap_or(SOME_TAG);
    Ok(Examined::Subject(Subject {
        reference: entry.reference(&name, tag)?,
        digest,
        any_tag,
    }))
}

impl Subject {
    /// Has the policy decide, by `deadline`.
    ///
    /// # Errors
    ///
    /// [`Error`] if the policy refuses the image, or that cannot be found out.
    pub async fn decide(self, config: &Config, deadline: Instant) -> Result<Passed, Error> {
        let decided = until(deadline, pin!(self.decided(config, deadline))).await;
        decided.unwrap_or_else(|error| Err(Diagnostic::new(&error).into()))
    }

    /// The image, for messages.
    fn shown(&self) -> String {
        match self.any_tag {
            true => format!("{}@{}", self.reference.repository(), self.digest),
            false => self.reference.unpinned(),
        }
    }

    async fn decided(self, config: &Config, deadline: Instant) -> Result<Passed, Error> {
        let settings = Settings {
            options: config.aws.clone(),
            mask: Mask::default(),
            deadline,
        };
        let context = Context::new(settings, Passwords::default());
        let file = policy::load(&config.policy).await?;
        // Nothing has to be read for it.
        if let Some(reason) = file.refusal(&self.reference) {
            return Err(Error::Refused {
                image: self.shown(),
                reason: reason.to_string(),
            });
        }
        let policy = OpenPolicy::open(file, &self.reference, &context).await?;
        let mut stores = Stores::new();
        let opened = config.stores.open(&self.reference, &context, &mut stores);
        let image = Image {
            store: opened.await?,
            reference: self.reference,
        };
        // A key in a service asks for the credentials too.
        let assume = async {
            match context.configured_aws() {
                Some(aws) => aws.assume().await,
                None => Ok(()),
            }
        };
        let (assumed, ()) = join(assume, policy.log_in()).await;
        let decided = match assumed {
            Err(error) => Err(Diagnostic::new(&error).into()),
            Ok(()) if self.any_tag => tags::any(&image, self.digest, &policy, deadline).await,
            Ok(()) => decide(image, self.digest, &policy, deadline).await,
        };
        policy.close().await;
        decided
    }
}

/// Has the policy decide about one tag, which has to hold `digest`.
async fn decide(
    image: Image,
    digest: Digest,
    policy: &OpenPolicy,
    deadline: Instant,
) -> Result<Passed, Error> {
    let image = Image {
        reference: image.reference.pinned(digest),
        ..image
    };
    match policy.decide(&image, deadline).await {
        Ok(None) => Ok(Passed::Verified(image.reference)),
        Ok(Some(reason)) => Err(Error::Refused {
            image: image.reference.unpinned(),
            reason: reason.to_string(),
        }),
        Err(error) => Err(Diagnostic::new(&error)
            .about("image", image.reference.unpinned())
            .into()),
    }
}

#[cfg(test)]
mod tests;
