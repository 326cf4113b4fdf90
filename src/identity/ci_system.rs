//! Which CI system this is, as far as identity goes.

use crate::environment::{says_true, variable};
use crate::identity::token_source::RelyingParty;

/// A CI system that gives its jobs an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ci {
    /// Bitbucket Pipelines.
    Bitbucket,
    /// Buildkite.
    Buildkite,
    /// CircleCI.
    CircleCi,
    /// GitHub Actions, and what speaks its language.
    GitHub,
    /// GitLab CI.
    GitLab,
}

impl Ci {
    /// The one that this process runs in, by the variables that it sets.
    pub fn detect() -> Option<Self> {
        let set = |name| matches!(variable(name), Ok(Some(_)));
        if says_true("GITHUB_ACTIONS") {
            Some(Self::GitHub)
        } else if says_true("GITLAB_CI") {
            Some(Self::GitLab)
        } else if says_true("BUILDKITE") {
            Some(Self::Buildkite)
        } else if says_true("CIRCLECI") {
            Some(Self::CircleCi)
        } else if set("BITBUCKET_BUILD_NUMBER") {
            Some(Self::Bitbucket)
        } else {
            None
        }
    }

    /// The variables in which jobs find a token, most wanted first. GitHub has none, and Buildkite's
    /// is a convention: both give tokens on request.
    /// GitLab makes one for each audience.
    pub fn token_variables(self, party: RelyingParty) -> &'static [&'static str] {
        match (self, party) {
            (Self::Bitbucket, _) => &["BITBUCKET_STEP_OIDC_TOKEN"],
            (Self::Buildkite, RelyingParty::Sts) => &["BUILDKITE_OIDC_TOKEN"],
            (Self::CircleCi, _) => &["CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"],
            (Self::GitLab, RelyingParty::Sts) => &["GITLAB_OIDC_TOKEN", "AWS_ID_TOKEN", "ID_TOKEN"],
            (Self::GitLab, RelyingParty::Vault) => &["VAULT_ID_TOKEN"],
            (Self::GitHub, _) | (Self::Buildkite, RelyingParty::Vault) => &[],
        }
    }

    /// The repository and the run, which the session is named after.
    fn run_variables(self) -> (&'static str, &'static str) {
        match self {
            Self::Bitbucket => ("BITBUCKET_REPO_FULL_NAME", "BITBUCKET_BUILD_NUMBER"),
            Self::Buildkite => ("BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_NUMBER"),
            Self::CircleCi => ("CIRCLE_PROJECT_REPONAME", "CIRCLE_BUILD_NUM"),
            Self::GitHub => ("GITHUB_REPOSITORY", "GITHUB_RUN_ID"),
            Self::GitLab => ("CI_PROJECT_PATH", "CI_PIPELINE_ID"),
        }
    }
}

/// Whether this is any CI system, with an identity for its jobs or without.
pub fn in_any() -> bool {
    let set =
        |name| matches!(variable(name), Ok(Some(text)) if !text.eq_ignore_ascii_case("false"));
    let others = ["CI", "JENKINS_URL", "TF_BUILD", "TEAMCITY_VERSION"];
    Ci::detect().is_some() || others.into_iter().any(set)
}

/// A role session's name, by which CloudTrail tells one run from another: repository and run.
pub fn session_name(ci: Option<Ci>) -> String {
    let value = |name| variable(name).ok().flatten().unwrap_or_default();
    match ci.map(Ci::run_variables) {
        None => "s3lo".to_owned(),
        Some((repository, run)) => session_name_of(&value(repository), &value(run)),
    }
}

/// Whether STS takes `name` for a session: `[\w+=,.@-]{2,64}`
/// ([AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html)).
pub fn is_session_name(name: &str) -> bool {
    (2..=LONGEST).contains(&name.len()) && name.chars().all(is_of_session)
}

fn is_of_session(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Where it gets too long, the repository gives way: the run is what is searched for.
fn session_name_of(repository: &str, run: &str) -> String {
    let clean = |text: &str| -> String {
        let chars = text.chars();
        chars
            .map(|c| if is_of_session(c) { c } else { '-' })
            .collect()
    };
    let mut run = clean(run);
    run.truncate(LONGEST_RUN);
    let mut name = format!("s3lo-{}", clean(repository));
    let room = LONGEST.saturating_sub(run.len()).saturating_sub(1);
    name.truncate(room);
    let name = name.trim_end_matches('-');
    if run.is_empty() {
        name.to_owned()
    } else {
        format!("{name}-{run}")
    }
}

/// The longest name of a session.
const LONGEST: usize = 64;

/// The most of it that is a run's number.
const LONGEST_RUN: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_repository_and_run() {
        assert_eq!(
            session_name_of("my-org/my app", "17023"),
            "s3lo-my-org-my-app-17023"
        );
        assert_eq!(session_name_of("", "17"), "s3lo-17");
        assert_eq!(session_name_of("", ""), "s3lo");
        let long = session_name_of(&"é".repeat(500), &"7".repeat(500));
        assert_eq!(long, format!("s3lo-{}", "7".repeat(24)));
        let long = session_name_of(&"a".repeat(500), "42");
        assert_eq!(long.len(), 64);
        assert!(long.ends_with("a-42"), "{long}");
    }
}
