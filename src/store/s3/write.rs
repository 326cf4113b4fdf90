//! Writing an object: on a condition, or, where the server has none, after a look and with a read-back.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use crate::store;
use crate::store::s3::read::etag;
use crate::store::s3::{S3Store, status};
use crate::store::{Store as _, Version};

/// The action.
const PUT: &str = "PutObject";

/// The observed behaviour of the server's conditional writes.
#[derive(Default)]
pub(super) struct Conditions {
    refused: AtomicBool,
    ignored: AtomicBool,
    /// The objects that were created on the condition that there is none.
    created: Mutex<HashSet<String>>,
}

impl Conditions {
    fn are_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Notes that the server created an object, which it can do once.
    fn note_creation(&self, key: &str) {
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        if !created.insert(key.to_owned()) {
            self.ignored.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn warning(&self) -> Option<String> {
        let how = if self.are_refused() {
            "refuses"
        } else if self.ignored.load(Ordering::Relaxed) {
            "ignores"
        } else {
            return None;
        };
        Some(format!(
            "the S3 server {how} conditional writes (If-None-Match, If-Match): of two signers of one image at the same moment, the later one overwrites the record of the other; let one job at a time sign an image there"
        ))
    }
}

/// The most bytes of an object that are compared with what was written: no record is larger.
const MAX_READ_BACK: u64 = s3lo_core::record::MAX_BYTES;

impl S3Store {
    pub(super) async fn create_object(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        let exists = || store::Error::Exists {
            object: self.locate(key),
        };
        if !self.conditions.are_refused() {
            let put = self
                .ask(PUT, |client| {
                    self.put(&client, key, bytes).if_none_match("*").send()
                })
                .await;
            match put {
                Ok(output) => {
                    self.conditions.note_creation(key);
                    return self.confirm(key, bytes, output.e_tag(), exists).await;
                }
                Err(error) if matches!(status(&error), Some(304 | 409 | 412)) => {
                    return Err(exists());
                }
                Err(error) if refuses_conditions(&error) => {}
                Err(error) => return Err(self.failed("s3:PutObject", key, &error)),
            }
        }
        match Box::pin(self.get(key, MAX_READ_BACK, None)).await {
            Err(store::Error::NotFound { .. }) => {}
            Ok(_) | Err(store::Error::Oversized { .. } | store::Error::Unreadable { .. }) => {
                return Err(exists());
            }
            Err(error) => return Err(error),
        }
        self.overwrite(key, bytes, true, exists).await
    }

    pub(super) async fn replace_object(
        &self,
        key: &str,
        bytes: &[u8],
        version: &Version,
    ) -> Result<(), store::Error> {
        let changed = || store::Error::Changed {
            object: self.locate(key),
        };
        if let Some(known) = etag(version).filter(|_| !self.conditions.are_refused()) {
            // `If-Match` compares strongly: a weak ETag, as a proxy makes it, would never match.
            let known = known.trim_start_matches("W/");
            let put = self
                .ask(PUT, |client| {
                    self.put(&client, key, bytes).if_match(known).send()
                })
                .await;
            let error = match put {
                Ok(output) => return self.confirm(key, bytes, output.e_tag(), changed).await,
                Err(error) => error,
            };
            if !refuses_conditions(&error) {
                return match (status(&error), self.failed("s3:PutObject", key, &error)) {
                    (Some(304 | 409 | 412), _) | (_, store::Error::NotFound { .. }) => {
                        Err(changed())
                    }
                    (_, other) => Err(other),
                };
            }
        }
        let current = match Box::pin(self.get(key, MAX_READ_BACK, None)).await {
            Ok(object) => object.map(|object| object.version),
            Err(
                store::Error::Oversized { version, .. } | store::Error::Unreadable { version, .. },
            ) => Some(version),
            Err(store::Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        // A list and an object may write one ETag with and without quotes.
        let bare = |version: &Version| {
            let text = version.0.trim_start_matches("W/");
            text.trim_matches('"').to_owned()
        };
        if current.map(|current| bare(&current)) != Some(bare(version)) {
            return Err(changed());
        }
        self.overwrite(key, bytes, etag(version).is_some(), changed)
            .await
    }

    /// Writes without a condition, which may have been refused, and reads back what is there then.
    async fn overwrite(
        &self,
        key: &str,
        bytes: &[u8],
        refused: bool,
        lost: impl Fn() -> store::Error,
    ) -> Result<(), store::Error> {
        let put = self
            .ask(PUT, |client| self.put(&client, key, bytes).send())
            .await;
        put.map_err(|error| self.failed("s3:PutObject", key, &error))?;
        if refused {
            self.conditions.refused.store(true, Ordering::Relaxed);
        }
        self.read_back(key, bytes, lost).await
    }

    /// S3 gives an object's ETag when it writes it. Some servers give none, and neither does the page
    /// of a proxy, with any status: then the object itself decides.
    async fn confirm(
        &self,
        key: &str,
        bytes: &[u8],
        etag: Option<&str>,
        lost: impl Fn() -> store::Error,
    ) -> Result<(), store::Error> {
        if etag.is_some_and(|etag| !etag.is_empty()) {
            return Ok(());
        }
        match self.read_back(key, bytes, lost).await {
            Err(store::Error::NotFound { .. }) => Err(self.without_etag("s3:PutObject", key)),
            other => other,
        }
    }

    /// Compares an object with what was written: `lost` if it is another one.
    async fn read_back(
        &self,
        key: &str,
        bytes: &[u8],
        lost: impl Fn() -> store::Error,
    ) -> Result<(), store::Error> {
        match Box::pin(self.get(key, MAX_READ_BACK, None)).await {
            Ok(Some(object)) if object.bytes == bytes => Ok(()),
            Ok(_) | Err(store::Error::Oversized { .. } | store::Error::Unreadable { .. }) => {
                self.conditions.ignored.store(true, Ordering::Relaxed);
                Err(lost())
            }
            Err(error) => Err(error),
        }
    }

    fn put(&self, client: &Client, key: &str, bytes: &[u8]) -> PutObjectFluentBuilder {
        let md5 = self
            .writes_md5
            .then(|| BASE64.encode(Md5::digest(bytes).as_slice()));
        let put = client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .set_expected_bucket_owner(self.owner.clone())
            .content_type("application/json")
            .set_content_md5(md5)
            .body(ByteStream::from(bytes.to_vec()));
        self.encryption.apply(put)
    }
}

/// Whether a server does not know conditions on a write: Backblaze B2 answers 501, Alibaba OSS 400
/// ([terraform#37143](https://github.com/hashicorp/terraform/issues/37143),
/// [moodiary#305](https://github.com/ZhuJHua/moodiary/issues/305)).
fn refuses_conditions(error: &SdkError<PutObjectError, HttpResponse>) -> bool {
    match status(error) {
        Some(501) => true,
        Some(400) => error.code() == Some("NotImplemented"),
        _ => false,
    }
}
