//! The services around signing with AWS KMS, in process: KMS, STS and GitHub's identity tokens. They
//! check what the real ones check, signatures and policies included, and can be told to misbehave.

mod answers;
mod keys;
mod kms;
mod sigv4;
mod sts;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

pub(crate) use self::answers::{kms_answer, kms_error, sts_error};
pub(crate) use self::keys::{Key, KeyState};
use self::kms::Keys;
pub(crate) use self::sigv4::Credentials;
use self::sigv4::{Caller, Issued};
use self::sts::Roles;
pub(crate) use self::sts::{Issuer, Subject, TokenAlgorithm, Trust};
use super::authority::Authority;
use super::iam::{self, Policy};
use super::s3_server::{
    Reply, Request, S3Server, flood, percent_decoded, read_request, write_head,
};

/// The account of everything here that is not told another.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The region of [`AwsServer::environment`]. The server itself is that of every region: the one of a
/// request is the one that it is signed for.
pub(crate) const REGION: &str = "us-east-1";
/// GitHub's issuer of identity tokens, which the account trusts from the start.
pub(crate) const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// The audience that is registered with it.
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";
/// What a job shows to be given an identity token.
pub(crate) const GITHUB_REQUEST_TOKEN: &str = "request-token-of-the-job";

/// Stands in an answer for the request's ID.
const REQUEST_ID: &str = "{request-id}";

/// A request, as a service understands it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `kms`, `sts` or `github`; `warm` for a request that only opens a connection, whose action is
    /// then the service that it leads to.
    pub(crate) service: &'static str,
    pub(crate) action: String,
    pub(crate) key_id: Option<String>,
    /// JSON; of a form or a query, an object of texts.
    pub(crate) body: Value,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The region that it is signed for.
    pub(crate) region: Option<String>,
    /// The first is 1.
    pub(crate) number: usize,
    /// On which connection it came; the first is 1.
    pub(crate) connection: usize,
    /// In the `x-amzn-requestid` of the answer.
    pub(crate) request_id: String,
}

type Fault = Box<dyn FnMut(&Call) -> Option<Reply> + Send>;

/// A server on loopback.
#[derive(Clone)]
pub(crate) struct AwsServer {
    pub(crate) endpoint: String,
    ca: Option<String>,
    state: Arc<Mutex<State>>,
    /// Apart from the state, so that a fault may change it: repoint an alias, say.
    fault: Arc<Mutex<Option<Fault>>>,
}

struct State {
    keys: Keys,
    roles: Roles,
    /// By access key ID.
    issued: BTreeMap<String, Issued>,
    github: Issuer,
    subject: String,
    calls: Vec<Call>,
}

/// An error as a service gives it.
struct Refusal {
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A field whose value cannot be.
    fn constraint(field: &str, rule: &str) -> Self {
        Self::invalid(format!(
            "1 validation error detected: Value at '{field}' failed to satisfy constraint: {rule}"
        ))
    }
}

impl AwsServer {
    pub(crate) fn start() -> Self {
        Self::listen(None)
    }

    /// One that speaks TLS, with a certificate of [`Self::ca_pem`] for localhost and 127.0.0.1.
    pub(crate) fn start_tls() -> Self {
        let authority = Authority::new();
        let config = authority.server(&["localhost", "127.0.0.1"]);
        Self::listen(Some((config, authority.pem())))
    }

