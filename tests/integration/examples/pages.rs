//! The pages of both: their commands run as printed, and their tables have each input and output.

use serde_json::Value;

use super::cloudformation::{TEMPLATE, pascal};
use super::output_of;
use super::terraform::{APPLIED, MODULE, empty_folder, terraform};
use crate::cli::documentation::{blocks, root, text};

const PAGES: [&str; 2] = [
    "examples/cloudformation/README.md",
    "examples/terraform/README.md",
];

/// The blocks of a kind in HCL, by name, with their descriptions.
fn described(file: &str, kind: &str) -> Vec<(String, String, String)> {
    let file = text(&format!("{MODULE}/{file}"));
    let start = format!("{kind} \"");
    let blocks = file.split(&start).skip(1).map(|block| {
        let (name, body) = block.split_once('"').unwrap();
        let value = |field: &str| {
            let line = body
                .lines()
                .find(|line| line.trim_start().starts_with(field));
            line.map(|line| {
                line.split_once("= ")
                    .unwrap()
                    .1
                    .trim_matches('"')
                    .to_owned()
            })
        };
        let default = match value("default ") {
            None => "required".to_owned(),
            Some(empty) if empty.is_empty() => empty,
            Some(default) => format!("`{default}`"),
        };
        (name.to_owned(), default, value("description ").unwrap())
    });
    blocks.collect()
}

#[test]
fn the_tables_have_each_input_and_output() {
    let variables = described("variables.tf", "variable");
    let outputs = described("outputs.tf", "output");
    for (page, template) in PAGES.map(text).iter().zip([true, false]) {
        let named = |name: &str| {
            if template {
                pascal(name)
            } else {
                name.to_owned()
            }
        };
        let mut rows: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        for (name, default, description) in &variables {
            let row =
                format!("| `{}` | {default} | {description} |", named(name)).replace("|  |", "| |");
            assert_eq!(rows.remove(0), row);
        }
        for (name, _, description) in &outputs {
            assert_eq!(
                rows.remove(0),
                format!("| `{}` | {description} |", named(name))
            );
        }
        assert!(rows.is_empty(), "{rows:?}");
    }
    // The template describes them in the same words.
    let template = text(TEMPLATE);
    let (parameters, rest) = template.split_once("\nRules:\n").unwrap();
    let (_, of_outputs) = rest.split_once("\nOutputs:").unwrap();
    for (section, described) in [(parameters, variables), (of_outputs, outputs)] {
        for (name, _, description) in described {
            let entry = format!("\n  {}:\n", pascal(&name));
            let (_, part) = section.split_once(&entry).unwrap();
            let mut lines = part.lines().map(str::trim_start);
            let line = lines.find_map(|line| line.strip_prefix("Description: "));
            assert_eq!(line, Some(description.as_str()), "{name}");
        }
    }
}

#[test]
fn the_printed_module_block_applies() {
    let page = text(PAGES[1]);
    let [block] = &blocks(&page, "hcl")[..] else {
        panic!("{page}")
    };
    let (before, rest) = block
        .split_once("\"git::https://github.com/s3lo/sign-action.git//")
        .unwrap();
    let (path, after) = rest.split_once("?ref=v1.0.0\"").unwrap();
    let source = root().join(path);
    let folder = empty_folder();
    let block = format!("{before}\"{}\"{after}", source.display());
    std::fs::write(folder.path().join("main.tf"), block).unwrap();
    output_of(&mut terraform(folder.path(), &["get"]));
    output_of(&mut terraform(folder.path(), &["fmt", "-check"]));
    output_of(&mut terraform(folder.path(), &["apply", "-auto-approve"]));
    let outputs = output_of(&mut terraform(
        folder.path(),
        &["output", "-json", "s3lo_sign"],
    ));
    let outputs: Value = serde_json::from_str(&outputs).unwrap();
    assert_eq!(outputs, APPLIED[0].0["outputs"]);
}

#[test]
fn the_printed_deployment_has_the_required_parameters() {
    let console = blocks(&text(PAGES[0]), "console").join("");
    let deploy = console
        .lines()
        .find(|line| line.contains("cloudformation deploy"))
        .unwrap();
    assert!(deploy.contains(" --capabilities CAPABILITY_NAMED_IAM "));
    let (_, file) = deploy.split_once("--template-file ").unwrap();
    assert!(TEMPLATE.ends_with(&format!("/{}", file.split(' ').next().unwrap())));
    let (_, given) = deploy.split_once("--parameter-overrides ").unwrap();
    let given: Vec<_> = given
        .split(' ')
        .map(|one| one.split_once('=').unwrap().0)
        .collect();
    let mut required = described("variables.tf", "variable");
    required.retain(|(_, default, _)| default == "required");
    let required: Vec<_> = required.iter().map(|(name, ..)| pascal(name)).collect();
    assert_eq!(given, required);
}
