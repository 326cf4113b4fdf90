//! What is said of Vault: by flags, by the variables that Vault's own client reads, and by those of GitLab.

use std::num::NonZeroU64;
use std::time::Duration;

use reqwest::Proxy;
use secrecy::SecretString;
use tokio::time::Instant;

use super::address::{Address, Authority, Server, Service};
use super::http::Transport;
use super::login::{Credentials, Held, Login, Method, Proof};
use super::tls::{self, Trust};
use super::variables::Variables;
use crate::cloud::aws::READ;
use crate::cloud::ci::Ci;
use crate::cloud::oidc::{self, RelyingParty, Source};
use crate::cloud::{bundle, http, retry, token};
use crate::environment::{self, variable};
use crate::key::transit::Mount;

/// What a run asks for.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The server's URL.
    pub address: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// How to log in.
    pub method: Option<Method>,
    /// As which role.
    pub role: Option<String>,
    /// Where the method is mounted.
    pub mount: Option<String>,
    /// For whom the identity token is.
    pub audience: Option<String>,
    /// The file that holds the identity token.
    pub jwt_file: Option<String>,
    /// The variable that holds the identity token.
    pub jwt_variable: Option<String>,
    /// Whether a server without TLS may be elsewhere than on this machine.
    pub plain_http: bool,
    /// When to give up.
    pub deadline: Instant,
}

impl Wishes {
    /// Whether a flag asks for a login.
    fn logs_in(&self) -> bool {
        let texts = [
            &self.role,
            &self.mount,
            &self.audience,
            &self.jwt_file,
            &self.jwt_variable,
        ];
        self.method.is_some() || texts.into_iter().any(Option::is_some)
    }

    /// The first flag that is given, if any is.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--vault-address", self.address.is_some()),
            ("--vault-namespace", self.namespace.is_some()),
            ("--vault-auth", self.method.is_some()),
            ("--vault-role", self.role.is_some()),
            ("--vault-auth-mount", self.mount.is_some()),
            ("--vault-audience", self.audience.is_some()),
            ("--vault-jwt-file", self.jwt_file.is_some()),
            ("--vault-jwt-env", self.jwt_variable.is_some()),
            ("--vault-plain-http", self.plain_http),
        ];
        flags
            .into_iter()
            .find(|(_, given)| *given)
            .map(|(flag, _)| flag)
    }
}

/// What is known before anything is asked.
pub(super) struct Settings {
    pub(super) server: Server,
    pub(super) namespace: Option<String>,
    pub(super) login: Login,
    pub(super) transport: Transport,
    pub(super) attempts: u32,
}

impl Settings {
    /// Reads what is said of `server`.
    ///
    /// # Errors
    ///
    /// [`Error`] for what is set and means nothing, and if there is no token and nothing to log in with.
    pub(super) fn new(server: Server, wishes: &Wishes) -> Result<Self, Error> {
        let variables = Variables(server.service);
        if let Some((name, _)) = variables.of("TLS_SERVER_NAME")? {
            return Err(Error::ServerName { variable: name });
        }
        let namespace = match &wishes.namespace {
            Some(namespace) => Some(("--vault-namespace".to_owned(), namespace.clone())),
            None => variables.of("NAMESPACE")?,
        };
        let namespace = namespace.map(|(name, text)| {
            let path = Mount::parse(&text)
                .ok_or_else(|| environment::Error::new(&name, text, "the path of a namespace"))?;
            Ok::<_, Error>(path.to_string())
        });
        let patience = match variables.of("CLIENT_TIMEOUT")? {
            None => READ,
            Some((name, text)) => seconds(&text)
                .ok_or_else(|| environment::Error::new(&name, text, "a time such as `60s`"))?,
        };
        let attempts = match variables.of("MAX_RETRIES")? {
            None => retry::ATTEMPTS,
            Some((name, text)) => match text.parse::<u32>() {
                Ok(retries) => retries.saturating_add(1),
                Err(_) => Err(environment::Error::new(&name, text, "a number"))?,
            },
        };
        Ok(Self {
            namespace: namespace.transpose()?,
            login: login(variables, &server, wishes)?,
            transport: Transport {
                trust: Trust::from_environment(variables)?,
                proxy: proxy(variables)?,
                patience,
            },
            attempts,
            server,
        })
    }
}

