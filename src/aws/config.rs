//! The SDK configuration that all clients share: region, credentials, HTTP client, time limits.

use crate::text::printable;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;
use tokio::time::Instant;

use crate::aws::account::{AllowedAccounts, caller, check_allowed};
use crate::aws::arn::{Account, Arn, is_region};
use crate::aws::credentials::PrefetchedCredentials;
use crate::aws::error::{Error, from_credentials_error};
use crate::aws::profile::Profiles;
use crate::aws::role::{Provider, Role};
use crate::aws::{Options, credential_text, credentials, retry, role_settings};
use crate::environment;
use crate::environment::variable;
use crate::identity::jwt::Claims;
use crate::identity::token_source::TokenRequest;
use crate::mask::Mask;
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::net::clock::{ClockDifference, ClockReadings};
use crate::net::http::Clients;
use crate::net::proxy::Proxies;
use crate::net::retry::MAX_ATTEMPTS;
use crate::net::{CONNECT_TIMEOUT, READ_TIMEOUT, ca_bundle, url};

/// The time limit for renewing credentials, with all tries. The SDK's is five seconds.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(120);

/// The settings of a run that the configuration is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The options of the command line.
    pub options: Options,
    /// The mask that tokens and sessions are registered with.
    pub mask: Mask,
    /// The end of the run.
    pub deadline: Instant,
}

/// The configuration that every client is made from.
#[derive(Clone)]
pub struct Aws {
    /// The configuration with credentials.
    pub config: SdkConfig,
    /// The configuration for unsigned requests.
    pub anonymous: SdkConfig,
    /// The region that the user or the environment names. Without one, S3 names the right one; KMS does not.
    pub named_region: Option<String>,
    /// The accounts that role and keys may belong to; any, if none are named.
    pub allowed_accounts: Vec<Account>,
    /// The number of tries of a call.
    pub attempts: u32,
    /// The end of the run.
    pub deadline: Instant,
    role: Option<Provider>,
    credentials: Option<PrefetchedCredentials>,
    for_stores: Option<SharedHttpClient>,
    /// A profile that is named, and whose credentials are not used.
    passed_over: Option<String>,
    clocks: ClockReadings,
}

fn with_credentials(
    anonymous: &SdkConfig,
    credentials: impl ProvideCredentials + 'static,
) -> SdkConfig {
    anonymous
        .clone()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// The endpoint that variables and profile give to a service, as the SDK finds it.
pub(crate) fn configured_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = key
        .ok()
        .and_then(|key| config.service_config()?.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(ToOwned::to_owned))
}

impl Aws {
    /// Reads the configuration from environment and profile, without calling any service.
    ///
    /// The region never comes from an instance's metadata service: where there is none, the request takes
    /// seconds ([aws-sdk-rust#1276](https://github.com/awslabs/aws-sdk-rust/issues/1276)).
    ///
    /// # Errors
    ///
    /// [`Error`] for invalid settings.
    pub async fn configure(settings: &Settings, key: Option<&Arn>) -> Result<Self, Error> {
        let Settings {
            options, deadline, ..
        } = settings;
        let attempts = attempts()?;
        check_retry_mode()?;
        for name in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
            credentials::flag(name)?;
        }
        check_endpoints()?;
        if let Some((set, missing)) = credentials::half_a_pair()? {
            return Err(Error::HalfAPair { set, missing });
        }
        credential_text::check_environment()?;
        let profiles = Profiles::load().await;
        let role = role_settings::role(options, &settings.mask, *deadline, &profiles)?;
        if let Some(role) = &role {
            check_allowed(&options.allowed_accounts, &role.arn)?;
        }
        let uses_chain = role.as_ref().is_none_or(Role::takes_credentials);
        if uses_chain && !credential_text::in_environment() {
            profiles.check()?;
        }
        let passed_over = match uses_chain {
            true => credentials::passed_over(&profiles)?,
            false => None,
        };
        let bundle = ca_bundle::from_environment()?;
        let clients = Clients::new(bundle, Proxies::from_environment()?, options.plain_http);
        let http = clients.guarded;
        let named = RegionProviderChain::first_try(options.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .region()
            .await;
        if let Some(region) = named.as_ref().filter(|region| !is_region(region.as_ref())) {
            return Err(Error::Region {
                region: region.to_string(),
            });
        }
        let region = named.clone().unwrap_or_else(|| {
            let of_key = key.map(|key| key.region.clone());
            let of_role = || role.as_ref().map(|role| role.arn.home_region().to_owned());
            Region::new(
                of_key
                    .or_else(of_role)
                    .unwrap_or_else(|| FALLBACK_REGION.to_owned()),
            )
        });
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build();
        let anonymous = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http.clone())
            .region(region.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .no_credentials()
            .identity_cache(IdentityCache::lazy().load_timeout(RENEWAL_TIMEOUT).build())
            .load()
            .await;
        let chain = || {
            let config = ProviderConfig::without_region()
                .with_region(Some(region.clone()))
                .with_http_client(http.clone())
                .with_use_fips(anonymous.use_fips())
                .with_use_dual_stack(anonymous.use_dual_stack());
            credentials::chain(&config, &profiles, options.of_machine)
        };
        let (role, credentials) = match role {
            Some(role) => {
                let config = match role.takes_credentials() {
                    true => with_credentials(&anonymous, chain()?),
                    false => anonymous.clone(),
                };
                let role = Provider::new(role, &config, http.clone(), attempts, *deadline);
                (Some(role.clone()), PrefetchedCredentials::new(role))
            }
            None => {
                let accounts = options.allowed_accounts.clone();
                let allowed =
                    AllowedAccounts::new(chain()?, &anonymous, accounts, attempts, *deadline);
                (None, PrefetchedCredentials::new(allowed))
            }
        };
        let config = with_credentials(&anonymous, credentials.clone());
        Ok(Self {
            config,
            anonymous,
            named_region: named.map(|region| region.to_string()),
            allowed_accounts: options.allowed_accounts.clone(),
            attempts,
            deadline: *deadline,
            role,
            credentials: Some(credentials),
            for_stores: Some(clients.for_stores),
            passed_over,
            clocks: clients.clocks,
        })
    }

