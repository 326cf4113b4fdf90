//! What a job says → what it means: the options in its environment, as the arguments of a command.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::LazyLock;

use clap::{ArgAction, CommandFactory as _, Parser as _};
use secrecy::SecretString;

use crate::ci;
use crate::ci::inputs::{Input, Kind, OptionSpec, Origin, UnknownPolicy, Value, resolve};
use crate::ci::report::Action;
use crate::ci::{LogFormat, inputs, wording};
use crate::cli::args::{Cli, ReportArgs};
use crate::cli::ci::results::OutputOptions;
use crate::cli::{args, failure};
use crate::diagnostic::Diagnostic;
use crate::environment::{is_true, variable};
use crate::key::provider::Provider;
use crate::key::registry::Providers;
use crate::mask::Mask;

/// A job, understood.
pub(crate) struct Job {
    /// The command.
    pub(crate) cli: Cli,
    /// The password of a key file, where an option gives one.
    pub(crate) password: Option<SecretString>,
    /// Options, and where the environment says them.
    pub(crate) said: Vec<(String, Origin)>,
}

/// Where the options are told.
const OPTIONS: &str = "the options are told at https://github.com/s3lo/sign-action#inputs";

/// Variables that hold secrets, beside those of key providers.
const SECRETS: [&str; 7] = [
    "INPUT_PASSWORD",
    "PLUGIN_PASSWORD",
    "S3LO_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
];

/// Reads what was typed behind `ci`, and what the environment says beside it. Every secret that it names is hidden
/// before anything is said.
pub(crate) fn read(
    typed: &[OsString],
    host: &dyn LogFormat,
    mask: &Mask,
) -> Result<Job, (Action, Diagnostic)> {
    let providers = Providers::default();
    let of_providers = providers
        .all()
        .into_iter()
        .flat_map(Provider::secret_variables);
    for name in SECRETS.iter().chain(of_providers) {
        hide(name, mask);
    }
    let (work, typed) = work(typed).map_err(|diagnostic| (Action::Sign, diagnostic))?;
    let failed = |diagnostic| (work, diagnostic);
    let known = known(work);
    let other = match work {
        Action::Sign => Action::Verify,
        Action::Verify => Action::Sign,
    };
    let strict = UnknownPolicy {
        command: work.name(),
        other: (other.name(), crate::cli::ci::options::known(other)),
        inputs: is_true("GITHUB_ACTIONS"),
    };
    let given = resolve(known, std::env::vars_os(), Some(&strict))
        .map_err(|error| failed(Diagnostic::new(&error)))?;
    let named = named(typed, known);
    let mut arguments: Vec<OsString> = ["s3lo", "ci", work.name()].map(OsString::from).into();
    for word in typed {
        let word = word.to_string_lossy();
        if let Some((_, variable)) = word.split_once("env://") {
            hide(variable, mask);
        }
    }
    let (mut password, mut references, mut said) = (None, Vec::new(), Vec::new());
    for given in given {
        // An empty list says nothing.
        let empty = matches!(&given.said, Value::Lines(lines) if lines.is_empty());
        if empty || named.contains(given.name.as_str()) {
            continue;
        }
        said.push((given.name.clone(), given.place.clone()));
        add(given, &mut arguments, &mut references, &mut password, mask);
    }
    for required in ["reference", "key"] {
        let there = said.iter().any(|(name, _)| name == required);
        if !there && !named.contains(required) {
            return Err(failed(missing(required, host)));
        }
    }
    // What is typed may end in `--`, behind which nothing is a flag.
    arguments.extend(typed.iter().cloned());
    if !references.is_empty() {
        arguments.push("--".into());
        arguments.extend(references);
    }
    if let Some(diagnostic) = args::secret(&arguments) {
        return Err(failed(diagnostic));
    }
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => Ok(Job {
            cli,
            password,
            said,
        }),
        Err(error) => {
            let diagnostic = failure(&error.to_string(), "ci ");
            // A job has no terminal to ask for help at.
            let help = diagnostic.help.replace("see `s3lo ci --help`", OPTIONS);
            Err(failed(Diagnostic { help, ..diagnostic }))
        }
    }
}

