//! A real Vault or OpenBao on loopback. Vault is HashiCorp's own code, in the program that `./test` builds of
//! `tests/vault`; OpenBao is its own program. Both are set up over their API, as an operator would.

mod cluster;
mod logins;
mod openbao;
mod transit;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use s3lo::key::vault::client::address::Product;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use self::cluster::Cluster;
use super::tools::tool;
use s3lo_test_servers::authority::Authority;

/// The token that may do everything. Vault wants no dot in one that it did not make.
pub(crate) const ROOT: &str = "root-token-of-the-tests";

/// A Vault or OpenBao that serves until it is dropped. From the start it has the transit engines `transit` and
/// `team/a/transit`, and the logins `jwt`, `approle` and `kubernetes`.
pub(crate) struct Vault {
    /// Where the program finds it.
    pub(crate) address: String,
    /// Host and port of the listener for the setup: always plain HTTP.
    admin: String,
    unseal_key: String,
    process: Child,
}

/// The settings of a Vault that is not the shared one.
#[derive(Default)]
pub(crate) struct Service<'a> {
    /// TLS, by a certificate of this authority for 127.0.0.1.
    pub(crate) authority: Option<&'a Authority>,
    /// Over TLS: clients without a certificate of this authority are refused.
    pub(crate) clients: Option<&'a Authority>,
    /// It serves sealed.
    pub(crate) sealed: bool,
}

static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::start(Product::Vault));
static OPENBAO: LazyLock<Vault> = LazyLock::new(|| Vault::start(Product::OpenBao));

/// The server of all tests of a process, started when first asked for. What a test makes there has a name
/// that no other test has: keys, policies and roles by the test, and mounts where it changes their
/// configuration.
pub(crate) fn vault(product: Product) -> &'static Vault {
    match product {
        Product::Vault => &VAULT,
        Product::OpenBao => &OPENBAO,
    }
}

impl Vault {
    /// One of the test's own, over plain HTTP.
    pub(crate) fn start(product: Product) -> Self {
        Self::start_with(product, &Service::default())
    }

    pub(crate) fn start_with(product: Product, service: &Service<'_>) -> Self {
        match product {
            Product::Vault => Self::start_vault(service),
            Product::OpenBao => Self::start_openbao(service),
        }
    }

    fn start_vault(service: &Service<'_>) -> Self {
        // The files are read before it reports that it serves.
        let folder = TempDir::new().unwrap();
        let written = |name: &str, contents: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, contents).unwrap();
            path
        };
        let mut command = Command::new(tool("s3lo-test-vault"));
        if let Some(authority) = service.authority {
            let (certificate, key) = authority.certificate("127.0.0.1");
            command.arg("--tls-cert").arg(written("cert", certificate));
            command.arg("--tls-key").arg(written("key", key));
        }
        if let Some(clients) = service.clients {
            command.arg("--client-ca").arg(written("ca", clients.pem()));
        }
        if service.sealed {
            command.arg("--sealed");
        }
        // It ends with its stdin. That is how the shared one ends, since statics are never dropped.
        let mut process = command
            .env_clear()
            .env("VAULT_DEV_TOKEN", ROOT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        let ["ready", address, admin, unseal_key] = words[..] else {
            panic!("Vault did not start: {line:?}");
        };
        Self {
            address: address.to_owned(),
            admin: admin.strip_prefix("http://").unwrap().to_owned(),
            unseal_key: unseal_key.to_owned(),
            process,
        }
    }

    /// `127.0.0.1:PORT`, as a key reference names it.
    pub(crate) fn host(&self) -> &str {
        self.address.split_once("://").unwrap().1
    }

    /// From here on it answers 503, until it is unsealed.
    pub(crate) fn seal(&self) {
        self.post("sys/seal", &json!({}));
    }

    pub(crate) fn unseal(&self) {
        let status = self.post("sys/unseal", &json!({"key": self.unseal_key}));
        assert_eq!(status["sealed"], false, "{status}");
    }

    /// Mounts an engine: `mount("team/b", "transit")`.
    pub(crate) fn mount(&self, path: &str, kind: &str) {
        self.post(&format!("sys/mounts/{path}"), &json!({"type": kind}));
    }

    /// Mounts a transit engine in a namespace, at `transit`.
    pub(crate) fn mount_in(&self, namespace: &str, kind: &str) {
        let path = format!("{namespace}/sys/mounts/{kind}");
        self.post(&path, &json!({"type": kind}));
    }

    /// How many keys a list has.
    #[track_caller]
    pub(crate) fn list(&self, path: &str) -> usize {
        match self.request("LIST", path, Some(ROOT), None) {
            (200, answer) => answer["data"]["keys"].as_array().unwrap().len(),
            (404, _) => 0,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// Mounts a login: `mount_login("github", "jwt")`.
    pub(crate) fn mount_login(&self, path: &str, kind: &str) {
        self.post(&format!("sys/auth/{path}"), &json!({"type": kind}));
    }

    /// Root reads a path below `/v1/`; the whole answer.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.demand("GET", path, None)
    }

    /// Root calls a path below `/v1/`; the whole answer.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.demand("POST", path, Some(body))
    }

    #[track_caller]
    fn demand(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.demand_as(ROOT, method, path, body)
    }

    #[track_caller]
    fn demand_as(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.request(method, path, Some(token), body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// A status and an answer, which is null if it is empty. The path is one below `/v1/`.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.try_request(method, path, token, body).unwrap()
    }

    fn try_request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> io::Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let token = token.map(|token| ("X-Vault-Token", token));
        self.exchange(method, path, token.as_slice(), &body)
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<(u16, Value)> {
        let headers = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        // In HTTP/1.0 an answer ends with the connection, and never comes in chunks.
        let request = format!(
            "{method} /v1/{path} HTTP/1.0\r\nHost: {}\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.admin,
            headers.collect::<String>(),
            body.len()
        );
        let mut stream = TcpStream::connect(&self.admin)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = match body {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        };
        Ok((status, body))
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        // Both end with their stdin.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
