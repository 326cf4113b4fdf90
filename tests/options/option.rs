//! Each option as the command line's parser declares it, and its description.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};
use s3lo::aws::arn::Account;
use s3lo::cli::command_line;
use s3lo_core::digest::Digest;
use s3lo_core::payload::Schema;
use s3lo_core::policy::decision::Require;

use crate::Front::{self, Buildkite, CommandLine, GitLab, Page};
use crate::{LEFT_OUT, NOTES, of_jobs};

/// Whose options a job may have: its commands', and every command's.
const JOBS: [&str; 3] = ["sign", "verify", "all"];

/// The values of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Switch,
    Text,
    /// One of these, each with its meaning.
    Choice(Vec<(String, String)>),
    Account,
    Count,
    Digest,
    Require,
    Schema,
}

/// An option of one command, or of several in which it means the same.
#[derive(Clone, Debug)]
pub(crate) struct OptionSpec {
    /// As the front ends but the command line call it.
    pub(crate) name: String,
    /// As the command line does, and what follows it there.
    pub(crate) flag: String,
    pub(crate) value: Option<String>,
    pub(crate) other_names: Vec<String>,
    pub(crate) text: String,
    /// The default, as a value where it is one; else in words.
    pub(crate) default: Option<String>,
    pub(crate) default_in_words: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) several: bool,
    pub(crate) required: bool,
    pub(crate) positional: bool,
    pub(crate) global: bool,
    pub(crate) heading: Option<String>,
    pub(crate) commands: Vec<&'static str>,
}

impl OptionSpec {
    fn of(arg: &Arg, command: &'static str) -> Self {
        let flag = arg.get_long().unwrap_or("reference").to_owned();
        let mut names: Vec<_> = arg.get_all_aliases().unwrap_or_default();
        names.push(&flag);
        let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let (text, words) = match help.split_once(" [default: ") {
            Some((text, rest)) => (text, rest.strip_suffix(']')),
            None => (help.as_str(), None),
        };
        let positional = arg.get_long().is_none();
        let appends = matches!(arg.get_action(), ArgAction::Append);
        let once = text.strip_suffix("; may be repeated");
        assert_eq!(once.is_some(), appends && !positional, "{flag}: {help}");
        let text = once.unwrap_or(text);
        let default = match arg.get_action() {
            ArgAction::SetTrue => Some("false".into()),
            ArgAction::SetFalse => Some("true".into()),
            _ => arg
                .get_default_values()
                .first()
                .map(|value| value.to_string_lossy()),
        };
        let choices: Vec<_> = arg
            .get_possible_values()
            .iter()
            .map(|value| {
                let help = value.get_help().map(ToString::to_string);
                (value.get_name().to_owned(), help.unwrap_or_default())
            })
            .collect();
        let is = |of: TypeId| arg.get_value_parser().type_id() == of;
        let kind = match arg.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => Kind::Switch,
            _ if !choices.is_empty() => Kind::Choice(choices),
            _ if is(TypeId::of::<Account>()) => Kind::Account,
            _ if is(TypeId::of::<Digest>()) => Kind::Digest,
            _ if is(TypeId::of::<Require>()) => Kind::Require,
            _ if is(TypeId::of::<Schema>()) => Kind::Schema,
            _ if is(TypeId::of::<usize>()) => Kind::Count,
            _ => Kind::Text,
        };
        let value = arg.get_value_names().filter(|_| kind != Kind::Switch);
        Self {
            name: names[0].clone(),
            value: value.map(|names| names[0].to_string()),
            other_names: names[1..].to_vec(),
            text: text.to_owned(),
            default: default.map(Cow::into_owned),
            default_in_words: words.map(str::to_owned),
            several: appends,
            required: arg.is_required_set(),
            global: arg.is_global_set(),
            heading: arg.get_help_heading().map(str::to_owned),
            commands: vec![command],
            flag,
            kind,
            positional,
        }
    }

    pub(crate) fn is_left_out(&self, front: Front) -> bool {
        let here = LEFT_OUT.iter().filter(|(of, ..)| *of == front);
        here.into_iter()
            .any(|(_, names, _)| names.contains(&self.name.as_str()))
    }

    /// Where it stands among the others: by the headings of the help, and below each what is needed, then what is of
    /// several commands; last what CI systems do not do, and what every command takes.
    fn rank(&self) -> impl Ord + use<> {
        let headings = [None, Some("AWS"), Some("Vault"), Some("Results")];
        let heading = self.heading.as_deref();
        let heading = headings.iter().position(|known| *known == heading);
        (
            self.global,
            !self.commands.iter().any(|of| JOBS.contains(of)),
            heading.unwrap_or(headings.len()),
            !self.required,
            !self.positional,
            self.commands.len() == 1,
            self.commands[0] != "sign",
        )
    }

    /// The default, in Markdown.
    pub(crate) fn default(&self, front: Front) -> Option<String> {
        let words = self.default_in_words.as_deref().map(|words| {
            let here = match front {
                Buildkite => words.replace("REPOSITORY-RUN", "PIPELINE-BUILD"),
                _ => words.to_owned(),
            };
            in_code(&here, front)
        });
        let value = self.default.as_ref().map(|value| format!("`{value}`"));
        value.or(words)
    }

    /// The meaning, in Markdown, without the default.
    pub(crate) fn description(&self, fronts: &[Front]) -> String {
        let front = fronts[0];
        let mut text = in_code(&self.text, front);
        let typed = [Buildkite, GitLab].contains(&front);
        match &self.kind {
            Kind::Choice(choices) if fronts.contains(&Page) && !choices[0].1.is_empty() => {
                for (number, (value, help)) in choices.iter().enumerate() {
                    let before = if number == 0 { ": " } else { "; " };
                    let help = lower_case(help);
                    write!(text, "{before}`{value}` ({help})").unwrap();
                }
            }
            Kind::Choice(choices) if !typed => {
                let values: Vec<_> = choices
                    .iter()
                    .map(|(value, _)| format!("`{value}`"))
                    .collect();
                let (last, rest) = values.split_last().unwrap();
                write!(text, ": {} or {last}", rest.join(", ")).unwrap();
            }
            // As a number it would lose the zeros that it begins with.
            Kind::Account if typed => text += ", in quotes",
            _ => {}
        }
        for (_, _, note) in NOTES.iter().filter(|(name, of, _)| {
            *name == self.name && of.iter().any(|front| fronts.contains(front))
        }) {
            text += note;
        }
        if self.several {
            text += match front {
                CommandLine => "; may be repeated",
                Buildkite => "; may be a list",
                _ => "; several, one per line",
            };
        }
        text
    }

    /// The meaning and the default.
    pub(crate) fn sentence(&self, front: Front) -> String {
        let mut text = self.description(&[front]);
        let is_typed = [Buildkite, GitLab].contains(&front) && self.default.is_some();
        if let Some(default) = self.default(front).filter(|_| !is_typed) {
            write!(text, "; default {default}").unwrap();
        }
        text
    }
}

