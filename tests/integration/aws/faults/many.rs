//! Many images at once, and a KMS that lets through only so much.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::support::MANIFEST;
use crate::support::aws_fixture::AwsFixture;
use s3lo_test_servers::aws::kms_error;

const IMAGES: usize = 64;

/// The requests that KMS lets through in a second; three at once.
const RATE: f64 = 40.0;

#[test]
fn beyond_the_rate_of_kms_everything_is_signed_all_the_same() {
    let aws = AwsFixture::new();
    let mut line = "sign --key awskms:///alias/release-signer -o json".to_owned();
    for number in 0..IMAGES {
        let path = format!("/my-bucket/manifests/many/v{number}/manifest.json");
        aws.s3.put(&path, MANIFEST.as_bytes());
        line.push_str(&format!(" s3://my-bucket/many:v{number}"));
    }
    let throttled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&throttled);
    let (mut tokens, mut last): (f64, _) = (3.0, Instant::now());
    aws.server.fault(move |call| {
        tokens = (tokens + last.elapsed().as_secs_f64() * RATE).min(3.0);
        last = Instant::now();
        if call.service != "kms" || tokens >= 1.0 {
            tokens -= 1.0;
            return None;
        }
        counter.fetch_add(1, Ordering::SeqCst);
        Some(kms_error(400, "ThrottlingException", "Rate exceeded"))
    });
    let run = aws.s3lo(&line).ends_with(0);
    let throttled = throttled.load(Ordering::SeqCst);
    println!("{throttled} calls were throttled for {IMAGES} images");
    assert!(throttled > 0, "the rate was never exceeded");
    let signed = run.json();
    let signed = signed.as_array().unwrap().iter();
    assert_eq!(
        signed.filter(|image| image["status"] == "signed").count(),
        IMAGES
    );
    assert_eq!(
        aws.actions().len(),
        IMAGES + 1 + throttled,
        "each was signed once"
    );
    let verify = line.replacen("sign", "verify", 1);
    aws.s3lo(&verify).ends_with(0);
}
