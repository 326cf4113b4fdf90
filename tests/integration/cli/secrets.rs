//! No secret comes out: not in output, logs, records or errors, however the run ends.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN, VERIFY};
use crate::support::program::{Run, Sandbox};
use crate::support::{MANIFEST, files, plain_key};
use s3lo_test_servers::aws::{GITHUB_REQUEST_TOKEN, kms_answer, kms_error, sts_error};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::{S3Server, s3_error};

pub(crate) const PUBLIC_KEY: &str = "public-key --key awskms:///alias/release-signer";

const PASSWORD: &str = "canary-password-7f3a";
const SECRET_KEY: &str = "canary/aws+secret/9c41";
const SESSION_TOKEN: &str = "canary-session-token-e25d";

/// The secrets, in every form in which they could come out.
struct Canaries(Vec<String>);

impl Canaries {
    fn new(pem: &str) -> Self {
        let block = pem::parse(pem).unwrap();
        let der = block.contents();
        // The scalar alone as well: PKCS #8 of P-256 has it at this place.
        let scalar = &der[36..68];
        let encoded = STANDARD.encode(pem);
        let mut forms = vec![
            encoded,
            PASSWORD.to_owned(),
            SECRET_KEY.to_owned(),
            SESSION_TOKEN.to_owned(),
        ];
        for bytes in [
            PASSWORD.as_bytes(),
            SECRET_KEY.as_bytes(),
            SESSION_TOKEN.as_bytes(),
            der,
            scalar,
        ] {
            forms.extend(encodings(bytes));
        }
        forms.extend(
            pem.lines()
                .filter(|line| !line.starts_with("-----"))
                .map(str::to_owned),
        );
        Self(forms)
    }

    /// Of secrets that are text.
    fn of(secrets: &BTreeSet<String>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            forms.push(secret.clone());
            forms.push(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
            forms.extend(encodings(secret.as_bytes()));
        }
        Self(forms)
    }

    #[track_caller]
    fn absent_from(&self, what: &str, text: &str) {
        for canary in &self.0 {
            assert!(
                !text.contains(canary.as_str()),
                "{canary} in {what}:\n{text}"
            );
        }
    }
}

fn encodings(bytes: &[u8]) -> [String; 5] {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        hex.to_uppercase(),
        hex,
        STANDARD.encode(bytes),
        URL_SAFE.encode(bytes),
        format!("{bytes:?}"),
    ]
}

