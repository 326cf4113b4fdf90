//! A real OpenBao Proxy before a real server: it listens on a socket, and logs in by itself.

use std::process::{Child, Command, Stdio};

use s3lo::key::vault::client::address::Product;
use serde_json::json;
use test_case::test_matrix;

use crate::support::eventually;
use crate::support::program::Sandbox;
use crate::support::tools::tool;
use crate::support::vault::{ROOT, Vault, vault};

const SIGN: &str = "sign local://./store/myapp:v1.0 --if-signed replace --key";

/// A proxy that serves until it is dropped.
struct Proxy {
    shell: Child,
    sandbox: Sandbox,
}

impl Proxy {
    /// Before this server. With a role it shows its own token for requests without one.
    fn start(server: &Vault, auto_auth: Option<(String, String)>) -> Self {
        let sandbox = Sandbox::with_image();
        let socket = sandbox.file("agent.sock");
        let mut config = json!({
            "vault": {"address": server.address},
            "listener": [{"unix": {
                "address": socket,
                "tls_disable": true,
                "require_request_header": true,
            }}],
            "cache": {},
        });
        if let Some((role_id, secret_id)) = auto_auth {
            sandbox.write("role-id", role_id);
            sandbox.write("secret-id", secret_id);
            config["auto_auth"] = json!({"method": [{"type": "approle", "config": {
                "role_id_file_path": sandbox.file("role-id"),
                "secret_id_file_path": sandbox.file("secret-id"),
            }}]});
            config["api_proxy"] = json!({"use_auto_auth_token": true});
        }
        sandbox.write("proxy.json", config.to_string());
        let script = r#""$1" proxy "-config=$2" >"$2.log" 2>&1 & read -r _; kill -KILL $!; wait"#;
        let shell = Command::new("sh")
            .args(["-c", script, "proxy"])
            .arg(tool("bao"))
            .arg(sandbox.file("proxy.json"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let address = format!("unix://{}", socket.display());
        let sandbox = sandbox.with("VAULT_ADDR", &address);
        eventually(|| {
            if socket.exists() {
                return Ok(());
            }
            let log = std::fs::read_to_string(sandbox.file("proxy.json.log"));
            Err(format!("the proxy did not start: {log:?}"))
        });
        Self { shell, sandbox }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_token_signs_by_the_socket_of_a_proxy(product: Product) {
    vault(product).key("by-socket", "ecdsa-p256");
    let proxy = Proxy::start(vault(product), None);
    let sandbox = &proxy.sandbox;
    let run = sandbox.s3lo(&format!("{SIGN} hashivault://by-socket -o json"));
    let code = run.ends_with(2).json()["error"]["code"].take();
    assert!(["credentials_refused", "access_denied"].contains(&code.as_str().unwrap()));
    let environment = sandbox.environment();
    let address = environment.iter().find(|(name, _)| name == "VAULT_ADDR");
    let with_token = Sandbox::with_image()
        .with("VAULT_ADDR", &address.unwrap().1)
        .with("VAULT_TOKEN", ROOT);
    let line = format!("{SIGN} hashivault://by-socket");
    with_token.s3lo(&line).ends_with(0);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_proxy_with_a_login_of_its_own_needs_no_token(product: Product) {
    let server = vault(product);
    server.key("by-agent", "ecdsa-p256");
    server.signer_policy("by-agent");
    let role = server.approle("by-agent", &["by-agent"]);
    let proxy = Proxy::start(server, Some(role));
    // Its login is on its way when it listens.
    eventually(|| {
        let run = proxy.sandbox.s3lo(&format!("{SIGN} hashivault://by-agent"));
        if run.code == Some(0) {
            return Ok(());
        }
        Err(run.err)
    });
    proxy
        .sandbox
        .s3lo("verify local://./store/myapp:v1.0 --key hashivault://by-agent")
        .ends_with(0);
}
