//! Keys in AWS KMS: every type, by every name, in two calls.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo::store::Store as _;
use s3lo_core::crypto::algorithm::Hash;
use serde_json::Value;

use crate::store::conformance::{make_bucket, store, wait_for};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, SIGN, VERIFY};
use crate::support::tools::openssl;
use crate::support::{MANIFEST, minio};
use s3lo_test_servers::aws::{AwsServer, Credentials, Key, KeyState, kms_error};
use s3lo_test_servers::http::Reply;

/// Every type that signs: its vector, the algorithm and message type in the request, and openssl's name of the hash.
const TYPES: [(&str, &str, &str, &str); 7] = [
    ("p256-pkcs8", "ECDSA_SHA_256", "DIGEST", "-sha256"),
    ("p384-pkcs8", "ECDSA_SHA_384", "DIGEST", "-sha384"),
    ("p521-pkcs8", "ECDSA_SHA_512", "DIGEST", "-sha512"),
    (
        "rsa2048-pkcs8",
        "RSASSA_PKCS1_V1_5_SHA_256",
        "DIGEST",
        "-sha256",
    ),
    (
        "rsa3072-pkcs8",
        "RSASSA_PKCS1_V1_5_SHA_256",
        "DIGEST",
        "-sha256",
    ),
    (
        "rsa4096-pkcs8",
        "RSASSA_PKCS1_V1_5_SHA_256",
        "DIGEST",
        "-sha256",
    ),
    ("ed25519-pkcs8", "ED25519_SHA_512", "RAW", ""),
];

#[test]
fn every_key_type_signs_in_two_calls_and_verifies_in_one() {
    for (vector, algorithm, message_type, _) in TYPES {
        let aws = AwsFixture::with_key(Key::of_vector(vector));
        aws.s3lo(SIGN).ends_with(0);
        assert_eq!(aws.actions(), ["GetPublicKey", "Sign"], "{vector}");
        let sign = &aws.calls()[1];
        assert_eq!(sign.body["SigningAlgorithm"], algorithm);
        assert_eq!(sign.body["MessageType"], message_type);
        aws.s3lo(VERIFY).ends_with(0);
        assert_eq!(aws.count("GetPublicKey"), 2);
        assert_eq!(aws.count("Sign"), 1);
    }
}

#[test]
fn a_kms_signature_verifies_by_arn_by_public_key_and_by_openssl() {
    for (vector, _, _, hash) in TYPES {
        let aws = AwsFixture::with_key(Key::of_vector(vector));
        for schema in [1, 2] {
            let line = format!("{SIGN} --schema-version {schema} --if-signed replace -o json");
            let signed = aws.s3lo(&line).ends_with(0).json();
            let pem = aws.s3lo("public-key --key awskms:///alias/release-signer");
            aws.sandbox.write("release.pub", pem.ends_with(0).out);
            let min = format!("--min-schema {schema}");
            let by_arn = VERIFY.replace("alias/release-signer", &aws.key);
            aws.s3lo(&format!("{by_arn} {min}")).ends_with(0);
            aws.s3lo(&format!(
                "verify s3://my-bucket/myapp:v1.0 --key release.pub {min}"
            ))
            .ends_with(0);
            let digest = signed["digest"].as_str().unwrap();
            let payload = match schema {
                1 => format!("{digest}\n"),
                _ => format!("s3lo-signature-v2\nmy-bucket/myapp:v1.0\n{digest}\n"),
            };
            let record: Value = serde_json::from_slice(&aws.records()[0]).unwrap();
            assert_eq!(record["keyRef"], "awskms:///alias/release-signer");
            let signature = record["signature"].as_str().unwrap();
            aws.sandbox.write("payload", &payload);
            aws.sandbox
                .write("signature", BASE64_STANDARD.decode(signature).unwrap());
            assert!(openssl_accepts(aws.sandbox.path(), hash), "{vector}");
            aws.sandbox.write("payload", format!("{payload} "));
            assert!(!openssl_accepts(aws.sandbox.path(), hash), "{vector}");
        }
    }
}

/// Whether openssl accepts `signature` as one of `release.pub` over `payload`, all in `folder`.
pub(crate) fn openssl_accepts(folder: &Path, hash: &str) -> bool {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (key, signature, payload) = (path("release.pub"), path("signature"), path("payload"));
    let output = match hash {
        "" => openssl(&[
            "pkeyutl", "-verify", "-pubin", "-inkey", &key, "-rawin", "-in", &payload, "-sigfile",
            &signature,
        ]),
        hash => openssl(&[
            "dgst",
            hash,
            "-verify",
            &key,
            "-signature",
            &signature,
            &payload,
        ]),
    };
    output.status.success()
}

#[test]
fn kms_is_sent_the_digest_of_the_payload() {
    let aws = AwsFixture::new();
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(0).json();
    let payload = format!("{}\n", json["digest"].as_str().unwrap());
    let digest = BASE64_STANDARD.encode(Hash::Sha256.digest(payload.as_bytes()));
    let sign = &aws.calls()[1];
    assert_eq!(sign.body["Message"], digest);
    // By this CloudTrail finds the signature.
    assert_eq!(json["requestID"], sign.request_id);
}

