//! Advice on a refused role: the IAM statement or command that is missing.

use std::time::Duration;

use s3lo_core::text::clipped;
use serde_json::Value;

use crate::aws::arn::Arn;
use crate::aws::credential_text;
use crate::aws::denial::{Denial, PolicyKind};
use crate::aws::response::ErrorResponse;
use crate::identity::jwt::{Audience, Claims};
use crate::option_name::option;
use crate::text::quoted;

/// The change to IAM, by the refusal of STS.
pub(crate) fn advice(
    role: &Arn,
    duration: Duration,
    claims: &Claims,
    answer: &ErrorResponse,
) -> String {
    let issuer = clipped(&claims.issuer);
    let provider = issuer.strip_prefix("https://").unwrap_or(&issuer);
    let audience = clipped(&claims.audience.to_string());
    let subject = clipped(&claims.subject);
    let name = role.resource.rsplit('/').next().unwrap_or("NAME");
    let token =
        format!("the token is from `{issuer}`, for `{audience}`, and its subject is `{subject}`");
    let denial = Denial::of(answer);
    if !matches!(denial, Denial::Missing(PolicyKind::Resource))
        && let Some(help) = denial.help("sts:AssumeRoleWithWebIdentity", "the role's trust policy")
    {
        return format!("{token}; {help}");
    }
    match answer.code() {
        "RegionDisabledException" => region_disabled(),
        "IDPCommunicationError" => issuer_keys(&token, &issuer),
        "InvalidIdentityToken" if answer.says("verification key") => issuer_keys(&token, &issuer),
        "InvalidIdentityToken" if answer.says("thumbprint") => format!(
            "{token}; the certificate of {provider} has changed, so give its provider in IAM the new thumbprint: `aws iam update-open-id-connect-provider-thumbprint --open-id-connect-provider-arn {} --thumbprint-list THUMBPRINT`",
            quoted(&provider_arn(role, provider)),
        ),
        "InvalidIdentityToken" if answer.says("No OpenIDConnect provider") => format!(
            "{token}; make the provider known to the account {}: `aws iam create-open-id-connect-provider --url {} --client-id-list {}`",
            role.account,
            quoted(&issuer),
            quoted(&audience),
        ),
        "InvalidIdentityToken" if answer.says("audience") => format!(
            "{token}; ask for an audience that the provider knows with {audience}, or add this one: `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}`",
            quoted(&provider_arn(role, provider)),
            quoted(&audience),
            audience = option("audience")
        ),
        "ExpiredTokenException" => {
            format!("{token}; run the job again: its token is valid for some minutes")
        }
        "ValidationError" if answer.says("DurationSeconds") => format!(
            "ask for a shorter session, such as {role_duration}, or raise the role's maximum: `aws iam update-role --role-name {} --max-session-duration {}`",
            quoted(name),
            duration.as_secs(),
            role_duration = option("role-duration").with("15m")
        ),
        "AccessDenied" if subject.ends_with(":pull_request") => format!(
            "{token}: a pull request, whose code anybody may have written; sign from a branch or a tag, which the role can trust"
        ),
        "AccessDenied" => {
            let queue = match queue_pattern(&claims.subject).is_some() {
                true => {
                    "; this is a merge queue, whose branches last for one run: sign after the merge, or let the role trust all branches of the queue"
                }
                false => "",
            };
            let by_credentials = match credential_text::in_environment() {
                true => format!(
                    "; to assume it by the AWS credentials in the environment instead, give {}",
                    option("external-id").with("ID")
                ),
                false => String::new(),
            };
            format!(
                "{token}{queue}; the role's trust policy needs this statement: `{}`{by_credentials}",
                trust(role, provider, claims)
            )
        }
        _ => format!(
            "{token}; look the code up in the errors of AssumeRoleWithWebIdentity, and check {role_arn}",
            role_arn = option("role-arn")
        ),
    }
}

/// The advice where STS does not answer for the account in its region.
pub(crate) fn region_disabled() -> String {
    format!(
        "ask STS in another region by {}, or activate it in this one: in IAM, Account settings, Security Token Service",
        option("region").with("REGION")
    )
}

/// The advice where AWS cannot get the keys that tokens are signed with, as those of a GitHub Enterprise Server
/// behind a firewall.
fn issuer_keys(token: &str, issuer: &str) -> String {
    format!(
        "{token}; AWS reads the issuer's keys from {issuer}/.well-known/openid-configuration and the jwks_uri in it: let both be reachable from the internet, with a certificate of a public authority; if they are, run the job again"
    )
}

