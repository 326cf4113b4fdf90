//! An image reference: `s3://BUCKET/IMAGE:TAG` or `local://ROOT/IMAGE:TAG`, optionally pinned by
//! `@sha256:…`, and the object keys that follow from it.
//!
//! A [`Reference`] has only segments that are safe as parts of an object key and of a path, so no other
//! module checks for `..` or a control character again.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

pub use self::error::Error;
pub use self::slip::Slip;
use crate::digest;
use crate::digest::Digest;

mod correction;
mod error;
mod slip;

/// The longest object key that S3 takes, in bytes
/// ([S3 user guide](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)).
const MAX_OBJECT_KEY_LEN: usize = 1024;

/// The longest file name that Linux file systems take, in bytes.
const MAX_SEGMENT_LEN: usize = 255;

/// An image's tag in a store, and the digest that it must have if it is pinned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    scheme: Scheme,
    root: String,
    image: String,
    tag: String,
    pin: Option<Digest>,
}

impl Reference {
    /// The kind of store.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The bucket, or the root directory as it was written (`./store`, `../store`, `/store`).
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The image's name, which may have slashes.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The digest that the tag must have, if the reference is pinned.
    pub fn pin(&self) -> Option<Digest> {
        self.pin
    }

    /// The pin, unless it is `current`.
    pub fn unmet_pin(&self, current: Digest) -> Option<Digest> {
        self.pin.filter(|pinned| *pinned != current)
    }

    /// The same reference, pinned to `digest`.
    pub fn pinned(self, digest: Digest) -> Self {
        Self {
            pin: Some(digest),
            ..self
        }
    }

    /// `image:tag`, for messages.
    pub fn name(&self) -> String {
        format!("{}:{}", self.image, self.tag)
    }

    /// The image under any tag: `s3://BUCKET/IMAGE`.
    pub fn repository(&self) -> String {
        format!("{}://{}/{}", self.scheme, self.root, self.image)
    }

    /// The reference without its pin: `s3://BUCKET/IMAGE:TAG`.
    pub fn unpinned(&self) -> String {
        format!("{}://{}", self.scheme, self.path())
    }

    /// The name that schema 2 binds, with the root as written and without the pin: `bucket/image:tag`, and for any
    /// scheme but the first two `SCHEME://root/image:tag`. So no signature of a bucket is valid in the bucket of the
    /// same name under another scheme.
    pub fn bound_name(&self) -> String {
        match self.scheme {
            Scheme::S3 | Scheme::LOCAL => self.path(),
            _ => self.unpinned(),
        }
    }

    fn path(&self) -> String {
        format!("{}/{}:{}", self.root, self.image, self.tag)
    }

    /// The prefix of an image's tags: `manifests/<image>/`.
    pub fn tags_prefix(&self) -> String {
        format!("manifests/{}/", self.image)
    }

    /// The manifest's object key: `manifests/<image>/<tag>/manifest.json`.
    pub fn manifest_key(&self) -> String {
        format!("manifests/{}/{}/manifest.json", self.image, self.tag)
    }

    /// The prefix of all records of this tag: `manifests/<image>/<tag>/signatures/`.
    pub fn records_prefix(&self) -> String {
        format!("manifests/{}/{}/signatures/", self.image, self.tag)
    }

    /// The object key of one key's record: `manifests/<image>/<tag>/signatures/<keyid>.json`.
    pub fn record_key(&self, key_id: &impl fmt::Display) -> String {
        format!("{}{key_id}.json", self.records_prefix())
    }

    /// `<bucket or root>/<object key>`, for outputs.
    pub fn stored_path(&self, object_key: &str) -> String {
        format!("{}/{object_key}", self.root)
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// Parses a reference to one of the first two kinds of store.
    ///
    /// # Errors
    ///
    /// [`Error`] unless `text` names exactly one tag.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, &[Scheme::S3, Scheme::LOCAL])
    }
}

