//! The gate as containerd starts it, but with a stdin that containerd does not give it.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::fixture::{Buckets, OF_PROD};
use super::images::Image;
use crate::support::program::{Run, finish};

/// A bucket with a signed image, and that image.
fn gate() -> (Buckets, Image) {
    let buckets = Buckets::new();
    let image = Image::new("one");
    buckets.push_signed("prod/app:v1", &image);
    (buckets, image)
}

/// The gate, asked about the image under a tag.
fn asked(buckets: &Buckets, image: &Image, tag: &str) -> Command {
    let name = format!("{OF_PROD}/app:{tag}");
    let (digest, media_type) = (image.digest(), "application/vnd.oci.descriptor.v1+json");
    let words = [
        "-name",
        &name,
        "-digest",
        &digest,
        "-stdin-media-type",
        media_type,
    ];
    let mut command = buckets.sandbox.command(&words);
    command.stdin(Stdio::piped());
    command
}

/// The image's descriptor, made this long by an annotation.
fn descriptor(image: &Image, length: usize) -> Vec<u8> {
    let of = |padding: usize| {
        let value = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": image.digest(),
            "size": image.manifest.len(),
            "annotations": { "padding": "x".repeat(padding) },
        });
        format!("{value}\n").into_bytes()
    };
    of(length.saturating_sub(of(0).len()))
}

/// Ends the run with its stdin still open.
fn finish_while_open(mut child: Child) -> Run {
    let stdin = child.stdin.take();
    let run = finish(child);
    drop(stdin);
    run
}

#[test]
fn the_verdict_is_on_stdout() {
    let (buckets, image) = gate();
    let mut child = asked(&buckets, &image, "v1").spawn().unwrap();
    let stdin = child.stdin.take();
    stdin.unwrap().write_all(&descriptor(&image, 0)).unwrap();
    let run = finish(child).ends_with(0);
    assert!(run.out.contains("s3://prod/app:v1"), "{}", run.out);
    assert_eq!(run.err, "");
}

#[test]
fn a_stdin_that_nobody_closes_does_not_hold_it_up() {
    let (buckets, image) = gate();
    buckets.push("prod/app:unsigned", &image);
    for (tag, code) in [("v1", 0), ("unsigned", 1)] {
        for bytes in [Vec::new(), descriptor(&image, 0)] {
            let start = Instant::now();
            let mut child = asked(&buckets, &image, tag).spawn().unwrap();
            child.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
            finish_while_open(child).ends_with(code);
            assert!(start.elapsed() < Duration::from_secs(8), "{tag}");
        }
    }
}

#[test]
fn a_long_descriptor_does_not_hold_it_up() {
    let (buckets, image) = gate();
    // What fits into a pipe, and what does not.
    for length in [64 << 10, 1 << 20] {
        let start = Instant::now();
        let mut child = asked(&buckets, &image, "v1").spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = descriptor(&image, length);
        // As containerd does, which is content if it cannot write all of it.
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        finish(child).ends_with(0);
        assert!(start.elapsed() < Duration::from_secs(8));
        let _ = writer.join().unwrap();
    }
}

#[test]
fn a_closed_stdin_does_not_stop_it() {
    let (buckets, image) = gate();
    let null = asked(&buckets, &image, "v1").stdin(Stdio::null()).spawn();
    finish(null.unwrap()).ends_with(0);
}
