//! `s3lo doctor`: everything that signing needs is looked at, and nothing is signed or written.

use s3lo::key::vault::client::address::Product;
use serde_json::{Value, json};
use test_case::test_matrix;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, MANIFEST_PATH, ROLE_ARN, SIGN};
use crate::support::files;
use crate::support::program::{Run, Sandbox};
use crate::support::vault::vault;
use s3lo_test_servers::aws::{
    AwsServer, GITHUB, GITHUB_REQUEST_TOKEN, Issuer, Key, KeyState, kms_answer,
};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::s3_error;
use s3lo_test_servers::vault::{Kind, VaultServer, vault_errors};

const IMAGE: &str = "s3://my-bucket/myapp:v1.0";
const LINE: &str = "doctor s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer";
const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

/// An account whose key has a known ID.
fn account() -> AwsFixture {
    let key = Key::of_vector("p256-pkcs8").with_id(KEY_ID);
    let server = AwsServer::start();
    server.date_answers();
    AwsFixture::without_credentials(server, key)
}

/// From now on the user may do this, and nothing else.
fn may(aws: &mut AwsFixture, policy: &Value) {
    let user = aws.server.user("ci", &policy.to_string());
    aws.set(&user.environment());
}

fn everything() -> Value {
    serde_json::from_str(EVERYTHING).unwrap()
}

/// The names of the checks in a state.
fn in_state<'a>(report: &'a Value, wanted: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| check["state"] == wanted);
    found.map(|check| text(check, "name")).collect()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let found = checks.find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {report:#}"))
}

fn text<'a>(check: &'a Value, field: &str) -> &'a str {
    check[field].as_str().unwrap()
}

#[track_caller]
fn examined(sandbox: &Sandbox, line: &str, code: i32) -> Value {
    let report = sandbox
        .s3lo(&format!("{line} -o json"))
        .ends_with(code)
        .json();
    assert_eq!(report["ready"], code == 0);
    report
}

/// Nothing was signed, and nothing written.
#[track_caller]
fn nothing_was_done(aws: &AwsFixture) {
    for call in aws.calls_of("Sign") {
        assert_eq!(call.body["DryRun"], true);
    }
    let requests = aws.s3.requests();
    let read = |line: &String| line.starts_with("GET ") || line.starts_with("OPTIONS ");
    assert!(requests.iter().all(read), "{requests:?}");
    assert!(aws.records().is_empty());
}

/// The values that differ from run to run.
fn filters() -> Vec<(&'static str, &'static str)> {
    vec![
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"s3lo-[\w-]+/?[\w-]*", "SESSION"),
        (r"127\.0\.0\.1:\d+", "HOST"),
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "UUID",
        ),
    ]
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({filters => filters()}, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_job_that_can_sign_is_ready() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.date_answers();
    let line = format!("{LINE} --role-arn {ROLE_ARN}");
    let run = aws.s3lo(&line).ends_with(0);
    snapshot("ready", &run.out);
    assert_eq!(run.err, "");
    let report = examined(&aws.sandbox, &line, 0);
    assert_eq!(in_state(&report, "unchecked"), ["writing"]);
    let json = aws.s3lo(&format!("{line} -o json")).ends_with(0).out;
    snapshot("ready_json", &json);
    nothing_was_done(&aws);
    assert_eq!(aws.count("Sign"), 3);
    // And `sign` succeeds, as reported.
    let sign = format!("{SIGN} --role-arn {ROLE_ARN}");
    aws.s3lo(&sign).ends_with(0);
    let report = examined(&aws.sandbox, &line, 0);
    assert_eq!(
        text(check(&report, "record"), "detail"),
        "there is a valid one of schema 1, which is kept"
    );
    // An image that `sign` refuses is not reported as ready.
    let path = aws.s3.paths();
    let path = path.iter().find(|path| path.contains("/signatures/"));
    aws.s3.put(path.unwrap(), br#"{"schemaVersion":3}"#);
    let report = examined(&aws.sandbox, &line, 1);
    assert_eq!(check(&report, "record")["code"], "higher_schema");
    aws.s3lo(&sign).ends_with(1);
}

#[test]
fn no_token_and_no_secret_is_printed() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let secrets = |run: &Run| {
        let all = format!("{}{}", run.out, run.err);
        // A JWT, and a session as STS gives it.
        assert!(!all.contains("eyJ"), "{all}");
        assert!(!all.contains(GITHUB_REQUEST_TOKEN));
        for call in aws.calls() {
            for name in ["x-amz-security-token", "authorization"] {
                if let Some(secret) = call.headers.get(name) {
                    assert!(!all.contains(secret.as_str()), "{name}");
                }
            }
        }
    };
    for role in [ROLE_ARN, "arn:aws:iam::111122223333:role/other"] {
        for flags in ["", "-v", "-o json"] {
            secrets(&aws.s3lo(&format!("{LINE} --role-arn {role} {flags}")));
        }
    }
}

