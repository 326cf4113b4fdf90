//! What a job says → what it means: the options in its environment, as the arguments of a command.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::LazyLock;

use clap::{ArgAction, CommandFactory as _, Parser as _};
use secrecy::SecretString;

use crate::ci;
use crate::ci::inputs::{Given, Kind, Known, Place, Said, Strict, resolve};
use crate::ci::report::Work;
use crate::ci::{Host, inputs, wording};
use crate::cli::args::{Cli, ReportArgs};
use crate::cli::ci::results::Wanted;
use crate::cli::{args, failure};
use crate::diagnostic::Diagnostic;
use crate::environment::{says_true, variable};
use crate::mask::Mask;

/// A job, understood.
pub(crate) struct Job {
    /// The command.
    pub(crate) cli: Cli,
    /// The password of a key file, where an option gives one.
    pub(crate) password: Option<SecretString>,
    /// Options, and where the environment says them.
    pub(crate) said: Vec<(String, Place)>,
}

/// Where the options are told.
const OPTIONS: &str = "the options are told at https://github.com/s3lo/sign-action#inputs";

/// Variables that hold secrets, whatever is asked.
const SECRETS: [&str; 12] = [
    "COSIGN_PASSWORD",
    "INPUT_PASSWORD",
    "PLUGIN_PASSWORD",
    "S3LO_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "VAULT_TOKEN",
    "VAULT_SECRET_ID",
    "BAO_TOKEN",
    "BAO_SECRET_ID",
];

/// Reads what was typed behind `ci`, and what the environment says beside it. Every secret that it names is hidden
/// before anything is said.
pub(crate) fn read(
    typed: &[OsString],
    host: &dyn Host,
    mask: &Mask,
) -> Result<Job, (Work, Diagnostic)> {
    for name in SECRETS {
        hide(name, mask);
    }
    let (work, typed) = work(typed).map_err(|explained| (Work::Sign, explained))?;
    let failed = |explained| (work, explained);
    let known = known(work);
    let other = match work {
        Work::Sign => Work::Verify,
        Work::Verify => Work::Sign,
    };
    let strict = Strict {
        command: work.name(),
        other: (other.name(), crate::cli::ci::options::known(other)),
        inputs: says_true("GITHUB_ACTIONS"),
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
        let empty = matches!(&given.said, Said::Lines(lines) if lines.is_empty());
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
    if let Some(explained) = args::secret(&arguments) {
        return Err(failed(explained));
    }
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => Ok(Job {
            cli,
            password,
            said,
        }),
        Err(error) => {
            let explained = failure(&error.to_string(), "ci ");
            // A job has no terminal to ask for help at.
            let help = explained.help.replace("see `s3lo ci --help`", OPTIONS);
            Err(failed(Diagnostic { help, ..explained }))
        }
    }
}

/// An error, said of options as this job writes them.
pub(crate) fn in_options(explained: Diagnostic) -> Diagnostic {
    let host = ci::detect();
    let said = |text: &str| wording::in_options(text, host, &option_of);
    let password = format!(
        "give `{}`, or set COSIGN_PASSWORD,",
        host.option("password", None)
    );
    Diagnostic {
        message: said(&explained.message),
        help: said(&explained.help).replace("set COSIGN_PASSWORD", &password),
        ..explained
    }
}

/// The option that has this flag.
fn option_of(flag: &str) -> Option<String> {
    let has = |option: &&Known| option.names.iter().any(|name| name == flag);
    let mut all = known(Work::Sign).iter().chain(known(Work::Verify));
    all.find(has).map(|option| option.name().to_owned())
}

