//! One HTTP client for every AWS service, whose answers are bounded.
//!
//! The SDK reads error and control answers whole before it looks at them. A server, or whoever sits
//! in its place, could send as much as memory holds; so every body ends in an error beyond
//! [`MAX_ANSWER`].

use std::time::Instant;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

use crate::text::clipped;

/// The largest answer that is read, in bytes: a manifest and room to spare.
pub(super) const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// The client. Proxies are those of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
pub(super) fn client() -> SharedHttpClient {
    let inner = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build()
    });
    SharedHttpClient::new(BoundedClient(inner))
}

#[derive(Debug)]
struct BoundedClient(SharedHttpClient);

impl HttpClient for BoundedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(
            self.0.http_connector(settings, components),
        ))
    }
}

#[derive(Debug)]
struct BoundedConnector(SharedHttpConnector);

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // Neither headers nor query: they can hold what signs the request.
        let uri = request.uri().split('?').next().unwrap_or_default();
        let asked = format!("{} {uri}", request.method());
        let begun = Instant::now();
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let ms = begun.elapsed().as_millis();
            match &answer {
                Ok(answer) => {
                    let id = answer.headers().get("x-amz-request-id").unwrap_or("-");
                    let status = answer.status().as_u16();
                    tracing::debug!(
                        "{asked}: {status} after {ms} ms, request ID {}",
                        clipped(id)
                    );
                }
                Err(_) => tracing::debug!("{asked}: no answer after {ms} ms"),
            }
            let bounded = |body| SdkBody::from_body_1_x(Limited::new(body, MAX_ANSWER));
            Ok(answer?.map(bounded))
        })
    }
}
