//! A step of a Buildkite pipeline, on an agent of its own: the plugin's hooks in the agent's order, each in the
//! environment that the agent's own code makes of the step's `plugins`, with a `docker` that runs the program and
//! a `buildkite-agent` that records its calls.
//!
//! The agent's steps around hooks come from its source, `runCommand`, `executePluginHook` and `CommandPhase` of
//! <https://github.com/buildkite/agent/blob/v3.137.0/internal/job/executor.go>, and hook/wrapper.go beside it.

mod code;
mod hook;
mod noted;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use s3lo_core::digest::Digest;

pub(crate) use self::code::faults;
use self::code::{Listed, Written, ask_in, full, listed};
use super::{MANIFEST, copy, vectors};

/// How pipelines name the plugin.
pub(crate) const PLUGIN: &str = "s3lo/s3lo-sign#v1.0.0";

/// The image of this version, as the plugin has it.
pub(crate) const IMAGE: &str = "ghcr.io/s3lo/sign-action:1.0.0";

/// The token with which the agent authenticates itself.
pub(crate) const ACCESS_TOKEN: &str = "access-token-of-the-agent";

/// A step, before it runs.
pub(crate) struct Step {
    /// All of the agent's lies below it.
    home: PathBuf,
    environment: BTreeMap<String, String>,
    plugins: Vec<Value>,
    /// The identifiers of those that are not ours.
    others: BTreeSet<String>,
    /// The plugin's `setup/binaries`, where it is that of a release.
    binaries: Option<String>,
    _folder: TempDir,
}

/// A step that ran.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) log: String,
}

impl Step {
    /// One whose command does nothing, without plugins, whose checkout has the vector keys in `keys/` and the image
    /// `local://./store/myapp:v1.0`. The agent has docker, whose registry has the plugin's image.
    pub(crate) fn new() -> Self {
        Self::below("home")
    }

    /// One whose folders lie in a folder of this name.
    pub(crate) fn below(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let home = folder.path().join(name);
        let checkout = home.join("builds/agent-1/acme/app");
        copy(&vectors().join("keys"), &checkout.join("keys"));
        let plugins = home.join("plugins");
        for path in [&plugins, &home.join("tmp")] {
            fs::create_dir_all(path).unwrap();
        }
        let mut step = Self {
            home,
            environment: BTreeMap::new(),
            plugins: Vec::new(),
            others: BTreeSet::new(),
            binaries: None,
            _folder: folder,
        };
        step.install_stubs();
        let image = checkout.join("store/manifests/myapp/v1.0/manifest.json");
        write(&image, MANIFEST.as_bytes());
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        for (name, value) in [
            ("PATH", format!("{}:/usr/bin:/bin", path(&step.file("bin")))),
            ("HOME", path(&step.home)),
            ("TMPDIR", path(&step.file("tmp"))),
            ("CI", "true".to_owned()),
            ("BUILDKITE", "true".to_owned()),
            ("BUILDKITE_AGENT_ACCESS_TOKEN", ACCESS_TOKEN.to_owned()),
            ("BUILDKITE_AGENT_NAME", "agent 1".to_owned()),
            ("BUILDKITE_BUILD_CHECKOUT_PATH", path(&checkout)),
            ("BUILDKITE_BUILD_NUMBER", "7".to_owned()),
            ("BUILDKITE_COMMAND", "true".to_owned()),
            ("BUILDKITE_JOB_ID", "018f6f1e-job".to_owned()),
            ("BUILDKITE_LABEL", String::new()),
            ("BUILDKITE_PIPELINE_SLUG", "app".to_owned()),
            ("BUILDKITE_PLUGINS_PATH", path(&plugins)),
            ("BUILDKITE_STEP_ID", "018f6f1e-step".to_owned()),
            ("BUILDKITE_STRICT_SINGLE_HOOKS", "false".to_owned()),
        ] {
            step.set(name, &value);
        }
        step
    }

