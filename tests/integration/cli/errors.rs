//! Each error is a sentence that names the thing and a line with the remedy.

use crate::support::program::{Run, Sandbox};
use crate::support::{MANIFEST, minio};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::{S3Server, s3_error};

const REF: &str = "local://./store/myapp:v1.0";
const RECORD: &str = "store/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json";

fn reported(run: Run) -> String {
    let run_text = format!("exit {}\n{}{}", run.code.unwrap(), run.out, run.err);
    // The server's address differs from run to run.
    let mut parts = run_text.split("http://127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{text}http://127.0.0.1:PORT{rest}")
    })
}

/// One snapshot for all lines, each with its output.
fn all(sandbox: &Sandbox, lines: &[String]) -> String {
    let each = lines
        .iter()
        .map(|line| format!("$ s3lo {line}\n{}", reported(sandbox.s3lo(line))));
    each.collect::<Vec<_>>().join("\n")
}

#[test]
fn references() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let references = [
        "s3://my-bucket/myapp".to_owned(),
        "s3://my-bucket/registry:5000/myapp".to_owned(),
        format!("s3://my-bucket/myapp@{digest}"),
        "s3://my-bucket/myapp:v1@sha256:abc".to_owned(),
        format!("s3://my-bucket/myapp:v1@{}", digest.to_uppercase()),
        "s3://my-bucket".to_owned(),
        "s3://my_bucket!/myapp:v1".to_owned(),
        "gs://my-bucket/myapp:v1".to_owned(),
        "az://my-container/myapp:v1".to_owned(),
        "oci://registry/myapp:v1".to_owned(),
        "myapp:v1".to_owned(),
        "s3://my-bucket/../myapp:v1".to_owned(),
        "s3://my-bucket/team//myapp:v1".to_owned(),
        "local://./store/my\\app:v1".to_owned(),
        format!("s3://my-bucket/{}:v1", vec!["x".repeat(200); 6].join("/")),
    ];
    let lines = references.map(|reference| format!("verify {reference} --key keys/cosign.pub"));
    insta::assert_snapshot!(all(&Sandbox::new(), &lines));
}

#[test]
fn the_command_line() {
    let lines = [
        "sign --key keys/cosign.key",
        "sign local://./store/myapp:v1.0",
        "sign local://./store/myapp:v1.0 --key keys/cosign.key --schema-version 3",
        "sign local://./store/myapp:v1.0 --key keys/cosign.key --if-signed maybe",
        "sign local://./store/myapp:v1.0 --key keys/cosign.key --timeout 0",
        "sign local://./store/myapp:v1.0 --key keys/cosign.key --concurrency 0",
        "sign local://./store/myapp:v1.0 --key keys/cosign.key --digest 123",
        "sign local://./store/myapp:v1.0 local://./store/myapp:v1.1 --key keys/cosign.key --digest sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sign local://./store/myapp:v1.0 --key keys/cosign.key --endpoint http://127.0.0.1:1",
        "sign s3://my-bucket/myapp:v1.0 --key keys/cosign.key --endpoint minio:9000",
        "sign s3://my-bucket/myapp:v1.0 --key keys/cosign.key --endpoint http://user:pass@minio:9000",
        "verify local://./store/myapp:v1.0 --key keys/cosign.pub --require 0",
        "verify local://./store/myapp:v1.0 --key keys/cosign.pub --require 2",
        "verify local://./store/myapp:v1.0 --kye keys/cosign.pub",
        "singn local://./store/myapp:v1.0",
    ];
    insta::assert_snapshot!(all(&Sandbox::new(), &lines.map(str::to_owned)));
}

