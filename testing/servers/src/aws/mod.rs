//! The services around signing with AWS KMS, in process: KMS, STS and GitHub's identity tokens. They
//! check what the real ones check, signatures and policies included, and can be made to misbehave.

mod answers;
mod keys;
mod kms;
mod sigv4;
mod sts;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::authority::Authority;
use crate::http::{self, Faults, Reply, Request, Service, Wire, percent_decoded};
use crate::iam::{self, Policy};
use crate::s3::{S3Server, s3_error};

pub use self::answers::{kms_answer, kms_error, sts_error};
pub use self::keys::{Key, KeyState};
pub use self::sigv4::Credentials;
pub use self::sts::{Issuer, Subject, TokenAlgorithm, Trust};

use self::kms::Keys;
use self::sigv4::{Caller, Issued};
use self::sts::Roles;

/// The account of everything here, unless a test sets another.
pub const ACCOUNT: &str = "111122223333";
/// The region of [`AwsServer::environment`]. The server itself is that of every region: the one of a
/// request is the one that it is signed for.
pub const REGION: &str = "us-east-1";
/// GitHub's issuer of identity tokens, which the account trusts from the start.
pub const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// The audience that is registered with it.
pub const AUDIENCE: &str = "sts.amazonaws.com";
/// The credential with which a job requests an identity token.
pub const GITHUB_REQUEST_TOKEN: &str =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImU2MjIzOWI5In0.cmVxdWVzdC10b2tlbi1vZi10aGUtam9i.x";

/// Stands in an answer for the request's ID.
const REQUEST_ID: &str = "{request-id}";

/// A request, as a service understands it.
#[derive(Clone, Debug)]
pub struct Call {
    /// `kms`, `sts` or `github`; `warm` for a request that only opens a connection, whose action is
    /// then the service that it leads to.
    pub service: &'static str,
    pub action: String,
    pub key_id: Option<String>,
    /// JSON; of a form or a query, an object of texts.
    pub body: Value,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// The region that it is signed for.
    pub region: Option<String>,
    /// The first is 1.
    pub number: usize,
    /// On which connection it came; the first is 1.
    pub connection: usize,
    /// In the `x-amzn-requestid` of the answer.
    pub request_id: String,
}

/// A server of all three.
#[derive(Clone)]
pub struct AwsServer {
    pub endpoint: String,
    ca: Option<String>,
    state: Arc<Mutex<State>>,
    faults: Faults<Call>,
}

struct State {
    keys: Keys,
    roles: Roles,
    /// By access key ID.
    issued: BTreeMap<String, Issued>,
    github: Issuer,
    subject: String,
    calls: Vec<Call>,
    /// Whether KMS serves a caller that it does not know.
    open: bool,
    /// Whether answers carry the time.
    dates_answers: bool,
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
    /// A server on loopback.
    pub fn start() -> Self {
        Self::new().listen(Wire::Plain)
    }

    /// One that speaks TLS, with a certificate of [`Self::ca_pem`] for localhost and 127.0.0.1.
    pub fn start_tls() -> Self {
        let (authority, mut server) = (Authority::generate(), Self::new());
        server.ca = Some(authority.pem());
        server.listen(Wire::Tls(authority.server(&["localhost", "127.0.0.1"])))
    }

    /// One whose KMS checks no signatures and no policies, where only time counts.
    pub fn open() -> Self {
        let server = Self::new();
        server.state.lock().unwrap().open = true;
        server
    }

    fn new() -> Self {
        let github = Issuer::github();
        let server = Self {
            endpoint: String::new(),
            ca: None,
            state: Arc::new(Mutex::new(State {
                keys: Keys::default(),
                roles: Roles::default(),
                issued: BTreeMap::new(),
                github: github.clone(),
                subject: "repo:acme/app:ref:refs/heads/main".to_owned(),
                calls: Vec::new(),
                open: false,
                dates_answers: false,
            })),
            faults: Faults::default(),
        };
        server.trust_issuer(&github, &[AUDIENCE]);
        server
    }

    fn listen(mut self, wire: Wire) -> Self {
        self.endpoint = http::listen(wire, self.clone());
        self
    }

    /// The authority that a client of [`Self::start_tls`] must trust.
    pub fn ca_pem(&self) -> &str {
        self.ca.as_deref().unwrap()
    }

    /// Answers calls by `fault` where it gives something, before anything about them is checked.
    pub fn fault(&self, fault: impl FnMut(&Call) -> Option<Reply> + Send + 'static) {
        self.faults.set(fault);
    }

    /// Lets every answer carry the time, as those of AWS do.
    pub fn date_answers(&self) {
        self.state.lock().unwrap().dates_answers = true;
    }

    /// Every call, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Takes a key, and gives its ARN.
    pub fn add(&self, key: Key) -> String {
        let arn = key.arn();
        self.state
            .lock()
            .unwrap()
            .keys
            .keys
            .insert(arn.clone(), key);
        arn
    }

    pub fn set_state(&self, arn: &str, key_state: KeyState) {
        let mut state = self.state.lock().unwrap();
        let key = state.keys.keys.remove(arn).unwrap();
        let key = key.in_state(key_state);
        state.keys.keys.insert(arn.to_owned(), key);
    }

