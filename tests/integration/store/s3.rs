//! `s3://`: the faults of a server, and the program's reactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::program::Sandbox;
use crate::support::{MANIFEST, minio};
use s3lo_test_servers::http::{Reply, Request};
use s3lo_test_servers::s3::{S3Server, s3_error};

const REF: &str = "s3://bucket/myapp:v1.0";
const MANIFEST_PATH: &str = "/bucket/manifests/myapp/v1.0/manifest.json";
const RECORD_PATH: &str = "/bucket/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json";

fn sandbox() -> Sandbox {
    Sandbox::new()
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
}

fn server() -> S3Server {
    let server = S3Server::start();
    server.put(MANIFEST_PATH, MANIFEST.as_bytes());
    server
}

fn sign(server: &S3Server) -> String {
    format!(
        "sign {REF} --key keys/cosign.key --endpoint {} -o json",
        server.endpoint
    )
}

fn verify(server: &S3Server) -> String {
    format!(
        "verify {REF} --key keys/cosign.pub --endpoint {} -o json",
        server.endpoint
    )
}

/// Answers the first `times` requests that `wanted` picks.
fn first(
    times: u32,
    wanted: impl Fn(&Request) -> bool + Send + 'static,
    reply: impl Fn() -> Reply + Send + 'static,
) -> impl FnMut(&Request) -> Option<Reply> + Send {
    let mut left = times;
    move |request| {
        (left > 0 && wanted(request)).then(|| {
            left -= 1;
            reply()
        })
    }
}

#[test]
fn a_bucket_is_signed_in_and_verified() {
    let (sandbox, server) = (sandbox(), server());
    let signed = sandbox.s3lo(&sign(&server)).ends_with(0).json();
    assert_eq!(signed["storedPath"], RECORD_PATH.trim_start_matches('/'));
    sandbox.s3lo(&verify(&server)).ends_with(0);
    // The manifest is asked for again by its ETag.
    let headers = server.headers();
    assert!(
        headers
            .iter()
            .any(|headers| headers.contains_key("if-none-match")
                && !headers.contains_key("content-type"))
    );
}

#[test]
fn an_endpoint_gets_content_md5_and_no_checksum_that_it_may_not_know() {
    let (sandbox, server) = (sandbox(), server());
    sandbox.s3lo(&sign(&server)).ends_with(0);
    let writes = server.headers().into_iter();
    let md5 = writes.filter(|headers| headers.contains_key("content-md5"));
    assert_eq!(md5.count(), 1);
    for headers in server.headers() {
        assert!(
            !headers
                .keys()
                .any(|name| name.starts_with("x-amz-checksum")
                    || name == "x-amz-sdk-checksum-algorithm"),
            "{headers:?}"
        );
    }
}

#[test]
fn transient_answers_are_retried() {
    for (status, code) in [
        (503, "SlowDown"),
        (500, "InternalError"),
        (429, "TooManyRequests"),
    ] {
        for method in ["GET", "PUT"] {
            let (sandbox, server) = (sandbox(), server());
            server.fault(first(
                2,
                move |request| request.method == method,
                move || s3_error(status, code, "Please reduce your request rate."),
            ));
            sandbox.s3lo(&sign(&server)).ends_with(0);
            sandbox.s3lo(&verify(&server)).ends_with(0);
        }
    }
}

#[test]
fn broken_connections_and_half_answers_are_retried() {
    for reply in [|| Reply::HangUp, || Reply::Half] {
        let (sandbox, server) = (sandbox(), server());
        server.fault(first(
            2,
            |request| request.method == "GET" && request.query.contains("GetObject"),
            reply,
        ));
        sandbox.s3lo(&sign(&server)).ends_with(0);
    }
}

#[test]
fn a_write_whose_answer_is_lost_is_recognised_as_done() {
    let (sandbox, server) = (sandbox(), server());
    let stored = server.clone();
    let mut lost = false;
    server.fault(move |request| {
        let lose = request.method == "PUT" && !lost;
        lost |= lose;
        // The record is stored, by another thread since this one holds the server, and the client gets no answer.
        lose.then(|| {
            let (stored, request) = (stored.clone(), request.clone());
            std::thread::spawn(move || stored.put(&request.path, &request.body));
            Reply::HangUp
        })
    });
    let json = sandbox.s3lo(&sign(&server)).ends_with(0).json();
    assert_eq!(json["status"], "signed");
    sandbox.s3lo(&verify(&server)).ends_with(0);
}