#[test]
fn a_missing_permission_is_named_with_the_statement_that_gives_it() {
    let mut aws = account();
    for (action, topic) in [
        ("kms:GetPublicKey", "key"),
        ("kms:Sign", "signing"),
        ("s3:GetObject", "manifest"),
    ] {
        let mut policy = everything();
        let deny = json!({"Effect": "Deny", "Action": action, "Resource": "*"});
        policy["Statement"].as_array_mut().unwrap().push(deny);
        may(&mut aws, &policy);
        let report = examined(&aws.sandbox, LINE, 1);
        assert_eq!(in_state(&report, "missing"), [topic], "{action}");
        let fix = text(check(&report, topic), "fix");
        assert!(fix.contains("denies"), "{fix}");
    }
    may(&mut aws, &json!({"Version": "2012-10-17", "Statement": []}));
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(in_state(&report, "missing"), ["manifest", "key"]);
    for topic in ["manifest", "key"] {
        assert_eq!(check(&report, topic)["code"], "access_denied");
        let fix = text(check(&report, topic), "fix");
        assert!(fix.contains(r#""Effect": "Allow""#), "{fix}");
    }
    snapshot("without_permissions", &aws.s3lo(LINE).ends_with(1).out);
    nothing_was_done(&aws);
}

#[test]
fn the_policy_that_is_printed_is_enough_and_nothing_of_it_is_too_much() {
    let mut aws = account();
    may(&mut aws, &everything());
    let policy = examined(&aws.sandbox, LINE, 0)["policy"].clone();
    let sign = format!("{SIGN} --if-signed replace");
    may(&mut aws, &policy);
    let under_it = examined(&aws.sandbox, LINE, 0);
    assert_eq!(under_it["policy"], policy);
    assert_eq!(in_state(&under_it, "missing"), [""; 0]);
    aws.s3lo(&sign).ends_with(0);
    assert_eq!(aws.records().len(), 1);
    let statements = policy["Statement"].as_array().unwrap();
    for (number, statement) in statements.iter().enumerate() {
        for field in ["Action", "Resource"] {
            let values = statement[field].as_array().unwrap();
            for one in 0..values.len() {
                let mut less = policy.clone();
                less["Statement"][number][field]
                    .as_array_mut()
                    .unwrap()
                    .remove(one);
                // A record is read where there is one.
                let of_record = (number, field, one) == (0, "Resource", 1);
                may(&mut aws, &policy);
                aws.s3lo(&sign).ends_with(0);
                if !of_record {
                    remove_records(&aws);
                }
                may(&mut aws, &less);
                let run = aws.s3lo(SIGN);
                assert_eq!(run.code, Some(2), "{less:#}");
            }
        }
    }
    // It is for this image alone.
    may(&mut aws, &policy);
    let manifest = aws.s3.get(MANIFEST_PATH).unwrap();
    aws.s3
        .put(&MANIFEST_PATH.replace("myapp", "other"), &manifest);
    aws.s3lo(&sign.replace("myapp", "other")).ends_with(2);
}

#[test]
fn the_policy_for_a_key_that_may_not_be_read_yet_is_enough() {
    let mut aws = account();
    let arn = aws.key.clone();
    let alias = aws.server.alias("alias/release-signer", &arn);
    let nothing = json!({"Version": "2012-10-17", "Statement": []});
    for key in ["alias/release-signer", KEY_ID, &arn, &alias] {
        may(&mut aws, &nothing);
        let line = format!("doctor {IMAGE} --key awskms:///{key}");
        let policy = examined(&aws.sandbox, &line, 1)["policy"].clone();
        may(&mut aws, &policy);
        examined(&aws.sandbox, &line, 0);
        let sign = format!("{} --if-signed replace", line.replace("doctor", "sign"));
        aws.s3lo(&sign).ends_with(0);
        remove_records(&aws);
    }
}

fn remove_records(aws: &AwsFixture) {
    for path in aws.s3.paths() {
        if path.contains("/signatures/") {
            aws.s3.remove(&path);
        }
    }
}

#[test]
fn an_image_that_is_missing_or_another_is_named() {
    let mut aws = account();
    may(&mut aws, &everything());
    let report = examined(&aws.sandbox, &LINE.replace("v1.0", "v2"), 1);
    assert_eq!(in_state(&report, "missing"), ["manifest"]);
    assert_eq!(check(&report, "manifest")["facts"]["tags"], "v1.0");
    let pinned = format!("v1.0@sha256:{}", "0".repeat(64));
    let report = examined(&aws.sandbox, &LINE.replace("v1.0", &pinned), 1);
    assert_eq!(check(&report, "manifest")["code"], "digest_mismatch");
    aws.s3.put(MANIFEST_PATH, b"{}");
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(check(&report, "manifest")["code"], "not_a_manifest");
    nothing_was_done(&aws);
}

#[test]
fn a_bucket_that_is_missing_hides_no_other_check() {
    let mut aws = account();
    may(&mut aws, &everything());
    aws.s3.fault(|_| {
        let message = "The specified bucket does not exist";
        Some(s3_error(404, "NoSuchBucket", message))
    });
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(in_state(&report, "missing"), ["store"]);
    assert_eq!(check(&report, "store")["code"], "bucket_not_found");
    assert_eq!(
        in_state(&report, "unknown"),
        ["manifest", "records", "record"]
    );
    assert_eq!(check(&report, "signing")["state"], "ok");
}

#[test]
fn a_key_that_is_missing_or_cannot_sign_is_named() {
    let mut aws = account();
    may(&mut aws, &everything());
    let report = examined(&aws.sandbox, &LINE.replace("release-signer", "none"), 1);
    assert_eq!(in_state(&report, "missing"), ["key"]);
    assert_eq!(check(&report, "key")["code"], "key_not_found");
    assert_eq!(in_state(&report, "unknown"), ["signing"]);
    assert_eq!(check(&report, "record")["state"], "unchecked");
    let arn = aws.key.clone();
    aws.server.set_state(&arn, KeyState::Disabled);
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(check(&report, "key")["code"], "key_unusable");
    aws.sandbox.unset("AWS_REGION");
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(check(&report, "key")["code"], "no_region");
    assert_eq!(check(&report, "manifest")["state"], "ok");
    // A public key signs nothing.
    let report = examined(
        &aws.sandbox,
        &format!("doctor {IMAGE} --key keys/cosign.pub"),
        1,
    );
    assert_eq!(in_state(&report, "missing"), ["key"]);
}

#[test]
fn a_server_that_does_not_know_dry_runs_signs_no_payload() {
    let mut aws = account();
    may(&mut aws, &everything());
    aws.server.fault(|call| {
        let ignored = call.action == "Sign" && call.body["DryRun"] == true;
        ignored.then(|| kms_answer(&json!({"KeyId": call.key_id, "Signature": "MEUCIQ=="})))
    });
    let report = examined(&aws.sandbox, LINE, 2);
    assert_eq!(check(&report, "signing")["state"], "unknown");
    let asked = aws.calls_of("Sign")[0].body["Message"].clone();
    aws.server.fault(|_| None);
    aws.s3lo(SIGN).ends_with(0);
    assert_ne!(aws.calls_of("Sign")[1].body["Message"], asked);
}

#[test]
fn without_credentials_what_needs_none_is_looked_at() {
    let aws = AwsFixture::at_home();
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(in_state(&report, "missing"), ["credentials"]);
    assert_eq!(check(&report, "credentials")["code"], "no_credentials");
    for topic in ["store", "manifest", "records", "record", "key", "signing"] {
        assert_eq!(check(&report, topic)["state"], "unknown", "{topic}");
    }
    let line = format!("doctor {IMAGE} --key keys/cosign.key");
    let report = examined(&aws.sandbox, &line, 1);
    assert_eq!(check(&report, "signing")["state"], "ok");
    let line = "doctor local://./store/myapp:v1.0 --key awskms:///alias/release-signer";
    let report = examined(&aws.sandbox, line, 1);
    assert_eq!(check(&report, "store")["code"], "image_not_found");
    assert!(aws.s3.requests().is_empty());
    // A policy without the key would not be enough.
    assert!(examined(&aws.sandbox, LINE, 1).get("policy").is_none());
}

#[test]
fn without_an_image_and_a_key_the_rest_is_looked_at() {
    let mut aws = account();
    may(&mut aws, &everything());
    let report = examined(&aws.sandbox, "doctor", 0);
    assert_eq!(
        text(check(&report, "credentials"), "detail"),
        "arn:aws:iam::111122223333:user/ci"
    );
    assert_eq!(
        check(&report, "credentials")["facts"]["account"],
        "111122223333"
    );
    assert!(report.get("policy").is_none());
    snapshot("bare", &aws.s3lo("doctor").ends_with(0).out);
    let keyless = examined(&aws.sandbox, &format!("doctor {IMAGE}"), 0);
    let policy = keyless["policy"].to_string();
    assert!(policy.contains("my-bucket/manifests/myapp/v1.0/signatures/*"));
}

#[test]
fn another_s3_server_s_credentials_are_not_sent_to_sts() {
    let mut aws = account();
    may(&mut aws, &everything());
    let line = format!(
        "doctor {IMAGE} --key keys/cosign.key --endpoint {}",
        aws.s3.endpoint
    );
    let report = examined(&aws.sandbox, &line, 0);
    assert_eq!(check(&report, "credentials")["state"], "unchecked");
    assert!(aws.calls().is_empty(), "{:?}", aws.actions());
}

#[test]
fn a_proxy_that_is_away_is_named_unless_nothing_needs_it() {
    let mut aws = account();
    may(&mut aws, &everything());
    aws.sandbox
        .set("HTTPS_PROXY", "http://svc:canary@127.0.0.1:1");
    aws.sandbox.set("AWS_MAX_ATTEMPTS", "1");
    // On loopback everything is reached without.
    let report = examined(&aws.sandbox, LINE, 0);
    assert_eq!(check(&report, "proxy")["state"], "unchecked");
    aws.sandbox.unset("AWS_ENDPOINT_URL_KMS");
    let run = aws.s3lo(&format!("{LINE} -o json")).ends_with(1);
    assert!(!run.out.contains("canary"));
    let report = run.json();
    assert_eq!(in_state(&report, "missing"), ["proxy"]);
    assert_eq!(in_state(&report, "unknown"), ["key", "signing"]);
    assert_eq!(check(&report, "manifest")["state"], "ok");
    snapshot("proxy", &aws.s3lo(LINE).ends_with(1).out);
    // A setting that cannot be read is one fault, in every check.
    aws.sandbox.set("HTTPS_PROXY", "socks5://127.0.0.1:1");
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(in_state(&report, "missing"), ["proxy"]);
    assert_eq!(
        text(check(&report, "credentials"), "detail"),
        "not looked at: see proxy"
    );
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let mut aws = account();
    may(&mut aws, &everything());
    aws.sandbox.set("AWS_CA_BUNDLE", "none.pem");
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(in_state(&report, "missing"), ["certificates"]);
}

#[test]
fn a_service_that_does_not_answer_is_not_known_to_be_missing() {
    let mut aws = account();
    may(&mut aws, &everything());
    aws.sandbox.set("AWS_MAX_ATTEMPTS", "1");
    aws.s3.fault(|_| Some(Reply::HangUp));
    let report = examined(&aws.sandbox, LINE, 2);
    assert_eq!(in_state(&report, "missing"), [""; 0]);
    assert_eq!(check(&report, "store")["code"], "unreachable");
    assert_eq!(check(&report, "signing")["state"], "ok");
    // Signing does not ask STS whose credentials these are.
    aws.sandbox
        .set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    let report = examined(&aws.sandbox, LINE, 2);
    assert_eq!(check(&report, "credentials")["state"], "unchecked");
}

#[test]
fn an_identity_token_that_is_missing_refused_or_old_is_named() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.server.date_answers();
    let line = format!("{LINE} --role-arn {ROLE_ARN}");
    aws.server.set_subject("repo:acme/app:pull_request");
    let report = examined(&aws.sandbox, &line, 1);
    assert_eq!(in_state(&report, "missing"), ["role"]);
    let token = check(&report, "identity_token");
    assert_eq!(token["facts"]["subject"], "repo:acme/app:pull_request");
    assert_eq!(token["facts"]["issuer"], GITHUB);
    assert_eq!(token["facts"].as_object().unwrap().len(), 4);
    // An old one, from a file.
    let subject = "repo:acme/app:ref:refs/heads/main";
    let old = aws.server.identity_token(subject, "sts.amazonaws.com", -60);
    aws.sandbox.write("token", &old);
    let of_file = format!("{line} --web-identity-token-file token");
    let report = examined(&aws.sandbox, &of_file, 1);
    assert_eq!(in_state(&report, "missing"), ["identity_token"]);
    assert_eq!(
        check(&report, "identity_token")["code"],
        "identity_token_expired"
    );
    snapshot("expired_token", &aws.s3lo(&of_file).ends_with(1).out);
    // The job may not ask for one.
    aws.sandbox.unset("ACTIONS_ID_TOKEN_REQUEST_URL");
    let report = examined(&aws.sandbox, &line, 1);
    assert_eq!(in_state(&report, "missing"), ["identity_token"]);
    assert_eq!(
        check(&report, "identity_token")["code"],
        "no_identity_token"
    );
    nothing_was_done(&aws);
}

#[test]
fn hostile_claims_are_printed_on_their_line() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let token = Issuer::github().token(&json!({
        "iss": "https://evil\n::error::x",
        "aud": ["a", "##vso[task.complete]"],
        "sub": "\u{1b}[2J\u{202e}sub",
        "exp": 4_000_000_000_u64,
    }));
    aws.sandbox.write("token", &token);
    let line = format!("{LINE} --role-arn {ROLE_ARN} --web-identity-token-file token");
    let run = aws.s3lo(&line).ends_with(1);
    assert!(!run.out.contains(['\u{1b}', '\u{202e}']));
    let lines = || run.out.lines().map(str::trim_start);
    assert!(!lines().any(|line| line.starts_with("##") || line.starts_with("::")));
    assert!(!run.out.contains("##vso"));
}

