//! The HTTP client for Vault: it follows no redirect, since a token must not, and its answers are bounded.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, Request};
use zeroize::Zeroizing;

use crate::key::vault::client::address::Address;
use crate::key::vault::client::response::shown;
use crate::key::vault::client::tls::Trust;
use crate::net::error_chain::innermost;
use crate::net::unreachable::Unreachable;
use crate::net::{CONNECT_TIMEOUT, retry};

/// The largest answer that is read, in bytes: a key has some 1,000 bytes for each version of it.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// How the server is reached.
pub(crate) struct Transport {
    /// Whom to trust, and who we are.
    pub(crate) trust: Trust,
    /// The proxy, where one is named for Vault alone.
    pub(crate) proxy: Option<Proxy>,
    /// How long an answer may take.
    pub(crate) patience: Duration,
}

/// The client.
///
/// # Errors
///
/// What is wrong with certificates or keys.
pub(crate) fn client(address: &Address, transport: Transport) -> Result<Client, String> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(transport.patience)
        .http1_only()
        .user_agent(concat!("s3lo/", env!("CARGO_PKG_VERSION")));
    if address.is_loopback() {
        builder = builder.no_proxy();
    } else if let Some(proxy) = transport.proxy {
        builder = builder.proxy(proxy);
    }
    builder = if address.is_tls() {
        transport.trust.apply(builder)
    } else {
        // So the system's certificates, which nobody needs, are not read.
        builder.tls_certs_only([])
    };
    builder.build().map_err(|error| innermost(&error))
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Where a redirect leads.
    pub(crate) location: Option<String>,
    /// It may hold a token.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why nothing came back.
pub(crate) enum Broken {
    /// More than is read.
    Oversized,
    /// No answer, or none to its end; what happened.
    Unreachable(Unreachable),
}

/// Sends one request, and reads its answer.
pub(crate) async fn send(
    client: &Client,
    mut request: Request,
    secrets: &[&str],
) -> Result<Reply, Broken> {
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let asked = format!(
        "{} {} (attempt {})",
        request.method(),
        request.url(),
        retry::number().unwrap_or(1)
    );
    let begun = Instant::now();
    let reply = receive(client, request, secrets).await;
    let ms = begun.elapsed().as_millis();
    match &reply {
        Ok(reply) => {
            let (status, bytes) = (reply.status, reply.body.len());
            tracing::debug!("{asked}: {status} after {ms} ms, {bytes} bytes");
        }
        Err(Broken::Oversized) => tracing::debug!("{asked}: more than {MAX_ANSWER} bytes"),
        Err(Broken::Unreachable(reason)) => {
            tracing::debug!("{asked}: no answer after {ms} ms: {reason}");
        }
    }
    reply
}

async fn receive(client: &Client, request: Request, secrets: &[&str]) -> Result<Reply, Broken> {
    let broken = |error: reqwest::Error| Broken::Unreachable(reason(&error, secrets));
    let mut response = client.execute(request).await.map_err(broken)?;
    let location = response.headers().get(LOCATION);
    let location = location.map(|place| shown(&String::from_utf8_lossy(place.as_bytes()), secrets));
    let expected = response.content_length().unwrap_or_default();
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    if expected > MAX_ANSWER {
        return Err(Broken::Oversized);
    }
    // All at once, where the length is known: a growing buffer would leave copies of a token behind.
    let mut body = Zeroizing::new(Vec::with_capacity(expected.max(8 * 1024)));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
            return Err(Broken::Oversized);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status: response.status().as_u16(),
        location,
        body,
    })
}

fn reason(error: &reqwest::Error, secrets: &[&str]) -> Unreachable {
    if error.is_timeout() && !error.is_connect() {
        return "no answer in time".to_owned().into();
    }
    let unreachable = Unreachable::from_error(error);
    Unreachable {
        reason: shown(&unreachable.reason, secrets),
        ..unreachable
    }
}
