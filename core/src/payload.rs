//! The bytes that are signed.
//!
//! | schema | bytes |
//! |---|---|
//! | 1 | `sha256:<64 hex>\n` |
//! | 2 | `s3lo-signature-v2\n<bucket or root>/<image>:<tag>\nsha256:<64 hex>\n` |
//!
//! Schema 1 does not bind the tag. Schema 2 does, but not the scheme, the endpoint or the time.
//! Both are injective: a segment of a [`Reference`] has no newline, an image's segment no slash and
//! a tag no colon, so two references with different names never share a payload.

use crate::digest::Digest;
use crate::reference::Reference;
use alloc::format;
use alloc::vec::Vec;

/// The version of payload and record. Ordered: a later schema binds more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Schema {
    /// Binds the digest alone.
    #[default]
    V1,
    /// Binds bucket, image and tag as well.
    V2,
}

impl Schema {
    /// The `schemaVersion` of a record.
    pub fn version(self) -> u64 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The schema with this `schemaVersion`, if it is known.
    pub fn from_version(version: u64) -> Option<Self> {
        match version {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }
}

/// The bytes that a signature of `digest` under `reference` covers.
pub fn payload(schema: Schema, reference: &Reference, digest: Digest) -> Vec<u8> {
    match schema {
        Schema::V1 => format!("{digest}\n"),
        Schema::V2 => format!("s3lo-signature-v2\n{}\n{digest}\n", reference.bound_name()),
    }
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn schema_1_is_the_digest_and_a_newline() {
        let reference = "s3://b/app:v1".parse().unwrap();
        let bytes = payload(Schema::V1, &reference, EMPTY.parse().unwrap());
        assert_eq!(bytes, format!("{EMPTY}\n").into_bytes());
    }

    #[test]
    fn schema_2_binds_the_name_as_written_without_scheme_or_pin() {
        let reference = format!("local://./store/org/app:v1@{EMPTY}")
            .parse()
            .unwrap();
        let bytes = payload(Schema::V2, &reference, EMPTY.parse().unwrap());
        let expected = format!("s3lo-signature-v2\n./store/org/app:v1\n{EMPTY}\n");
        assert_eq!(bytes, expected.into_bytes());
    }
}
