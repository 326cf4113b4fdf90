//! The options as the front ends' YAML declares them.

use std::fmt::Write as _;

use crate::Front::{Buildkite, GitHub, GitLab};
use crate::option::{self, Kind, OptionSpec};

/// The options as entries of a YAML mapping, with the headings of the help as comments.
fn entries(
    options: &[OptionSpec],
    indent: usize,
    entry: impl Fn(&OptionSpec) -> Vec<(&'static str, String)>,
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

pub(crate) fn action(command: &str) -> String {
    entries(&option::of(GitHub, Some(command)), 2, |option| {
        let mut entry = vec![("description", quoted(&option.sentence(GitHub)))];
        if option.required {
            entry.push(("required", "true".to_owned()));
        }
        entry
    })
}

pub(crate) fn plugin() -> String {
    let mut all = Vec::new();
    for option in option::of(Buildkite, None) {
        // The agent refuses a name that is not listed.
        let others = option.other_names.clone();
        let others = others.into_iter().map(|name| OptionSpec {
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
            Kind::Switch => add("type", "boolean"),
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
        if let Some(default) = option.default.clone() {
            add("default", &default);
        }
        entry
    })
}

fn component_inputs(command: &str) -> String {
    entries(&option::of(GitLab, Some(command)), 4, |option| {
        let mut entry = Vec::new();
        let mut add = |key, value: &str| entry.push((key, value.to_owned()));
        let default = match (option.default.clone(), option.name.as_str()) {
            (Some(default), _) => default,
            // A token cannot be asked for without.
            (None, "audience") => option.default_in_words.clone().unwrap(),
            // GitLab wants a number for one.
            (None, "schema-version") => "1".to_owned(),
            (None, _) => "\"\"".to_owned(),
        };
        match &option.kind {
            Kind::Switch => add("type", "boolean"),
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
            Kind::Text | Kind::Account | Kind::Digest if option.name != "audience" => {
                add("regex", IN_DOUBLE_QUOTES);
            }
            _ => {}
        }
        let mut sentence = option.clone();
        // Of GitLab itself the tokens are asked for, by these.
        if option.name.ends_with("audience") || option.name == "schema-version" {
            sentence.default_in_words = None;
        }
        add(
            "description",
            &quoted(&format!("{}.", sentence.sentence(GitLab))),
        );
        entry
    })
}

/// The characters of an input that stands between double quotes in a script: the shell expands variables there, and
/// finds nothing else to act on.
const IN_DOUBLE_QUOTES: &str = r#"'^([^"$`\\]|\$\w+|\$\{\w+\})*$'"#;

/// The option's inputs as arguments of the program.
fn component_arguments(command: &str) -> String {
    let mut yaml = String::new();
    let all = option::of(GitLab, Some(command)).into_iter();
    // The token that the component asks for has its audience.
    for option in all.filter(|option| option.name != "audience") {
        let name = &option.name;
        writeln!(yaml, "      --input \"{name}=$[[ inputs.{name} ]]\"").unwrap();
    }
    yaml
}

/// A component, from the one source of both. A line of one command begins with its name.
pub(crate) fn component(command: &str, image: &str) -> String {
    let mut yaml = "# Generated by scripts/options from tests/options/component.yml\n".to_owned();
    for line in include_str!("component.yml").lines() {
        let line = match line.split_once('|') {
            Some((of @ ("sign" | "verify"), line)) if of == command => line,
            Some(("sign" | "verify", _)) => continue,
            _ => line,
        };
        match line {
            "<inputs>" => yaml += &component_inputs(command),
            "<arguments>" => yaml += &component_arguments(command),
            line => {
                let line = line.replace("<command>", command);
                writeln!(yaml, "{}", line.replace("<image>", image)).unwrap();
            }
        }
    }
    yaml
}

pub(crate) fn variable(option: &str) -> String {
    format!("S3LO_{}", option.to_uppercase().replace('-', "_"))
}
