//! The family of variables that a job's options come from. One is read, so that a variable of others that looks like an
//! option of ours has no effect.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::ci::inputs::option::{OptionSpec, Origin, ValueKind};

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, OsString>;

/// The variable of the Buildkite agent that holds a plugin's settings as JSON.
pub(crate) const CONFIGURATION: &str = "BUILDKITE_PLUGIN_CONFIGURATION";

/// A family of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Family {
    /// The inputs of the GitHub action, `INPUT_…`
    Github,
    /// The arguments `--input NAME=VALUE`, and no variable
    #[value(skip)]
    Arguments,
    /// The settings of the Buildkite plugin, and `S3LO_…` beside them
    Buildkite,
    /// The settings of a Drone or Woodpecker plugin, `PLUGIN_…`
    Plugin,
    /// `S3LO_…`
    Variables,
}

impl Family {
    /// The family of a job, by what its CI system sets.
    pub(crate) fn detect(variables: &Variables) -> Self {
        let has = |name: &str| variables.contains_key(name);
        let is = |name: &str, text: &str| {
            let value = variables.get(name);
            value.is_some_and(|value| value.eq_ignore_ascii_case(text))
        };
        let has_option = |prefix: &str| {
            ["REFERENCE", "KEY"]
                .into_iter()
                .any(|option| has(&format!("{prefix}{option}")))
        };
        // The first sets DRONE and the other CI_SYSTEM_NAME, and either CI to its name.
        let is_drone = is("DRONE", "true")
            || ["CI", "CI_SYSTEM_NAME"]
                .into_iter()
                .any(|name| is(name, "drone") || is(name, "woodpecker"));
        // A script's inputs are variables that anything before it may have set: only an action has inputs of its own.
        // GitHub does not let a job set this variable.
        let is_script = variables
            .get("GITHUB_ACTION")
            .is_some_and(|name| name.to_string_lossy().starts_with("__run"));
        if is("GITHUB_ACTIONS", "true") && has_option("INPUT_") && !is_script {
            Self::Github
        } else if is("BUILDKITE", "true") && has(CONFIGURATION) {
            Self::Buildkite
        } else if is_drone && (has_option("PLUGIN_") || !has_option("S3LO_")) {
            Self::Plugin
        } else {
            Self::Variables
        }
    }

    /// Whether the family has an option at all.
    pub(crate) fn takes(self, option: &OptionSpec) -> bool {
        match self {
            // An action declares not all of them as inputs.
            Self::Github => option.is_input,
            // Arguments are no place for a secret, and the command is typed.
            Self::Arguments => option.kind != ValueKind::Secret && option.name() != "command",
            Self::Buildkite => !NOT_SETTINGS.contains(&option.name()),
            Self::Plugin | Self::Variables => true,
        }
    }

    /// Whether variables `S3LO_…` are read.
    pub(crate) fn has_own(self) -> bool {
        matches!(self, Self::Buildkite | Self::Variables)
    }

    /// The place of an option, in a sentence.
    pub(crate) fn origin(self, option: &str) -> Origin {
        let name = self.written(option, None);
        Origin(match self {
            Self::Github | Self::Arguments => format!("the input `{name}`"),
            Self::Buildkite => format!("the plugin's setting `{name}`"),
            Self::Plugin => format!("the setting `{name}`"),
            Self::Variables => name,
        })
    }

    /// An option as the job writes it.
    pub fn written(self, option: &str, value: Option<&str>) -> String {
        let (name, between) = match self {
            Self::Github | Self::Arguments | Self::Buildkite => (option.to_owned(), ": "),
            Self::Plugin => (option.replace('-', "_"), ": "),
            Self::Variables => (own(option), "="),
        };
        match value {
            None => name,
            Some(value) => format!("{name}{between}{value}"),
        }
    }
}

/// The choice of a family, by arguments.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The one that `--inputs` names.
    pub family: Option<Family>,
    /// The values of `--input`, each `NAME=VALUE`: where there is one, no variable is read.
    pub arguments: Vec<String>,
}

impl Choice {
    /// The family, unless the CI system decides.
    pub(crate) fn family(&self) -> Option<Family> {
        match self.arguments.is_empty() {
            true => self.family,
            false => Some(Family::Arguments),
        }
    }
}

/// Options that are no settings of the Buildkite plugin: secrets, which a pipeline shows to all its readers, and files,
/// which its hooks see to.
const NOT_SETTINGS: [&str; 6] = [
    "dotenv-file",
    "output-file",
    "password",
    "results-directory",
    "summary",
    "summary-file",
];

/// The prefix of our own variables.
pub(crate) const OWN: &str = "S3LO_";

/// An option as one of our own variables.
pub(crate) fn own(option: &str) -> String {
    format!("{OWN}{}", shouted(option))
}

/// `min-schema` as `MIN_SCHEMA`.
pub(crate) fn shouted(option: &str) -> String {
    option.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(expected: Family, variables: &[(&str, &str)]) {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
        assert_eq!(Family::detect(&variables.collect()), expected);
    }

    #[test]
    fn the_host_decides_which_family_is_read() {
        let github = ("GITHUB_ACTIONS", "true");
        is(Family::Variables, &[]);
        is(Family::Variables, &[github]);
        is(Family::Variables, &[github, ("INPUT_IMAGE", "app")]);
        is(Family::Github, &[github, ("INPUT_KEY", "")]);
        is(Family::Github, &[github, ("INPUT_REFERENCE", "x")]);
        is(Family::Variables, &[("INPUT_KEY", "k")]);
        is(
            Family::Variables,
            &[("GITHUB_ACTIONS", "false"), ("INPUT_KEY", "k")],
        );
        is(Family::Variables, &[github, ("PLUGIN_KEY", "k")]);
        is(Family::Variables, &[github, (CONFIGURATION, "{}")]);
        is(Family::Variables, &[(CONFIGURATION, "{}")]);
        is(
            Family::Buildkite,
            &[("BUILDKITE", "true"), (CONFIGURATION, "{}")],
        );
        is(Family::Variables, &[("BUILDKITE", "true")]);
        is(Family::Variables, &[("PLUGIN_KEY", "k")]);
        is(Family::Plugin, &[("DRONE", "true"), ("PLUGIN_KEY", "k")]);
        is(Family::Plugin, &[("CI", "woodpecker")]);
        is(
            Family::Plugin,
            &[("CI_SYSTEM_NAME", "woodpecker"), ("PLUGIN_REFERENCE", "")],
        );
        is(
            Family::Variables,
            &[("CI", "drone"), ("S3LO_KEY", "k"), ("PLUGIN_DEPTH", "1")],
        );
    }

    #[test]
    fn an_option_is_written_as_its_family_writes_it() {
        for (family, alone, with_value) in [
            (Family::Github, "min-schema", "min-schema: 2"),
            (Family::Arguments, "min-schema", "min-schema: 2"),
            (Family::Buildkite, "min-schema", "min-schema: 2"),
            (Family::Plugin, "min_schema", "min_schema: 2"),
            (Family::Variables, "S3LO_MIN_SCHEMA", "S3LO_MIN_SCHEMA=2"),
        ] {
            assert_eq!(family.written("min-schema", None), alone);
            assert_eq!(family.written("min-schema", Some("2")), with_value);
        }
    }
}
