//! Whose credentials these are, where only some accounts are allowed.

use std::fmt;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use crate::aws::arn::{Account, Arn};
use crate::aws::error::Failure;
use crate::aws::role::allowed;
use crate::aws::{error, role};

/// Credentials of allowed accounts alone. Each time they are fetched anew STS is asked whose they are: a
/// file or a process may give others the next time.
pub(crate) struct Checked<P> {
    inner: P,
    anonymous: SdkConfig,
    accounts: Vec<Account>,
}

impl<P: ProvideCredentials> Checked<P> {
    /// What `inner` gives, if it belongs to one of `accounts`, or whatever it gives if none are named.
    pub(crate) fn new(inner: P, anonymous: &SdkConfig, accounts: Vec<Account>) -> Self {
        Self {
            inner,
            anonymous: anonymous.clone(),
            accounts,
        }
    }

    async fn check(&self, credentials: &Credentials) -> Result<(), role::Error> {
        let provider = SharedCredentialsProvider::new(credentials.clone());
        let config = self.anonymous.clone().into_builder();
        let config = config.credentials_provider(provider).build();
        // STS tells without any permission.
        let asked = aws_sdk_sts::Client::new(&config).get_caller_identity();
        let caller = match asked.send().await {
            Ok(caller) => caller,
            Err(error) => {
                return Err(match Failure::of("STS", &error) {
                    Failure::Common(error) => role::Error::Common(error),
                    Failure::Denied(answer) => role::Error::Common(error::Error::Credentials {
                        service: "STS",
                        answer,
                    }),
                    Failure::Refused(answer) => role::Error::Caller { answer },
                    Failure::Unreachable(reason) => role::Error::Unreachable { reason },
                });
            }
        };
        let arn: Option<Arn> = caller.arn.and_then(|arn| arn.parse().ok());
        let arn = arn.ok_or(role::Error::Nonsense {
            missing: "the ARN of the caller",
        })?;
        allowed(&self.accounts, &arn)
    }
}

impl<P: fmt::Debug> fmt::Debug for Checked<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<P: ProvideCredentials> ProvideCredentials for Checked<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if self.accounts.is_empty() {
            return self.inner.provide_credentials();
        }
        future::ProvideCredentials::new(async move {
            let credentials = self.inner.provide_credentials().await?;
            match self.check(&credentials).await {
                Ok(()) => Ok(credentials),
                Err(error) => Err(CredentialsError::provider_error(error)),
            }
        })
    }
}
