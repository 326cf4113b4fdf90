//! What to write instead of a reference that is none.

use s3lo_core::digest;
use s3lo_core::reference::Error;

use crate::diagnostic::Explain;

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
        match self {
            Self::Bucket { .. } => "write the bucket's name alone, as in `s3://my-bucket/myapp:v1.0`".to_owned(),
            Self::DigestOnly { scheme, rest, pin } => format!(
                "name the tag that is signed, and keep the digest as its pin: `{scheme}://{rest}:TAG@{pin}`"
            ),
            Self::NoImage { .. } => {
                "write bucket, image and tag, as in `s3://my-bucket/myapp:v1.0` or `local://./store/myapp:v1.0`".to_owned()
            }
            Self::NoScheme { reference } => format!("write `s3://BUCKET/{reference}` or `local://DIRECTORY/{reference}`"),
            Self::NoTag { reference } if reference.ends_with(':') => {
                format!("name the tag: `{reference}TAG`; a variable behind the `:` came out empty")
            }
            Self::NoTag { reference } => format!("name the tag: `{reference}:TAG`"),
            Self::NotBuilt { .. } | Self::UnknownScheme { .. } => {
                "use `s3://BUCKET/IMAGE:TAG` or `local://DIRECTORY/IMAGE:TAG`".to_owned()
            }
            Self::Pin { pin, .. } if pin.is_empty() => {
                "set the digest: the variable behind `@` came out empty".to_owned()
            }
            Self::Pin { .. } => "a pin is `@sha256:` and 64 lower-case hex digits, as `sha256sum manifest.json` prints them".to_owned(),
            Self::Segment { .. } => {
                "use names without empty parts, `.`, `..`, backslashes and control characters, of at most 255 bytes each".to_owned()
            }
            Self::TooLong => "shorten the image's name or the tag".to_owned(),
        }
    }
}

impl Explain for digest::Error {
    fn code(&self) -> &'static str {
        "bad_digest"
    }

    fn help(&self) -> String {
        "write `sha256:` and 64 lower-case hex digits, as `sha256sum manifest.json` prints them"
            .to_owned()
    }
}
