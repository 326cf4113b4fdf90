//! What to do about credentials, roles and the environment.

use std::time::Duration;

use s3lo_core::text::clipped;
use serde_json::Value;

use crate::aws::arn::Arn;
use crate::aws::error::Answer;
use crate::aws::{config, error, role};
use crate::diagnostic::Explain;
use crate::environment;
use crate::identity::ci_system::Ci;
use crate::identity::jwt::{Audience, Claims};
use crate::identity::token_source;
use crate::identity::token_source::RelyingParty;
use crate::net::ca_bundle;
use crate::text::quoted;

impl Explain for error::Error {
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
            Self::Expired { .. } => "run the job again, at a desk after `aws sso login`; what was signed already is kept; credentials that another step exported end when they end, while `--role-arn` lets this program renew them".to_owned(),
            Self::NoCredentials { reason } if reason.contains("SSO") => {
                "log in again: `aws sso login`, with `--profile NAME` where AWS_PROFILE names one".to_owned()
            }
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
            Self::Ended { .. } => "clock_skewed",
            Self::Plain => "configuration",
            Self::Refused { .. } => "role_refused",
            Self::Caller { answer } | Self::Service { answer } if answer.is_throttled() => {
                "throttled"
            }
            Self::Caller { .. } | Self::Nonsense { .. } | Self::Service { .. } => "service_error",
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
            Self::Ended { .. } => "set this machine's clock, for example with `timedatectl set-ntp true`".to_owned(),
            Self::Plain => {
                "give STS an `https://` URL; to move S3 alone, set AWS_ENDPOINT_URL_S3 in place of AWS_ENDPOINT_URL".to_owned()
            }
            Self::Refused { role, duration, claims, answer } => refused(role, *duration, claims, answer),
            Self::Caller { answer } | Self::Service { answer } if answer.is_passing() => {
                "STS failed repeatedly; run it again later, or give it longer with `--timeout`".to_owned()
            }
            Self::Caller { .. } | Self::Service { .. } => {
                "check AWS_ENDPOINT_URL_STS and HTTPS_PROXY: what answers there is not STS".to_owned()
            }
            Self::Token(error) => error.help(),
            Self::Unreachable { reason } if reason.contains("UnknownIssuer") => certificates(),
            Self::Unreachable { .. } => {
                "check the network, HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_STS; STS is asked in the region of `--region`".to_owned()
            }
        }
    }
}

/// What to change in IAM, by what STS said.
fn refused(role: &Arn, duration: Duration, claims: &Claims, answer: &Answer) -> String {
    let issuer = clipped(&claims.issuer);
    let provider = issuer.strip_prefix("https://").unwrap_or(&issuer);
    let audience = clipped(&claims.audience.to_string());
    let subject = clipped(&claims.subject);
    let name = role.resource.rsplit('/').next().unwrap_or("NAME");
    let token =
        format!("the token is from `{issuer}`, for `{audience}`, and its subject is `{subject}`");
    match answer.code() {
        "InvalidIdentityToken" if answer.says("No OpenIDConnect provider") => format!(
            "{token}; make the provider known to the account {}: `aws iam create-open-id-connect-provider --url {} --client-id-list {}`",
            role.account,
            quoted(&issuer),
            quoted(&audience),
        ),
        "InvalidIdentityToken" if answer.says("audience") => format!(
            "{token}; ask for an audience that the provider knows with `--audience`, or add this one: `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}`",
            quoted(&provider_arn(role, provider)),
            quoted(&audience),
        ),
        "ExpiredTokenException" => {
            format!("{token}; run the job again: its token is valid for some minutes")
        }
        "ValidationError" if answer.says("DurationSeconds") => format!(
            "ask for a shorter session, such as `--role-duration 15m`, or raise the role's maximum: `aws iam update-role --role-name {} --max-session-duration {}`",
            quoted(name),
            duration.as_secs()
        ),
        "AccessDenied" if subject.ends_with(":pull_request") => format!(
            "{token}: a pull request, whose code anybody may have written; sign from a branch or a tag, which the role can trust"
        ),
        "AccessDenied" => {
            format!(
                "{token}; the role's trust policy needs this statement: `{}`",
                trust(role, provider, claims)
            )
        }
        _ => format!(
            "{token}; look the code up in the errors of AssumeRoleWithWebIdentity, and check `--role-arn`"
        ),
    }
}

