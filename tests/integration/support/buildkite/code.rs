//! Buildkite's own code, which `tests/buildkite` makes a program of: how it reads a pipeline, and what its agent makes
//! of a step's plugins.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::tools::tool;

/// A plugin of a step, as the agent's code sees it.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) location: String,
    pub(super) identifier: String,
    pub(super) folder: String,
    pub(super) vendored: bool,
    pub(super) environment: BTreeMap<String, String>,
}

/// A step of a pipeline, as Buildkite's code reads it.
#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) command: String,
    pub(super) env: BTreeMap<String, String>,
    pub(super) plugins: Option<Vec<Value>>,
}

/// The plugins of BUILDKITE_PLUGINS, by the agent's own code.
pub(super) fn listed(plugins: &str) -> Vec<Listed> {
    serde_json::from_value(ask(&["plugins"], plugins)).unwrap()
}

/// The errors in a configuration of this plugin, by the agent's own check against plugin.yml.
pub(crate) fn faults(configuration: &Value) -> Vec<String> {
    let project = env!("CARGO_MANIFEST_DIR");
    serde_json::from_value(ask(&["validate", project], &configuration.to_string())).unwrap()
}

/// A plugin's short name, as Buildkite completes it before a job sees it.
pub(super) fn full(plugin: Value) -> Value {
    let yaml = json!({"steps": [{"command": "", "plugins": [plugin]}]}).to_string();
    let mut steps: Vec<Written> = serde_json::from_value(ask(&["steps"], &yaml)).unwrap();
    let plugins = steps.pop().unwrap().plugins;
    plugins.unwrap().pop().unwrap()
}

/// Asks Buildkite's code.
#[track_caller]
fn ask(arguments: &[&str], stdin: &str) -> Value {
    ask_in(&[], arguments, stdin)
}

/// Asks it in an environment.
#[track_caller]
pub(super) fn ask_in(environment: &[(&str, &str)], arguments: &[&str], stdin: &str) -> Value {
    let stubs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/support/buildkite");
    let mut process = Command::new(tool("s3lo-test-buildkite"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_clear()
        .envs(environment.iter().copied())
        // It looks for the programs that plugin.yml requires.
        .env("PATH", stubs)
        .spawn()
        .unwrap();
    let mut pipe = process.stdin.take().unwrap();
    // A program that ends before it has read all prints the reason.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = process.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}: {stdin}");
    serde_json::from_slice(&output.stdout).unwrap()
}
