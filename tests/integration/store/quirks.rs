//! What servers do otherwise than S3, each with the outcome that it must have, and what a bucket's writer can make any of
//! them do.

use std::collections::BTreeSet;

use crate::store::conformance::{conforms, make_bucket_at, store, wait_for};
use crate::support::program::Sandbox;
use crate::support::seaweedfs::seaweedfs;
use crate::support::{MANIFEST, minio, plain_key};
use s3lo_test_servers::http::{Reply, Request};
use s3lo_test_servers::s3::{Quirk, S3Server, s3_error};

const REF: &str = "s3://bucket/myapp:v1.0";
const MANIFEST_PATH: &str = "/bucket/manifests/myapp/v1.0/manifest.json";
const RECORDS_PATH: &str = "/bucket/manifests/myapp/v1.0/signatures/";
const RECORD_PATH: &str = "/bucket/manifests/myapp/v1.0/signatures/83a085643219c3db.json";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    // In the open, so that no run waits for scrypt.
    sandbox.write("plain.key", plain_key());
    sandbox
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
        .with("AWS_MAX_ATTEMPTS", "2")
}

fn server(quirks: &[Quirk]) -> S3Server {
    let server = S3Server::with(quirks);
    server.put(MANIFEST_PATH, MANIFEST.as_bytes());
    server
}

fn sign(endpoint: &str) -> String {
    format!("sign {REF} --key plain.key --endpoint {endpoint} -o json")
}

fn verify(endpoint: &str) -> String {
    format!("verify {REF} --key plain.key --endpoint {endpoint} -o json")
}

#[track_caller]
fn error_of(sandbox: &Sandbox, line: &str) -> (String, String) {
    let json = sandbox.s3lo(line).ends_with(2).json();
    let text = |name: &str| json["error"][name].as_str().unwrap().to_owned();
    (
        text("code"),
        format!("{} {}", text("message"), text("help")),
    )
}

/// Quirks that change nothing for who signs alone. The second is whether a warning is due.
const HARMLESS: [(&[Quirk], bool); 14] = [
    (&[Quirk::BareEtags], false),
    (&[Quirk::WeakEtags], false),
    (&[Quirk::Chunked], false),
    (&[Quirk::IgnoresConditions], false),
    (&[Quirk::ListsRawNames], false),
    (&[Quirk::ListsWithoutEtags], false),
    (&[Quirk::NeedsChecksum], false),
    (&[Quirk::Never304], false),
    (&[Quirk::NoEtagOnGet, Quirk::ListsWithoutEtags], false),
    (&[Quirk::HyphenEtagOnPut], false),
    (&[Quirk::NoEtagOnPut], false),
    (&[Quirk::NoIsTruncated], false),
    (&[Quirk::RefusesConditions400], true),
    (&[Quirk::RefusesConditions501], true),
];

