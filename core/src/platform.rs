//! The platforms of an image, for people: nothing here is verified beyond the digest of the bytes it is read from.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use crate::digest::Digest;
use crate::text::clipped;

/// The largest image configuration that is read, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// The most platforms that are named.
const MAX_PLATFORMS: usize = 100;

/// The platforms that a manifest names, or the place where they are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// Those of the images of an index, such as `linux/arm64/v8`.
    Named(Vec<String>),
    /// An image names its platform in its configuration, the blob with this digest.
    InConfig(Digest),
    /// None, or in a form that is not understood.
    Unknown,
}

impl Platforms {
    /// Reads the platforms of a [manifest](crate::manifest::Manifest) from its bytes.
    ///
    /// Attestations, which an index lists as [`unknown/unknown`][a], are no images.
    ///
    /// [a]: https://docs.docker.com/build/metadata/attestations/attestation-storage/
    pub fn of_manifest(bytes: &[u8]) -> Self {
        let Ok(document) = serde_json::from_slice::<Document>(bytes) else {
            return Self::Unknown;
        };
        match (document.manifests, document.config) {
            (Some(images), _) => {
                let platforms = images.into_iter().filter_map(|image| image.platform);
                let names = platforms.filter_map(Platform::name);
                Self::Named(names.take(MAX_PLATFORMS).collect())
            }
            (None, Some(config)) => match config.digest.parse() {
                Ok(digest) => Self::InConfig(digest),
                Err(_) => Self::Unknown,
            },
            (None, None) => Self::Unknown,
        }
    }

    /// Reads the platform of an image from its configuration, whose bytes must have the `expected` digest.
    pub fn of_config(bytes: &[u8], expected: Digest) -> Self {
        if Digest::of(bytes) != expected {
            return Self::Unknown;
        }
        let platform = serde_json::from_slice::<Platform>(bytes).ok();
        match platform.and_then(Platform::name) {
            Some(name) => Self::Named([name].into()),
            None => Self::Unknown,
        }
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    manifests: Option<Vec<Image>>,
    #[serde(default)]
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Config {
    digest: String,
}

/// The [platform][p] of an image.
///
/// [p]: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions
#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Platform {
    fn name(self) -> Option<String> {
        if self.os == "unknown" && self.architecture == "unknown" {
            return None;
        }
        let name = match self.variant.filter(|variant| !variant.is_empty()) {
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
            None => format!("{}/{}", self.os, self.architecture),
        };
        Some(clipped(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_the_platforms_of_its_images() {
        let index = br#"{"manifests":[
            {"platform":{"os":"linux","architecture":"amd64"}},
            {"platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
            {"platform":{"os":"unknown","architecture":"unknown"}},
            {"digest":"sha256:00"}]}"#;
        let names = ["linux/amd64".into(), "linux/arm64/v8".into()];
        assert_eq!(
            Platforms::of_manifest(index),
            Platforms::Named(names.into())
        );
    }

    #[test]
    fn an_image_names_its_platform_in_a_configuration_of_the_right_digest() {
        let config = br#"{"os":"linux","architecture":"amd64"}"#;
        let digest = Digest::of(config);
        let manifest = format!(r#"{{"config":{{"digest":"{digest}"}},"layers":[]}}"#);
        let platforms = Platforms::of_manifest(manifest.as_bytes());
        assert_eq!(platforms, Platforms::InConfig(digest));
        let named = Platforms::Named(["linux/amd64".into()].into());
        assert_eq!(Platforms::of_config(config, digest), named);
        let other = Platforms::of_config(b"{}", digest);
        assert_eq!(other, Platforms::Unknown);
    }

    #[test]
    fn anything_else_is_unknown() {
        for bytes in [
            &b""[..],
            b"[]",
            b"{}",
            br#"{"config":{"digest":"sha256:1"}}"#,
            br#"{"manifests":[1]}"#,
        ] {
            assert_eq!(Platforms::of_manifest(bytes), Platforms::Unknown);
            assert_eq!(
                Platforms::of_config(bytes, Digest::of(bytes)),
                Platforms::Unknown
            );
        }
    }
}
