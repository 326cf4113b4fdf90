//! FUSE mounts: a directory by rclone, and a bucket of MinIO by s3fs. A test whose mount is not there fails.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{eventually, minio};

/// A mount, until it is dropped.
pub(crate) struct Mount {
    folder: TempDir,
    process: Child,
}

impl Mount {
    /// The folder `src` of the mount's folder, by rclone. With a cache for writes they arrive there seconds after they
    /// show in the mount, since rclone uploads in the background. A shorter `--vfs-write-back` than its own lets an upload
    /// begin before the draft has its name, and rclone then leaves a second object under the name of the draft.
    pub(crate) fn rclone(cache_mode: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        let mut rclone = Command::new("rclone");
        rclone
            .args(["mount", "src", "mnt", "--config", "/dev/null"])
            .args(["--cache-dir", "cache"])
            .args(["--vfs-cache-mode", cache_mode]);
        Self::start(folder, rclone)
    }

    /// A bucket of the tests' MinIO, by s3fs.
    pub(crate) fn s3fs(bucket: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, format!("{}:{}", minio::USER, minio::PASSWORD)).unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        let mut s3fs = Command::new("s3fs");
        s3fs.args([bucket, "mnt", "-f", "-o", "use_path_request_style"])
            .args(["-o", "passwd_file=secret"])
            .args(["-o", &format!("url={}", minio::minio().endpoint)]);
        Self::start(folder, s3fs)
    }

    fn start(folder: TempDir, mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let point = folder.path().join("mnt");
        fs::create_dir(&point).unwrap();
        let process = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn();
        let process = process.unwrap_or_else(|_| panic!("{name} is missing: `./test` installs it"));
        let mut mount = Self { folder, process };
        eventually(|| {
            if is_mounted(&point) {
                return Ok(());
            }
            let log = fs::read_to_string(mount.folder.path().join("log")).unwrap();
            let ended = mount.process.try_wait().unwrap();
            assert!(ended.is_none(), "{name}: no mount: {log}");
            Err(format!("{name}: {log}"))
        });
        mount
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mnt")
    }

    /// Stops answering until the result is dropped.
    pub(crate) fn stop(&self) -> Stopped {
        let pid = self.process.id();
        signal("STOP", pid);
        Stopped { pid }
    }

    /// The folder that rclone mounts.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("src")
    }
}

/// A mount that does not answer.
pub(crate) struct Stopped {
    pid: u32,
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT", self.pid);
    }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmount = Command::new("fusermount3")
            .arg("-u")
            .arg(self.path())
            .status();
        if !unmount.is_ok_and(|unmounted| unmounted.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn is_mounted(point: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|folder| folder.dev()).ok();
    let parent = point.parent().unwrap();
    device(point).is_some() && device(point) != device(parent)
}