    /// Points `alias/NAME` at a key, in whose region and account it then is; the alias's ARN.
    pub fn alias(&self, alias: &str, key: &str) -> String {
        let (place, _) = key.rsplit_once(':').unwrap();
        let arn = format!("{place}:{alias}");
        let mut state = self.state.lock().unwrap();
        state.keys.aliases.insert(arn.clone(), key.to_owned());
        arn
    }

    /// Makes an issuer an identity provider of the account, for these audiences.
    pub fn trust_issuer(&self, issuer: &Issuer, audiences: &[&str]) {
        let audiences = audiences.iter().map(|&one| one.to_owned()).collect();
        let mut state = self.state.lock().unwrap();
        let providers = &mut state.roles.providers;
        providers.insert(issuer.url().to_owned(), (issuer.clone(), audiences));
    }

    /// Makes a role; its ARN.
    pub fn role(&self, name: &str, trust: &Trust, policy: &str) -> String {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{name}");
        let role = (trust.clone(), Policy::parse(policy));
        let mut state = self.state.lock().unwrap();
        state.roles.roles.insert(arn.clone(), role);
        arn
    }

    /// Makes a role that the user or role `trusted` may assume with its credentials; its ARN.
    pub fn role_for(
        &self,
        name: &str,
        trusted: &str,
        external_id: Option<&str>,
        policy: &str,
    ) -> String {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{name}");
        let role = sts::Chained {
            trusted: trusted.to_owned(),
            external_id: external_id.map(str::to_owned),
            policy: Policy::parse(policy),
        };
        let mut state = self.state.lock().unwrap();
        state.roles.chained.insert(arn.clone(), role);
        arn
    }

    /// Makes a user with credentials that do not expire.
    pub fn user(&self, name: &str, policy: &str) -> Credentials {
        let credentials = Credentials {
            access_key_id: format!("AKIA{}", hex(&random(8)).to_uppercase()),
            secret_access_key: hex(&random(20)),
            session_token: None,
        };
        self.user_with(credentials, name, policy)
    }

    /// Makes a user with credentials that another service knows as well.
    pub fn user_with(&self, credentials: Credentials, name: &str, policy: &str) -> Credentials {
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
    pub fn expire_sessions(&self) {
        for issued in self.state.lock().unwrap().issued.values_mut() {
            issued.expires = issued.expires.map(|_| 0);
        }
    }

    /// Makes an S3 server ask whose a request is by its key ID, and refuse what their policy does not
    /// allow. It does not check the signature.
    pub fn guard(&self, s3: &S3Server) {
        let (server, store) = (self.clone(), s3.clone());
        s3.fault(move |request| {
            let issued = sigv4::access_key(request)
                .and_then(|id| server.state.lock().unwrap().issued.get(&id).cloned());
            let Some(issued) = issued else {
                return Some(s3_error(
                    403,
                    "InvalidAccessKeyId",
                    "The AWS Access Key Id you provided does not exist in our records.",
                ));
            };
            if issued.expires.is_some_and(|expires| expires <= now()) {
                let message = "The provided token has expired.";
                return Some(s3_error(400, "ExpiredToken", message));
            }
            iam::refused(&store, &issued.caller.policy, &issued.caller.arn, request)
        });
    }

    /// The subject of GitHub's tokens; by default `repo:acme/app:ref:refs/heads/main`.
    pub fn set_subject(&self, subject: &str) {
        self.state.lock().unwrap().subject = subject.to_owned();
    }

    /// A token of GitHub's; one with a `lifetime` below zero has expired.
    pub fn identity_token(&self, sub: &str, aud: &str, lifetime: i64) -> String {
        let github = self.state.lock().unwrap().github.clone();
        github.identity_token(sub, aud, lifetime)
    }

    /// The variables that lead the SDK here.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL_KMS", self.endpoint.as_str()),
            ("AWS_ENDPOINT_URL_STS", &self.endpoint),
            ("AWS_REGION", REGION),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The environment of a GitHub Actions job with `id-token: write`.
    pub fn github_environment(&self) -> Vec<(String, String)> {
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
}

impl Service for AwsServer {
    fn answer(&self, request: &Request, connection: usize) -> Reply {
        let mut call = Call::new(request, connection);
        let (service, id) = (call.service, call.request_id.clone());
        let noted = || {
            let mut state = self.state.lock().unwrap();
            call.number = state.calls.len() + 1;
            state.calls.push(call.clone());
            call
        };
        let due = |call: &Call| self.state.lock().unwrap().answer(call, request);
        let mut reply = match request.method.as_str() {
            // Past the fault, so that one may wait for it.
            "OPTIONS" => due(&noted()),
            _ => self.faults.reply(noted, due),
        };
        if let Reply::Answer(_, headers, body) | Reply::Cut(_, headers, body) = &mut reply {
            if service != "github" {
                headers.push(("x-amzn-requestid".to_owned(), id.clone()));
            }
            let is_dated = headers.iter().any(|(name, _)| name == "date");
            if !is_dated && self.state.lock().unwrap().dates_answers {
                headers.push(("date".to_owned(), date()));
            }
            *body = with_id(std::mem::take(body), &id);
        }
        reply
    }
}

impl Call {
    fn new(request: &Request, connection: usize) -> Self {
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
            number: 0,
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

/// The service that the SDK names in its user agent.
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
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// The time, as a header has it.
fn date() -> String {
    let text = OffsetDateTime::now_utc().format(&Rfc2822).unwrap();
    text.replace("+0000", "GMT")
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
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