/// The statement with which the role would trust such a token. A branch may have any name, one with
/// quotes too.
fn trust(role: &Arn, provider: &str, claims: &Claims) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let audience = match &claims.audience {
        Audience::One(audience) => text(audience),
        Audience::Several(audiences) => Value::from(audiences.as_slice()).to_string(),
    };
    let (federated, aud, sub) = (
        text(&provider_arn(role, provider)),
        text(&format!("{provider}:aud")),
        text(&format!("{provider}:sub")),
    );
    let condition = match lasting_part(provider, &claims.subject) {
        None => format!(
            r#""StringEquals": {{{aud}: {audience}, {sub}: {}}}"#,
            text(&claims.subject)
        ),
        Some(pattern) => format!(
            r#""StringEquals": {{{aud}: {audience}}}, "StringLike": {{{sub}: {}}}"#,
            text(&pattern)
        ),
    };
    format!(
        r#"{{"Effect": "Allow", "Principal": {{"Federated": {federated}}}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {{{condition}}}}}"#
    )
}

/// The subject as a pattern that the next build matches, where it is another one for each: Buildkite's commit
/// and step, CircleCI's user, Bitbucket's step. Whoever names a branch may put wildcards into it, and
/// whatever stands for a user must not reach into what follows.
fn lasting_part(provider: &str, subject: &str) -> Option<String> {
    if provider.starts_with("agent.buildkite.com") {
        let (build, _) = subject.split_once(":commit:")?;
        Some(format!("{}:commit:*:step:*", literal(build)))
    } else if provider.starts_with("oidc.circleci.com") {
        let (project, rest) = subject.split_once("/user/")?;
        let (user, branch) = match rest.split_once('/') {
            Some((user, branch)) => (user, format!("/{branch}")),
            None => (rest, String::new()),
        };
        let anybody = "?".repeat(user.chars().count());
        Some(format!(
            "{}/user/{anybody}{}",
            literal(project),
            literal(&branch)
        ))
    } else if provider.starts_with("api.bitbucket.org") {
        let (repository, _) = subject.rsplit_once(':')?;
        Some(format!("{}:*", literal(repository)))
    } else {
        None
    }
}

