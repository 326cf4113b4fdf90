//! A job's environment and arguments → a command with its options.

use std::ffi::OsString;
use std::sync::OnceLock;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser as _, ValueEnum as _};
use secrecy::SecretString;

use crate::child_environment::{OF_AWS, OPTION_PASSWORDS};
use crate::ci::files::Destination;
use crate::ci::inputs::{
    self, Choice, Family, Input, OptionSpec, Origin, Resolved, UnknownPolicy, Value, ValueKind,
    resolve,
};
use crate::ci::report::Action;
use crate::cli::args::{Cli, Command, ReportArgs};
use crate::cli::ci::declared::{NOT_INPUTS, option_in_jobs, options};
use crate::cli::ci::missing::{missing_option, no_options};
use crate::cli::ci::results::OutputOptions;
use crate::cli::ci::{overwrite, undefined};
use crate::cli::mistake;
use crate::cli::typed::{Typed, secret, value_of};
use crate::diagnostic::Diagnostic;
use crate::environment::{is_true, variable};
use crate::key::provider::Provider;
use crate::key::registry::Providers;
use crate::mask::Mask;
use crate::option_name::{OptionName, option};
use crate::text::printable;

/// The command of a job.
pub(crate) struct Job {
    /// The command.
    pub(crate) action: Action,
    /// The command and its options.
    pub(crate) cli: Cli,
    /// The password of a key file, if an option sets it.
    pub(crate) password: Option<SecretString>,
    /// The options from the environment, and where each comes from.
    pub(crate) origins: Vec<(String, Origin)>,
    /// Variables that the Buildkite plugin's `environment` names.
    named: Vec<String>,
    /// Warnings about variables that are not options.
    pub(crate) warnings: Vec<String>,
}

impl Job {
    /// Refuses a variable that the job names and does not set. It may be a pin, without which the tag alone would count.
    pub(crate) fn check_environment(&self) -> Result<(), Diagnostic> {
        let is_unset = |name: &&String| match variable(name) {
            Ok(Some(text)) => text.trim().is_empty(),
            _ => true,
        };
        match self.named.iter().find(is_unset) {
            None => Ok(()),
            Some(name) => Err(Diagnostic::usage(
                format!(
                    "the plugin's setting `environment` names {name}, which is not set or empty"
                ),
                format!(
                    "set it before the plugin runs, in the step's command by `buildkite-agent env set {name}=…`\nor remove it from `environment`"
                ),
            )),
        }
    }
}

/// The help for a mistake that clap has no advice for: a job has no terminal to call `--help` at.
const OPTIONS_HELP: &str =
    "the options are listed at https://github.com/s3lo/sign-action/blob/main/docs/inputs.md";

/// Reads the command from `arguments`, the words after `ci`, and its options from there and the environment. Every
/// secret that they name is masked before anything is printed.
pub(crate) fn read(arguments: &[OsString], mask: &Mask) -> Result<Job, (Action, Diagnostic)> {
    let providers = Providers::default();
    let of_providers = providers
        .all()
        .into_iter()
        .flat_map(Provider::secret_variables);
    for name in OPTION_PASSWORDS.iter().chain(&OF_AWS).chain(of_providers) {
        hide(name, mask);
    }
    let (action, arguments) = action(arguments).map_err(|diagnostic| (Action::Sign, diagnostic))?;
    let job = Parts::of(action, arguments, mask);
    let job = job.and_then(|parts| parts.parse(action, arguments));
    job.map_err(|diagnostic| (action, diagnostic))
}

/// The defaults of inputs of the GitLab component that are handed over whether or not they were chosen.
const HANDED_OVER: [(&str, &str); 3] = [
    ("schema-version", "1"),
    ("min-schema", "1"),
    ("require", "any"),
];

/// A command line in the making.
struct Parts {
    /// `s3lo ci COMMAND` and the options of the environment.
    words: Vec<OsString>,
    references: Vec<OsString>,
    password: Option<SecretString>,
    origins: Vec<(String, Origin)>,
    named: Vec<String>,
    warnings: Vec<String>,
}