#[test]
fn canary_secrets_appear_nowhere() {
    let pem = plain_key();
    let canaries = Canaries::new(&pem);
    let server = S3Server::start();
    server.put(
        "/bucket/manifests/myapp/v1.0/manifest.json",
        MANIFEST.as_bytes(),
    );
    let sandbox = Sandbox::with_image()
        .with("COSIGN_PASSWORD", PASSWORD)
        .with("SIGNING_KEY", &pem)
        .with("AWS_ACCESS_KEY_ID", "AKIDCANARY")
        .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .with("AWS_SESSION_TOKEN", SESSION_TOKEN)
        .with("AWS_MAX_ATTEMPTS", "2")
        .with("RUST_LOG", "trace")
        .with("RUST_BACKTRACE", "full");
    sandbox.s3lo("generate-key-pair").ends_with(0);
    sandbox.write("plain.key", &pem);
    sandbox.write("broken.key", pem.replace("PRIVATE", "PUBLIC"));
    sandbox.write("odd.key", pem.replace("-----END", "-----EN"));
    sandbox.write("odder.key", pem.replace("PRIVATE KEY", "SECRET KEY"));
    let local = "local://./store/myapp:v1.0";
    let s3 = format!("s3://bucket/myapp:v1.0 --endpoint {}", server.endpoint);
    let wrong = "local://./store/none:v1.0";
    let mut lines = Vec::new();
    for reference in [
        local,
        &s3,
        wrong,
        "s3://bucket/myapp",
        "s3://bucket/myapp:v1.0 --endpoint http://127.0.0.1:1",
    ] {
        for key in [
            "cosign.key",
            "plain.key",
            "env://SIGNING_KEY",
            "broken.key",
            "odd.key",
            "odder.key",
            "keys/cosign.key",
            "none.key",
        ] {
            lines.push(format!("sign {reference} --key {key} --if-signed replace"));
            lines.push(format!("verify {reference} --key {key}"));
        }
    }
    for key in ["cosign.key", "plain.key", "env://SIGNING_KEY", "broken.key"] {
        lines.push(format!("public-key --key {key}"));
    }
    let (mut runs, mut bytes, mut succeeded) = (0, 0, 0);
    let mut check = |line: &str, run: &Run| {
        canaries.absent_from(line, &run.out);
        canaries.absent_from(line, &run.err);
        runs += 1;
        bytes += run.out.len() + run.err.len();
        succeeded += usize::from(run.code == Some(0));
    };
    for line in &lines {
        for output in ["text", "json"] {
            check(
                line,
                &sandbox.s3lo(&format!("{line} --verbose --output {output}")),
            );
        }
    }
    // The same while the server refuses everything.
    server.fault(|_| Some(s3_error(403, "AccessDenied", "Access Denied")));
    for line in lines.iter().filter(|line| line.contains("s3://bucket")) {
        check(line, &sandbox.s3lo(&format!("{line} --verbose")));
    }
    // A key given where its place belongs is not repeated.
    let encoded = STANDARD.encode(&pem);
    let body = pem.lines().nth(1).unwrap();
    let url = "https://user:canary-password-7f3a@host/key";
    let pin = "PKCS11:token=t;pin-value=canary-password-7f3a";
    for key in [
        pem.as_str(),
        &pem.replace('\n', " "),
        &encoded,
        body,
        url,
        pin,
    ] {
        let run = sandbox
            .run(&["sign", local, "--key", key, "--verbose"])
            .ends_with(2);
        check("a key as a reference", &run);
    }
    for name in files(&sandbox.file("store")) {
        canaries.absent_from(
            &name,
            &std::fs::read_to_string(sandbox.file(&format!("store/{name}"))).unwrap(),
        );
    }
    let record = server
        .requests()
        .iter()
        .filter(|line| line.starts_with("PUT"))
        .count();
    assert!(
        record > 0 && succeeded > 20,
        "the sweep must see successes too"
    );
    println!(
        "{runs} runs, {bytes} bytes searched for {} forms of the secrets, 0 found",
        canaries.0.len()
    );
}

/// The whole output of some runs.
#[derive(Default)]
pub(crate) struct Outputs {
    pub(crate) texts: Vec<(String, String)>,
    pub(crate) succeeded: usize,
}

impl Outputs {
    /// Runs these lines in every format, as verbosely as possible.
    pub(crate) fn run(&mut self, aws: &AwsFixture, lines: &[String]) {
        for line in lines {
            for format in ["text", "json"] {
                let run = aws.s3lo(&format!("{line} -v -o {format}"));
                self.succeeded += usize::from(run.code == Some(0));
                self.texts.push((line.clone(), run.out + &run.err));
            }
        }
        for path in aws.s3.paths() {
            let object = String::from_utf8(aws.s3.get(&path).unwrap()).unwrap();
            self.texts.push((path, object));
        }
        for name in files(aws.sandbox.path()) {
            let contents = std::fs::read(aws.sandbox.file(&name)).unwrap();
            let contents = String::from_utf8_lossy(&contents).into_owned();
            self.texts.push((name, contents));
        }
    }

    #[track_caller]
    pub(crate) fn contain_none_of(&self, secrets: &BTreeSet<String>) {
        let canaries = Canaries::of(secrets);
        for (what, text) in &self.texts {
            canaries.absent_from(what, text);
        }
        let bytes: usize = self.texts.iter().map(|(_, text)| text.len()).sum();
        println!(
            "{} texts, {bytes} bytes searched for {} forms of {} secrets, 0 found",
            self.texts.len(),
            canaries.0.len(),
            secrets.len()
        );
    }
}

