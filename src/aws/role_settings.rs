//! The role of a run: from options, from the pair of variables that Kubernetes sets, or from a profile.

use crate::text::printable;
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::arn::Arn;
use crate::aws::error::Error;
use crate::aws::profile::{Profiles, TokenRole};
use crate::aws::role::{Proof, Role};
use crate::aws::{Options, RoleOptions, credential_text, role, session_name};
use crate::environment;
use crate::environment::variable;
use crate::identity::ci_system::CiSystem;
use crate::identity::jwt;
use crate::identity::relying_party::RelyingParty;
use crate::identity::token_source;
use crate::identity::token_source::TokenSource;
use crate::mask::Mask;

/// The shortest session that STS gives.
const MIN_SESSION: Duration = Duration::from_secs(15 * 60);

/// The longest session that a role allows unless its maximum is raised.
const DEFAULT_MAX_SESSION: Duration = Duration::from_secs(60 * 60);

/// The variable of the SDKs for the file of a token.
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// STS, which exchanges identity tokens for sessions of a role.
const STS: RelyingParty = RelyingParty {
    missing: "there is no identity token to assume the role with",
    // Those of Buildkite are the plugin's: its hooks request the tokens that `s3lo ci tokens` lists.
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
    file_variable: Some(TOKEN_FILE),
    gitlab_help: "add to the job: `id_tokens: {GITLAB_OIDC_TOKEN: {aud: sts.amazonaws.com}}`",
    options: ["web-identity-token-file", "web-identity-token-env"],
};

/// The role to assume, if there is one.
///
/// # Errors
///
/// [`Error`] for an invalid option, variable or profile.
pub(crate) fn role(
    aws: &Options,
    mask: &Mask,
    deadline: Instant,
    profiles: &Profiles,
) -> Result<Option<Role>, Error> {
    let options = &aws.role;
    let Some(choice) = choose(options, profiles)? else {
        return Ok(None);
    };
    let ci = CiSystem::detect();
    let left = deadline.saturating_duration_since(Instant::now());
    let audience = options.audience.clone();
    let audience = audience.unwrap_or_else(|| match choice.arn.partition.as_str() {
        "aws-cn" => "sts.amazonaws.com.cn".to_owned(),
        _ => "sts.amazonaws.com".to_owned(),
    });
    let proof = proof(options, choice.token_file, audience, ci)?;
    let session_name = match (&options.session_name, choice.session_name) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => name,
        (None, None) => session_name(ci)?,
    };
    let lasting = left.clamp(MIN_SESSION, DEFAULT_MAX_SESSION);
    Ok(Some(Role {
        arn: choice.arn,
        session_name,
        duration: options.duration.unwrap_or(lasting),
        proof,
        allowed_accounts: aws.allowed_accounts.clone(),
        mask: mask.clone(),
    }))
}

/// A role, and what is set together with it.
struct Choice {
    arn: Arn,
    token_file: Option<TokenFile>,
    session_name: Option<String>,
}

/// The file of an identity token, and the setting that names it.
struct TokenFile {
    path: String,
    place: String,
}

impl Choice {
    fn role(arn: Arn) -> Self {
        Self {
            arn,
            token_file: None,
            session_name: None,
        }
    }
}

fn choose(options: &RoleOptions, profiles: &Profiles) -> Result<Option<Choice>, Error> {
    if let Some(arn) = &options.arn {
        return Ok(Some(Choice::role(arn.clone())));
    }
    let text = variable("AWS_ROLE_ARN")?;
    let by_flag = options.token_file.is_some()
        || options.token_variable.is_some()
        || options.external_id.is_some();
    if by_flag {
        let arn = text.ok_or(Error::NoRole)?;
        return Ok(Some(Choice::role(of_variable(arn)?)));
    }
    if credential_text::in_environment() {
        return Ok(None);
    }
    // The pair of the SDKs, as Kubernetes sets it: this role, and the token of this file.
    if variable("AWS_PROFILE")?.is_none()
        && let (Some(arn), Some(path)) = (text, variable(TOKEN_FILE)?)
    {
        return Ok(Some(Choice {
            token_file: Some(TokenFile {
                path,
                place: TOKEN_FILE.to_owned(),
            }),
            ..Choice::role(of_variable(arn)?)
        }));
    }
    profiles.token_role().map(of_profile).transpose()
}

const EXPECTED_ARN: &str = "`arn:aws:iam::ACCOUNT:role/NAME`";

fn of_variable(text: String) -> Result<Arn, environment::Error> {
    let arn = role::parse_arn(&text);
    arn.ok_or_else(|| environment::Error::new("AWS_ROLE_ARN", text, EXPECTED_ARN))
}

/// The role of a profile, which is assumed as any other: the SDK would send the token without TLS as well.
fn of_profile(role: TokenRole) -> Result<Choice, Error> {
    let Some(arn) = role::parse_arn(&role.arn) else {
        let profile = role.profile;
        return Err(Error::ProfileRole { profile });
    };
    let valid = role
        .session_name
        .filter(|name| session_name::is_valid(name));
    Ok(Choice {
        token_file: Some(TokenFile {
            path: role.token_file,
            place: format!(
                "`web_identity_token_file` of the profile `{}`",
                printable(&role.profile)
            ),
        }),
        session_name: valid,
        ..Choice::role(arn)
    })
}

/// The identity token that is named or that the CI system gives; or credentials, where an external ID is asked for or
/// there is no token.
fn proof(
    options: &RoleOptions,
    chosen_file: Option<TokenFile>,
    audience: String,
    ci: Option<CiSystem>,
) -> Result<Proof, Error> {
    let (chosen_file, place) = match chosen_file {
        Some(TokenFile { path, place }) => (Some(path), place),
        // A file that is detected is that of the variable.
        None => (None, TOKEN_FILE.to_owned()),
    };
    let token_file = options.token_file.clone().or(chosen_file);
    let source = match (token_file, options.token_variable.clone()) {
        (Some(path), _) => TokenSource::File(path),
        (None, Some(name)) if !environment::is_name(&name) => {
            return Err(Error::NotATokenVariable);
        }
        (None, Some(name)) => TokenSource::Variable(name),
        (None, None) => {
            let external_id = options.external_id.clone();
            if external_id.is_some() {
                return Ok(Proof::Credentials {
                    external_id,
                    missing_token: None,
                });
            }
            match TokenSource::detect(ci, &STS) {
                Err(error @ token_source::Error::Missing { .. }) => {
                    return Ok(Proof::Credentials {
                        external_id,
                        missing_token: Some(error),
                    });
                }
                detected => detected?,
            }
        }
    };
    // The text may be the token itself, and is not repeated.
    if let TokenSource::File(path) = &source
        && (path.is_empty() || jwt::is_token(path))
    {
        return Err(match options.token_file {
            Some(_) => Error::NotATokenFile,
            None => Error::NotATokenFileSetting { place },
        });
    }
    Ok(Proof::Token { audience, source })
}

fn session_name(ci: Option<CiSystem>) -> Result<String, environment::Error> {
    match variable("AWS_ROLE_SESSION_NAME")? {
        Some(name) if !session_name::is_valid(&name) => {
            let variable = "AWS_ROLE_SESSION_NAME";
            Err(environment::Error::new(
                variable,
                name,
                session_name::EXPECTED,
            ))
        }
        Some(name) => Ok(name),
        None => Ok(session_name::of_run(ci)),
    }
}