/// The change to IAM, by the refusal of STS to let credentials assume a role.
pub(crate) fn advice_by_credentials(
    role: &Arn,
    external_id: Option<&str>,
    answer: &ErrorResponse,
) -> String {
    if let Some(help) = Denial::of(answer).help("sts:AssumeRole", "the role's trust policy") {
        return help;
    }
    let said = answer.message.as_deref().unwrap_or_default();
    // An assumed role is trusted by the role's own ARN or by its account.
    let caller = said
        .split_once("User: ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<Arn>().ok());
    let account = caller
        .as_ref()
        .map_or("ACCOUNT", |arn| arn.account.as_str());
    match answer.code() {
        "RegionDisabledException" => region_disabled(),
        "AccessDenied" => {
            let condition = external_id.map_or_else(String::new, |id| {
                format!(
                    r#", "Condition": {{"StringEquals": {{"sts:ExternalId": {}}}}}"#,
                    Value::from(id)
                )
            });
            format!(
                r#"add to the policy of the credentials: `{{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "{role}"}}`; and to the role's trust policy: `{{"Effect": "Allow", "Principal": {{"AWS": "arn:{}:iam::{account}:root"}}, "Action": "sts:AssumeRole"{condition}}}`; if the trust policy asks for an external ID, give it by {}"#,
                role.partition,
                option("external-id").with("ID")
            )
        }
        "ValidationError" if answer.says("DurationSeconds") => format!(
            "ask for a shorter session, such as {}: a role that another role assumes lasts one hour at most",
            option("role-duration").with("15m")
        ),
        _ => format!(
            "look the code up in the errors of AssumeRole, and check {}",
            option("role-arn")
        ),
    }
}

/// The statement with which the role would trust such a token, encoded as JSON: a branch name may hold quotes.
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
    let condition = match stable_pattern(provider, &claims.subject) {
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

/// A pattern that the next build's subject matches, where each build has its own: Buildkite's commit and step,
/// CircleCI's user, Bitbucket's step, GitHub's merge queue. Wildcards in a branch name are escaped, and the wildcard for
/// a user must not match what follows.
fn stable_pattern(provider: &str, subject: &str) -> Option<String> {
    if let Some(pattern) = queue_pattern(subject) {
        Some(pattern)
    } else if provider.starts_with("agent.buildkite.com") {
        let (build, _) = subject.split_once(":commit:")?;
        Some(format!("{}:commit:*:step:*", literal(build)))
    } else if provider.starts_with("oidc.circleci.com") {
        let (project, rest) = subject.split_once("/user/")?;
        let (user, branch) = match rest.split_once('/') {
            Some((user, branch)) => (user, format!("/{branch}")),
            None => (rest, String::new()),
        };
        let any_user = "?".repeat(user.chars().count());
        Some(format!(
            "{}/user/{any_user}{}",
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

/// A pattern of the branches of a merge queue of GitHub, `gh-readonly-queue/BRANCH/pr-NUMBER-COMMIT`.
fn queue_pattern(subject: &str) -> Option<String> {
    let (start, _) = subject.rsplit_once("/pr-")?;
    let (_, branch) = start.split_once(":ref:refs/heads/gh-readonly-queue/")?;
    (!branch.is_empty()).then(|| format!("{}/pr-*", literal(start)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_later_builds_and_nothing_beyond_the_subject() {
        let buildkite = "organization:acme:pipeline:app:ref:refs/heads/*:commit:a1:step:build";
        assert_eq!(
            stable_pattern("agent.buildkite.com", buildkite).unwrap(),
            "organization:acme:pipeline:app:ref:refs/heads/${*}:commit:*:step:*"
        );
        let circle =
            "org/o/project/p/user/1234/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/main";
        assert_eq!(
            stable_pattern("oidc.circleci.com/org/o", circle).unwrap(),
            "org/o/project/p/user/????/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/main"
        );
        assert_eq!(
            stable_pattern("oidc.circleci.com/org/o", "org/o/project/p/user/1234").unwrap(),
            "org/o/project/p/user/????"
        );
        assert_eq!(
            stable_pattern("api.bitbucket.org/2.0/workspaces/acme", "{r}:{e}:{s}").unwrap(),
            "{r}:{e}:*"
        );
        assert_eq!(stable_pattern("gitlab.com", "project_path:a/b"), None);
        let queue = "repo:acme/app:ref:refs/heads/gh-readonly-queue/release/2.*/pr-12-0123abcd";
        assert_eq!(
            stable_pattern("token.actions.githubusercontent.com", queue).unwrap(),
            "repo:acme/app:ref:refs/heads/gh-readonly-queue/release/2.${*}/pr-*"
        );
        let branch = "repo:acme/app:ref:refs/heads/gh-readonly-queue/main";
        assert_eq!(queue_pattern(branch), None);
    }
}