#[test]
fn an_image_is_signed_kept_replaced_and_verified_whatever_the_quirk() {
    for (quirks, warned) in HARMLESS {
        let (sandbox, server) = (sandbox(), server(quirks));
        let run = |flags: &str| {
            let run = sandbox.s3lo(&format!("{}{flags}", sign(&server.endpoint)));
            assert_eq!(
                run.code,
                Some(0),
                "{quirks:?}{flags}: {}{}",
                run.out,
                run.err
            );
            let warnings = run.err.matches("conditional writes").count();
            let wrote = run.json()["status"] == "signed";
            assert_eq!(
                warnings,
                usize::from(warned && wrote),
                "{quirks:?}: {}",
                run.err
            );
            run.json()["status"].as_str().unwrap().to_owned()
        };
        let verified = || sandbox.s3lo(&verify(&server.endpoint)).ends_with(0);
        assert_eq!(run(""), "signed", "{quirks:?}");
        verified();
        assert_eq!(run(""), "kept", "{quirks:?}");
        assert_eq!(run(" --if-signed replace"), "signed", "{quirks:?}");
        verified();
        sandbox
            .s3lo(&format!("{} --if-signed fail", sign(&server.endpoint)))
            .ends_with(1);
        // A record that proves nothing is replaced, and one of a later schema is not.
        for torn in [b"{".to_vec(), vec![b'x'; 70_000]] {
            server.put(RECORD_PATH, &torn);
            assert_eq!(run(""), "signed", "{quirks:?}");
            verified();
        }
        server.put(RECORD_PATH, br#"{"schemaVersion":3}"#);
        sandbox.s3lo(&sign(&server.endpoint)).ends_with(1);
        // No signature, and no image.
        server.remove(RECORD_PATH);
        sandbox.s3lo(&verify(&server.endpoint)).ends_with(1);
        server.remove(MANIFEST_PATH);
        let (code, _) = error_of(&sandbox, &verify(&server.endpoint));
        assert_eq!(code, "image_not_found", "{quirks:?}");
    }
}

#[test]
fn servers_that_compare_no_versions_conform_all_the_same() {
    for quirks in [
        &[Quirk::RefusesConditions400][..],
        &[Quirk::RefusesConditions501],
        &[Quirk::NoEtagOnPut],
        &[Quirk::HyphenEtagOnPut],
        &[Quirk::WeakEtags],
        &[Quirk::BareEtags],
        &[Quirk::Never304],
        &[Quirk::Chunked],
        &[Quirk::ListsRawNames],
    ] {
        let server = S3Server::with(quirks);
        wait_for(conforms(&store("bucket", &server.endpoint)));
    }
}

#[test]
fn a_guard_holds_on_a_server_that_ignores_conditions_and_hides_its_list() {
    let higher = sandbox();
    let server = server(&[Quirk::IgnoresConditions]);
    higher
        .s3lo(&format!("{} --schema-version 2", sign(&server.endpoint)))
        .ends_with(0);
    let there = server.get(RECORD_PATH);
    server.fault(|request| {
        let denied = || s3_error(403, "AccessDenied", "Access Denied");
        request.query.contains("list-type").then(denied)
    });
    for flags in ["--if-signed fail", "--schema-version 1"] {
        higher
            .s3lo(&format!("{} {flags}", sign(&server.endpoint)))
            .ends_with(1);
        assert_eq!(server.get(RECORD_PATH), there);
    }
}

#[test]
fn what_is_read_back_as_another_record_is_reported_and_judged() {
    // Somebody overwrites what was just written, on a server without conditions.
    let (sandbox, server) = (sandbox(), server(&[Quirk::RefusesConditions501]));
    let theirs = {
        let other = self::server(&[]);
        sandbox.s3lo(&sign(&other.endpoint)).ends_with(0);
        other.get(RECORD_PATH).unwrap()
    };
    let (scene, record) = (server.clone(), theirs.clone());
    let mut written = false;
    server.fault(move |request| {
        let conditional = request.headers.contains_key("if-none-match");
        if request.method == "PUT" && !conditional && !written {
            written = true;
            let (scene, record) = (scene.clone(), record.clone());
            let stored = std::thread::spawn(move || scene.put(RECORD_PATH, &record));
            stored.join().unwrap();
            return Some(Reply::Answer(200, Vec::new(), Vec::new()).header("etag", "\"mine\""));
        }
        None
    });
    let run = sandbox.s3lo(&sign(&server.endpoint)).ends_with(0);
    assert_eq!(run.json()["status"], "kept");
    assert!(
        run.err.contains("refuses conditional writes"),
        "{}",
        run.err
    );
    assert_eq!(server.get(RECORD_PATH), Some(theirs));
}

#[test]
fn one_image_named_twice_shows_that_conditions_are_ignored() {
    let server = server(&[Quirk::IgnoresConditions]);
    // Both look before the other has written.
    let store = store("bucket", &server.endpoint);
    wait_for(async {
        use s3lo::store::Store as _;
        store
            .create("manifests/a/v1/manifest.json", b"{}")
            .await
            .unwrap();
        assert_eq!(store.warning(), None);
        store
            .create("manifests/a/v1/manifest.json", b"{}")
            .await
            .unwrap();
        let warning = store.warning().unwrap();
        assert!(warning.contains("ignores conditional writes"), "{warning}");
    });
}

#[test]
fn regions_have_the_names_that_their_servers_give_them() {
    for region in ["SBG", "NL", "_", "my_region", "GRA"] {
        let (mut sandbox, server) = (sandbox(), server(&[]));
        let named = region.to_owned();
        server.fault(move |request| {
            let right = format!("/{named}/s3/");
            let wrong = !request.headers["authorization"].contains(&right);
            let body = format!("<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong; expecting '{named}'</Message><Region>{named}</Region></Error>");
            wrong.then(|| Reply::Answer(400, Vec::new(), body.into_bytes()))
        });
        sandbox.s3lo(&sign(&server.endpoint)).ends_with(0);
        sandbox
            .s3lo(&format!("{} --region {region}", verify(&server.endpoint)))
            .ends_with(0);
        sandbox.set("AWS_REGION", region);
        sandbox.s3lo(&verify(&server.endpoint)).ends_with(0);
    }
}

#[test]
fn a_server_may_lie_below_a_path() {
    for (path, slash) in [
        ("/storage/v1/s3", ""),
        ("/storage/v1/s3", "/"),
        ("/minio", "//"),
    ] {
        let (mut sandbox, server) = (sandbox(), server(&[]));
        server.below(path);
        let endpoint = format!("{}{path}{slash}", server.endpoint);
        sandbox.s3lo(&sign(&endpoint)).ends_with(0);
        sandbox.s3lo(&verify(&endpoint)).ends_with(0);
        for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
            sandbox.set(name, &endpoint);
            let line = verify(&endpoint).replace(&format!("--endpoint {endpoint}"), "");
            sandbox.s3lo(&line).ends_with(0);
            sandbox.unset(name);
        }
        sandbox.write(
            "aws-config",
            format!("[default]\nservices = s\n[services s]\ns3 =\n  endpoint_url = {endpoint}\n"),
        );
        sandbox.set("AWS_CONFIG_FILE", "aws-config");
        let line = verify(&endpoint).replace(&format!("--endpoint {endpoint}"), "");
        sandbox.s3lo(&line).ends_with(0);
    }
}

