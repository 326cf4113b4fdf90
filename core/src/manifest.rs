//! The manifest whose digest is signed: parsed from its exact bytes.
//!
//! An OCI image [manifest][m] or [index][i], or a Docker schema 2 manifest or manifest list. A
//! document that could be read as both an image and an index is refused (the confusion of
//! [CVE-2021-41190][cve]), with its names read as Go reads them, in which containerd, Docker and s3lo are written.
//! Go writes an empty list as `null`, and s3lo signs manifests without one: `layers` and `manifests` may be absent or
//! null.
//!
//! [m]: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
//! [i]: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
//! [cve]: https://github.com/opencontainers/image-spec/security/advisories/GHSA-77vh-xpmg-72qh

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::digest::Digest;
use crate::json;
use crate::text::{clipped, one_line};

/// The largest manifest that is read, in bytes.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A manifest's media type and digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    media_type: MediaType,
    digest: Digest,
}

impl Manifest {
    /// Reads a manifest from the exact bytes that were stored.
    ///
    /// # Errors
    ///
    /// [`Error`] if they are not one of the four kinds of manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let shape: Shape = json::object_as_go(bytes).map_err(|error| Error::Json {
            reason: clipped(&error.to_string()),
        })?;
        Ok(Self {
            media_type: shape.media_type()?,
            digest: Digest::of(bytes),
        })
    }

    /// The SHA-256 of the bytes that were parsed.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The media type.
    pub fn media_type(&self) -> MediaType {
        self.media_type
    }
}

/// Finds one of the digests among all texts of a manifest: those of an index's children, of the config and the layers,
/// under whatever name. The tools that read the manifest after this program may read its names differently.
///
/// # Errors
///
/// [`Error`] if the bytes are not JSON, or nested too deep to look at all of it.
pub fn mentioned(bytes: &[u8], digests: &[Digest]) -> Result<Option<Digest>, Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut found = None;
    let look = json::Texts(&mut |text| {
        let mut all = digests.iter();
        found = found.or_else(|| all.find(|digest| text == digest.to_string()).copied());
    });
    DeserializeSeed::deserialize(look, &mut json).map_err(|error| Error::Json {
        reason: clipped(&error.to_string()),
    })?;
    Ok(found)
}

/// The media types that can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/vnd.docker.distribution.manifest.v2+json`
    DockerManifest,
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    DockerManifestList,
    /// `application/vnd.oci.image.index.v1+json`
    OciIndex,
    /// `application/vnd.oci.image.manifest.v1+json`
    OciManifest,
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerManifestList => "application/vnd.docker.distribution.manifest.list.v2+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
        })
    }
}

impl MediaType {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "application/vnd.docker.distribution.manifest.v2+json" => Self::DockerManifest,
            "application/vnd.docker.distribution.manifest.list.v2+json" => Self::DockerManifestList,
            "application/vnd.oci.image.index.v1+json" => Self::OciIndex,
            "application/vnd.oci.image.manifest.v1+json" => Self::OciManifest,
            _ => return None,
        })
    }

    fn is_list(self) -> bool {
        match self {
            Self::DockerManifest | Self::OciManifest => false,
            Self::DockerManifestList | Self::OciIndex => true,
        }
    }
}

/// The reason why bytes are not a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has the fields of an image and those of an index.
    #[error("it could be read as an image and as an index")]
    Ambiguous,
    /// It is not the JSON of a manifest.
    #[error("it is not the JSON of an OCI or Docker manifest: {reason}")]
    Json {
        /// The parser's message.
        reason: String,
    },
    /// It declares a media type that is not a manifest's.
    #[error(
        "its media type is `{}`, not that of an OCI or Docker manifest",
        one_line(name)
    )]
    MediaType {
        /// The declared type.
        name: String,
    },
    /// Its `schemaVersion` is not 2.
    #[error("its schemaVersion is {version}, not 2")]
    SchemaVersion {
        /// The declared version.
        version: u64,
    },
    /// It has neither a `config` nor `manifests`.
    #[error("it has neither the `config` of an image nor the `manifests` of an index")]
    Shapeless,
}

impl Error {
    fn json(reason: &str) -> Self {
        Self::Json {
            reason: reason.to_owned(),
        }
    }
}