pub(crate) fn talkative(mut aws: AwsFixture) -> AwsFixture {
    aws.sandbox.set("RUST_LOG", "trace");
    aws.sandbox.set("RUST_BACKTRACE", "1");
    aws.sandbox.set("AWS_MAX_ATTEMPTS", "2");
    aws
}

/// The secrets that the servers of a fixture have received or issued.
fn secrets_of(aws: &AwsFixture) -> BTreeSet<String> {
    let mut secrets: BTreeSet<_> = aws.server.secrets().into_iter().collect();
    for call in aws.calls() {
        if let Some(token) = call.body["WebIdentityToken"].as_str() {
            // The error names the claims where a role is refused.
            secrets.extend(token.splitn(2, '.').skip(1).map(str::to_owned));
            secrets.extend(token.rsplit('.').take(1).map(str::to_owned));
        }
    }
    secrets
}

#[test]
fn the_secrets_of_a_session_appear_nowhere() {
    let (mut outputs, mut secrets) = (Outputs::default(), BTreeSet::new());
    secrets.insert(GITHUB_REQUEST_TOKEN.to_owned());
    let with_role = |flags: &str| {
        let lines = [SIGN, VERIFY, PUBLIC_KEY];
        lines.map(|line| format!("{line} --role-arn {ROLE_ARN} {flags}"))
    };
    // A job, well and not so well.
    let mut aws = talkative(AwsFixture::in_github(EVERYTHING));
    for flags in [
        "",
        "--audience other",
        "--role-duration 2h",
        "--allowed-account 444455556666",
        "--web-identity-token-env ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "--timeout 1ms",
    ] {
        outputs.run(&aws, &with_role(flags));
    }
    let nothing = with_role("").map(|line| line.replace("myapp:v1.0", "nothing:v1"));
    outputs.run(&aws, &nothing);
    for action in ["token", "AssumeRoleWithWebIdentity", "GetPublicKey", "Sign"] {
        for (status, code) in [(403, "AccessDenied"), (400, "ExpiredTokenException")] {
            let error = move || kms_error(status, code, "no");
            aws.server
                .fault(move |call| (call.action == action).then(error));
            outputs.run(&aws, &with_role("--if-signed replace")[..1]);
        }
    }
    aws.server.fault(|_| Some(Reply::HangUp));
    outputs.run(&aws, &with_role("")[..1]);
    aws.sandbox
        .set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    outputs.run(&aws, &with_role("")[..1]);
    secrets.extend(secrets_of(&aws));
    // Credentials of a session in the environment, and a proxy with a password.
    let aws = AwsFixture::bare();
    let mut aws = talkative(aws);
    let session = aws.server.session("dev", EVERYTHING);
    aws.set(&session.environment());
    let proxy = "http://user:canary-of-the-proxy@127.0.0.1:1";
    aws.sandbox.set("HTTPS_PROXY", proxy);
    secrets.insert("canary-of-the-proxy".to_owned());
    let elsewhere = SIGN.replace("awskms:///", "awskms://kms.example/");
    let lines = [SIGN, VERIFY, PUBLIC_KEY, &elsewhere].map(str::to_owned);
    outputs.run(&aws, &lines);
    let denied = || s3_error(403, "AccessDenied", "Access Denied");
    aws.s3.fault(move |_| Some(denied()));
    outputs.run(&aws, &lines);
    aws.sandbox
        .set("AWS_SESSION_TOKEN", "canary-of-another-session");
    secrets.insert("canary-of-another-session".to_owned());
    outputs.run(&aws, &lines);
    // A token of another CI system, which is invalid.
    aws.sandbox.set("GITLAB_CI", "true");
    aws.sandbox.set("GITLAB_OIDC_TOKEN", "canary-of-gitlab");
    secrets.insert("canary-of-gitlab".to_owned());
    outputs.run(&aws, &with_role(""));
    secrets.extend(secrets_of(&aws));
    assert!(outputs.succeeded >= 10, "{}", outputs.succeeded);
    assert!(secrets.len() > 20, "{secrets:?}");
    outputs.contain_none_of(&secrets);
}

