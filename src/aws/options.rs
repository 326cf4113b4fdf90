//! The options for AWS on the command line.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::aws::arn::{Account, Arn, is_region};
use crate::aws::{role, session_name};

/// The region, the role, and the accounts that may be used.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
#[command(next_help_heading = "AWS")]
pub struct Options {
    /// Region of the KMS key and the bucket; the ARN of a key and the answers of S3 override it [default: AWS_REGION, or
    /// the profile's]
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,
    /// The role to assume.
    #[command(flatten)]
    pub role: RoleOptions,
    /// Account that the role and the KMS keys must belong to; may be repeated
    #[arg(long = "allowed-account", value_name = "ACCOUNT")]
    pub allowed_accounts: Vec<Account>,
    /// Allow http:// to KMS and STS on another machine, such as a LocalStack in a container; never for identity tokens
    #[arg(id = "aws-plain-http", long = "aws-plain-http")]
    pub plain_http: bool,
    /// Whether the credentials are to be those of this machine, whose metadata service is then asked in any surroundings.
    #[arg(skip)]
    pub of_machine: bool,
}

/// The role to assume. Defaults come from the CI system.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct RoleOptions {
    /// AWS role to assume with the CI job's identity token, or without one with the environment's credentials:
    /// arn:aws:iam::ACCOUNT:role/NAME [default: AWS_ROLE_ARN with a token file, or the environment's credentials]
    #[arg(id = "role-arn", long = "role-arn", alias = "role-to-assume", value_name = "ARN", value_parser = arn)]
    pub arn: Option<Arn>,
    /// External ID that the role's trust policy asks for; the role is then assumed with the environment's AWS credentials,
    /// not with an identity token
    #[arg(id = "external-id", long = "external-id", value_name = "ID", value_parser = external_id)]
    pub external_id: Option<String>,
    /// Name of the session in CloudTrail [default: AWS_ROLE_SESSION_NAME, or s3lo-REPOSITORY-RUN]
    #[arg(id = "role-session-name", long = "role-session-name", value_name = "NAME", value_parser = session_name)]
    pub session_name: Option<String>,
    /// Length of the session, from 15m to 12h; it is renewed if a run takes longer [default: as --timeout, from 15m to 1h]
    #[arg(id = "role-duration", long = "role-duration", value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Audience of the identity token that is sent to AWS [default: sts.amazonaws.com]
    #[arg(long, value_name = "AUDIENCE", value_parser = NonEmptyStringValueParser::new())]
    pub audience: Option<String>,
    /// File with the identity token for AWS [default: the CI job's token, or AWS_WEB_IDENTITY_TOKEN_FILE]
    #[arg(
        id = "web-identity-token-file",
        long = "web-identity-token-file",
        value_name = "FILE"
    )]
    pub token_file: Option<String>,
    /// Variable with the identity token for AWS [default: that of the CI system]
    #[arg(
        id = "web-identity-token-env",
        long = "web-identity-token-env",
        value_name = "NAME",
        conflicts_with = "web-identity-token-file"
    )]
    pub token_variable: Option<String>,
}

impl Options {
    /// The name of an option that is set and has no effect unless AWS is used.
    pub fn first_set(&self) -> Option<&'static str> {
        let options = [
            ("role-arn", self.role.arn.is_some()),
            ("external-id", self.role.external_id.is_some()),
            ("aws-plain-http", self.plain_http),
            ("allowed-account", !self.allowed_accounts.is_empty()),
        ];
        let set = options.into_iter().find(|(_, is_set)| *is_set);
        set.map(|(name, _)| name)
    }
}

pub(crate) fn region(text: &str) -> Result<String, String> {
    if is_region(text) {
        return Ok(text.to_owned());
    }
    Err("write a region such as `eu-central-1`".to_owned())
}

pub(crate) fn arn(text: &str) -> Result<Arn, String> {
    let arn = role::parse_arn(text);
    arn.ok_or_else(|| "write `arn:aws:iam::ACCOUNT:role/NAME`".to_owned())
}

/// `[\w+=,.@:\/-]{2,1224}` ([AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)).
pub(crate) fn external_id(text: &str) -> Result<String, String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    if (2..=1224).contains(&text.len()) && text.bytes().all(valid) {
        return Ok(text.to_owned());
    }
    Err("write 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -".to_owned())
}

fn session_name(text: &str) -> Result<String, String> {
    if session_name::is_valid(text) {
        return Ok(text.to_owned());
    }
    Err(format!("write {}", session_name::EXPECTED))
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if (15 * 60..=12 * 60 * 60).contains(&time.as_secs()) => Ok(time),
        _ => Err("write a time from 15m to 12h".to_owned()),
    }
}
