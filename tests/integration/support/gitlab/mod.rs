//! A project on GitLab, whose pipelines the client gitlab-ci-local runs as a shell runner would, each job in a
//! checkout of its own. It finds the components as GitLab does, by their version among the tags of a repository.

pub(crate) mod dotenv;
pub(crate) mod log;
pub(crate) mod team;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::aws_fixture::{AwsFixture, ROLE};
use super::program::finish;
use super::tools::tool;
use super::{copy, vectors};
use s3lo_test_servers::aws::{AUDIENCE, Issuer, Subject, TokenAlgorithm, Trust};

/// The project and its CI/CD variables.
pub(crate) struct Project {
    folder: TempDir,
    variables: Map<String, Value>,
}

/// A pipeline that has run.
pub(crate) struct Pipeline {
    code: Option<i32>,
    /// The client's output.
    output: String,
    /// The files that it left.
    state: PathBuf,
}

/// Whose jobs these are.
const SUBJECT: &str = "project_path:acme/app:ref_type:branch:ref:main";

/// A team that builds on GitLab, and the AWS account in which the main branch of its project may assume the roles
/// `signer` and `gate`. The public half of the account's key is in the repository.
pub(crate) fn aws(policy: &str) -> (AwsFixture, Project) {
    let mut aws = AwsFixture::bare();
    let gitlab = Issuer::new("https://gitlab.com", TokenAlgorithm::Es256);
    aws.server.trust_issuer(&gitlab, &[AUDIENCE]);
    let trust = Trust {
        issuer: gitlab.url().to_owned(),
        audience: AUDIENCE.to_owned(),
        subject: Subject::Equals(SUBJECT.to_owned()),
    };
    for role in [ROLE, "gate"] {
        aws.server.role(role, &trust, policy);
    }
    let token = gitlab.identity_token(SUBJECT, AUDIENCE, 300);
    aws.sandbox.set("GITLAB_OIDC_TOKEN", &token);
    let mut project = Project::new("acme/app");
    for (name, value) in aws.sandbox.environment() {
        project.set(&name, &value);
    }
    let public = vectors().join("plain-keys/p256-pkcs8.pub");
    fs::copy(public, project.file("release-signer.pub")).unwrap();
    (aws, project)
}

impl Project {
    /// One at this path, with the vector keys in `keys/`.
    pub(crate) fn new(path: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let project = Self {
            variables: Map::new(),
            folder,
        };
        let remotes = format!("file://{}/remotes/", project.folder.path().display());
        // The client asks for tags by the one address and for files by the other.
        project.write_aside(
            "gitconfig",
            &format!(
                "[user]\nname = dev\nemail = dev@gitlab.example\n[advice]\ndetachedHead = false\n[url \"{remotes}\"]\n\
                 insteadOf = git@gitlab.example:\ninsteadOf = ssh://git@gitlab.example:22/\n"
            ),
        );
        let bin = project.folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_s3lo"), bin.join("s3lo")).unwrap();
        project.release_the_components();
        project.git(".", &["init", "-q", "-b", "main", "app"]);
        let origin = format!("ssh://git@gitlab.example/{path}.git");
        project.git("app", &["remote", "add", "origin", &origin]);
        copy(&vectors().join("keys"), &project.file("keys"));
        project
    }

