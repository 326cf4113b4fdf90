//! The HTTP client of every AWS service and of GitHub's identity tokens, with bounded responses.
//!
//! The SDK reads error and control responses whole before it looks at them, so a server could send as much as
//! memory holds. Every body ends in an error beyond [`MAX_RESPONSE_LEN`].

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use s3lo_core::text::clipped;
use url::Url;

use crate::net::ca_bundle::Bundle;
use crate::net::calls;
use crate::net::clock::ClockReadings;
use crate::net::error_chain::innermost;
use crate::net::large_body::{closing_after, connection_of};
use crate::net::many_headers::{Repeatable, TolerantClients, without_metadata};
use crate::net::proxy::{Proxies, Proxy};
use crate::net::sent::{Secrets, carries_identity_token};
use crate::net::unreachable;
use crate::net::unreachable::{Route, TlsExpected};
use crate::net::url::is_near;

/// The largest response that is read, in bytes: twice a manifest.
pub(crate) const MAX_RESPONSE_LEN: usize = 8 * 1024 * 1024;

/// The clients of a run. They share their connections.
#[derive(Clone)]
pub(crate) struct Clients {
    /// Refuses to send anything to another machine without TLS, unless that is allowed.
    pub(crate) guarded: SharedHttpClient,
    /// For stores, whose contents are trusted for their signatures alone.
    pub(crate) for_stores: SharedHttpClient,
    /// The clocks of the servers that answered.
    pub(crate) clocks: ClockReadings,
}

impl Clients {
    /// Clients that trust the certificates of `bundle` alone, or else the system's. An identity token never goes to
    /// another machine without TLS, even if `plain_http` is allowed.
    pub(crate) fn new(bundle: Option<Bundle>, proxies: Proxies, plain_http: bool) -> Self {
        let tolerant = Arc::new(TolerantClients::new(bundle.clone(), proxies.clone()));
        let trust = match bundle {
            None => TrustStore::default(),
            Some(bundle) => TrustStore::empty().with_pem_certificate(bundle.into_pem()),
        };
        let clocks = ClockReadings::default();
        let client = BoundedClient {
            clocks: clocks.clone(),
            direct: Transport::new(&trust, [None, None]),
            proxied: Transport::new(&trust, [false, true].map(|tls| proxies.for_scheme(tls))),
            proxies,
            plain_http: true,
            tolerant,
        };
        let guarded = BoundedClient {
            plain_http,
            ..client.clone()
        };
        Self {
            guarded: SharedHttpClient::new(guarded),
            for_stores: SharedHttpClient::new(client),
            clocks,
        }
    }
}

/// One client for each scheme, since reading the system's certificates takes milliseconds that a server without TLS
/// need not cost.
#[derive(Clone, Debug)]
struct Transport {
    plain: SharedHttpClient,
    tls: SharedHttpClient,
}

impl Transport {
    /// Clients of the proxies for the two schemes.
    fn new(trust: &TrustStore, [plain, tls]: [Option<&Proxy>; 2]) -> Self {
        let client = |proxy: Option<&Proxy>, tls: bool| {
            // The URL was parsed before.
            let proxy = proxy.and_then(|proxy| ProxyConfig::all(proxy.secret_url()).ok());
            let proxy = proxy.unwrap_or_else(ProxyConfig::disabled);
            let trust = trust.clone();
            Builder::new().build_with_connector_fn(move |settings, components| {
                let mut connector = Connector::builder().proxy_config(proxy.clone());
                connector.set_connector_settings(settings.cloned());
                connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
                if !tls {
                    return connector.build_http();
                }
                let mut connector = connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
                let context = TlsContext::builder().with_trust_store(trust.clone());
                // Building a context of a trust store alone does not fail.
                if let Ok(context) = context.build() {
                    connector.set_tls_context(context);
                }
                connector.build()
            })
        };
        Self {
            plain: client(plain, plain.is_some_and(Proxy::is_tls)),
            tls: client(tls, true),
        }
    }

    fn client(&self, tls: bool) -> &SharedHttpClient {
        if tls { &self.tls } else { &self.plain }
    }
}

