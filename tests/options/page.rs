//! The options as tables of the documentation.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::Front::{Buildkite, CommandLine, GitHub, Page};
use crate::option::{self, Kind, OptionSpec};
use crate::text;
use crate::yaml::variable;

/// A table whose first column names a row's owner, where that differs from the row before.
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

pub(crate) fn inputs() -> String {
    let rows = option::of(GitHub, None).into_iter().map(|option| {
        let of = match option.commands[..] {
            ["sign"] => "sign",
            ["verify"] => "verify",
            _ => "both",
        };
        let default = match option.required {
            // A policy names keys too.
            true if option.name == "key" => "required, but for `verify` with `policy`".to_owned(),
            true => "required".to_owned(),
            false => option.default(GitHub).unwrap_or_default(),
        };
        let text = option.description(&[GitHub, Page]);
        (of.to_owned(), [format!("`{}`", option.name), default, text])
    });
    table("input", rows)
}

pub(crate) fn flags() -> String {
    let known = |option: &OptionSpec| {
        let elsewhere = option.positional || option.heading.as_deref() == Some("Results");
        !elsewhere && !option.is_left_out(CommandLine)
    };
    let rows = option::all().into_iter().filter(known).map(|option| {
        let value = option.value.as_ref().map(|value| format!(" {value}"));
        let flag = format!("`--{}{}`", option.flag, value.unwrap_or_default());
        let default = match option.kind {
            Kind::Switch => String::new(),
            _ => option.default(CommandLine).unwrap_or_default(),
        };
        let text = option.description(&[CommandLine, Page]);
        (option.commands.join(", "), [flag, default, text])
    });
    table("flag", rows)
}

pub(crate) fn results() -> String {
    let mut table = "| variable, or flag of `s3lo ci` | |\n|---|---|\n".to_owned();
    for option in option::all() {
        if option.heading.as_deref() != Some("Results") || option.is_left_out(CommandLine) {
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

/// The plugin's own options, as plugin.yml declares them.
pub(crate) fn plugin() -> String {
    let known = option::of(Buildkite, None);
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
