//! Reading an object: bounded by what arrives, and absent only where that is certain.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use md5::{Digest as _, Md5};
use s3lo_core::digest::Digest;

use crate::aws::response::ErrorResponse;
use crate::diagnostic::SharedError;
use crate::net::calls;
use crate::net::calls::{Answer, Awaited};
use crate::net::error_chain::innermost;
use crate::net::retry::{Backoff, Retry, Throttle, TryError};
use crate::store;
use crate::store::in_flight;
use crate::store::s3::error::Error;
use crate::store::s3::list::Presence;
use crate::store::s3::{S3Store, status};
use crate::store::{Object, Store as _, Version};

/// The action.
const GET: &str = "GetObject";

/// The number of tries of an object whose body breaks off.
const MAX_BODY_ATTEMPTS: u32 = 4;

/// The beginning of a version that was made of an object's bytes, where the server gives no ETag.
const OF_CONTENT: &str = "content:";

/// The version of an object of which nothing is known.
const UNKNOWN: &str = "content:unknown";

/// The ETag of a version, if the server gave one.
pub(super) fn etag(version: &Version) -> Option<&str> {
    (!version.0.starts_with(OF_CONTENT)).then_some(version.0.as_str())
}

/// Whether an ETag is the MD5 of these bytes, as it is of objects that were not encrypted by KMS or put together of parts.
fn is_md5(etag: &str, bytes: &[u8]) -> bool {
    let md5: String = Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    etag.trim_matches('"').eq_ignore_ascii_case(&md5)
}

impl TryError for Error {
    fn answer(&self) -> Answer {
        Answer::none(self.to_string())
    }
}

impl S3Store {
    pub(super) fn not_found(&self, key: &str) -> store::Error {
        store::Error::NotFound {
            object: self.locate(key),
        }
    }

    pub(super) async fn get(
        &self,
        key: &str,
        limit: u64,
        unless: Option<&Version>,
    ) -> Result<Option<Object>, store::Error> {
        let bodies = Backoff::new(MAX_BODY_ATTEMPTS, self.deadline, Throttle::default());
        let attempt = || self.get_once(key, limit, unless);
        // The time of a body counts too.
        let call = calls::begin(Awaited::service("S3", GET));
        let got = call.scope(bodies.run(attempt, |_| Retry::Transient)).await;
        got.map_err(|error| store::Error::Backend(SharedError::new(error)))?
    }

    /// Gets an object. The inner error is final; the outer one is of a body that broke off.
    async fn get_once(
        &self,
        key: &str,
        limit: u64,
        unless: Option<&Version>,
    ) -> Result<Result<Option<Object>, store::Error>, Error> {
        let unless = unless.and_then(etag);
        let _turn = in_flight::turn().await;
        let answer = self
            .ask(GET, |client| {
                client
                    .get_object()
                    .bucket(&self.bucket)
                    .key(key)
                    .set_expected_bucket_owner(self.owner.clone())
                    .set_if_none_match(unless.map(ToOwned::to_owned))
                    .send()
            })
            .await;
        match answer {
            Ok(output) => Ok(self.collect(key, limit, output).await?.map(Some)),
            Err(error) if unless.is_some() && status(&error) == Some(304) => Ok(Ok(None)),
            Err(error) => Ok(Err(self.not_read(key, error).await)),
        }
    }

    /// The meaning of an answer without an object.
    async fn not_read(
        &self,
        key: &str,
        error: SdkError<GetObjectError, HttpResponse>,
    ) -> store::Error {
        let failed = self.failed("s3:GetObject", key, &error);
        let status = status(&error).unwrap_or_default();
        let etag = error.raw_response().and_then(|response| {
            let etag = response.headers().get("etag")?;
            (!etag.is_empty()).then(|| Version(etag.to_owned()))
        });
        let reason = innermost(&error);
        // It holds the body, which may be large, while the list is asked for.
        drop(error);
        // An object's headers are its writer's, and may be what no client can read.
        if (200..300).contains(&status) {
            return match self.version_of(key, etag).await {
                None => failed,
                Some(version) => store::Error::Unreadable {
                    object: self.locate(key),
                    reason,
                    version,
                },
            };
        }
        // 403 hides absence from a caller that may not list the bucket, and 404 without a code of S3 may be the page of a
        // proxy.
        let may_be_absent =
            failed.is_denied() || matches!(&failed, store::Error::Backend(_)) && status == 404;
        if may_be_absent && Box::pin(self.presence(key)).await == Some(Presence::Absent) {
            return self.not_found(key);
        }
        failed
    }