/// An error, said of options as this job writes them.
pub(crate) fn in_options(diagnostic: Diagnostic) -> Diagnostic {
    let host = ci::detect();
    let said = |text: &str| wording::in_options(text, host, &option_of);
    let password = format!(
        "give `{}`, or set COSIGN_PASSWORD,",
        host.option("password", None)
    );
    Diagnostic {
        message: said(&diagnostic.message),
        help: said(&diagnostic.help).replace("set COSIGN_PASSWORD", &password),
        ..diagnostic
    }
}

/// The option that has this flag.
fn option_of(flag: &str) -> Option<String> {
    let has = |option: &&OptionSpec| option.names.iter().any(|name| name == flag);
    let mut all = known(Action::Sign).iter().chain(known(Action::Verify));
    all.find(has).map(|option| option.name().to_owned())
}

/// How the results of a job are wanted that could not be understood: by what of it can be.
pub(crate) fn output_options(arguments: &[OsString]) -> OutputOptions {
    let names = [
        "output",
        "summary",
        "output-file",
        "dotenv-file",
        "summary-file",
        "results-directory",
    ];
    let known = names.map(|name| OptionSpec::new(name, Kind::One));
    // What means nothing is passed over here, and told by whoever reads the whole.
    let given = resolve(&known, std::env::vars_os(), None).unwrap_or_default();
    let option = |name: &str| {
        let given = given.iter().find(|given| given.name == name)?;
        match &given.said {
            Value::Lines(lines) => lines.first().cloned(),
            Value::Flag(_) | Value::Secret(_) => None,
        }
    };
    let file = |name: &str| typed(arguments, name).or_else(|| option(name));
    OutputOptions {
        json: args::wants_json(arguments) || option("output").is_some_and(|form| form == "json"),
        report: ReportArgs {
            no_summary: arguments.iter().any(|word| word == "--no-summary")
                || option("summary").is_some_and(|text| text.eq_ignore_ascii_case("false")),
            output_file: file("output-file"),
            dotenv_file: file("dotenv-file"),
            summary_file: file("summary-file"),
            results_directory: file("results-directory"),
        },
    }
}

/// The value of a flag, in arguments that may mean nothing.
fn typed(arguments: &[OsString], name: &str) -> Option<String> {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    let flag = format!("--{name}");
    let word = words.find(|word| word.split('=').next() == Some(&flag))?;
    match word.split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None => words.next().map(|word| word.to_string()),
    }
}

fn add(
    given: Input,
    arguments: &mut Vec<OsString>,
    references: &mut Vec<OsString>,
    password: &mut Option<SecretString>,
    mask: &Mask,
) {
    let name = given.name.as_str();
    match given.said {
        Value::Secret(secret) => {
            *password = Some(secret);
        }
        Value::Flag(false) if name == "summary" => arguments.push("--no-summary".into()),
        Value::Flag(true) if name != "summary" => arguments.push(format!("--{name}").into()),
        Value::Flag(_) => {}
        Value::Lines(_) if name == "command" => {}
        Value::Lines(lines) if name == "reference" => {
            references.extend(lines.into_iter().map(OsString::from));
        }
        Value::Lines(lines) => {
            for line in lines {
                let variable = match name {
                    "key" => line.strip_prefix("env://"),
                    "web-identity-token-env" => Some(line.as_str()),
                    _ if names_secret(name) => Some(line.as_str()),
                    _ => None,
                };
                if let Some(variable) = variable {
                    hide(variable, mask);
                }
                arguments.push(format!("--{name}={line}").into());
            }
        }
    }
}

/// Whether the option of a key provider names a variable with a secret.
fn names_secret(option: &str) -> bool {
    let providers = Providers::default();
    let all = providers.all();
    all.iter()
        .any(|provider| provider.secret_options().contains(&option))
}

/// Hides what a variable holds.
fn hide(name: &str, mask: &Mask) {
    // Names that none can have would be a panic.
    if let Some(value) = std::env::var_os(name) {
        mask.hide(&value.to_string_lossy());
    }
}

