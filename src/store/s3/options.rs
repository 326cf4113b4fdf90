//! The options of S3, and how its stores are opened.

use std::sync::Arc;

use ::url::Url;
use async_trait::async_trait;
use clap::Args;
use s3lo_core::reference::{Reference, Scheme};

use crate::aws::arn::Account;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::net::url;
use crate::option_name::option;
use crate::store::s3::S3Store;
use crate::store::{Backend, Store};

/// The backend of buckets.
#[derive(Args, Clone, Debug, Default)]
pub struct S3 {
    /// Another S3 server, for example http://127.0.0.1:9000 (for S3 alone, path style)
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The account that the bucket must belong to
    #[arg(long, value_name = "ACCOUNT")]
    expected_bucket_owner: Option<Account>,
}

impl S3 {
    /// The server, if one is named.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }
}

#[async_trait]
impl Backend for S3 {
    fn scheme(&self) -> Scheme {
        Scheme::S3
    }

    fn check_options(&self, references: &[Reference]) -> Result<(), Diagnostic> {
        let in_s3 = |reference: &Reference| reference.scheme() == Scheme::S3;
        let name_a_bucket = "leave it away, or name a bucket: `s3://BUCKET/IMAGE:TAG`";
        if let Some(endpoint) = &self.endpoint {
            check_url(endpoint)?;
            if !references.iter().all(in_s3) {
                return Err(Diagnostic::unused_option(
                    option("endpoint"),
                    "`s3://` references alone",
                    name_a_bucket,
                ));
            }
        }
        if self.expected_bucket_owner.is_some() && !references.iter().any(in_s3) {
            return Err(Diagnostic::unused_option(
                option("expected-bucket-owner"),
                "`s3://` references",
                name_a_bucket,
            ));
        }
        Ok(())
    }

    async fn open(&self, root: &str, context: &Context) -> Result<Arc<dyn Store>, Diagnostic> {
        let aws = context.aws(None).await?;
        let owner = self.expected_bucket_owner.as_ref();
        Ok(Arc::new(S3Store::new(aws, root, self.endpoint(), owner)))
    }
}

/// Checks the URL of a server. The SDK accepts any text, and fails much later.
fn check_url(endpoint: &str) -> Result<(), Diagnostic> {
    let plain = |url: &Url| {
        let path = url.path().trim_matches('/');
        path.is_empty() && url.query().is_none() && url.fragment().is_none()
    };
    let message = match url::parse(endpoint) {
        _ if endpoint.contains('@') => {
            format!(
                "the URL of {} carries a user or a password",
                option("endpoint")
            )
        }
        Some(url) if plain(&url) => return Ok(()),
        _ => format!("`{endpoint}` is not the URL of an S3 server"),
    };
    Err(Diagnostic::usage(
        message,
        format!(
            "write scheme, host and port alone, as in {}",
            option("endpoint").with("https://minio.example:9000")
        ),
    ))
}
