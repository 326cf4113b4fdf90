//! The configuration of a client: from flags, from the variables of Vault's own client, and from those of GitLab.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::environment;
use crate::key::vault::client::address::{Address, Server, ServerName};
use crate::key::vault::client::auth;
use crate::key::vault::client::auth::Auth;
use crate::key::vault::client::http;
use crate::key::vault::client::http::Transport;
use crate::key::vault::client::mount::Mount;
use crate::key::vault::client::options::{Error, Options};
use crate::key::vault::client::tls::Trust;
use crate::key::vault::client::variables::Variables;
use crate::mask::Mask;
use crate::net::READ_TIMEOUT;
use crate::net::proxy::Proxies;
use crate::net::retry;

/// The configuration of a client.
pub(crate) struct Config {
    pub(crate) namespace: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) transport: Transport,
    pub(crate) attempts: u32,
}

impl Config {
    /// Reads options and variables for `server`.
    ///
    /// # Errors
    ///
    /// [`Error`] for an invalid option or variable, and if there is neither a token nor a way to log in.
    pub(crate) fn new(server: &Server, options: &Options, mask: &Mask) -> Result<Self, Error> {
        let variables = Variables::of_product(server.product)?;
        let namespace = match &options.namespace {
            Some(namespace) => Some(("--vault-namespace".to_owned(), namespace.clone())),
            None => variables.value("NAMESPACE")?,
        };
        // A slash alone is the root, which needs no header.
        let namespace =
            namespace.filter(|(_, text)| text.is_empty() || text.bytes().any(|byte| byte != b'/'));
        let namespace = namespace.map(|(name, text)| {
            let path = Mount::parse(&text)
                .ok_or_else(|| environment::Error::new(&name, text, "the path of a namespace"))?;
            Ok::<_, Error>(path.to_string())
        });
        let timeout = match variables.value("CLIENT_TIMEOUT")? {
            None => READ_TIMEOUT,
            Some((name, text)) => seconds(&text)
                .ok_or_else(|| environment::Error::new(&name, text, "a time such as `60s`"))?,
        };
        let attempts = match variables.value("MAX_RETRIES")? {
            None => retry::MAX_ATTEMPTS,
            Some((name, text)) => match text.parse::<u32>() {
                Ok(retries) => retries.saturating_add(1),
                Err(_) => Err(environment::Error::new(&name, text, "a number"))?,
            },
        };
        let proxies = proxies(variables)?;
        Ok(Self {
            namespace: namespace.transpose()?,
            auth: auth::choose(variables, server, options, mask)?,
            transport: Transport {
                trust: Trust::from_environment(variables)?,
                server_name: server_name(variables, &server.address, &proxies)?,
                proxies,
                timeout,
            },
            attempts,
        })
    }
}

/// Reads a number of seconds, or a duration as Go writes it.
fn seconds(text: &str) -> Option<Duration> {
    let time = match text.parse::<NonZeroU64>() {
        Ok(seconds) => Duration::from_secs(seconds.get()),
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    (!time.is_zero()).then_some(time)
}

/// The variable of the proxy for this server alone, and its value.
fn proxy_variable(variables: Variables) -> Result<Option<(String, String)>, environment::Error> {
    Ok(match variables.value("PROXY_ADDR")? {
        None => variables.value("HTTP_PROXY")?,
        found => found,
    })
}

fn proxies(variables: Variables) -> Result<Proxies, Error> {
    let proxies = match proxy_variable(variables)? {
        Some((variable, url)) => Proxies::only(&variable, &url),
        None => Proxies::from_environment(),
    };
    proxies.map_err(Error::Proxy)
}

/// The name that the server's certificate is for. A proxy would be asked for that name, and not for the server.
fn server_name(
    variables: Variables,
    address: &Address,
    proxies: &Proxies,
) -> Result<Option<ServerName>, Error> {
    let Some((variable, text)) = variables.value("TLS_SERVER_NAME")? else {
        return Ok(None);
    };
    if !address.is_tls() {
        return Ok(None);
    }
    let name = ServerName::parse(&text).ok_or_else(|| {
        environment::Error::new(
            &variable,
            text,
            "the domain name in the server's certificate",
        )
    })?;
    if http::proxied(address, proxies).is_some() {
        return Err(Error::ServerNameByProxy { variable });
    }
    Ok(Some(name))
}