impl Reference {
    /// Parses a reference to a store of one of these schemes.
    ///
    /// # Errors
    ///
    /// [`Error`] unless `text` names exactly one tag.
    pub fn parse(text: &str, schemes: &[Scheme]) -> Result<Self, Error> {
        if let Some(slip) = Slip::of(text) {
            return Err(Error::Slip {
                reference: text.to_owned(),
                slip,
            });
        }
        let (scheme, rest) = Scheme::split(text, schemes)?;
        let (rest, pin) = split_pin(text, rest)?;
        let (root, path) = split_root(scheme, rest).ok_or_else(|| Error::NoImage {
            reference: text.to_owned(),
        })?;
        scheme.check_root(root, text)?;
        let no_tag = || match pin {
            Some(pin) => Error::DigestOnly {
                scheme,
                rest: rest.to_owned(),
                pin,
            },
            None => Error::NoTag {
                reference: text.to_owned(),
            },
        };
        let (image, tag) = path.rsplit_once(':').ok_or_else(no_tag)?;
        // The last `:` of `registry:5000/app` belongs to the image: there is no tag.
        let is_port = |(before, _): (&str, &str)| before.bytes().all(|byte| byte.is_ascii_digit());
        match tag.split_once('/') {
            Some(parts) if !is_port(parts) => {
                return Err(Error::SlashInTag {
                    reference: text.to_owned(),
                    tag: tag.to_owned(),
                });
            }
            _ if tag.is_empty() || tag.contains('/') => return Err(no_tag()),
            _ => {}
        }
        for segment in image.split('/').chain([tag]) {
            check_segment(segment, segment)?;
        }
        let reference = Self {
            scheme,
            root: root.to_owned(),
            image: image.to_owned(),
            tag: tag.to_owned(),
            pin,
        };
        let longest = reference.record_key(&"0123456789abcdef");
        if longest.len() > MAX_OBJECT_KEY_LEN {
            return Err(Error::TooLong);
        }
        Ok(reference)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.unpinned())?;
        self.pin.iter().try_for_each(|pin| write!(f, "@{pin}"))
    }
}

/// A kind of store that a reference may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scheme {
    /// The text before `://`.
    pub name: &'static str,
    /// The form of a root, for advice.
    pub example: &'static str,
    /// The rule for roots.
    pub root: Root,
}

/// A rule for roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// A bucket, which becomes part of a host's name or of a URL's path.
    Bucket,
    /// A directory: one component, after `/`, `./` or `../`.
    Directory,
}

impl Scheme {
    /// `s3://`: a bucket.
    pub const S3: Self = Self {
        name: "s3",
        example: "BUCKET",
        root: Root::Bucket,
    };

    /// `local://`: a directory.
    pub const LOCAL: Self = Self {
        name: "local",
        example: "DIRECTORY",
        root: Root::Directory,
    };