    fn listen(tls: Option<(Arc<rustls::ServerConfig>, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let github = Issuer::github();
        let (config, ca) = tls.unzip();
        let server = Self {
            endpoint: format!("{scheme}://{}", listener.local_addr().unwrap()),
            ca,
            state: Arc::new(Mutex::new(State {
                keys: Keys::default(),
                roles: Roles::default(),
                issued: BTreeMap::new(),
                github: github.clone(),
                subject: "repo:acme/app:ref:refs/heads/main".to_owned(),
                calls: Vec::new(),
            })),
            fault: Arc::default(),
        };
        server.trust_issuer(&github, &[AUDIENCE]);
        let serving = server.clone();
        std::thread::spawn(move || {
            for (stream, connection) in listener.incoming().zip(1..) {
                let (server, config, stream) = (serving.clone(), config.clone(), stream.unwrap());
                std::thread::spawn(move || match config {
                    None => server.serve(stream, connection),
                    Some(config) => {
                        let tls = rustls::ServerConnection::new(config).unwrap();
                        server.serve(rustls::StreamOwned::new(tls, stream), connection);
                    }
                });
            }
        });
        server
    }

    /// The authority that a client of [`Self::start_tls`] must trust.
    pub(crate) fn ca_pem(&self) -> &str {
        self.ca.as_deref().unwrap()
    }

    /// Answers calls by `fault` where it gives something, before anything about them is checked.
    pub(crate) fn fault(&self, fault: impl FnMut(&Call) -> Option<Reply> + Send + 'static) {
        *self.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// Every call, in the order of arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Takes a key, and gives its ARN.
    pub(crate) fn add(&self, key: Key) -> String {
        let arn = key.arn();
        self.state
            .lock()
            .unwrap()
            .keys
            .keys
            .insert(arn.clone(), key);
        arn
    }

    pub(crate) fn set_state(&self, arn: &str, key_state: KeyState) {
        let mut state = self.state.lock().unwrap();
        let key = state.keys.keys.remove(arn).unwrap();
        let key = key.in_state(key_state);
        state.keys.keys.insert(arn.to_owned(), key);
    }

    /// Points `alias/NAME` at a key, in whose region and account it then is; the alias's ARN.
    pub(crate) fn alias(&self, alias: &str, key: &str) -> String {
        let (place, _) = key.rsplit_once(':').unwrap();
        let arn = format!("{place}:{alias}");
        let mut state = self.state.lock().unwrap();
        state.keys.aliases.insert(arn.clone(), key.to_owned());
        arn
    }

    /// Makes an issuer an identity provider of the account, for these audiences.
    pub(crate) fn trust_issuer(&self, issuer: &Issuer, audiences: &[&str]) {
        let audiences = audiences.iter().map(|&one| one.to_owned()).collect();
        let mut state = self.state.lock().unwrap();
        let providers = &mut state.roles.providers;
        providers.insert(issuer.url().to_owned(), (issuer.clone(), audiences));
    }

    /// Makes a role; its ARN.
    pub(crate) fn role(&self, name: &str, trust: &Trust, policy: &str) -> String {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{name}");
        let role = (trust.clone(), Policy::parse(policy));
        let mut state = self.state.lock().unwrap();
        state.roles.roles.insert(arn.clone(), role);
        arn
    }

    /// Makes a user with credentials that do not expire.
    pub(crate) fn user(&self, name: &str, policy: &str) -> Credentials {
        let credentials = Credentials {
            access_key_id: format!("AKIA{}", hex(&random(8)).to_uppercase()),
            secret_access_key: hex(&random(20)),
            session_token: None,
        };
        self.user_with(credentials, name, policy)
    }

    /// Makes a user with credentials that another service knows as well.
    pub(crate) fn user_with(
        &self,
        credentials: Credentials,
        name: &str,
        policy: &str,
    ) -> Credentials {
        let caller = Caller {
            arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
            user_id: format!("AIDA{}", hex(&random(8)).to_uppercase()),
            policy: Policy::parse(policy),
            region: String::new(),
        };
        self.state.lock().unwrap().remember(Issued {
            credentials: credentials.clone(),
            caller,
            expires: None,
        });
        credentials
    }

    /// Ends every session that was given out so far.
    pub(crate) fn expire_sessions(&self) {
        for issued in self.state.lock().unwrap().issued.values_mut() {
            issued.expires = issued.expires.map(|_| 0);
        }
    }

    /// Makes an S3 server ask whose a request is by its key ID, and refuse what their policy does not
    /// allow. It does not check the signature.
    pub(crate) fn guard(&self, s3: &S3Server) {
        let (server, store) = (self.clone(), s3.clone());
        s3.fault(move |request| {
            let issued = sigv4::access_key(request)
                .and_then(|id| server.state.lock().unwrap().issued.get(&id).cloned());
            let Some(issued) = issued else {
                return Some(Reply::error(
                    403,
                    "InvalidAccessKeyId",
                    "The AWS Access Key Id you provided does not exist in our records.",
                ));
            };
            if issued.expires.is_some_and(|expires| expires <= now()) {
                let message = "The provided token has expired.";
                return Some(Reply::error(400, "ExpiredToken", message));
            }
            iam::refused(&store, &issued.caller.policy, &issued.caller.arn, request)
        });
    }

    /// Whose token GitHub gives: `repo:acme/app:ref:refs/heads/main` if nothing is said.
    pub(crate) fn set_subject(&self, subject: &str) {
        self.state.lock().unwrap().subject = subject.to_owned();
    }

    /// A token of GitHub's; one with a `lifetime` below zero has expired.
    pub(crate) fn identity_token(&self, sub: &str, aud: &str, lifetime: i64) -> String {
        let github = self.state.lock().unwrap().github.clone();
        github.identity_token(sub, aud, lifetime)
    }

    /// What leads the SDK here.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL_KMS", self.endpoint.as_str()),
            ("AWS_ENDPOINT_URL_STS", &self.endpoint),
            ("AWS_REGION", REGION),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// What a job of GitHub Actions finds that has `id-token: write`.
    pub(crate) fn github_environment(&self) -> Vec<(String, String)> {
        let url = format!("{}/token?api-version=2.0", self.endpoint);
        [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_RUN_ID", "1234567890"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", &url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", GITHUB_REQUEST_TOKEN),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn serve(&self, stream: impl Read + Write, connection: usize) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader) {
            let (call, reply) = self.reply(&request, connection);
            let half = matches!(reply, Some(Reply::Half));
            let reply = match reply {
                None | Some(Reply::Half) => self.state.lock().unwrap().answer(&call, &request),
                Some(reply) => reply,
            };
            let stream = reader.get_mut();
            let written = match reply {
                Reply::Answer(status, mut headers, body) => {
                    if call.service != "github" {
                        headers.push(("x-amzn-requestid".to_owned(), call.request_id.clone()));
                    }
                    let body = with_id(body, &call.request_id);
                    let sent = if half { &body[..body.len() / 2] } else { &body };
                    write_head(stream, status, &headers, Some(body.len() as u64))
                        .and_then(|()| stream.write_all(sent))
                        .and_then(|()| stream.flush())
                }
                Reply::Flood { bytes, length } => {
                    let sent = write_head(stream, 200, &[], length)
                        .and_then(|()| flood(stream, bytes))
                        .and_then(|()| stream.flush());
                    // A client that was told the truth uses the connection again.
                    if length != Some(bytes) {
                        return;
                    }
                    sent
                }
                Reply::Silence => {
                    // Until the client gives up.
                    let _ = reader.read(&mut [0]);
                    return;
                }
                Reply::HangUp | Reply::Half => return,
            };
            if half || written.is_err() {
                return;
            }
        }
    }

    /// Takes note of a call, and asks the fault about it.
    fn reply(&self, request: &Request, connection: usize) -> (Call, Option<Reply>) {
        let noted = || {
            let mut state = self.state.lock().unwrap();
            let call = Call::new(request, state.calls.len() + 1, connection);
            state.calls.push(call.clone());
            call
        };
        // Past the fault, so that one may wait for it.
        if request.method == "OPTIONS" {
            return (noted(), None);
        }
        let mut fault = self.fault.lock().unwrap();
        let call = noted();
        let reply = fault.as_mut().and_then(|fault| fault(&call));
        (call, reply)
    }
}

impl Call {
    fn new(request: &Request, number: usize, connection: usize) -> Self {
        let json = || serde_json::from_slice(&request.body).unwrap_or_default();
        let form = || fields(&String::from_utf8_lossy(&request.body));
        let target = request.headers.get("x-amz-target");
        let (service, action, body) = match (request.path.as_str(), target) {
            _ if request.method == "OPTIONS" => ("warm", api(request), Value::Null),
            ("/token", _) => ("github", "token".to_owned(), fields(&request.query)),
            (_, Some(target)) => ("kms", target.replace("TrentService.", ""), json()),
            _ => {
                let form = form();
                let action = form["Action"].as_str().unwrap_or_default().to_owned();
                ("sts", action, form)
            }
        };
        Self {
            service,
            action,
            key_id: body["KeyId"].as_str().map(str::to_owned),
            body,
            headers: request.headers.clone(),
            region: sigv4::region(request),
            number,
            connection,
            request_id: uuid(),
        }
    }
}

impl State {
    fn remember(&mut self, issued: Issued) {
        let id = issued.credentials.access_key_id.clone();
        self.issued.insert(id, issued);
    }
}

fn with_id(body: Vec<u8>, id: &str) -> Vec<u8> {
    match String::from_utf8(body) {
        Ok(text) => text.replace(REQUEST_ID, id).into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

/// The service that the SDK says it asks, in its user agent.
fn api(request: &Request) -> String {
    let agent = request.headers.get("user-agent");
    let words = agent.into_iter().flat_map(|agent| agent.split(' '));
    let mut named = words.filter_map(|word| word.strip_prefix("api/"));
    let name = named.next().unwrap_or_default();
    name.split('/').next().unwrap_or_default().to_owned()
}

/// The fields of a form or a query.
fn fields(text: &str) -> Value {
    let decoded = |part: &str| percent_decoded(&part.replace('+', " "));
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), Value::from(decoded(value))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid() -> String {
    let text = hex(&random(16));
    let (a, b, c, d, e) = (
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}
