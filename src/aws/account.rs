//! The AWS accounts that credentials, roles and keys may belong to.

use std::fmt;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::time::Instant;

use crate::aws::arn::{Account, Arn};
use crate::aws::error::{Error, Failure};
use crate::aws::retry;
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::net::retry::{Backoff, Throttle};

/// Credentials of allowed accounts alone. STS is asked for their account each time they are fetched: a file
/// or a process may give others the next time.
pub(crate) struct AllowedAccounts<P> {
    inner: P,
    anonymous: SdkConfig,
    accounts: Vec<Account>,
    attempts: u32,
    deadline: Instant,
}

impl<P: ProvideCredentials> AllowedAccounts<P> {
    /// Wraps `inner`, and lets through credentials of `accounts`, or of any account if none are named.
    pub(crate) fn new(
        inner: P,
        anonymous: &SdkConfig,
        accounts: Vec<Account>,
        attempts: u32,
        deadline: Instant,
    ) -> Self {
        Self {
            inner,
            anonymous: anonymous.clone(),
            accounts,
            attempts,
            deadline,
        }
    }

    async fn check(&self, credentials: &Credentials) -> Result<(), Error> {
        let provider = SharedCredentialsProvider::new(credentials.clone());
        let config = self.anonymous.clone().into_builder();
        let config = config.credentials_provider(provider).build();
        let arn = caller(&config, self.attempts, self.deadline).await?;
        check_allowed(&self.accounts, &arn)
    }
}

/// The user or role whose credentials `config` has. The call needs no permission.
///
/// # Errors
///
/// [`Error`] if STS refuses the credentials, or does not answer.
pub(crate) async fn caller(
    config: &SdkConfig,
    attempts: u32,
    deadline: Instant,
) -> Result<Arn, Error> {
    let sts = aws_sdk_sts::Client::new(config);
    let backoff = Backoff::new(attempts, deadline, Throttle::default());
    let backoff = backoff.of(calls::begin(Awaited::service("STS", "GetCallerIdentity")));
    let asked = retry::run(backoff, || sts.get_caller_identity().send());
    let caller = asked
        .await
        .map_err(|error| match Failure::of("STS", &error) {
            Failure::Common(error) => error,
            Failure::Denied(answer) if answer.code() == "RegionDisabledException" => {
                Error::CallerIdentity { answer }
            }
            Failure::Denied(answer) => Error::Credentials {
                service: "STS",
                answer,
            },
            Failure::Refused(answer) => Error::CallerIdentity { answer },
            Failure::Unreachable(reason) => Error::Unreachable { reason },
        })?;
    let arn: Option<Arn> = caller.arn.and_then(|arn| arn.parse().ok());
    arn.ok_or(Error::IncompleteResponse {
        missing: "the ARN of the caller",
    })
}

impl<P: fmt::Debug> fmt::Debug for AllowedAccounts<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<P: ProvideCredentials> ProvideCredentials for AllowedAccounts<P> {
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

/// Fails unless `arn` belongs to one of `accounts`, if any are named.
///
/// # Errors
///
/// [`Error::AccountNotAllowed`] otherwise.
pub(crate) fn check_allowed(accounts: &[Account], arn: &Arn) -> Result<(), Error> {
    if accounts.is_empty() || accounts.contains(&arn.account) {
        return Ok(());
    }
    Err(Error::AccountNotAllowed {
        arn: Box::new(arn.clone()),
    })
}
