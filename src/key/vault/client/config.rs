//! What is said of Vault: by flags, by the variables that Vault's own client reads, and by those of GitLab.

use std::num::NonZeroU64;
use std::time::Duration;

use reqwest::{NoProxy, Proxy};
use tokio::time::Instant;

use crate::environment;
use crate::identity::token_source;
use crate::key::vault::client::address::{Address, Server, Service};
use crate::key::vault::client::http::Transport;
use crate::key::vault::client::login::{Login, Method};
use crate::key::vault::client::tls::Trust;
use crate::key::vault::client::variables::Variables;
use crate::key::vault::client::{auth, tls};
use crate::key::vault::uri::Mount;
use crate::mask::Mask;
use crate::net::url::Authority;
use crate::net::{READ_TIMEOUT, ca_bundle, retry};

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
    /// Who is told of tokens.
    pub mask: Mask,
    /// When to give up.
    pub deadline: Instant,
}

impl Wishes {
    /// Whether a flag asks for a login.
    pub(crate) fn logs_in(&self) -> bool {
        let texts = [
            &self.role,
            &self.mount,
            &self.audience,
            &self.jwt_file,
            &self.jwt_variable,
        ];
        self.method.is_some() || texts.into_iter().any(Option::is_some)
    }

    /// A flag that says something to other methods than this one.
    pub(crate) fn useless(&self, method: Method) -> Option<&'static str> {
        let flags: &[(&str, &Option<String>)] = match method {
            Method::AppRole => &[
                ("--vault-role", &self.role),
                ("--vault-audience", &self.audience),
                ("--vault-jwt-file", &self.jwt_file),
                ("--vault-jwt-env", &self.jwt_variable),
            ],
            Method::Kubernetes | Method::Jwt => &[],
        };
        let given = flags.iter().find(|(_, given)| given.is_some());
        given.map(|(flag, _)| *flag)
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
pub(crate) struct Settings {
    pub(crate) namespace: Option<String>,
    pub(crate) login: Login,
    pub(crate) transport: Transport,
    pub(crate) attempts: u32,
}

impl Settings {
    /// Reads what is said of `server`.
    ///
    /// # Errors
    ///
    /// [`Error`] for what is set and means nothing, and if there is no token and nothing to log in with.
    pub(crate) fn new(server: &Server, wishes: &Wishes) -> Result<Self, Error> {
        let variables = Variables::of_service(server.service)?;
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
            None => READ_TIMEOUT,
            Some((name, text)) => seconds(&text)
                .ok_or_else(|| environment::Error::new(&name, text, "a time such as `60s`"))?,
        };
        let attempts = match variables.of("MAX_RETRIES")? {
            None => retry::MAX_ATTEMPTS,
            Some((name, text)) => match text.parse::<u32>() {
                Ok(retries) => retries.saturating_add(1),
                Err(_) => Err(environment::Error::new(&name, text, "a number"))?,
            },
        };
        Ok(Self {
            namespace: namespace.transpose()?,
            login: auth::login(variables, server, wishes)?,
            transport: Transport {
                trust: Trust::from_environment(variables)?,
                proxy: proxy(variables)?,
                patience,
            },
            attempts,
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
    let plain = url.starts_with("http://") || url.starts_with("https://");
    match Proxy::all(&url) {
        Ok(proxy) if plain => Ok(Some(proxy.no_proxy(NoProxy::from_env()))),
        _ => Err(Error::Proxy { variable }),
    }
}

/// What is wrong with what is said of Vault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is no URL of a server.
    #[error("{variable} is not the URL of a server")]
    Address {
        /// The variable or flag.
        variable: String,
    },
    /// The certificates that GitHub's endpoint is asked with cannot be used.
    #[error(transparent)]
    Bundle(#[from] ca_bundle::Error),
    /// The reference and the variable name different servers.
    #[error("the key is at `{named}`, and {variable} names `{other}`")]
    Contradiction {
        /// Which of the two programs the reference means.
        service: Service,
        /// What the reference names.
        named: Authority,
        /// The variable or flag.
        variable: String,
        /// What it names.
        other: Address,
    },
    /// There is no identity token to log in with.
    #[error("no login to {server}")]
    Identity {
        /// The server.
        server: Server,
        /// What is missing.
        source: token_source::Error,
        /// Whether there is what AppRole takes.
        approle: bool,
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
        missing: String,
    },
    /// Kubernetes takes a role.
    #[error("the login by Kubernetes needs a role")]
    NoRole,
    /// No token, and nothing to log in with.
    #[error("there is no token for {service}, and nothing to log in with")]
    NoToken {
        /// Which one.
        service: Service,
        /// Whose variables count.
        family: Service,
    },
    /// What is there cannot be a token.
    #[error("what {place} holds is not a token")]
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
    #[error("cannot read the token's file{}, which {variable} names: {reason}", quoted(path.as_deref()))]
    TokenFile {
        /// The variable.
        variable: String,
        /// The file, where it can be no token.
        path: Option<String>,
        /// What the operating system says.
        reason: String,
    },
    /// A flag that says nothing to the method.
    #[error("`{flag}` says nothing to the login by {method}")]
    Useless {
        /// The flag.
        flag: &'static str,
        /// The method.
        method: Method,
    },
    /// A token stands where its place belongs.
    #[error("`{0}` does not name where the identity token is")]
    TokenPlace(&'static str),
    /// A variable that means nothing.
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

fn quoted(path: Option<&str>) -> String {
    path.map_or_else(String::new, |path| format!(" `{path}`"))
}