#[derive(Clone, Debug)]
struct BoundedClient {
    direct: Transport,
    proxied: Transport,
    proxies: Proxies,
    plain_http: bool,
    tolerant: Arc<TolerantClients>,
    clocks: ClockReadings,
}

impl BoundedClient {
    /// The client for a URL, and the way through a proxy that it takes. Services of this host, which give out
    /// credentials without TLS, are asked directly.
    fn for_uri(&self, uri: &str) -> (&SharedHttpClient, Option<Route>) {
        let tls = !uri.starts_with("http:");
        let url = Url::parse(uri).ok().filter(|_| !is_near(uri));
        let proxy = url
            .as_ref()
            .and_then(|url| Some((url, self.proxies.for_url(url)?)));
        match proxy {
            None => (self.direct.client(tls), None),
            Some((url, proxy)) => (self.proxied.client(tls), Some(Route::new(proxy, url))),
        }
    }

    /// Refuses to send to another machine without TLS.
    fn check(&self, request: &HttpRequest) -> Result<(), WithoutTls> {
        if !request.uri().starts_with("http:") || is_near(request.uri()) {
            return Ok(());
        }
        if carries_identity_token(request) {
            return Err(WithoutTls::IdentityToken);
        }
        if self.plain_http {
            return Ok(());
        }
        Err(WithoutTls::Request)
    }
}

/// A request that would go to another machine without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WithoutTls {
    /// A request with an identity token.
    #[error("the identity token would be sent without TLS")]
    IdentityToken,
    /// Another request.
    #[error("the request would be sent without TLS")]
    Request,
}

impl HttpClient for BoundedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector {
            client: self.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

struct BoundedConnector {
    client: BoundedClient,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl fmt::Debug for BoundedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedConnector").finish_non_exhaustive()
    }
}

impl HttpConnector for BoundedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Err(error) = self.client.check(&request) {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
        }
        let noted = noted(&request);
        let attempt = noted.as_ref().and_then(|noted| noted.attempt);
        let logged = tracing::enabled!(tracing::Level::DEBUG).then(|| Call::of(&request, attempt));
        if let Some(call) = &logged {
            tracing::debug!("{}", call.asked);
        }
        let (client, route) = self.client.for_uri(request.uri());
        let secrets = Secrets::of(&request);
        let is_list =
            request.headers().contains_key(CONTENT_HASH) && request.uri().contains("list-type=2");
        let plain = request.uri().starts_with("http:");
        let (again, near) = (Repeatable::of(&request), is_near(request.uri()));
        let tolerant = Arc::clone(&self.client.tolerant);
        let clocks = self.client.clocks.clone();
        let connection = connection_of(&mut request);
        // The client caches the connectors of these settings.
        let connector = client.http_connector(&self.settings, &self.components);
        let answer = connector.call(request);
        HttpConnectorFuture::new(async move {
            let bounded = |body| {
                let body = closing_after(connection.clone(), body);
                SdkBody::from_body_1_x(Limited::new(body, MAX_RESPONSE_LEN))
            };
            let mut answer = answer.await;
            if let (Err(error), Some(again)) = (&answer, again)
                && let Some(read) = tolerant.repeat(again, near, error).await
            {
                answer = Ok(read);
            }
            if let Ok(answer) = &mut answer {
                without_metadata(answer);
                clocks.note(answer);
            }
            let answer = match answer {
                Ok(answer) => misdirected(answer.map(bounded), plain, route).await,
                Err(error) => Err(unreachable::explain(error, plain, route)),
            };
            let answer = match answer {
                // A response may be a secret itself: a session's token begins as the one before, and an identity
                // token as the bearer that it is given for. Nor is an object an answer about the request.
                Ok(mut answer) if answer.status().is_success() && !is_list => {
                    secrets.remove_from_headers(&mut answer);
                    Ok(answer)
                }
                Ok(answer) => secrets.removed_from(answer).await,
                other => other,
            };
            if let Some(call) = logged {
                call.log(answer.as_ref());
            }
            drop(noted);
            answer
        })
    }
}

