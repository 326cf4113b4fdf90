//! Hooks, as the agent runs them: sourced by a script that looks at the environment before and after.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::code::{Listed, listed};
use super::{Ended, Step};

type Environment = BTreeMap<String, String>;

/// A job in progress: changes by one hook remain for the next ones.
struct Job<'a> {
    step: &'a Step,
    plugins: Vec<Listed>,
    environment: Environment,
    folder: PathBuf,
    log: String,
}

impl Step {
    /// Runs the step, plugin by plugin and hook by hook.
    pub(crate) fn run(&self) -> Ended {
        self.run_while(|_| ())
    }

    /// Does something with each process as soon as it runs; each leads a process group of its own.
    pub(crate) fn run_while(&self, meanwhile: impl FnMut(&Child)) -> Ended {
        let text = self.plugins_text();
        let mut plugins = listed(&text);
        // Those of the checkout come last.
        plugins.sort_by_key(|plugin| plugin.vendored);
        for plugin in &plugins {
            if !self.others.contains(&plugin.identifier) {
                self.check_out(plugin);
            }
        }
        let mut environment = self.environment.clone();
        environment.insert("BUILDKITE_PLUGINS".to_owned(), text);
        let mut job = Job {
            step: self,
            plugins,
            environment,
            folder: self.checkout().to_owned(),
            log: String::new(),
        };
        let code = job.run(meanwhile);
        Ended { code, log: job.log }
    }
}

impl Step {
    /// Runs one hook of the first plugin alone; its log goes to this file.
    pub(crate) fn hook_with_log(&self, hook: &str, log: &str) -> Option<i32> {
        let plugins = listed(&self.plugins_text());
        self.check_out(&plugins[0]);
        let log = std::fs::File::options().write(true).open(log).unwrap();
        let ended = Command::new("bash")
            .arg(self.folder_of(&plugins[0]).join("hooks").join(hook))
            .current_dir(self.checkout())
            .env_clear()
            .envs(&self.environment)
            .envs(&plugins[0].environment)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .status();
        ended.unwrap().code()
    }
}

impl Job<'_> {
    fn run(&mut self, mut meanwhile: impl FnMut(&Child)) -> i32 {
        for index in 0..self.plugins.len() {
            match self.hook("pre-command", index, &mut meanwhile) {
                None | Some(0) => {}
                Some(code) => return code,
            }
        }
        let status = self.command(&mut meanwhile);
        let name = "BUILDKITE_COMMAND_EXIT_STATUS".to_owned();
        self.environment.insert(name, status.to_string());
        for index in 0..self.plugins.len() {
            match self.hook("post-command", index, &mut meanwhile) {
                None | Some(0) => {}
                Some(code) => return code,
            }
        }
        status
    }

    /// All command hooks run, unless the agent is strict, until one fails; without any the agent runs the command.
    fn command(&mut self, meanwhile: &mut impl FnMut(&Child)) -> i32 {
        let strict = self.environment["BUILDKITE_STRICT_SINGLE_HOOKS"] == "true";
        let mut seen = false;
        for index in 0..self.plugins.len() {
            if seen && strict {
                break;
            }
            match self.hook("command", index, meanwhile) {
                None => {}
                Some(0) => seen = true,
                Some(code) => return code,
            }
        }
        if seen {
            return 0;
        }
        let command = self.environment["BUILDKITE_COMMAND"].clone();
        assert_ne!(command, "", "the command phase has no `command` to execute");
        let mut shell = Command::new("bash");
        shell.args(["-e", "-c", &command]);
        self.process(shell, &Environment::new(), meanwhile)
    }

    /// Runs a hook of a plugin, if it has that hook.
    fn hook(
        &mut self,
        name: &str,
        index: usize,
        meanwhile: &mut impl FnMut(&Child),
    ) -> Option<i32> {
        let plugin = &self.plugins[index];
        let path = self.step.folder_of(plugin).join("hooks").join(name);
        if !path.exists() {
            return None;
        }
        let notes = tempfile::tempdir().unwrap();
        let wrapper = notes.path().join("hook-script-wrapper");
        let (before, after) = (notes.path().join("before"), notes.path().join("after"));
        std::fs::write(&wrapper, wrapped(&path, &before, &after)).unwrap();
        let mut bash = Command::new("bash");
        bash.arg(&wrapper);
        let of_plugin = plugin.environment.clone();
        let code = self.process(bash, &of_plugin, meanwhile);
        if code == 0 {
            self.apply(&variables(&before), &variables(&after));
        }
        Some(code)
    }

    /// Runs a process of the job to its end.
    fn process(
        &mut self,
        mut command: Command,
        more: &Environment,
        meanwhile: &mut impl FnMut(&Child),
    ) -> i32 {
        let (mut reader, writer) = std::io::pipe().unwrap();
        command
            .current_dir(&self.folder)
            .env_clear()
            .envs(&self.environment)
            .envs(more)
            .env("PWD", &self.folder)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .process_group(0);
        let mut child = command.spawn().unwrap();
        // It keeps the pipe's other end.
        drop(command);
        meanwhile(&child);
        let mut printed = Vec::new();
        reader.read_to_end(&mut printed).unwrap();
        self.log.push_str(&String::from_utf8(printed).unwrap());
        let code = child.wait().unwrap().code().unwrap_or(-1);
        // The variables that it had the agent set.
        let set = variables(&self.step.file("bin/set"));
        self.environment.extend(set);
        code
    }

    /// Takes over a hook's changes. One that ended by `exit` changes nothing.
    fn apply(&mut self, before: &Environment, after: &Environment) {
        let Some(folder) = after.get("BUILDKITE_HOOK_WORKING_DIR") else {
            return;
        };
        self.folder = PathBuf::from(folder);
        let of_the_wrapper = [
            "BUILDKITE_HOOK_EXIT_STATUS",
            "BUILDKITE_HOOK_WORKING_DIR",
            "_",
        ];
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.environment.remove(name);
        }
        for (name, value) in after {
            if before.get(name) != Some(value) && !of_the_wrapper.contains(&name.as_str()) {
                self.environment.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The agent's wrapper of a hook; where that has `buildkite-agent env dump`, this has `env`.
fn wrapped(hook: &Path, before: &Path, after: &Path) -> String {
    let [hook, before, after] = [hook, before, after].map(|path| {
        let path = path.to_str().unwrap();
        ['\\', '"', '$', '`']
            .iter()
            .fold(path.to_owned(), |path, special| {
                path.replace(*special, &format!("\\{special}"))
            })
    });
    format!(
        r#"#!/usr/bin/env bash
env -0 > "{before}"
. "{hook}"
export BUILDKITE_HOOK_EXIT_STATUS=$?
export BUILDKITE_HOOK_WORKING_DIR="${{PWD}}"
env -0 > "{after}"
exit $BUILDKITE_HOOK_EXIT_STATUS"#
    )
}

fn variables(file: &Path) -> Environment {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let pairs = text
        .split_terminator('\0')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