    /// The command steps of a pipeline in YAML, uploaded where these variables are set, each on an agent of its own.
    /// Fails at anything that Buildkite would refuse: YAML that is no pipeline, and a configuration of the plugin that
    /// plugin.yml does not allow.
    #[track_caller]
    pub(crate) fn of_pipeline(yaml: &str, uploader: &[(&str, &str)]) -> Vec<Self> {
        let steps = ask_in(uploader, &["steps"], yaml);
        let steps: Vec<Written> = serde_json::from_value(steps).unwrap();
        let prepared = steps.into_iter().map(|written| {
            let mut step = Self::new();
            for (name, value) in &written.env {
                step.set(name, value);
            }
            for (name, value) in [
                ("BUILDKITE_COMMAND", &written.command),
                ("BUILDKITE_LABEL", &written.label),
            ] {
                step.set(name, value);
            }
            if !written.key.is_empty() {
                step.set("BUILDKITE_STEP_KEY", &written.key);
            }
            step.plugins = written.plugins.unwrap_or_default();
            for plugin in step.plugins.clone() {
                let (location, configuration) = plugin.as_object().unwrap().iter().next().unwrap();
                if location.contains("s3lo-sign") {
                    assert_eq!(faults(configuration), [""; 0], "{plugin}");
                } else {
                    step.install(location, &[]);
                }
            }
            step
        });
        prepared.collect()
    }

    /// With this plugin, configured like this.
    pub(crate) fn with_plugin(self, configuration: Value) -> Self {
        assert_eq!(faults(&configuration), [""; 0], "{configuration}");
        self.with_plugin_as(PLUGIN, configuration)
    }

    /// Under a name of its own; and with a configuration that plugin.yml need not allow.
    pub(crate) fn with_plugin_as(mut self, location: &str, configuration: Value) -> Self {
        self.plugins.push(full(json!({location: configuration})));
        self
    }

    /// With another plugin, of these hooks.
    pub(crate) fn with_other(
        mut self,
        location: &str,
        configuration: Value,
        hooks: &[(&str, &str)],
    ) -> Self {
        let plugin = full(json!({location: configuration}));
        let location = plugin.as_object().unwrap().keys().next().unwrap().clone();
        self.plugins.push(plugin);
        self.install(&location, hooks);
        self
    }

    /// Lets the agent have checked out another plugin.
    pub(crate) fn install(&mut self, location: &str, hooks: &[(&str, &str)]) {
        let listed = listed(&json!([location]).to_string()).pop().unwrap();
        let folder = self.folder_of(&listed).join("hooks");
        fs::create_dir_all(&folder).unwrap();
        for (name, script) in hooks {
            script_at(&folder.join(name), script);
        }
        self.others.insert(listed.identifier);
    }

    pub(crate) fn with_command(self, command: &str) -> Self {
        self.with("BUILDKITE_COMMAND", command)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn set_all(&mut self, variables: &[(String, String)]) {
        self.environment.extend(variables.iter().cloned());
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        &self.environment[name]
    }

    /// The token that the agent issues for this audience.
    pub(crate) fn with_token(self, audience: &str, token: &str) -> Self {
        let name = audience.replace('/', "%");
        write(&self.file("bin/tokens").join(name), token.as_bytes());
        self
    }

    /// The agent's commands that fail.
    pub(crate) fn agent_fails_at(&self, commands: &[&str]) {
        write(&self.file("bin/fails"), commands.join("\n").as_bytes());
    }

    /// The agent's commands that it is too old for.
    pub(crate) fn agent_lacks(&self, command: &str) {
        write(&self.file("bin/lacks"), command.as_bytes());
    }

    /// A file of the agent's machine.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.home.join(path)
    }

    /// The checkout.
    pub(crate) fn checkout(&self) -> &Path {
        Path::new(self.variable("BUILDKITE_BUILD_CHECKOUT_PATH"))
    }