impl Parts {
    /// Takes from the environment what is not among the typed `arguments`.
    fn of(action: Action, arguments: &[OsString], mask: &Mask) -> Result<Self, Diagnostic> {
        let all = options(action);
        let typed = typed(arguments);
        let other = action.other();
        let policy = UnknownPolicy {
            command: action.name(),
            other: (other.name(), options(other)),
        };
        let resolved = resolve(all, std::env::vars_os(), &choice_of(&typed), Some(&policy));
        let Resolved {
            family,
            inputs,
            empty,
            named,
            warnings,
        } = resolved.map_err(|error| Diagnostic::new(&error))?;
        // Also after a misspelt flag: an error may repeat what it names.
        for word in arguments.iter().map(|word| word.to_string_lossy()) {
            for variable in [word.as_ref(), value_of(&word)]
                .into_iter()
                .filter_map(variable_of_key)
            {
                hide(variable, mask);
            }
        }
        let mut parts = Self {
            words: ["s3lo", "ci", action.name()].map(OsString::from).into(),
            references: Vec::new(),
            password: None,
            origins: Vec::new(),
            named,
            warnings,
        };
        let is_typed = |name: &str| match name {
            "reference" => typed.positional().next().is_some(),
            "summary" => typed.has("no-summary"),
            name => {
                let option = all.iter().find(|option| option.name() == name);
                option.is_some_and(|option| option.names.iter().any(|name| typed.has(name)))
            }
        };
        for input in inputs {
            // An empty list counts as unset. So does a default that the GitLab component hands over in any case: schema 1 is
            // worth a note where nobody chose it, and a policy is not contradicted by what nobody asked for.
            let unset = match &input.value {
                Value::Lines(lines) if family == Family::Arguments => match lines.as_slice() {
                    [] => true,
                    [only] => HANDED_OVER.contains(&(input.name.as_str(), only.as_str())),
                    [_, _, ..] => false,
                },
                Value::Lines(lines) => lines.is_empty(),
                Value::Flag(_) | Value::Secret(_) => false,
            };
            if !unset && !is_typed(&input.name) {
                parts
                    .origins
                    .push((input.name.clone(), input.origin.clone()));
                parts.add(input, mask);
            }
        }
        let is_set =
            |name: &str| is_typed(name) || parts.origins.iter().any(|(set, _)| set == name);
        let is_empty = |name: &&str| empty.iter().any(|empty| empty == name);
        // A policy stands in the place of keys. GitHub and GitLab hand over every input, empty where it was left out.
        let keys: &[_] = match ["key", "policy"] {
            either if either.into_iter().any(is_set) => &[],
            either if either.iter().all(is_empty) => &["key", "policy"],
            [_, policy] if is_empty(&policy) => &["policy"],
            _ => &["key"],
        };
        let reference: &[_] = match is_set("reference") {
            true => &[],
            false => &["reference"],
        };
        let missing: Vec<_> = [reference, keys]
            .into_iter()
            .filter(|names| !names.is_empty())
            .collect();
        if missing.len() > 1 && !missing.concat().iter().any(is_empty) {
            return Err(no_options(family).with(&parts.warnings));
        }
        if let Some(names) = missing.first() {
            let missing = missing_option(names, family, names.iter().any(is_empty));
            return Err(missing.with(&parts.warnings));
        }
        Ok(parts)
    }

    fn add(&mut self, input: Input, mask: &Mask) {
        let name = input.name.as_str();
        match input.value {
            Value::Secret(secret) => self.password = Some(secret),
            Value::Flag(false) if name == "summary" => self.words.push("--no-summary".into()),
            Value::Flag(true) if name != "summary" => self.words.push(format!("--{name}").into()),
            Value::Flag(_) => {}
            Value::Lines(_) if name == "command" => {}
            Value::Lines(lines) if name == "reference" => {
                self.references
                    .extend(lines.into_iter().map(OsString::from));
            }
            Value::Lines(lines) => {
                for line in lines {
                    let variable = match name {
                        "key" => variable_of_key(&line),
                        name => names_secret(name).then_some(line.as_str()),
                    };
                    if let Some(variable) = variable {
                        hide(variable, mask);
                    }
                    self.words.push(format!("--{name}={line}").into());
                }
            }
        }
    }

    fn parse(self, action: Action, arguments: &[OsString]) -> Result<Job, Diagnostic> {
        let mut words = self.words;
        // The arguments may end in `--`, after which nothing is an option.
        words.extend(arguments.iter().cloned());
        if !self.references.is_empty() {
            words.push("--".into());
            words.extend(self.references);
        }
        if let Some(diagnostic) = secret(&words) {
            return Err(diagnostic);
        }
        let cli = Cli::try_parse_from(&words).map_err(|error| mistake_in_job(&error))?;
        if let Command::Ci(args) = &cli.command
            && let Some(job) = args.work.options()
        {
            undefined::check(&job.images.references, job.keys, job.aws)?;
            let names = options(action)
                .iter()
                .flat_map(|option| option.names.clone());
            overwrite::check(job.report, &words, names)?;
        }
        Ok(Job {
            action,
            cli,
            password: self.password,
            origins: self.origins,
            named: self.named,
            warnings: self.warnings,
        })
    }
}

