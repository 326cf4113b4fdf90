//! `act`, which runs the jobs of a workflow on this machine: their scripts as they are, and in the place of each action,
//! which could be had from GitHub alone or is a container, a program that does the same.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::program::{Run, finish};
use crate::support::tools::tool;

/// A machine that runs jobs: a home, and programs that are found before those of the system.
pub(crate) struct Act {
    home: TempDir,
    arguments: Vec<String>,
}

impl Act {
    /// With `s3lo` among its programs.
    pub(crate) fn new() -> Self {
        let act = Self {
            home: TempDir::new().unwrap(),
            arguments: Vec::new(),
        };
        fs::create_dir(act.file("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_s3lo"), act.file("bin/s3lo")).unwrap();
        // It asks the repository that it runs in whose it is.
        act.git("init --quiet --initial-branch main repository");
        act.git("-C repository remote add origin https://github.com/s3lo/sign-action.git");
        act.git(
            "-C repository -c user.name=Nobody -c user.email=nobody@example.com commit --quiet --allow-empty --message Empty",
        );
        let home = act.home.path().to_str().unwrap().to_owned();
        act.with("--env", "HOME", &home)
    }

    fn git(&self, line: &str) {
        let git = Command::new("git")
            .args(line.split(' '))
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .status();
        assert!(git.unwrap().success(), "{line}");
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// A program of the machine.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.write(
            &path,
            &format!("#!/bin/bash\nset -euo pipefail\n{script}\n"),
        );
        fs::set_permissions(self.file(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A variable (`--env`), a secret (`--secret`), a variable of the repository (`--var`), or the image in which the jobs
    /// of a runner run (`--platform`).
    pub(crate) fn with(mut self, kind: &str, name: &str, value: &str) -> Self {
        self.arguments.push(kind.to_owned());
        self.arguments.push(format!("{name}={value}"));
        self
    }

    /// Takes out what [`Act::with`] put in.
    pub(crate) fn without(&mut self, assignment: &str) {
        let at = self.arguments.iter().position(|it| it == assignment);
        self.arguments.drain(at.unwrap() - 1..=at.unwrap());
    }

    /// Runs the jobs of a workflow.
    pub(crate) fn run(&self, workflow: &str, arguments: &[&str]) -> Run {
        finish(self.command(workflow, arguments).spawn().unwrap())
    }

    /// The command that runs the jobs of a workflow.
    pub(crate) fn command(&self, workflow: &str, arguments: &[&str]) -> Command {
        self.write("workflow.yml", workflow);
        let path = format!("{}:/usr/bin:/bin", self.file("bin").display());
        let mut command = Command::new(tool("act"));
        command
            .args(["push", "--workflows"])
            .arg(self.file("workflow.yml"))
            .args(["--platform", "ubuntu-24.04=-self-hosted"])
            .args(["--platform", "ubuntu-24.04-arm=-self-hosted"])
            .args(&self.arguments)
            .args(arguments)
            .current_dir(self.file("repository"))
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The workflow `name` of the project.
pub(crate) fn workflow(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(".github/workflows").join(name)).unwrap()
}

/// A workflow in which each step that uses an action runs the program that stands in for it. What it gives to the
/// action by `with` is given to the program as the runner gives it to an action.
pub(crate) fn without_actions(workflow: &str) -> String {
    let (mut text, mut has_env, mut inputs) = (String::new(), false, false);
    for line in workflow.lines() {
        let depth = line.len() - line.trim_start().len();
        if depth < 10 && !line.is_empty() {
            inputs = false;
        }
        if line.starts_with("      - ") || depth < 6 && !line.is_empty() {
            has_env = false;
        }
        let bare = line.trim_start().trim_start_matches("- ");
        match bare.strip_prefix("uses: ") {
            Some(action) if depth > 4 => {
                let start = line.strip_suffix(bare).unwrap();
                let action = action.split('@').next().unwrap();
                let program = match action {
                    "./" => "s3lo ci sign",
                    "./verify" => "s3lo ci verify",
                    other => other.rsplit('/').next().unwrap(),
                };
                text += &format!("{start}run: {program}");
            }
            _ if line == "        with:" => {
                inputs = true;
                text += if has_env { "" } else { "        env:" };
            }
            _ if inputs && depth == 10 && bare.contains(':') && !bare.starts_with('#') => {
                let (name, value) = bare.split_once(':').unwrap();
                write!(text, "          INPUT_{}:{value}", name.to_uppercase()).unwrap();
            }
            _ => text += line,
        }
        has_env |= bare == "env:" && depth >= 6;
        text.push('\n');
    }
    text
}

/// A workflow without the steps, or the jobs, of these names.
pub(crate) fn without(workflow: &str, names: &[&str]) -> String {
    let mut text = workflow.to_owned();
    for name in names {
        let start = text.find(&format!("      - name: {name}\n"));
        let start = start.unwrap_or_else(|| panic!("there is no step {name}"));
        let rest = &text[start + 8..];
        let end = rest.find("\n      - ").unwrap() + 1;
        text.replace_range(start..start + 8 + end, "");
    }
    text
}
