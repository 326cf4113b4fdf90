//! A sandbox with an image in a folder, a Vault whose key signs it, and a server that nothing may reach.

use std::io::Read as _;
use std::net::TcpListener;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo_core::reference::Reference;

use crate::support::faults::records::record_name;
use crate::support::files;
use crate::support::program::{Run, Sandbox};
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::vault::VaultServer;

/// An identity token for `http://vault.example`, of `repo:acme/app`, until 2100. Only Vault asks by whom
/// it is signed.
pub(super) const JWT: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJpc3MiOiJodHRwczovL2NpLmV4YW1wbGUiLCJzdWIiOiJyZXBvOmFjbWUvYXBwIiwiYXVkIjoiaHR0cDovL3ZhdWx0LmV4YW1wbGUiLCJpYXQiOjE3NjAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.\
    canary-of-the-identity-token-4b1";

/// The key, as the commands name it.
pub(super) const KEY: &str = "--key hashivault://ci-signer";

/// The flags that log in with `./jwt`.
pub(super) const LOGIN: &str =
    "--vault-role release --vault-jwt-file jwt --vault-audience http://vault.example";

/// The image.
pub(super) const IMAGE: &str = "local://./store/myapp:v1.0";

/// Where its records lie.
pub(super) const RECORDS: &str = "store/manifests/myapp/v1.0/signatures/";

pub(super) struct VaultFixture {
    pub(super) vault: VaultServer,
    pub(super) sandbox: Sandbox,
    pub(super) elsewhere: Elsewhere,
}

impl VaultFixture {
    /// With a P-256 key, and a token in the environment.
    pub(super) fn new() -> Self {
        Self::with_key(Key::of_vector("p256-pkcs8"))
    }

    pub(super) fn with_key(key: Key) -> Self {
        Self::at(VaultServer::start(key))
    }

    /// Without a token: a login uses `./jwt`.
    pub(super) fn logging_in() -> Self {
        let mut fixture = Self::new();
        fixture.sandbox.unset("VAULT_TOKEN");
        fixture.sandbox.write("jwt", JWT);
        fixture
    }

    pub(super) fn at(vault: VaultServer) -> Self {
        Self {
            sandbox: Sandbox::at_vault(&vault),
            vault,
            elsewhere: Elsewhere::new(),
        }
    }

    /// The arguments that name the image and the key.
    pub(super) fn image(&self) -> String {
        format!("{IMAGE} {KEY}")
    }

    /// `sign` or `verify`, with these flags.
    pub(super) fn run(&self, command: &str, flags: &str) -> Run {
        self.sandbox
            .s3lo(&format!("{command} {} {flags}", self.image()))
    }

    /// The code of a run that could not.
    #[track_caller]
    pub(super) fn code(&self, command: &str, flags: &str) -> String {
        let json = self.run(command, &format!("{flags} -o json"));
        let json = json.ends_with(2).json();
        json["error"]["code"].as_str().unwrap().to_owned()
    }

    /// The records of the image, by their file's name.
    pub(super) fn records(&self) -> Vec<(String, Vec<u8>)> {
        let folder = self.sandbox.file(RECORDS);
        let read = |name: String| {
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            (name, bytes)
        };
        files(&folder).into_iter().map(read).collect()
    }
}

pub(super) fn reference() -> Reference {
    IMAGE.parse().unwrap()
}

/// Where the first version's record of the image lies.
pub(super) fn record_path() -> String {
    format!("{RECORDS}{}", record_name())
}

pub(super) fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// A server that answers no client, and knows whether one connected.
pub(super) struct Elsewhere(TcpListener);

impl Elsewhere {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// The requests of those clients, once the program has ended: a connection waits until it is
    /// accepted.
    pub(super) fn visits(&self) -> Vec<String> {
        let mut visits = Vec::new();
        while let Ok((mut stream, _)) = self.0.accept() {
            let mut sent = Vec::new();
            let _ = stream.read_to_end(&mut sent);
            visits.push(String::from_utf8_lossy(&sent).into_owned());
        }
        visits
    }
}
