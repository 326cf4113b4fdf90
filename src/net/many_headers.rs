//! A second client for a response whose head the first one cannot read.
//!
//! The writer of an object in S3 sets its metadata, which come back as headers: more than the hundred that hyper reads,
//! or with values that are no header. Neither may keep the object's reader from its bytes. The SDK's connector has no
//! setting for either; reqwest, which Vault is asked with, has both.

use std::fmt;
use std::sync::LazyLock;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, ClientBuilder, Method, Proxy, Request, Url};

use crate::net::ca_bundle::Bundle;
use crate::net::error_chain::find_source;
use crate::net::proxy::Proxies;
use crate::net::{CONNECT_TIMEOUT, READ_TIMEOUT};

/// The most headers that are read. S3 takes 2 KB of metadata, which are some thousand entries of one letter.
const MAX_HEADERS: usize = 4096;

/// Clients as those of [`http`](super::http), made when first needed.
pub(crate) struct TolerantClients {
    /// Without a proxy, for this machine.
    near: LazyClient,
    far: LazyClient,
}

type LazyClient = LazyLock<Option<Client>, Box<dyn FnOnce() -> Option<Client> + Send + Sync>>;

impl fmt::Debug for TolerantClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TolerantClients").finish_non_exhaustive()
    }
}

impl TolerantClients {
    pub(crate) fn new(bundle: Option<Bundle>, proxies: Proxies) -> Self {
        let of = bundle.clone();
        let proxy = Proxy::custom(move |url| {
            let proxy = proxies.for_url(url);
            proxy.map(|proxy| proxy.secret_url().to_owned())
        });
        Self {
            near: LazyLock::new(Box::new(move || trusting(of, builder()).build().ok())),
            far: LazyLock::new(Box::new(move || {
                trusting(bundle, builder().proxy(proxy)).build().ok()
            })),
        }
    }

    /// The same request once more, if that can be sent again and the error is about the response's head. `None` if it
    /// stays as it was.
    pub(crate) async fn repeat(
        &self,
        request: Repeatable,
        near: bool,
        error: &ConnectorError,
    ) -> Option<HttpResponse> {
        let is_about_the_head = find_source::<hyper::Error>(error)?.is_parse();
        if !is_about_the_head {
            return None;
        }
        let client = if near { &self.near } else { &self.far };
        let client = LazyLock::force(client).as_ref()?;
        let response = client.execute(request.0).await.ok()?;
        tracing::debug!("the response was read again, with a higher limit of headers");
        converted(response)
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .http1_only()
        .http1_max_headers(MAX_HEADERS)
        .http1_ignore_invalid_headers_in_responses(true)
}

fn trusting(bundle: Option<Bundle>, builder: ClientBuilder) -> ClientBuilder {
    match bundle {
        None => builder,
        Some(bundle) => builder.tls_certs_only(bundle.into_certificates()),
    }
}

/// A request that changes nothing and has no body, as it was signed.
pub(crate) struct Repeatable(Request);

impl Repeatable {
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        if request.method() != "GET" {
            return None;
        }
        let mut copy = Request::new(Method::GET, Url::parse(request.uri()).ok()?);
        for (name, value) in request.headers() {
            let name: reqwest::header::HeaderName = name.parse().ok()?;
            copy.headers_mut().append(name, value.parse().ok()?);
        }
        Some(Self(copy))
    }
}

fn converted(response: reqwest::Response) -> Option<HttpResponse> {
    let status = response.status().as_u16().try_into().ok()?;
    let headers = response.headers().clone();
    let body = SdkBody::from_body_1_x(Body::from(response));
    let mut converted = HttpResponse::new(status, body);
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            let _ = converted
                .headers_mut()
                .try_append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Some(converted)
}

/// Removes the metadata that an object's writer set: they are not used here, and the SDK fails where one is not UTF-8.
pub(crate) fn without_metadata(response: &mut HttpResponse) {
    let headers = response.headers_mut();
    let names: Vec<String> = headers
        .iter_bytes()
        .filter(|(name, value)| {
            name.starts_with("x-amz-meta-") || std::str::from_utf8(value).is_err()
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in names {
        headers.remove(name);
    }
}
