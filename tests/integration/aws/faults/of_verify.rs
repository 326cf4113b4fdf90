//! Faults of S3 while an image is verified with a key in KMS. GetPublicKey is beside the signer's.

use super::fault::Fault;
use super::of_s3::{ABSENT, ANY, BODY, DENIED, EMPTY_LIST, PAGE};
use super::{Call, Command, Row};
use crate::support::faults::records::MOVED;
use crate::support::faults::{EVER, ONCE, hold, refused, row};

const MANIFEST: &[Row] = &[
    refused("not there", "image_not_found", ABSENT),
    row("another manifest", EVER, Fault::Object(MOVED))
        .unverified()
        .made(1),
    row("nothing", EVER, Fault::Object("")).unverified().made(1),
    refused("a page of a proxy", "service_error", Fault::Page(200, PAGE)),
    row("a gigabyte", EVER, Fault::Flood).unverified().made(1),
];

const RECORD: &[Row] = &[
    row("not there", EVER, ABSENT).unverified().made(1),
    row("not there, without a word", EVER, Fault::Page(404, ""))
        .unverified()
        .made(1),
    row(
        "torn",
        ONCE,
        Fault::Meanwhile(|scene| scene.store_a_torn_record()),
    )
    .unverified()
    .made(1),
    row("nothing", EVER, Fault::Object("")).unverified().made(1),
    refused("a page of a proxy", "service_error", Fault::Page(200, PAGE)),
    row("a gigabyte", EVER, Fault::Flood).unverified().made(1),
];

/// S3 refuses a missing record to callers that may not list. Only a complete list without its name
/// proves that it is missing.
const REFUSED_RECORD: &[Row] = &[
    row("not listed", EVER, Fault::Page(200, EMPTY_LIST))
        .unverified()
        // The second one explains the verdict.
        .made(2),
    refused("listed", "access_denied", Fault::Meanwhile(|_| {})),
    refused(
        "not on the first page",
        "access_denied",
        Fault::Page(
            200,
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        ),
    ),
    refused("not allowed", "access_denied", DENIED),
    row("500", ONCE, Fault::Page(500, ""))
        .fails("access_denied")
        .made(2),
    row("500", EVER, Fault::Page(500, ""))
        .limit("2")
        .fails("access_denied")
        .made(2),
    row("connection reset", EVER, Fault::HangUp)
        .limit("2")
        .fails("access_denied"),
    row("silence", EVER, Fault::Silence)
        .timeout(2)
        .fails("timed_out"),
    row("half an answer", EVER, Fault::Half)
        .limit("2")
        .fails("access_denied"),
    row("nothing", EVER, Fault::Page(200, ""))
        .limit("2")
        .fails("access_denied"),
    row("a page of a proxy", EVER, Fault::Page(200, PAGE))
        .limit("2")
        .fails("access_denied"),
    row(
        "XML that breaks off",
        EVER,
        Fault::Page(200, "<ListBucketResult><Contents><Key>"),
    )
    .limit("2")
    .fails("access_denied"),
    row("a gigabyte", EVER, Fault::Flood)
        .limit("2")
        .fails("access_denied"),
];

#[test]
fn reading_the_manifest_to_verify() {
    hold(Command::Verify, Call::Manifest, &[ANY, BODY, MANIFEST]);
}

#[test]
fn reading_the_record_to_verify() {
    hold(Command::Verify, Call::Record, &[ANY, BODY, RECORD]);
}

#[test]
fn listing_the_records_after_a_refusal() {
    hold(Command::VerifyRefused, Call::List, &[REFUSED_RECORD]);
}