/// A text with every secret of a request, as they are and as a URL encodes them.
fn echo(headers: &HashMap<String, String>, body: &str) -> String {
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let bearer = header("authorization");
    let bearer = bearer.split_whitespace().next_back().unwrap_or_default();
    let token = header("x-amz-security-token");
    let encoded = utf8_percent_encode(&token, NON_ALPHANUMERIC);
    let long = "so ".repeat(150);
    format!("no: {bearer} {body} {token} {encoded}, {long}{token}{body}")
}

/// Servers that quote the request in their refusals, also where a message is cut.
#[test]
fn what_a_server_echoes_appears_nowhere() {
    let mut outputs = Outputs::default();
    let mut secrets: BTreeSet<_> = [GITHUB_REQUEST_TOKEN.to_owned()].into();
    let aws = talkative(AwsFixture::in_github(EVERYTHING));
    let lines = [SIGN, VERIFY].map(|line| format!("{line} --role-arn {ROLE_ARN}"));
    for action in ["token", "AssumeRoleWithWebIdentity", "GetPublicKey", "Sign"] {
        for (status, code) in [
            (400, "ValidationError"),
            (403, "AccessDenied"),
            (500, "Oops"),
        ] {
            aws.server.fault(move |call| {
                (call.action == action).then(|| {
                    let token = call.body["WebIdentityToken"].as_str().unwrap_or_default();
                    let echo = echo(&call.headers, token);
                    let answer = match call.service {
                        "sts" => sts_error(status, code, &echo),
                        "kms" => kms_error(status, code, &echo),
                        _ => {
                            let json = serde_json::json!({ "message": echo });
                            Reply::Answer(status, Vec::new(), json.to_string().into_bytes())
                        }
                    };
                    answer.header("x-amz-request-id", &echo)
                })
            });
            outputs.run(&aws, &lines);
        }
    }
    // KMS answers, and names an invalid key.
    aws.server.fault(|call| {
        let answer = serde_json::json!({ "KeyId": echo(&call.headers, ""), "KeySpec": echo(&call.headers, "") });
        (call.action == "GetPublicKey").then(|| kms_answer(&answer))
    });
    outputs.run(&aws, &lines);
    aws.server.fault(|_| None);
    aws.s3.fault(|request| {
        let echo = echo(&request.headers, "");
        Some(s3_error(403, "AccessDenied", &echo).header("x-amz-request-id", &echo))
    });
    outputs.run(&aws, &lines);
    secrets.extend(secrets_of(&aws));
    assert!(secrets.len() > 20, "{secrets:?}");
    let echoed = |(_, text): &(String, String)| text.contains("no: ") && text.contains('…');
    assert!(outputs.texts.iter().filter(|text| echoed(text)).count() > 20);
    outputs.contain_none_of(&secrets);
}

#[test]
fn a_process_with_keys_leaves_no_core_file() {
    let sandbox = Sandbox::with_image();
    // A pipe as the key holds the program while it is looked at from outside.
    let fifo = sandbox.file("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let child = sandbox.start(&["verify", "local://./store/myapp:v1.0", "--key", "fifo"]);
    let writer = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let process = format!("/proc/{}", child.id());
    let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    // The soft limit may have been 0 before; the hard one is not.
    let limits: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(limits, ["0", "0"], "{core}");
    // The files of a process that may not be dumped belong to root, and one that traces it needs more
    // than the same user: the kernel shows it by an owner of /proc/PID/fd other than the process's.
    let maps = std::fs::metadata(format!("{process}/maps")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&maps), 0);
    drop(writer);
    crate::support::program::finish(child);
}
