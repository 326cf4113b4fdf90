//! Advice on a refused role: the IAM statement or command that is missing.

use std::time::Duration;

use s3lo_core::text::clipped;
use serde_json::{Value, json};

use crate::aws::arn::Arn;
use crate::aws::credential_text;
use crate::aws::denial::{Denial, PolicyKind};
use crate::aws::missing_statement::MissingStatement;
use crate::aws::policy::literal;
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
    let denial = Denial::of(answer);
    if !matches!(denial, Denial::Missing(PolicyKind::Resource))
        && let Some(help) = denial.help("sts:AssumeRoleWithWebIdentity", "the role's trust policy")
    {
        return help;
    }
    match answer.code() {
        "RegionDisabledException" => region_disabled(),
        "IDPCommunicationError" => issuer_keys(&issuer),
        "InvalidIdentityToken" if answer.says("verification key") => issuer_keys(&issuer),
        "InvalidIdentityToken" if answer.says("thumbprint") => format!(
            "the certificate of {provider} has changed: give its provider in IAM the new thumbprint: `aws iam update-open-id-connect-provider-thumbprint --open-id-connect-provider-arn {} --thumbprint-list THUMBPRINT`",
            quoted(&provider_arn(role, provider)),
        ),
        "InvalidIdentityToken" if answer.says("No OpenIDConnect provider") => format!(
            "add the provider to account {}: `aws iam create-open-id-connect-provider --url {} --client-id-list {}`",
            role.account,
            quoted(&issuer),
            quoted(&audience),
        ),
        "InvalidIdentityToken" if answer.says("audience") => format!(
            "use a token for an audience that the provider knows, such as sts.amazonaws.com ({audience} names the one to ask the CI system for)\nor add this one: `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}`",
            quoted(&provider_arn(role, provider)),
            quoted(&audience),
            audience = option("audience")
        ),
        "ExpiredTokenException" => {
            "run the job again: an identity token is valid for a few minutes".to_owned()
        }
        "ValidationError" if answer.says("DurationSeconds") => format!(
            "ask for a shorter session, such as {role_duration}, or raise the role's maximum: `aws iam update-role --role-name {} --max-session-duration {}`",
            quoted(name),
            duration.as_secs(),
            role_duration = option("role-duration").with("15m")
        ),
        "AccessDenied" if subject.ends_with(":pull_request") => {
            "sign from a branch or a tag, which the role can trust: anyone could have written the code of a pull request".to_owned()
        }
        "AccessDenied" => not_trusted(role, provider, claims),
        _ => format!(
            "look the code up in the errors of AssumeRoleWithWebIdentity, and check {role_arn}",
            role_arn = option("role-arn")
        ),
    }
}

/// The advice where the role does not trust the token: first that it may be right not to.
fn not_trusted(role: &Arn, provider: &str, claims: &Claims) -> String {
    let mut help = "if this job should not sign, run it from a branch, tag or environment that the role trusts\n".to_owned();
    if queue_pattern(&claims.subject).is_some() {
        help.push_str("this is a merge queue, whose branches last for one run: sign after the merge, or let the role trust all branches of the queue\n");
    }
    if credential_text::in_environment() {
        help.push_str(&format!(
            "to assume it with the AWS credentials in the environment instead, give {}\n",
            option("external-id").with("ID")
        ));
    }
    help.push_str("if it should, add this statement to the role's trust policy:\n");
    help + &trust(role, provider, claims)
}

/// The advice where STS does not answer for the account in its region.
pub(crate) fn region_disabled() -> String {
    format!(
        "ask STS in another region with {}, or activate it in this one: in IAM, Account settings, Security Token Service",
        option("region").with("REGION")
    )
}

