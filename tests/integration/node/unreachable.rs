//! A gate whose S3 does not answer.

use std::time::{Duration, Instant};

use s3lo_test_servers::http::Reply;

use super::containerd::Pull;
use super::fixture::{Buckets, Node, OF_PROD};
use super::images::Image;

/// Blocked by the gate, and not by containerd for its want of an answer; the reason, and how long it took.
#[track_caller]
fn blocked(node: &Node) -> (String, Duration) {
    let start = Instant::now();
    let pull = node.pull(&format!("{OF_PROD}/app:v1"));
    let took = start.elapsed();
    let Pull::Blocked(message) = &pull else {
        panic!("{pull:?}");
    };
    let reason = message.split_once("verifier s3lo rejected image (exit code 2): ");
    let (_, reason) = reason.unwrap_or_else(|| panic!("after {took:?}: {message}"));
    (reason.to_owned(), took)
}

fn node() -> Node {
    let buckets = Buckets::new();
    buckets.push_signed("prod/app:v1", &Image::new("one"));
    Node::new(buckets)
}

#[test]
fn an_image_is_blocked_while_s3_cannot_be_reached() {
    let node = node();
    // Nothing listens on a port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    node.buckets
        .configure_at(&format!("http://{address}"), "allow", "deny");
    let (reason, took) = blocked(&node);
    assert!(reason.contains(&address), "{reason}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Other hosts have nothing to do with it.
    assert_eq!(node.pull("other.example/app:v1"), Pull::Allowed);
}

#[test]
fn an_image_is_blocked_before_containerd_gives_up_on_the_gate() {
    let node = node();
    // The registry reads the same store, but does not ask for it by HTTP.
    node.buckets.s3.fault(|_| Some(Reply::Silence));
    let (reason, took) = blocked(&node);
    assert!(reason.contains("time"), "{reason}");
    let due = Duration::from_secs(7)..Duration::from_secs(10);
    assert!(due.contains(&took), "{took:?}");
}

#[test]
fn an_error_of_s3_is_no_verdict() {
    let node = node();
    for (status, code) in [(403, "AccessDenied"), (500, "InternalError")] {
        node.buckets
            .s3
            .fault(move |_| Some(s3lo_test_servers::s3::s3_error(status, code, "No.")));
        let (reason, took) = blocked(&node);
        assert!(reason.contains("s3://prod/app:v1"), "{reason}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}
