//! The reason why a server gave no usable response, and the advice on it, the same for every service.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::result::ConnectorError;
use url::Url;

use crate::net::error_chain::{chain, find_source, innermost};
use crate::net::proxy::Proxy;
use crate::net::tls::{TlsFailure, listed};

/// The reason why there is no usable response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// The innermost error, in words.
    pub reason: String,
    /// The kind of failure, if it has a remedy of its own.
    pub cause: Option<Cause>,
}

/// A kind of failure with a remedy of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The proxy wants a user and a password, or others.
    ProxyAuthorization(Route),
    /// The proxy cannot be reached.
    ProxyUnreachable(Route),
    /// The proxy opens no connection to the server.
    ProxyRefusal(Route),
    /// TLS failed.
    Tls(TlsFailure),
    /// The server speaks TLS, and was asked without.
    TlsExpected,
}

/// The way to a server through a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the way to {host} leads through the proxy {proxy}")]
pub struct Route {
    proxy: String,
    variable: String,
    host: String,
}

impl Route {
    /// The way to a URL.
    pub(crate) fn new(proxy: &Proxy, url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        Self {
            proxy: proxy.to_string(),
            variable: proxy.variable().to_owned(),
            host: format!("{host}:{port}"),
        }
    }

    /// The error of a request that the proxy answered with 407. The same password is not sent again, since accounts
    /// are locked after some attempts.
    pub(crate) fn refused(self) -> ConnectorError {
        ConnectorError::user(Authorization(self).into())
    }
}

/// A proxy's answer with the status 407.
#[derive(Debug, thiserror::Error)]
#[error("proxy authorization required")]
struct Authorization(Route);

/// An error on the way through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("{route}")]
struct Proxied {
    route: Route,
    source: ConnectorError,
}

/// A server's answer that it expects TLS.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server speaks TLS there")]
pub(crate) struct TlsExpected;

/// The error of a request, with the proxy on its way.
pub(crate) fn explain(error: ConnectorError, plain: bool, route: Option<Route>) -> ConnectorError {
    if plain && is_tls_alert(&error) {
        return ConnectorError::user(TlsExpected.into());
    }
    let Some(route) = route else {
        return error;
    };
    if tunnel_error(&error) == Some(Tunnel::Authorization) {
        return route.refused();
    }
    let (is_timeout, kind) = (error.is_timeout(), error.as_other());
    let proxied = Box::new(Proxied {
        route,
        source: error,
    });
    match kind {
        _ if is_timeout => ConnectorError::timeout(proxied),
        Some(kind) => ConnectorError::other(proxied, Some(kind)),
        None => ConnectorError::io(proxied),
    }
}

/// Whether the answer to a request without TLS begins as a message of TLS: no version of HTTP does.
pub(crate) fn is_tls_alert(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.to_string() == "invalid HTTP version parsed")
}

