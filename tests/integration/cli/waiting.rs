//! A run that waits shows the reason, and one that gives up names it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::thread;

use rustix::fs::{CWD, FileType, Mode};
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::s3::{S3Server, s3_error};
use s3lo_test_servers::vault::{TOKEN, VaultServer};

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE_ARN, SIGN};
use crate::support::program::{Run, Sandbox, finish};
use crate::support::{MANIFEST, minio};

const IMAGE: &str = "s3://bucket/myapp:v1.0";

/// The images `myapp:v1.0` to `myapp:v1.2`.
const THREE: &str = "s3://bucket/myapp:v1.0 s3://bucket/myapp:v1.1 s3://bucket/myapp:v1.2";

fn sandbox() -> Sandbox {
    Sandbox::with_image()
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
}

/// A server with three images.
fn server() -> S3Server {
    let server = S3Server::start();
    for tag in ["v1.0", "v1.1", "v1.2"] {
        let path = format!("/bucket/manifests/myapp/{tag}/manifest.json");
        server.put(&path, MANIFEST.as_bytes());
    }
    server
}

fn slow_down() -> Reply {
    s3_error(503, "SlowDown", "Please reduce your request rate.")
}

fn sign(server: &S3Server, images: &str) -> String {
    format!(
        "sign {images} --key keys/cosign.key --endpoint {}",
        server.endpoint
    )
}

fn verify(server: &S3Server, images: &str) -> String {
    format!(
        "verify {images} --key keys/cosign.pub --endpoint {}",
        server.endpoint
    )
}

/// The output of a run that has no time left, with names in place of the values that differ from run to run.
#[track_caller]
fn given_up(page: &mut String, title: &str, run: Run) {
    let run = run.ends_with(2);
    assert!(run.err.contains("]: gave up after "), "{}", run.err);
    page.push_str(&format!("# {title}\n{}\n", run.err));
}

#[track_caller]
fn matches_snapshot(name: &str, page: &str) {
    insta::with_settings!({filters => vec![
        (r"http://127\.0\.0\.1:\d+", "http://SERVER"),
        (r" for \d+ s\b", ""),
        (r"\d+ times", "N times"),
    ]}, {
        insta::assert_snapshot!(name, page);
    });
}

#[test]
fn a_time_out_names_service_host_call_and_last_answer() {
    let mut page = String::new();
    let (sandbox, silent) = (sandbox(), server());
    silent.fault(|_| Some(Reply::Silence));
    let line = format!("{} --timeout 300ms", sign(&silent, IMAGE));
    given_up(&mut page, "S3 is silent", sandbox.s3lo(&line));
    let line = format!("{} --timeout 300ms", verify(&silent, IMAGE));
    given_up(&mut page, "S3 is silent, verify", sandbox.s3lo(&line));
    let line = format!(
        "inspect {IMAGE} --endpoint {} --timeout 300ms",
        silent.endpoint
    );
    given_up(&mut page, "S3 is silent, inspect", sandbox.s3lo(&line));

    let throttling = server();
    throttling.fault(|_| Some(slow_down()));
    let line = format!("{} --timeout 1s", sign(&throttling, IMAGE));
    given_up(&mut page, "S3 throttles", sandbox.s3lo(&line));

    let aws = AwsFixture::new();
    aws.server
        .fault(|call| (call.action == "Sign").then_some(Reply::Silence));
    let line = format!("{SIGN} --timeout 1s");
    given_up(&mut page, "KMS does not sign", aws.s3lo(&line));

    for (title, silent) in [
        ("GitHub gives no token", "github"),
        ("STS is silent", "sts"),
    ] {
        let aws = AwsFixture::in_github(EVERYTHING);
        aws.server
            .fault(move |call| (call.service == silent).then_some(Reply::Silence));
        let line = format!("{SIGN} --role-arn {ROLE_ARN} --timeout 1s");
        given_up(&mut page, title, aws.s3lo(&line));
    }

    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    vault.fault(|_| Some(Reply::Silence));
    let at_vault = Sandbox::at_vault(&vault);
    let line = "sign local://./store/myapp:v1.0 --key hashivault://ci-signer --timeout 300ms";
    given_up(&mut page, "Vault is silent", at_vault.s3lo(line));
    assert!(!page.contains(TOKEN) && !page.contains(minio::PASSWORD));
    matches_snapshot("time_outs", &page);
}

#[test]
fn a_time_out_names_a_file_and_a_program() {
    let mut page = String::new();
    let sandbox = sandbox();
    rustix::fs::mknodat(CWD, sandbox.file("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let line = "sign local://./store/myapp:v1.0 --key pipe --timeout 300ms";
    given_up(&mut page, "a key that is a pipe", sandbox.s3lo(line));

    let aws = AwsFixture::in_github(EVERYTHING);
    rustix::fs::mknodat(CWD, aws.sandbox.file("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let role = format!("--role-arn {ROLE_ARN} --web-identity-token-file pipe");
    let run = aws.s3lo(&format!("{SIGN} {role} --timeout 300ms"));
    given_up(&mut page, "a token that is a pipe", run);

    let mut aws = AwsFixture::at_home();
    aws.run_for_credentials("#!/bin/sh\nexec sleep 60\n");
    let run = aws.s3lo(&format!("{SIGN} --timeout 500ms"));
    given_up(&mut page, "a credential_process that does not end", run);
    matches_snapshot("time_outs_of_files_and_programs", &page);
}

#[test]
fn a_time_out_counts_the_tries() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|_| Some(slow_down()));
    let line = format!("{} --timeout 2s -o json", sign(&server, IMAGE));
    let run = sandbox.s3lo(&line).ends_with(2);
    assert_eq!(run.err, "");
    let json = run.json();
    let asked = server.requests();
    let asked = asked.iter().filter(|line| line.contains("manifest.json"));
    let expected = format!(
        "gave up after 2s: S3 at {} answered SlowDown (503) to GetObject, {} times",
        server.endpoint,
        asked.count()
    );
    assert_eq!(json["error"]["message"], expected);
    assert_eq!(
        json["error"]["facts"]["url"],
        format!(
            "{}/bucket/manifests/myapp/v1.0/manifest.json",
            server.endpoint
        )
    );
}

#[test]
fn images_whose_time_is_up_share_one_error() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|_| Some(slow_down()));
    let line = format!("{} --timeout 1s", sign(&server, THREE));
    let run = sandbox.s3lo(&line).ends_with(2);
    assert_eq!(run.err.matches("error[").count(), 1, "{}", run.err);
    assert!(
        run.err.contains("s3://bucket/myapp:v1.0 (and 2 more)"),
        "{}",
        run.err
    );
}

