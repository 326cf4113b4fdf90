//! MinIO: a real S3 on loopback, one for all tests of a process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use super::eventually;
use super::tools::tool;

/// A MinIO that serves.
pub(crate) struct MinIo {
    pub(crate) endpoint: String,
    // All end with the process: the folder, and the shell that stops the server when its pipe ends.
    _folder: TempDir,
    _shell: Child,
}

pub(crate) const USER: &str = "minio-test-user";
pub(crate) const PASSWORD: &str = "minio-test-password";

static MINIO: LazyLock<MinIo> = LazyLock::new(start);

/// The server, started when first asked for.
pub(crate) fn minio() -> &'static MinIo {
    &MINIO
}

fn start() -> MinIo {
    let folder = TempDir::new().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    // Statics are never dropped, so a shell waits for our end of the pipe to close, and then stops
    // the server and removes its data.
    let script = r#""$1" server --quiet --address "$2" "$3" >"$3.log" 2>&1 & read -r _; kill $!; wait; rm -rf "$3" "$3.log""#;
    let shell = Command::new("sh")
        .args(["-c", script, "minio"])
        .arg(tool("minio"))
        .arg(&address)
        .arg(folder.path())
        .env("MINIO_ROOT_USER", USER)
        .env("MINIO_ROOT_PASSWORD", PASSWORD)
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until_ready("MinIO", &address, "/minio/health/ready");
    MinIo {
        endpoint: format!("http://{address}"),
        _folder: folder,
        _shell: shell,
    }
}

/// Waits for a server that has just been started.
pub(crate) fn wait_until_ready(name: &str, address: &str, path: &str) {
    eventually(|| match is_ready(address, path) {
        true => Ok(()),
        false => Err(format!("{name} did not start on {address}")),
    });
}

fn is_ready(address: &str, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}