#[test]
fn a_key_has_many_names_and_kms_hears_the_one_that_was_written() {
    let aws = AwsFixture::new();
    let id = aws.key.rsplit_once('/').unwrap().1.to_owned();
    let place = aws.key.rsplit_once(':').unwrap().0.to_owned();
    let names = [
        "alias/release-signer".to_owned(),
        id,
        aws.key.clone(),
        format!("{place}:alias/release-signer"),
    ];
    for name in names {
        let line = format!("{SIGN} --if-signed replace").replace("alias/release-signer", &name);
        aws.s3lo(&line).ends_with(0);
        let calls = aws.calls();
        let last = calls.iter().rev().take(2);
        let asked: Vec<_> = last.map(|call| call.key_id.clone()).collect();
        assert_eq!(asked, [Some(name.clone()), Some(name)]);
    }
}

#[test]
fn a_multi_region_key_is_asked_in_the_region_of_its_arn() {
    let key = Key::of_vector("p256-pkcs8").multi_region();
    let aws = AwsFixture::with_key(key.in_region("eu-central-1"));
    let line = SIGN.replace("alias/release-signer", &aws.key);
    aws.s3lo(&line).ends_with(0);
    for call in aws.calls() {
        assert_eq!(call.region.as_deref(), Some("eu-central-1"));
    }
}

#[test]
fn a_signature_that_is_there_costs_none_in_kms() {
    let aws = AwsFixture::new();
    aws.s3lo(SIGN).ends_with(0);
    let again = aws.s3lo(&format!("{SIGN} -o json")).ends_with(0).json();
    assert_eq!(again["status"], "kept");
    assert_eq!(again["requestID"], Value::Null);
    assert_eq!(aws.count("Sign"), 1);
}

#[test]
fn many_images_ask_for_the_public_key_once() {
    let aws = AwsFixture::new();
    let mut line = "sign --key awskms:///alias/release-signer".to_owned();
    for number in 0..8 {
        let path = format!("/my-bucket/manifests/many/t{number}/manifest.json");
        aws.s3.put(&path, MANIFEST.as_bytes());
        line.push_str(&format!(" s3://my-bucket/many:t{number}"));
    }
    aws.s3lo(&line).ends_with(0);
    assert_eq!(aws.count("GetPublicKey"), 1);
    assert_eq!(aws.count("Sign"), 8);
}

#[test]
fn an_image_in_a_directory_is_signed_by_kms_as_well() {
    let aws = AwsFixture::new();
    aws.sandbox.push("myapp", "v1.0", MANIFEST);
    let line = "local://./store/myapp:v1.0 --key awskms:///alias/release-signer";
    aws.s3lo(&format!("sign {line}")).ends_with(0);
    aws.s3lo(&format!("verify {line}")).ends_with(0);
}

/// The message of a failed run, without the values that differ from run to run.
fn reported(aws: &AwsFixture, line: &str) -> String {
    let run = aws.s3lo(line).ends_with(2);
    assert_eq!(run.out, "");
    let ids: Vec<_> = aws
        .server
        .calls()
        .into_iter()
        .map(|call| call.request_id)
        .collect();
    let id = aws.key.rsplit_once('/').unwrap().1;
    let text = ids
        .iter()
        .fold(run.err, |text, id| text.replace(id, "REQUEST"));
    text.replace(id, "KEY-ID")
        .replace(&aws.s3.endpoint, "http://S3")
        .replace(&aws.server.endpoint, "http://AWS")
}

#[test]
fn a_key_that_cannot_sign_is_refused_by_name() {
    let vector = || Key::of_vector("p256-pkcs8");
    let keys = [
        ("secp256k1", Key::claiming("ECC_SECG_P256K1")),
        ("SM2", Key::claiming("SM2")),
        ("ML-DSA", Key::claiming("ML_DSA_44")),
        ("symmetric", Key::claiming("SYMMETRIC_DEFAULT")),
        ("HMAC", Key::claiming("HMAC_256")),
        (
            "RSA for encryption",
            Key::of_vector("rsa2048-pkcs8").used_for("ENCRYPT_DECRYPT"),
        ),
        ("EC for agreement", vector().used_for("KEY_AGREEMENT")),
        ("disabled", vector().in_state(KeyState::Disabled)),
        (
            "pending deletion",
            vector().in_state(KeyState::PendingDeletion),
        ),
        ("pending import", vector().in_state(KeyState::PendingImport)),
    ];
    let mut page = String::new();
    for (name, key) in keys {
        let aws = AwsFixture::with_key(key);
        page.push_str(&format!("{name}\n{}\n", reported(&aws, SIGN)));
        assert_eq!(reported(&aws, VERIFY), reported(&aws, SIGN), "{name}");
        assert_eq!(aws.count("Sign"), 0);
        assert!(aws.records().is_empty());
    }
    insta::assert_snapshot!(page);
}

