//! The SDK's chain of credentials, without waiting for a metadata service that is not there.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use crate::aws::config_files;
use crate::aws::credential_text;
use crate::aws::credential_text::cleaned;
use crate::aws::error::Error;
use crate::aws::profile::Profiles;
use crate::environment;
use crate::environment::variable;
use crate::identity::ci_system;
use crate::net::error_chain::innermost;

/// The time limit for connecting to an instance's metadata service, and for its response. It is on the same host.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes the chain of providers: environment, profile (with SSO and credential processes), container, instance. Each
/// is used only if those before it have no credentials. A profile that is named and asks for the credentials in the
/// environment, to assume a role with them, comes before those. `of_machine` asks the instance unless a variable forbids it.
///
/// # Errors
///
/// [`environment::Error`] for an invalid variable.
pub(crate) fn chain(
    config: &ProviderConfig,
    profile: &Profiles,
    of_machine: bool,
) -> Result<CredentialsProviderChain, environment::Error> {
    let named_profile = variable("AWS_PROFILE")?;
    let mut profiles = ProfileFileCredentialsProvider::builder().configure(config);
    if let Some(files) = config_files::in_place_of_files() {
        profiles = profiles.profile_files(files);
    }
    let environment = Source {
        name: "the environment".to_owned(),
        inner: EnvironmentVariableCredentialsProvider::new(),
        map: |error| error,
    };
    let takes_the_environment = named_profile.is_some() && profile.takes_the_environment();
    let known = profile.names();
    let profile = Source {
        name: profile.described(),
        inner: profiles.build(),
        // A profile that is named must not fall through to other credentials.
        map: move |error| match (&named_profile, error) {
            (Some(name), CredentialsError::CredentialsNotLoaded(_)) => {
                CredentialsError::provider_error(Error::NoProfile {
                    profile: name.clone(),
                    known: known.clone(),
                })
            }
            (_, other) => other,
        },
    };
    let chain = if takes_the_environment {
        CredentialsProviderChain::first_try("profile", profile)
    } else {
        CredentialsProviderChain::first_try("environment", environment).or_else("profile", profile)
    };
    let chain = chain.or_else(
        "container",
        Source {
            name: "the credentials service of the container".to_owned(),
            inner: EcsCredentialsProvider::builder().configure(config).build(),
            map: |error| error,
        },
    );
    let enabled = metadata_enabled()?.or_else(|| of_machine.then_some(true));
    if !enabled.unwrap_or_else(|| !ci_system::in_any()) {
        return Ok(chain);
    }
    let client = imds::Client::builder()
        .configure(config)
        .max_attempts(1)
        .connect_timeout(METADATA_TIMEOUT)
        .read_timeout(METADATA_TIMEOUT);
    let instance = ImdsCredentialsProvider::builder()
        .configure(config)
        .imds_client(client.build());
    Ok(chain.or_else(
        "instance",
        Source {
            name: "the instance's metadata service".to_owned(),
            inner: instance.build(),
            map: move |error| match enabled {
                Some(_) => CredentialsError::provider_error(Error::InstanceMetadata {
                    reason: innermost(&error),
                }),
                // Without a metadata service of AWS, this is no instance of AWS.
                None => CredentialsError::not_loaded_no_source(),
            },
        },
    ))
}

/// The profile of AWS_PROFILE, if the keys of the environment are used in its place.
pub(crate) fn passed_over(profile: &Profiles) -> Result<Option<String>, environment::Error> {
    let named = variable("AWS_PROFILE")?;
    let is_passed_over = credential_text::in_environment() && !profile.takes_the_environment();
    Ok(named.filter(|_| is_passed_over))
}

/// Whether the metadata service is enabled or disabled explicitly. In a CI system it often belongs to another account,
/// or drops packets, so there it must be enabled.
fn metadata_enabled() -> Result<Option<bool>, environment::Error> {
    let disabled = flag("AWS_EC2_METADATA_DISABLED")?;
    Ok(disabled.map(|disabled| !disabled))
}

/// The value of a variable that is `true`, `false` or unset. The SDK ignores anything else: with
/// `AWS_USE_FIPS_ENDPOINT=yes` it would use other endpoints.
pub(crate) fn flag(name: &str) -> Result<Option<bool>, environment::Error> {
    match variable(name)? {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(text) => Err(environment::Error::new(name, text, "`true` or `false`")),
    }
}

/// The half of the pair of credentials that is set, and the missing one. With half a pair the chain would go on to
/// other credentials.
pub(crate) fn half_a_pair() -> Result<Option<(&'static str, &'static str)>, environment::Error> {
    const PAIR: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    Ok(match (variable(PAIR.0)?, variable(PAIR.1)?) {
        (Some(_), None) => Some(PAIR),
        (None, Some(_)) => Some((PAIR.1, PAIR.0)),
        _ => None,
    })
}

/// A source of credentials, whose credentials are checked and whose errors are mapped.
struct Source<P, F> {
    name: String,
    inner: P,
    map: F,
}

impl<P: fmt::Debug, F> fmt::Debug for Source<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<P, F> ProvideCredentials for Source<P, F>
where
    P: ProvideCredentials,
    F: Fn(CredentialsError) -> CredentialsError + Send + Sync,
{
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let provided = self.inner.provide_credentials().await;
            let provided = provided.map_err(&self.map)?;
            let cleaned = cleaned(&self.name, provided).map_err(Error::from);
            cleaned.map_err(CredentialsError::provider_error)
        })
    }
}

/// Credentials that are fetched before the first call, so that an error about them is reported once, and the
/// provider that renews them. Clones share the fetched credentials.
#[derive(Clone, Debug)]
pub(crate) struct PrefetchedCredentials {
    inner: SharedCredentialsProvider,
    first: Arc<Mutex<Option<Credentials>>>,
}

impl PrefetchedCredentials {
    pub(crate) fn new(inner: impl ProvideCredentials + 'static) -> Self {
        Self {
            inner: SharedCredentialsProvider::new(inner),
            first: Arc::default(),
        }
    }

    /// Fetches the credentials.
    pub(crate) async fn prefetch(&self) -> Result<(), CredentialsError> {
        let credentials = self.inner.provide_credentials().await?;
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
        Ok(())
    }
}

impl ProvideCredentials for PrefetchedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match first {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => self.inner.provide_credentials(),
        }
    }
}
