//! The secrets of a request, which no response may bring back into messages and logs.

use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::net::error_chain::innermost;
use crate::text::SecretParts;

/// The tokens of a request: an identity token, a bearer, the token of a session.
pub(crate) struct Secrets(Vec<SecretString>);

/// The field of a form that holds an identity token for STS.
const IDENTITY_TOKEN: &str = "WebIdentityToken";

impl Secrets {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let header = |name| request.headers().get(name);
        let tokens = [
            "x-amz-security-token",
            "x-amz-s3session-token",
            "x-amz-sso_bearer_token",
            "x-aws-ec2-metadata-token",
        ];
        let mut secrets: Vec<_> = tokens.into_iter().filter_map(header).collect();
        // A signature is no secret.
        let credential = header("authorization").filter(|text| !text.starts_with("AWS4-"));
        secrets.extend(credential.and_then(|text| text.split_whitespace().next_back()));
        let mut secrets: Vec<_> = secrets.into_iter().map(SecretString::from).collect();
        secrets.extend(identity_token(request));
        Self(secrets)
    }

    /// Removes them from the headers of a response.
    pub(crate) fn remove_from_headers(&self, response: &mut HttpResponse) {
        if !self.0.is_empty() {
            remove_from_headers(&parts(&self.forms()), response);
        }
    }

    /// The response without them, in its headers and its body.
    ///
    /// # Errors
    ///
    /// An incomplete body.
    pub(crate) async fn removed_from(
        &self,
        mut response: HttpResponse,
    ) -> Result<HttpResponse, ConnectorError> {
        if self.0.is_empty() {
            return Ok(response);
        }
        let forms = self.forms();
        let secrets = parts(&forms);
        remove_from_headers(&secrets, &mut response);
        let body = response.take_body().collect().await;
        let unreadable = |error: BoxError| {
            let reason = innermost(&*error);
            ConnectorError::io(Unreadable { reason }.into())
        };
        let bytes = body.map_err(unreadable)?.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        let clean = secrets.removed_from(&text);
        *response.body_mut() = if clean == text {
            SdkBody::from(bytes.clone())
        } else {
            SdkBody::from(clean)
        };
        Ok(response)
    }

    fn forms(&self) -> Vec<Zeroizing<String>> {
        self.0.iter().flat_map(forms).collect()
    }
}

fn parts(forms: &[Zeroizing<String>]) -> SecretParts<'_> {
    let forms: Vec<_> = forms.iter().map(|form| form.as_str()).collect();
    SecretParts::of(&forms)
}

fn remove_from_headers(secrets: &SecretParts<'_>, response: &mut HttpResponse) {
    let headers = response.headers().iter().filter_map(|(name, value)| {
        let clean = secrets.removed_from(value);
        (clean != value).then(|| (name.to_owned(), clean))
    });
    for (name, clean) in headers.collect::<Vec<_>>() {
        // A header that cannot hold the text is dropped.
        if response
            .headers_mut()
            .try_insert(name.clone(), clean)
            .is_err()
        {
            response.headers_mut().remove(name);
        }
    }
}

/// A secret as it is, and as URLs and JSON encode it where that differs.
fn forms(secret: &SecretString) -> Vec<Zeroizing<String>> {
    let secret = secret.expose_secret();
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let escaped = secret.replace('/', r"\/");
    let others = [encoded, escaped].into_iter();
    let mut forms = vec![Zeroizing::new(secret.to_owned())];
    forms.extend(others.filter(|form| form != secret).map(Zeroizing::new));
    forms
}

/// A body that breaks off, or is larger than any that is read.
#[derive(Debug, thiserror::Error)]
#[error("its answer cannot be read: {reason}")]
struct Unreadable {
    reason: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// The identity token in a request to STS.
fn identity_token(request: &HttpRequest) -> Option<SecretString> {
    let body = request.body().bytes()?;
    let mut fields = form_urlencoded::parse(body);
    let (_, token) = fields.find(|(name, _)| name == IDENTITY_TOKEN)?;
    Some(SecretString::from(token.into_owned()))
}

/// Whether a request carries an identity token.
pub(crate) fn carries_identity_token(request: &HttpRequest) -> bool {
    identity_token(request).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> HttpRequest {
        let body = "Action=AssumeRoleWithWebIdentity&WebIdentityToken=ey.claims.signature";
        let mut request = HttpRequest::new(SdkBody::from(body));
        let headers = request.headers_mut();
        headers.insert("authorization", "bearer the-bearer");
        headers.insert("x-amz-security-token", "session/token+of==");
        request
    }

    #[tokio::test]
    async fn an_echo_is_removed_from_headers_and_body() {
        let echo = "no: ey.claims.signature, session%2Ftoken%2Bof%3D%3D, the-bearer";
        let mut response = HttpResponse::new(400.try_into().unwrap(), SdkBody::from(echo));
        let headers = response.headers_mut();
        headers.insert("x-amzn-requestid", "a session/token+of== b");
        let clean = Secrets::of(&request())
            .removed_from(response)
            .await
            .unwrap();
        assert_eq!(clean.body().bytes().unwrap(), "no: …, …, …".as_bytes());
        assert!(
            !clean
                .headers()
                .iter()
                .any(|(_, value)| value.contains("token"))
        );
    }

    #[test]
    fn a_signature_is_no_secret() {
        let mut request = HttpRequest::new(SdkBody::empty());
        let header =
            "AWS4-HMAC-SHA256 Credential=A/1/2/3, SignedHeaders=host, Signature=0123456789";
        request.headers_mut().insert("authorization", header);
        assert!(Secrets::of(&request).0.is_empty());
        assert!(!carries_identity_token(&request));
    }
}