    /// A warning about a setting that has no effect, if there is one.
    pub fn warning(&self) -> Option<String> {
        let profile = self.passed_over.as_ref()?;
        Some(format!(
            "the credentials of the profile `{}` are not used: AWS_ACCESS_KEY_ID is set, and comes before AWS_PROFILE; unset the one that is not meant",
            printable(profile)
        ))
    }

    /// Uses a configuration with credentials of its own, for programs that use this as a library.
    pub fn with(config: SdkConfig, deadline: Instant) -> Self {
        let attempts = retry::attempts(&config);
        let config = config
            .into_builder()
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            named_region: config.region().map(ToString::to_string),
            anonymous: config.clone(),
            config,
            allowed_accounts: Vec::new(),
            attempts,
            deadline,
            role: None,
            credentials: None,
            for_stores: None,
            passed_over: None,
            clocks: ClockReadings::default(),
        }
    }

    /// One of the configurations for a store, which may be reached without TLS: its contents are trusted for their
    /// signatures alone.
    pub fn for_store(&self, config: &SdkConfig) -> SdkConfig {
        let builder = config.clone().into_builder();
        match &self.for_stores {
            Some(http) => builder.http_client(http.clone()).build(),
            None => builder.build(),
        }
    }

    /// The role that is assumed, if there is one.
    pub fn role(&self) -> Option<&Arn> {
        self.role.as_ref().map(Provider::arn)
    }

    /// The claims of the identity token that the role was assumed with, or that STS refused.
    pub fn identity(&self) -> Option<Claims> {
        self.role.as_ref()?.claims()
    }

    /// The identity token that the CI system's agent has to issue.
    pub(crate) fn token_request(&self) -> Option<TokenRequest> {
        self.role.as_ref()?.token_request()
    }

    /// Asks STS whose credentials these are.
    ///
    /// # Errors
    ///
    /// [`Error`] if there are none, or STS refuses them or does not answer.
    pub async fn caller(&self) -> Result<Arn, Error> {
        caller(&self.config, self.attempts, self.deadline).await
    }

    /// The largest difference of clocks that the responses so far showed.
    pub fn clock_difference(&self) -> Option<ClockDifference> {
        self.clocks.largest()
    }

    /// Whether a role is assumed.
    pub fn assumes_a_role(&self) -> bool {
        self.role.is_some()
    }

    /// Whether a role will be assumed, so that connections can be opened meanwhile.
    pub fn expects_a_role(&self) -> bool {
        self.role.as_ref().is_some_and(Provider::is_expected)
    }

    /// Gets the credentials, by assuming the role if there is one, and checks their account if only some are
    /// allowed. So an error about them is reported once, and not by every call.
    ///
    /// # Errors
    ///
    /// [`Error`] if there are none, the role is refused, or they belong to an account that was not
    /// allowed.
    pub async fn assume(&self) -> Result<(), Error> {
        if let Some(role) = &self.role {
            role.preconnect();
        }
        if let Some(credentials) = &self.credentials
            && let Err(error) =
                calls::begin(Awaited::service("the source of the AWS credentials", ""))
                    .scope(credentials.prefetch())
                    .await
        {
            return Err(from_credentials_error(&error));
        }
        Ok(())
    }
}

/// The region that is used where none is named. S3 names the right one from there.
const FALLBACK_REGION: &str = "us-east-1";

fn attempts() -> Result<u32, environment::Error> {
    match variable("AWS_MAX_ATTEMPTS")? {
        None => Ok(MAX_ATTEMPTS),
        Some(text) => match text.parse() {
            Ok(attempts) if attempts > 0 => Ok(attempts),
            _ => Err(environment::Error::new(
                "AWS_MAX_ATTEMPTS",
                text,
                "a number from 1 on",
            )),
        },
    }
}

fn check_retry_mode() -> Result<(), environment::Error> {
    match variable("AWS_RETRY_MODE")? {
        Some(mode)
            if !["standard", "adaptive", "legacy"].contains(&mode.to_lowercase().as_str()) =>
        {
            Err(environment::Error::new(
                "AWS_RETRY_MODE",
                mode,
                "`standard` or `adaptive`",
            ))
        }
        _ => Ok(()),
    }
}

/// Checks the endpoints: the SDK takes any text for a URL, and fails much later.
fn check_endpoints() -> Result<(), environment::Error> {
    for service in ["", "_KMS", "_S3", "_STS"] {
        let name = format!("AWS_ENDPOINT_URL{service}");
        match variable(&name)? {
            Some(url) if url.contains('@') => {
                let expected = "a URL without user and password";
                return Err(environment::Error::new(&name, "…".to_owned(), expected));
            }
            Some(url) if url::parse(&url).is_none() => {
                let expected = "the URL of a server, such as `https://minio.example:9000`";
                return Err(environment::Error::new(&name, url, expected));
            }
            _ => {}
        }
    }
    Ok(())
}
