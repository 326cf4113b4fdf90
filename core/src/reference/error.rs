//! Errors of references, with what to write instead.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::digest;
use crate::digest::Digest;
use crate::explain::Explain;
use crate::reference::Scheme;
use crate::reference::correction::{access_point, correction};

/// The reason why a text is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bucket has characters that no bucket name has.
    #[error("{}", no_bucket(bucket, reference))]
    Bucket {
        /// As it was written.
        bucket: String,
        /// All of it.
        reference: String,
    },
    /// `…/app@sha256:…`: a digest without a tag.
    #[error("`{scheme}://{rest}@{pin}` names a digest but no tag")]
    DigestOnly {
        /// The reference's scheme.
        scheme: Scheme,
        /// The part between scheme and digest.
        rest: String,
        /// The digest.
        pin: Digest,
    },
    /// The bucket or root is not followed by an image.
    #[error("`{reference}` names no image")]
    NoImage {
        /// As it was written.
        reference: String,
    },
    /// There is no `://`.
    #[error("`{reference}` has no scheme")]
    NoScheme {
        /// As it was written.
        reference: String,
        /// The schemes of the supported stores.
        schemes: Vec<Scheme>,
    },
    /// There is no tag.
    #[error("`{reference}` has no tag")]
    NoTag {
        /// As it was written.
        reference: String,
    },
    /// A store that others support and this program does not yet.
    #[error("{service} (`{scheme}://`) is not supported yet")]
    NotBuilt {
        /// `gs` or `az`.
        scheme: &'static str,
        /// The service's name.
        service: &'static str,
        /// The schemes of the supported stores.
        schemes: Vec<Scheme>,
    },
    /// The part after the `@` is not a digest.
    #[error("`{pin}` in `{reference}` is not a digest")]
    Pin {
        /// As it was written.
        reference: String,
        /// The part after the `@`.
        pin: String,
        /// What is wrong with it.
        #[source]
        source: digest::Error,
    },
    /// A part of the image or the tag is not safe in an object key or a path.
    #[error("{}", unfit(segment, why))]
    Segment {
        /// The part.
        segment: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The record's object key would be longer than S3 allows.
    #[error("the reference is too long: its signature's object key would exceed 1024 bytes")]
    TooLong,
    /// The scheme of no store.
    #[error("unsupported scheme `{}://`", scheme.escape_debug())]
    UnknownScheme {
        /// The part before `://`.
        scheme: String,
        /// The schemes of the supported stores.
        schemes: Vec<Scheme>,
    },
}

fn no_bucket(bucket: &str, reference: &str) -> String {
    if bucket.is_empty() {
        return format!("`{reference}` names no bucket");
    }
    format!("`{bucket}` is not a bucket name")
}

fn unfit(segment: &str, why: &str) -> String {
    if segment.is_empty() {
        return "a part of the reference is empty".to_owned();
    }
    format!(
        "`{}` cannot be part of a reference: {why}",
        segment.escape_debug()
    )
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Bucket { .. } => "bad_bucket",
            Self::DigestOnly { .. } | Self::NoTag { .. } => "no_tag",
            Self::NoImage { .. } => "no_image",
            Self::NoScheme { .. } | Self::NotBuilt { .. } | Self::UnknownScheme { .. } => {
                "unknown_scheme"
            }
            Self::Pin { .. } => "bad_digest",
            Self::Segment { .. } | Self::TooLong => "bad_reference",
        }
    }

    fn help(&self) -> String {
        if let Some(help) = self.correction() {
            return help;
        }
        match self {
            Self::Bucket { bucket, .. } if bucket.is_empty() => {
                "set the bucket: the variable behind `s3://` came out empty".to_owned()
            }
            Self::Bucket { .. } => "write the bucket's name alone, as in `s3://my-bucket/myapp:v1.0`".to_owned(),
            Self::DigestOnly { scheme, rest, pin } => format!(
                "name the tag that is signed, and keep the digest as its pin: `{scheme}://{rest}:TAG@{pin}`"
            ),
            Self::NoImage { .. } => {
                "write bucket, image and tag, as in `s3://my-bucket/myapp:v1.0` or `local://./store/myapp:v1.0`".to_owned()
            }
            Self::NoScheme { reference, schemes } => format!("write {}", forms(schemes, reference)),
            Self::NoTag { reference } if reference.ends_with(':') => {
                format!("name the tag: `{reference}TAG`; a variable behind the `:` came out empty")
            }
            Self::NoTag { reference } => format!("name the tag: `{reference}:TAG`"),
            Self::NotBuilt { schemes, .. } | Self::UnknownScheme { schemes, .. } => {
                format!("use {}", forms(schemes, "IMAGE:TAG"))
            }
            Self::Pin { pin, .. } if pin.is_empty() => {
                "set the digest: the variable behind `@` came out empty".to_owned()
            }
            Self::Pin { .. } => "a pin is `@sha256:` and 64 lower-case hex digits, as `sha256sum manifest.json` prints them".to_owned(),
            Self::Segment { segment, .. } if segment.is_empty() => {
                "a variable in it came out empty, or two slashes stand side by side".to_owned()
            }
            Self::Segment { .. } => {
                "use names without empty parts, `.`, `..`, backslashes and control characters, of at most 255 bytes each".to_owned()
            }
            Self::TooLong => "shorten the image's name or the tag".to_owned(),
        }
    }
}

impl Error {
    /// Advice that names the very reference, where that is clear.
    fn correction(&self) -> Option<String> {
        let known = [Scheme::S3, Scheme::LOCAL];
        let (text, schemes) = match self {
            Self::NoScheme { reference, schemes } => (reference, schemes.as_slice()),
            Self::Bucket { reference, .. }
            | Self::NoImage { reference }
            | Self::NoTag { reference } => (reference, known.as_slice()),
            _ => return None,
        };
        if let Some(corrected) = correction(text, schemes) {
            return Some(format!("write `{corrected}`"));
        }
        let [region, account, name] = access_point(text)?;
        Some(format!(
            "write the alias of the access point in place of its ARN, which ends in `-s3alias`: `aws s3control get-access-point --region {region} --account-id {account} --name {name} --query Alias` prints it"
        ))
    }
}

/// The forms of a reference to `image`: `s3://BUCKET/IMAGE:TAG` or …
fn forms(schemes: &[Scheme], image: &str) -> String {
    let forms = schemes
        .iter()
        .map(|scheme| format!("`{scheme}://{}/{image}`", scheme.example));
    forms.collect::<Vec<_>>().join(" or ")
}
