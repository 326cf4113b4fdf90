//! The record: the JSON object beside a manifest that carries a key's signature.
//!
//! Written compact, in a fixed order, byte for byte as s3lo writes it. Read strictly: a field that
//! carries meaning must be there once, in the right type, and in one spelling: s3lo's reader takes no notice
//! of case. `keyRef`, `algorithm` and `signedAt` are not signed; they are for display alone and
//! may be anything.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::crypto::algorithm::Algorithm;
use crate::crypto::public::KeyId;
use crate::digest::Digest;
use crate::payload::Schema;
use crate::text::clipped;
use crate::{digest, json};

/// The largest record that is read, in bytes.
pub const MAX_BYTES: u64 = 64 * 1024;

/// A signature over a payload, with the fields that describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The schema of the payload that was signed.
    pub schema: Schema,
    /// The manifest's digest.
    pub digest: Digest,
    /// The key's ID, as written.
    pub key_id: String,
    /// The signature, base64.
    pub signature: String,
    /// Schema 1: the payload, base64.
    pub payload: Option<String>,
    /// The fields that are not signed.
    pub claims: Claims,
}

/// The fields on which no verdict depends; `None` if absent or of another type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The key reference that the signer was given.
    pub key_ref: Option<String>,
    /// The algorithm's label. s3lo writes `ECDSA_SHA_256` for every curve.
    pub algorithm: Option<String>,
    /// The time at which the signer claims to have signed.
    pub signed_at: Option<Timestamp>,
}

impl Record {
    /// Makes the record of a new signature.
    #[must_use]
    pub fn new(
        schema: Schema,
        digest: Digest,
        payload: &[u8],
        signature: &[u8],
        key: (&str, KeyId, Algorithm),
        signed_at: Timestamp,
    ) -> Self {
        let (key_ref, key_id, algorithm) = key;
        Self {
            schema,
            digest,
            key_id: key_id.to_string(),
            signature: BASE64.encode(signature),
            payload: match schema {
                Schema::V1 => Some(BASE64.encode(payload)),
                Schema::V2 => None,
            },
            claims: Claims {
                key_ref: Some(key_ref.to_owned()),
                algorithm: Some(algorithm.label().to_owned()),
                signed_at: Some(signed_at),
            },
        }
    }

    /// Reads a stored record.
    ///
    /// # Errors
    ///
    /// [`Error`] if the bytes are not a record of a schema that this program knows.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        // The version first: a record of a later schema is unsupported, not malformed.
        let Version { schema_version } = json::object_read_alike(bytes)?;
        let schema = match schema_version.as_u64() {
            Some(version) => Schema::from_version(version).ok_or_else(|| Error::Unsupported {
                version: version.to_string(),
            })?,
            None if schema_version.is_i64() => {
                return Err(Error::Unsupported {
                    version: schema_version.to_string(),
                });
            }
            None => return Err(Error::malformed("schemaVersion is not an integer")),
        };
        let stored: Stored = json::object_read_alike(bytes)?;
        match (schema, &stored.payload) {
            (Schema::V1, None) => return Err(Error::malformed("payload is missing")),
            (Schema::V2, Some(_)) => {
                return Err(Error::malformed("a schema 2 record has no payload"));
            }
            (Schema::V1, Some(_)) | (Schema::V2, None) => {}
        }
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Ok(Self {
            schema,
            digest: stored
                .digest
                .parse()
                .map_err(|error: digest::Error| Error::malformed(&error.to_string()))?,
            key_id: stored.key_id,
            signature: stored.signature,
            payload: stored.payload,
            claims: Claims {
                key_ref: text(stored.key_ref),
                algorithm: text(stored.algorithm),
                signed_at: text(stored.signed_at).and_then(|text| Timestamp::parse(&text)),
            },
        })
    }

    /// The bytes to store: compact, in s3lo's order, no trailing newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'a> {
            schema_version: u64,
            digest: String,
            key_ref: &'a str,
            #[serde(rename = "keyID")]
            key_id: &'a str,
            algorithm: &'a str,
            signature: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            payload: Option<&'a str>,
            signed_at: String,
        }
        let written = Written {
            schema_version: self.schema.version(),
            digest: self.digest.to_string(),
            key_ref: self.claims.key_ref.as_deref().unwrap_or_default(),
            key_id: &self.key_id,
            algorithm: self.claims.algorithm.as_deref().unwrap_or_default(),
            signature: &self.signature,
            payload: self.payload.as_deref(),
            signed_at: self
                .claims
                .signed_at
                .map(|time| time.to_string())
                .unwrap_or_default(),
        };
        let json = serde_json::to_string(&written).expect("strings and integers always serialise");
        escape_as_go(&json).into_bytes()
    }
}

