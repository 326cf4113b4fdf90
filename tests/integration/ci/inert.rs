//! Text that others wrote is a command to no CI system, in every place where the program prints it and for every host:
//! an agent of Azure takes `##vso[` anywhere in a line, GitHub's runner `##[`, and `::` at its beginning.

use s3lo_test_servers::s3::{S3Server, s3_error};
use serde_json::Value;

use crate::support::program::{Run, Sandbox};

/// The variables that identify a host, and the start of the lines that are commands of ours to it.
type Host<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

const HOSTS: [Host<'_>; 5] = [
    (&[("TEAMCITY_VERSION", "2026.1")], &[]),
    (&[("GITLAB_CI", "true")], &[]),
    (&[("BUILDKITE", "true")], &[]),
    (
        &[("TF_BUILD", "True"), ("AGENT_TEMPDIRECTORY", "temp")],
        &[
            "##[group]",
            "##[endgroup]",
            "##vso[task.logissue type=error]",
            "##vso[task.setsecret]",
            "##vso[task.setvariable variable=",
            "##vso[task.uploadsummary]",
        ],
    ),
    (
        &[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_OUTPUT", "github.output"),
            ("GITHUB_STEP_SUMMARY", "github.summary"),
        ],
        &[
            "::add-mask::",
            "::endgroup::",
            "::error title=",
            "::group::",
            "::notice title=",
            "::s3lo-",
            "::stop-commands::s3lo-",
        ],
    ),
];

const COMMANDS: [&str; 6] = [
    "##vso[task.setvariable variable=DEPLOY]evil",
    "a ##[add-mask]a",
    "###vso[task.complete]",
    "##teamcity[buildStop]",
    "::error::pwned",
    " ::set-output name=x::y",
];

/// Some of the commands for each of this number of places, so that each command is tried somewhere.
fn tried(places: usize) -> impl Iterator<Item = (usize, &'static str)> {
    let all =
        (0..places).flat_map(|place| COMMANDS.iter().enumerate().map(move |one| (place, one)));
    let some = all.filter(|(place, (number, _))| (place + number) % 3 == 0);
    some.map(|(place, (_, text))| (place, *text))
}

/// An image, and a key without a password, for which nothing waits.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_image();
    sandbox.write("plain.key", crate::support::plain_key());
    sandbox
}

/// Fails if a line of `text` holds a command that is not one of `ours`.
#[track_caller]
fn is_inert(text: &str, ours: &[&str], what: &str) {
    for line in text.split(['\n', '\r']) {
        let rest = ours.iter().find_map(|command| line.strip_prefix(command));
        let rest = rest.unwrap_or(line);
        assert!(!rest.contains("##"), "{what}: {line}");
        let begins = rest.len() == line.len() && line.trim_start().starts_with("::");
        assert!(!begins, "{what}: {line}");
    }
}

/// Runs `s3lo` and `s3lo ci` on every host, as text and as JSON, with the log and with every file of results, and looks at
/// all that is printed or left.
#[track_caller]
fn is_inert_everywhere(sandbox: Sandbox, command: &str, reference: &str, key: &str, more: &[&str]) {
    let tame = |run: &Run, ours: &[&str], what: &str| {
        is_inert(&run.out, ours, what);
        is_inert(&run.err, ours, what);
    };
    for form in ["text", "json"] {
        let line = ["-v", "-o", form, command, reference, "--key", key];
        let what = format!("{command} {reference} {key} {form}");
        tame(&sandbox.run(&[&line[..], more].concat()), &[], &what);
        let line = ["-v", "-o", form, "inspect", reference];
        tame(&sandbox.run(&[&line[..], more].concat()), &[], &what);
    }
    for (variables, ours) in HOSTS {
        for form in ["text", "json"] {
            let files = [
                "--output-file",
                "out.json",
                "--dotenv-file",
                "out.env",
                "--summary-file",
                "out.md",
                "--results-directory",
                "each",
            ];
            let line = [
                "ci", command, "-v", "-o", form, "--key", key, "--", reference,
            ];
            let mut job = sandbox.command(&[&line[..2], more, &files, &line[2..]].concat());
            job.envs(variables.iter().copied());
            std::fs::create_dir_all(sandbox.file("temp")).unwrap();
            let run = crate::support::program::finish(job.spawn().unwrap());
            let what = format!("ci {command} {reference} {key} {form} {variables:?}");
            tame(&run, ours, &what);
            if form == "json" {
                let json: Value = serde_json::from_str(&run.out)
                    .unwrap_or_else(|error| panic!("{what}: {error}\n{}", run.out));
                assert!(json.is_object(), "{what}");
            }
            let summaries = ["out.md", "github.summary"];
            let outputs = [
                "out.json",
                "out.env",
                "each/reason",
                "each/results",
                "github.output",
            ];
            for file in outputs {
                // A delimiter of GitHub's is no command.
                let text = std::fs::read_to_string(sandbox.file(file)).unwrap_or_default();
                is_inert(&text, &[], &format!("{what}: {file}"));
            }
            for file in summaries {
                let text = std::fs::read_to_string(sandbox.file(file)).unwrap_or_default();
                let text = text.replace("\n### ", "\n# ");
                let text = text.strip_prefix("### ").unwrap_or(&text);
                is_inert(text, &[], &format!("{what}: {file}"));
            }
        }
    }
}

