//! Vault in process, for faults that a healthy one does not have: its transit engine, its logins, and any answer that a
//! test sets instead. Its own answers are those of Vault 1.16.
//! <https://developer.hashicorp.com/vault/api-docs/secret/transit>

mod answers;
mod transit;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use serde_json::Value;

use crate::aws::Key;
use crate::http::{self, Faults, Reply, Request, Service, Wire};

pub use self::answers::{json_answer, vault_errors};
use self::transit::TransitKey;

/// The name of the key that is there from the start.
pub const KEY: &str = "ci-signer";

/// The token that is good from the start.
pub const TOKEN: &str = "hvs.CAESIB-canary-of-the-token-in-the-environment";

/// The role of a login that succeeds.
pub const ROLE: &str = "release";
pub const ROLE_ID: &str = "675a50e7-cfe0-be76-e35f-49ec009731ea";
pub const SECRET_ID: &str = "canary-of-the-secret-id-ed0a642f";

/// A request, as Vault understands it.
#[derive(Clone, Debug)]
pub struct Call {
    pub kind: Kind,
    pub method: String,
    /// As it came: `/v1/transit/keys/ci-signer`, after the address that a proxy gets.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Value,
    /// On which connection it came; the first is 1.
    pub connection: usize,
}

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The public keys are read.
    Key,
    Sign,
    /// The capabilities of a token are asked for.
    Capabilities,
    Login,
    /// A token ends.
    Revoke,
    /// A proxy is to lead to another host.
    Connect,
    /// Nothing that is known here.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "reading the key",
            Self::Sign => "signing",
            Self::Capabilities => "asking for capabilities",
            Self::Login => "the login",
            Self::Revoke => "ending the token",
            Self::Connect => "CONNECT",
            Self::Other => "another call",
        })
    }
}

/// A server of Vault's API.
#[derive(Clone)]
pub struct VaultServer {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
    faults: Faults<Call>,
}

struct State {
    keys: BTreeMap<String, TransitKey>,
    /// Those that are good.
    tokens: BTreeSet<String>,
    /// Those that a login gave.
    issued: Vec<String>,
    calls: Vec<Call>,
}

impl VaultServer {
    /// With the first version of [`KEY`].
    pub fn new(key: Key) -> Self {
        Self {
            endpoint: String::new(),
            state: Arc::new(Mutex::new(State {
                keys: BTreeMap::from([(KEY.to_owned(), TransitKey::new(key))]),
                tokens: BTreeSet::from([TOKEN.to_owned()]),
                issued: Vec::new(),
                calls: Vec::new(),
            })),
            faults: Faults::default(),
        }
    }

    /// A server on loopback.
    pub fn start(key: Key) -> Self {
        Self::new(key).listen(Wire::Plain)
    }

    pub fn start_tls(config: Arc<ServerConfig>, key: Key) -> Self {
        Self::new(key).listen(Wire::Tls(config))
    }

    /// A proxy, behind which every host is this server, by this certificate.
    pub fn start_tunnel(config: Arc<ServerConfig>, key: Key) -> Self {
        Self::new(key).listen(Wire::Tunnel(config))
    }

    fn listen(mut self, wire: Wire) -> Self {
        self.endpoint = http::listen(wire, self.clone());
        self
    }

    /// Answers calls by `fault` where it gives something, before anything about them is checked.
    pub fn fault(&self, fault: impl FnMut(&Call) -> Option<Reply> + Send + 'static) {
        self.faults.set(fault);
    }

    /// Every call, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    pub fn kinds(&self) -> Vec<Kind> {
        self.calls().iter().map(|call| call.kind).collect()
    }

    pub fn calls_of(&self, kind: Kind) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.kind == kind);
        calls
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.calls_of(kind).len()
    }

    /// The tokens that its logins gave.
    pub fn issued(&self) -> Vec<String> {
        self.state.lock().unwrap().issued.clone()
    }

    /// Whether a token is good.
    pub fn knows(&self, token: &str) -> bool {
        self.state.lock().unwrap().tokens.contains(token)
    }

    /// Gives [`KEY`] another version.
    pub fn rotate(&self, key: Key) {
        let mut state = self.state.lock().unwrap();
        state.keys.get_mut(KEY).unwrap().rotate(key);
    }

    /// Its answer to a call if nothing is wrong.
    pub fn due(&self, call: &Call) -> Reply {
        self.state.lock().unwrap().answer(call)
    }
}

impl Service for VaultServer {
    fn answer(&self, request: &Request, connection: usize) -> Reply {
        let noted = || {
            let call = Call::new(request, connection);
            self.state.lock().unwrap().calls.push(call.clone());
            call
        };
        self.faults.reply(noted, |call| self.due(call))
    }
}

impl Call {
    fn new(request: &Request, connection: usize) -> Self {
        let mut call = Self {
            kind: Kind::Other,
            method: request.method.clone(),
            path: request.path.clone(),
            headers: request.headers.clone(),
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
            connection,
        };
        call.kind = match (call.method.as_str(), &call.route()[..]) {
            ("CONNECT", _) => Kind::Connect,
            ("GET", [_, "keys", _]) => Kind::Key,
            ("POST" | "PUT", [_, "sign", _]) => Kind::Sign,
            ("POST" | "PUT", ["sys", "capabilities-self"]) => Kind::Capabilities,
            ("POST" | "PUT", ["auth", "token", "revoke-self"]) => Kind::Revoke,
            ("POST" | "PUT", ["auth", _, "login"]) => Kind::Login,
            _ => Kind::Other,
        };
        call
    }

    /// The segments after the first `/v1/`: before it may be a host or the path of a reverse proxy.
    fn route(&self) -> Vec<&str> {
        let route = self.path.split_once("/v1/");
        route
            .into_iter()
            .flat_map(|(_, route)| route.split('/'))
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn token(&self) -> Option<&str> {
        self.header("x-vault-token")
    }
}