#[test]
fn a_clock_that_differs_is_named() {
    let mut aws = account();
    may(&mut aws, &everything());
    aws.s3.fault(|_| {
        let reply = s3_error(404, "NoSuchKey", "The specified key does not exist.");
        Some(reply.header("date", "Sun, 12 Apr 2020 19:21:10 GMT"))
    });
    let report = examined(&aws.sandbox, LINE, 1);
    assert_eq!(check(&report, "clock")["code"], "clock_skewed");
    let detail = text(check(&report, "clock"), "detail");
    assert!(detail.contains("ahead of that of a server"), "{detail}");
}

#[test]
fn a_directory_needs_no_aws() {
    let sandbox = Sandbox::with_image();
    let before = files(&sandbox.file("store"));
    let line = "doctor local://./store/myapp:v1.0 --key keys/cosign.key";
    snapshot("directory", &sandbox.s3lo(line).ends_with(0).out);
    let report = examined(&sandbox, line, 0);
    assert!(report.get("policy").is_none());
    assert_eq!(files(&sandbox.file("store")), before);
    let report = examined(&sandbox, &line.replace("cosign.key", "none.key"), 1);
    assert_eq!(in_state(&report, "missing"), ["key"]);
    let wrong = sandbox.without("COSIGN_PASSWORD");
    let report = examined(&wrong, line, 1);
    assert_eq!(in_state(&report, "missing"), ["key"]);
}