/// What each line of a log states of a request after `request`, without the time that it took.
fn tries<'a>(log: &'a str, request: &str) -> Vec<&'a str> {
    let lines = log.lines().filter_map(|line| line.split_once(request));
    lines
        .map(|(_, rest)| rest.split(" after").next().unwrap())
        .collect()
}

#[test]
fn verbose_logs_a_request_when_it_begins_and_each_try_with_its_number() {
    let (sandbox, server) = (sandbox(), server());
    let mut manifests = 0;
    server.fault(move |request| {
        let of_manifest = request.path.ends_with("manifest.json");
        manifests += u32::from(of_manifest);
        match manifests {
            _ if !of_manifest => None,
            1 | 2 => Some(slow_down()),
            _ => Some(Reply::Silence),
        }
    });
    let line = format!("{} --timeout 2s --verbose", sign(&server, IMAGE));
    let run = sandbox.s3lo(&line).ends_with(2);
    let get = format!(
        "GET {}/bucket/manifests/myapp/v1.0/manifest.json (0 bytes, attempt ",
        server.endpoint
    );
    assert_eq!(
        tries(&run.err, &get),
        ["1)", "1): 503", "2)", "2): 503", "3)"],
        "{}",
        run.err
    );

    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    let mut left = 1;
    vault.fault(move |_| {
        left -= 1;
        (left >= 0).then(|| Reply::Answer(503, Vec::new(), Vec::new()))
    });
    let at_vault = Sandbox::at_vault(&vault);
    let run = at_vault
        .s3lo("public-key --key hashivault://ci-signer --verbose")
        .ends_with(0);
    let get = format!("GET {}/v1/transit/keys/ci-signer (attempt ", vault.endpoint);
    assert_eq!(
        tries(&run.err, &get),
        ["1)", "1): 503", "2)", "2): 200"],
        "{}",
        run.err
    );
}

/// Runs a command line at a terminal, and returns its output.
fn at_terminal(sandbox: &Sandbox, line: &str) -> String {
    let mut script = Command::new("script");
    let line = format!("{} {line}", env!("CARGO_BIN_EXE_s3lo"));
    script.args(["-qec", &line, "/dev/null"]);
    let mut script = sandbox.in_sandbox(script);
    script
        .env("PATH", "/usr/bin:/bin")
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm");
    let child = script
        .spawn()
        .expect("`script` is missing: it is part of util-linux");
    finish(child).ends_with(2).out
}

#[test]
fn a_terminal_shows_the_current_call_until_the_end() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|_| Some(Reply::Silence));
    for images in [IMAGE, THREE] {
        let line = format!("{} --timeout 2s", sign(&server, images));
        let out = at_terminal(&sandbox, &line);
        let shown = format!("S3 at {} (", server.endpoint);
        assert!(out.contains(&shown), "{out}");
        let (before, error) = out.split_once("error[timed_out]").unwrap();
        // The line was cleared before the error.
        let (_, last) = before.rsplit_once("\u{1b}[2K").unwrap();
        assert!(["", "\u{1b}[1A"].contains(&last), "{before:?}");
        assert!(!error.contains("yet"), "{error}");
        let out = at_terminal(&sandbox, &format!("{line} --quiet"));
        assert!(!out.contains(&shown), "{out}");
    }
}

/// Reads a run's stdout up to the first line that contains `text`; a thread reads the rest.
fn read_until(child: &mut Child, text: &str) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = lines.any(|line| line.unwrap().contains(text));
    assert!(found, "no {text}");
    thread::spawn(move || lines.for_each(drop));
}

#[test]
fn a_run_that_is_stopped_counts_the_images_that_are_done() {
    let (sandbox, server) = (sandbox(), server());
    server.fault(|request| {
        let waits = request.path.contains("v1.2") && request.path.ends_with("manifest.json");
        waits.then_some(Reply::Silence)
    });
    for (line, printed, done) in [
        (
            sign(&server, THREE),
            "Signed s3://bucket/myapp:v1.1",
            "signed",
        ),
        (
            verify(&server, THREE),
            "Verified s3://bucket/myapp:v1.1",
            "verified",
        ),
    ] {
        let words: Vec<_> = line.split_whitespace().collect();
        let mut child = sandbox.start(&words);
        read_until(&mut child, printed);
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(sent.unwrap().success());
        let mut err = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{err}");
        let expected = format!(
            "error[interrupted]: a signal stopped the run\n  help: 2 of 3 images were {done}; run it again for the rest\n"
        );
        assert!(err.contains(&expected), "{err}");
    }
}