/// The variable that a key is in.
fn variable_of_key(key: &str) -> Option<&str> {
    key.split_once("env://").map(|(_, variable)| variable)
}

/// The choice that the arguments make of a family.
fn choice(arguments: &[OsString]) -> Choice {
    choice_of(&typed(arguments))
}

fn choice_of(typed: &Typed) -> Choice {
    let family = typed.values("inputs").next();
    Choice {
        family: family.and_then(|name| Family::from_str(name, false).ok()),
        arguments: typed.values("input").map(str::to_owned).collect(),
    }
}

fn typed(arguments: &[OsString]) -> Typed {
    let program = std::iter::once(OsString::from("s3lo"));
    Typed::new(&program.chain(arguments.iter().cloned()).collect::<Vec<_>>())
}

static FAMILY: OnceLock<Family> = OnceLock::new();

/// Finds out in which words this job's options are written. A mistake in one may be what has to be reported.
pub(crate) fn set_family(arguments: &[OsString]) {
    if let Ok(resolved) = resolve(&[], std::env::vars_os(), &choice(arguments), None) {
        // A process runs one job.
        let _ = FAMILY.set(resolved.family);
    }
}

/// Writes an option as this job does: as an input, a variable or a setting.
pub(crate) fn spelled(option: &OptionName<'_>) -> Option<String> {
    spelled_in(FAMILY.get().copied().unwrap_or(Family::Variables), option)
}

/// `None` for an option that only a command line has.
fn spelled_in(family: Family, option: &OptionName<'_>) -> Option<String> {
    let of_job = option_in_jobs(option.name).filter(|of_job| family.takes(of_job))?;
    Some(format!("`{}`", family.written(of_job.name(), option.value)))
}

/// A mistake in the options of a job. clap's text quotes the arguments that its context names: those are the job's
/// options.
fn mistake_in_job(error: &clap::Error) -> Diagnostic {
    let mut diagnostic = mistake(error, None, OPTIONS_HELP.to_owned());
    let named = error.context().filter(|(kind, _)| {
        matches!(
            kind,
            ContextKind::InvalidArg | ContextKind::PriorArg | ContextKind::SuggestedArg
        )
    });
    for (_, value) in named {
        let arguments = match value {
            ContextValue::String(argument) => std::slice::from_ref(argument),
            ContextValue::Strings(arguments) => arguments,
            _ => continue,
        };
        for argument in arguments {
            let long = argument
                .strip_prefix("--")
                .and_then(|text| text.split(' ').next());
            if let Some(name) = long.filter(|long| option_in_jobs(long).is_some()) {
                let (quoted, option) = {
                    let spelled = spelled(&option(name));
                    (
                        format!("'{argument}'"),
                        spelled.unwrap_or_else(|| option(name).typed()),
                    )
                };
                diagnostic.message = diagnostic.message.replace(&quoted, &option);
                diagnostic.help = diagnostic.help.replace(&quoted, &option);
            }
        }
    }
    diagnostic
}

/// How results are to be left, as far as that can be understood: a job that cannot be read reports that as well.
pub(crate) fn output_options(arguments: &[OsString]) -> OutputOptions {
    let names = [
        "output",
        "summary",
        "output-file",
        "dotenv-file",
        "summary-file",
        "results-directory",
    ];
    let options = names.map(|name| OptionSpec {
        is_input: !NOT_INPUTS.contains(&name),
        ..OptionSpec::new(name, ValueKind::One)
    });
    let resolved = resolve(&options, std::env::vars_os(), &choice(arguments), None);
    let inputs = resolved.map(|resolved| resolved.inputs).unwrap_or_default();
    let option = |name: &str| {
        let input = inputs.iter().find(|input| input.name == name)?;
        match &input.value {
            Value::Lines(lines) => lines.first().cloned(),
            Value::Flag(_) | Value::Secret(_) => None,
        }
    };
    let typed = Typed::new(arguments);
    let file = |name: &str| {
        let value = typed.values(name).next().map(str::to_owned);
        value.or_else(|| option(name))
    };
    let destination = |name: &str| file(name).as_deref().map(Destination::parse);
    OutputOptions {
        json: match typed.values("output").next() {
            Some(_) => typed.wants_json(),
            None => option("output").is_some_and(|form| form == "json"),
        },
        report: ReportArgs {
            no_summary: typed.has("no-summary")
                || option("summary").is_some_and(|text| text.eq_ignore_ascii_case("false")),
            output_file: destination("output-file"),
            dotenv_file: destination("dotenv-file"),
            summary_file: destination("summary-file"),
            results_directory: file("results-directory"),
        },
    }
}

