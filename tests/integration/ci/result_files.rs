//! Files for results: a stream stays a stream, and only a regular file is replaced.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::files;
use crate::support::program::Sandbox;

const RECORDS: &str = "store/manifests/myapp/v1.0/signatures";

fn job() -> Sandbox {
    let sandbox = Sandbox::with_image()
        .with("S3LO_REFERENCE", "local://./store/myapp:v1.0")
        .with("S3LO_KEY", "plain.key");
    sandbox.write("plain.key", crate::support::plain_key());
    sandbox
}

#[test]
fn a_stream_is_written_to_and_stays_what_it_is() {
    let kind = |path: &str| fs::symlink_metadata(path).unwrap().file_type();
    let before = ["/dev/stdout", "/dev/stderr"].map(kind);
    for (option, begins) in [
        ("S3LO_SUMMARY_FILE", "### ✅ Signed"),
        ("S3LO_OUTPUT_FILE", "{\n  \"digest\": \"sha256:"),
        ("S3LO_DOTENV_FILE", "S3LO_SIGN_SIGNED=true\n"),
    ] {
        for name in ["-", "/dev/stdout", "/dev/stderr"] {
            let run = job().with(option, name).s3lo("ci sign").ends_with(0);
            let (stream, other) = match name {
                "/dev/stderr" => (&run.err, &run.out),
                _ => (&run.out, &run.err),
            };
            assert!(stream.contains(begins), "{option}={name}: {stream}");
            assert!(!other.contains(begins), "{option}={name}: {other}");
        }
    }
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "DRONE_OUTPUT"] {
        let run = job().with(name, "/dev/stdout").s3lo("ci sign").ends_with(0);
        assert!(run.out.len() > 400, "{name}: {}", run.out);
    }
    assert_eq!(["/dev/stdout", "/dev/stderr"].map(kind), before);
}

#[test]
fn a_run_that_is_not_understood_spares_the_files_of_others() {
    let files = [
        (
            "S3LO_OUTPUT_FILE",
            "PK\u{3}\u{4}",
            "{\"storedPath\": \"b/m\"}",
        ),
        (
            "S3LO_DOTENV_FILE",
            "TOKEN=precious\n",
            "S3LO_SIGN_SIGNED=true\n",
        ),
        (
            "S3LO_SUMMARY_FILE",
            "# Release\n",
            "### ✅ Signed: myapp:v1.0\n",
        ),
    ];
    for (option, of_others, of_a_run) in files {
        for (name, value) in [
            ("S3LO_TIMEOUT", "soon"),
            ("S3LO_KEY", ""),
            ("S3LO_REGON", "eu-west-1"),
        ] {
            let sandbox = job().with(option, "place").with(name, value);
            let read = || fs::read_to_string(sandbox.file("place")).unwrap();
            sandbox.write("place", of_others);
            sandbox.s3lo("ci sign").ends_with(2);
            assert_eq!(read(), of_others, "{option} {name}");
            // The result of an earlier run must not pass for that of this one.
            sandbox.write("place", of_a_run);
            sandbox.s3lo("ci sign").ends_with(2);
            assert_ne!(read(), of_a_run, "{option} {name}");
            assert!(!read().is_empty());
        }
        // A job with valid options replaces the earlier content.
        let sandbox = job().with(option, "place");
        sandbox.write("place", of_others);
        sandbox.s3lo("ci sign").ends_with(0);
        assert_ne!(
            fs::read_to_string(sandbox.file("place")).unwrap(),
            of_others
        );
    }
}

type Make = fn(&Path);