/// The fields that distinguish an image from an index. serde refuses duplicates of them.
#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "schemaVersion", default)]
    schema_version: Kind,
    #[serde(rename = "mediaType", default)]
    media_type: Kind,
    #[serde(default)]
    config: Kind,
    #[serde(default)]
    layers: Kind,
    #[serde(default)]
    manifests: Kind,
    /// The layers of Docker's schema 1, which
    /// [containerd refuses](https://github.com/containerd/containerd/security/advisories/GHSA-5j5w-g665-5m35) in any
    /// other manifest.
    #[serde(rename = "fsLayers", default)]
    fs_layers: Kind,
}

impl Shape {
    fn media_type(self) -> Result<MediaType, Error> {
        // A type that cannot be signed explains the absence of everything else: the artifact manifest of a draft of
        // OCI 1.1 has no schemaVersion.
        let named = match self.media_type {
            Kind::Text(name) => match MediaType::from_name(&name) {
                Some(media_type) => Some(media_type),
                None => return Err(Error::MediaType { name }),
            },
            // OCI lets the media type be absent; the shape then decides.
            Kind::Absent | Kind::Null => None,
            _ => return Err(Error::json("mediaType is not a string")),
        };
        match self.schema_version {
            Kind::Integer(2) => {}
            Kind::Integer(version) => return Err(Error::SchemaVersion { version }),
            Kind::Absent => return Err(Error::json("it has no schemaVersion")),
            _ => return Err(Error::json("schemaVersion is not an integer")),
        }
        for (name, list) in [
            ("layers", &self.layers),
            ("manifests", &self.manifests),
            ("fsLayers", &self.fs_layers),
        ] {
            if !list.is_list() && !list.is_empty() {
                return Err(Error::json(&format!("{name} is not a list")));
            }
        }
        let is_image = match self.config {
            Kind::Object => true,
            Kind::Absent | Kind::Null => false,
            _ => return Err(Error::json("config is not an object")),
        };
        let has_layers = self.layers.is_list();
        let is_index = self.manifests.is_list();
        let shape = match named.map(MediaType::is_list) {
            _ if self.fs_layers.is_list() => return Err(Error::Ambiguous),
            _ if is_index && (is_image || has_layers) => return Err(Error::Ambiguous),
            Some(false) if is_index => return Err(Error::Ambiguous),
            Some(true) if is_image || has_layers => return Err(Error::Ambiguous),
            Some(true) => MediaType::OciIndex,
            _ if is_image => MediaType::OciManifest,
            None if is_index => MediaType::OciIndex,
            // An index of Go without children, and nothing of an image.
            None if matches!(self.manifests, Kind::Null) && !has_layers => MediaType::OciIndex,
            _ => return Err(Error::Shapeless),
        };
        Ok(named.unwrap_or(shape))
    }
}

/// The kind of a field's value. serde's own errors quote a value of the wrong type in full, which may be
/// megabytes.
#[derive(Default)]
enum Kind {
    #[default]
    Absent,
    Integer(u64),
    List,
    Null,
    Object,
    Other,
    /// The beginning of the text: no media type is longer.
    Text(String),
}

impl Kind {
    fn is_list(&self) -> bool {
        matches!(self, Self::List)
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Absent | Self::Null)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Kind, E> {
        Ok(Kind::Integer(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(clipped(text)))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kind::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Kind::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_decides_where_no_media_type_is_given() {
        let image = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        let index = br#"{"schemaVersion":2,"manifests":[]}"#;
        assert_eq!(
            Manifest::parse(image).unwrap().media_type(),
            MediaType::OciManifest
        );
        assert_eq!(
            Manifest::parse(index).unwrap().media_type(),
            MediaType::OciIndex
        );
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_and_not_of_their_meaning() {
        let spaced = br#"{ "schemaVersion": 2, "manifests": [] }"#;
        let dense = br#"{"schemaVersion":2,"manifests":[]}"#;
        assert_ne!(
            Manifest::parse(spaced).unwrap().digest(),
            Manifest::parse(dense).unwrap().digest()
        );
    }

    #[test]
    fn a_document_that_could_be_both_is_refused() {
        for text in [
            r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#,
            r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":{},"layers":[]}"#,
        ] {
            assert_eq!(
                Manifest::parse(text.as_bytes()),
                Err(Error::Ambiguous),
                "{text}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = format!(
            "{}{}",
            r#"{"schemaVersion":2,"config":"#,
            "[".repeat(100_000)
        );
        assert!(matches!(
            Manifest::parse(deep.as_bytes()),
            Err(Error::Json { .. })
        ));
    }
}