#[test]
fn every_write_carries_a_checksum() {
    let sum = |server: &S3Server| -> BTreeSet<String> {
        let names = server.headers().into_iter().flat_map(HashMapKeys::names);
        names
            .filter(|name| name == "content-md5" || name.starts_with("x-amz-checksum-"))
            .filter(|name| name != "x-amz-checksum-mode")
            .collect()
    };
    for (calculation, named, expected) in [
        (None, true, "content-md5"),
        (Some("when_required"), true, "content-md5"),
        (Some("WHEN_SUPPORTED"), true, "x-amz-checksum-crc32"),
        (None, false, "x-amz-checksum-crc32"),
        (Some("when_required"), false, "content-md5"),
    ] {
        let (mut sandbox, server) = (sandbox(), server(&[Quirk::NeedsChecksum]));
        if let Some(calculation) = calculation {
            sandbox.set("AWS_REQUEST_CHECKSUM_CALCULATION", calculation);
        }
        let mut line = sign(&server.endpoint);
        if !named {
            sandbox.set("AWS_ENDPOINT_URL_S3", &server.endpoint);
            line = line.replace(&format!("--endpoint {}", server.endpoint), "");
        }
        sandbox.s3lo(&line).ends_with(0);
        assert_eq!(
            sum(&server),
            BTreeSet::from([expected.to_owned()]),
            "{calculation:?} {named}"
        );
    }
    let sandbox = sandbox().with("AWS_REQUEST_CHECKSUM_CALCULATION", "sometimes");
    let (code, _) = error_of(&sandbox, &sign("http://127.0.0.1:1"));
    assert_eq!(code, "configuration");
}

/// The names of a request's headers.
trait HashMapKeys {
    fn names(self) -> Vec<String>;
}

impl HashMapKeys for std::collections::HashMap<String, String> {
    fn names(self) -> Vec<String> {
        self.into_keys().collect()
    }
}

#[test]
fn encryption_is_asked_for_where_a_policy_demands_it() {
    let (sandbox, server) = (sandbox(), server(&[Quirk::NeedsEncryption]));
    let (code, text) = error_of(&sandbox, &sign(&server.endpoint));
    assert_eq!(code, "access_denied");
    assert!(text.contains("`--sse AES256`"), "{text}");
    let key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for (flags, algorithm, kms) in [
        ("--sse AES256", "AES256", None),
        ("--sse aws:kms", "aws:kms", None),
        (&format!("--sse-kms-key {key}")[..], "aws:kms", Some(key)),
        (
            &format!("--sse aws:kms:dsse --sse-kms-key {key}"),
            "aws:kms:dsse",
            Some(key),
        ),
    ] {
        sandbox
            .s3lo(&format!(
                "{} {flags} --if-signed replace",
                sign(&server.endpoint)
            ))
            .ends_with(0);
        let headers = server.headers();
        let last = headers
            .iter()
            .rfind(|one| one.contains_key("x-amz-server-side-encryption"));
        let last = last.unwrap();
        assert_eq!(last["x-amz-server-side-encryption"], algorithm);
        let id = last.get("x-amz-server-side-encryption-aws-kms-key-id");
        assert_eq!(id.map(String::as_str), kms);
    }
    for wrong in [
        "--sse aes",
        "--sse AES256 --sse-kms-key x",
        "--sse-kms-key awskms:///alias/a",
    ] {
        let (code, _) = error_of(&sandbox, &format!("{} {wrong}", sign(&server.endpoint)));
        assert_eq!(code, "usage", "{wrong}");
    }
    // It is for what is written to S3.
    let line = "sign local://./store/myapp:v1.0 --key plain.key -o json --sse AES256";
    let (code, text) = error_of(&sandbox, line);
    assert_eq!(code, "usage");
    assert!(text.contains("`--sse` is for `s3://` references"), "{text}");
    let (code, _) = error_of(
        &sandbox,
        &format!("{} --sse AES256", verify(&server.endpoint)),
    );
    assert_eq!(code, "usage");
}