/// A number of seconds, or a time as Go writes them.
fn seconds(text: &str) -> Option<Duration> {
    let time = match text.parse::<NonZeroU64>() {
        Ok(seconds) => Duration::from_secs(seconds.get()),
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    (!time.is_zero()).then_some(time)
}

fn proxy(variables: Variables) -> Result<Option<Proxy>, Error> {
    let Some((variable, url)) = variables.of("PROXY_ADDR")? else {
        return Ok(None);
    };
    // It may hold a password.
    match Proxy::all(&url) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(_) => Err(Error::Proxy { variable }),
    }
}

/// The token, or what to log in with: what a flag asks for, then a token that is there, then what the
/// environment offers, and last the token of somebody who logged in at this desk.
fn login(variables: Variables, server: &Server, wishes: &Wishes) -> Result<Login, Error> {
    let not_a_token = |place: String| Error::NotAToken { place };
    if !wishes.logs_in() {
        if let Some((name, text)) = variables.of("TOKEN")? {
            let held = Held::given(&text, &name);
            return held.map(Login::Given).ok_or_else(|| not_a_token(name));
        }
        if let Some((name, path)) = variables.of("TOKEN_FILE")? {
            return match from_file(&path) {
                Ok(held) => Ok(Login::Given(
                    held.ok_or_else(|| not_a_token(format!("`{path}`")))?,
                )),
                Err(reason) => Err(Error::TokenFile {
                    variable: name,
                    path,
                    reason,
                }),
            };
        }
    }
    let role = wishes.role.clone();
    let role = match (role, variables.of("AUTH_ROLE")?) {
        (None, Some((_, role))) => Some(role),
        (role, _) => role,
    };
    let method = match (wishes.method, variables.of("AUTH_METHOD")?) {
        (Some(method), _) => Some(method),
        (None, None) => None,
        (None, Some((name, text))) => Some(Method::parse(&text).ok_or_else(|| {
            environment::Error::new(&name, text, "`jwt`, `approle` or `kubernetes`")
        })?),
    };
    let role_id = variables.of("ROLE_ID")?;
    let method = match (method, &role, &role_id) {
        (Some(method), _, _) => method,
        (None, Some(_), _) => Method::Jwt,
        (None, None, Some(_)) => Method::AppRole,
        (None, None, None) if wishes.logs_in() => Method::Jwt,
        (None, None, None) => return from_desk(server),
    };
    let mount = match (wishes.mount.clone(), variables.of("AUTH_PATH")?) {
        (Some(mount), _) => Some(("--vault-auth-mount".to_owned(), mount)),
        (None, set) => set,
    };
    let mount = match mount {
        None => Mount::parse(method.name()),
        Some((name, text)) => {
            let path = text.trim_matches('/');
            let path = path.strip_prefix("auth/").unwrap_or(path);
            let mount = Mount::parse(path);
            Some(mount.ok_or_else(|| {
                environment::Error::new(&name, text, "the path of a login method")
            })?)
        }
    };
    let mount = mount.ok_or(Error::NoToken {
        service: server.service,
    })?;
    let proof = match method {
        Method::AppRole => approle(variables, role_id)?,
        Method::Jwt => jwt(server, wishes, role)?,
        Method::Kubernetes => kubernetes(wishes, role)?,
    };
    Ok(Login::With(Box::new(Credentials { mount, proof })))
}

fn approle(variables: Variables, role_id: Option<(String, String)>) -> Result<Proof, Error> {
    match (role_id, variables.of("SECRET_ID")?) {
        (Some((_, role_id)), Some((_, secret_id))) => Ok(Proof::AppRole {
            role_id,
            secret_id: SecretString::from(secret_id),
        }),
        (None, _) => Err(Error::NoAppRole {
            missing: "VAULT_ROLE_ID",
        }),
        (Some(_), None) => Err(Error::NoAppRole {
            missing: "VAULT_SECRET_ID",
        }),
    }
}

fn jwt(server: &Server, wishes: &Wishes, role: Option<String>) -> Result<Proof, Error> {
    let source = match token_place(wishes)? {
        Some(source) => source,
        None => {
            Source::detect(Ci::detect(), RelyingParty::Vault).map_err(|source| Error::Identity {
                address: server.address.clone(),
                source,
            })?
        }
    };
    Ok(Proof::Jwt {
        role,
        chosen: wishes.audience.is_some(),
        audience: match &wishes.audience {
            Some(audience) => audience.clone(),
            None => server.address.to_string(),
        },
        source,
        http: http::client(bundle::from_environment()?),
    })
}

