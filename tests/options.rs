//! Each option is declared once, in the command line's parser. The option blocks of the actions, the Buildkite plugin,
//! the GitLab components and the README are generated from that; `scripts/options` writes them anew.
//!
//! A block lies between the lines `options: begin NAME` and `options: end` of a file. What a front end has that the
//! program has not stands beside it, by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::print_stdout,
    reason = "the counts of what was tried are part of the result"
)]

use std::any::TypeId;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use s3lo::aws::arn::Account;
use s3lo::cli::command_line;
use s3lo::verify::Require;
use s3lo_core::digest::Digest;
use s3lo_core::payload::Schema;

/// Where somebody writes an option, and reads of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    CommandLine,
    GitHub,
    Buildkite,
    GitLab,
    /// The README, which has links.
    Page,
}

use Front::{Buildkite, CommandLine, GitHub, GitLab, Page};

/// Options that a front end does not have, and why.
const LEFT_OUT: [(Front, &[&str], &str); 7] = [
    (
        GitHub,
        &[
            "vault-jwt-env",
            "vault-jwt-file",
            "web-identity-token-env",
            "web-identity-token-file",
        ],
        "the job has an identity of its own",
    ),
    (
        GitHub,
        &["dotenv-file", "summary-file", "results-directory"],
        "GitHub itself names the files of outputs and summary",
    ),
    (GitHub, &["output"], "the action's output `results` is JSON"),
    (
        Buildkite,
        &["password"],
        "a step is shown to all who see the pipeline; the variable COSIGN_PASSWORD is not",
    ),
    (
        Buildkite,
        &[
            "dotenv-file",
            "output-file",
            "results-directory",
            "summary",
            "summary-file",
        ],
        "the hooks take the results to the build, and the checkout is not written to",
    ),
    (
        GitLab,
        &[
            "password",
            "vault-jwt-env",
            "vault-jwt-file",
            "web-identity-token-env",
            "web-identity-token-file",
        ],
        "secrets are no inputs but masked variables, and the component asks for the tokens itself",
    ),
    (
        GitLab,
        &[
            "dotenv-file",
            "output",
            "output-file",
            "results-directory",
            "summary",
            "summary-file",
        ],
        "the component itself names the files that it keeps, one of them the JSON, and GitLab shows no summary",
    ),
];

/// What only some front ends have to add to a description.
const NOTES: [(&str, &[Front], &str); 14] = [
    // The program's own help has a line for each option.
    (
        "verbose",
        &[CommandLine, GitHub, Buildkite, GitLab],
        ": each request with its answer, time and ID",
    ),
    (
        "verbose",
        &[GitHub],
        "; also by \"Enable debug logging\" when a job is run again",
    ),
    // A job of GitHub's has no identity unless it asks for one.
    ("role-to-assume", &[GitHub], NEEDS_IDENTITY),
    ("vault-role", &[GitHub], NEEDS_IDENTITY),
    ("output-file", &[Page], ", as `--output json` prints them"),
    (
        "output-file",
        &[GitHub],
        "; without it nothing is written to the workspace",
    ),
    // An input of GitLab's may be a variable, of whose value nobody knows whether it is empty.
    (
        "digest",
        &[GitLab],
        ". A variable that is empty would be no pin; behind the reference it is refused",
    ),
    // GitLab is asked for the tokens before the program looks at role and key.
    ("audience", &[GitLab], "; in China `sts.amazonaws.com.cn`"),
    (
        "vault-audience",
        &[GitLab],
        ". To log in by the identity token this is needed",
    ),
    // GitLab reads a number as one, where a text is wanted.
    ("require", &[GitLab], " in quotes"),
    ("key", &[Page], "; see [keys](#keys)"),
    (
        "schema-version",
        &[Page],
        ": [why 2 is recommended](#what-schema-1-does-not-protect)",
    ),
    (
        "dotenv-file",
        &[Page],
        ": `S3LO_SIGN_SIGNED`, `S3LO_SIGN_DIGEST`, `S3LO_SIGN_KEY_ID`, `S3LO_SIGN_STORED_PATH`, `S3LO_SIGN_SIGNED_AT`; \
         of verify `S3LO_VERIFY_VERIFIED`, `S3LO_VERIFY_DIGEST`, `S3LO_VERIFY_KEY_ID`, `S3LO_VERIFY_SIGNED_AT`. A value \
         with a character such as `$` or a space is not written",
    ),
    (
        "no-summary",
        &[Page],
        " (a file that is asked for is written all the same)",
    ),
];

