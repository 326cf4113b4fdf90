//! Connections that are opened before they are needed.
//!
//! While a role is being assumed there are no credentials for S3 and KMS, but TCP and TLS can do their two round
//! trips. The HTTP client opens a connection only for a request, so an `OPTIONS` is sent, unsigned and without a
//! body, as browsers do. The connection stays open after any response. Nothing waits for it, and a failure
//! has no effect.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use tokio::time::timeout;

/// The time limit, after which a connection would come too late.
const TIMEOUT: Duration = Duration::from_secs(10);

fn empty(request: &mut HttpRequest) {
    // A known method is always valid.
    let _ = request.set_method("OPTIONS");
    *request.body_mut() = SdkBody::empty();
    for name in ["content-length", "content-type", "x-amz-target"] {
        request.headers_mut().remove(name);
    }
}

fn spawn(request: impl Future + Send + 'static) {
    tokio::spawn(async move {
        let _ = timeout(TIMEOUT, request).await;
    });
}

/// Opens a connection to STS.
pub(crate) fn sts(client: &aws_sdk_sts::Client) {
    let request = client
        .assume_role_with_web_identity()
        .role_arn("-")
        .role_session_name("-")
        .web_identity_token("-")
        .customize()
        .mutate_request(empty);
    spawn(request.send());
}

/// Opens the two connections to S3 that a signature needs at the same time.
///
/// `config` holds no credentials.
pub fn s3(config: aws_sdk_s3::config::Builder, bucket: &str) {
    let config = config.allow_no_auth().build();
    let client = aws_sdk_s3::Client::from_conf(config);
    for _ in 0..2 {
        let request = client.head_bucket().bucket(bucket);
        spawn(request.customize().mutate_request(empty).send());
    }
}

/// Opens a connection to KMS.
///
/// `config` holds no credentials.
pub fn kms(config: aws_sdk_kms::config::Builder) {
    let config = config.allow_no_auth().build();
    let client = aws_sdk_kms::Client::from_conf(config);
    let request = client.get_public_key().key_id("-");
    spawn(request.customize().mutate_request(empty).send());
}
