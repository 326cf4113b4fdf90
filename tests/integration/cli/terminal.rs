//! A terminal that a password is asked for at is as it was before, however the prompt ends.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::support::program::Sandbox;

/// How a prompt ends.
enum End {
    Answer(&'static str),
    Signal(&'static str),
    Timeout,
}

/// Runs a command line at a terminal until it asks for a password, ends the prompt, and returns the exit code and the
/// output of `stty` afterwards.
fn at_a_prompt(line: &str, end: &End) -> (String, String) {
    let sandbox = Sandbox::with_image().without("COSIGN_PASSWORD");
    // An interrupt that is typed arrives at the shell as well.
    let script =
        format!("trap : INT; sh -c 'echo pid=$$; exec $S3LO {line}'; echo code=$?; stty -a");
    // `script` makes a terminal of its own.
    let mut child = Command::new("script")
        .args(["-qec", &script, "/dev/null"])
        .current_dir(sandbox.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("SHELL", "/bin/sh")
        .env("S3LO", env!("CARGO_BIN_EXE_s3lo"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` is missing: it is part of util-linux");
    let (mut out, mut input) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let mut text = String::new();
    let mut byte = [0];
    while !text.contains("Enter password for private key") || !text.ends_with(": ") {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "no prompt: {text}");
        text.push(char::from(byte[0]));
    }
    match end {
        End::Answer(answer) => input.write_all(answer.as_bytes()).unwrap(),
        End::Signal(name) => {
            let pid = text.split("pid=").nth(1).unwrap().lines().next().unwrap();
            let sent = Command::new("kill").args(["-s", name, pid]).status();
            assert!(sent.unwrap().success());
        }
        End::Timeout => {}
    }
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    child.wait().unwrap();
    let rest = String::from_utf8_lossy(&rest);
    let (output, settings) = rest.split_once("code=").unwrap();
    let (code, settings) = settings.split_once("\r\n").unwrap();
    println!("{output}");
    (code.to_owned(), settings.to_owned())
}

#[track_caller]
fn is_sane(settings: &str) {
    for flag in ["echo", "icanon", "isig"] {
        let mut words = settings.split_whitespace();
        assert!(words.any(|word| word == flag), "{flag}: {settings}");
    }
}

const SIGN: &str = "sign local://./store/myapp:v1.0 --key keys/cosign.key";

#[test]
fn a_signal_at_the_prompt_restores_the_terminal() {
    for line in [
        SIGN,
        "public-key --key keys/cosign.key",
        "generate-key-pair",
    ] {
        for signal in ["TERM", "INT"] {
            let (code, settings) = at_a_prompt(line, &End::Signal(signal));
            assert_eq!(code, "2", "{line}");
            is_sane(&settings);
        }
    }
}

#[test]
fn a_timeout_at_the_prompt_restores_the_terminal() {
    for line in [SIGN, "public-key --key keys/cosign.key"] {
        let (code, settings) = at_a_prompt(&format!("{line} --timeout 1s"), &End::Timeout);
        assert_eq!(code, "2", "{line}");
        is_sane(&settings);
    }
}

#[test]
fn an_answer_or_an_interrupt_that_is_typed_restores_the_terminal() {
    for (answer, expected) in [("secret\r", "0"), ("wrong\r", "2"), ("\u{3}", "2")] {
        let (code, settings) = at_a_prompt(SIGN, &End::Answer(answer));
        assert_eq!(code, expected, "{answer:?}");
        is_sane(&settings);
    }
}
