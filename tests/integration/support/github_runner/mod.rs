//! GitHub's runner, as far as an action in a container can observe it: the environment that it is
//! started in, and what becomes of all that it leaves behind. Learnt from the runner's source,
//! <https://github.com/actions/runner/tree/main/src/Runner.Worker>.

mod action;
mod commands;
mod console;
mod environment;
mod files;
mod masker;
mod step;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use self::action::Action;
use self::environment::{FILES, Step as Surroundings};
use self::step::Left;
pub(crate) use self::step::Step;
use super::aws_fixture::AwsFixture;
use super::program::finish;
use super::{MANIFEST, copy, vectors};
use s3lo_test_servers::aws::GITHUB_REQUEST_TOKEN;

/// Where the runner works.
const HOST: &str = "/home/runner/work";

/// The values of `${{ github.workspace }}` and `${{ runner.temp }}` in a workflow.
pub(crate) const WORKSPACE: &str = "/home/runner/work/app/app";
pub(crate) const RUNNER_TEMP: &str = "/home/runner/work/_temp";

/// A job with a step that uses an action.
pub(crate) struct Runner {
    action: Action,
    /// The container's `/github`.
    folder: TempDir,
    with: Vec<(String, String)>,
    env: Vec<(String, String)>,
    secrets: Vec<String>,
    identity: Option<String>,
    debug: bool,
    /// The content of the summary file before the step.
    summary: String,
    /// The files whose paths are withheld from the step.
    withheld: Vec<&'static str>,
    /// Those that it cannot write.
    locked: Vec<&'static str>,
}

impl Runner {
    /// For an action of the project, which `with` nothing: `Runner::new("action.yml")`. The workspace
    /// holds the vector keys, in `keys/`.
    pub(crate) fn new(action: &str) -> Self {
        let folder = TempDir::new().unwrap();
        for name in [
            "workspace",
            "home",
            "workflow",
            "file_commands",
            "runner_temp",
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let runner = Self {
            action: Action::read(action),
            folder,
            with: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            identity: None,
            debug: false,
            summary: String::new(),
            withheld: Vec::new(),
            locked: Vec::new(),
        };
        copy(&vectors().join("keys"), &runner.file("keys"));
        runner
    }

    /// The next step of the job uses another action, `with` nothing.
    pub(crate) fn then_uses(mut self, action: &str) -> Self {
        self.action = Action::read(action);
        self.with.clear();
        self
    }

    /// An input of the step; declared or not, the runner passes it on.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.with
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.with.push((name.to_owned(), value.to_owned()));
    }

