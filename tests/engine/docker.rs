//! A Docker engine, one for all tests of a process, and the images that its classic builder makes of the Dockerfile.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::support::program::{Run, finish};
use crate::support::tools::{on_path, release_program};

/// The image with a shell and nothing else, which the engine has from the start.
pub(crate) const BUSYBOX: &str = "localhost/busybox";
/// The images of the project.
pub(crate) const SCRATCH: &str = "localhost/s3lo:scratch";
pub(crate) const SHELL: &str = "localhost/s3lo:shell";

pub(crate) const REVISION: &str = "ffac537e6cbbf934b08745a378932722df287a53";

/// An engine that serves.
pub(crate) struct Engine {
    folder: PathBuf,
    // Both end with the process: the script stops the engine when its pipe ends.
    _folder: TempDir,
    _script: Child,
}

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);

/// The engine, started when first asked for.
pub(crate) fn engine() -> &'static Engine {
    &ENGINE
}

/// The log of the builder that made both images.
static BUILT: LazyLock<String> = LazyLock::new(build);

/// Makes both images when first asked for; the log of the builder.
pub(crate) fn built() -> &'static str {
    &BUILT
}

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Engine {
    fn start() -> Self {
        let parent = TempDir::new().unwrap();
        let folder = parent.path().join("engine");
        let mut script = Command::new(root().join("tests/engine/start"))
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut out = BufReader::new(script.stdout.take().unwrap());
        out.read_line(&mut first).unwrap();
        if first != "ready\n" {
            let mut reason = String::new();
            let mut err = script.stderr.take().unwrap();
            err.read_to_string(&mut reason).unwrap();
            panic!("no Docker engine can be started: {reason}");
        }
        Self {
            folder,
            _folder: parent,
            _script: script,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The client, with these arguments, in an environment of its own.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut client = Command::new(on_path("docker"));
        client
            .args(arguments)
            .env_clear()
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.folder.join("config"))
            // The classic builder.
            .env("DOCKER_BUILDKIT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        client
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Run {
        finish(self.client(arguments).spawn().unwrap())
    }
}

/// The Dockerfile with its bases by tag alone: what stands in for them here came from no registry, and has no digest there.
pub(crate) fn dockerfile() -> String {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let lines = text.lines().map(|line| match line.split_once("@sha256:") {
        Some((base, digest)) => format!(
            "{base}{}\n",
            digest.trim_start_matches(char::is_alphanumeric)
        ),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// A stand-in for the image of the toolchain: its `cargo` has built the program already.
const TOOLCHAIN: [(&str, &str); 3] = [
    (
        "apt-get",
        r#"case "$*" in update | "install --yes --no-install-recommends ca-certificates musl-tools") ;; *) exit 1 ;; esac"#,
    ),
    (
        "rustup",
        r#"test "$*" = "target add $(uname -m)-unknown-linux-musl""#,
    ),
    (
        "cargo",
        r#"target=$(uname -m)-unknown-linux-musl
test "$*" = "build --locked --release --target $target"
test -s Cargo.lock && test -s src/main.rs && test ! -e tests
test "$S3LO_COMMIT" = "$(cat /revision)" || test "$S3LO_COMMIT" = unknown
mkdir -p "target/$target/release"
cp /program "target/$target/release/s3lo""#,
    ),
];

/// Tags stand-ins as the bases that the Dockerfile names, and builds both images.
fn build() -> String {
    let (engine, text) = (engine(), dockerfile());
    let base = |name: &str| {
        let start = format!("FROM docker.io/library/{name}:");
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    };
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::create_dir_all(file("bin")).unwrap();
    for (name, script) in TOOLCHAIN {
        fs::write(
            file("bin").join(name),
            format!("#!/bin/sh\nset -eu\n{script}\n"),
        )
        .unwrap();
    }
    fs::copy(release_program(), file("program")).unwrap();
    fs::write(file("revision"), REVISION).unwrap();
    let certificates = Path::new("/usr/share/ca-certificates/mozilla");
    crate::support::copy(certificates, &file("mozilla"));
    let toolchain = format!(
        "FROM {BUSYBOX}\nCOPY bin/ /bin/\nRUN chmod 755 /bin/apt-get /bin/rustup /bin/cargo\n\
         COPY program revision /\nCOPY mozilla/ {}/\n",
        certificates.display()
    );
    fs::write(file("Dockerfile"), toolchain).unwrap();
    let folder = folder.path().to_str().unwrap();
    engine
        .docker(&["build", "--tag", &base("rust"), folder])
        .ends_with(0);
    engine
        .docker(&["tag", BUSYBOX, &base("busybox")])
        .ends_with(0);

    let path = format!("{folder}/Dockerfile");
    fs::write(&path, &text).unwrap();
    let revision = format!("REVISION={REVISION}");
    let common = ["build", "--file", &path, "--build-arg", &revision];
    let root = root().to_str().unwrap();
    let mut log = String::new();
    for last in [
        ["--tag", SCRATCH, root].as_slice(),
        &["--tag", SHELL, "--target", "shell", root],
    ] {
        let run = engine.docker(&[&common, last].concat()).ends_with(0);
        log += &run.out;
    }
    log
}
