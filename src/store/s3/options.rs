//! The options of S3, and how its stores are opened.

use std::sync::Arc;

use ::url::Url;
use async_trait::async_trait;
use clap::Args;
use s3lo_core::reference::{Reference, Scheme};

use crate::aws::arn::Account;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::environment;
use crate::environment::variable;
use crate::net::url;
use crate::option_name::option;
use crate::store::s3::encryption::EncryptionOptions;
use crate::store::s3::{S3Store, is_directory_bucket};
use crate::store::{Backend, Store};

/// The backend of buckets.
#[derive(Args, Clone, Debug, Default)]
pub struct S3 {
    /// Another S3 server, such as http://127.0.0.1:9000 (S3 only, path style)
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Account that the bucket must belong to
    #[arg(long, value_name = "ACCOUNT")]
    pub expected_bucket_owner: Option<Account>,
    /// The encryption of what is written: options of `sign` alone.
    #[arg(skip)]
    pub written: EncryptionOptions,
    /// Whether a write to `endpoint` has a checksum of the newer kinds, which not every server knows.
    #[arg(skip)]
    pub new_checksums: bool,
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
        let name_a_bucket = "omit it, or name a bucket: `s3://BUCKET/IMAGE:TAG`";
        if let Some(endpoint) = &self.endpoint {
            check_url(endpoint)?;
            if !references.iter().all(in_s3) {
                return Err(Diagnostic::unused_option(
                    option("endpoint"),
                    "`s3://` references only",
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
        self.written.check()?;
        if let Some(name) = self.written.first_set()
            && !references.iter().any(in_s3)
        {
            return Err(Diagnostic::unused_option(
                option(name),
                "`s3://` references",
                name_a_bucket,
            ));
        }
        Ok(())
    }

    async fn open(&self, root: &str, context: &Context) -> Result<Arc<dyn Store>, Diagnostic> {
        let aws = context.aws(None).await?;
        if is_directory_bucket(root) && aws.named_region.is_none() && self.endpoint.is_none() {
            return Err(Diagnostic::usage(
                format!(
                    "`{root}` is a directory bucket, which can be reached only in its own region"
                ),
                format!(
                    "name the region that its zone is in: {}, or AWS_REGION",
                    option("region").with("REGION")
                ),
            ));
        }
        let options = Self {
            new_checksums: new_checksums()?,
            ..self.clone()
        };
        Ok(Arc::new(S3Store::new(aws, root, &options)))
    }
}

/// Whether AWS_REQUEST_CHECKSUM_CALCULATION asks for the newer checksums in so many words.
fn new_checksums() -> Result<bool, Diagnostic> {
    let name = "AWS_REQUEST_CHECKSUM_CALCULATION";
    let text = variable(name).map_err(|error| Diagnostic::new(&error))?;
    match text.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("when_required") => Ok(false),
        Some("when_supported") => Ok(true),
        Some(_) => {
            let expected = "`when_supported` or `when_required`";
            let text = text.unwrap_or_default();
            Err(Diagnostic::new(&environment::Error::new(
                name, text, expected,
            )))
        }
    }
}

/// Whether a text is the URL of a server, without user and password. The SDK accepts any text, and fails much later.
pub(crate) fn is_url(endpoint: &str) -> bool {
    let plain = |url: &Url| url.query().is_none() && url.fragment().is_none();
    !endpoint.contains('@') && url::parse(endpoint).as_ref().is_some_and(plain)
}

fn check_url(endpoint: &str) -> Result<(), Diagnostic> {
    if is_url(endpoint) {
        return Ok(());
    }
    let message = match endpoint.contains('@') {
        true => format!(
            "the URL of {} carries a user or a password",
            option("endpoint")
        ),
        false => format!("`{endpoint}` is not the URL of an S3 server"),
    };
    Err(Diagnostic::usage(
        message,
        format!(
            "write scheme, host, port and, if there is one, the path, as in {}",
            option("endpoint").with("https://minio.example:9000")
        ),
    ))
}
