//! `s3://`: a bucket, on AWS or on whatever speaks its protocol.
//!
//! Observed of S3, and relied on here:
//! - `If-None-Match: *` on an existing object answers 412; older MinIO answered 304
//!   ([minio#19442](https://github.com/minio/minio/issues/19442)). A race answers 409, after which
//!   the object has to be looked at anew.
//! - `If-Match` on a missing object answers 404.
//! - A bucket in another region answers 301 without a Location, or 400
//!   `AuthorizationHeaderMalformed`; the SDK follows neither
//!   ([aws-sdk-rust#1052](https://github.com/awslabs/aws-sdk-rust/issues/1052)).

pub mod error;
pub mod options;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::time::Instant;

use crate::aws::arn::{Account, is_region};
use crate::aws::config::Aws;
use crate::aws::error::Failure;
use crate::aws::preconnect;
use crate::aws::response::ErrorResponse;
use crate::aws::retry;
use crate::diagnostic::SharedError;
use crate::net::error_chain::innermost;
use crate::net::retry::{Backoff, Retry, Throttle};
use crate::store;
use crate::store::s3::error::Error;
use crate::store::{Listing, Object, Store, Version};

/// The number of tries of an object whose body breaks off.
const MAX_BODY_ATTEMPTS: u32 = 4;

/// A bucket.
pub struct S3Store {
    bucket: String,
    /// The account that the bucket must belong to, if one is named.
    owner: Option<String>,
    /// Names the region in which the bucket was last asked for.
    client: Mutex<Client>,
    /// To open connections with, before there are credentials.
    anonymous: Builder,
    attempts: u32,
    deadline: Instant,
    throttle: Throttle,
}

impl S3Store {
    /// The store in `bucket`. An `endpoint` is for S3 alone: path style, and checksums only where
    /// the protocol demands them, since not every server knows the newer ones. Every request names
    /// the `owner`, and S3 refuses if the bucket belongs to somebody else
    /// ([bucket owner condition](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)).
    pub fn new(aws: &Aws, bucket: &str, endpoint: Option<&str>, owner: Option<&Account>) -> Self {
        let config = builder(&aws.config, endpoint);
        Self {
            bucket: bucket.to_owned(),
            owner: owner.map(ToString::to_string),
            client: Mutex::new(Client::from_conf(config.build())),
            anonymous: builder(&aws.anonymous, endpoint),
            attempts: aws.attempts,
            deadline: aws.deadline,
            throttle: Throttle::default(),
        }
    }

    fn client(&self) -> Client {
        // Nothing panics while it holds the lock, and a client is whole at any time.
        self.client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Runs `call` until it succeeds or another try is in vain.
    async fn ask<T, E, F>(&self, call: impl Fn(Client) -> F) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let backoff = Backoff::new(self.attempts, self.deadline, self.throttle.clone());
        retry::run(backoff, || self.ask_in_region(&call)).await
    }

    /// Runs `call`, and once more if the answer names another region for the bucket.
    async fn ask_in_region<T, E, F>(
        &self,
        call: impl Fn(Client) -> F,
    ) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata,
    {
        let client = self.client();
        let error = match call(client.clone()).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let asked = client.config().region().map(ToString::to_string);
        let Some(region) = named_region(&error).filter(|region| Some(region) != asked.as_ref())
        else {
            return Err(error);
        };
        tracing::debug!(
            bucket = self.bucket,
            region,
            "the bucket lies in another region"
        );
        let config = client.config().to_builder().region(Region::new(region));
        let client = Client::from_conf(config.build());
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client.clone();
        call(client).await
    }

    async fn get(
        &self,
        key: &str,
        limit: u64,
        unless: Option<&Version>,
    ) -> Result<Option<Object>, store::Error> {
        let bodies = Backoff::new(MAX_BODY_ATTEMPTS, self.deadline, Throttle::default());
        let attempt = || self.get_once(key, limit, unless);
        let got = bodies.run(attempt, |_| Retry::Transient).await;
        got.map_err(|error| store::Error::Backend(SharedError::new(error)))?
    }

    /// Gets an object. The inner error is final; the outer one is of a body that broke off.
    async fn get_once(
        &self,
        key: &str,
        limit: u64,
        unless: Option<&Version>,
    ) -> Result<Result<Option<Object>, store::Error>, Error> {
        let answer = self
            .ask(|client| {
                client
                    .get_object()
                    .bucket(&self.bucket)
                    .key(key)
                    .set_expected_bucket_owner(self.owner.clone())
                    .set_if_none_match(unless.map(|version| version.0.clone()))
                    .send()
            })
            .await;
        match answer {
            Ok(output) => Ok(self.collect(key, limit, output).await?.map(Some)),
            Err(error) if unless.is_some() && status(&error) == Some(304) => Ok(Ok(None)),
            Err(error) => Ok(Err(self.failed("s3:GetObject", key, &error))),
        }
    }

