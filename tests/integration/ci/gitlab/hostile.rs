//! Log and report for GitLab stay well formed for any name of an image, a store or a key.

use crate::support::MANIFEST;
use crate::support::gitlab::{dotenv, log};
use crate::support::program::{Run, Sandbox};
use s3lo_test_servers::s3::{S3Server, s3_error};

/// Names with a meaning to a log, a shell, a dotenv file or GitLab.
const NAMES: [&str; 16] = [
    "plain",
    "two words",
    "ünï-cödé-🔑",
    "$HOME",
    "%PATH%",
    "$(id)",
    "\"quoted\"",
    "it's",
    "a=b",
    "#comment",
    "\u{1b}[2J\u{1b}[31mred",
    "\u{1b}[0Ksection_end:1:s3lo_sign\r\u{1b}[0Kout",
    "section_start:1:x[collapsed=true]\r\u{1b}[0Kin",
    "::error::no",
    "##vso[task.complete]",
    "tab\there\u{85}\u{2028}",
];

/// A sandbox with keys that need no password, so that no run waits for one.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_image();
    sandbox.write("plain.key", crate::support::plain_key());
    let public = crate::support::vectors().join("plain-keys/p256-pkcs8.pub");
    std::fs::copy(public, sandbox.file("plain.pub")).unwrap();
    sandbox
}

/// A job of GitLab: `ci` with these options. Both streams are one log.
fn job(sandbox: &Sandbox, command: &str, options: &[(&str, &str)]) -> Run {
    let mut process = sandbox.command(&["ci", command]);
    process
        .env("GITLAB_CI", "true")
        .env("S3LO_DOTENV_FILE", "report.env")
        .env("S3LO_OUTPUT_FILE", "report.json");
    for (name, value) in options {
        process.env(name, value);
    }
    crate::support::program::finish(process.spawn().unwrap())
}

/// The log and the report of a run are such as GitLab takes; the report's variables.
#[track_caller]
fn sound(sandbox: &Sandbox, run: &Run, what: &str) -> std::collections::BTreeMap<String, String> {
    for text in [&run.out, &run.err, &(run.out.clone() + &run.err)] {
        log::read(text).unwrap_or_else(|error| panic!("{what}: {error}\n{text:?}"));
    }
    let report = std::fs::read(sandbox.file("report.env")).unwrap();
    let variables = dotenv::read(&report).unwrap_or_else(|error| panic!("{what}: {error}"));
    let json = std::fs::read(sandbox.file("report.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&json).unwrap();
    variables
}

#[test]
fn any_image_name_keeps_log_and_report_well_formed() {
    let sandbox = sandbox();
    let (mut signed, mut kept_back) = (0, 0);
    for name in NAMES {
        sandbox.push(name, "v1", MANIFEST);
        let reference = format!("local://./store/{name}:v1");
        let options = [
            ("S3LO_REFERENCE", reference.as_str()),
            ("S3LO_KEY", "plain.key"),
        ];
        let run = job(&sandbox, "sign", &options);
        let variables = sound(&sandbox, &run, name);
        let done = run.code == Some(0);
        assert_eq!(variables["S3LO_SIGN_SIGNED"], done.to_string(), "{name:?}");
        assert_eq!(variables.contains_key("S3LO_SIGN_DIGEST"), done, "{name:?}");
        // A path that GitLab would change is not reported, and the rest is.
        let reported = variables.contains_key("S3LO_SIGN_STORED_PATH");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+=,-".contains(&byte);
        assert_eq!(reported, done && name.bytes().all(plain), "{name:?}");
        signed += usize::from(done);
        kept_back += usize::from(done && !reported);
        let options = [
            ("S3LO_REFERENCE", reference.as_str()),
            ("S3LO_KEY", "plain.pub"),
        ];
        let run = job(&sandbox, "verify", &options);
        let variables = sound(&sandbox, &run, name);
        assert_eq!(
            variables["S3LO_VERIFY_VERIFIED"],
            done.to_string(),
            "{name:?}"
        );
    }
    println!("{signed} hostile names signed, {kept_back} paths not reported");
    assert!(signed > 8 && kept_back > 6);
}

#[test]
fn hostile_tags_keys_and_files_stay_in_the_grammar_too() {
    let sandbox = sandbox();
    for name in NAMES {
        for (reference, key) in [
            (
                format!("local://./store/myapp:{name}"),
                "plain.key".to_owned(),
            ),
            (format!("local://{name}/myapp:v1"), "plain.key".to_owned()),
            ("local://./store/myapp:v1.0".to_owned(), name.to_owned()),
            (
                "local://./store/myapp:v1.0".to_owned(),
                format!("awskms:///{name}"),
            ),
            (name.to_owned(), name.to_owned()),
        ] {
            for command in ["sign", "verify"] {
                let options = [("S3LO_REFERENCE", reference.as_str()), ("S3LO_KEY", &key)];
                let run = job(&sandbox, command, &options);
                sound(&sandbox, &run, &format!("{command} {reference} {key}"));
            }
        }
    }
}

#[test]
fn text_of_a_server_is_plain_in_the_log() {
    let evil = "\u{1b}[0Ksection_end:1:s3lo_sign\r\u{1b}[0K\n\u{1b}[2K::error::pwned\nS3LO_SIGN_SIGNED=true\r\n";
    let s3 = S3Server::start();
    s3.fault(move |_| Some(s3_error(403, "AccessDenied", evil)));
    let mut sandbox = sandbox();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "us-east-1"),
    ] {
        sandbox.set(name, value);
    }
    for command in ["sign", "verify"] {
        let options = [
            ("S3LO_REFERENCE", "s3://my-bucket/myapp:v1.0"),
            ("S3LO_KEY", "plain.key"),
            ("S3LO_ENDPOINT", s3.endpoint.as_str()),
        ];
        let run = job(&sandbox, command, &options).ends_with(2);
        let variables = sound(&sandbox, &run, command);
        assert!(
            variables.values().all(|value| value == "false"),
            "{variables:?}"
        );
    }
}

#[test]
fn results_are_in_a_folded_section_and_errors_are_not() {
    let sandbox = sandbox();
    let options = [
        (
            "S3LO_REFERENCE",
            "local://./store/myapp:v1.0\nlocal://./store/myapp:v9",
        ),
        ("S3LO_KEY", "plain.key"),
    ];
    let run = job(&sandbox, "sign", &options).ends_with(2);
    let lines = log::read(&run.out).unwrap();
    assert!(
        log::section(&lines, "s3lo_sign")
            .iter()
            .any(|line| line.contains("Signed local://./store/myapp:v1.0")),
        "{lines:?}"
    );
    let errors = log::read(&run.err).unwrap();
    assert!(errors.iter().all(|line| line.sections.is_empty()));
    assert!(
        errors.iter().any(|line| line.text.contains("v9")),
        "{errors:?}"
    );
    // The most that a job can be asked for leaves no more variables than GitLab takes.
    let many: String = (0..40).map(|_| "local://./store/myapp:v1.0\n").collect();
    let options = [("S3LO_REFERENCE", many.as_str()), ("S3LO_KEY", "plain.key")];
    let run = job(&sandbox, "sign", &options);
    sound(&sandbox, &run, "many");
}
