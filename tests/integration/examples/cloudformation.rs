//! The CloudFormation template, linted, and applied in moto.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{CASES, KEY_ARN, Made, output_of};
use crate::cli::documentation::root;
use crate::support::tools::tool;

pub(super) const TEMPLATE: &str = "examples/cloudformation/s3lo-sign.yml";

/// The stack of each case. moto starts once, which takes longer than the stacks.
pub(super) static STACKS: LazyLock<Vec<Made>> = LazyLock::new(|| {
    let parameters = CASES.map(|(_, variables)| {
        let named = variables
            .iter()
            .map(|(name, value)| (pascal(name), Value::from(*value)));
        named.collect::<Map<_, _>>()
    });
    let program = tool("moto_server").canonicalize().unwrap();
    let mut process = Command::new(program.with_file_name("python3"))
        .args(["tests/integration/examples/stack.py", TEMPLATE])
        .current_dir(root())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = serde_json::to_vec(&parameters).unwrap();
    process.stdin.take().unwrap().write_all(&asked).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    let made: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    made.into_iter().map(as_module).collect()
});

/// `sign_ref` as `SignRef`, the spelling of parameters and outputs in templates.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split('_');
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    words.map(capital).collect()
}

/// The stack with the output names of the module, and the key that the documentation has.
fn as_module(stack: Value) -> Made {
    let arn = stack["key"]["arn"].as_str().unwrap();
    let id = |arn: &str| arn.rsplit('/').next().unwrap().to_owned();
    let text = stack.to_string().replace(&id(arn), &id(KEY_ARN));
    let mut stack: Value = serde_json::from_str(&text).unwrap();
    let outputs = stack["outputs"].as_object_mut().unwrap();
    *outputs = std::mem::take(outputs)
        .into_iter()
        .map(|(name, value)| (snake(&name), value))
        .collect();
    Made(stack)
}

fn snake(name: &str) -> String {
    let words = name.split_inclusive(|_| true).map(|letter| {
        let lower = letter.to_lowercase();
        if lower == letter {
            lower
        } else {
            format!("_{lower}")
        }
    });
    words.collect::<String>().trim_start_matches('_').to_owned()
}

#[test]
fn the_template_passes_cfn_lint() {
    output_of(
        Command::new(tool("cfn-lint"))
            .arg(TEMPLATE)
            .current_dir(root()),
    );
}