/// The advice where AWS cannot get the keys that tokens are signed with, as those of a GitHub Enterprise Server
/// behind a firewall.
fn issuer_keys(issuer: &str) -> String {
    format!(
        "make {issuer}/.well-known/openid-configuration and the jwks_uri in it reachable from the internet, with a certificate of a public authority: AWS reads the issuer's keys there\nif they are, run the job again"
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
    let caller = said
        .split_once("User: ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<Arn>().ok());
    let principal = caller.as_ref().and_then(principal);
    let principal =
        principal.unwrap_or_else(|| format!("arn:{}:iam::ACCOUNT:role/NAME", role.partition));
    match answer.code() {
        "RegionDisabledException" => region_disabled(),
        "AccessDenied" => {
            let may_assume = MissingStatement::on("sts:AssumeRole", role.to_string()).lines();
            let trusted = MissingStatement::by(json!({"AWS": principal}), "sts:AssumeRole");
            let trusted = match external_id {
                Some(id) => trusted.if_holds(json!({"StringEquals": {"sts:ExternalId": id}})),
                None => trusted,
            };
            format!(
                "if the trust policy asks for an external ID, give {}\nadd this statement to the policy of the credentials:\n{may_assume}\nand this one to the role's trust policy:\n{}",
                option("external-id").with("ID"),
                trusted.lines()
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

/// The user or the role of a caller, as a trust policy names it: of a session, its role.
fn principal(caller: &Arn) -> Option<String> {
    let Arn {
        partition, account, ..
    } = caller;
    let mut parts = caller.resource.split('/');
    match (parts.next()?, parts.next()?) {
        ("assumed-role", role) => Some(format!(
            "arn:{partition}:iam::{}:role/{role}",
            account.as_str()
        )),
        ("user" | "role", _) => Some(caller.to_string()),
        _ => None,
    }
}

/// The statement with which the role would trust such a token.
fn trust(role: &Arn, provider: &str, claims: &Claims) -> String {
    let audience = match &claims.audience {
        Audience::One(audience) => Value::from(audience.as_str()),
        Audience::Several(audiences) => Value::from(audiences.as_slice()),
    };
    // Google's `aud` is the token's `azp`: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
    let aud = if provider == GOOGLE { "oaud" } else { "aud" };
    let (aud, sub) = (format!("{provider}:{aud}"), format!("{provider}:sub"));
    let condition = match stable_pattern(provider, &claims.subject) {
        None => json!({"StringEquals": {aud: audience, sub: claims.subject}}),
        Some(pattern) => json!({"StringEquals": {aud: audience}, "StringLike": {sub: pattern}}),
    };
    // IAM knows it without a provider in the account.
    let federated = match provider {
        GOOGLE => GOOGLE.to_owned(),
        provider => provider_arn(role, provider),
    };
    let principal = json!({"Federated": federated});
    let statement = MissingStatement::by(principal, "sts:AssumeRoleWithWebIdentity");
    statement.if_holds(condition).lines()
}

/// The issuer of Google's service accounts.
const GOOGLE: &str = "accounts.google.com";

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

fn provider_arn(role: &Arn, provider: &str) -> String {
    let (partition, account) = (&role.partition, &role.account);
    format!("arn:{partition}:iam::{account}:oidc-provider/{provider}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_of_google_is_trusted_by_the_keys_that_iam_has_for_it() {
        let role = "arn:aws:iam::111122223333:role/signer";
        let claims = Claims {
            issuer: "https://accounts.google.com".to_owned(),
            audience: Audience::One("sts.amazonaws.com".to_owned()),
            subject: "104".to_owned(),
            others: std::collections::BTreeMap::new(),
        };
        let statement = trust(&role.parse().unwrap(), GOOGLE, &claims);
        let statement: Value = serde_json::from_str(&statement).unwrap();
        assert_eq!(
            statement.get("Principal"),
            Some(&json!({"Federated": "accounts.google.com"}))
        );
        assert_eq!(
            statement.get("Condition"),
            Some(&json!({"StringEquals": {
                "accounts.google.com:oaud": "sts.amazonaws.com",
                "accounts.google.com:sub": "104",
            }}))
        );
    }

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
