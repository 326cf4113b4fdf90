//! The HTTP client for Vault. It follows no redirect, which would carry the token along, and bounds each body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, Request};
use tokio::net::lookup_host;
use url::Url;
use zeroize::Zeroizing;

use crate::build_info::VERSION;
use crate::key::vault::client::address::{Address, ServerName};
use crate::key::vault::client::tls::Trust;
use crate::net::CONNECT_TIMEOUT;
use crate::net::calls;
use crate::net::error_chain::innermost;
use crate::net::proxy;
use crate::net::proxy::Proxies;
use crate::net::unreachable;
use crate::net::unreachable::{Route, Unreachable};
use crate::text::redacted;

/// The largest body that is read, in bytes. A key has some 1,000 bytes for each version.
const MAX_BODY_LEN: usize = 4 * 1024 * 1024;

/// Settings of the transport.
pub(crate) struct Transport {
    /// TLS settings.
    pub(crate) trust: Trust,
    /// The name that the server's certificate is for, where its address has another host.
    pub(crate) server_name: Option<ServerName>,
    /// The proxies of the environment, or the one for Vault alone.
    pub(crate) proxies: Proxies,
    /// The limit for one response.
    pub(crate) timeout: Duration,
}

/// Makes the client, and describes its way through a proxy.
///
/// # Errors
///
/// A description of what is wrong with certificates or keys.
pub(crate) fn client(
    address: &Address,
    transport: Transport,
) -> Result<(Client, Option<Route>), String> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(transport.timeout)
        .http1_only()
        .no_proxy()
        .user_agent(format!("s3lo/{VERSION}"));
    if let Some(socket) = address.socket() {
        builder = builder.unix_socket(socket);
    }
    if let Some(host) = address.host().filter(|_| transport.server_name.is_some()) {
        // Requests name the certificate's host, for which TLS asks. They go to the address nevertheless.
        builder = builder.dns_resolver(Arc::new(FixedHost(host)));
    }
    let mut route = None;
    if transport.server_name.is_none()
        && let Some((url, proxy)) = proxied(address, &transport.proxies)
    {
        let way = Proxy::all(proxy.secret_url()).map_err(|error| innermost(&error))?;
        builder = builder.proxy(way);
        route = Some(Route::new(proxy, &url));
    }
    builder = if address.is_tls() {
        transport.trust.apply(builder)
    } else {
        // So that the system's certificates, which are not needed, are not read.
        builder.tls_certs_only([])
    };
    let client = builder.build().map_err(|error| innermost(&error))?;
    Ok((client, route))
}

/// The URL of a server that is reached through a proxy, and that proxy.
pub(crate) fn proxied<'a>(
    address: &Address,
    proxies: &'a Proxies,
) -> Option<(Url, &'a proxy::Proxy)> {
    if address.is_loopback() {
        return None;
    }
    let url = Url::parse(&address.origin(None)).ok()?;
    let proxy = proxies.for_url(&url)?;
    Some((url, proxy))
}

/// A resolver that finds one host for any name.
struct FixedHost(String);

impl Resolve for FixedHost {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// An HTTP response.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The target of a redirect.
    pub(crate) location: Option<String>,
    /// The body, which may hold a token.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there was no usable response.
pub(crate) enum Failure {
    /// The body is larger than [`MAX_BODY_LEN`].
    Oversized,
    /// There was no complete response.
    Unreachable {
        reason: Unreachable,
        /// Whether the server may have received the request.
        sent: bool,
    },
}

/// Sends one request and reads its response.
pub(crate) async fn send(
    client: &Client,
    mut request: Request,
    route: Option<&Route>,
    secrets: &[&str],
) -> Result<Response, Failure> {
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (method, url) = (request.method().as_str(), request.url().as_str());
    let noted = calls::request(None, method, url, None);
    let attempt = noted.attempt.unwrap_or(1);
    let asked = format!("{method} {url} (attempt {attempt})");
    tracing::debug!("{asked}");
    let begun = Instant::now();
    let response = receive(client, request, route, secrets).await;
    drop(noted);
    let ms = begun.elapsed().as_millis();
    match &response {
        Ok(response) => {
            let (status, bytes) = (response.status, response.body.len());
            tracing::debug!("{asked}: {status} after {ms} ms, {bytes} bytes");
        }
        Err(Failure::Oversized) => tracing::debug!("{asked}: more than {MAX_BODY_LEN} bytes"),
        Err(Failure::Unreachable { reason, .. }) => {
            tracing::debug!("{asked}: no answer after {ms} ms: {reason}");
        }
    }
    response
}

async fn receive(
    client: &Client,
    request: Request,
    route: Option<&Route>,
    secrets: &[&str],
) -> Result<Response, Failure> {
    let plain = request.url().scheme() == "http";
    let broken = |error: reqwest::Error| Failure::Unreachable {
        reason: reason(&error, plain, route, secrets),
        sent: !error.is_connect(),
    };
    let mut answer = client.execute(request).await.map_err(broken)?;
    let location = answer.headers().get(LOCATION);
    let location =
        location.map(|place| redacted(&String::from_utf8_lossy(place.as_bytes()), secrets));
    let expected = answer.content_length().unwrap_or_default();
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    if expected > MAX_BODY_LEN {
        return Err(Failure::Oversized);
    }
    // All at once, where the length is known: a growing buffer would leave copies of a token behind.
    let mut body = Zeroizing::new(Vec::with_capacity(expected.max(8 * 1024)));
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if body.len().saturating_add(chunk.len()) > MAX_BODY_LEN {
            return Err(Failure::Oversized);
        }
        body.extend_from_slice(&chunk);
    }
    let status = answer.status().as_u16();
    if plain
        && status == 407
        && let Some(route) = route
    {
        return Err(Failure::Unreachable {
            reason: Unreachable::refused_by_proxy(route),
            sent: false,
        });
    }
    if plain && status == 400 && unreachable::expects_tls(&body) {
        return Err(Failure::Unreachable {
            reason: Unreachable::tls_expected(),
            sent: false,
        });
    }
    Ok(Response {
        status,
        location,
        body,
    })
}

fn reason(
    error: &reqwest::Error,
    plain: bool,
    route: Option<&Route>,
    secrets: &[&str],
) -> Unreachable {
    if error.is_timeout() && !error.is_connect() {
        return "no answer in time".to_owned().into();
    }
    if plain && unreachable::is_tls_alert(error) {
        return Unreachable::tls_expected();
    }
    let unreachable = Unreachable::by(error, route);
    Unreachable {
        reason: redacted(&unreachable.reason, secrets),
        ..unreachable
    }
}
