//! The bounds on the cost of hostile input.

use crate::support::program::Sandbox;
use crate::support::{MANIFEST, files, minio};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::{S3Server, s3_error};

const GIB: u64 = 1 << 30;

/// The most memory that any hostile input may take, in MiB.
const MOST: u64 = 64;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_image()
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD);
    // A key without scrypt, whose own memory would hide what the input takes.
    sandbox.write("plain.key", crate::support::plain_key());
    sandbox
}

#[test]
fn a_gigabyte_from_a_server_takes_no_memory_at_any_claimed_length() {
    for length in [Some(GIB), Some(100), Some(1 << 50), None] {
        for what in ["manifest.json", "signatures/"] {
            let (sandbox, server) = (sandbox(), S3Server::start());
            server.put(
                "/bucket/manifests/myapp/v1.0/manifest.json",
                MANIFEST.as_bytes(),
            );
            server.fault(move |request| {
                request
                    .path
                    .contains(what)
                    .then_some(Reply::Flood { bytes: GIB, length })
            });
            // A length that is too short ends the answer there: then it is torn instead of too large.
            let line = format!(
                "verify s3://bucket/myapp:v1.0 --key keys/cosign.pub --endpoint {}",
                server.endpoint
            );
            sandbox.s3lo_within(MOST, &line).ends_with(1);
        }
    }
}

#[test]
fn a_gigabyte_of_listing_or_of_error_takes_no_memory() {
    for status in [200, 403, 500] {
        let (sandbox, server) = (sandbox().with("AWS_MAX_ATTEMPTS", "1"), S3Server::start());
        server.put(
            "/bucket/manifests/myapp/v1.0/manifest.json",
            MANIFEST.as_bytes(),
        );
        let huge = vec![b'<'; 100 << 20];
        server.fault(move |request| {
            let list = request.query.contains("list-type");
            match status {
                200 => list.then_some(Reply::Flood {
                    bytes: GIB,
                    length: None,
                }),
                _ => Some(Reply::Answer(status, Vec::new(), huge.clone())),
            }
        });
        let line = format!(
            "sign s3://bucket/myapp:v1.0 --key plain.key --endpoint {}",
            server.endpoint
        );
        // The listing is a hint only: without it the image is still signed.
        sandbox
            .s3lo_within(MOST, &line)
            .ends_with(if status == 200 { 0 } else { 2 });
    }
}