    /// Reads a body, and counts its bytes: a Content-Length is not believed. The errors are those of
    /// [`get_once`](Self::get_once).
    async fn collect(
        &self,
        key: &str,
        limit: u64,
        output: GetObjectOutput,
    ) -> Result<Result<Object, store::Error>, Error> {
        let Some(version) = output.e_tag.filter(|etag| !etag.is_empty()).map(Version) else {
            return Ok(Err(self.without_etag("s3:GetObject", key)));
        };
        let mut body = output.body;
        let mut bytes = Vec::new();
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| Error::Unreachable {
                object: self.locate(key),
                reason: format!("the answer broke off: {}", innermost(&error)).into(),
            })?;
            if chunk.len() > most.saturating_sub(bytes.len()) {
                return Ok(Err(store::Error::Oversized {
                    object: self.locate(key),
                    limit,
                    version,
                }));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Ok(Object { bytes, version }))
    }

    fn put(&self, client: &Client, key: &str, bytes: &[u8]) -> PutObjectFluentBuilder {
        client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .set_expected_bucket_owner(self.owner.clone())
            .content_type("application/json")
            .body(ByteStream::from(bytes.to_vec()))
    }

    /// S3 gives an object's ETag when it writes it. A page of somebody in between has none, whatever
    /// its status says.
    fn written(&self, key: &str, etag: Option<&str>) -> Result<(), store::Error> {
        match etag {
            Some(etag) if !etag.is_empty() => Ok(()),
            _ => Err(self.without_etag("s3:PutObject", key)),
        }
    }

    fn without_etag(&self, action: &'static str, key: &str) -> store::Error {
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

    /// The meaning of an error of a call.
    fn failed<E>(
        &self,
        action: &'static str,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> store::Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let object = self.locate(key);
        let other = |error: Error| store::Error::Backend(SharedError::new(error));
        let answer = match Failure::of("S3", error) {
            Failure::Common(error) => return other(Error::Common(error)),
            Failure::Denied(answer) => {
                return store::Error::Denied(SharedError::new(Error::Denied {
                    action,
                    object,
                    answer,
                }));
            }
            Failure::Unreachable(reason) => return other(Error::Unreachable { object, reason }),
            Failure::Refused(answer) => answer,
        };
        let bucket = self.bucket.clone();
        let body = error
            .raw_response()
            .and_then(|response| response.body().bytes());
        match (answer.code(), answer.status) {
            ("NoSuchBucket", _) => other(Error::NoBucket { bucket, answer }),
            ("NoSuchKey" | "NotFound", _) => store::Error::NotFound { object },
            // Without a code of S3, a page of a proxy is likelier than an absent object.
            ("", Some(404)) if body.is_some_and(<[u8]>::is_empty) => {
                store::Error::NotFound { object }
            }
            (
                "PermanentRedirect"
                | "TemporaryRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
                _,
            )
            | (_, Some(301 | 307)) => other(Error::WrongRegion {
                region: self
                    .client()
                    .config()
                    .region()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                bucket,
                answer,
            }),
            _ => other(Error::Service {
                action,
                object,
                answer,
            }),
        }
    }
}

#[async_trait]
impl Store for S3Store {
    fn locate(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn preconnect(&self) {
        preconnect::s3(self.anonymous.clone(), &self.bucket);
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Object, store::Error> {
        let object = self.get(key, limit, None).await?;
        object.ok_or_else(|| store::Error::NotFound {
            object: self.locate(key),
        })
    }

    async fn read_unless(
        &self,
        key: &str,
        limit: u64,
        version: &Version,
    ) -> Result<Option<Object>, store::Error> {
        self.get(key, limit, Some(version)).await
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        let put = self
            .ask(|client| self.put(&client, key, bytes).if_none_match("*").send())
            .await;
        match put {
            Ok(output) => self.written(key, output.e_tag()),
            Err(error) if matches!(status(&error), Some(304 | 409 | 412)) => {
                Err(store::Error::Exists {
                    object: self.locate(key),
                })
            }
            Err(error) => Err(self.failed("s3:PutObject", key, &error)),
        }
    }

    async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        version: &Version,
    ) -> Result<(), store::Error> {
        // `If-Match` compares strongly: a weak ETag, as a proxy makes it, would never match.
        let etag = version.0.trim_start_matches("W/").to_owned();
        let put = self
            .ask(|client| self.put(&client, key, bytes).if_match(&etag).send())
            .await;
        let error = match put {
            Ok(output) => return self.written(key, output.e_tag()),
            Err(error) => error,
        };
        let changed = store::Error::Changed {
            object: self.locate(key),
        };
        match (status(&error), self.failed("s3:PutObject", key, &error)) {
            (Some(304 | 409 | 412), _) | (_, store::Error::NotFound { .. }) => Err(changed),
            (_, other) => Err(other),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Listing, store::Error> {
        let answer = self
            .ask(|client| {
                client
                    .list_objects_v2()
                    .bucket(&self.bucket)
                    .prefix(prefix)
                    .set_expected_bucket_owner(self.owner.clone())
                    .delimiter("/")
                    .send()
            })
            .await;
        let page = answer.map_err(|error| self.failed("s3:ListBucket", prefix, &error))?;
        let objects = page.contents().iter().filter_map(|object| object.key());
        let folders = page
            .common_prefixes()
            .iter()
            .filter_map(|folder| folder.prefix());
        let mut names: Vec<_> = objects
            .chain(folders)
            .filter_map(|key| key.strip_prefix(prefix))
            .map(|name| name.trim_end_matches('/').to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_unstable();
        Ok(Listing {
            names,
            // An answer that broke off does not say.
            complete: page.is_truncated() == Some(false),
        })
    }
}

fn builder(config: &SdkConfig, endpoint: Option<&str>) -> Builder {
    let config = Builder::from(config);
    match endpoint {
        None => config,
        Some(endpoint) => config
            .endpoint_url(endpoint)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired),
    }
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    Some(error.raw_response()?.status().as_u16())
}

/// The region that a refusal names: in a header, or in the error's XML. It becomes part of a host
/// name, so it is held to the alphabet of one.
fn named_region<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let response = error.raw_response()?;
    if !matches!(response.status().as_u16(), 301 | 307 | 400) {
        return None;
    }
    let header = response.headers().get("x-amz-bucket-region");
    let region = header.or_else(|| {
        let body = std::str::from_utf8(response.body().bytes()?).ok()?;
        let (_, rest) = body.split_once("<Region>")?;
        Some(rest.split_once("</Region>")?.0)
    })?;
    is_region(region).then(|| region.to_owned())
}
