//! The program, run as a user would: in a folder of its own, in an environment that holds nothing but
//! the test's own variables.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use s3lo_test_servers::vault::{TOKEN, VaultServer};
use tempfile::TempDir;

use super::{MANIFEST, copy, vectors};

/// A folder with the vector keys in `keys/`, in which the program runs.
pub(crate) struct Sandbox {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// The result of a run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        copy(&vectors().join("keys"), &folder.path().join("keys"));
        let sandbox = Self {
            folder,
            environment: Vec::new(),
        };
        sandbox.with("COSIGN_PASSWORD", "secret")
    }

    /// A sandbox with the image `myapp:v1.0` in the store `./store`.
    pub(crate) fn with_image() -> Self {
        let sandbox = Self::new();
        sandbox.push("myapp", "v1.0", MANIFEST);
        sandbox
    }

    /// A sandbox with an image, and a token for this Vault.
    pub(crate) fn at_vault(vault: &VaultServer) -> Self {
        Self::with_image()
            .with("VAULT_ADDR", &vault.endpoint)
            .with("VAULT_TOKEN", TOKEN)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.unset(name);
        self
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Writes a file that can be run.
    pub(crate) fn write_program(&self, name: &str, script: &str) -> PathBuf {
        self.write(name, script);
        let path = self.file(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Puts a manifest into `./store`.
    pub(crate) fn push(&self, image: &str, tag: &str, manifest: &str) {
        self.write(
            &format!("store/manifests/{image}/{tag}/manifest.json"),
            manifest,
        );
    }

    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s3lo"));
        command.args(arguments);
        self.in_sandbox(command)
    }

    pub(crate) fn in_sandbox(&self, mut command: Command) -> Command {
        command
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command line in a process that may have this much writable memory of its own. One that
    /// asks for more dies of it: a limit cannot be missed as a measurement can, and what the kernel
    /// measures of a child includes what its parent had before.
    pub(crate) fn s3lo_within(&self, mib: u64, line: &str) -> Run {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"ulimit -d "$0"; exec "$@""#])
            .arg((mib * 1024).to_string())
            .arg(env!("CARGO_BIN_EXE_s3lo"))
            .args(line.split_whitespace());
        finish(self.in_sandbox(command).spawn().unwrap())
    }

    pub(crate) fn start(&self, arguments: &[impl AsRef<OsStr>]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Run {
        finish(self.start(arguments))
    }

    /// Runs a command line as it would be typed, without quotes.
    pub(crate) fn s3lo(&self, line: &str) -> Run {
        let words: Vec<_> = line.split_whitespace().collect();
        self.run(&words)
    }
}

/// The IAM statements that an output prints to be pasted.
pub(crate) fn statements(text: &str) -> Vec<serde_json::Value> {
    let starts = text.match_indices("{\n").map(|(at, _)| at);
    let values = starts.filter_map(|at| {
        let values = serde_json::Deserializer::from_str(&text[at..]);
        values.into_iter::<serde_json::Value>().next()?.ok()
    });
    values
        .filter(|value| value.get("Effect").is_some())
        .collect()
}

/// Waits for a run and collects its results.
pub(crate) fn finish(mut child: Child) -> Run {
    let err = child.stderr.take().map(read_aside);
    let out = child.stdout.take().map(read_aside);
    let ended = child.wait().unwrap();
    let text = |thread: Option<std::thread::JoinHandle<Vec<u8>>>| {
        String::from_utf8(thread.unwrap().join().unwrap()).unwrap()
    };
    Run {
        code: ended.code(),
        out: text(out),
        err: text(err),
    }
}

fn read_aside(mut stream: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

impl Run {
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}