#[test]
fn a_gigabyte_in_a_directory_takes_no_memory() {
    for name in ["manifest.json", "signatures/d78a77d897aeffc7.json"] {
        let sandbox = sandbox();
        let path = sandbox.file(&format!("store/manifests/myapp/v1.0/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).unwrap().set_len(GIB).unwrap();
        sandbox
            .s3lo_within(
                MOST,
                "verify local://./store/myapp:v1.0 --key keys/cosign.pub",
            )
            .ends_with(1);
    }
}

#[test]
fn a_directory_of_many_records_costs_no_more_than_one() {
    let sandbox = sandbox();
    for number in 0..20_000 {
        sandbox.write(
            &format!("store/manifests/myapp/v1.0/signatures/{number:016x}.json"),
            "{}",
        );
    }
    sandbox
        .s3lo_within(
            MOST,
            "verify local://./store/myapp:v1.0 --key keys/cosign.pub",
        )
        .ends_with(1);
    sandbox
        .s3lo_within(MOST, "sign local://./store/myapp:v1.0 --key plain.key")
        .ends_with(0);
    assert_eq!(
        files(&sandbox.file("store/manifests/myapp/v1.0/signatures")).len(),
        20_001
    );
}

/// The whole process, within 8 MiB: the 64 MiB of a real scrypt do not fit, let alone the gigabytes
/// that are asked for. `./bench` measures the time.
#[test]
fn a_hostile_scrypt_cost_is_refused_before_it_costs_anything() {
    const LITTLE: u64 = 8;
    let sandbox = sandbox();
    let cosign = std::fs::read_to_string(sandbox.file("keys/cosign.key")).unwrap();
    let block = pem::parse(&cosign).unwrap();
    let body = String::from_utf8(block.contents().to_vec()).unwrap();
    let control = sandbox.s3lo_within(LITTLE, "public-key --key keys/cosign.key");
    assert_eq!(
        control.code, None,
        "the limit must be felt: {}",
        control.err
    );
    for params in [
        r#""N":1073741824,"r":8,"p":1"#,
        r#""N":65536,"r":1073741824,"p":1"#,
        r#""N":65536,"r":8,"p":1073741824"#,
        r#""N":16384,"r":8,"p":1"#,
        r#""N":262144,"r":8,"p":1"#,
        r#""N":0,"r":0,"p":0"#,
        r#""N":18446744073709551615,"r":8,"p":1"#,
    ] {
        let hostile = body.replace(r#""N":65536,"r":8,"p":1"#, params);
        assert_ne!(hostile, body);
        sandbox.write(
            "hostile.key",
            pem::encode(&pem::Pem::new(block.tag(), hostile)),
        );
        let run = sandbox
            .s3lo_within(LITTLE, "public-key --key hostile.key -o json")
            .ends_with(2);
        assert_eq!(run.json()["error"]["code"], "unsupported_scrypt_cost");
    }
}

#[test]
fn an_encrypted_key_is_opened_once_for_all_images() {
    // scrypt takes 64 MiB, and the stacks of the threads for files are counted as well: one opening
    // fits into 190 MiB, sixteen do not, and neither do those of four keys.
    let mut line = "sign --key keys/cosign.key --concurrency 16".to_owned();
    let sandbox = sandbox();
    for number in 0..16 {
        sandbox.push("myapp", &format!("t{number}"), MANIFEST);
        line.push_str(&format!(" local://./store/myapp:t{number}"));
    }
    sandbox.s3lo_within(190, &line).ends_with(0);
    let keys = "--key keys/p384.key --key keys/p521.key --key keys/rsa2048.key";
    let several = sandbox.s3lo_within(190, &format!("{line} {keys}"));
    assert_eq!(several.code, None, "the limit must be felt");
}

#[test]
fn a_manifest_made_to_be_quoted_takes_neither_memory_nor_a_page() {
    let filler = "\u{7f}".repeat((4 << 20) - 200);
    let manifests = [
        format!(r#"{{"schemaVersion":2,"manifests":[],"mediaType":"{filler}"}}"#),
        format!(r#"{{"schemaVersion":"{filler}","manifests":[]}}"#),
    ];
    for manifest in manifests {
        let sandbox = sandbox();
        sandbox.push("myapp", "v1.0", &manifest);
        let keys = "--key keys/cosign.pub --key keys/p384.pub --key keys/p521.pub";
        for output in ["text", "json"] {
            let line = format!("verify local://./store/myapp:v1.0 {keys} -o {output}");
            let run = sandbox.s3lo_within(MOST, &line).ends_with(1);
            assert!(
                run.out.len() + run.err.len() < 10_000,
                "{}",
                run.out.len() + run.err.len()
            );
        }
        sandbox
            .s3lo_within(MOST, "sign local://./store/myapp:v1.0 --key plain.key")
            .ends_with(2);
    }
}

#[test]
fn a_server_that_talks_too_much_is_cut_short() {
    let (sandbox, server) = (sandbox().with("AWS_MAX_ATTEMPTS", "1"), S3Server::start());
    server.fault(|_| Some(s3_error(403, "AccessDenied", &"x".repeat(6 << 20))));
    let line = format!(
        "verify s3://bucket/myapp:v1.0 --key keys/cosign.pub --endpoint {}",
        server.endpoint
    );
    let run = sandbox.s3lo_within(MOST, &line).ends_with(2);
    assert!(run.err.len() < 10_000);
}

/// A manifest of the largest size, which is read fast.
fn largest_manifest() -> String {
    let frame = r#"{"schemaVersion":2,"config":{},"layers":[],"annotations":{"a":""}}"#;
    let filler = "x".repeat((4 << 20) - frame.len());
    frame.replace(r#""a":"""#, &format!(r#""a":"{filler}""#))
}

/// Images whose manifests would take twelve times the memory that there is.
const LARGE_IMAGES: usize = 200;

/// A sandbox in which what is freed is given back: the allocator of glibc keeps large blocks in each thread's arena, which
/// that of a release does not have.
fn sandbox_of_one_arena() -> Sandbox {
    sandbox()
        .with("MALLOC_ARENA_MAX", "1")
        .with("MALLOC_MMAP_THRESHOLD_", "262144")
}

#[test]
fn many_images_of_the_largest_size_are_not_in_memory_at_once() {
    let (sandbox, server) = (sandbox_of_one_arena(), S3Server::start());
    let manifest = largest_manifest().into_bytes();
    server.fault(move |request| {
        let asked = request.path.ends_with("manifest.json");
        asked.then(|| Reply::Answer(200, Vec::new(), manifest.clone()).header("etag", "\"large\""))
    });
    let images: Vec<_> = (0..LARGE_IMAGES)
        .map(|number| format!("s3://bucket/large:v{number}"))
        .collect();
    let line = format!(
        "verify {} --key keys/cosign.pub --endpoint {} --concurrency 64",
        images.join(" "),
        server.endpoint
    );
    sandbox.s3lo_within(MOST, &line).ends_with(1);
}

#[test]
fn nor_are_those_of_a_directory() {
    // The stacks of threads count as well.
    let sandbox = sandbox_of_one_arena().with("RUST_MIN_STACK", "524288");
    sandbox.push("large", "v0", &largest_manifest());
    let first = sandbox.file("store/manifests/large/v0/manifest.json");
    let mut line = "verify --key keys/cosign.pub --concurrency 24".to_owned();
    for number in 0..LARGE_IMAGES {
        let path = sandbox.file(&format!("store/manifests/large/v{number}/manifest.json"));
        if path != first {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::hard_link(&first, path).unwrap();
        }
        line.push_str(&format!(" local://./store/large:v{number}"));
    }
    sandbox.s3lo_within(MOST, &line).ends_with(1);
}