    /// Reads a body, and counts its bytes: a Content-Length is not believed. The errors are those of
    /// [`get_once`](Self::get_once).
    async fn collect(
        &self,
        key: &str,
        limit: u64,
        output: GetObjectOutput,
    ) -> Result<Result<Object, store::Error>, Error> {
        let etag = output.e_tag.filter(|etag| !etag.is_empty()).map(Version);
        let mut body = output.body;
        let length = output
            .content_length
            .and_then(|length| u64::try_from(length).ok())
            .filter(|length| *length <= limit);
        let mut bytes = Vec::new();
        let mut reservation = None;
        if let Some(length) = length {
            reservation = Some(in_flight::reserve(length).await);
            bytes.reserve_exact(usize::try_from(length).unwrap_or_default());
        }
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut oversized = false;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| Error::Unreachable {
                server: self.server.clone(),
                object: self.locate(key),
                reason: format!("the answer broke off: {}", innermost(&error)).into(),
            })?;
            if chunk.len() > most.saturating_sub(bytes.len()) {
                oversized = true;
                break;
            }
            // Only an answer without a length gets here with more than nothing and without a reservation.
            let total = u64::try_from(bytes.len().saturating_add(chunk.len())).unwrap_or(u64::MAX);
            if reservation.is_none() && total > in_flight::FREE {
                reservation = Some(in_flight::reserve(limit).await);
            }
            bytes.extend_from_slice(&chunk);
        }
        if oversized {
            return Ok(Err(match self.version_of(key, etag).await {
                None => self.without_etag("s3:GetObject", key),
                Some(version) => store::Error::Oversized {
                    object: self.locate(key),
                    limit,
                    version,
                },
            }));
        }
        let version = match etag {
            Some(version) => version,
            None if self.is_content(key, &bytes).await => {
                Version(format!("{OF_CONTENT}{}", Digest::of(&bytes)))
            }
            None => return Ok(Err(self.without_etag("s3:GetObject", key))),
        };
        Ok(Ok(Object {
            bytes,
            version,
            reservation: reservation.unwrap_or_default(),
        }))
    }

    /// Whether bytes that came without an ETag are those of an object. Some servers give none
    /// ([s3proxy#615](https://github.com/gaul/s3proxy/issues/615)); neither does the page of a proxy, but that is no list
    /// either, nor the content whose MD5 a list names.
    async fn is_content(&self, key: &str, bytes: &[u8]) -> bool {
        match Box::pin(self.presence(key)).await {
            Some(Presence::Present(Some(version))) => is_md5(&version.0, bytes),
            Some(Presence::Present(None)) => true,
            Some(Presence::Absent) | None => false,
        }
    }

    /// The version that an answer gives of an object, or else a list.
    async fn version_of(&self, key: &str, etag: Option<Version>) -> Option<Version> {
        match etag {
            Some(version) => Some(version),
            None => self.version_in_list(key).await,
        }
    }

    /// The version that a list gives of an object, if it shows that there is one.
    async fn version_in_list(&self, key: &str) -> Option<Version> {
        match Box::pin(self.presence(key)).await? {
            Presence::Absent => None,
            Presence::Present(version) => {
                Some(version.unwrap_or_else(|| Version(UNKNOWN.to_owned())))
            }
        }
    }

    pub(super) fn without_etag(&self, action: &'static str, key: &str) -> store::Error {
        store::Error::Backend(SharedError::new(Error::Service {
            action,
            object: self.locate(key),
            answer: ErrorResponse {
                status: Some(200),
                message: Some("it has no ETag, so it is not an answer of S3".to_owned()),
                ..ErrorResponse::default()
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_may_be_the_md5_of_the_bytes() {
        assert!(is_md5("\"d41d8cd98f00b204e9800998ecf8427e\"", b""));
        assert!(is_md5("900150983CD24FB0D6963F7D28E17F72", b"abc"));
        for etag in [
            "",
            "\"\"",
            "\"v1\"",
            "\"d41d8cd98f00b204e9800998ecf8427e-2\"",
        ] {
            assert!(!is_md5(etag, b""), "{etag}");
        }
    }
}
