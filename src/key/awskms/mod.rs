//! Keys in AWS KMS.

pub mod error;
pub mod signer;
pub mod uri;

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use crate::aws::arn::Arn;
use crate::aws::policy::Statement;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::key::awskms::signer::Kms;
use crate::key::awskms::uri::KmsKeyUri;
use crate::key::error::Error;
use crate::key::provider::{Provider, ProviderKey, Session};
use crate::key::reference::{KeyRef, RefError};
use crate::key::signer::{PublicKeys, Signer};
use crate::option_name::option;
use crate::text::quoted;

/// The provider of keys in AWS KMS. Its options are those of AWS, which stores use too.
#[derive(Args, Clone, Debug, Default)]
pub struct AwsKms {}

impl Provider for AwsKms {
    fn schemes(&self) -> &'static [&'static str] {
        &["awskms"]
    }

    fn examples(&self) -> Vec<String> {
        let key = option("key").with("awskms:///alias/NAME");
        vec![format!("a key in AWS KMS ({key})")]
    }

    fn check(&self, reference: &KeyRef) -> Result<(), RefError> {
        KmsKeyUri::parse(reference.rest()).map_err(Error::new)?;
        Ok(())
    }

    fn suggestion(&self, path: &str) -> Option<String> {
        let meant = path.starts_with("arn:aws") || path.starts_with("alias/");
        meant.then(|| {
            let uri = quoted(&format!("awskms:///{path}"));
            format!("if it is a key in AWS KMS, write `{uri}`")
        })
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(KmsSession)
    }
}

/// A session, whose credentials and connections are those of the run.
struct KmsSession;

#[async_trait]
impl Session for KmsSession {
    async fn configure(
        &mut self,
        reference: &KeyRef,
        context: &Context,
    ) -> Result<Arc<dyn ProviderKey>, Diagnostic> {
        let uri = KmsKeyUri::parse(reference.rest()).map_err(|error| Diagnostic::new(&error))?;
        let aws = context.aws(uri.arn()).await?;
        let kms = Kms::new(aws, reference, &uri).map_err(|error| Diagnostic::new(&error))?;
        Ok(Arc::new(kms))
    }
}

#[async_trait]
impl ProviderKey for Kms {
    fn preconnect(&self) {
        Self::preconnect(self);
    }

    async fn signer(&self) -> Result<Arc<dyn Signer>, Error> {
        let signer = self.clone().open_signer().await;
        Ok(Arc::new(signer.map_err(Error::new)?))
    }

    fn takes_aws_credentials(&self) -> bool {
        true
    }

    fn statement(&self, caller: Option<&Arn>) -> Option<Statement> {
        Self::statement(self, caller)
    }

    async fn public_keys(&self) -> Result<PublicKeys, Error> {
        let signer = self.clone().open_signer().await.map_err(Error::new)?;
        Ok(PublicKeys::from(signer.public_key().clone()))
    }
}