#[test]
fn a_redirect_is_shown_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (sandbox, server) = (sandbox(), server(&[]));
        server.fault(move |request| {
            let target = format!("https://s3.example:9443{}", request.path);
            let page = b"<html><h1>Moved</h1></html>".to_vec();
            Some(Reply::Answer(status, Vec::new(), page).header("location", &target))
        });
        let (code, text) = error_of(&sandbox, &verify(&server.endpoint));
        assert_eq!(code, "redirected", "{status}");
        assert!(
            text.contains("`--endpoint https://s3.example:9443`"),
            "{text}"
        );
    }
}

#[test]
fn only_a_missing_permission_is_answered_with_a_policy() {
    for (status, code, message, ours, advice) in [
        (
            403,
            "SecondLevelDomainForbidden",
            "Please use virtual hosted style to access.",
            "service_error",
            "AWS_ENDPOINT_URL_S3",
        ),
        (
            403,
            "QuotaExceeded",
            "Your request was denied due to quota exceeded.",
            "service_error",
            "quota",
        ),
        (403, "XAmzQuota", "no", "service_error", "quota"),
        (
            403,
            "AccountProblem",
            "There is a problem with your account.",
            "service_error",
            "account",
        ),
        (
            403,
            "NotSignedUp",
            "Your account is not signed up",
            "service_error",
            "account",
        ),
        (
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            "service_error",
            "archived",
        ),
        (
            403,
            "AccessDenied",
            "S3 API Request made to Console port. S3 Requests should be sent to API port.",
            "service_error",
            "console",
        ),
        (
            400,
            "InvalidArgument",
            "S3 API Requests must be made to API port.",
            "service_error",
            "console",
        ),
        (
            403,
            "RequestTimeTooSkewed",
            "The difference is too large.",
            "clock_skewed",
            "clock",
        ),
        (
            403,
            "SomethingNew",
            "no",
            "service_error",
            "look the code up",
        ),
        (
            405,
            "MethodNotAllowed",
            "no",
            "service_error",
            "delete marker",
        ),
        (
            400,
            "KMS.DisabledException",
            "the key is disabled",
            "service_error",
            "KMS key",
        ),
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: s3:GetObject on resource: y because no service control policy allows the s3:GetObject action",
            "access_denied",
            "service control policies",
        ),
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: s3:GetObject on resource: y because no permissions boundary allows the s3:GetObject action",
            "access_denied",
            "permissions boundary",
        ),
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: s3:GetObject on resource: y because no resource-based policy allows the s3:GetObject action",
            "access_denied",
            "the policy of the bucket",
        ),
    ] {
        let (sandbox, server) = (sandbox(), server(&[]));
        server.fault(move |_| Some(s3_error(status, code, message)));
        let (named, text) = error_of(&sandbox, &verify(&server.endpoint));
        assert_eq!(named, ours, "{code}: {text}");
        assert!(text.contains(advice), "{code}: {text}");
        assert!(!text.contains("add to the role's policy"), "{code}: {text}");
    }
}

#[test]
fn a_directory_bucket_needs_a_session_and_its_region() {
    let reference = "s3://my-bucket--usw2-az1--x-s3/myapp:v1.0";
    let (sandbox, server) = (sandbox(), server(&[]));
    server.fault(|request| {
        let message = "User: arn:aws:iam::111122223333:role/ci is not authorized to perform: s3express:CreateSession on resource: arn:aws:s3express:us-west-2:111122223333:bucket/my-bucket--usw2-az1--x-s3";
        let session = request.query.contains("session");
        session.then(|| s3_error(403, "AccessDenied", message))
    });
    let line = verify(&server.endpoint).replace(REF, reference);
    let (code, text) = error_of(&sandbox, &format!("{line} --region us-west-2"));
    assert_eq!(code, "access_denied", "{text}");
    let statement = r#""Action": "s3express:CreateSession", "Resource": "arn:aws:s3express:us-west-2:111122223333:bucket/my-bucket--usw2-az1--x-s3""#;
    assert!(text.contains(statement), "{text}");
    let line = format!("verify {reference} --key plain.key -o json");
    let (code, text) = error_of(&sandbox, &line);
    assert_eq!(code, "usage");
    assert!(text.contains("--region"), "{text}");
}

