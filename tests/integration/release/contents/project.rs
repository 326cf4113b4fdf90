//! A copy of the project, as a checkout of it is when it is released.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::program::{Run, finish};
use crate::support::tools::tool;
use crate::support::{copy, files};

/// The version that is released here.
pub(crate) const VERSION: &str = "1.2.3";

/// The contents of the copy: all that a release reads or writes.
const PARTS: [&str; 19] = [
    ".github",
    ".gitlab-ci.yml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "action.yml",
    "core",
    "docs",
    "hooks",
    "packaging",
    "plugin.yml",
    "setup",
    "templates",
    "testing/servers/Cargo.toml",
    "tests/vectors/store-v1",
    "verify",
];

/// The copy, a git repository with one commit on `main`; and the home of the maintainer that releases it.
pub(crate) struct Project {
    folder: TempDir,
    home: TempDir,
    environment: Vec<(String, String)>,
}

pub(crate) fn digest(byte: char) -> String {
    format!("sha256:{}", byte.to_string().repeat(64))
}

impl Project {
    /// With everything in it that names a version naming [`VERSION`].
    pub(crate) fn new() -> Self {
        let project = Self {
            folder: TempDir::new().unwrap(),
            home: TempDir::new().unwrap(),
            environment: Vec::new(),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in PARTS {
            let (from, to) = (root.join(part), project.file(part));
            if from.is_dir() {
                copy(&from, &to);
            } else {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(&from, &to).unwrap_or_else(|error| panic!("{part}: {error}"));
            }
        }
        project.name_the_version();
        project.git("init --quiet --initial-branch main");
        project.git("config user.name Maintainer");
        project.git("config user.email maintainer@example.com");
        project.git("add .");
        project.git("commit --quiet --message Prepare");
        project
    }

    fn name_the_version(&self) {
        let current = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
        let released = format!("version = \"{VERSION}\"");
        self.edit_if("Cargo.toml", |text| text.replacen(&current, &released, 1));
        let (current, released) = (
            format!("name = \"s3lo\"\n{current}"),
            format!("name = \"s3lo\"\n{released}"),
        );
        self.edit_if("Cargo.lock", |text| text.replace(&current, &released));
        self.edit("CHANGELOG.md", |text| {
            let heading = format!("## Unreleased\n\n## {VERSION} - 2026-12-01");
            text.replace("## Unreleased", &heading)
        });
        let plugin = format!("s3lo-sign#v{}", env!("CARGO_PKG_VERSION"));
        for name in files(self.path()) {
            if name.ends_with(".md") || name == "plugin.yml" {
                self.edit_if(&name, |text| {
                    let text = text.replace("s3lo-sign#v1.0.0", &plugin);
                    text.replace(&plugin, &format!("s3lo-sign#v{VERSION}"))
                });
            }
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Changes a file, and fails if it stays the same.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&str) -> String) {
        let before = self.text(name);
        let after = change(&before);
        assert_ne!(before, after, "{name}");
        fs::write(self.file(name), after).unwrap();
    }

    fn edit_if(&self, name: &str, change: impl FnOnce(&str) -> String) {
        fs::write(self.file(name), change(&self.text(name))).unwrap();
    }

    /// Runs a program here. Its environment has only a home, the tools of the tests, and the test's own variables.
    pub(crate) fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Run {
        let tools = tool("crane");
        let path = format!("{}:/usr/bin:/bin", tools.parent().unwrap().display());
        let child = Command::new(program.as_ref())
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", path)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        finish(child.unwrap_or_else(|error| panic!("{}: {error}", program.as_ref().display())))
    }

    /// Runs a script of `packaging/release`.
    pub(crate) fn release(&self, script: &str, arguments: &[&str]) -> Run {
        self.run(self.file("packaging/release").join(script), arguments)
    }

    /// Runs git with a command line without quotes; its output.
    #[track_caller]
    pub(crate) fn git(&self, line: &str) -> String {
        let words: Vec<_> = line.split(' ').collect();
        self.run("git", &words).ends_with(0).out.trim().to_owned()
    }

    /// The `SHA256SUMS` of two binaries that do not exist, among other files.
    pub(crate) fn sums(&self) -> String {
        let (file, names) = (
            self.home().join("SHA256SUMS"),
            ["s3lo-linux-amd64", "s3lo-linux-arm64", "s3lo.cdx.json"],
        );
        let lines = ["1", "2", "3"].iter().zip(names);
        let lines = lines.map(|(byte, name)| format!("{}  {name}\n", byte.repeat(64)));
        fs::write(&file, lines.collect::<String>()).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Writes the digests of two images and two binaries that do not exist into the copy, as a release does.
    #[track_caller]
    pub(crate) fn pin(&self) {
        let sums = self.sums();
        self.release("pin", &[VERSION, &digest('a'), &digest('b'), &sums])
            .ends_with(0);
    }

    /// The commit of the release.
    #[track_caller]
    pub(crate) fn commit(&self) -> String {
        let commit = self.release("commit", &[VERSION]).ends_with(0).out;
        commit.trim().to_owned()
    }

    /// An empty repository on this machine, by its URL.
    pub(crate) fn server(&self, name: &str) -> String {
        let folder = self.home().join(name);
        let folder = folder.to_str().unwrap();
        self.git(&format!(
            "init --quiet --bare --initial-branch main {folder}"
        ));
        format!("file://{folder}")
    }
}