/// Whether a body with the status 400 is that of a server that expects TLS: those of Go (MinIO, Vault), nginx, Apache.
pub(crate) fn expects_tls(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    [
        "HTTP request to an HTTPS server",
        "plain HTTP request was sent to HTTPS port",
        "plain HTTP to an SSL-enabled server port",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// A failure to open a way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tunnel {
    Authorization,
    Connection,
    Refusal,
}

/// The HTTP library's words for the failure, whose type it does not give away.
fn tunnel_error(error: &(dyn Error + 'static)) -> Option<Tunnel> {
    let text = chain(error)
        .map(ToString::to_string)
        .find(|text| text.starts_with("tunnel error: "))?;
    Some(match text.as_str() {
        "tunnel error: proxy authorization required" => Tunnel::Authorization,
        "tunnel error: failed to create underlying connection" => Tunnel::Connection,
        _ => Tunnel::Refusal,
    })
}

impl Unreachable {
    /// The reason that an error's sources hold.
    pub(crate) fn from_error(error: &(dyn Error + 'static)) -> Self {
        let route = find_source::<Authorization>(error).map(|Authorization(route)| route);
        let route = route.or_else(|| Some(&find_source::<Proxied>(error)?.route));
        Self::by(error, route)
    }

    /// The reason that the sources of an error hold, of a request that took this way.
    pub(crate) fn by(error: &(dyn Error + 'static), route: Option<&Route>) -> Self {
        let with_route = |reason: String, cause: fn(Route) -> Cause, route: &Route| Self {
            reason,
            cause: Some(cause(route.clone())),
        };
        if find_source::<TlsExpected>(error).is_some() {
            return Self::tls_expected();
        }
        let tunnel = match find_source::<Authorization>(error) {
            Some(_) => Some(Tunnel::Authorization),
            None => tunnel_error(error),
        };
        if let Some(route) = route {
            let Route { proxy, host, .. } = route;
            match tunnel {
                Some(Tunnel::Authorization) => {
                    let reason = format!(
                        "the proxy {proxy} requires a user and a password for {host} (407)"
                    );
                    return with_route(reason, Cause::ProxyAuthorization, route);
                }
                Some(Tunnel::Refusal) => {
                    let reason = format!("the proxy {proxy} opens no connection to {host}");
                    return with_route(reason, Cause::ProxyRefusal, route);
                }
                Some(Tunnel::Connection) => {
                    let reason =
                        format!("the proxy {proxy} cannot be reached: {}", innermost(error));
                    return with_route(reason, Cause::ProxyUnreachable, route);
                }
                None => {}
            }
        }
        if let Some(error) = find_source::<rustls::Error>(error) {
            let (failure, reason) = TlsFailure::of(error);
            return Self {
                reason,
                cause: Some(Cause::Tls(failure)),
            };
        }
        let reason = innermost(error);
        // So the TLS library speaks of a connection that the server closed before its first message.
        if reason == "tls handshake eof" {
            return Self {
                reason: "the server closed the connection in the TLS handshake, and may not speak TLS there".to_owned(),
                cause: Some(Cause::Tls(TlsFailure::NotTls)),
            };
        }
        match route {
            Some(route) => {
                let reason = format!("{reason} (through the proxy {})", route.proxy);
                with_route(reason, Cause::ProxyUnreachable, route)
            }
            None => Self {
                reason,
                cause: None,
            },
        }
    }

    /// The reason that a proxy answered with 407.
    pub(crate) fn refused_by_proxy(route: &Route) -> Self {
        Self::by(&Authorization(route.clone()), Some(route))
    }

    /// The reason that a server that is asked without TLS expects it.
    pub(crate) fn tls_expected() -> Self {
        Self {
            reason: TlsExpected.to_string(),
            cause: Some(Cause::TlsExpected),
        }
    }

    /// Whether the same request would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        match &self.cause {
            Some(Cause::ProxyAuthorization(_) | Cause::TlsExpected) => true,
            Some(Cause::Tls(failure)) => failure.is_permanent(),
            _ => false,
        }
    }

    /// The advice on it, for a server whose settings these are; `otherwise` where the network may be to blame.
    pub(crate) fn help(
        &self,
        settings: &Settings<'_>,
        otherwise: impl FnOnce() -> String,
    ) -> String {
        match &self.cause {
            None => otherwise(),
            Some(Cause::ProxyAuthorization(route)) => format!(
                "check user and password in {0}=http://USER:PASSWORD@HOST:PORT, with `%40` for `@` and so on; or let the proxy pass {1} without, or name its host in NO_PROXY",
                route.variable, route.host
            ),
            Some(Cause::ProxyRefusal(route)) => format!(
                "let the proxy allow connections to {0}, or name its host in NO_PROXY to connect without the proxy",
                route.host
            ),
            Some(Cause::ProxyUnreachable(route)) => format!(
                "check the proxy in {}, and that it allows connections to {}; or name that host in NO_PROXY to connect without the proxy",
                route.variable, route.host
            ),
            Some(Cause::TlsExpected) => format!("write `https://` in {}", settings.address),
            Some(Cause::Tls(failure)) => tls_help(failure, settings),
        }
    }
}

/// The settings of a service that advice names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// The advice where the authority of its certificate is not trusted.
    pub(crate) trust: &'a str,
    /// The place of its address.
    pub(crate) address: &'a str,
    /// The advice where the server wants a client certificate.
    pub(crate) client_certificate: &'a str,
}

/// The advice where a certificate for AWS, or for a server that is used in its place, is not trusted.
pub(crate) const AWS_TRUST: &str = "trust its authority with AWS_CA_BUNDLE=FILE, a file that names all authorities that the run needs (behind a proxy that inspects TLS the proxy's; for AWS itself Amazon's too); where a container has no certificates at all, install ca-certificates or let SSL_CERT_FILE name them";

/// The advice where a server in the place of AWS wants a client certificate.
pub(crate) const AWS_CLIENT_CERTIFICATE: &str = "configure the server not to ask for one: this program presents a client certificate only to Vault";

fn tls_help(failure: &TlsFailure, settings: &Settings<'_>) -> String {
    let Settings {
        trust,
        address,
        client_certificate,
    } = settings;
    match failure {
        TlsFailure::CaCertificate => {
            "give the server a certificate of its own: make it with `basicConstraints=CA:FALSE`, and trust it, or the authority that signs it".to_owned()
        }
        TlsFailure::ClientCertificate => (*client_certificate).to_owned(),
        TlsFailure::Expired => {
            "renew the server's certificate; or set this machine's clock, if that is wrong".to_owned()
        }
        TlsFailure::NotYetValid => {
            "set this machine's clock, for example with `timedatectl set-ntp true`; or give the server a certificate that is valid now".to_owned()
        }
        TlsFailure::OtherName(names) if names.is_empty() => format!(
            "give the server a certificate whose subjectAltName is the host in {address}"
        ),
        TlsFailure::OtherName(names) => format!(
            "reach the server by a name of its certificate, {}, in {address}; or give it a certificate for the name that you use",
            listed(names)
        ),
        TlsFailure::UnknownIssuer => (*trust).to_owned(),
        TlsFailure::NotTls => {
            format!("check the port; if the server speaks plain HTTP there, write `http://` in {address}")
        }
        TlsFailure::Unsupported => {
            "give the server a certificate of X.509 version 3 without that, signed with SHA-256 or better".to_owned()
        }
        TlsFailure::InvalidCertificate => "give the server a valid certificate".to_owned(),
        TlsFailure::Handshake => format!(
            "check that the server in {address} speaks TLS 1.2 or 1.3 with ECDHE, and that no proxy or firewall on the way breaks it"
        ),
    }
}

/// A reason without a remedy of its own.
impl From<String> for Unreachable {
    fn from(reason: String) -> Self {
        Self {
            reason,
            cause: None,
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