#[test]
fn a_missing_object_is_missing_however_the_server_says_so() {
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

/// Refuses what is absent, as S3 does to whoever may list a prefix alone.
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
    // What is no HTTP is unreachable, and nothing is replaced.
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

#[test]
fn replacing_a_signature_takes_three_waits() {
    let (sandbox, server) = (sandbox(), server(&[]));
    sandbox.s3lo(&sign(&server.endpoint)).ends_with(0);
    let before = server.requests().len();
    sandbox
        .s3lo(&format!("{} --if-signed replace", sign(&server.endpoint)))
        .ends_with(0);
    let mut made = server.requests().split_off(before);
    made.sort();
    assert_eq!(
        made,
        [
            "GET /bucket/",
            &format!("GET {MANIFEST_PATH}"),
            &format!("GET {MANIFEST_PATH}"),
            &format!("PUT {RECORD_PATH}"),
        ]
    );
}

#[test]
fn real_servers_sign_keep_replace_and_verify() {
    for endpoint in [&minio::minio().endpoint, &seaweedfs().endpoint] {
        let bucket = "signed-by-the-program";
        wait_for(async {
            use s3lo::store::Store as _;
            make_bucket_at(endpoint, bucket).await;
            let store = store(bucket, endpoint);
            let key = "manifests/myapp/v1.0/manifest.json";
            store.create(key, MANIFEST.as_bytes()).await.unwrap();
        });
        let sandbox = sandbox();
        let line = |line: String| line.replace("s3://bucket/", &format!("s3://{bucket}/"));
        let sign = line(sign(endpoint));
        for (flags, status) in [
            ("", "signed"),
            (" --if-signed replace", "signed"),
            ("", "kept"),
            (" --schema-version 2", "signed"),
        ] {
            let run = sandbox.s3lo(&format!("{sign}{flags}")).ends_with(0);
            assert_eq!(run.json()["status"], status, "{endpoint}{flags}");
            assert_eq!(run.err.matches("warning").count(), 0, "{}", run.err);
        }
        sandbox
            .s3lo(&format!("{sign} --if-signed fail"))
            .ends_with(1);
        sandbox
            .s3lo(&format!("{sign} --schema-version 1"))
            .ends_with(1);
        sandbox
            .s3lo(&line(format!("{} --min-schema 2", verify(endpoint))))
            .ends_with(0);
        let (code, _) = error_of(&sandbox, &line(verify(endpoint)).replace("v1.0", "v2.0"));
        assert_eq!(code, "image_not_found");
    }
}

#[test]
fn a_directory_bucket_is_asked_for_lists_of_folders_alone() {
    let bucket = "my-bucket--usw2-az1--x-s3";
    let (sandbox, server) = (sandbox(), S3Server::start());
    let manifest = MANIFEST_PATH.replace("/bucket/", &format!("/{bucket}/"));
    server.put(&manifest, MANIFEST.as_bytes());
    let answer = |request: &Request| {
        if request.query.contains("session") {
            let session = "<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>ASIAEXPRESS</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>";
            return Some(Reply::Answer(200, Vec::new(), session.as_bytes().to_vec()));
        }
        let is_folder = request.query.contains("signatures%2F&") || request.query.ends_with("%2F");
        let wrong = request.query.contains("list-type") && !is_folder;
        wrong.then(|| s3_error(400, "InvalidRequest", "This prefix is not supported."))
    };
    server.fault(answer);
    let line = |line: String| {
        format!(
            "{} --region us-west-2",
            line.replace("s3://bucket/", &format!("s3://{bucket}/"))
        )
    };
    let (sign, verify) = (line(sign(&server.endpoint)), line(verify(&server.endpoint)));
    sandbox.s3lo(&verify).ends_with(1);
    assert_eq!(sandbox.s3lo(&sign).ends_with(0).json()["status"], "signed");
    assert_eq!(sandbox.s3lo(&sign).ends_with(0).json()["status"], "kept");
    sandbox.s3lo(&verify).ends_with(0);
    // Who has a session may read everything: a refusal hides no absence, and no list is asked for.
    server.fault(move |request| {
        let denied = || s3_error(403, "AccessDenied", "Access Denied");
        answer(request).or_else(|| request.path.contains("/signatures/83a").then(denied))
    });
    let before = server.requests().len();
    let (code, _) = error_of(&sandbox, &verify);
    assert_eq!(code, "access_denied");
    let made = server.requests().split_off(before);
    // The session.
    let of_bucket = made
        .iter()
        .filter(|line| line.ends_with(&format!("/{bucket}/")));
    assert_eq!(of_bucket.count(), 1, "{made:?}");
}
