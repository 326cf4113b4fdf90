//! The repositories to copy: their pages name what has to be replaced, and their scripts do what the pipelines expect.
//! The pipelines run in `ci::adopters` and `ci::examples`.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use s3lo_core::digest::Digest;
use tempfile::TempDir;

use super::output_of;
use crate::cli::documentation::{root, text};
use crate::support::files;
use crate::support::gitlab::team::DIGEST;

/// The names of the fixtures, in the place of those that a user replaces.
const NAMES: [(&str, &str); 16] = [
    // Where only a tag is known, the tag alone.
    ("sign-action:<VERSION>@<IMAGE-DIGEST>", "sign-action:1"),
    ("<IMAGE-DIGEST>", DIGEST),
    ("<ACCOUNT>", "111122223333"),
    ("<BUCKET>", "my-bucket"),
    ("<COMMIT>", COMMIT),
    ("<DIGEST>", DIGEST),
    ("<IMAGE>", "myapp"),
    ("<NAMESPACE>", "release"),
    ("<PUSH-ROLE>", "pusher"),
    ("<REGION>", "us-east-1"),
    ("<RUNNER-TAG>", "docker"),
    ("<S3LO-VERSION>", "3.4.5"),
    ("<S3LO-SHA256>", SHA256),
    ("<SHA256>", crate::ci::examples::SHA256),
    ("<TAG>", "v1.0"),
    ("<VERSION>", "1.2.3"),
];

/// The checksum of an archive that nobody has.
const SHA256: &str = "that of s3lo_linux_amd64.tar.gz";

/// The commit of a release.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The folders with a page and files to copy.
const REPOSITORIES: [&str; 5] = ["buildkite", "codebuild", "github", "gitlab", "kubernetes"];

/// The repositories that build.
const BUILDING: [&str; 4] = ["buildkite", "codebuild", "github", "gitlab"];

/// A file of `examples/`, with the fixtures' names in it.
pub(crate) fn example(name: &str) -> String {
    let file = text(&format!("examples/{name}"));
    let names = NAMES.iter();
    let filled = names.fold(file, |file, (name, value)| file.replace(name, value));
    assert_eq!(placeholders(&filled), BTreeSet::new(), "{name}");
    filled
}

/// The words in angle brackets.
fn placeholders(text: &str) -> BTreeSet<String> {
    let words = text.split('<').skip(1);
    let words = words.filter_map(|rest| rest.split_once('>')).map(|it| it.0);
    let of_letters = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_uppercase())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
    };
    words.filter(of_letters).map(str::to_owned).collect()
}

#[test]
fn each_page_lists_what_has_to_be_replaced() {
    for repository in REPOSITORIES {
        let folder = root().join("examples").join(repository);
        let mut used = BTreeSet::new();
        for name in files(&folder).iter().filter(|name| *name != "README.md") {
            used.extend(placeholders(&text(&format!(
                "examples/{repository}/{name}"
            ))));
        }
        let page = text(&format!("examples/{repository}/README.md"));
        let rows = page.lines().filter(|line| line.starts_with("| `<"));
        let first = rows.map(|row| row.split('|').nth(1).unwrap());
        assert_eq!(
            placeholders(&first.collect::<String>()),
            used,
            "{repository}"
        );
    }
}

#[test]
fn the_scripts_are_the_same_everywhere() {
    for script in ["build-and-push", "deploy"] {
        let first = text(&format!("examples/github/{script}"));
        for repository in BUILDING {
            let path = root().join("examples").join(repository).join(script);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), first, "{path:?}");
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{path:?}");
        }
    }
}

/// A machine on which images are built: a `docker` that builds anything, and a `curl` that gets the archive of a release
/// whose `s3lo` pushes anything.
pub(crate) struct Builder {
    folder: TempDir,
    sha256: String,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let builder = Self {
            sha256: String::new(),
            folder,
        };
        builder.program("bin/docker", "echo \"built $*\"");
        builder.pushes(&format!("digest: {DIGEST}"))
    }

    /// What `s3lo push` prints.
    pub(crate) fn pushes(mut self, line: &str) -> Self {
        let push = format!(
            "[ \"$*\" = 'push myapp:v1.0 s3://my-bucket/myapp:v1.0 --output yaml' ] || exit 9\n\
             printf '%s\\n' 'ref: s3://my-bucket/myapp:v1.0' '{line}' 'bytes: 7'"
        );
        self.program("s3lo", &push);
        let archive = self.file("s3lo_linux_amd64.tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(self.path());
        output_of(tar.arg("s3lo"));
        let digest = Digest::of(&std::fs::read(&archive).unwrap()).to_string();
        self.sha256 = digest["sha256:".len()..].to_owned();
        let url = "https://github.com/OuFinx/s3lo/releases/download/v3.4.5/s3lo_linux_amd64.tar.gz";
        let curl = format!(
            "[ \"$1 $2 $4\" = '-fsSL -o {url}' ] || exit 9\ncp '{}' \"$3\"",
            archive.display()
        );
        self.program("bin/curl", &curl);
        self
    }

    /// A script of the repositories, which finds these programs.
    pub(crate) fn script(&self, name: &str) -> String {
        let script = example(&format!("github/{name}"));
        let path = format!("set -eu\nPATH={}:$PATH\n", self.file("bin").display());
        script
            .replace("set -eu\n", &path)
            .replace(SHA256, &self.sha256)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, executable).unwrap();
    }

    fn run(&self, script: &str, argument: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", script, "script", argument]);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.current_dir(self.path()).output().unwrap()
    }
}

#[test]
fn a_build_prints_the_digest_that_was_pushed_and_nothing_else() {
    let builder = Builder::new();
    let built = builder.run(&builder.script("build-and-push"), "v1.0");
    let err = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{err}");
    assert_eq!(
        String::from_utf8_lossy(&built.stdout),
        format!("{DIGEST}\n")
    );
    assert!(err.contains("built build --tag myapp:v1.0 ."), "{err}");
}

#[test]
fn a_build_without_a_digest_or_of_another_program_fails() {
    let silent = Builder::new().pushes("bytes: 8");
    let built = silent.run(&silent.script("build-and-push"), "v1.0");
    assert_eq!(built.status.code(), Some(1));
    assert!(built.stdout.is_empty());
    // The archive is not the one whose checksum is in the script.
    let builder = Builder::new();
    let script = builder.script("build-and-push");
    let other = script.replace(&builder.sha256, &"0".repeat(64));
    assert_ne!(script, other);
    let built = builder.run(&other, "v1.0");
    assert_eq!(built.status.code(), Some(1));
    assert!(built.stdout.is_empty());
    assert!(!String::from_utf8_lossy(&built.stderr).contains("built"));
}

#[test]
fn only_a_digest_is_deployed() {
    let builder = Builder::new();
    let deployed = builder.run(&builder.script("deploy"), DIGEST);
    assert!(deployed.status.success());
    let expected = format!("deploying myapp@{DIGEST}\n");
    assert_eq!(String::from_utf8_lossy(&deployed.stdout), expected);
    for none in ["", "v1.0"] {
        let refused = builder.run(&builder.script("deploy"), none);
        assert_eq!(refused.status.code(), Some(2), "{none}");
    }
}
