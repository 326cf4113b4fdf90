//! OpenBao as a server: its configuration, and its setup from the start.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::{ROOT, Service, Vault};
use crate::support::eventually;
use crate::support::tools::tool;

impl Vault {
    pub(super) fn start_openbao(service: &Service<'_>) -> Self {
        // Its files are read before it serves.
        let folder = TempDir::new().unwrap();
        let written = |name: &str, contents: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, contents).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let admin = free_address();
        let mut listeners = vec![json!({"tcp": {"address": admin, "tls_disable": true}})];
        let mut address = format!("http://{admin}");
        if let Some(authority) = service.authority {
            let (certificate, key) = authority.certificate("127.0.0.1");
            let host = free_address();
            let mut listener = json!({
                "address": host,
                "tls_cert_file": written("cert", certificate),
                "tls_key_file": written("key", key),
            });
            if let Some(clients) = service.clients {
                listener["tls_client_ca_file"] = written("ca", clients.pem()).into();
                listener["tls_require_and_verify_client_cert"] = true.into();
            }
            listeners.push(json!({ "tcp": listener }));
            address = format!("https://{host}");
        }
        let config = json!({
            "storage": {"inmem": {}},
            "listener": listeners,
            "api_addr": address,
            "cluster_addr": "http://127.0.0.1:0",
        });
        let config = written("config.json", config.to_string());
        // It does not end with its stdin by itself, and statics are never dropped.
        let script = r#""$1" server "-config=$2" >/dev/null 2>&1 & read -r _; kill -KILL $!; wait"#;
        let process = Command::new("sh")
            .args(["-c", script, "openbao"])
            .arg(tool("bao"))
            .arg(config)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self {
            address,
            admin,
            unseal_key: String::new(),
            process,
        };
        server.set_up();
        if service.sealed {
            server.seal();
        }
        server
    }

    /// Initialises it, and mounts the engines that Vault has from the start.
    fn set_up(&mut self) {
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let init = eventually(
            || match self.try_request("POST", "sys/init", None, Some(&shares)) {
                Ok((200, answer)) => Ok(answer),
                other => Err(format!("OpenBao did not start: {other:?}")),
            },
        );
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        self.unseal_key = text(&init["keys"][0]);
        self.unseal();
        let token = json!({"id": ROOT, "policies": ["root"]});
        let first = text(&init["root_token"]);
        self.demand_as(&first, "POST", "auth/token/create", Some(&token));
        self.mount("transit", "transit");
        self.mount("team/a/transit", "transit");
        for kind in ["approle", "jwt", "kubernetes"] {
            self.mount_login(kind, kind);
        }
    }
}

/// A free port of loopback.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
