//! The services that identity tokens are for.

use crate::environment::variable;
use crate::identity::ci_system::CiSystem;
use crate::option_name::option;

/// A service that trusts the identity tokens of CI systems.
#[derive(Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The sentence for a missing token.
    pub missing: &'static str,
    /// The variables in which the jobs of a CI system find a token for it, in order of preference. GitHub and
    /// the agent of Buildkite give tokens on request as well.
    pub variables: &'static [(CiSystem, &'static [&'static str])],
    /// The variable that names a token's file, where there is one.
    pub file_variable: Option<&'static str>,
    /// The YAML by which a GitLab job gets a token.
    pub gitlab_help: &'static str,
    /// The options that name a token's file and its variable.
    pub options: [&'static str; 2],
}

impl RelyingParty {
    /// The variables in which a job of `ci` finds a token.
    pub(crate) fn variables_in(&self, ci: Option<CiSystem>) -> &'static [&'static str] {
        let found = self.variables.iter().find(|(of, _)| Some(*of) == ci);
        found.map(|(_, names)| *names).unwrap_or_default()
    }

    /// The lines that a job of `ci` without a token lacks.
    pub(crate) fn help_in(&self, ci: Option<CiSystem>) -> String {
        match ci {
            Some(CiSystem::Bitbucket) => "add to the step: `oidc: true`".to_owned(),
            Some(CiSystem::CircleCi) => {
                "let the job use a context, without which CircleCI gives no identity token: `context: [NAME]`".to_owned()
            }
            Some(CiSystem::GitHub) => {
                let add = format!("`{}`", CiSystem::github_permission());
                let event = variable("GITHUB_EVENT_NAME");
                match matches!(event, Ok(Some(event)) if event == "pull_request") {
                    false => format!(
                        "add to the job: {add}; workflows that a fork triggers cannot have it"
                    ),
                    true => format!(
                        "pull requests from forks and from Dependabot get no identity: sign after the merge, and let them verify by a `.pub` file, without a role; for others add to the job: {add}"
                    ),
                }
            }
            Some(CiSystem::GitLab) => self.gitlab_help.to_owned(),
            Some(CiSystem::Buildkite) | None => {
                let [file, variable] = self.options;
                format!(
                    "name where the token is: {} or {}",
                    option(file).with("FILE"),
                    option(variable).with("NAME")
                )
            }
        }
    }
}