/// A moment in UTC, whole seconds: `2026-04-12T19:21:10Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The moment this many seconds after the beginning of 1970. `None` beyond the year 9999, which
    /// RFC 3339 cannot write.
    pub fn from_unix_seconds(seconds: u64) -> Option<Self> {
        let seconds = i64::try_from(seconds).ok()?;
        Self::whole_seconds(OffsetDateTime::from_unix_timestamp(seconds).ok()?)
    }

    fn whole_seconds(time: OffsetDateTime) -> Option<Self> {
        let time = time.replace_nanosecond(0).ok()?;
        (0..=9999).contains(&time.year()).then_some(Self(time))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        // The writer of the record may claim a time that UTC cannot express.
        let time = time.checked_to_offset(time::UtcOffset::UTC)?;
        Self::whole_seconds(time)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, month) = (self.0, u8::from(self.0.month()));
        write!(f, "{:04}-{month:02}-{:02}", time.year(), time.day())?;
        write!(
            f,
            "T{:02}:{:02}:{:02}Z",
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

/// The reason why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They are not the JSON of a record.
    #[error("{reason}")]
    Malformed {
        /// The first fault.
        reason: String,
    },
    /// They are a record of a schema that this program does not know.
    #[error("schema version {version} is not supported")]
    Unsupported {
        /// The `schemaVersion`.
        version: String,
    },
}

impl Error {
    fn malformed(reason: &str) -> Self {
        Self::Malformed {
            reason: reason.to_owned(),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed {
            reason: clipped(&error.to_string()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    schema_version: serde_json::Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    digest: String,
    key_ref: Option<Value>,
    #[serde(rename = "keyID")]
    key_id: String,
    algorithm: Option<Value>,
    signature: String,
    #[serde(default, deserialize_with = "present")]
    payload: Option<String>,
    signed_at: Option<Value>,
}

/// `"payload": null` is a payload of the wrong type, not an absent one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// Escapes what a browser could take for HTML or a line end, as Go's `encoding/json` does, with which
/// s3lo writes its records. JSON has these characters in strings alone.
fn escape_as_go(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '&' => escaped.push_str("\\u0026"),
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn record(schema: Schema, key_ref: &str) -> Record {
        let signed_at = Timestamp::parse("2026-04-12T19:21:10Z").unwrap();
        let key = (key_ref, KeyId::of_spki(b"spki"), Algorithm::EcdsaSha256);
        Record::new(
            schema,
            Digest::of(b""),
            b"payload",
            b"signature",
            key,
            signed_at,
        )
    }

    #[test]
    fn the_fields_stand_in_the_order_of_the_specification() {
        let text = |schema| String::from_utf8(record(schema, "k").to_bytes()).unwrap();
        let start = r#""digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","keyRef":"k","keyID":"6feecc8c16c5551d","algorithm":"ECDSA_SHA_256","signature":"c2lnbmF0dXJl","#;
        let end = r#""signedAt":"2026-04-12T19:21:10Z"}"#;
        assert_eq!(
            text(Schema::V1),
            format!(r#"{{"schemaVersion":1,{start}"payload":"cGF5bG9hZA==",{end}"#)
        );
        assert_eq!(
            text(Schema::V2),
            format!(r#"{{"schemaVersion":2,{start}{end}"#)
        );
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let bytes = record(Schema::V2, "a&b<c>\u{2028}\"\\é").to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.contains(r#""keyRef":"a\u0026b\u003cc\u003e\u2028\"\\é""#),
            "{text}"
        );
        assert_eq!(
            Record::parse(&bytes),
            Ok(record(Schema::V2, "a&b<c>\u{2028}\"\\é"))
        );
    }

    #[test]
    fn a_time_is_whole_seconds_in_utc() {
        let time = Timestamp::parse("2026-04-12T21:21:10.9+02:00").unwrap();
        assert_eq!(time.to_string(), "2026-04-12T19:21:10Z");
        for text in [
            "yesterday",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