    fn split<'a>(text: &'a str, schemes: &[Self]) -> Result<(Self, &'a str), Error> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::NoScheme {
                reference: text.to_owned(),
                schemes: schemes.to_vec(),
            });
        };
        if let Some(known) = schemes.iter().find(|known| known.name == scheme) {
            return Ok((*known, rest));
        }
        let (scheme, service) = match scheme {
            "gs" => ("gs", "Google Cloud Storage"),
            "az" => ("az", "Azure Blob Storage"),
            other => {
                return Err(Error::UnknownScheme {
                    scheme: other.to_owned(),
                    schemes: schemes.to_vec(),
                });
            }
        };
        Err(Error::NotBuilt {
            scheme,
            service,
            schemes: schemes.to_vec(),
        })
    }

    fn check_root(self, root: &str, text: &str) -> Result<(), Error> {
        match self.root {
            Root::Directory => check_segment(local_component(root).1, root),
            // A wider alphabet could change the host or the query of a request. Legacy buckets in
            // us-east-1 may have capitals, underscores and up to 255 characters.
            Root::Bucket => {
                let valid = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
                if root.len() > 255
                    || !root.bytes().all(valid)
                    || check_segment(root, root).is_err()
                {
                    return Err(Error::Bucket {
                        bucket: root.to_owned(),
                        reference: text.to_owned(),
                    });
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Splits `@sha256:…` off the end. An `@` before another algorithm's digest, or a second one, is refused
/// rather than read as part of the tag.
fn split_pin<'a>(text: &str, rest: &'a str) -> Result<(&'a str, Option<Digest>), Error> {
    let wrong = |pin: &str, source| Error::Pin {
        reference: text.to_owned(),
        pin: pin.to_owned(),
        source,
    };
    let (before, pin) = match rest.rsplit_once('@') {
        // An empty variable would otherwise turn a pin into a tag that anyone can create.
        Some((before, pin)) if pin.is_empty() || looks_like_digest(pin) => {
            let digest = pin.parse().map_err(|source| wrong(pin, source))?;
            (before, Some(digest))
        }
        _ => (rest, None),
    };
    match before
        .split('@')
        .skip(1)
        .find(|part| part.is_empty() || looks_like_digest(part))
    {
        Some(second) => Err(wrong(second, digest::Error::NotLast)),
        None => Ok((before, pin)),
    }
}

fn looks_like_digest(text: &str) -> bool {
    // As `git` shortens hashes, and in full without its algorithm: no tag holds an `@`.
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.len() >= 6 && is_hex(text))
        || text.split_once(':').is_some_and(|(algorithm, hex)| {
            let start = algorithm.get(..3);
            start.is_some_and(|start| start.eq_ignore_ascii_case("sha"))
                || (hex.len() >= 32 && is_hex(hex))
        })
}

/// Splits the bucket, or the one path component that is a local root, from the image.
fn split_root(scheme: Scheme, rest: &str) -> Option<(&str, &str)> {
    let prefix = match scheme.root {
        Root::Directory => local_component(rest).0.len(),
        Root::Bucket => 0,
    };
    let slash = rest.get(prefix..)?.find('/')?.checked_add(prefix)?;
    let path = rest.get(slash.checked_add(1)?..)?;
    (!path.is_empty()).then_some((rest.get(..slash)?, path))
}

/// `./store` → (`./`, `store`). A root keeps its prefix, since schema 2 binds it as written.
fn local_component(root: &str) -> (&str, &str) {
    ["./", "../", "/"]
        .into_iter()
        .find_map(|prefix| Some((prefix, root.strip_prefix(prefix)?)))
        .unwrap_or(("", root))
}

/// Checks a part of an object key, or of a directory's name. A fault is reported about `shown`.
fn check_segment(segment: &str, shown: &str) -> Result<(), Error> {
    let why = match segment {
        "" => "it is empty",
        "." | ".." => "it would name another directory",
        _ if segment.contains(['/', '\\']) => "it holds a slash or backslash",
        _ if segment.contains(char::is_control) => "it holds a control character",
        // The names of temporary files in a directory store.
        _ if segment.starts_with(".s3lo.") && segment.ends_with(".tmp") => {
            "it is a name that this program uses itself"
        }
        _ if segment.len() > MAX_SEGMENT_LEN => "it is longer than 255 bytes",
        _ => return Ok(()),
    };
    Err(Error::Segment {
        segment: shown.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn parse(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn the_bucket_ends_at_the_first_slash() {
        let reference = parse("s3://my-bucket/team/myapp:v1.0");
        assert_eq!(reference.root(), "my-bucket");
        assert_eq!(reference.image(), "team/myapp");
        assert_eq!(reference.tag(), "v1.0");
        assert_eq!(
            reference.manifest_key(),
            "manifests/team/myapp/v1.0/manifest.json"
        );
        assert_eq!(
            reference.stored_path(&reference.record_key(&"3b780f64bd6940e1")),
            "my-bucket/manifests/team/myapp/v1.0/signatures/3b780f64bd6940e1.json"
        );
    }

    #[test]
    fn a_local_root_is_one_component_with_its_prefix_kept() {
        for (text, root, image) in [
            ("local://./store/org/app:v1", "./store", "org/app"),
            ("local://../store/app:v1", "../store", "app"),
            ("local:///store/app:v1", "/store", "app"),
            ("local://store/app:v1", "store", "app"),
        ] {
            let reference = parse(text);
            assert_eq!(
                (reference.root(), reference.image()),
                (root, image),
                "{text}"
            );
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn a_further_scheme_is_part_of_the_bound_name() {
        let gcs = Scheme {
            name: "gs",
            example: "BUCKET",
            root: Root::Bucket,
        };
        let reference = Reference::parse("gs://b/app:v1", &[Scheme::S3, gcs]).unwrap();
        assert_eq!(reference.bound_name(), "gs://b/app:v1");
        assert_eq!(reference.to_string(), "gs://b/app:v1");
        assert_eq!(parse("s3://b/app:v1").bound_name(), "b/app:v1");
        assert_eq!(parse("local://b/app:v1").bound_name(), "b/app:v1");
    }

    #[test]
    fn a_pin_is_taken_off_before_the_tag() {
        let digest = Digest::of(b"");
        let reference = parse(&format!("s3://b/app:v1@{digest}"));
        assert_eq!(reference.tag(), "v1");
        assert_eq!(reference.pin(), Some(digest));
        assert_eq!(reference.bound_name(), "b/app:v1");
        assert_eq!(parse("s3://b/app:v1").pinned(digest), reference);
    }
}
