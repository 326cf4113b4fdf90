//! Vault in process, for what a healthy one does not do: its transit engine, its logins, and whatever
//! a test tells it to answer instead. What it answers by itself is what Vault 1.16 does.
//! <https://developer.hashicorp.com/vault/api-docs/secret/transit>

mod answers;
mod transit;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

pub(crate) use self::answers::{json_answer, vault_errors};
use self::transit::TransitKey;
use super::aws_server::Key;
use super::s3_server::{Reply, Request, flood, read_request, write_head};

/// The name of the key that is there from the start.
pub(crate) const KEY: &str = "ci-signer";

/// The token that is good from the start.
pub(crate) const TOKEN: &str = "hvs.CAESIB-canary-of-the-token-in-the-environment";

/// What a login shows that is let in.
pub(crate) const ROLE: &str = "release";
pub(crate) const ROLE_ID: &str = "675a50e7-cfe0-be76-e35f-49ec009731ea";
pub(crate) const SECRET_ID: &str = "canary-of-the-secret-id-ed0a642f";

/// A request, as Vault understands it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) method: String,
    /// As it came: `/v1/transit/keys/ci-signer`, and before it what a proxy is told.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
    /// On which connection it came; the first is 1.
    pub(crate) connection: usize,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The public keys are read.
    Key,
    Sign,
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
            Self::Login => "the login",
            Self::Revoke => "ending the token",
            Self::Connect => "CONNECT",
            Self::Other => "another call",
        })
    }
}

/// How the server is spoken to.
enum Wire {
    Plain,
    Tls(Arc<ServerConfig>),
    /// As a proxy, which leads to itself whatever host it is asked for.
    Tunnel(Arc<ServerConfig>),
}

type Fault = Box<dyn FnMut(&Call) -> Option<Reply> + Send>;

/// A server on loopback.
#[derive(Clone)]
pub(crate) struct VaultServer {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
    /// Apart from the state, so that a fault may change it.
    fault: Arc<Mutex<Option<Fault>>>,
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
    pub(crate) fn start(key: Key) -> Self {
        Self::listen(Wire::Plain, key)
    }

    pub(crate) fn start_tls(config: Arc<ServerConfig>, key: Key) -> Self {
        Self::listen(Wire::Tls(config), key)
    }

    /// A proxy, behind which every host is this server, by this certificate.
    pub(crate) fn start_tunnel(config: Arc<ServerConfig>, key: Key) -> Self {
        Self::listen(Wire::Tunnel(config), key)
    }

    fn listen(wire: Wire, key: Key) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = match wire {
            Wire::Plain | Wire::Tunnel(_) => "http",
            Wire::Tls(_) => "https",
        };
        let server = Self {
            endpoint: format!("{scheme}://{}", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new(State {
                keys: BTreeMap::from([(KEY.to_owned(), TransitKey::new(key))]),
                tokens: BTreeSet::from([TOKEN.to_owned()]),
                issued: Vec::new(),
                calls: Vec::new(),
            })),
            fault: Arc::default(),
        };
        let (serving, wire) = (server.clone(), Arc::new(wire));
        std::thread::spawn(move || {
            for (stream, connection) in listener.incoming().zip(1..) {
                let (server, wire, stream) = (serving.clone(), Arc::clone(&wire), stream.unwrap());
                std::thread::spawn(move || match &*wire {
                    Wire::Plain => server.serve(stream, connection),
                    Wire::Tls(config) => server.serve_tls(config, stream, connection),
                    Wire::Tunnel(config) => server.lead(config, stream, connection),
                });
            }
        });
        server
    }

    /// Answers calls by `fault` where it gives something, before anything about them is checked.
    pub(crate) fn fault(&self, fault: impl FnMut(&Call) -> Option<Reply> + Send + 'static) {
        *self.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// Every call, in the order of arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.calls().iter().map(|call| call.kind).collect()
    }

    pub(crate) fn calls_of(&self, kind: Kind) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.kind == kind);
        calls
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.calls_of(kind).len()
    }

    /// The tokens that its logins gave.
    pub(crate) fn issued(&self) -> Vec<String> {
        self.state.lock().unwrap().issued.clone()
    }

    /// Whether a token is good.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.state.lock().unwrap().tokens.contains(token)
    }

    /// Gives [`KEY`] another version.
    pub(crate) fn rotate(&self, key: Key) {
        let mut state = self.state.lock().unwrap();
        state.keys.get_mut(KEY).unwrap().rotate(key);
    }

    /// What it answers to a call if nothing is wrong.
    pub(crate) fn due(&self, call: &Call) -> Reply {
        self.state.lock().unwrap().answer(call)
    }

    fn serve_tls(&self, config: &Arc<ServerConfig>, stream: TcpStream, connection: usize) {
        let tls = ServerConnection::new(Arc::clone(config)).unwrap();
        self.serve(StreamOwned::new(tls, stream), connection);
    }

    fn lead(&self, config: &Arc<ServerConfig>, stream: TcpStream, connection: usize) {
        let mut reader = BufReader::new(stream);
        let Some(request) = read_request(&mut reader) else {
            return;
        };
        let call = Call::new(&request, connection);
        let connects = call.kind == Kind::Connect;
        self.state.lock().unwrap().calls.push(call);
        let mut stream = reader.into_inner();
        if connects && write_head(&mut stream, 200, &[], Some(0)).is_ok() {
            self.serve_tls(config, stream, connection);
        }
    }

    fn serve(&self, stream: impl Read + Write, connection: usize) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader) {
            let call = Call::new(&request, connection);
            let reply = {
                // Held until the answer is made: no other call comes between the two.
                let mut fault = self.fault.lock().unwrap();
                self.state.lock().unwrap().calls.push(call.clone());
                fault.as_mut().and_then(|fault| fault(&call))
            };
            let half = matches!(reply, Some(Reply::Half));
            let reply = match reply {
                None | Some(Reply::Half) => self.due(&call),
                Some(reply) => reply,
            };
            let stream = reader.get_mut();
            match reply {
                Reply::Answer(status, headers, body) => {
                    let sent = if half { &body[..body.len() / 2] } else { &body };
                    // Framed by itself, or by nothing but the end of the connection.
                    let unframed = headers.iter().any(|(name, value)| {
                        name == "transfer-encoding" || (name == "connection" && value == "close")
                    });
                    let length = (!unframed).then_some(body.len() as u64);
                    let written = write_head(stream, status, &headers, length)
                        .and_then(|()| stream.write_all(sent))
                        .and_then(|()| stream.flush());
                    if half || unframed || written.is_err() {
                        return;
                    }
                }
                Reply::Flood { bytes, length } => {
                    let _ = write_head(stream, 200, &[], length)
                        .and_then(|()| flood(stream, bytes))
                        .and_then(|()| stream.flush());
                    return;
                }
                Reply::Silence => {
                    // Until the client gives up.
                    let _ = reader.read(&mut [0]);
                    return;
                }
                Reply::HangUp | Reply::Half => return,
            }
        }
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
            ("POST" | "PUT", ["auth", "token", "revoke-self"]) => Kind::Revoke,
            ("POST" | "PUT", ["auth", _, "login"]) => Kind::Login,
            _ => Kind::Other,
        };
        call
    }

    /// What stands behind `/v1/`, in parts; nothing if that is not there.
    fn route(&self) -> Vec<&str> {
        let behind_host = match self.path.strip_prefix("http://") {
            None => self.path.as_str(),
            Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        };
        let route = behind_host.strip_prefix("/v1/");
        route
            .into_iter()
            .flat_map(|route| route.split('/'))
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.header("x-vault-token")
    }
}
