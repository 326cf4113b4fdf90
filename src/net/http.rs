//! The HTTP client of every AWS service, with bounded responses.
//!
//! The SDK reads error and control responses whole before it looks at them, so a server could send as much as
//! memory holds. Every body ends in an error beyond [`MAX_RESPONSE_LEN`].

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use s3lo_core::text::clipped;

use crate::net::ca_bundle::Bundle;
use crate::net::error_chain::innermost;
use crate::net::many_headers::{Repeatable, TolerantClients, without_metadata};
use crate::net::retry;
use crate::net::url::is_near;

/// The largest response that is read, in bytes: twice a manifest.
pub(crate) const MAX_RESPONSE_LEN: usize = 8 * 1024 * 1024;

/// Makes the client. It uses the proxies of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, and trusts the
/// certificates of `bundle` alone, or else the system's.
pub(crate) fn client(bundle: Option<Bundle>) -> SharedHttpClient {
    let tolerant = Arc::new(TolerantClients::new(bundle.clone()));
    let trust = match bundle {
        None => TrustStore::default(),
        Some(bundle) => TrustStore::empty().with_pem_certificate(bundle.into_pem()),
    };
    let plain = Builder::new().build_with_connector_fn(|settings, components| {
        connector(settings, components).build_http()
    });
    let near = Builder::new().build_with_connector_fn(|settings, components| {
        let connector = connector(settings, components);
        connector.proxy_config(ProxyConfig::disabled()).build_http()
    });
    let tls = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector =
            connector(settings, components).tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        // Building a context of a trust store alone does not fail.
        if let Ok(context) = TlsContext::builder()
            .with_trust_store(trust.clone())
            .build()
        {
            connector.set_tls_context(context);
        }
        connector.build()
    });
    SharedHttpClient::new(BoundedClient {
        near,
        plain,
        tls,
        tolerant,
    })
}

fn connector(
    settings: Option<&HttpConnectorSettings>,
    components: Option<&RuntimeComponents>,
) -> ConnectorBuilder {
    let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
    connector.set_connector_settings(settings.cloned());
    connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
    connector
}

/// One client for each scheme, since reading the system's certificates takes milliseconds that a server without
/// TLS need not cost; and one without a proxy for services of this host, which give out credentials without TLS.
#[derive(Clone, Debug)]
struct BoundedClient {
    near: SharedHttpClient,
    plain: SharedHttpClient,
    tls: SharedHttpClient,
    tolerant: Arc<TolerantClients>,
}

impl BoundedClient {
    fn for_uri(&self, uri: &str) -> &SharedHttpClient {
        if is_near(uri) {
            &self.near
        } else if uri.starts_with("http:") {
            &self.plain
        } else {
            &self.tls
        }
    }
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
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let logged = tracing::enabled!(tracing::Level::DEBUG).then(|| Call::of(&request));
        let client = self.client.for_uri(request.uri());
        // The client caches the connectors of these settings.
        let connector = client.http_connector(&self.settings, &self.components);
        let (again, near) = (Repeatable::of(&request), is_near(request.uri()));
        let tolerant = Arc::clone(&self.client.tolerant);
        let answer = connector.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await;
            if let (Err(error), Some(again)) = (&answer, again)
                && let Some(read) = tolerant.repeat(again, near, error).await
            {
                answer = Ok(read);
            }
            if let Ok(answer) = &mut answer {
                without_metadata(answer);
            }
            if let Some(call) = logged {
                call.log(answer.as_ref());
            }
            let bounded = |body| SdkBody::from_body_1_x(Limited::new(body, MAX_RESPONSE_LEN));
            Ok(answer?.map(bounded))
        })
    }
}

/// A request as `--verbose` shows it: without headers and query, which may hold its signature.
struct Call {
    asked: String,
    begun: Instant,
}

impl Call {
    fn of(request: &HttpRequest) -> Self {
        let header = |name| request.headers().get(name);
        let uri = request.uri().split('?').next().unwrap_or_default();
        let action = header("x-amz-target").unwrap_or_default();
        let of_sdk = header("amz-sdk-request")
            .and_then(|text| text.strip_prefix("attempt="))
            .and_then(|text| text.split(';').next());
        let attempt = match retry::number() {
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
