//! The stand-ins for the actions of the release, and for the programs that use the network. Each refuses what the one
//! that it stands in for refuses, by its source: https://github.com/actions/attest (`src/subject.ts`, `src/sbom.ts`),
//! https://github.com/actions/upload-artifact, https://github.com/actions/download-artifact,
//! https://github.com/aws-actions/configure-aws-credentials (`src/index.ts`), https://github.com/cli/cli (`pkg/cmd/release`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::files::bill;
use super::project::digest;
use crate::support::program::{Run, finish};

macro_rules! stand_ins {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("stand_ins/", $name)))),+] };
}

/// By name, with the script.
pub(super) const STAND_INS: [(&str, &str); 13] = stand_ins![
    "action.bash",
    "attest",
    "checkout",
    "configure-aws-credentials",
    "curl",
    "docker",
    "download-artifact",
    "gh",
    "go",
    "s3lo",
    "setup-go",
    "sudo",
    "upload-artifact",
];

/// Writes all of them into a folder, to be found on PATH.
pub(super) fn install(folder: &Path) {
    for (name, script) in STAND_INS {
        let path = folder.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// A job's machine with all of them, in whose folder each is run.
struct Job(TempDir);

impl Job {
    fn new() -> Self {
        let job = Self(TempDir::new().unwrap());
        for name in ["bin", "artifacts", "github", "workspace"] {
            fs::create_dir(job.0.path().join(name)).unwrap();
        }
        install(&job.0.path().join("bin"));
        job
    }

    fn write(&self, name: &str, contents: &str) {
        let path = self.0.path().join("workspace").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Runs one with variables, as lines `NAME=VALUE`, and a command line without quotes.
    fn run(&self, variables: &str, line: &str) -> Run {
        let path = |name: &str| self.0.path().join(name).to_str().unwrap().to_owned();
        let mut words = line.split(' ');
        let child = Command::new(self.0.path().join("bin").join(words.next().unwrap()))
            .args(words)
            .current_dir(path("workspace"))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", path("bin")))
            .env("ARTIFACTS", path("artifacts"))
            .env("GITHUB", path("github"))
            .env("GITHUB_WORKSPACE", path("workspace"))
            .env("GITHUB_OUTPUT", path("output"))
            .env("GH_TOKEN", "a-token")
            .envs(variables.lines().filter_map(|it| it.trim().split_once('=')))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        finish(child.unwrap())
    }
}

/// What each refuses: its variables, its command line, and what it says.
const REFUSED: [(&str, &str, &str); 27] = [
    ("", "attest", "One of subject-path"),
    (
        "INPUT_SUBJECT-DIGEST=sha256:aa\nINPUT_SUBJECT-PATH=file",
        "attest",
        "One of subject-path",
    ),
    (
        "INPUT_SUBJECT-DIGEST=DIGEST",
        "attest",
        "subject-name must be provided",
    ),
    (
        "INPUT_SUBJECT-DIGEST=sha256:aa\nINPUT_SUBJECT-NAME=image",
        "attest",
        "subject-digest must be in the format",
    ),
    (
        "INPUT_SUBJECT-PATH=no-such-*",
        "attest",
        "Could not find subject",
    ),
    (
        "INPUT_SUBJECT-CHECKSUMS=bad-sums",
        "attest",
        "Invalid digest",
    ),
    (
        "INPUT_SUBJECT-CHECKSUMS=no-such-file",
        "attest",
        "Invalid digest",
    ),
    (
        "INPUT_SUBJECT-CHECKSUMS=sums\nINPUT_PUSH-TO-REGISTRY=true",
        "attest",
        "exactly one subject but 2",
    ),
    (
        "INPUT_SUBJECT-DIGEST=DIGEST\nINPUT_SUBJECT-NAME=image\nINPUT_PUSH-TO-REGISTRY=true",
        "attest",
        "No credential found",
    ),
    (
        "INPUT_SUBJECT-PATH=file\nINPUT_PUSH-TO-REGISTRY=yes",
        "attest",
        "Core Schema",
    ),
    (
        "INPUT_SUBJECT-PATH=file\nINPUT_SBOM-PATH=no-such-file",
        "attest",
        "SBOM file not found",
    ),
    (
        "INPUT_SUBJECT-PATH=file\nINPUT_SBOM-PATH=no-serial.json",
        "attest",
        "Unsupported SBOM format",
    ),
    (
        "INPUT_SUBJECT-PATH=file\nINPUT_SBOM=bill.json",
        "attest",
        "Unexpected input 'sbom'",
    ),
    (
        "INPUT_NAME=a\nINPUT_PATH=nothing\nINPUT_IF-NO-FILES-FOUND=error",
        "upload-artifact",
        "No files were found",
    ),
    (
        "INPUT_NAME=a\nINPUT_PATH=file\nINPUT_IF-NO-FILES-FOUND=fail",
        "upload-artifact",
        "Unrecognized",
    ),
    (
        "INPUT_NAME=a/b\nINPUT_PATH=file\nINPUT_IF-NO-FILES-FOUND=error",
        "upload-artifact",
        "name is not valid",
    ),
    (
        "INPUT_NAME=there\nINPUT_PATH=file\nINPUT_IF-NO-FILES-FOUND=error",
        "upload-artifact",
        "(409) Conflict",
    ),
    ("INPUT_NAME=missing", "download-artifact", "not found"),
    (
        "INPUT_ROLE-TO-ASSUME=arn:aws:iam::111122223333:role/r",
        "configure-aws-credentials",
        "not supplied: aws-region",
    ),
    (
        "INPUT_AWS-REGION=us-east-1",
        "configure-aws-credentials",
        "Could not load credentials",
    ),
    ("", "checkout", "not empty"),
    ("INPUT_CACHE=false", "setup-go", "go-version"),
    ("GH_TOKEN=", "gh release view v1.2.3", "set the GH_TOKEN"),
    (
        "",
        "gh release edit v1.2.3 --make-latest=false",
        "unknown flag",
    ),
    (
        "",
        "gh release create v1.2.3 --draft --verify-tag --title v1.2.3 --notes-file sums",
        "doesn't exist in the repo",
    ),
    (
        "",
        "docker login docker.io --username me --password-stdin",
        "login:",
    ),
    (
        "",
        "docker run --rm s3lo-try:scratch version",
        "pull access denied",
    ),
];

#[test]
fn each_stand_in_refuses_what_the_real_one_refuses() {
    let job = Job::new();
    let sum = &digest('a')[7..];
    job.write("file", "a program");
    job.write("sums", &format!("{sum}  one\n{sum}  two\n"));
    job.write("bad-sums", &format!("{}  one\n", &sum[1..]));
    job.write("bill.json", &bill());
    let bad = bill().replace("\"serialNumber\"", "\"serial\"");
    job.write("no-serial.json", &bad);
    fs::create_dir(job.0.path().join("artifacts/there")).unwrap();
    for (variables, line, expected) in REFUSED {
        let run = job.run(
            &variables.replace("DIGEST=DIGEST", &format!("DIGEST={}", digest('a'))),
            line,
        );
        assert_ne!(run.code, Some(0), "{line} {variables}");
        assert!(
            run.err.contains(expected),
            "{line} {variables}: {}",
            run.err
        );
    }
    // And takes what is right.
    for (variables, line) in [
        (
            "INPUT_SUBJECT-PATH=fi*\nINPUT_SBOM-PATH=bill.json",
            "attest",
        ),
        ("INPUT_SUBJECT-CHECKSUMS=sums", "attest"),
        (
            "INPUT_NAME=a\nINPUT_PATH=file\nINPUT_IF-NO-FILES-FOUND=error",
            "upload-artifact",
        ),
        ("INPUT_NAME=a\nINPUT_PATH=again", "download-artifact"),
        ("INPUT_GO-VERSION=1.26\nINPUT_CACHE=false", "setup-go"),
    ] {
        job.run(variables, line).ends_with(0);
    }
    let again = job.0.path().join("workspace/again/file");
    assert_eq!(fs::read_to_string(again).unwrap(), "a program");
}