    /// A variable that the job has.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.set_env(name, value);
        self
    }

    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// One of the repository's secrets: the runner hides it from the start.
    pub(crate) fn secret(mut self, value: &str) -> Self {
        self.secrets.push(value.to_owned());
        self
    }

    /// The job has the variables that lead to a fixture's services; and `id-token: write`, if it is one in GitHub.
    pub(crate) fn at(mut self, aws: &AwsFixture) -> Self {
        for (name, value) in aws.sandbox.environment() {
            match name.as_str() {
                "ACTIONS_ID_TOKEN_REQUEST_URL" => self.identity = Some(value),
                "COSIGN_PASSWORD" => {}
                name if name.starts_with("ACTIONS_") || name.starts_with("GITHUB_") => {}
                name => self.set_env(name, &value),
            }
        }
        self
    }

    /// The job has `id-token: write`, and GitHub gives tokens there.
    pub(crate) fn may_identify_itself(mut self, url: &str) -> Self {
        self.identity = Some(url.to_owned());
        self
    }

    /// ACTIONS_STEP_DEBUG is set.
    pub(crate) fn debugging(mut self) -> Self {
        self.debug = true;
        self
    }

    /// Something has been written to the step's summary.
    pub(crate) fn with_summary(mut self, text: &str) -> Self {
        text.clone_into(&mut self.summary);
        self
    }

    /// Withholds a file's path from the step: `without_file("OUTPUT")`.
    pub(crate) fn without_file(mut self, file: &'static str) -> Self {
        self.withheld.push(file);
        self
    }

    /// The step cannot write a file.
    pub(crate) fn with_locked_file(mut self, file: &'static str) -> Self {
        self.locked.push(file);
        self
    }

    /// A file of the workspace.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("workspace").join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Puts an image into the workspace's store `./store`.
    pub(crate) fn push(&self, image: &str, tag: &str) {
        let path = format!("store/manifests/{image}/{tag}/manifest.json");
        self.write(&path, MANIFEST);
    }

    pub(crate) fn with_image(self) -> Self {
        self.push("myapp", "v1.0");
        self
    }

    /// A file in the folder `${{ runner.temp }}`.
    pub(crate) fn write_temp(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join("runner_temp").join(name), contents).unwrap();
    }

    /// The names of the inputs that an action declares.
    pub(crate) fn inputs_of(action: &str) -> Vec<String> {
        let inputs = Action::read(action).inputs(&[]);
        inputs.into_iter().map(|(name, _)| name).collect()
    }

    /// The names of the outputs that an action declares.
    pub(crate) fn outputs_of(action: &str) -> Vec<String> {
        Action::read(action).outputs
    }

    /// The entry point that an action declares.
    pub(crate) fn entrypoint_of(action: &str) -> String {
        Action::read(action).entrypoint
    }

    pub(crate) fn run(&self) -> Step {
        self.run_step(&self.with)
    }

    /// Runs the step with one input more, or another value of it.
    pub(crate) fn run_with(&self, name: &str, value: &str) -> Step {
        let mut with = self.with.clone();
        with.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        with.push((name.to_owned(), value.to_owned()));
        self.run_step(&with)
    }

    fn run_step(&self, with: &[(String, String)]) -> Step {
        self.start_step(with, &[]).finish()
    }

    /// Starts the step as the first process of a container: one to which a signal means nothing that it does
    /// not wait for.
    pub(crate) fn start_as_first_process(&self) -> Started<'_> {
        let container = [
            "unshare",
            "--map-root-user",
            "--pid",
            "--fork",
            "--kill-child",
        ];
        self.start_step(&self.with, &container)
    }

    fn start_step(&self, with: &[(String, String)], container: &[&str]) -> Started<'_> {
        let mut words = container.to_vec();
        words.push(env!("CARGO_BIN_EXE_s3lo"));
        let root = self.folder.path().to_str().unwrap();
        self.start_by(with, root, |_, arguments, variables| {
            Command::new(words[0])
                .args(&words[1..])
                .args(arguments)
                .current_dir(self.file(""))
                .env_clear()
                .envs(variables.iter().cloned())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
    }

    /// Runs the step as `start` starts it, in a container that has the folder as `/github`, with these arguments
    /// and variables.
    pub(crate) fn run_in(
        &self,
        start: impl FnOnce(&Path, &[String], &[(String, String)]) -> Child,
    ) -> Step {
        self.start_by(&self.with, "/github", start).finish()
    }

    /// Starts a step to which the folder is `root`.
    fn start_by(
        &self,
        with: &[(String, String)],
        root: &str,
        start: impl FnOnce(&Path, &[String], &[(String, String)]) -> Child,
    ) -> Started<'_> {
        static STEPS: AtomicUsize = AtomicUsize::new(1);
        let suffix = STEPS.fetch_add(1, Ordering::Relaxed).to_string();
        let folder = self.folder.path();
        let files = folder.join("file_commands").display().to_string();
        let paths = FILES.map(|file| (file, format!("{files}/{file}_{suffix}")));
        for (file, path) in &paths {
            // Not even root, who may write every file, can write to a folder.
            match self.locked.contains(file) {
                true => fs::create_dir(path).unwrap(),
                false if *file == "STEP_SUMMARY" => fs::write(path, &self.summary).unwrap(),
                false => fs::write(path, "").unwrap(),
            }
        }
        let inputs = self.action.inputs(with);
        let surroundings = Surroundings {
            env: &self.env,
            inputs: &inputs,
            of_action: &self.action.environment(&inputs),
            token: GITHUB_REQUEST_TOKEN,
            identity: self.identity.as_deref(),
            debug: self.debug,
            suffix: &suffix,
        };
        let mut variables = surroundings.variables(root);
        variables.retain(|(name, _)| {
            let file = name.strip_prefix("GITHUB_");
            file.is_none_or(|file| !self.withheld.contains(&file))
        });
        let files = super::files(folder);
        let child = start(folder, &self.action.arguments(&inputs), &variables);
        Started {
            runner: self,
            child,
            paths,
            files,
        }
    }
}

/// A step that runs.
pub(crate) struct Started<'a> {
    runner: &'a Runner,
    pub(crate) child: Child,
    /// Those of the step.
    paths: [(&'static str, String); 5],
    /// The files that were there before.
    files: Vec<String>,
}

impl Started<'_> {
    /// Waits for its end.
    pub(crate) fn finish(self) -> Step {
        let Self {
            runner,
            child,
            paths,
            files,
        } = self;
        let run = finish(child);
        let mut secrets = runner.secrets.clone();
        secrets.push(GITHUB_REQUEST_TOKEN.to_owned());
        let mut new_files = super::files(runner.folder.path());
        new_files.retain(|name| !files.contains(name));
        Step::of(
            run,
            Left {
                secrets,
                debug: runner.debug,
                files: paths
                    .map(|(file, path)| (file, fs::read_to_string(path).unwrap_or_default())),
                declared: &runner.action.outputs,
                new_files,
            },
        )
    }
}
