//! The region of a bucket, which S3 names where it was asked for in another one.

use std::sync::PoisonError;

use aws_config::Region;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::aws::arn::is_region;
use crate::store::s3::S3Store;

impl S3Store {
    /// Runs `call`, and once more if the answer names another region for the bucket.
    pub(super) async fn ask_in_region<T, E, F>(
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
            "the bucket is in another region"
        );
        let config = client.config().to_builder().region(Region::new(region));
        let client = Client::from_conf(config.build());
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client.clone();
        call(client).await
    }

    /// The region in which the bucket was last asked for.
    pub(super) fn region_asked(&self) -> String {
        let client = self.client();
        client
            .config()
            .region()
            .map(ToString::to_string)
            .unwrap_or_default()
    }
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
