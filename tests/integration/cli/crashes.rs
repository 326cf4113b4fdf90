//! A panic, from any place, is one error in the form asked for, and exit code 2.
//!
//! No input is known to make the program panic, so [`child`] runs it in a process of this test, with a log that panics
//! at a line: on the main thread, on one of the runtime, or on one for files.

use std::fmt;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::MANIFEST;
use crate::support::program::{Run, Sandbox, finish};

const CANARY: &str = "CANARY-OF-A-PANIC";

/// The command line of [`child`], the line of the log, and how it panics there.
const VARIABLES: [&str; 3] = ["S3LO_TEST_LINE", "S3LO_TEST_EVENT", "S3LO_TEST_PANIC"];

struct PanickingLog {
    event: String,
    kind: String,
}

fn refused() -> Result<(), String> {
    Err(format!("bad value {CANARY}"))
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{value:?}");
    }
}

impl<S: Subscriber> Layer<S> for PanickingLog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains(&self.event) {
            match self.kind.as_str() {
                "a literal" => panic!("a literal"),
                "a text" => panic!("the value {CANARY} is wrong"),
                _ => refused().unwrap(),
            }
        }
    }
}

#[test]
fn child() {
    let [Ok(line), Ok(event), Ok(kind)] = VARIABLES.map(std::env::var) else {
        // It is no test by itself.
        return;
    };
    let log = tracing_subscriber::registry().with(PanickingLog { event, kind });
    tracing::subscriber::set_global_default(log).unwrap();
    let arguments = line.split_whitespace().map(Into::into).collect();
    let _ = s3lo::cli::run(arguments, &mut std::io::stdout(), &mut std::io::stderr());
    panic!("it did not panic");
}

/// Runs a command line, which panics at an event.
fn crashed(sandbox: &Sandbox, line: &str, event: &str, kind: &str) -> Run {
    let mut command = sandbox.in_sandbox(Command::new(std::env::current_exe().unwrap()));
    command
        .args(["--exact", "cli::crashes::child", "--nocapture", "--quiet"])
        .envs(VARIABLES.into_iter().zip([line, event, kind]));
    let run = finish(command.spawn().unwrap()).ends_with(2);
    assert!(
        !(run.out.clone() + &run.err).contains(CANARY),
        "{}",
        run.err
    );
    run
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_image();
    sandbox.push("other", "v1", MANIFEST);
    sandbox.write("plain.key", crate::support::plain_key());
    sandbox
}

const ONE: &str = "local://./store/myapp:v1.0";
const SEVERAL: &str = "local://./store/myapp:v1.0 local://./store/other:v1";

/// The threads, by a line of each one's log.
const EVENTS: [(&str, &str); 4] = [
    // A thread for files.
    ("plain.key: read", ONE),
    // The main thread.
    ("may be listed", ONE),
    // Threads of the runtime.
    ("may be listed", SEVERAL),
    ("signed by plain.key", SEVERAL),
];

#[test]
fn a_panic_on_any_thread_is_one_error_and_exit_code_2() {
    for (event, references) in EVENTS {
        for kind in ["a literal", "a text", "an error"] {
            let line = format!("s3lo sign {references} --key plain.key");
            let run = crashed(&sandbox(), &line, event, kind);
            assert_eq!(run.err.matches("error[").count(), 1, "{}", run.err);
            assert!(!run.err.contains("panicked"), "{}", run.err);
            assert!(!run.out.contains("Signed"), "{}", run.out);
            if event == "may be listed" && references == ONE {
                let mut settings = insta::Settings::clone_current();
                settings.add_filter(r"crashes\.rs:\d+", "crashes.rs:LINE");
                let name = kind.replace(' ', "_");
                settings.bind(|| insta::assert_snapshot!(name, run.err));
            }
        }
    }
}

#[test]
fn a_panic_is_reported_as_json() {
    for (event, references) in EVENTS {
        let line = format!("s3lo sign {references} --key plain.key --output json");
        let run = crashed(&sandbox(), &line, event, "an error");
        assert_eq!(run.err, "");
        let (_, document) = run.out.split_once('{').unwrap();
        let document: Value = serde_json::from_str(&format!("{{{document}")).unwrap();
        assert_eq!(document["error"]["code"], "internal_error", "{document}");
    }
}

#[test]
fn a_job_that_panics_leaves_its_results() {
    for (event, references) in &EVENTS[..3] {
        let sandbox = sandbox()
            .with("S3LO_REFERENCE", &references.replace(' ', "\n"))
            .with("S3LO_KEY", "plain.key")
            .with("S3LO_OUTPUT_FILE", "s3lo.json")
            .with("S3LO_SUMMARY_FILE", "s3lo.md")
            .with("S3LO_DOTENV_FILE", "s3lo.env")
            .with("GITHUB_ACTIONS", "true")
            .with("GITHUB_OUTPUT", "output");
        let read = |name: &str| fs::read_to_string(sandbox.file(name)).unwrap();
        sandbox.write("s3lo.json", "{\"verified\": true}");
        let run = crashed(&sandbox, "s3lo ci verify", event, "a text");
        let document: Value = serde_json::from_str(&read("s3lo.json")).unwrap();
        assert_eq!(document["error"]["code"], "internal_error", "{document}");
        assert!(
            read("output").starts_with("verified<<"),
            "{}",
            read("output")
        );
        assert!(read("output").contains("\nfalse\n"), "{}", read("output"));
        assert_eq!(read("s3lo.env"), "S3LO_VERIFY_VERIFIED=false\n");
        assert!(read("s3lo.md").starts_with("### ❌ Not verified"));
        assert!(run.out.contains("::error title="), "{}", run.out);
    }
}

#[test]
fn a_verifier_that_panics_blocks_with_one_line() {
    let sandbox = crate::gate::node();
    sandbox.push("myapp", "v1.0", MANIFEST);
    crate::gate::sign(&sandbox, "myapp:v1.0");
    let digest = crate::gate::digest(MANIFEST);
    let line = format!("s3lo -name registry.example:5000/myapp:v1.0 -digest {digest}");
    for kind in ["a literal", "a text", "an error"] {
        let run = crashed(&sandbox, &line, "manifest and records are read", kind);
        let start = "error[internal_error]: the program has a fault in ";
        let lines: Vec<_> = run
            .out
            .lines()
            .filter(|line| line.contains(start))
            .collect();
        assert_eq!(lines.len(), 1, "{}", run.out);
        assert!(!run.out.contains("allowed"), "{}", run.out);
        assert_eq!(run.err, "");
    }
}
