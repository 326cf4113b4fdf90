//! A clock that differs from the service's, and refusals that pass.

use s3lo_test_servers::aws::kms_error;
use s3lo_test_servers::s3::s3_error;

use crate::support::aws_fixture::{AwsFixture, SIGN, VERIFY};

/// The time of the servers.
const DATE: &str = "Sun, 12 Apr 2026 19:21:10 GMT";

/// How a request signed at that time begins.
const SIGNED_THEN: &str = "20260412T192";

#[test]
fn a_request_is_signed_once_more_with_the_time_of_the_service() {
    let aws = AwsFixture::new();
    aws.s3.fault(|request| {
        let signed_at = request.headers.get("x-amz-date")?;
        (!signed_at.starts_with(SIGNED_THEN)).then(|| {
            s3_error(403, "RequestTimeTooSkewed", "The difference is too large.")
                .header("date", DATE)
        })
    });
    aws.server.fault(|call| {
        let signed_at = call.headers.get("x-amz-date")?;
        (!signed_at.starts_with(SIGNED_THEN)).then(|| {
            let message = "Signature not yet current: it is still later than that";
            kms_error(400, "InvalidSignatureException", message).header("date", DATE)
        })
    });
    aws.s3lo(SIGN).ends_with(0);
    aws.s3lo(VERIFY).ends_with(0);
    // One refusal for each client, which then knows the time.
    assert_eq!(aws.count("GetPublicKey"), 4);
    assert_eq!(aws.count("Sign"), 1);
}

#[test]
fn a_service_that_refuses_every_time_is_asked_twice() {
    let aws = AwsFixture::new();
    aws.server.fault(|_| {
        let message = "Signature not yet current: it is still later than that";
        Some(kms_error(400, "InvalidSignatureException", message).header("date", DATE))
    });
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
    assert_eq!(json["error"]["code"], "clock_skewed");
    assert_eq!(aws.count("GetPublicKey"), 2);
}

#[test]
fn whatever_the_sdk_calls_throttling_or_transient_is_tried_again() {
    for code in [
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestThrottled",
        "RequestTimeoutException",
        "ThrottledException",
        "TransactionInProgressException",
    ] {
        let aws = AwsFixture::new();
        let mut refusals = 2;
        aws.s3.fault(move |_| {
            refusals -= 1;
            (refusals >= 0).then(|| s3_error(400, code, "Try again."))
        });
        let mut refusals = 2;
        aws.server.fault(move |_| {
            refusals -= 1;
            (refusals >= 0).then(|| kms_error(400, code, "Try again."))
        });
        aws.s3lo(SIGN).ends_with(0);
    }
}