/// The header that requests to S3 have, and no others.
const CONTENT_HASH: &str = "x-amz-content-sha256";

/// The response, unless it is the refusal of a proxy on the way, or of a server that expects TLS.
async fn misdirected(
    mut answer: HttpResponse,
    plain: bool,
    route: Option<Route>,
) -> Result<HttpResponse, ConnectorError> {
    if !plain {
        return Ok(answer);
    }
    match (answer.status().as_u16(), route) {
        (407, Some(route)) => Err(route.refused()),
        (400, _) => {
            let body = answer.take_body().collect().await;
            let body = body.map_err(ConnectorError::io)?.to_bytes();
            if unreachable::expects_tls(&body) {
                return Err(ConnectorError::user(TlsExpected.into()));
            }
            *answer.body_mut() = SdkBody::from(body);
            Ok(answer)
        }
        _ => Ok(answer),
    }
}

/// Notes a request as a part of the call in progress. Nothing waits for the `OPTIONS` that open a connection early.
fn noted(request: &HttpRequest) -> Option<calls::Request> {
    if request.method() == "OPTIONS" {
        return None;
    }
    let url = without_query(request);
    let server = calls::server_of(url);
    Some(calls::request(
        service(request),
        request.method(),
        url,
        server,
    ))
}

/// The name of the service that a request of the SDK is for.
fn service(request: &HttpRequest) -> Option<&'static str> {
    let client = request.headers().get("x-amz-user-agent")?;
    let api = client
        .split(' ')
        .find_map(|word| word.strip_prefix("api/"))?;
    Some(match api.split('/').next()? {
        "s3" => "S3",
        "kms" => "KMS",
        "sts" => "STS",
        "imds" => "the instance metadata service",
        "sso" | "ssooidc" => "IAM Identity Center",
        _ => "AWS",
    })
}

/// The URL of a request without its query, which may hold a signature.
fn without_query(request: &HttpRequest) -> &str {
    request.uri().split('?').next().unwrap_or_default()
}

/// A request as `--verbose` shows it: without headers and query, which may hold its signature.
struct Call {
    asked: String,
    begun: Instant,
}

impl Call {
    fn of(request: &HttpRequest, attempt: Option<u32>) -> Self {
        let header = |name| request.headers().get(name);
        let uri = without_query(request);
        let action = header("x-amz-target").unwrap_or_default();
        let of_sdk = header("amz-sdk-request").and_then(|text| {
            text.split(';')
                .find_map(|part| part.trim().strip_prefix("attempt="))
        });
        let attempt = match attempt {
            Some(number) => number.to_string(),
            None => of_sdk.unwrap_or("1").to_owned(),
        };
        let bytes = request.body().content_length().unwrap_or_default();
        let space = if action.is_empty() { "" } else { " " };
        Self {
            asked: format!(
                "{} {uri}{space}{action} ({bytes} bytes, attempt {attempt})",
                request.method()
            ),
            begun: Instant::now(),
        }
    }

    fn log(&self, answer: Result<&HttpResponse, &ConnectorError>) {
        let (asked, ms) = (&self.asked, self.begun.elapsed().as_millis());
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!("{asked}: no answer after {ms} ms: {}", innermost(error));
                return;
            }
        };
        let header = |name| answer.headers().get(name);
        let id = request_id(answer)
            .or_else(|| header("x-github-request-id"))
            .unwrap_or("-");
        let bytes = match (answer.body().content_length(), header("content-length")) {
            (_, Some(length)) => clipped(length),
            (Some(length), None) => length.to_string(),
            (None, None) => "?".to_owned(),
        };
        tracing::debug!(
            "{asked}: {} after {ms} ms, {bytes} bytes, request ID {}",
            answer.status().as_u16(),
            clipped(id)
        );
    }
}

/// The ID that S3, or KMS and STS, give a request.
pub(crate) fn request_id(response: &HttpResponse) -> Option<&str> {
    let header = |name| response.headers().get(name);
    header("x-amz-request-id").or_else(|| header("x-amzn-requestid"))
}