#[test]
fn an_error_of_kms_comes_with_its_remedy() {
    let mut page = String::new();
    let mut report = |name: &str, aws: &AwsFixture, line: &str| {
        page.push_str(&format!("{name}\n{}\n", reported(aws, line)));
    };
    let nothing = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#;
    let public_only = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "kms:GetPublicKey"], "Resource": "*"}]}"#;
    let denied = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:Sign", "Resource": "*"}]}"#;
    let key = || Key::of_vector("p256-pkcs8");
    report(
        "may nothing",
        &AwsFixture::with_policy(key(), nothing),
        SIGN,
    );
    report(
        "may not sign",
        &AwsFixture::with_policy(key(), public_only),
        SIGN,
    );
    report("is denied", &AwsFixture::with_policy(key(), denied), SIGN);
    let aws = AwsFixture::new();
    report("no such alias", &aws, &SIGN.replace("release", "realese"));
    let mut nowhere = AwsFixture::new();
    nowhere.sandbox.unset("AWS_REGION");
    report("no region", &nowhere, SIGN);
    let fault = |reply: fn() -> Reply| {
        let aws = AwsFixture::new();
        aws.server
            .fault(move |call| (call.action == "Sign").then(reply));
        aws
    };
    report(
        "an expired session",
        &fault(|| {
            kms_error(
                400,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            )
        }),
        SIGN,
    );
    report(
        "a clock that is off",
        &fault(|| {
            kms_error(
                400,
                "InvalidSignatureException",
                "Signature expired: 20261122T100000Z is now earlier than 20261122T105500Z \
                 (20261122T110000Z - 5 min.)",
            )
        }),
        SIGN,
    );
    let throttled = fault(|| {
        kms_error(
            400,
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your \
             calls.",
        )
    });
    report("throttled", &throttled, &format!("{SIGN} --timeout 2s"));
    let failing = fault(|| kms_error(500, "KMSInternalException", "An internal error occurred"));
    report("an internal error", &failing, SIGN);
    let other = fault(|| {
        kms_error(
            400,
            "ValidationException",
            "Something was not as it should be",
        )
    });
    report("an error of no meaning here", &other, SIGN);
    let away = AwsFixture::new();
    away.server
        .fault(|call| (call.service == "kms").then_some(Reply::HangUp));
    report("no answer", &away, SIGN);
    insta::with_settings!({filters => vec![(r"\b\d+ times", "N times")]}, {
        insta::assert_snapshot!(page);
    });
}

#[test]
fn an_alias_that_is_repointed_between_the_calls_stores_nothing() {
    let aws = AwsFixture::new();
    let other = aws.server.add(Key::of_vector("p256-sec1"));
    let (server, mut done) = (aws.server.clone(), false);
    aws.server.fault(move |call| {
        if call.action == "Sign" && !done {
            server.alias("alias/release-signer", &other);
            done = true;
        }
        None
    });
    let run = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2);
    assert_eq!(run.json()["error"]["code"], "alias_repointed");
    assert!(aws.records().is_empty());
    // And it is signed with the key that the alias leads to now.
    aws.s3lo(SIGN).ends_with(0);
    aws.s3lo(VERIFY).ends_with(0);
}

#[test]
fn kms_signs_what_lies_in_a_real_s3() {
    let bucket = "signed-by-kms";
    let aws = AwsServer::start();
    let mut aws = AwsFixture::without_credentials(aws, Key::of_vector("p384-pkcs8"));
    let known_to_both = Credentials {
        access_key_id: minio::USER.to_owned(),
        secret_access_key: minio::PASSWORD.to_owned(),
        session_token: None,
    };
    let user = aws.server.user_with(known_to_both, "dev", EVERYTHING);
    aws.set(&user.environment());
    aws.sandbox
        .set("AWS_ENDPOINT_URL_S3", &minio::minio().endpoint);
    // MinIO has no names for buckets below its own.
    let line = |line: &str| {
        let line = line.replace("my-bucket", bucket);
        format!("{line} --endpoint {}", minio::minio().endpoint)
    };
    wait_for(async {
        make_bucket(bucket).await;
        let store = store(bucket, &minio::minio().endpoint);
        let manifest = "manifests/myapp/v1.0/manifest.json";
        store.create(manifest, MANIFEST.as_bytes()).await.unwrap();
    });
    let signed = aws.s3lo(&line(&format!("{SIGN} -o json")));
    assert_eq!(signed.ends_with(0).json()["status"], "signed");
    let again = aws.s3lo(&line(&format!("{SIGN} -o json")));
    assert_eq!(again.ends_with(0).json()["status"], "kept");
    aws.s3lo(&line(&format!(
        "{SIGN} --if-signed replace --schema-version 2"
    )))
    .ends_with(0);
    aws.s3lo(&line(&format!("{VERIFY} --min-schema 2")))
        .ends_with(0);
    assert_eq!(aws.count("Sign"), 2);
}
