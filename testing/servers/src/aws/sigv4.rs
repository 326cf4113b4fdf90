//! The caller of a request: AWS Signature Version 4, computed once more and compared.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use sha2::{Digest as _, Sha256};

use crate::http::Request;
use crate::iam::Policy;

use super::{ACCOUNT, REGION, hex, now};

/// Credentials, as their holder has them.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

impl Credentials {
    /// The variables in which the SDK finds them.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("AWS_ACCESS_KEY_ID".to_owned(), self.access_key_id.clone()),
            (
                "AWS_SECRET_ACCESS_KEY".to_owned(),
                self.secret_access_key.clone(),
            ),
        ];
        if let Some(token) = &self.session_token {
            variables.push(("AWS_SESSION_TOKEN".to_owned(), token.clone()));
        }
        variables
    }
}

/// The holder of the credentials.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) arn: String,
    pub(super) user_id: String,
    pub(super) policy: Policy,
    /// Of the request: the region of the service that it was signed for.
    pub(super) region: String,
}

impl Caller {
    /// May do everything with the keys of [`REGION`].
    pub(super) fn anyone() -> Self {
        Self {
            arn: format!("arn:aws:iam::{ACCOUNT}:user/anyone"),
            user_id: String::new(),
            policy: Policy::everything(),
            region: REGION.to_owned(),
        }
    }
}

/// Credentials, as the server knows them.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) credentials: Credentials,
    pub(super) caller: Caller,
    /// In seconds since 1970.
    pub(super) expires: Option<u64>,
}

/// Why the caller of a request is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    Unsigned,
    UnknownKey,
    Expired,
    Signature(String),
}

/// The parts of an `Authorization`.
struct Authorization<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let fields: BTreeMap<_, _> = header
            .strip_prefix("AWS4-HMAC-SHA256 ")?
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
            .collect();
        let credential: Vec<_> = fields.get("Credential")?.split('/').collect();
        let [access_key, date, region, service, "aws4_request"] = credential[..] else {
            return None;
        };
        Some(Self {
            access_key,
            date,
            region,
            service,
            signed_headers: fields.get("SignedHeaders")?.split(';').collect(),
            signature: fields.get("Signature")?,
        })
    }
}

/// The region in a request's signature.
pub(super) fn region(request: &Request) -> Option<String> {
    let authorization = request.headers.get("authorization")?;
    Authorization::parse(authorization).map(|parts| parts.region.to_owned())
}

/// The key ID in a request's signature.
pub(super) fn access_key(request: &Request) -> Option<String> {
    let authorization = request.headers.get("authorization")?;
    Authorization::parse(authorization).map(|parts| parts.access_key.to_owned())
}

/// Finds out whose a request to `service` is.
pub(super) fn caller(
    request: &Request,
    service: &str,
    known: &BTreeMap<String, Issued>,
) -> Result<Caller, Stranger> {
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    let written = header("authorization").ok_or(Stranger::Unsigned)?;
    let Some(parts) = Authorization::parse(written) else {
        return Err(Stranger::Signature(
            "Authorization header is malformed.".to_owned(),
        ));
    };
    let issued = known.get(parts.access_key).ok_or(Stranger::UnknownKey)?;
    let token = issued.credentials.session_token.as_deref();
    if header("x-amz-security-token") != token {
        return Err(Stranger::UnknownKey);
    }
    if issued.expires.is_some_and(|expires| expires <= now()) {
        return Err(Stranger::Expired);
    }
    if parts.service != service {
        return Err(Stranger::Signature(format!(
            "Credential should be scoped to correct service: '{service}'."
        )));
    }
    let mut needed = vec!["host", "x-amz-date"];
    needed.extend(token.map(|_| "x-amz-security-token"));
    if let Some(missing) = needed
        .into_iter()
        .find(|name| !parts.signed_headers.contains(name))
    {
        return Err(Stranger::Signature(format!(
            "'{missing}' must be a 'SignedHeader' in the AWS Authorization."
        )));
    }
    if signature(request, &parts, &issued.credentials.secret_access_key) != parts.signature {
        return Err(Stranger::Signature(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details."
                .to_owned(),
        ));
    }
    Ok(Caller {
        region: parts.region.to_owned(),
        ..issued.caller.clone()
    })
}

fn signature(request: &Request, parts: &Authorization<'_>, secret: &str) -> String {
    let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
    let mut query: Vec<_> = request.query.split('&').collect();
    query.sort_unstable();
    let mut canonical = format!(
        "{}\n{}\n{}\n",
        request.method,
        request.path,
        query.join("&")
    );
    for name in &parts.signed_headers {
        let value: Vec<_> = header(name).split_whitespace().collect();
        canonical.push_str(&format!("{name}:{}\n", value.join(" ")));
    }
    canonical.push_str(&format!(
        "\n{}\n{}",
        parts.signed_headers.join(";"),
        hex(&Sha256::digest(&request.body))
    ));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{}/{}/{}/aws4_request\n{}",
        header("x-amz-date"),
        parts.date,
        parts.region,
        parts.service,
        hex(&Sha256::digest(canonical))
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for step in [
        parts.date,
        parts.region,
        parts.service,
        "aws4_request",
        &to_sign,
    ] {
        let of = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&of, step.as_bytes()).as_ref().to_vec();
    }
    hex(&key)
}