/// The command: what is typed first, or the option of that name.
fn work(typed: &[OsString]) -> Result<(Action, &[OsString]), Diagnostic> {
    let usage = |word: &str| {
        Diagnostic::usage(
            format!("`{}` is neither `sign` nor `verify`", word.escape_debug()),
            "write `s3lo ci sign` or `s3lo ci verify`",
        )
    };
    let parse = |word: &str| match word {
        "sign" => Ok(Action::Sign),
        "verify" => Ok(Action::Verify),
        other => Err(usage(other)),
    };
    if let Some((first, rest)) = typed.split_first() {
        let first = first.to_string_lossy();
        if !first.starts_with('-') {
            return Ok((parse(&first)?, rest));
        }
    }
    let command = [OptionSpec::new("command", Kind::One)];
    let given = resolve(&command, std::env::vars_os(), None);
    let given = given.map_err(|error| Diagnostic::new::<inputs::Error>(&error))?;
    match given.first().map(|given| &given.said) {
        Some(Value::Lines(lines)) => {
            let word = lines.first().map_or("", String::as_str);
            Ok((parse(word)?, typed))
        }
        _ => Ok((Action::Sign, typed)),
    }
}

/// Every option of a command.
fn known(work: Action) -> &'static [OptionSpec] {
    static SIGN: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| options(Action::Sign));
    static VERIFY: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| options(Action::Verify));
    match work {
        Action::Sign => &SIGN,
        Action::Verify => &VERIFY,
    }
}

/// A command's flags, so that none can be forgotten, and what is no flag.
fn options(work: Action) -> Vec<OptionSpec> {
    let root = Cli::command();
    let in_ci = root.find_subcommand("ci");
    let command = in_ci.and_then(|ci| ci.find_subcommand(work.name()));
    let arguments = command.into_iter().flat_map(clap::Command::get_arguments);
    let flags = root.get_arguments().chain(arguments);
    let mut known: Vec<_> = flags
        .filter(|flag| !["help", "version", "no_summary"].contains(&flag.get_id().as_str()))
        .map(|flag| {
            let kind = match flag.get_action() {
                ArgAction::SetTrue => Kind::Flag,
                ArgAction::Append => Kind::Several,
                _ => Kind::One,
            };
            match flag.get_long() {
                None => OptionSpec::new("reference", Kind::Several),
                Some(long) => {
                    // What other actions call it goes first.
                    let mut names: Vec<_> = flag.get_all_aliases().unwrap_or_default();
                    names.push(long);
                    let names = names.into_iter().map(str::to_owned).collect();
                    OptionSpec { names, kind }
                }
            }
        })
        .collect();
    known.push(OptionSpec::new("command", Kind::One));
    known.push(OptionSpec::new("password", Kind::Secret));
    known.push(OptionSpec::new("summary", Kind::Flag));
    known
}

/// The options that were typed, which the environment does not add to.
fn named<'a>(typed: &[OsString], known: &'a [OptionSpec]) -> BTreeSet<&'a str> {
    let mut named = BTreeSet::new();
    let mut words = typed.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, _)) => (flag.to_owned(), true),
            None => (word.to_string(), false),
        };
        let name = match flag.as_str() {
            "--" => {
                if words.next().is_some() {
                    named.insert("reference");
                }
                break;
            }
            "--no-summary" => "summary",
            "-v" => "verbose",
            "-o" => "output",
            flag => match flag.strip_prefix("--") {
                Some(name) => name,
                // A cluster of short flags is left to the parser.
                None if flag.starts_with('-') => continue,
                None => "reference",
            },
        };
        let is_it = |option: &&OptionSpec| option.names.iter().any(|known| known == name);
        if let Some(option) = known.iter().find(is_it) {
            named.insert(option.name());
            let takes = option.kind != Kind::Flag && name != "reference";
            if takes && !value {
                words.next();
            }
        }
    }
    named
}

fn missing(option: &str, host: &dyn LogFormat) -> Diagnostic {
    let example = match option {
        "key" => "awskms:///alias/release-signer",
        _ => "s3://my-bucket/myapp:v1.0",
    };
    Diagnostic::usage(
        format!("the job does not say `{option}`"),
        format!("add `{}`", host.option(option, Some(example))),
    )
}

/// Whether somebody runs a GitHub job again to see each step.
pub(crate) fn is_debugged() -> bool {
    is_true("GITHUB_ACTIONS") && matches!(variable("RUNNER_DEBUG"), Ok(Some(text)) if text == "1")
}