#[test]
fn keys() {
    let sandbox = Sandbox::with_image();
    sandbox.write("garbage.key", "not a key");
    sandbox.write("cut.key", "-----BEGIN PRIVATE KEY-----\nMC4C\n");
    sandbox.write("huge.key", "x".repeat(70_000));
    let cosign = std::fs::read_to_string(sandbox.file("keys/cosign.key")).unwrap();
    sandbox.write("two.key", cosign.repeat(2));
    let block = pem::parse(&cosign).unwrap();
    let body = String::from_utf8(block.contents().to_vec()).unwrap();
    let costly = body.replace("65536", "1073741824");
    sandbox.write(
        "costly.key",
        pem::encode(&pem::Pem::new(block.tag(), costly)),
    );
    sandbox.write(
        "openssl.key",
        cosign.replace("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
    );
    sandbox.write(
        "cert.pem",
        cosign.replace("ENCRYPTED SIGSTORE PRIVATE KEY", "CERTIFICATE"),
    );
    let secp256k1 = "-----BEGIN PUBLIC KEY-----\nMFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEeb5mfvncu6xVoGKVzocLBwKb/NstzijZ\nWfKBWxb4F5hIOtp3JqPEZV2k+/wOEQio/Re0SKaFVBmcR9CP+xDUuA==\n-----END PUBLIC KEY-----\n";
    sandbox.write("secp256k1.pub", secp256k1);
    let mut lines: Vec<_> = [
        "keys/nowhere.key",
        "env://NOWHERE",
        "env://NO-NAME",
        "keys/cosign.pub",
        "garbage.key",
        "cut.key",
        "huge.key",
        "two.key",
        "costly.key",
        "openssl.key",
        "cert.pem",
        "keys",
        "awskms:///alias/release-signer",
        "hashivault://vault.example/v1/transit/keys/ci-signer",
        "gcpkms://projects/p",
        "pkcs11:token=t;pin-value=1234",
        "https://user:hunter2@example/key",
        "ftp://example/key",
        "file://keys/cosign.key",
        "file:///run/secrets/cosign.key",
        "FILE://cosign.key",
        "~/cosign.key",
        "~/.keys/it's.key",
    ]
    .map(|key| format!("sign {REF} --key {key}"))
    .to_vec();
    for key in [
        "secp256k1.pub",
        "cert.pem",
        "garbage.key",
        "two.key",
        "keys/nowhere.pub",
    ] {
        lines.push(format!("verify {REF} --key {key}"));
    }
    lines.push("public-key --key keys/nowhere.key".to_owned());
    insta::assert_snapshot!(all(&sandbox, &lines));
}

#[test]
fn passwords() {
    let lines = [
        format!("sign {REF} --key keys/cosign.key"),
        "generate-key-pair".to_owned(),
    ];
    let unset = Sandbox::with_image().without("COSIGN_PASSWORD");
    let wrong = Sandbox::with_image().with("COSIGN_PASSWORD", "wrong");
    wrong.write("cosign.key", "there already");
    let texts = [all(&unset, &lines), all(&wrong, &lines)];
    insta::assert_snapshot!(texts.join("\n--- COSIGN_PASSWORD=wrong, and cosign.key exists\n"));
}

#[test]
fn images_that_are_not_there_or_no_images() {
    let sandbox = Sandbox::with_image();
    for number in 0..12 {
        sandbox.push("myapp", &format!("v2.{number}"), MANIFEST);
    }
    sandbox.push("text", "v1", "hello");
    sandbox.push(
        "both",
        "v1",
        r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#,
    );
    sandbox.push("old", "v1", r#"{"schemaVersion":1,"name":"old"}"#);
    sandbox.push("flood", "v1", &"x".repeat((4 << 20) + 1));
    let mut lines = Vec::new();
    for image in [
        "myapp:v9",
        "nothing:v1",
        "text:v1",
        "both:v1",
        "old:v1",
        "flood:v1",
    ] {
        lines.push(format!(
            "sign local://./store/{image} --key keys/cosign.key"
        ));
        lines.push(format!(
            "verify local://./store/{image} --key keys/cosign.pub"
        ));
    }
    lines.push("sign local://./no-store/myapp:v1.0 --key keys/cosign.key".to_owned());
    insta::assert_snapshot!(all(&sandbox, &lines));
}

#[test]
fn guards() {
    let sandbox = Sandbox::with_image();
    let other = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    sandbox
        .s3lo(&format!(
            "sign {REF} --key keys/cosign.key --schema-version 2"
        ))
        .ends_with(0);
    let lines = [
        format!("sign {REF}@{other} --key keys/cosign.key"),
        format!("sign {REF} --key keys/cosign.key --if-signed fail"),
        format!("sign {REF} --key keys/cosign.key --schema-version 1"),
    ];
    insta::assert_snapshot!(all(&sandbox, &lines));
}

#[test]
fn records() {
    let sandbox = Sandbox::with_image();
    sandbox
        .s3lo(&format!(
            "sign {REF} --key keys/cosign.key --key keys/p384.key"
        ))
        .ends_with(0);
    let record = std::fs::read_to_string(sandbox.file(RECORD)).unwrap();
    let other = std::fs::read_to_string(
        sandbox.file("store/manifests/myapp/v1.0/signatures/e7ed2e63d0b80aac.json"),
    )
    .unwrap();
    let changed = |from: &str, to: &str| {
        assert!(record.contains(from), "{from} in {record}");
        record.replace(from, to)
    };
    let signature = record
        .split("\"signature\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let cases = [
        ("of another key", other),
        ("torn", record[..record.len() / 2].to_owned()),
        ("empty", String::new()),
        ("oversized", "x".repeat(70_000)),
        (
            "of a later schema",
            changed("\"schemaVersion\":1", "\"schemaVersion\":3"),
        ),
        ("with a broken encoding", changed(signature, "not base64!")),
        (
            "with another signature",
            changed(
                signature,
                "MEUCIQDppEP958pYs6n2p54iZYMfdkrNgYcRnEm0VnGcbZxPIAIgXnyXUlV8ZcjCuDUYHp1mwZFYwIPCX29T/PHzrvIn6AI=",
            ),
        ),
        (
            "with another payload",
            changed("\"payload\":\"", "\"payload\":\"AAAA"),
        ),
    ];
    let mut texts = Vec::new();
    for (name, contents) in cases {
        sandbox.write(RECORD, contents);
        texts.push(format!(
            "# a record {name}\n{}",
            reported(sandbox.s3lo(&format!("verify {REF} --key keys/cosign.pub")))
        ));
    }
    sandbox.write(RECORD, &record);
    texts.push(format!(
        "# a record below the least schema\n{}",
        reported(sandbox.s3lo(&format!(
            "verify {REF} --key keys/cosign.pub --min-schema 2"
        )))
    ));
    insta::with_settings!({filters => vec![(r"\b\d+ times", "N times")]}, {
        insta::assert_snapshot!(texts.join("\n"));
    });
}

#[test]
fn s3() {
    let sandbox = Sandbox::new()
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
        .with("AWS_MAX_ATTEMPTS", "1")
        .with("AWS_EC2_METADATA_DISABLED", "true");
    type Case = (&'static str, fn() -> Reply);
    let cases: [Case; 12] = [
        ("NoSuchBucket", || {
            s3_error(404, "NoSuchBucket", "The specified bucket does not exist")
        }),
        ("AccessDenied", || {
            s3_error(
                403,
                "AccessDenied",
                "User: arn:aws:iam::123456789012:role/ci is not authorized to perform: s3:GetObject",
            )
        }),
        ("AccessDenied by KMS", || {
            s3_error(
                403,
                "AccessDenied",
                "User: arn:aws:iam::123456789012:role/ci is not authorized to perform: kms:Decrypt on this resource",
            )
        }),
        ("PermanentRedirect", || {
            s3_error(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint.",
            )
        }),
        ("RequestTimeTooSkewed", || {
            s3_error(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
            .header("date", "Sun, 12 Apr 2026 19:21:10 GMT")
        }),
        ("ExpiredToken", || {
            s3_error(400, "ExpiredToken", "The provided token has expired.")
        }),
        ("InvalidAccessKeyId", || {
            s3_error(
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
        }),
        ("SignatureDoesNotMatch", || {
            s3_error(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match.",
            )
        }),
        ("SlowDown", || {
            s3_error(503, "SlowDown", "Please reduce your request rate.")
        }),
        ("NotImplemented", || {
            s3_error(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented.",
            )
        }),
        ("hostile text", || {
            s3_error(
                400,
                "Odd",
                "&#27;[31mred\n::error::injected&#13;&#10;fake: line",
            )
        }),
        ("no S3 at all", || Reply::HangUp),
    ];
    let mut texts = Vec::new();
    for (name, reply) in cases {
        let server = S3Server::start();
        server.fault(move |_| Some(reply()));
        let line = format!(
            "sign s3://my-bucket/myapp:v1.0 --key keys/cosign.key --timeout 3s --endpoint {}",
            server.endpoint
        );
        texts.push(format!("# {name}\n{}", reported(sandbox.s3lo(&line))));
    }
    // The image is there, and the record may not be written.
    let server = S3Server::start();
    server.put(
        "/my-bucket/manifests/myapp/v1.0/manifest.json",
        MANIFEST.as_bytes(),
    );
    server.fault(|request| {
        (request.method == "PUT").then(|| s3_error(403, "AccessDenied", "Access Denied"))
    });
    let line = format!(
        "sign s3://my-bucket/myapp:v1.0 --key keys/cosign.key --endpoint {}",
        server.endpoint
    );
    texts.push(format!(
        "# AccessDenied on writing\n{}",
        reported(sandbox.s3lo(&line))
    ));
    // The image is not there, and the store may or may not be listed.
    let line = line
        .replace("sign", "verify")
        .replace("myapp:v1.0", "myapp:v2.0")
        .replace(".key ", ".pub ");
    texts.push(format!("# no image\n{}", reported(sandbox.s3lo(&line))));
    server.fault(|request| {
        request
            .query
            .contains("list-type")
            .then(|| s3_error(403, "AccessDenied", "Access Denied"))
    });
    texts.push(format!(
        "# no image, and no listing\n{}",
        reported(sandbox.s3lo(&line))
    ));
    let line =
        "verify s3://my-bucket/myapp:v1.0 --key keys/cosign.pub --endpoint http://127.0.0.1:1";
    texts.push(format!("# nobody there\n{}", reported(sandbox.s3lo(line))));
    let bare = Sandbox::new().with("AWS_EC2_METADATA_DISABLED", "true");
    texts.push(format!("# no credentials\n{}", reported(bare.s3lo(line))));
    insta::with_settings!({filters => vec![(r"\b\d+ times", "N times")]}, {
        insta::assert_snapshot!(texts.join("\n"));
    });
}