/// How the results of a job are wanted that could not be understood: by what of it can be.
pub(crate) fn wanted(arguments: &[OsString]) -> Wanted {
    let names = [
        "output",
        "summary",
        "output-file",
        "dotenv-file",
        "summary-file",
        "results-directory",
    ];
    let known = names.map(|name| Known::new(name, Kind::One));
    // What means nothing is passed over here, and told by whoever reads the whole.
    let given = resolve(&known, std::env::vars_os(), None).unwrap_or_default();
    let option = |name: &str| {
        let given = given.iter().find(|given| given.name == name)?;
        match &given.said {
            Said::Lines(lines) => lines.first().cloned(),
            Said::Flag(_) | Said::Secret(_) => None,
        }
    };
    let file = |name: &str| typed(arguments, name).or_else(|| option(name));
    Wanted {
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
    given: Given,
    arguments: &mut Vec<OsString>,
    references: &mut Vec<OsString>,
    password: &mut Option<SecretString>,
    mask: &Mask,
) {
    let name = given.name.as_str();
    match given.said {
        Said::Secret(secret) => {
            *password = Some(secret);
        }
        Said::Flag(false) if name == "summary" => arguments.push("--no-summary".into()),
        Said::Flag(true) if name != "summary" => arguments.push(format!("--{name}").into()),
        Said::Flag(_) => {}
        Said::Lines(_) if name == "command" => {}
        Said::Lines(lines) if name == "reference" => {
            references.extend(lines.into_iter().map(OsString::from));
        }
        Said::Lines(lines) => {
            for line in lines {
                let variable = match name {
                    "key" => line.strip_prefix("env://"),
                    "web-identity-token-env" | "vault-jwt-env" => Some(line.as_str()),
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

/// Hides what a variable holds.
fn hide(name: &str, mask: &Mask) {
    // Names that none can have would be a panic.
    if let Some(value) = std::env::var_os(name) {
        mask.hide(&value.to_string_lossy());
    }
}

/// The command: what is typed first, or the option of that name.
fn work(typed: &[OsString]) -> Result<(Work, &[OsString]), Diagnostic> {
    let usage = |word: &str| {
        Diagnostic::usage(
            format!("`{}` is neither `sign` nor `verify`", word.escape_debug()),
            "write `s3lo ci sign` or `s3lo ci verify`",
        )
    };
    let parse = |word: &str| match word {
        "sign" => Ok(Work::Sign),
        "verify" => Ok(Work::Verify),
        other => Err(usage(other)),
    };
    if let Some((first, rest)) = typed.split_first() {
        let first = first.to_string_lossy();
        if !first.starts_with('-') {
            return Ok((parse(&first)?, rest));
        }
    }
    let command = [Known::new("command", Kind::One)];
    let given = resolve(&command, std::env::vars_os(), None);
    let given = given.map_err(|error| Diagnostic::new::<inputs::Error>(&error))?;
    match given.first().map(|given| &given.said) {
        Some(Said::Lines(lines)) => {
            let word = lines.first().map_or("", String::as_str);
            Ok((parse(word)?, typed))
        }
        _ => Ok((Work::Sign, typed)),
    }
}

/// Every option of a command.
fn known(work: Work) -> &'static [Known] {
    static SIGN: LazyLock<Vec<Known>> = LazyLock::new(|| options(Work::Sign));
    static VERIFY: LazyLock<Vec<Known>> = LazyLock::new(|| options(Work::Verify));
    match work {
        Work::Sign => &SIGN,
        Work::Verify => &VERIFY,
    }
}

/// A command's flags, so that none can be forgotten, and what is no flag.
fn options(work: Work) -> Vec<Known> {
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
                None => Known::new("reference", Kind::Several),
                Some(long) => {
                    // What other actions call it goes first.
                    let mut names: Vec<_> = flag.get_all_aliases().unwrap_or_default();
                    names.push(long);
                    let names = names.into_iter().map(str::to_owned).collect();
                    Known { names, kind }
                }
            }
        })
        .collect();
    known.push(Known::new("command", Kind::One));
    known.push(Known::new("password", Kind::Secret));
    known.push(Known::new("summary", Kind::Flag));
    known
}

/// The options that were typed, which the environment does not add to.
fn named<'a>(typed: &[OsString], known: &'a [Known]) -> BTreeSet<&'a str> {
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
        let is_it = |option: &&Known| option.names.iter().any(|known| known == name);
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

fn missing(option: &str, host: &dyn Host) -> Diagnostic {
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
    says_true("GITHUB_ACTIONS") && matches!(variable("RUNNER_DEBUG"), Ok(Some(text)) if text == "1")
}
