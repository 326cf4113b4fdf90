//! Objects by other writers of the bucket: they change no verdict, and never lead `verify` to exit 2.

use super::quirks::{
    MANIFEST_PATH, RECORD_PATH, RECORDS_PATH, error_of, sandbox, server, sign, verify,
};
use s3lo_test_servers::http::{Reply, Request};
use s3lo_test_servers::s3::{Quirk, S3Server, s3_error};

#[test]
fn a_missing_object_is_missing_however_the_server_reports_it() {
    let answers: [fn() -> Reply; 5] = [
        || Reply::Answer(404, Vec::new(), b"<html>404 Not Found</html>".to_vec()),
        || Reply::Answer(404, Vec::new(), br#"{"code":"NoSuchKey"}"#.to_vec()),
        || s3_error(404, "BlobNotFound", "no such thing"),
        || {
            Reply::Answer(
                404,
                Vec::new(),
                b"\n<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>".to_vec(),
            )
        },
        || s3_error(403, "AccessDenied", "Access Denied"),
    ];
    for answer in answers {
        let (sandbox, server) = (sandbox(), server(&[]));
        server.fault(move |request| request.path.contains("/signatures/83a").then(answer));
        sandbox.s3lo(&verify(&server.endpoint)).ends_with(1);
        server.fault(move |request| request.path.ends_with("manifest.json").then(answer));
        server.remove(MANIFEST_PATH);
        let (code, _) = error_of(&sandbox, &verify(&server.endpoint));
        assert_eq!(code, "image_not_found");
    }
}

#[test]
fn a_compressed_object_is_named_as_one() {
    for (bytes, word) in [
        (&[0x1f, 0x8b, 8, 0][..], "gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd, 0], "Zstandard"),
        (b"<!doctype html>", "HTML"),
    ] {
        let (sandbox, server) = (sandbox(), server(&[]));
        server.put(RECORD_PATH, bytes);
        let json = sandbox.s3lo(&verify(&server.endpoint)).ends_with(1).json();
        assert!(json["reason"].as_str().unwrap().contains(word), "{json}");
        server.put(MANIFEST_PATH, bytes);
        let json = sandbox.s3lo(&verify(&server.endpoint)).ends_with(1).json();
        assert!(json["reason"].as_str().unwrap().contains(word), "{json}");
    }
}

#[test]
fn a_checksum_that_lies_beside_an_object_decides_nothing() {
    // Some servers store the header of a write without looking at the body.
    for named in [true, false] {
        let (mut sandbox, server) = (sandbox(), server(&[]));
        let line = |line: String| match named {
            true => line,
            false => line.replace(&format!("--endpoint {}", server.endpoint), ""),
        };
        if !named {
            sandbox.set("AWS_ENDPOINT_URL_S3", &server.endpoint);
        }
        let wrong = vec![("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())];
        server.set_metadata(MANIFEST_PATH, wrong.clone());
        server.set_metadata(RECORD_PATH, wrong);
        let (sign, verify) = (line(sign(&server.endpoint)), line(verify(&server.endpoint)));
        sandbox.s3lo(&verify).ends_with(1);
        sandbox.s3lo(&sign).ends_with(0);
        sandbox.s3lo(&verify).ends_with(0);
        server.put(RECORD_PATH, b"{}");
        sandbox.s3lo(&verify).ends_with(1);
    }
}

/// Refuses absent objects, as S3 does to callers that may list a prefix only.
fn hide_absence(server: &S3Server) {
    let objects = server.clone();
    server.fault(move |request: &Request| {
        let asks = request.method == "GET" && !request.query.contains("list-type");
        let path = request.path.clone();
        let scene = objects.clone();
        // By another thread, since this one holds the server.
        let absent = std::thread::spawn(move || scene.get(&path).is_none());
        (asks && absent.join().unwrap()).then(|| s3_error(403, "AccessDenied", "Access Denied"))
    });
}

#[test]
fn junk_beside_an_absent_object_changes_no_verdict() {
    let record = RECORD_PATH;
    let beside: [(&str, Vec<String>); 5] = [
        ("a folder of its name", vec![format!("{record}/x")]),
        (
            "more than a page before it",
            (0..1001)
                .map(|number| format!("{RECORDS_PATH}0{number:04}"))
                .collect(),
        ),
        (
            "a name that XML cannot hold",
            vec![
                format!("{RECORDS_PATH}\u{fffe}"),
                format!("{record}\u{fffe}"),
            ],
        ),
        (
            "a name with a control character",
            vec![format!("{record}\u{1}")],
        ),
        (
            "a longer name",
            vec![format!("{record}.json"), format!("{record}+%20")],
        ),
    ];
    for quirks in [&[][..], &[Quirk::ListsRawNames]] {
        for (what, paths) in &beside {
            let (sandbox, server) = (sandbox(), server(quirks));
            for path in paths {
                server.put(path, b"x");
            }
            hide_absence(&server);
            let run = sandbox.s3lo(&verify(&server.endpoint));
            assert_eq!(run.code, Some(1), "{what} {quirks:?}: {}", run.out);
            let signed = sandbox.s3lo(&sign(&server.endpoint));
            assert_eq!(signed.code, Some(0), "{what} {quirks:?}: {}", signed.out);
            sandbox.s3lo(&verify(&server.endpoint)).ends_with(0);
        }
    }
    // The same of a manifest.
    let (sandbox, server) = (sandbox(), S3Server::start());
    server.put(&format!("{MANIFEST_PATH}/x"), b"x");
    hide_absence(&server);
    let (code, _) = error_of(&sandbox, &verify(&server.endpoint));
    assert_eq!(code, "image_not_found");
}

#[test]
fn metadata_of_an_object_change_no_verdict() {
    let many: Vec<_> = (0..1500)
        .map(|number| (format!("x-amz-meta-a{number:04}"), "b".to_owned()))
        .collect();
    let (sandbox, server) = (sandbox(), server(&[]));
    sandbox.s3lo(&sign(&server.endpoint)).ends_with(0);
    for path in [RECORD_PATH, MANIFEST_PATH] {
        server.set_metadata(path, many.clone());
        sandbox.s3lo(&verify(&server.endpoint)).ends_with(0);
    }
    assert_eq!(
        sandbox.s3lo(&sign(&server.endpoint)).ends_with(0).json()["status"],
        "kept"
    );
    // A poisoned record that proves nothing is replaced.
    server.put(RECORD_PATH, b"{");
    sandbox.s3lo(&verify(&server.endpoint)).ends_with(1);
    sandbox.s3lo(&sign(&server.endpoint)).ends_with(0);
    sandbox.s3lo(&verify(&server.endpoint)).ends_with(0);
}

#[test]
fn metadata_that_are_no_text_change_no_verdict() {
    let (sandbox, server) = (sandbox(), server(&[]));
    sandbox.s3lo(&sign(&server.endpoint)).ends_with(0);
    let record = server.get(RECORD_PATH).unwrap();
    for line in [
        &b"content-disposition: attachment; filename=\xe9\r\n"[..],
        b"x-amz-meta-name: \xe9\xff\r\n",
        b"cache-control: \xe9\r\n",
        b"x-amz-meta-a: \x01\r\n",
        b"x amz meta: b\r\n",
    ] {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\netag: \"v2\"\r\ncontent-length: {}\r\nconnection: close\r\n",
            record.len()
        )
        .into_bytes();
        answer.extend_from_slice(line);
        answer.extend_from_slice(b"\r\n");
        answer.extend_from_slice(&record);
        server.fault(move |request| {
            let asked = request.method == "GET" && request.path == RECORD_PATH;
            asked.then(|| Reply::Raw(answer.clone()))
        });
        let run = sandbox.s3lo(&verify(&server.endpoint));
        let header = String::from_utf8_lossy(line);
        assert_eq!(run.code, Some(0), "{header}: {}{}", run.out, run.err);
    }
    // A server without HTTP is unreachable, and nothing is replaced.
    server.fault(|request| {
        let asked = request.method == "GET" && request.path == RECORD_PATH;
        asked.then(|| Reply::Raw(b"SSH-2.0-x\r\n\r\n".to_vec()))
    });
    let (code, _) = error_of(&sandbox, &verify(&server.endpoint));
    assert_eq!(code, "unreachable");
    let (code, _) = error_of(&sandbox, &sign(&server.endpoint));
    assert_eq!(code, "unreachable");
    assert_eq!(server.get(RECORD_PATH), Some(record));
}