#[test]
fn a_record() {
    let fields = [
        "schemaVersion",
        "digest",
        "payload",
        "signature",
        "signedAt",
    ];
    for (place, text) in tried(fields.len()) {
        let sandbox = sandbox();
        let signed = sandbox.s3lo("sign local://./store/myapp:v1.0 --key plain.key -o json");
        let stored = signed.ends_with(0).json()["storedPath"].clone();
        let stored = stored.as_str().unwrap();
        let record = std::fs::read(sandbox.file(stored)).unwrap();
        let mut record: Value = serde_json::from_slice(&record).unwrap();
        record[fields[place]] = text.into();
        sandbox.write(stored, record.to_string());
        let reference = "local://./store/myapp:v1.0";
        is_inert_everywhere(sandbox, "verify", reference, "plain.key", &[]);
    }
}

#[test]
fn the_names_of_an_image_a_store_and_a_key() {
    for (place, text) in tried(5) {
        let (reference, key) = [
            (format!("local://./store/{text}:v1"), "plain.key"),
            (format!("local://./store/my-app:{text}"), "plain.key"),
            (format!("local://{text}/my-app:v1"), "plain.key"),
            (text.to_owned(), "plain.key"),
            ("local://./store/myapp:v1.0".to_owned(), text),
        ][place]
            .clone();
        for command in ["sign", "verify"] {
            let sandbox = sandbox();
            sandbox.push(text, "v1", crate::support::MANIFEST);
            is_inert_everywhere(sandbox, command, &reference, key, &[]);
        }
    }
}

#[test]
fn a_server() {
    for (place, text) in tried(2) {
        let evil = format!("{text}\n{text}\r\n  {text}");
        let s3 = S3Server::start();
        s3.fault(move |_| Some(s3_error(403, "AccessDenied", &evil)));
        let sandbox = sandbox()
            .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .with("AWS_SECRET_ACCESS_KEY", "x")
            .with("AWS_REGION", "us-east-1");
        let more = ["--endpoint", &s3.endpoint];
        let command = ["sign", "verify"][place];
        is_inert_everywhere(
            sandbox,
            command,
            "s3://my-bucket/myapp:v1.0",
            "plain.key",
            &more,
        );
    }
}

#[test]
fn what_was_typed() {
    for text in COMMANDS {
        let sandbox = Sandbox::with_image();
        for arguments in [
            &["--", text][..],
            &["sign", text],
            &[
                "sign",
                "local://./store/myapp:v1.0",
                "--key",
                "keys/cosign.key",
                "--timeout",
                text,
            ],
            &["generate-key-pair", "--output-key-prefix", text],
            &["public-key", "--key", text],
            &["ci", text],
            &[
                "ci",
                "sign",
                "--key",
                "keys/cosign.key",
                "--output-file",
                text,
            ],
            &["ci", "sign", "--inputs", text],
        ] {
            for form in ["text", "json"] {
                let mut line = arguments.to_vec();
                line.splice(
                    1..1,
                    (arguments[0] != "--")
                        .then_some(["-o", form])
                        .into_iter()
                        .flatten(),
                );
                if arguments[0] == "ci" {
                    line = arguments.iter().copied().chain(["-o", form]).collect();
                }
                let run = sandbox.run(&line);
                is_inert(&run.out, &[], &format!("{line:?}"));
                is_inert(&run.err, &[], &format!("{line:?}"));
            }
        }
    }
}

#[test]
fn a_variable_and_its_name() {
    for text in COMMANDS {
        for name in [
            "S3LO_TIMEOUT",
            "S3LO_KEY",
            "S3LO_COMMAND",
            "S3LO_REFERENCE",
            text,
        ] {
            let name = match name {
                name if name.starts_with("S3LO_") => name.to_owned(),
                name => format!("S3LO_{}", name.replace('=', "-")),
            };
            let sandbox = Sandbox::with_image()
                .with("S3LO_REFERENCE", "local://./store/myapp:v1.0")
                .with("S3LO_KEY", "keys/cosign.pub")
                .with(&name, text);
            for (variables, ours) in HOSTS {
                let mut job = sandbox.command(&["ci"]);
                job.envs(variables.iter().copied());
                let run = crate::support::program::finish(job.spawn().unwrap());
                is_inert(&run.out, ours, &format!("{name} {variables:?}"));
                is_inert(&run.err, ours, &format!("{name} {variables:?}"));
            }
        }
    }
}

/// Text for pasting stays as it is.
#[test]
fn an_arn_stays_as_it_is() {
    let arn = "awskms:///arn:aws:kms:us-east-1::key/x";
    let run = Sandbox::with_image()
        .s3lo(&format!("verify local://./store/myapp:v1.0 --key {arn}"))
        .ends_with(2);
    assert!(run.err.contains("us-east-1::key/x"), "{}", run.err);
}