fn kubernetes(wishes: &Wishes, role: Option<String>) -> Result<Proof, Error> {
    // https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let source = token_place(wishes)?;
    Ok(Proof::Kubernetes {
        role: role.ok_or(Error::NoRole)?,
        source: source.unwrap_or_else(|| Source::File(SERVICE_ACCOUNT.to_owned())),
        http: http::client(bundle::from_environment()?),
    })
}

/// Where a flag says that the identity token is.
fn token_place(wishes: &Wishes) -> Result<Option<Source>, Error> {
    // What is wrong here may be the token itself, and is not repeated.
    match (&wishes.jwt_file, &wishes.jwt_variable) {
        (Some(path), _) if path.is_empty() || token::is_token(path) => {
            Err(Error::TokenPlace("--vault-jwt-file"))
        }
        (Some(path), _) => Ok(Some(Source::File(path.clone()))),
        (None, Some(name)) if !environment::is_name(name) => {
            Err(Error::TokenPlace("--vault-jwt-env"))
        }
        (None, Some(name)) => Ok(Some(Source::Variable(name.clone()))),
        (None, None) => Ok(None),
    }
}

/// What `vault login` leaves behind.
fn from_desk(server: &Server) -> Result<Login, Error> {
    let service = server.service;
    let none = Error::NoToken { service };
    let Some(home) = variable("HOME")? else {
        return Err(none);
    };
    let path = format!("{home}/.vault-token");
    match from_file(&path) {
        Ok(Some(held)) => Ok(Login::Given(held)),
        Ok(None) | Err(_) => Err(none),
    }
}

fn from_file(path: &str) -> Result<Option<Held>, String> {
    let bytes = bundle::read_file(path)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Ok(Held::given(text, &format!("`{path}`")))
}

/// What is wrong with what is said of Vault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is no URL of a server.
    #[error("{variable} is not the URL of a Vault")]
    Address {
        /// The variable or flag.
        variable: String,
    },
    /// The certificates that GitHub's endpoint is asked with cannot be used.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// The reference and the variable name different servers.
    #[error("the key is at `{named}`, and {variable} names `{other}`")]
    Contradiction {
        /// What the reference names.
        named: Authority,
        /// The variable or flag.
        variable: String,
        /// What it names.
        other: Address,
    },
    /// There is no identity token to log in with.
    #[error("there is no way to log in to Vault at {address}")]
    Identity {
        /// Where the server is.
        address: Address,
        /// What is missing.
        source: oidc::Error,
    },
    /// Nothing says where the server is.
    #[error("nothing says where {service} is")]
    NoAddress {
        /// Which one.
        service: Service,
    },
    /// AppRole takes two.
    #[error("the login by AppRole needs {missing}, which is not set")]
    NoAppRole {
        /// The variable.
        missing: &'static str,
    },
    /// Kubernetes takes a role.
    #[error("the login by Kubernetes needs a role")]
    NoRole,
    /// No token, and nothing to log in with.
    #[error("there is no {service} token, and nothing to log in with")]
    NoToken {
        /// Which one.
        service: Service,
    },
    /// What is there cannot be a token.
    #[error("what {place} holds is not a Vault token")]
    NotAToken {
        /// The variable or file.
        place: String,
    },
    /// The token would go over the network in the clear.
    #[error("`{address}` is not guarded by TLS, and a token would be sent there in the clear")]
    PlainHttp {
        /// The address.
        address: Address,
    },
    /// The proxy is no URL.
    #[error("{variable} is not the URL of a proxy")]
    Proxy {
        /// The variable.
        variable: String,
    },
    /// Not built.
    #[error("{variable} is set, and is not supported")]
    ServerName {
        /// The variable.
        variable: String,
    },
    /// Certificates or the client's key cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The HTTP client cannot be made.
    #[error("no connection to {server} can be made: {reason}")]
    Transport {
        /// The server.
        server: Server,
        /// What is wrong.
        reason: String,
    },
    /// The token's file cannot be read.
    #[error("cannot read the token of {variable} from `{path}`: {reason}")]
    TokenFile {
        /// The variable.
        variable: String,
        /// The file.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// A token stands where its place belongs.
    #[error("`{0}` does not name where the identity token is")]
    TokenPlace(&'static str),
    /// A variable that means nothing.
    #[error(transparent)]
    Variable(#[from] environment::Error),
}