const NEEDS_IDENTITY: &str = "; needs `permissions: id-token: write`";

/// Options of a job that are no flags: what each is, where it stands, and its default.
const NO_FLAGS: [(&str, &str, Option<&str>, Option<&str>); 2] = [
    (
        "password",
        "The password of an encrypted key file",
        None,
        Some("the variable COSIGN_PASSWORD"),
    ),
    ("summary", "Write the job summary", Some("Results"), None),
];

/// Whose options a job may have: its commands', and every command's.
const JOBS: [&str; 3] = ["sign", "verify", "all"];

/// What can be written for an option.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Switch {
        on: bool,
    },
    Text,
    /// One of these, each with what it means.
    Choice(Vec<(String, String)>),
    Account,
    Count,
    Digest,
    Require,
    Schema,
}

/// An option of one command or of several that mean the same by it.
#[derive(Clone, Debug)]
struct Opt {
    /// As the front ends but the command line call it.
    name: String,
    /// As the command line does, and what follows it there.
    flag: String,
    value: Option<String>,
    other_names: Vec<String>,
    text: String,
    /// What is taken without it, where that is a value; else in words.
    default: Option<String>,
    default_in_words: Option<String>,
    kind: Kind,
    several: bool,
    required: bool,
    positional: bool,
    global: bool,
    heading: Option<String>,
    commands: Vec<&'static str>,
}