#[test]
fn arguments_that_are_not_understood_are_an_error() {
    let sandbox = Sandbox::new();
    for (line, code) in [
        ("doctor s3://my-bucket/myapp", "no_tag"),
        ("doctor --key awskms://", "bad_key_reference"),
        (
            "doctor local://./store/a:v1 --endpoint http://127.0.0.1:1",
            "usage",
        ),
    ] {
        let json = sandbox.s3lo(&format!("{line} -o json")).ends_with(2).json();
        assert_eq!(json["error"]["code"], code, "{line}");
    }
}

const IN_VAULT: &str = "doctor local://./store/myapp:v1.0 --key hashivault://ci-signer";

fn with_vault(vault: &VaultServer) -> Sandbox {
    Sandbox::at_vault(vault).with("VAULT_MAX_RETRIES", "0")
}

#[test]
fn a_vault_is_asked_for_capabilities_and_no_signature() {
    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    let sandbox = with_vault(&vault);
    examined(&sandbox, IN_VAULT, 0);
    assert_eq!(vault.kinds(), [Kind::Key, Kind::Capabilities]);
    let asked = &vault.calls_of(Kind::Capabilities)[0];
    assert_eq!(asked.body, json!({"paths": ["transit/sign/ci-signer"]}));
    // First the policy lacks the capability; then the token may not even ask.
    let mut denied = true;
    vault.fault(move |call| {
        let answer = json!({"data": {"transit/sign/ci-signer": ["read"]}});
        let refused = || vault_errors(403, &["1 error occurred:\n\t* permission denied\n\n"]);
        (call.kind == Kind::Capabilities).then(|| match std::mem::replace(&mut denied, false) {
            true => s3lo_test_servers::vault::json_answer(&answer),
            false => refused(),
        })
    });
    let report = examined(&sandbox, IN_VAULT, 1);
    let signing = check(&report, "signing");
    assert_eq!(signing["code"], "access_denied");
    let path = r#"path "transit/sign/ci-signer" { capabilities = ["update"] }"#;
    assert!(text(signing, "fix").contains(path), "{signing}");
    let report = examined(&sandbox, IN_VAULT, 2);
    assert_eq!(in_state(&report, "unknown"), ["signing"]);
    assert_eq!(vault.count(Kind::Sign), 0);
}