/// Whether the value of the option names a variable with a secret.
fn names_secret(option: &str) -> bool {
    let providers = Providers::default();
    let of_providers = providers
        .all()
        .into_iter()
        .flat_map(|provider| provider.secret_options());
    option == "web-identity-token-env" || of_providers.copied().any(|name| name == option)
}

/// Masks the value of a variable.
fn hide(name: &str, mask: &Mask) {
    if let Some(value) = std::env::var_os(name) {
        mask.hide(&value.to_string_lossy());
    }
}

/// The command, and the arguments after it: the first argument names it, or the option `command`.
pub(crate) fn action(arguments: &[OsString]) -> Result<(Action, &[OsString]), Diagnostic> {
    let typed = arguments.first().map(|first| first.to_string_lossy());
    let typed = typed.filter(|first| !first.starts_with('-'));
    let parse = |word: &str| {
        Action::from_name(word).ok_or_else(|| {
            let family = FAMILY.get().copied().unwrap_or(Family::Variables);
            let [sign, verify] = ["sign", "verify"].map(|name| match (family, &typed) {
                // Its hooks hand the setting over as a word.
                (Family::Buildkite, _) | (_, None) => family.written("command", Some(name)),
                (_, Some(_)) => format!("s3lo ci {name}"),
            });
            Diagnostic::usage(
                format!("`{}` is neither `sign` nor `verify`", printable(word)),
                format!("write `{sign}` or `{verify}`"),
            )
        })
    };
    if let Some(first) = &typed {
        return Ok((parse(first)?, arguments.get(1..).unwrap_or_default()));
    }
    let command = [OptionSpec {
        is_input: false,
        ..OptionSpec::new("command", ValueKind::One)
    }];
    let resolved = resolve(&command, std::env::vars_os(), &choice(arguments), None);
    let resolved = resolved.map_err(|error| Diagnostic::new::<inputs::Error>(&error))?;
    match resolved.inputs.first().map(|input| &input.value) {
        Some(Value::Lines(lines)) => {
            let word = lines.first().map_or("", String::as_str);
            Ok((parse(word)?, arguments))
        }
        _ => Ok((Action::Sign, arguments)),
    }
}

/// Whether a GitHub job was started again with debug logging.
pub(crate) fn is_debugged() -> bool {
    is_true("GITHUB_ACTIONS") && matches!(variable("RUNNER_DEBUG"), Ok(Some(text)) if text == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_family(family: Family, option: &OptionName<'_>) -> String {
        spelled_in(family, option).unwrap_or_else(|| option.typed())
    }
    #[test]
    fn an_option_is_written_as_the_job_writes_it() {
        let timeout = option("timeout").with("10m");
        assert_eq!(in_family(Family::Arguments, &timeout), "`timeout: 10m`");
        assert_eq!(in_family(Family::Variables, &timeout), "`S3LO_TIMEOUT=10m`");
        assert_eq!(in_family(Family::Variables, &option("key")), "`S3LO_KEY`");
        assert_eq!(
            in_family(Family::Arguments, &option("role-arn")),
            "`role-to-assume`"
        );
        assert_eq!(in_family(Family::Arguments, &option("force")), "`--force`");
        // An action has no such input.
        let output = option("output").with("json");
        assert_eq!(in_family(Family::Github, &output), "`--output json`");
        assert_eq!(in_family(Family::Plugin, &output), "`output: json`");
    }

    #[test]
    fn a_mistake_names_the_option_as_the_job_writes_it() {
        let words = ["s3lo", "ci", "sign", "--key=k", "--role-arn=x", "ref"];
        let error = Cli::try_parse_from(words).unwrap_err();
        let message = mistake_in_job(&error).message;
        let named = "invalid value 'x' for `S3LO_ROLE_TO_ASSUME`";
        assert!(message.starts_with(named), "{message}");
        assert!(!message.contains("--role-arn"), "{message}");
    }
}
