//! What to do about credentials, roles and the environment.

use super::Explain;
use crate::cloud::ci::Ci;
use crate::cloud::failure::Answer;
use crate::cloud::oidc::Claims;
use crate::cloud::{arn, aws, bundle, failure, oidc, role};
use crate::environment;
use crate::text::clipped;

impl Explain for failure::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::ClockSkewed { .. } => "clock_skewed",
            Self::Configuration { .. } => "configuration",
            Self::Credentials { .. } => "credentials_refused",
            Self::Expired { .. } => "session_expired",
            Self::NoCredentials { .. } => "no_credentials",
            Self::Role(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::ClockSkewed { service, .. } => {
                let minutes = if *service == "S3" { 15 } else { 5 };
                format!("set this machine's clock, for example with `timedatectl set-ntp true`; {service} allows {minutes} minutes")
            }
            Self::Configuration { .. } => "check the region, AWS_ENDPOINT_URL and its kind, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT, which may contradict each other".to_owned(),
            Self::Credentials { .. } => "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which must be of one set, or AWS_PROFILE".to_owned(),
            Self::Expired { .. } => "get new credentials, in CI by running the job again or by `--role-arn`, with which they are renewed, at a desk by `aws sso login`; what was signed already is kept".to_owned(),
            Self::NoCredentials { .. } => "in CI give `--role-arn arn:aws:iam::ACCOUNT:role/NAME`, which takes the job's identity token; at a desk set AWS_PROFILE, after `aws sso login`; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; on a CI runner of your own with an instance role set AWS_EC2_METADATA_DISABLED=false".to_owned(),
            Self::Role(error) => error.help(),
        }
    }
}

impl Explain for role::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Account { .. } => "account_not_allowed",
            Self::Common(error) => error.code(),
            Self::Nonsense { .. } => "service_error",
            Self::Refused { .. } => "role_refused",
            Self::Token(error) => error.code(),
            Self::Unreachable { .. } => "unreachable",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Account { arn } => format!(
                "give the role and the key of the account that you mean, or add `--allowed-account {}`",
                arn.account
            ),
            Self::Common(error) => error.help(),
            Self::Nonsense { .. } => {
                "check AWS_ENDPOINT_URL_STS and HTTPS_PROXY: what answers there is not STS".to_owned()
            }
            Self::Refused { role, claims, answer } => refused(role, claims, answer),
            Self::Token(error) => error.help(),
            Self::Unreachable { .. } => {
                "check the network, HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_STS; STS is asked in the region of `--region`".to_owned()
            }
        }
    }
}

/// What to change in IAM, by what STS said.
fn refused(role: &arn::Arn, claims: &Claims, answer: &Answer) -> String {
    let issuer = clipped(&claims.issuer);
    let provider = issuer.strip_prefix("https://").unwrap_or(&issuer);
    let audience = clipped(&claims.audience.to_string());
    let subject = clipped(&claims.subject);
    let said = answer.message.as_deref().unwrap_or_default();
    let token =
        format!("the token is from `{issuer}`, for `{audience}`, and its subject is `{subject}`");
    match answer.code() {
        "InvalidIdentityToken" if said.contains("No OpenIDConnect provider") => format!(
            "{token}; make the provider known to the account {}: `aws iam create-open-id-connect-provider --url {issuer} --client-id-list {audience}`",
            role.account
        ),
        "InvalidIdentityToken" if said.contains("audience") => format!(
            "{token}; ask for an audience that the provider knows with `--audience`, or add this one: `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:{}:iam::{}:oidc-provider/{provider} --client-id {audience}`",
            role.partition, role.account
        ),
        "ExpiredTokenException" => {
            format!("{token}; run the job again: its token is valid for some minutes")
        }
        "ValidationError" if said.contains("DurationSeconds") => {
            "ask for a shorter session, such as `--role-duration 15m`, or raise the role's maximum: `aws iam update-role --role-name NAME --max-session-duration 3600`".to_owned()
        }
        "AccessDenied" => format!(
            r#"{token}; the role's trust policy needs this statement: `{{"Effect": "Allow", "Principal": {{"Federated": "arn:{}:iam::{}:oidc-provider/{provider}"}}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {{"StringEquals": {{"{provider}:aud": "{audience}", "{provider}:sub": "{subject}"}}}}}}`"#,
            role.partition, role.account
        ),
        _ if answer.is_throttled() || answer.status.is_some_and(|status| status >= 500) => {
            "STS failed repeatedly; run it again later".to_owned()
        }
        _ => format!("{token}; look the code up in the errors of AssumeRoleWithWebIdentity, and check `--role-arn`"),
    }
}

impl Explain for oidc::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Variable(error) => error.code(),
            _ => "no_identity_token",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Agent { .. } => "run it where the agent's `buildkite-agent` is in PATH, or pass its token in: `BUILDKITE_OIDC_TOKEN=\"$(buildkite-agent oidc request-token --audience sts.amazonaws.com)\"`".to_owned(),
            Self::Missing { ci } => missing(*ci).to_owned(),
            Self::NotAToken { .. } => "check that it is the identity token itself, three parts with two dots between them".to_owned(),
            Self::Request { lasting: true, .. } => "check that the job has `permissions: {id-token: write, contents: read}`, and that it runs this program itself".to_owned(),
            Self::Request { .. } => "run the job again; GitHub failed to answer".to_owned(),
            Self::Unreadable { .. } => "check the path, and that this user may read the file".to_owned(),
            Self::Unset { name } => format!("let the CI system put the identity token into {name}"),
            Self::Variable(error) => error.help(),
        }
    }
}

/// The YAML that is missing.
fn missing(ci: Option<Ci>) -> &'static str {
    match ci {
        Some(Ci::Bitbucket) => "add to the step: `oidc: true`",
        Some(Ci::CircleCi) => {
            "let the job use a context, without which CircleCI gives no identity token: `context: [NAME]`"
        }
        Some(Ci::GitHub) => {
            "add to the job: `permissions: {id-token: write, contents: read}`; workflows that a fork triggers cannot have it"
        }
        Some(Ci::GitLab) => {
            "add to the job: `id_tokens: {GITLAB_OIDC_TOKEN: {aud: sts.amazonaws.com}}`"
        }
        Some(Ci::Buildkite) | None => {
            "name where the token is: `--web-identity-token-file FILE` or `--web-identity-token-env NAME`"
        }
    }
}

impl Explain for aws::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Bundle(_) | Self::NoRole => "configuration",
            Self::Token(error) => error.code(),
            Self::Variable(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Bundle(bundle::Error::Unusable { .. }) => {
                "let AWS_CA_BUNDLE name a file of PEM certificates, or unset it to trust the system's".to_owned()
            }
            Self::Bundle(bundle::Error::Variable(error)) => error.help(),
            Self::NoRole => "give the role: `--role-arn arn:aws:iam::ACCOUNT:role/NAME`".to_owned(),
            Self::Token(error) => error.help(),
            Self::Variable(error) => error.help(),
        }
    }
}

impl Explain for environment::Error {
    fn code(&self) -> &'static str {
        "configuration"
    }

    fn help(&self) -> String {
        format!("set {} to {}, or unset it", self.variable, self.expected)
    }
}
