//! `s3://`: a bucket, on AWS or on another server that speaks its protocol.
//!
//! Observed of S3, and relied on here:
//! - `If-None-Match: *` on an existing object answers 412; older MinIO answered 304
//!   ([minio#19442](https://github.com/minio/minio/issues/19442)). A race answers 409, after which
//!   the object has to be looked at anew.
//! - `If-Match` on a missing object answers 404.
//! - A bucket in another region answers 301 without a Location, or 400
//!   `AuthorizationHeaderMalformed`; the SDK follows neither
//!   ([aws-sdk-rust#1052](https://github.com/awslabs/aws-sdk-rust/issues/1052)).
//! - An object that is absent answers 403 to a caller that may not list the bucket, so `presence` asks for a list whose prefix
//!   is the object's whole key: nothing sorts before that key, however much others put beside it.
//!
//! Of other servers: some refuse conditions or ignore them (`write`), some give no ETag (`read`).

mod denial;
pub mod encryption;
pub mod error;
mod failure;
mod list;
pub mod options;
mod policy;
mod read;
mod region;
mod remedy;
mod write;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::time::Instant;

use crate::aws::arn::Arn;
use crate::aws::config::{Aws, configured_endpoint};
use crate::aws::policy::Statement;
use crate::aws::preconnect;
use crate::aws::retry;
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::net::retry::{Backoff, Throttle};
use crate::net::url;
use crate::option_name::option;
use crate::store;
use crate::store::s3::encryption::EncryptionOptions;
use crate::store::s3::options::S3;
use crate::store::s3::write::Conditions;
use crate::store::{Folders, Listing, Object, Objects, Store, Version};

/// A bucket.
pub struct S3Store {
    bucket: String,
    /// The account that the bucket must belong to, if one is named.
    owner: Option<String>,
    /// The encryption of every write.
    encryption: EncryptionOptions,
    /// The server that the options or the environment name.
    server: Option<String>,
    /// Whether an option names the server.
    endpoint_is_named: bool,
    /// Whether a write carries Content-MD5, since it has no checksum of the SDK.
    writes_md5: bool,
    /// Names the region in which the bucket was last asked for.
    client: Mutex<Client>,
    /// To open connections with, before there are credentials.
    anonymous: Builder,
    conditions: Conditions,
    attempts: u32,
    deadline: Instant,
    throttle: Throttle,
}

impl S3Store {
    /// The store in `bucket`. An endpoint among the options is for S3 alone: path style, and Content-MD5 as the checksum of
    /// a write, since not every server knows the newer ones, and a bucket with a default retention demands one
    /// ([Object Lock](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html)). Every request names the
    /// owner, and S3 refuses if the bucket belongs to another account
    /// ([bucket owner condition](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)).
    pub fn new(aws: &Aws, bucket: &str, options: &S3) -> Self {
        let endpoint = options.endpoint();
        let new_checksums = match endpoint {
            None => {
                let calculation = aws.config.request_checksum_calculation();
                calculation != Some(RequestChecksumCalculation::WhenRequired)
            }
            Some(_) => options.new_checksums,
        };
        Self {
            bucket: bucket.to_owned(),
            owner: options
                .expected_bucket_owner
                .as_ref()
                .map(ToString::to_string),
            encryption: options.written.clone(),
            server: endpoint
                .map(str::to_owned)
                .or_else(|| configured_endpoint(&aws.config, "S3")),
            endpoint_is_named: endpoint.is_some(),
            writes_md5: !new_checksums,
            client: Mutex::new(Client::from_conf(
                builder(&aws.for_store(&aws.config), endpoint, new_checksums).build(),
            )),
            anonymous: builder(&aws.for_store(&aws.anonymous), endpoint, new_checksums),
            conditions: Conditions::default(),
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

    /// Whether the bucket is a directory bucket (S3 Express): its lists are of folders alone, and who has a session may
    /// read all of it, so that 403 hides no absence there
    /// ([differences](https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html)).
    fn is_directory_bucket(&self) -> bool {
        is_directory_bucket(&self.bucket)
    }

    /// Runs `call`, which is one to `action`, until it succeeds or another try is in vain.
    async fn ask<T, E, F>(
        &self,
        action: &'static str,
        call: impl Fn(Client) -> F,
    ) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let backoff = Backoff::new(self.attempts, self.deadline, self.throttle.clone());
        let backoff = backoff.of(calls::begin(Awaited::service("S3", action)));
        // In a box, since the SDK's futures are large, and a write may hold several of them.
        Box::pin(retry::run(backoff, || self.ask_in_region(&call))).await
    }
}

/// Whether a bucket's name is that of a directory bucket.
pub(super) fn is_directory_bucket(bucket: &str) -> bool {
    bucket.ends_with("--x-s3")
}

#[async_trait]
impl Store for S3Store {
    fn locate(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn preconnect(&self) {
        preconnect::s3(self.anonymous.clone(), &self.bucket);
    }

    fn warnings(&self) -> Vec<String> {
        let unchecked = self.server.as_ref().filter(|server| {
            let host = url::parse(server).and_then(|url| url.host_str().map(str::to_owned));
            let is_amazons = |host: &String| {
                host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
            };
            self.owner.is_some() && !host.as_ref().is_some_and(is_amazons)
        });
        let unchecked = unchecked.map(|server| {
            format!(
                "{} may have no effect: AWS checks the owner of a bucket, and {server} is another server",
                option("expected-bucket-owner")
            )
        });
        self.conditions
            .warning()
            .into_iter()
            .chain(unchecked)
            .collect()
    }

    fn region(&self) -> Option<String> {
        Some(self.region_asked())
    }

    fn statements(&self, caller: Option<&Arn>, objects: &Objects) -> Vec<Statement> {
        policy::statements(&self.bucket, &self.region_asked(), caller, objects)
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Object, store::Error> {
        let object = self.get(key, limit, None).await?;
        object.ok_or_else(|| self.not_found(key))
    }

    async fn read_unless(
        &self,
        key: &str,
        limit: u64,
        version: &Version,
    ) -> Result<Option<Object>, store::Error> {
        let object = self.get(key, limit, Some(version)).await?;
        // Some servers send the object although it is the version that was named.
        Ok(object.filter(|object| object.version != *version))
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        self.create_object(key, bytes).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        version: &Version,
    ) -> Result<(), store::Error> {
        self.replace_object(key, bytes, version).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, store::Error> {
        self.list_folder(prefix).await
    }

    async fn folders(&self, prefix: &str, most: usize) -> Result<Folders, store::Error> {
        self.list_folders(prefix, most).await
    }
}

fn builder(config: &SdkConfig, endpoint: Option<&str>, new_checksums: bool) -> Builder {
    // Some servers store the checksum that a writer names without a look at the bytes, and a writer's word must not keep
    // `verify` from its verdict. What is read is held to a signature in any case.
    let builder = Builder::from(config)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    match endpoint {
        None => match configured_endpoint(config, "S3") {
            Some(endpoint) => builder.endpoint_url(with_slash(&endpoint)),
            None => builder,
        },
        Some(endpoint) => {
            let builder = builder
                .endpoint_url(with_slash(endpoint))
                .force_path_style(true);
            builder.request_checksum_calculation(if new_checksums {
                RequestChecksumCalculation::WhenSupported
            } else {
                RequestChecksumCalculation::WhenRequired
            })
        }
    }
}

/// A URL whose path ends in a slash: without one the SDK glues the bucket's name to the path.
fn with_slash(endpoint: &str) -> String {
    format!("{}/", endpoint.trim_end_matches('/'))
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    Some(error.raw_response()?.status().as_u16())
}
