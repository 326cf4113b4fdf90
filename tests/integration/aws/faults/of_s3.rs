//! Faults of S3 while an image is signed.

use super::fault::Fault;
use super::{Call, Command, Row};
use crate::support::MANIFEST;
use crate::support::faults::records::MOVED;
use crate::support::faults::{EVER, ONCE, THRICE, hold, refused, row};

const SLOW_DOWN: Fault = Fault::S3(503, "SlowDown", "Please reduce your request rate.");

const INTERNAL: Fault = Fault::S3(
    500,
    "InternalError",
    "We encountered an internal error. Please try again.",
);

pub(super) const DENIED: Fault = Fault::S3(
    403,
    "AccessDenied",
    "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: s3:GetObject",
);

pub(super) const ABSENT: Fault = Fault::S3(404, "NoSuchKey", "The specified key does not exist.");

pub(super) const PAGE: &str =
    "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>";

/// A list of nothing, whole.
pub(super) const EMPTY_LIST: &str =
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

/// Any call. The program tries a failed call six times, and a refused one once.
pub(super) const ANY: &[Row] = &[
    row("throttled", ONCE, SLOW_DOWN).made(2),
    row("throttled", THRICE, SLOW_DOWN).made(4),
    row("throttled", EVER, SLOW_DOWN)
        .timeout(2)
        .fails("throttled|timed_out")
        .at_least(4),
    row("429", ONCE, Fault::Page(429, "")).made(2),
    row("429", EVER, Fault::Page(429, ""))
        .limit("2")
        .timeout(2)
        .fails("throttled|timed_out")
        .at_least(4),
    row("500", ONCE, INTERNAL).made(2),
    row("500", EVER, INTERNAL)
        .limit("2")
        .fails("service_error")
        .made(2),
    row(
        "500 with XML that is broken",
        EVER,
        Fault::Page(500, "<Error><Code>"),
    )
    .limit("2")
    .fails("service_error")
    .made(2),
    row("503 of a proxy", ONCE, Fault::Page(503, PAGE)).made(2),
    row("504 without a word", ONCE, Fault::Page(504, "")).made(2),
    row(
        "too slow for S3",
        ONCE,
        Fault::S3(
            400,
            "RequestTimeout",
            "Your socket connection to the server was not read from.",
        ),
    )
    .made(2),
    row("connection reset", ONCE, Fault::HangUp).made(2),
    row("connection reset", THRICE, Fault::HangUp).made(4),
    row("connection reset", EVER, Fault::HangUp)
        .limit("2")
        .fails("unreachable")
        .at_least(2),
    row("silence", EVER, Fault::Silence)
        .timeout(2)
        .fails("timed_out"),
    refused("not allowed", "access_denied", DENIED),
    refused("403 of a proxy", "service_error", Fault::Page(403, PAGE)),
    refused(
        "400 with XML that is broken",
        "service_error",
        Fault::Page(400, "<Error><Code>"),
    ),
    refused("404 of a proxy", "service_error", Fault::Page(404, PAGE)),
    refused(
        "no bucket",
        "bucket_not_found",
        Fault::S3(404, "NoSuchBucket", "The specified bucket does not exist"),
    ),
    refused(
        "another region",
        "wrong_region",
        Fault::S3(
            301,
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint.",
        ),
    ),
    refused(
        "the session is over",
        "session_expired",
        Fault::S3(400, "ExpiredToken", "The provided token has expired."),
    ),
    refused(
        "the clock is wrong",
        "clock_skewed",
        Fault::S3(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
    ),
    refused(
        "unknown credentials",
        "credentials_refused",
        Fault::S3(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
    ),
    refused(
        "the secret is wrong",
        "credentials_refused",
        Fault::S3(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        ),
    ),
];

/// The bodies of objects are read apart from the answers' heads, four times if they break off.
pub(super) const BODY: &[Row] = &[
    row("half an object", ONCE, Fault::Half).made(2),
    row("half an object", EVER, Fault::Half)
        .fails("unreachable")
        .made(4),
];

const MANIFEST_ROWS: &[Row] = &[
    refused("not there", "image_not_found", ABSENT),
    refused(
        "not there, without a word",
        "image_not_found",
        Fault::Page(404, ""),
    ),
    refused("a gigabyte", "not_a_manifest", Fault::Flood),
    refused("nothing", "not_a_manifest", Fault::Object("")),
    refused("a page of a proxy", "service_error", Fault::Page(200, PAGE)),
    refused(
        "JSON that breaks off",
        "not_a_manifest",
        Fault::Object(r#"{"schemaVersion":2,"#),
    ),
];

/// Only the same bytes are the same manifest.
const RECHECK: &[Row] = &[
    row("gone", EVER, ABSENT).guarded("tag_moved").made(1),
    row("another manifest", EVER, Fault::Object(MOVED))
        .guarded("tag_moved")
        .made(1),
    row("the same one, in full", EVER, Fault::Object(MANIFEST)).made(1),
    row("nothing", EVER, Fault::Object(""))
        .guarded("tag_moved")
        .made(1),
    refused("a page of a proxy", "service_error", Fault::Page(200, PAGE)),
    row("a gigabyte", EVER, Fault::Flood)
        .guarded("tag_moved")
        .made(1),
    refused("moved, and denied", "access_denied", DENIED)
        .and(Call::Sign, Fault::Meanwhile(|scene| scene.move_the_tag())),
    row("half of what it was moved to", EVER, Fault::Half)
        .and(Call::Sign, Fault::Meanwhile(|scene| scene.move_the_tag()))
        .fails("unreachable")
        .made(4),
];

/// Storing the record: in the end there is one record, from any writer, or none.
const PUT: &[Row] = &[
    refused("not there", "not_found", ABSENT),
    row("carried out, and the answer lost", ONCE, Fault::AnswerLost).made(2),
    row("a gigabyte", ONCE, Fault::Flood).made(2),
    // Nothing is stored: S3 itself names the ETag of what it has stored.
    row("a page of a proxy", EVER, Fault::Page(200, PAGE)).fails("service_error"),
    row(
        "another signer is faster",
        ONCE,
        Fault::Meanwhile(|scene| scene.store_another_record()),
    )
    .keeps()
    .made(1),
    row(
        "a torn record appears",
        ONCE,
        Fault::Meanwhile(|scene| scene.store_a_torn_record()),
    )
    .made(2),
    row(
        "two at the same time",
        ONCE,
        Fault::S3(
            409,
            "ConditionalRequestConflict",
            "A conflicting operation occurred.",
        ),
    )
    .made(2),
    row(
        "two at the same time, for ever",
        EVER,
        Fault::S3(
            409,
            "ConditionalRequestConflict",
            "A conflicting operation occurred.",
        ),
    )
    .fails("unsettled")
    .made(10),
    // The second one has no condition.
    row(
        "a server that does not know a header",
        EVER,
        Fault::S3(
            501,
            "NotImplemented",
            "A header you provided is not implemented.",
        ),
    )
    .fails("service_error")
    .made(2),
    row(
        "a server that does not know conditions",
        ONCE,
        Fault::S3(
            501,
            "NotImplemented",
            "A header you provided is not implemented.",
        ),
    )
    .made(2),
    row(
        "the same by another status",
        ONCE,
        Fault::S3(
            400,
            "NotImplemented",
            "A header you provided is not implemented.",
        ),
    )
    .made(2),
    refused(
        "the quota is used up",
        "service_error",
        Fault::S3(
            403,
            "QuotaExceeded",
            "Your request was denied due to quota exceeded.",
        ),
    ),
    refused(
        "the bucket belongs into the host",
        "service_error",
        Fault::S3(
            403,
            "SecondLevelDomainForbidden",
            "Please use virtual hosted style to access.",
        ),
    ),
];

/// The list is a hint: without it the image is still signed, and once.
const LIST: &[Row] = &[
    row("throttled", EVER, SLOW_DOWN).limit("2"),
    row("500", EVER, INTERNAL).limit("2"),
    row("connection reset", EVER, Fault::HangUp).limit("2"),
    row("silence", EVER, Fault::Silence).made(1),
    row("not allowed", EVER, DENIED).made(1),
    row("not there", EVER, ABSENT).made(1),
    row("half an answer", EVER, Fault::Half).limit("2"),
    row("nothing", EVER, Fault::Page(200, "")).limit("2"),
    row("a page of a proxy", EVER, Fault::Page(200, PAGE)).limit("2"),
    row(
        "XML that breaks off",
        EVER,
        Fault::Page(200, "<ListBucketResult><Contents><Key>"),
    )
    .limit("2"),
    row("a gigabyte", EVER, Fault::Flood).limit("2"),
    row(
        "a list that leaves the record out",
        EVER,
        Fault::Page(200, EMPTY_LIST),
    )
    .signed()
    .keeps()
    .made(1),
    row("not allowed, and signed already", EVER, DENIED)
        .signed()
        .keeps()
        .made(1),
    row("silence, and signed already", EVER, Fault::Silence)
        .signed()
        .keeps()
        .made(1),
];

/// A record that the list names is judged before anything is signed.
const RECORD: &[Row] = &[
    row("listed, and gone", ONCE, ABSENT).signed().keeps(),
    // An object that is too large is replaced only if it is still there, and it was not.
    row("a gigabyte", ONCE, Fault::Flood)
        .signed()
        .keeps()
        .made(2),
    row("a page of a proxy", ONCE, Fault::Page(200, PAGE))
        .signed()
        .fails("service_error")
        .made(1),
];

#[test]
fn reading_the_manifest() {
    hold(Command::Sign, Call::Manifest, &[ANY, BODY, MANIFEST_ROWS]);
}

#[test]
fn looking_at_the_manifest_again() {
    hold(Command::Sign, Call::Recheck, &[ANY, RECHECK]);
}

#[test]
fn storing_the_record() {
    hold(Command::Sign, Call::Put, &[ANY, PUT]);
}

#[test]
fn listing_the_records() {
    hold(Command::Sign, Call::List, &[LIST]);
}

#[test]
fn reading_a_record_that_is_listed() {
    hold(Command::Sign, Call::Record, &[RECORD]);
}