/// `text` without wildcards, in the language of
/// [policy variables](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html).
fn literal(text: &str) -> String {
    let escaped = |c: char| match c {
        '$' | '*' | '?' => format!("${{{c}}}"),
        other => other.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn provider_arn(role: &Arn, provider: &str) -> String {
    let (partition, account) = (&role.partition, &role.account);
    format!("arn:{partition}:iam::{account}:oidc-provider/{provider}")
}

impl Explain for token_source::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Variable(error) => error.code(),
            _ => "no_identity_token",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Agent { lasting: false, .. } => "run the job again; `buildkite-agent oidc request-token --audience sts.amazonaws.com` shows what the agent says".to_owned(),
            Self::Agent { .. } => "run it where the agent's `buildkite-agent` is in PATH, or pass its token in: `BUILDKITE_OIDC_TOKEN=\"$(buildkite-agent oidc request-token --audience sts.amazonaws.com)\"`".to_owned(),
            Self::Missing { ci, party } => missing(*ci, *party).to_owned(),
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
fn missing(ci: Option<Ci>, party: RelyingParty) -> &'static str {
    match ci {
        Some(Ci::Buildkite) | None if party == RelyingParty::Vault => {
            "name where the token is: `--vault-jwt-file FILE` or `--vault-jwt-env NAME`"
        }
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

/// What to do where the server's certificate is not trusted.
pub(crate) fn certificates() -> String {
    "trust its authority by AWS_CA_BUNDLE=FILE; where a container has no certificates at all, install ca-certificates or let SSL_CERT_FILE name them".to_owned()
}

impl Explain for ca_bundle::Error {
    fn code(&self) -> &'static str {
        "configuration"
    }

    fn help(&self) -> String {
        match self {
            Self::Unusable { variable, .. } if variable.ends_with("_BYTES") => {
                format!("let {variable} hold PEM certificates, or unset it to trust the system's")
            }
            Self::Unusable { variable, .. } if variable.ends_with("_CAPATH") => {
                format!("let {variable} name a folder of nothing but PEM certificates")
            }
            Self::Unusable { variable, .. } if variable.ends_with("_CLIENT_CERT") => {
                format!("let {variable} name a file of PEM certificates")
            }
            Self::Unusable { variable, .. } => format!(
                "let {variable} name a file of PEM certificates, or unset it to trust the system's"
            ),
            Self::Variable(error) => error.help(),
        }
    }
}

impl Explain for config::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Bundle(_)
            | Self::HalfAPair { .. }
            | Self::NoRole
            | Self::NotAFile { .. }
            | Self::Region { .. } => "configuration",
            Self::Account(error) => error.code(),
            Self::TokenPlace(_) => "usage",
            Self::Token(error) => error.code(),
            Self::Variable(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Bundle(error) => error.help(),
            Self::Account(error) => error.help(),
            Self::NotAFile { variable } => format!("let {variable} name a file, or unset it"),
            Self::Region { .. } => {
                "write a region such as `eu-central-1` in `--region`, AWS_REGION or the profile".to_owned()
            }
            Self::HalfAPair { set, missing } => {
                format!("set {missing} as well, or unset {set} to use other credentials")
            }
            Self::NoRole => "give the role: `--role-arn arn:aws:iam::ACCOUNT:role/NAME`".to_owned(),
            Self::TokenPlace("--web-identity-token-file" | "AWS_WEB_IDENTITY_TOKEN_FILE") => {
                "give the path of the file that holds the token, not the token".to_owned()
            }
            Self::TokenPlace(_) => {
                "give the name of the variable that holds the token, such as `GITLAB_OIDC_TOKEN`, not the token".to_owned()
            }
            Self::Token(error) => error.help(),
            Self::Variable(error) => error.help(),
        }
    }
}

impl Explain for environment::Error {
    fn code(&self) -> &'static str {
        if self.variable.starts_with("--") {
            return "usage";
        }
        "configuration"
    }

    fn help(&self) -> String {
        if self.variable.starts_with("--") {
            return format!("give {} {}, or leave it away", self.variable, self.expected);
        }
        format!("set {} to {}, or unset it", self.variable, self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_lasts_and_reaches_no_further_than_the_subject() {
        let buildkite = "organization:acme:pipeline:app:ref:refs/heads/*:commit:a1:step:build";
        assert_eq!(
            lasting_part("agent.buildkite.com", buildkite).unwrap(),
            "organization:acme:pipeline:app:ref:refs/heads/${*}:commit:*:step:*"
        );
        let circle =
            "org/o/project/p/user/1234/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/main";
        assert_eq!(
            lasting_part("oidc.circleci.com/org/o", circle).unwrap(),
            "org/o/project/p/user/????/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/main"
        );
        assert_eq!(
            lasting_part("oidc.circleci.com/org/o", "org/o/project/p/user/1234").unwrap(),
            "org/o/project/p/user/????"
        );
        assert_eq!(
            lasting_part("api.bitbucket.org/2.0/workspaces/acme", "{r}:{e}:{s}").unwrap(),
            "{r}:{e}:*"
        );
        assert_eq!(lasting_part("gitlab.com", "project_path:a/b"), None);
    }
}