/// Everything but a regular file.
const OTHERS: [(&str, Make); 7] = [
    ("a directory", |path| fs::create_dir(path).unwrap()),
    ("a link to a device", |path| {
        symlink("/dev/null", path).unwrap();
    }),
    ("a link to a file", |path| {
        symlink("precious", path).unwrap()
    }),
    ("a link to nothing", |path| {
        symlink("nothing", path).unwrap()
    }),
    ("a link to standard input", |path| {
        symlink("/proc/self/fd/0", path).unwrap();
    }),
    ("a pipe", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
];

#[test]
fn what_is_no_regular_file_stays_and_nothing_is_signed() {
    for (name, make) in OTHERS {
        for option in ["S3LO_SUMMARY_FILE", "S3LO_OUTPUT_FILE", "S3LO_DOTENV_FILE"] {
            let sandbox = job().with(option, "place");
            sandbox.write("precious", "precious");
            make(&sandbox.file("place"));
            let kind = || fs::symlink_metadata(sandbox.file("place")).unwrap();
            let before = kind().file_type();
            let run = sandbox.s3lo("ci sign --results-directory each");
            let run = run.ends_with(2);
            assert!(
                run.err.contains("not a regular file"),
                "{name}: {}",
                run.err
            );
            assert_eq!(run.err.matches("error[").count(), 1, "{name}: {}", run.err);
            assert_eq!(kind().file_type(), before, "{name}");
            assert_eq!(
                files(&sandbox.file(RECORDS)),
                Vec::<String>::new(),
                "{name}"
            );
            let precious = fs::read_to_string(sandbox.file("precious"));
            assert_eq!(precious.unwrap(), "precious");
            // The other places report it.
            let results = fs::read_to_string(sandbox.file("each/results")).unwrap();
            assert!(results.contains("results_unwritable"), "{results}");
        }
    }
    let run = job().with("S3LO_SUMMARY_FILE", "/dev/stdin").s3lo("ci");
    insta::assert_snapshot!(run.ends_with(2).err);
    let run = job().with("S3LO_OUTPUT_FILE", "/dev/null").s3lo("ci");
    insta::assert_snapshot!(run.ends_with(2).err);
}

#[test]
fn a_file_of_the_ci_system_that_is_no_file_is_not_appended_to() {
    for (name, make) in OTHERS {
        for variable in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "DRONE_OUTPUT"] {
            let sandbox = job().with(variable, "place");
            sandbox.write("precious", "precious");
            make(&sandbox.file("place"));
            sandbox.s3lo("ci sign").ends_with(2);
            let precious = fs::read_to_string(sandbox.file("precious"));
            assert_eq!(precious.unwrap(), "precious", "{name}");
            assert!(!sandbox.file("nothing").exists(), "{name}");
        }
    }
}

#[test]
fn a_link_in_or_at_the_folder_of_results_is_not_followed() {
    let sandbox = job();
    fs::create_dir(sandbox.file("elsewhere")).unwrap();
    symlink("elsewhere", sandbox.file("each")).unwrap();
    sandbox
        .s3lo("ci sign --results-directory each")
        .ends_with(2);
    assert_eq!(files(&sandbox.file("elsewhere")), Vec::<String>::new());
    // It is refused before anything is done, and so is a file.
    assert!(!sandbox.file(RECORDS).exists());
    let sandbox = job();
    sandbox.write("each", "precious");
    sandbox
        .s3lo("ci sign --results-directory each")
        .ends_with(2);
    assert!(!sandbox.file(RECORDS).exists());
    let sandbox = job();
    sandbox.write("precious", "precious");
    fs::create_dir(sandbox.file("each")).unwrap();
    symlink("../precious", sandbox.file("each/digest")).unwrap();
    sandbox
        .s3lo("ci sign --results-directory each")
        .ends_with(2);
    let precious = fs::read_to_string(sandbox.file("precious"));
    assert_eq!(precious.unwrap(), "precious");
    assert!(sandbox.file("each/digest").is_symlink());
}

#[test]
fn a_key_pair_replaces_regular_files_alone() {
    for (name, make) in OTHERS {
        for half in ["cosign.key", "cosign.pub"] {
            let sandbox = Sandbox::new();
            sandbox.write("precious", "precious");
            make(&sandbox.file(half));
            let kind = || {
                fs::symlink_metadata(sandbox.file(half))
                    .unwrap()
                    .file_type()
            };
            let before = kind();
            let run = sandbox.s3lo("generate-key-pair --force").ends_with(2);
            assert!(
                run.err.contains("not a regular file"),
                "{name}: {}",
                run.err
            );
            assert_eq!(kind(), before, "{name}");
            assert!(!kind().is_char_device());
            let precious = fs::read_to_string(sandbox.file("precious"));
            assert_eq!(precious.unwrap(), "precious", "{name}");
        }
    }
}

#[test]
fn a_file_that_the_run_reads_is_not_replaced() {
    for option in ["S3LO_OUTPUT_FILE", "S3LO_DOTENV_FILE", "S3LO_SUMMARY_FILE"] {
        let sandbox = job().with("S3LO_KEY", "./keys/cosign.key");
        let key = fs::read(sandbox.file("keys/cosign.key")).unwrap();
        let run = sandbox.with(option, "keys/../keys/cosign.key");
        let refused = run.s3lo("ci sign").ends_with(2);
        assert!(
            refused.err.contains("name the same file"),
            "{}",
            refused.err
        );
        assert_eq!(fs::read(run.file("keys/cosign.key")).unwrap(), key);
    }
    let run = job()
        .with("S3LO_OUTPUT_FILE", "o.json")
        .with("S3LO_DOTENV_FILE", "./o.json");
    let refused = run.s3lo("ci sign").ends_with(2);
    assert!(
        refused.err.contains("name the same file"),
        "{}",
        refused.err
    );
}