    /// Puts a file into the checkout.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        write(&self.checkout().join(path), bytes);
    }

    /// Puts a script there.
    pub(crate) fn script(&self, path: &str, script: &str) {
        script_at(&self.checkout().join(path), script);
    }

    /// Pins the program as the binary of the plugin's release, which was installed before.
    pub(crate) fn with_binary(self) -> Self {
        let program = fs::read(env!("CARGO_BIN_EXE_s3lo")).unwrap();
        self.with_release(&program)
    }

    /// Pins a script in the place of the program.
    pub(crate) fn with_program(self, script: &str) -> Self {
        self.with_release(script.as_bytes())
    }

    fn with_release(mut self, program: &[u8]) -> Self {
        let digest = Digest::of(program).to_string();
        let hash = digest.trim_start_matches("sha256:");
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            _ => "arm64",
        };
        let url = "https://github.com/s3lo/sign-action/releases/download/v1.0.0/s3lo-linux";
        self.binaries = Some(format!("{hash}  {url}-{arch}\n"));
        let installed = self.installed();
        write(&installed, program);
        fs::set_permissions(&installed, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Where the binary of the release is kept.
    pub(crate) fn installed(&self) -> PathBuf {
        let pinned = self.binaries.as_ref().unwrap();
        let (hash, _) = pinned.split_once(' ').unwrap();
        let folder = format!("plugins/s3lo-sign-binaries/s3lo-{hash}");
        self.file(&folder).join("s3lo")
    }

    /// Leaves no docker on the agent, and of all other programs those that the hooks use.
    pub(crate) fn without_docker(&mut self) {
        fs::remove_file(self.file("bin/docker")).unwrap();
        let used = [
            "bash",
            "cat",
            "cp",
            "grep",
            "chmod",
            "cksum",
            "cut",
            "dirname",
            "env",
            "find",
            "mkdir",
            "mktemp",
            "mv",
            "rm",
            "sed",
            "sh",
            "sha256sum",
            "uname",
            "id",
            "tr",
            "wc",
        ];
        for name in used {
            let places = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
            let found = places.iter().find(|path| path.exists()).unwrap();
            symlink(found, self.file("bin").join(name)).unwrap();
        }
        self.set(
            "PATH",
            self.file("bin").to_str().unwrap().to_owned().as_str(),
        );
    }

    /// Runs the program itself on the agent's machine, configured like this, where it can ask the agent.
    pub(crate) fn run_program(&self, configuration: &Value) -> Option<i32> {
        let mut program = Command::new(env!("CARGO_BIN_EXE_s3lo"));
        program.arg("ci").current_dir(self.checkout()).env_clear();
        program.envs(&self.environment);
        program.env("BUILDKITE_PLUGIN_CONFIGURATION", configuration.to_string());
        let output = program.stdin(Stdio::null()).output().unwrap();
        output.status.code()
    }

    fn install_stubs(&self) {
        let bin = self.file("bin");
        let scripts = [
            ("docker", include_str!("buildkite/docker")),
            ("buildkite-agent", include_str!("buildkite/agent")),
        ];
        for (name, script) in scripts {
            script_at(&bin.join(name), script);
        }
        write(&bin.join("program"), env!("CARGO_BIN_EXE_s3lo").as_bytes());
        fs::create_dir_all(bin.join("images")).unwrap();
        self.publish(IMAGE);
    }

    /// Gives this step's build the meta-data of another.
    pub(crate) fn knows_meta_data_of(&self, other: &Self) {
        let there = other.file("bin/meta-data");
        if there.exists() {
            copy(&there, &self.file("bin/meta-data"));
        }
    }

    /// Puts the image under this name into the registry.
    pub(crate) fn publish(&self, image: &str) {
        write(
            &self.file("bin/registry").join(image.replace('/', "%")),
            b"",
        );
    }

    fn plugins_text(&self) -> String {
        Value::from(self.plugins.clone()).to_string()
    }

    /// Where the agent keeps a plugin.
    fn folder_of(&self, plugin: &Listed) -> PathBuf {
        if plugin.vendored {
            return self.checkout().join(&plugin.location);
        }
        let folder = Path::new(self.variable("BUILDKITE_PLUGINS_PATH"));
        let folder = folder.join(self.variable("BUILDKITE_AGENT_NAME"));
        folder.join(&plugin.identifier).join(&plugin.folder)
    }

    /// Checks this plugin out, where nothing is yet.
    fn check_out(&self, plugin: &Listed) {
        let folder = self.folder_of(plugin);
        if folder.exists() {
            return;
        }
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["hooks", "setup"] {
            copy(&project.join(part), &folder.join(part));
        }
        fs::copy(project.join("plugin.yml"), folder.join("plugin.yml")).unwrap();
        if let Some(binaries) = &self.binaries {
            write(&folder.join("setup/binaries"), binaries.as_bytes());
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn script_at(path: &Path, script: &str) {
    write(path, script.as_bytes());
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