#[test]
fn what_stays_broken_is_exit_2_and_leaves_nothing() {
    for reply in [
        || s3_error(503, "SlowDown", "Please reduce your request rate."),
        || Reply::HangUp,
        || Reply::Half,
    ] {
        let (sandbox, server) = (sandbox().with("AWS_MAX_ATTEMPTS", "2"), server());
        server.fault(move |_| Some(reply()));
        for line in [sign(&server), verify(&server)] {
            sandbox.s3lo(&format!("{line} --timeout 3s")).ends_with(2);
        }
        assert_eq!(server.get(RECORD_PATH), None);
    }
}

#[test]
fn silence_ends_with_the_time_of_the_run() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|_| Some(Reply::Silence));
    for line in [sign(&server), verify(&server)] {
        let json = sandbox
            .s3lo(&format!("{line} --timeout 300ms"))
            .ends_with(2)
            .json();
        assert_eq!(json["error"]["code"], "timed_out");
    }
}

#[test]
fn a_proven_failure_is_not_hidden_behind_a_time_out() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|request| {
        request
            .path
            .contains("d78a77d897aeffc7")
            .then_some(Reply::Silence)
    });
    let json = sandbox
        .s3lo(&format!(
            "{} --key keys/p384.pub --require all --timeout 2s",
            verify(&server)
        ))
        .ends_with(1)
        .json();
    assert_eq!(
        json[0]["reason"],
        "no signature found for key keys/p384.pub"
    );
}

#[test]
fn one_key_in_two_files_is_one_signer_even_if_its_records_are_throttled() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|request| {
        let is_record = request.path.contains("/signatures/");
        is_record.then(|| s3_error(503, "SlowDown", "Please reduce your request rate."))
    });
    std::fs::copy(
        sandbox.file("keys/p384.pub"),
        sandbox.file("keys/again.pub"),
    )
    .unwrap();
    let two = "verify s3://bucket/myapp:v1.0 --key keys/p384.pub --key keys/again.pub --require 2";
    sandbox
        .s3lo(&format!(
            "{two} --timeout 2s --endpoint {}",
            server.endpoint
        ))
        .ends_with(1);
}

#[test]
fn the_region_is_learned_from_the_answer_and_asked_once_more() {
    type Refusal = fn() -> Reply;
    let refusals: [Refusal; 3] = [
        || {
            s3_error(301, "PermanentRedirect", "Use the specified endpoint.")
                .header("x-amz-bucket-region", "eu-west-1")
        },
        || {
            s3_error(307, "TemporaryRedirect", "Please re-send this request.")
                .header("x-amz-bucket-region", "eu-west-1")
        },
        || {
            let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>";
            Reply::Answer(400, Vec::new(), body.as_bytes().to_vec())
        },
    ];
    for refusal in refusals {
        let (sandbox, server) = (sandbox(), server());
        server.fault(move |request| {
            let right = request.headers["authorization"].contains("/eu-west-1/s3/");
            (!right).then(refusal)
        });
        sandbox.s3lo(&sign(&server)).ends_with(0);
        sandbox.s3lo(&verify(&server)).ends_with(0);
    }
}

