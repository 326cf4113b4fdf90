//! The options of a job, as clap declares them, so that none can be forgotten.

use std::sync::LazyLock;

use clap::{ArgAction, CommandFactory as _};

use crate::ci::inputs::{OptionSpec, ValueKind};
use crate::ci::report::Action;
use crate::cli::args::Cli;

/// Every option of a command.
pub(crate) fn options(action: Action) -> &'static [OptionSpec] {
    static SIGN: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| declared(Action::Sign));
    static VERIFY: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| declared(Action::Verify));
    match action {
        Action::Sign => &SIGN,
        Action::Verify => &VERIFY,
    }
}

/// Arguments that no variable of a job gives.
const NOT_OF_JOBS: [&str; 7] = [
    "color",
    "help",
    "input",
    "inputs",
    "no_summary",
    "quiet",
    "version",
];

/// The options that clap declares for a command, so that none can be forgotten, and those of a job alone.
fn declared(action: Action) -> Vec<OptionSpec> {
    let root = Cli::command();
    let in_ci = root.find_subcommand("ci");
    let command = in_ci.and_then(|ci| ci.find_subcommand(action.name()));
    let arguments = command.into_iter().flat_map(clap::Command::get_arguments);
    let declared = root.get_arguments().chain(arguments);
    let mut options: Vec<_> = declared
        .filter(|argument| !NOT_OF_JOBS.contains(&argument.get_id().as_str()))
        .map(|argument| {
            let kind = match argument.get_action() {
                ArgAction::SetTrue => ValueKind::Flag,
                ArgAction::Append => ValueKind::Several,
                _ => ValueKind::One,
            };
            match argument.get_long() {
                None => OptionSpec::new("reference", ValueKind::Several),
                Some(long) => {
                    // The name that other actions use goes first.
                    let mut names: Vec<_> = argument.get_all_aliases().unwrap_or_default();
                    names.push(long);
                    let names = names.into_iter().map(str::to_owned).collect();
                    OptionSpec {
                        names,
                        ..OptionSpec::new("", kind)
                    }
                }
            }
        })
        .collect();
    options.push(OptionSpec::new("command", ValueKind::One));
    options.push(OptionSpec::new("password", ValueKind::Secret));
    options.push(OptionSpec::new("summary", ValueKind::Flag));
    for option in &mut options {
        option.is_input = !NOT_INPUTS.contains(&option.name());
        option.is_guard = GUARDS.contains(&option.name());
    }
    options
}

/// Options that the GitHub actions do not declare as inputs.
pub(crate) const NOT_INPUTS: [&str; 9] = [
    "command",
    "dotenv-file",
    "output",
    "results-directory",
    "summary-file",
    "vault-jwt-env",
    "vault-jwt-file",
    "web-identity-token-env",
    "web-identity-token-file",
];

/// Options without which a run is less strict.
const GUARDS: [&str; 7] = [
    "allowed-account",
    "digest",
    "expected-bucket-owner",
    "if-signed",
    "min-schema",
    "require",
    "schema-version",
];

/// The option of a job that is typed as `long`.
pub(crate) fn option_in_jobs(long: &str) -> Option<&'static OptionSpec> {
    let mut all = options(Action::Sign).iter().chain(options(Action::Verify));
    all.find(|option| option.is_called(long))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_inputs_are_those_that_the_actions_declare() {
        for (action, file) in [
            (Action::Sign, "action.yml"),
            (Action::Verify, "verify/action.yml"),
        ] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let file = std::fs::read_to_string(file).unwrap();
            let (_, inputs) = file.split_once("\ninputs:\n").unwrap();
            let (inputs, _) = inputs.split_once("\noutputs:\n").unwrap();
            let names = inputs.lines().filter_map(|line| {
                let name = line.strip_prefix("  ")?.strip_suffix(':')?;
                (!name.starts_with([' ', '#'])).then_some(name)
            });
            let all = options(action).iter().filter(|option| option.is_input);
            let read: BTreeSet<_> = all.map(OptionSpec::name).collect();
            assert_eq!(names.collect::<BTreeSet<_>>(), read);
        }
    }

    #[test]
    fn every_guard_and_every_option_that_is_no_input_is_an_option() {
        for name in GUARDS.iter().chain(&NOT_INPUTS) {
            let both = [Action::Sign, Action::Verify].map(options);
            let mut all = both.into_iter().flatten();
            assert!(all.any(|option| option.name() == *name), "{name}");
        }
    }
}
