//! Detection of the CI system that this process runs in.

use crate::environment::{is_set, is_true, variable};

/// A CI system that gives its jobs identity tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CiSystem {
    /// Bitbucket Pipelines.
    Bitbucket,
    /// Buildkite.
    Buildkite,
    /// CircleCI.
    CircleCi,
    /// GitHub Actions, and compatible runners.
    GitHub,
    /// GitLab CI.
    GitLab,
}

impl CiSystem {
    /// Detects the system by the variables that it sets.
    pub fn detect() -> Option<Self> {
        if is_true("GITHUB_ACTIONS") {
            Some(Self::GitHub)
        } else if is_true("GITLAB_CI") {
            Some(Self::GitLab)
        } else if is_true("BUILDKITE") {
            Some(Self::Buildkite)
        } else if is_true("CIRCLECI") {
            Some(Self::CircleCi)
        } else if is_set("BITBUCKET_BUILD_NUMBER") {
            Some(Self::Bitbucket)
        } else {
            None
        }
    }

    /// The name of the system.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bitbucket => "Bitbucket Pipelines",
            Self::Buildkite => "Buildkite",
            Self::CircleCi => "CircleCI",
            Self::GitHub => Self::github_name(),
            Self::GitLab => "GitLab",
        }
    }

    /// The name of the system that sets the variables of GitHub Actions: Forgejo and Gitea do so as well
    /// ([Forgejo](https://forgejo.org/docs/latest/user/actions/reference/)).
    pub(crate) fn github_name() -> &'static str {
        if is_true("FORGEJO_ACTIONS") {
            "Forgejo"
        } else if is_true("GITEA_ACTIONS") {
            "Gitea"
        } else {
            "GitHub"
        }
    }

    /// The setting by which a job there may ask for an identity token.
    pub(crate) fn github_permission() -> &'static str {
        match Self::github_name() {
            "Forgejo" => "enable-openid-connect: true",
            _ => "permissions: {id-token: write, contents: read}",
        }
    }

    /// The variables that hold the repository and the run.
    pub(crate) fn run_variables(self) -> (&'static str, &'static str) {
        match self {
            Self::Bitbucket => ("BITBUCKET_REPO_FULL_NAME", "BITBUCKET_BUILD_NUMBER"),
            Self::Buildkite => ("BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_NUMBER"),
            Self::CircleCi => ("CIRCLE_PROJECT_REPONAME", "CIRCLE_BUILD_NUM"),
            Self::GitHub => ("GITHUB_REPOSITORY", "GITHUB_RUN_ID"),
            Self::GitLab => ("CI_PROJECT_PATH", "CI_PIPELINE_ID"),
        }
    }
}

/// Whether this process runs in any CI system, with identity tokens or without.
pub fn in_any() -> bool {
    let set =
        |name| matches!(variable(name), Ok(Some(text)) if !text.eq_ignore_ascii_case("false"));
    // Cloud Build sets the second, and CodeBuild the third; neither sets CI.
    let others = [
        "CI",
        "BUILDER_OUTPUT",
        "CODEBUILD_BUILD_ID",
        "JENKINS_URL",
        "TF_BUILD",
        "TEAMCITY_VERSION",
    ];
    CiSystem::detect().is_some() || others.into_iter().any(set)
}
