//! Mistakes on a command line: what clap found, in the form of our errors, with what was meant.

use std::error::Error as _;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::ci::inputs::peers;
use crate::cli::args::Cli;
use crate::cli::typed;
use crate::diagnostic::Diagnostic;
use crate::option_name::option;
use crate::similar::nearest;
use crate::text::{is_unprintable, printable};

/// The [commands](https://github.com/OuFinx/s3lo) of the program of the same name that pushes images.
const OF_OTHER_S3LO: [&str; 8] = [
    "clean", "copy", "delete", "list", "pull", "push", "serve", "stats",
];

/// The command of that program which was typed.
pub(crate) fn of_other_s3lo(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => OF_OTHER_S3LO.into_iter().find(|name| name == typed),
        _ => None,
    }
}

/// The name that was typed as an option, and is none of this command's.
fn unknown_option(error: &clap::Error) -> Option<&str> {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) => {
            argument.strip_prefix("--")
        }
        _ => None,
    }
}

/// The option that is meant by one of another tool's name. clap's own suggestions go by the letters alone.
fn option_meant(error: &clap::Error) -> Option<String> {
    let ours = peers::ours(unknown_option(error)?)?;
    Some(match ours {
        "reference" => "write the reference alone: `s3://BUCKET/IMAGE:TAG`".to_owned(),
        "password" => "set COSIGN_PASSWORD".to_owned(),
        variable if peers::is_variable(variable) => format!("set {variable}"),
        name => format!("write {}", option(typed::long_name(name)?)),
    })
}

/// A mistake in the arguments: clap's first paragraph, and as help what was meant, clap's tips and the usage, or `otherwise`
/// where there is nothing of that.
pub(crate) fn mistake(error: &clap::Error, command: Option<&str>, otherwise: String) -> Diagnostic {
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            if let Some(diagnostic) = missing(error, command) {
                return diagnostic;
            }
        }
        ErrorKind::UnknownArgument => {
            if let Some(diagnostic) = of_other_command(error, command) {
                return diagnostic;
            }
        }
        ErrorKind::ValueValidation => {
            if let Some(diagnostic) = invalid_value(error) {
                return diagnostic;
            }
        }
        _ => {}
    }
    // An argument of several lines must not begin a line of its own.
    let mut text = error.to_string();
    for argument in std::env::args_os() {
        let argument = argument.to_string_lossy();
        if argument.contains(is_unprintable) {
            text = text.replace(argument.as_ref(), &printable(&argument));
        }
    }
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = text.split("\n\n").map(|paragraph| {
        let lines: Vec<_> = paragraph.lines().map(str::trim).collect();
        lines.join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let rest =
        paragraphs.filter(|line| !line.starts_with("For more information") && !line.is_empty());
    // A tip for a rare case, where a misspelt option is likelier.
    let rest = rest.filter(|line| !line.contains("' as a value, use '-- "));
    let help: Vec<_> = rest
        .map(|line| line.trim_start_matches("tip: ").to_owned())
        .collect();
    let meant = option_meant(error).or_else(|| near_option(error, command));
    let help = match meant {
        Some(meant) => meant,
        None if help.is_empty() => otherwise,
        None => help.join("\n"),
    };
    Diagnostic::usage(message, help)
}

/// The option of this command that is this one but for a typing error.
fn near_option(error: &clap::Error, command: Option<&str>) -> Option<String> {
    let (name, command) = (unknown_option(error)?, command?);
    let cli = Cli::command();
    let command = cli.find_subcommand(command)?;
    let options = command.get_arguments().chain(cli.get_arguments());
    let near = nearest(name, options.filter_map(clap::Arg::get_long))?;
    Some(format!("write {}", option(near)))
}

/// A required argument that is not there, with an example.
fn missing(error: &clap::Error, command: Option<&str>) -> Option<Diagnostic> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let command = command.filter(|command| ["inspect", "sign", "verify"].contains(command))?;
    let key = match command {
        "sign" => "awskms:///alias/release-signer",
        _ => "release-signer.pub",
    };
    let names = missing.iter().map(|name| match name.split(' ').next() {
        Some(name) if name.starts_with("--") => format!("`{name}`"),
        _ => "the image".to_owned(),
    });
    let names: Vec<_> = names.collect();
    let are = if names.len() > 1 { "are" } else { "is" };
    Some(Diagnostic::usage(
        format!("{} {are} missing", names.join(" and ")),
        format!("for example: `s3lo {command} s3://my-bucket/myapp:v1.0 --key {key}`"),
    ))
}

/// An option that another command has.
fn of_other_command(error: &clap::Error, command: Option<&str>) -> Option<Diagnostic> {
    let (name, command) = (unknown_option(error)?, command?);
    let commands = Cli::command();
    let mut others = commands.get_subcommands().filter(|other| {
        let mut options = other.get_arguments();
        other.get_name() != "ci" && options.any(|option| option.get_long() == Some(name))
    });
    let other = others.next()?.get_name();
    let help = match (name, command) {
        ("min-schema", "sign") => {
            format!("for `sign` it is {}", option("schema-version").with("2"))
        }
        ("schema-version", "verify" | "inspect") => {
            format!("for `verify` it is {}", option("min-schema").with("2"))
        }
        _ => "remove it".to_owned(),
    };
    Some(Diagnostic::usage(
        format!(
            "{} is an option of `{other}`, not of `{command}`",
            option(name)
        ),
        help,
    ))
}

/// A value that its option does not take, whose error names those that it takes.
fn invalid_value(error: &clap::Error) -> Option<Diagnostic> {
    let (Some(ContextValue::String(argument)), Some(ContextValue::String(value))) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
    ) else {
        return None;
    };
    Some(Diagnostic::usage(
        format!("invalid value '{value}' for '{argument}'"),
        error.source()?.to_string(),
    ))
}
