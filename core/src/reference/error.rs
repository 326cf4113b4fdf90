//! Errors of references, with what to write instead.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::digest;
use crate::digest::Digest;
use crate::explain::Explain;
use crate::reference::correction::{access_point, correction};
use crate::reference::{Reference, Scheme, Slip};
use crate::text::one_line;

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
    #[error("{}", no_scheme(reference))]
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
    #[error("{}", no_digest(pin, reference))]
    Pin {
        /// As it was written.
        reference: String,
        /// The part after the `@`.
        pin: String,
        /// The reason.
        #[source]
        source: digest::Error,
    },
    /// A part of the image or the tag is not safe in an object key or a path.
    #[error("{}", unfit(segment, why))]
    Segment {
        /// The part.
        segment: String,
        /// The reason.
        why: &'static str,
    },
    /// A branch's name, most often.
    #[error("`{tag}` cannot be a tag: it contains a slash")]
    SlashInTag {
        /// As it was written.
        reference: String,
        /// The text after the last `:`.
        tag: String,
    },
    /// A slip of a shell, a script or a CI system.
    #[error("{}", with_slip(reference, slip))]
    Slip {
        /// As it was written.
        reference: String,
        /// The slip.
        slip: Slip,
    },
    /// The record's object key would be longer than S3 allows.
    #[error("the reference is too long: its signature's object key would exceed 1024 bytes")]
    TooLong,
    /// The scheme of no store.
    #[error("unsupported scheme `{}://`", one_line(scheme))]
    UnknownScheme {
        /// The part before `://`.
        scheme: String,
        /// The schemes of the supported stores.
        schemes: Vec<Scheme>,
    },
}

fn with_slip(reference: &str, slip: &Slip) -> String {
    match slip {
        Slip::Empty => "the reference is empty".to_owned(),
        _ => format!("`{reference}` {slip}"),
    }
}

fn no_scheme(reference: &str) -> String {
    match reference.split_once(":/") {
        Some((scheme, _)) if ["s3", "local"].contains(&scheme) => {
            format!("`{reference}` is missing a slash")
        }
        _ => format!("`{reference}` has no scheme, such as `s3://`"),
    }
}

fn no_digest(pin: &str, reference: &str) -> String {
    if pin.is_empty() {
        return format!("there is nothing after the `@` of `{reference}`");
    }
    format!("`{pin}` in `{reference}` is not a digest")
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
        one_line(segment)
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
            Self::Segment { .. } | Self::SlashInTag { .. } | Self::Slip { .. } | Self::TooLong => {
                "bad_reference"
            }
        }
    }

    fn help(&self) -> String {
        if let Some(help) = self.correction() {
            return help;
        }
        match self {
            Self::Bucket { bucket, .. } if bucket.is_empty() => {
                "set the bucket: the variable after `s3://` is empty".to_owned()
            }
            Self::Bucket { .. } => "write the bucket's name alone, as in `s3://my-bucket/myapp:v1.0`".to_owned(),
            Self::DigestOnly { scheme, rest, pin } => format!(
                "name the tag that is signed, and keep the digest as its pin: `{scheme}://{}:TAG@{pin}`",
                one_line(rest)
            ),
            Self::NoImage { .. } => {
                "write bucket, image and tag, as in `s3://my-bucket/myapp:v1.0` or `local://./store/myapp:v1.0`".to_owned()
            }
            Self::NoScheme { reference, schemes } => {
                let form = forms(schemes, reference);
                let parses = form.is_some();
                let form = form.or_else(|| forms(schemes, "IMAGE:TAG")).unwrap_or_default();
                if parses {
                    format!("write {form}")
                } else {
                    format!("a reference is of the form {form}")
                }
            }
            Self::NoTag { reference } if reference.ends_with(':') => {
                format!("name the tag: `{}TAG`\nthe variable after the `:` is empty", one_line(reference))
            }
            Self::NoTag { reference } => format!("name the tag: `{}:TAG`", one_line(reference)),
            Self::NotBuilt { schemes, .. } | Self::UnknownScheme { schemes, .. } => {
                format!("use {}", forms(schemes, "IMAGE:TAG").unwrap_or_default())
            }
            Self::Pin { pin, .. } if pin.is_empty() => {
                "set the digest: the variable after the `@` is empty".to_owned()
            }
            Self::Pin { pin, reference, .. } if format!("sha256:{pin}").parse::<Digest>().is_ok() => {
                let before = reference.strip_suffix(pin.as_str()).unwrap_or_default();
                format!("write `{}sha256:{pin}`", one_line(before))
            }
            Self::SlashInTag { .. } => "use a tag without slashes: the name of a branch (`github.ref_name`) may contain them, a commit (`github.sha`) does not".to_owned(),
            Self::Slip { slip, .. } => slip.help(),
            Self::Pin { .. } => "a pin is `@sha256:` and 64 lower-case hex digits, as `sha256sum manifest.json` prints them".to_owned(),
            Self::Segment { segment, .. } if segment.is_empty() => {
                "set the variable that is empty in it, or remove one of two slashes side by side".to_owned()
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
            | Self::NoTag { reference }
            | Self::SlashInTag { reference, .. } => (reference, known.as_slice()),
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

/// The forms of a reference to `image`, if they are references: `s3://BUCKET/IMAGE:TAG` or …
fn forms(schemes: &[Scheme], image: &str) -> Option<String> {
    let forms = schemes
        .iter()
        .map(|scheme| format!("{scheme}://{}/{image}", scheme.example));
    let forms: Vec<_> = forms.collect();
    let parse = |form: &String| Reference::parse(form, schemes).is_ok();
    let quoted = |form: &String| format!("`{form}`");
    let quoted: Vec<_> = forms.iter().map(quoted).collect();
    forms.iter().all(parse).then(|| quoted.join(" or "))
}
