//! One shared SDK configuration: region, credentials, HTTP client, retries, time-outs.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};

use super::http;

/// The region that is asked where none is named. S3 answers from there which one is right.
const FALLBACK_REGION: &str = "us-east-1";

/// How often a call is tried. The SDK's own three attempts end within seconds.
const ATTEMPTS: u32 = 6;

/// Reads the configuration from environment and profile.
///
/// The region never comes from an instance's metadata service: where there is none, asking for it
/// takes seconds ([aws-sdk-rust#1276](https://github.com/awslabs/aws-sdk-rust/issues/1276)).
///
/// # Errors
///
/// [`Error`] for a variable on whose value the SDK would panic.
pub async fn config(region: Option<&str>) -> Result<SdkConfig, Error> {
    let attempts = match variable("AWS_MAX_ATTEMPTS")? {
        None => ATTEMPTS,
        Some(text) => match text.parse() {
            Ok(attempts) if attempts > 0 => attempts,
            _ => return Err(Error::new("AWS_MAX_ATTEMPTS", text, "a number from 1 on")),
        },
    };
    match variable("AWS_RETRY_MODE")? {
        Some(mode)
            if !["standard", "adaptive", "legacy"].contains(&mode.to_lowercase().as_str()) =>
        {
            return Err(Error::new(
                "AWS_RETRY_MODE",
                mode,
                "`standard` or `adaptive`",
            ));
        }
        _ => {}
    }
    let region =
        RegionProviderChain::first_try(region.map(|region| Region::new(region.to_owned())))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(FALLBACK_REGION);
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(5));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(20))
        .build();
    Ok(aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http::client())
        .region(region)
        .retry_config(retries)
        .timeout_config(timeouts)
        .load()
        .await)
}

/// A variable, where empty is unset.
fn variable(name: &'static str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::new(
            name,
            "bytes that are not UTF-8".to_owned(),
            "text",
        )),
    }
}

/// A variable whose value means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is `{}`, where {expected} is expected", value.escape_debug())]
pub struct Error {
    /// The variable.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

impl Error {
    fn new(variable: &'static str, value: String, expected: &'static str) -> Self {
        Self {
            variable,
            value,
            expected,
        }
    }
}