#[test]
fn a_region_that_stays_wrong_is_asked_twice_and_no_more() {
    let (sandbox, server) = (sandbox(), server());
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    server.fault(move |request| {
        if request.path.contains("manifest.json") {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Some(
            s3_error(301, "PermanentRedirect", "Use the specified endpoint.")
                .header("x-amz-bucket-region", "eu-west-1"),
        )
    });
    let json = sandbox.s3lo(&verify(&server)).ends_with(2).json();
    assert_eq!(json["error"]["code"], "wrong_region");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_region_that_is_no_region_never_becomes_part_of_a_host() {
    for region in ["evil.example/", "a@b", "e.u", "", "a b", &"x".repeat(100)] {
        let (sandbox, server) = (sandbox(), server());
        let header = region.to_owned();
        server.fault(move |_| {
            Some(s3_error(301, "PermanentRedirect", "x").header("x-amz-bucket-region", &header))
        });
        sandbox.s3lo(&verify(&server)).ends_with(2);
        assert_eq!(
            server
                .requests()
                .iter()
                .filter(|line| line.contains("manifest.json"))
                .count(),
            1
        );
    }
}

#[test]
fn absence_of_a_record_is_a_failure_and_refusal_is_not() {
    // A caller that may not list gets 403 for a missing object; one that may list can find out.
    let (sandbox, server) = (sandbox(), server());
    server.fault(|request| {
        request
            .path
            .contains("/signatures/d78")
            .then(|| s3_error(403, "AccessDenied", "Access Denied"))
    });
    let json = sandbox.s3lo(&verify(&server)).ends_with(1).json();
    assert_eq!(json["reason"], "no signature found for key keys/cosign.pub");
    // The record is there, and refused.
    server.put(RECORD_PATH, b"{}");
    sandbox.s3lo(&verify(&server)).ends_with(2);
    // Neither may be known.
    server.fault(|request| {
        (request.path != MANIFEST_PATH).then(|| s3_error(403, "AccessDenied", "Access Denied"))
    });
    sandbox.s3lo(&verify(&server)).ends_with(2);
}

#[test]
fn a_race_that_s3_calls_a_conflict_is_looked_at_anew() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(first(
        1,
        |request| request.method == "PUT",
        || {
            s3_error(
                409,
                "ConditionalRequestConflict",
                "The conditional request cannot succeed due to a conflicting operation.",
            )
        },
    ));
    sandbox.s3lo(&sign(&server)).ends_with(0);
    sandbox.s3lo(&verify(&server)).ends_with(0);
}

#[test]
fn an_answer_that_is_no_s3_is_an_error_and_never_a_verdict() {
    let replies: [fn() -> Reply; 4] = [
        || Reply::Answer(200, Vec::new(), b"<html>proxy login</html>".to_vec()),
        || Reply::Answer(404, Vec::new(), b"not found".to_vec()),
        || Reply::Answer(418, Vec::new(), Vec::new()),
        || Reply::Answer(500, Vec::new(), vec![b'x'; 1 << 20]),
    ];
    for reply in replies {
        let (sandbox, server) = (sandbox().with("AWS_MAX_ATTEMPTS", "1"), server());
        server.fault(move |_| Some(reply()));
        sandbox.s3lo(&verify(&server)).ends_with(2);
        sandbox.s3lo(&sign(&server)).ends_with(2);
    }
}

#[test]
fn wrong_variables_are_errors_and_not_crashes() {
    let server = server();
    for (name, value) in [
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_RETRY_MODE", "hope"),
    ] {
        let json = sandbox()
            .with(name, value)
            .s3lo(&verify(&server))
            .ends_with(2)
            .json();
        assert_eq!(json["error"]["code"], "configuration");
    }
    let json = sandbox()
        .with("AWS_MAX_ATTEMPTS", "")
        .with("AWS_RETRY_MODE", "")
        .s3lo(&verify(&server))
        .ends_with(1)
        .json();
    assert_eq!(json["verified"], false);
}

#[test]
fn a_page_of_a_proxy_is_not_the_absence_of_a_record() {
    let (sandbox, server) = (sandbox().with("AWS_MAX_ATTEMPTS", "1"), server());
    let page = |request: &Request, wanted: &str| {
        let page = b"<html>not here</html>".to_vec();
        let asked = format!("{}?{}", request.path, request.query);
        asked
            .contains(wanted)
            .then(|| Reply::Answer(404, Vec::new(), page))
    };
    // The list is the server's, and shows that there is no record.
    server.fault(move |request| page(request, "/signatures/d78"));
    sandbox.s3lo(&verify(&server)).ends_with(1);
    server.fault(move |request| {
        page(request, "/signatures/d78").or_else(|| page(request, "list-type"))
    });
    let json = sandbox.s3lo(&verify(&server)).ends_with(2).json();
    assert_eq!(json["error"]["code"], "service_error");
    // And so does one that shows that there is.
    server.put(RECORD_PATH, b"{}");
    server.fault(move |request| page(request, "/signatures/d78"));
    sandbox.s3lo(&verify(&server)).ends_with(2);
}

#[test]
fn an_archived_record_is_not_an_absent_one() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|request| {
        let archived = || {
            s3_error(
                403,
                "InvalidObjectState",
                "The operation is not valid for the object's storage class",
            )
        };
        request.path.contains("/signatures/d78").then(archived)
    });
    let json = sandbox.s3lo(&verify(&server)).ends_with(2).json();
    assert_eq!(json["error"]["code"], "service_error");
}

#[test]
fn a_hanging_listing_does_not_delay_a_signature() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|request| {
        request
            .query
            .contains("list-type")
            .then_some(Reply::Silence)
    });
    sandbox
        .s3lo(&format!("{} --timeout 30s", sign(&server)))
        .ends_with(0);
}

#[test]
fn verbose_logs_each_request_with_its_id() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|request| {
        (request.method == "PUT").then(|| s3_error(403, "AccessDenied", "Access Denied"))
    });
    let run = sandbox
        .s3lo(&format!("{} --verbose", sign(&server)))
        .ends_with(2);
    assert!(
        run.err.contains("PUT http://127.0.0.1:") && run.err.contains(": 403 after "),
        "{}",
        run.err
    );
    assert!(run.err.contains("request ID TESTREQUESTID"), "{}", run.err);
}