#[test]
fn a_login_to_vault_shows_its_claims_and_ends_its_token() {
    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    let mut sandbox = with_vault(&vault);
    sandbox.unset("VAULT_TOKEN");
    let token = Issuer::github().identity_token("repo:acme/app", &vault.endpoint, 300);
    sandbox.set("JOB_TOKEN", &token);
    let line = format!("{IN_VAULT} --vault-role release --vault-jwt-env JOB_TOKEN");
    let run = sandbox.s3lo(&format!("{line} -o json")).ends_with(0);
    let report = run.json();
    let facts = &check(&report, "key_identity_token")["facts"];
    assert_eq!(facts["subject"], "repo:acme/app");
    assert_eq!(facts["audience"], vault.endpoint.as_str());
    assert!(!run.out.contains("eyJ") && !run.out.contains("hvs."));
    assert_eq!(vault.count(Kind::Sign), 0);
    assert!(vault.issued().iter().all(|token| !vault.knows(token)));
    // A role that does not exist.
    let report = examined(&sandbox, &line.replace("release", "nobody"), 1);
    assert_eq!(in_state(&report, "missing"), ["key"]);
    assert_eq!(check(&report, "key_identity_token")["state"], "ok");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_real_vault_reports_whether_a_token_may_sign(product: Product) {
    let vault = vault(product);
    vault.key("of-the-doctor", "ecdsa-p256");
    vault.signer_policy("of-the-doctor");
    vault.policy(
        "reads-for-the-doctor",
        r#"path "transit/keys/of-the-doctor" { capabilities = ["read"] }"#,
    );
    let mut sandbox = Sandbox::with_image().with("VAULT_ADDR", &vault.address);
    let line = IN_VAULT.replace("ci-signer", "of-the-doctor");
    sandbox.set("VAULT_TOKEN", &vault.token(&["of-the-doctor"], "5m"));
    examined(&sandbox, &line, 0);
    let reader = vault.token(&["reads-for-the-doctor"], "5m");
    sandbox.set("VAULT_TOKEN", &reader);
    let report = examined(&sandbox, &line, 1);
    assert_eq!(in_state(&report, "missing"), ["signing"]);
}
