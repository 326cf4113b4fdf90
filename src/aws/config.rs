//! The SDK configuration that all clients share: region, credentials, HTTP client, time limits.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::time::Instant;

use crate::aws::account::{AllowedAccounts, check_allowed};
use crate::aws::arn::{Account, Arn, is_region};
use crate::aws::credentials::PrefetchedCredentials;
use crate::aws::error::{Error, from_credentials_error};
use crate::aws::role::{Provider, Role};
use crate::aws::{Options, RoleOptions, credentials, retry, role, session_name};
use crate::environment;
use crate::environment::variable;
use crate::identity::ci_system::CiSystem;
use crate::identity::jwt;
use crate::identity::relying_party::RelyingParty;
use crate::identity::token_source::TokenSource;
use crate::mask::Mask;
use crate::net::retry::MAX_ATTEMPTS;
use crate::net::{CONNECT_TIMEOUT, READ_TIMEOUT, ca_bundle, http, url};

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
        let role = role(settings)?;
        if let Some(role) = &role {
            check_allowed(&options.allowed_accounts, &role.arn)?;
        }
        let http = http::client(ca_bundle::from_environment()?);
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
        let role =
            role.map(|role| Provider::new(role, &anonymous, http.clone(), attempts, *deadline));
        let credentials = match &role {
            Some(role) => PrefetchedCredentials::new(role.clone()),
            None => {
                let config = ProviderConfig::without_region()
                    .with_region(Some(region))
                    .with_http_client(http)
                    .with_use_fips(anonymous.use_fips())
                    .with_use_dual_stack(anonymous.use_dual_stack());
                let chain = credentials::chain(&config)?;
                let accounts = options.allowed_accounts.clone();
                PrefetchedCredentials::new(AllowedAccounts::new(
                    chain, &anonymous, accounts, attempts, *deadline,
                ))
            }
        };
        let config = anonymous
            .clone()
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .build();
        Ok(Self {
            config,
            anonymous,
            named_region: named.map(|region| region.to_string()),
            allowed_accounts: options.allowed_accounts.clone(),
            attempts,
            deadline: *deadline,
            role,
            credentials: Some(credentials),
        })
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
        }
    }

    /// Whether a role is assumed, so that connections can be opened meanwhile.
    pub fn assumes_a_role(&self) -> bool {
        self.role.is_some()
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
            && let Err(error) = credentials.prefetch().await
        {
            return Err(from_credentials_error(&error));
        }
        Ok(())
    }
}

/// The region that is used where none is named. S3 names the right one from there.
const FALLBACK_REGION: &str = "us-east-1";

/// The shortest session that STS gives.
const MIN_SESSION: Duration = Duration::from_secs(15 * 60);

/// The longest session that a role allows unless its maximum is raised.
const DEFAULT_MAX_SESSION: Duration = Duration::from_secs(60 * 60);

/// STS, which exchanges identity tokens for sessions of a role.
const STS: RelyingParty = RelyingParty {
    missing: "there is no identity token to assume the role with",
    // That of Buildkite is a convention.
    variables: &[
        (CiSystem::Bitbucket, &["BITBUCKET_STEP_OIDC_TOKEN"]),
        (CiSystem::Buildkite, &["BUILDKITE_OIDC_TOKEN"]),
        (
            CiSystem::CircleCi,
            &["CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"],
        ),
        (
            CiSystem::GitLab,
            &["GITLAB_OIDC_TOKEN", "AWS_ID_TOKEN", "ID_TOKEN"],
        ),
    ],
    file_variable: Some("AWS_WEB_IDENTITY_TOKEN_FILE"),
    gitlab_help: "add to the job: `id_tokens: {GITLAB_OIDC_TOKEN: {aud: sts.amazonaws.com}}`",
    options: ["web-identity-token-file", "web-identity-token-env"],
};

fn role(settings: &Settings) -> Result<Option<Role>, Error> {
    let options = &settings.options;
    let RoleOptions {
        arn,
        session_name,
        duration,
        audience,
        mut token_file,
        token_variable,
    } = options.role.clone();
    let ci = CiSystem::detect();
    let by_flag = token_file.is_some() || token_variable.is_some();
    let arn = match arn {
        Some(arn) => arn,
        None => {
            let Some(text) = variable("AWS_ROLE_ARN")? else {
                return if by_flag {
                    Err(Error::NoRole)
                } else {
                    Ok(None)
                };
            };
            if !by_flag {
                // The pair of the SDKs, as Kubernetes sets it: this role, and the token of this file.
                let others = credentials::in_environment() || variable("AWS_PROFILE")?.is_some();
                match variable("AWS_WEB_IDENTITY_TOKEN_FILE")? {
                    Some(path) if !others => token_file = Some(path),
                    _ => return Ok(None),
                }
            }
            let expected = "`arn:aws:iam::ACCOUNT:role/NAME`";
            let arn = role::parse_arn(&text);
            arn.ok_or_else(|| environment::Error::new("AWS_ROLE_ARN", text, expected))?
        }
    };
    let source = match (token_file, token_variable) {
        (Some(path), _) => TokenSource::File(path),
        (None, Some(name)) if !environment::is_name(&name) => {
            return Err(Error::NotATokenVariable);
        }
        (None, Some(name)) => TokenSource::Variable(name),
        (None, None) => TokenSource::detect(ci, &STS)?,
    };
    // The text may be the token itself, and is not repeated.
    if let TokenSource::File(path) = &source
        && (path.is_empty() || jwt::is_token(path))
    {
        return Err(match options.role.token_file {
            Some(_) => Error::NotATokenFile,
            None => Error::NotATokenFileVariable,
        });
    }
    let session_name = match session_name {
        Some(name) => name,
        None => match variable("AWS_ROLE_SESSION_NAME")? {
            Some(name) if !session_name::is_valid(&name) => {
                let expected = "2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -";
                Err(environment::Error::new(
                    "AWS_ROLE_SESSION_NAME",
                    name,
                    expected,
                ))?
            }
            Some(name) => name,
            None => session_name::of_run(ci),
        },
    };
    let left = settings.deadline.saturating_duration_since(Instant::now());
    let audience = audience.unwrap_or_else(|| match arn.partition.as_str() {
        "aws-cn" => "sts.amazonaws.com.cn".to_owned(),
        _ => "sts.amazonaws.com".to_owned(),
    });
    Ok(Some(Role {
        arn,
        session_name,
        duration: duration.unwrap_or_else(|| left.clamp(MIN_SESSION, DEFAULT_MAX_SESSION)),
        audience,
        source,
        allowed_accounts: options.allowed_accounts.clone(),
        mask: settings.mask.clone(),
    }))
}

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