impl Opt {
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
        let text = text.strip_suffix("; may be given several times");
        assert_eq!(text.is_some(), appends && !positional, "{flag}: {help}");
        let text = text.or(help.split(" [default: ").next()).unwrap();
        let default = arg.get_default_values().first();
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
            ArgAction::SetTrue => Kind::Switch { on: false },
            _ if !choices.is_empty() => Kind::Choice(choices),
            _ if is(TypeId::of::<Account>()) => Kind::Account,
            _ if is(TypeId::of::<Digest>()) => Kind::Digest,
            _ if is(TypeId::of::<Require>()) => Kind::Require,
            _ if is(TypeId::of::<Schema>()) => Kind::Schema,
            _ if is(TypeId::of::<usize>()) => Kind::Count,
            _ => Kind::Text,
        };
        let takes_value = !matches!(kind, Kind::Switch { .. });
        let value = arg.get_value_names().and_then(<[_]>::first);
        Self {
            name: names[0].clone(),
            value: value.filter(|_| takes_value).map(ToString::to_string),
            other_names: names[1..].to_vec(),
            text: text.to_owned(),
            default: default
                .filter(|_| takes_value)
                .map(|value| value.to_string_lossy().into_owned()),
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

    fn no_flags() -> impl Iterator<Item = Self> {
        NO_FLAGS
            .into_iter()
            .map(|(name, text, heading, default)| Self {
                name: name.to_owned(),
                flag: name.to_owned(),
                value: None,
                other_names: Vec::new(),
                text: text.to_owned(),
                default: None,
                default_in_words: default.map(str::to_owned),
                kind: match name {
                    "summary" => Kind::Switch { on: true },
                    _ => Kind::Text,
                },
                several: false,
                required: false,
                positional: false,
                global: false,
                heading: heading.map(str::to_owned),
                commands: vec!["sign", "verify"],
            })
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

    fn literal_default(&self) -> Option<String> {
        match self.kind {
            Kind::Switch { on } => Some(on.to_string()),
            _ => self.default.clone(),
        }
    }

    /// What is taken without it, in Markdown.
    fn default(&self, front: Front) -> Option<String> {
        let words = self.default_in_words.as_deref().map(|words| {
            let here = match front {
                Buildkite => words.replace("REPOSITORY-RUN", "PIPELINE-BUILD"),
                _ => words.to_owned(),
            };
            in_code(&here, front)
        });
        self.literal_default()
            .map(|value| format!("`{value}`"))
            .or(words)
    }

    /// What it is, in Markdown, without its default.
    fn description(&self, fronts: &[Front]) -> String {
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
                CommandLine => "; several times for several",
                Buildkite => "; several as a list",
                _ => "; several, one a line",
            };
        }
        text
    }

    /// What it is, and what is taken without it.
    fn sentence(&self, front: Front) -> String {
        let mut text = self.description(&[front]);
        let is_typed = [Buildkite, GitLab].contains(&front) && self.literal_default().is_some();
        if let Some(default) = self.default(front).filter(|_| !is_typed) {
            write!(text, "; without it {default}").unwrap();
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
                let all = options();
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
fn options() -> Vec<Opt> {
    let root = command_line();
    let of = |path: &[&str]| {
        let all = path.iter().fold(&root, |command, name| {
            command.find_subcommand(name).unwrap()
        });
        all.clone()
    };
    let mut all: Vec<Opt> = Vec::new();
    let mut add = |command: &Command, name: &'static str| {
        for arg in command.get_arguments() {
            let new = Opt::of(arg, name);
            let same = |old: &&mut Opt| old.name == new.name && old.text == new.text;
            match all.iter_mut().find(same) {
                Some(old) => old.commands.push(name),
                None => all.push(new),
            }
        }
    };
    add(&of(&["ci", "sign"]), "sign");
    add(&of(&["ci", "verify"]), "verify");
    for name in ["public-key", "generate-key-pair"] {
        add(&of(&[name]), name);
    }
    add(&root, "all");
    all.extend(Opt::no_flags());
    all.sort_by_key(Opt::rank);
    all
}

/// What a front end has of a command; of any, where none is named.
fn options_of(front: Front, command: Option<&str>) -> Vec<Opt> {
    let mut of_front: Vec<Opt> = Vec::new();
    for option in options() {
        let of_command = option.commands.iter().any(|of| {
            JOBS.contains(of) && (option.global || command.is_none_or(|command| command == *of))
        });
        let left_out = LEFT_OUT
            .iter()
            .any(|(of, names, _)| *of == front && names.contains(&option.name.as_str()));
        if !of_command || left_out || option.name == "no-summary" {
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

/// The options as entries of a YAML mapping, with the headings of the help as comments.
fn entries(
    options: &[Opt],
    indent: usize,
    entry: impl Fn(&Opt) -> Vec<(&'static str, String)>,
) -> String {
    let (mut yaml, mut heading) = (String::new(), None);
    let pad = " ".repeat(indent);
    for option in options {
        let of = if option.global {
            Some("Log")
        } else {
            option.heading.as_deref()
        };
        if let Some(name) = of.filter(|name| heading != Some(*name)) {
            writeln!(yaml, "{pad}# {name}").unwrap();
        }
        heading = of;
        writeln!(yaml, "{pad}{}:", option.name).unwrap();
        for (key, value) in entry(option) {
            writeln!(yaml, "{pad}  {key}: {value}").unwrap();
        }
    }
    yaml
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn action(command: &str) -> String {
    entries(&options_of(GitHub, Some(command)), 2, |option| {
        let mut entry = vec![("description", quoted(&option.sentence(GitHub)))];
        if option.required {
            entry.push(("required", "true".to_owned()));
        }
        entry
    })
}

fn plugin() -> String {
    let mut all = Vec::new();
    for option in options_of(Buildkite, None) {
        // The agent refuses a name that is not listed.
        let others = option.other_names.clone();
        let others = others.into_iter().map(|name| Opt {
            text: format!("The same as {}", option.name),
            default_in_words: None,
            name,
            ..option.clone()
        });
        let others: Vec<_> = others.collect();
        all.push(option);
        all.extend(others);
    }
    entries(&all, 4, |option| {
        let mut description = option.sentence(Buildkite);
        if let [command @ ("sign" | "verify")] = option.commands[..] {
            write!(description, "; only to {command}").unwrap();
        }
        let mut entry = vec![("description", quoted(&description))];
        let mut add = |key, value: &str| entry.push((key, value.to_owned()));
        if option.several {
            add("type", "[string, array]");
            add("items", "{ type: string }");
            add("minLength", "1");
            add("minItems", "1");
            return entry;
        }
        match &option.kind {
            Kind::Switch { .. } => add("type", "boolean"),
            Kind::Choice(choices) => {
                let values: Vec<_> = choices.iter().map(|(value, _)| value.as_str()).collect();
                add("type", "string");
                add("enum", &format!("[{}]", values.join(", ")));
            }
            Kind::Count => {
                add("type", "integer");
                add("minimum", "1");
            }
            Kind::Digest => {
                add("type", "string");
                add("pattern", "\"^sha256:[0-9a-f]{64}$\"");
            }
            Kind::Require => add("type", "[string, integer]"),
            Kind::Schema => {
                add("type", "[integer, string]");
                add("enum", "[1, 2, \"1\", \"2\"]");
            }
            Kind::Account | Kind::Text => add("type", "string"),
        }
        if let Some(default) = option.literal_default() {
            add("default", &default);
        }
        entry
    })
}

fn component_inputs(command: &str) -> String {
    entries(&options_of(GitLab, Some(command)), 4, |option| {
        let mut entry = Vec::new();
        let mut add = |key, value: &str| entry.push((key, value.to_owned()));
        let default = match (option.literal_default(), option.name.as_str()) {
            (Some(default), _) => default,
            // A token cannot be asked for without.
            (None, "audience") => option.default_in_words.clone().unwrap(),
            (None, _) => "\"\"".to_owned(),
        };
        match &option.kind {
            Kind::Switch { .. } => add("type", "boolean"),
            Kind::Count | Kind::Schema => add("type", "number"),
            _ => {}
        }
        if !option.required {
            add("default", &default);
        }
        match &option.kind {
            Kind::Choice(choices) => {
                // GitLab wants the default among them.
                let none = option.default.is_none().then_some("\"\"");
                let values = choices.iter().map(|(value, _)| value.as_str());
                let values: Vec<_> = none.into_iter().chain(values).collect();
                add("options", &format!("[{}]", values.join(", ")));
            }
            Kind::Schema => add("options", "[1, 2]"),
            Kind::Require => add("regex", "^(any|all|[1-9][0-9]*)$"),
            _ => {}
        }
        let mut sentence = option.clone();
        // Of GitLab itself the tokens are asked for, by these.
        if option.name.ends_with("audience") {
            sentence.default_in_words = None;
        }
        add(
            "description",
            &quoted(&format!("{}.", sentence.sentence(GitLab))),
        );
        entry
    })
}

fn component_variables(command: &str) -> String {
    let mut yaml = String::new();
    let all = options_of(GitLab, Some(command)).into_iter();
    // The token that the component asks for has its audience.
    for option in all.filter(|option| option.name != "audience") {
        let value = format!("$[[ inputs.{} ]]", option.name);
        let value = match option.kind {
            // A boolean alone is no value for a variable of GitLab: with the blank it is text.
            Kind::Switch { .. } => format!("\"{value} \""),
            _ => value,
        };
        writeln!(yaml, "    {}: {value}", variable(&option.name)).unwrap();
    }
    yaml
}

fn variable(option: &str) -> String {
    format!("S3LO_{}", option.to_uppercase().replace('-', "_"))
}

/// A table with a first column that says whose a row is, where the row before is another's.
fn table(head: &str, rows: impl IntoIterator<Item = (String, [String; 3])>) -> String {
    let mut table = format!("| of | {head} | default | |\n|---|---|---|---|\n");
    let mut last = String::new();
    for (of, columns) in rows {
        let shown = if of == last { "" } else { &of };
        writeln!(
            table,
            "{}",
            row(&[&[shown.to_owned()], &columns[..]].concat())
        )
        .unwrap();
        last = of;
    }
    table
}

fn row(columns: &[String]) -> String {
    let mut row = "|".to_owned();
    for column in columns {
        let blank = if column.is_empty() { "" } else { " " };
        write!(row, "{blank}{column} |").unwrap();
    }
    row
}

fn page_inputs() -> String {
    let rows = options_of(GitHub, None).into_iter().map(|option| {
        let of = match option.commands[..] {
            ["sign"] => "sign",
            ["verify"] => "verify",
            _ => "both",
        };
        let default = match option.required {
            true => "required".to_owned(),
            false => option.default(GitHub).unwrap_or_default(),
        };
        let text = option.description(&[GitHub, Page]);
        (of.to_owned(), [format!("`{}`", option.name), default, text])
    });
    table("input", rows)
}

fn page_flags() -> String {
    let known = |option: &Opt| {
        let of_a_job = NO_FLAGS.iter().any(|(name, ..)| *name == option.name);
        !of_a_job && !option.positional && option.heading.as_deref() != Some("Results")
    };
    let rows = options().into_iter().filter(known).map(|option| {
        let value = option.value.as_ref().map(|value| format!(" {value}"));
        let flag = format!("`--{}{}`", option.flag, value.unwrap_or_default());
        let default = match option.kind {
            Kind::Switch { .. } => String::new(),
            _ => option.default(CommandLine).unwrap_or_default(),
        };
        let text = option.description(&[CommandLine, Page]);
        (option.commands.join(", "), [flag, default, text])
    });
    table("flag", rows)
}

fn page_results() -> String {
    let mut table = "| variable, or flag of `s3lo ci` | |\n|---|---|\n".to_owned();
    for option in options() {
        if option.heading.as_deref() != Some("Results") || option.name == "summary" {
            continue;
        }
        let (name, flag) = (&option.name, &option.flag);
        let variable = match name.strip_prefix("no-") {
            Some(name) => format!("{}=false", variable(name)),
            None => variable(name),
        };
        let value = option.value.as_ref().map(|value| format!(" {value}"));
        let value = value.unwrap_or_default();
        let text = option.description(&[CommandLine, Page]);
        writeln!(table, "| `{variable}`, `--{flag}{value}` | {text} |").unwrap();
    }
    table + "| `S3LO_COMMAND` | `sign` or `verify`, where `s3lo ci` is not told which |\n"
}

/// What the plugin has beside the program's options, as plugin.yml declares it.
fn page_plugin() -> String {
    let known = options_of(Buildkite, None);
    let known: BTreeSet<_> = known
        .iter()
        .flat_map(|option| [&option.name, &option.flag])
        .collect();
    let plugin: yaml_serde::Value = yaml_serde::from_str(&text("plugin.yml")).unwrap();
    let mut table = "| option | default | |\n|---|---|---|\n".to_owned();
    for (name, property) in plugin["configuration"]["properties"].as_mapping().unwrap() {
        let name = name.as_str().unwrap().to_owned();
        if known.contains(&name) {
            continue;
        }
        let default = property
            .get("default")
            .map(|default| format!("`{}`", yaml_serde::to_string(default).unwrap().trim()));
        let description = property["description"].as_str().unwrap().to_owned();
        let columns = [
            format!("`{name}`"),
            default.unwrap_or_default(),
            description,
        ];
        writeln!(table, "{}", row(&columns)).unwrap();
    }
    table
}

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// A text with the lines between a block's marks replaced.
fn replaced(text: &str, file: &str, name: &str, block: &str) -> String {
    let begin = format!("options: begin {name} (generated by scripts/options)");
    assert_eq!(text.matches(&begin).count(), 1, "{file}: {begin}");
    let (head, rest) = text.split_once(&begin).unwrap();
    let (line, rest) = rest.split_once('\n').unwrap();
    let end = rest.find("options: end").unwrap();
    let end = rest[..end].rfind('\n').map_or(0, |newline| newline + 1);
    // A table of Markdown is set apart from what stands before and behind it.
    let blank = if file.ends_with(".md") { "\n" } else { "" };
    format!("{head}{begin}{line}\n{blank}{block}{blank}{}", &rest[end..])
}

#[test]
fn every_option_block_is_what_the_declarations_give() {
    let mut blocks = 0;
    for (file, generated) in [
        ("plugin.yml", vec![("properties", plugin as fn() -> String)]),
        ("action.yml", vec![("inputs", || action("sign"))]),
        ("verify/action.yml", vec![("inputs", || action("verify"))]),
        (
            "templates/sign.yml",
            vec![
                ("inputs", || component_inputs("sign")),
                ("variables", || component_variables("sign")),
            ],
        ),
        (
            "templates/verify.yml",
            vec![
                ("inputs", || component_inputs("verify")),
                ("variables", || component_variables("verify")),
            ],
        ),
        (
            "README.md",
            vec![
                ("inputs", page_inputs as fn() -> String),
                ("plugin", page_plugin),
                ("results", page_results),
                ("flags", page_flags),
            ],
        ),
    ] {
        let there = text(file);
        assert_eq!(
            there.matches("options: begin ").count(),
            generated.len(),
            "{file}"
        );
        let wanted = generated.iter().fold(there.clone(), |text, (name, block)| {
            replaced(&text, file, name, &block())
        });
        blocks += generated.len();
        if std::env::var_os("UPDATE_OPTIONS").is_some() {
            std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &wanted).unwrap();
        }
        let here = text(file);
        let differs = here
            .lines()
            .zip(wanted.lines())
            .find(|(here, wanted)| here != wanted);
        assert!(
            here == wanted,
            "{file} is not what the options' declarations give: run scripts/options\n{differs:#?}"
        );
    }
    println!("{blocks} blocks");
}

#[test]
fn every_exception_names_an_option_that_there_is() {
    let all = options();
    let names: BTreeSet<_> = all.iter().map(|option| option.name.as_str()).collect();
    for (front, left_out, reason) in LEFT_OUT {
        for name in left_out {
            assert!(
                names.contains(name),
                "{front:?} leaves out {name}: {reason}"
            );
        }
    }
    for (name, ..) in NOTES {
        assert!(names.contains(name), "{name} has a note");
    }
}