    /// The repository of the components as they are here, with releases of which `@1` means the second.
    fn release_the_components(&self) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        copy(&here, &self.folder.path().join("components/templates"));
        self.git(".", &["init", "-q", "-b", "main", "components"]);
        let commit = |message: &str, tag: &str| {
            self.git("components", &["add", "-A"]);
            let message = ["commit", "-q", "--allow-empty", "-m", message];
            self.git("components", &message);
            self.git("components", &["tag", tag]);
        };
        commit("first", "1.0.0");
        commit("second", "1.2.3");
        fs::remove_dir_all(self.folder.path().join("components/templates")).unwrap();
        commit("another generation", "2.0.0");
        let mirror = "remotes/s3lo/sign-action.git";
        self.git(".", &["clone", "-q", "--bare", "components", mirror]);
    }

    /// A CI/CD variable.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let variable = json!({"type": "variable", "values": {"*": value}});
        self.variables.insert(name.to_owned(), variable);
    }

    /// A CI/CD variable of the type File: jobs find the path of a file that holds the value. It is not the client's
    /// own, of which copies stay behind in the system's folder of temporary files.
    pub(crate) fn set_file(&mut self, name: &str, value: &str) {
        self.write_aside(name, value);
        let path = self.folder.path().join(name);
        self.set(name, path.to_str().unwrap());
    }

    /// The value of such a variable.
    pub(crate) fn value(&self, name: &str) -> String {
        let value = &self.variables[name]["values"]["*"];
        value.as_str().unwrap().to_owned()
    }

    /// A file of the repository.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("app").join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// A script of the repository.
    pub(crate) fn write_script(&self, name: &str, script: &str) {
        self.write(name, &format!("#!/bin/sh\n{script}\n"));
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.file(name), executable).unwrap();
    }

    fn write_aside(&self, name: &str, contents: &str) {
        fs::write(self.folder.path().join(name), contents).unwrap();
    }

    /// Runs the pipeline that `yaml` describes, with a job that runs in GitLab.
    pub(crate) fn run(&self, yaml: &str) -> Pipeline {
        self.client(yaml, &["--force-shell-executor", "--shell-isolation"])
    }

    /// The pipeline with all that it includes; nothing runs.
    pub(crate) fn preview(&self, yaml: &str) -> Pipeline {
        self.client(yaml, &["--list", "--json-schema-validation=false"])
    }

    fn client(&self, yaml: &str, arguments: &[&str]) -> Pipeline {
        self.write(".gitlab-ci.yml", yaml);
        let mut variables = self.variables.clone();
        let ci = json!({"type": "variable", "values": {"*": "true"}});
        variables.insert("GITLAB_CI".to_owned(), ci);
        let variables = Value::Object(variables).to_string();
        // JSON is YAML.
        self.write(".gitlab-ci-local-variables.yml", &variables);
        self.write(".gitignore", "/.gitlab-ci-local*\n");
        self.git("app", &["add", "-A"]);
        self.git("app", &["commit", "-q", "--allow-empty", "-m", "pushed"]);
        let state = self.file(".gitlab-ci-local");
        if state.exists() {
            fs::remove_dir_all(&state).unwrap();
        }
        let mut client = self.at_home(Command::new(tool("gitlab-ci-local")));
        client
            .current_dir(self.file(""))
            .args(arguments)
            .arg("--no-artifacts-to-source")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let run = finish(client.spawn().unwrap());
        Pipeline {
            code: run.code,
            output: run.out + &run.err,
            state,
        }
    }

    fn git(&self, folder: &str, arguments: &[&str]) {
        let mut git = self.at_home(Command::new("git"));
        git.args(arguments)
            .current_dir(self.folder.path().join(folder));
        let output = git
            .output()
            .expect("git is missing: install it with your package manager");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {printed}");
    }

    /// With nothing of the surroundings but where programs are.
    fn at_home(&self, mut command: Command) -> Command {
        let folder = self.folder.path();
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", folder.join("bin").display()))
            .env("HOME", folder)
            .env("GIT_CONFIG_GLOBAL", folder.join("gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null());
        command
    }
}

impl Pipeline {
    #[track_caller]
    pub(crate) fn passes(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.output);
        self
    }

    #[track_caller]
    pub(crate) fn fails(self) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.output);
        self
    }

    /// Whether the client printed this.
    pub(crate) fn prints(&self, text: &str) -> bool {
        self.output.contains(text)
    }

    pub(crate) fn ran(&self, job: &str) -> bool {
        self.state.join(format!("output/{job}.log")).exists()
    }

    /// A job's log, line by line.
    #[track_caller]
    pub(crate) fn log(&self, job: &str) -> String {
        let path = self.state.join(format!("output/{job}.log"));
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{job}: {error}\n{}", self.output))
    }

    /// A job as it is with all that it includes.
    pub(crate) fn job(&self, name: &str) -> yaml_serde::Value {
        let text = fs::read_to_string(self.state.join("expanded-gitlab-ci.yml")).unwrap();
        let all: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
        all[name].clone()
    }

    /// A file that a job leaves.
    #[track_caller]
    pub(crate) fn artifact(&self, job: &str, name: &str) -> Vec<u8> {
        let path = self.state.join("artifacts").join(job).join(name);
        fs::read(path).unwrap_or_else(|error| panic!("{job}: {name}: {error}\n{}", self.output))
    }

    /// The variables that a job leaves to later ones, if GitLab takes them.
    #[track_caller]
    pub(crate) fn variables(&self, job: &str) -> std::collections::BTreeMap<String, String> {
        let folder = self.state.join("artifacts").join(job);
        let reports = folder.join(".gitlab-ci-reports/dotenv");
        let names = super::files(&reports);
        let [name] = &names[..] else {
            panic!("{job} reports {names:?}\n{}", self.output);
        };
        dotenv::read(&fs::read(reports.join(name)).unwrap()).unwrap()
    }
}