fn lower_case(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

/// Plain text as Markdown: what is to be typed becomes code, and a flag is called what the front end calls it.
fn in_code(text: &str, front: Front) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|c| "(),;:.".contains(c));
        let code = match bare.strip_prefix("--") {
            Some(flag) if front != CommandLine => {
                let all = all();
                let option = all.iter().find(|option| option.flag == flag);
                option.map_or(bare, |option| &option.name).to_owned()
            }
            _ if bare.contains([':', '.', '=']) => bare.to_owned(),
            _ if bare.starts_with("--") || bare.starts_with("s3lo-") => bare.to_owned(),
            _ => return word.to_owned(),
        };
        word.replace(bare, &format!("`{code}`"))
    };
    let words: Vec<_> = text.split(' ').map(word).collect();
    words.join(" ")
}

/// Every option, in the order of the tables.
pub(crate) fn all() -> Vec<OptionSpec> {
    let (root, of_jobs) = (command_line(), of_jobs());
    let mut all: Vec<OptionSpec> = Vec::new();
    let mut add = |command: &Command, name: &'static str| {
        // These say where options come from, and are no options themselves.
        let options = command
            .get_arguments()
            .filter(|arg| !["input", "inputs"].contains(&arg.get_id().as_str()));
        for arg in options {
            let new = OptionSpec::of(arg, name);
            let same = |old: &&mut OptionSpec| old.name == new.name && old.text == new.text;
            match all.iter_mut().find(same) {
                Some(old) => old.commands.push(name),
                None => all.push(new),
            }
        }
    };
    let subcommand = |of: &'static str| root.find_subcommand(of).unwrap();
    for name in ["sign", "verify"] {
        add(subcommand("ci").find_subcommand(name).unwrap(), name);
        add(&of_jobs, name);
    }
    for name in ["public-key", "generate-key-pair"] {
        add(subcommand(name), name);
    }
    add(&root, "all");
    all.sort_by_key(OptionSpec::rank);
    all
}

/// The options of a command in a front end; of all commands, if none is named.
pub(crate) fn of(front: Front, command: Option<&str>) -> Vec<OptionSpec> {
    let mut of_front: Vec<OptionSpec> = Vec::new();
    for option in all() {
        let of_command = option.commands.iter().any(|of| {
            JOBS.contains(of) && (option.global || command.is_none_or(|command| command == *of))
        });
        if !of_command || option.is_left_out(front) {
            continue;
        }
        match of_front.iter_mut().find(|other| other.name == option.name) {
            // The key that verifies may be a private one too.
            Some(other) => {
                other.text = option.text;
                other.commands.extend(option.commands);
            }
            None => of_front.push(option),
        }
    }
    of_front
}
