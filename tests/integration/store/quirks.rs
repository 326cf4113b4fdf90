//! Differences of servers from S3, each with the outcome that it must have.

use std::collections::{BTreeSet, HashMap};

use crate::store::conformance::{conforms, make_bucket_at, store, wait_for};
use crate::support::program::Sandbox;
use crate::support::seaweedfs::seaweedfs;
use crate::support::{MANIFEST, minio, plain_key};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::{Quirk, S3Server, s3_error};

pub(super) const REF: &str = "s3://bucket/myapp:v1.0";
pub(super) const MANIFEST_PATH: &str = "/bucket/manifests/myapp/v1.0/manifest.json";
pub(super) const RECORDS_PATH: &str = "/bucket/manifests/myapp/v1.0/signatures/";
pub(super) const RECORD_PATH: &str =
    "/bucket/manifests/myapp/v1.0/signatures/83a085643219c3db.json";

pub(super) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    // In the open, so that no run waits for scrypt.
    sandbox.write("plain.key", plain_key());
    sandbox
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
        .with("AWS_MAX_ATTEMPTS", "2")
}

pub(super) fn server(quirks: &[Quirk]) -> S3Server {
    let server = S3Server::with(quirks);
    server.put(MANIFEST_PATH, MANIFEST.as_bytes());
    server
}

pub(super) fn sign(endpoint: &str) -> String {
    format!("sign {REF} --key plain.key --endpoint {endpoint} -o json")
}

pub(super) fn verify(endpoint: &str) -> String {
    format!("verify {REF} --key plain.key --endpoint {endpoint} -o json")
}

#[track_caller]
pub(super) fn error_of(sandbox: &Sandbox, line: &str) -> (String, String) {
    let json = sandbox.s3lo(line).ends_with(2).json();
    let text = |name: &str| json["error"][name].as_str().unwrap().to_owned();
    (
        text("code"),
        format!("{} {}", text("message"), text("help")),
    )
}

/// Quirks that change nothing for who signs alone. The second is whether a warning is due.
const HARMLESS: [(&[Quirk], bool); 19] = [
    (&[Quirk::BareEtags], false),
    (&[Quirk::WeakEtags], false),
    (&[Quirk::BomInXml], false),
    (&[Quirk::Chunked], false),
    (&[Quirk::GzipsIfAccepted], false),
    (&[Quirk::ListsNothing], false),
    (&[Quirk::NoListV2], false),
    (&[Quirk::IgnoresConditions], false),
    (&[Quirk::ListsRawNames], false),
    (&[Quirk::ListsWithoutEtags], false),
    (&[Quirk::NeedsChecksum], false),
    (&[Quirk::Never304], false),
    (&[Quirk::NoEtagOnGet, Quirk::ListsWithoutEtags], false),
    (&[Quirk::HyphenEtagOnGet, Quirk::ListsWithoutEtags], false),
    (&[Quirk::HyphenEtagOnPut], false),
    (&[Quirk::NoEtagOnPut], false),
    (&[Quirk::NoIsTruncated], false),
    (&[Quirk::RefusesConditions400], true),
    (&[Quirk::RefusesConditions501], true),
];

#[test]
fn an_image_is_signed_kept_replaced_and_verified_with_every_quirk() {
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
    // Another writer overwrites the new object, on a server without conditions.
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
        assert_eq!(store.warnings(), Vec::<String>::new());
        store
            .create("manifests/a/v1/manifest.json", b"{}")
            .await
            .unwrap();
        let warning = store.warnings().concat();
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
        let names = server.headers().into_iter().flat_map(HashMap::into_keys);
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
