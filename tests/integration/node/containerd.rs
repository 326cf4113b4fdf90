//! containerd, in a folder and in namespaces of its own, with a folder of image verifiers; and `ctr`, which pulls
//! through its transfer service, as kubelet does.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::eventually;
use crate::support::tools::tool;

/// Whether images are pulled, until it is dropped.
pub(crate) struct Containerd {
    folder: TempDir,
    process: Child,
}

/// The result of a pull.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pull {
    Allowed,
    /// containerd's message.
    Blocked(String),
}

/// Beside what pulls an image there is nothing: no CRI, and one snapshotter, which needs no file system of its own.
const CONFIG: &str = r#"
version = 3
disabled_plugins = [
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.grpc.v1.cri",
    "io.containerd.nri.v1.nri",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.overlayfs",
]
required_plugins = ["io.containerd.image-verifier.v1.bindir"]
root = "FOLDER/root"
state = "FOLDER/state"
[grpc]
address = "FOLDER/socket"
[plugins."io.containerd.internal.v1.opt"]
path = "FOLDER/opt"
[plugins."io.containerd.image-verifier.v1.bindir"]
bin_dir = "VERIFIERS"
max_verifiers = 10
per_verifier_timeout = "10s"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "PLATFORM"
snapshotter = "native"
"#;

impl Containerd {
    /// Starts it with this environment, which its verifiers get.
    pub(crate) fn start(verifiers: &Path, environment: &[(String, String)]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_str().unwrap();
        let config = CONFIG
            .replace("FOLDER", path)
            .replace("VERIFIERS", verifiers.to_str().unwrap())
            .replace("PLATFORM", &format!("linux/{}", architecture()));
        fs::write(folder.path().join("config.toml"), config).unwrap();
        // The first process of its namespace takes all others with it, when our end of the pipe closes.
        let script = r#""$1" --config config.toml --log-level debug >log 2>&1 & read -r _"#;
        let process = Command::new("unshare")
            .args(["--map-root-user", "--mount", "--pid", "--fork"])
            .args(["sh", "-c", script, "sh"])
            .arg(tool("containerd"))
            .current_dir(&folder)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .spawn()
            .expect("`unshare` is missing: it is part of util-linux");
        let containerd = Self { folder, process };
        eventually(|| match UnixStream::connect(containerd.socket()) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("containerd: {error}: {}", containerd.log())),
        });
        containerd
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn ctr(&self, arguments: &[&str]) -> Command {
        let mut ctr = Command::new(tool("ctr"));
        ctr.arg("--address")
            .arg(self.socket())
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        ctr
    }

    /// Starts to pull an image from where `hosts` has its host.
    pub(crate) fn start_pull(&self, image: &str, hosts: &Path) -> Pulling {
        let mut ctr = self.ctr(&["images", "pull", "--snapshotter", "native", "--hosts-dir"]);
        Pulling(ctr.arg(hosts).arg(image).spawn().unwrap())
    }

    /// Pulls an image from where `hosts` has its host.
    pub(crate) fn pull(&self, image: &str, hosts: &Path) -> Pull {
        self.start_pull(image, hosts).finish()
    }

    fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.ctr(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The names of the images that it has.
    pub(crate) fn images(&self) -> Vec<String> {
        self.lines(&["images", "list", "--quiet"])
    }

    /// The digests of the objects that it has.
    pub(crate) fn contents(&self) -> Vec<String> {
        self.lines(&["content", "list", "--quiet"])
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A pull that runs.
pub(crate) struct Pulling(Child);

impl Pulling {
    pub(crate) fn finish(self) -> Pull {
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            return Pull::Allowed;
        }
        // Above it are warnings about this machine.
        let message = text.split_once("ctr: ").map(|(_, message)| message.trim());
        Pull::Blocked(message.unwrap_or(&text).to_owned())
    }
}

/// The name that images have for the architecture of this machine.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}
