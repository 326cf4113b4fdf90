//! SeaweedFS: a second real S3 on loopback, which shares no code with the first. One for all tests of a process.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use super::minio::{PASSWORD, USER, wait_until_ready};
use super::tools::tool;

/// A SeaweedFS that serves.
pub(crate) struct SeaweedFs {
    pub(crate) endpoint: String,
    // All end with the process: the folder, and the shell that stops the server when its pipe ends.
    _folder: TempDir,
    _shell: Child,
}

static SEAWEEDFS: LazyLock<SeaweedFs> = LazyLock::new(start);

/// The server, started when first asked for, with the credentials that MinIO has.
pub(crate) fn seaweedfs() -> &'static SeaweedFs {
    &SEAWEEDFS
}

/// The ports of its parts, each with one for gRPC, which is 10,000 higher unless it is named.
const PORTS: [&str; 8] = [
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
];

fn start() -> SeaweedFs {
    let folder = TempDir::new().unwrap();
    let identities = serde_json::json!({"identities": [{
        "name": "test",
        "credentials": [{"accessKey": USER, "secretKey": PASSWORD}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]});
    let config = folder.path().join("s3.json");
    std::fs::write(&config, identities.to_string()).unwrap();
    // Open at the same time, so that they differ.
    let free: Vec<_> = PORTS
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .into_iter()
        .collect();
    let ports: Vec<_> = free
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect();
    drop(free);
    // As for MinIO: the shell stops the server once our end of the pipe is closed.
    let script = r#"folder=$1; shift; "$@" >"$folder/log" 2>&1 & read -r _; kill $!; wait; rm -rf "$folder""#;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "seaweedfs"])
        .arg(folder.path())
        .arg(tool("weed"))
        .args([
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
            "-volume.max=20",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
        ])
        .arg(format!("-dir={}", folder.path().display()))
        .arg(format!("-s3.config={}", config.display()))
        .args(
            PORTS
                .iter()
                .zip(&ports)
                .map(|(name, port)| format!("-{name}={port}")),
        )
        .stdin(Stdio::piped());
    let shell = shell.spawn().unwrap();
    let address = format!("127.0.0.1:{}", ports[0]);
    wait_until_ready("SeaweedFS", &address, "/status");
    SeaweedFs {
        endpoint: format!("http://{address}"),
        _folder: folder,
        _shell: shell,
    }
}
