//! The environment that a container action starts in.

use super::HOST;

/// The runner's folders, and their names in the container. The first that fits counts.
const MOUNTS: [(&str, &str); 5] = [
    ("/home/runner/work/app/app", "workspace"),
    (
        "/home/runner/work/_temp/_runner_file_commands",
        "file_commands",
    ),
    ("/home/runner/work/_temp/_github_workflow", "workflow"),
    ("/home/runner/work/_temp/_github_home", "home"),
    ("/home/runner/work/_temp", "runner_temp"),
];

/// The variables of a job that the program reads, a value of its own, and the paths that the container rewrites.
/// `act` sets all of `github.*` and `runner.*`.
const JOB: [(&str, &str); 10] = [
    (
        "GITHUB_EVENT_PATH",
        "/home/runner/work/_temp/_github_workflow/event.json",
    ),
    ("GITHUB_REPOSITORY", "acme/app"),
    ("GITHUB_RUN_ID", "1234567890"),
    ("GITHUB_SHA", "ffac537e6cbbf934b08745a378932722df287a53"),
    ("GITHUB_WORKSPACE", "/home/runner/work/app/app"),
    ("HOME", "/home/runner/work/_temp/_github_home"),
    ("RUNNER_TEMP", "/home/runner/work/_temp"),
    ("RUNNER_WORKSPACE", "/home/runner/work/app"),
    ("ACTIONS_RUNTIME_URL", "https://pipelines.actions.invalid/"),
    // That of the image: Docker sets it where the image does not.
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
];

/// The files of a step.
pub(super) const FILES: [&str; 5] = ["OUTPUT", "ENV", "STATE", "PATH", "STEP_SUMMARY"];

/// The parts of a step's environment.
pub(super) struct Step<'a> {
    /// `env:` of step, job and workflow, and the variables that earlier steps wrote to GITHUB_ENV.
    pub(super) env: &'a [(String, String)],
    pub(super) inputs: &'a [(String, String)],
    /// `runs.env`.
    pub(super) of_action: &'a [(String, String)],
    /// The credential of the job with the runner's services.
    pub(super) token: &'a str,
    /// Where the job is given identity tokens, if it may.
    pub(super) identity: Option<&'a str>,
    pub(super) debug: bool,
    /// The end of the names of the step's files.
    pub(super) suffix: &'a str,
}

impl Step<'_> {
    /// The variables, in a container whose `/github` is the folder `root`.
    pub(super) fn variables(&self, root: &str) -> Vec<(String, String)> {
        let mut variables = Variables(Vec::new());
        for (name, value) in self.env {
            variables.set(name, value);
        }
        for (name, value) in self.inputs {
            // The runner's upper case is that of no language.
            let name = name.replace(' ', "_").to_uppercase();
            variables.set(&format!("INPUT_{name}"), value);
        }
        for (name, value) in self.of_action {
            if !variables.has(name) {
                variables.set(name, value);
            }
        }
        for (name, value) in JOB {
            variables.set(name, value);
        }
        for file in FILES {
            let path = format!("{HOST}/_temp/_runner_file_commands/{file}_{}", self.suffix);
            variables.set(&format!("GITHUB_{file}"), &path);
        }
        if self.debug {
            variables.set("RUNNER_DEBUG", "1");
        }
        variables.set("ACTIONS_RUNTIME_TOKEN", self.token);
        if let Some(url) = self.identity {
            variables.set("ACTIONS_ID_TOKEN_REQUEST_URL", url);
            variables.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", self.token);
        }
        for (_, value) in &mut variables.0 {
            *value = in_container(value, root);
        }
        variables.set("GITHUB_ACTIONS", "true");
        if !variables.has("CI") {
            variables.set("CI", "true");
        }
        variables.0
    }
}

struct Variables(Vec<(String, String)>);

impl Variables {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }
}

/// A value as the container gets it: one that is the path of a mounted folder, or begins with one, is
/// rewritten. One that holds such a path anywhere else is not.
///
/// A container sees `/github/workspace` and nothing of `/home/runner`. Here is no container: its
/// `/github` is a temporary folder, and the runner's own paths lead nowhere, so that a path which is not
/// rewritten is as useless to the program here as it is there.
pub(super) fn in_container(value: &str, root: &str) -> String {
    for (host, name) in MOUNTS {
        match value.strip_prefix(host) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                return format!("{root}/{name}{rest}");
            }
            _ => {}
        }
    }
    value.to_owned()
}

#[test]
fn a_container_is_given_its_own_paths_where_a_value_begins_with_one() {
    for (value, path) in [
        ("/home/runner/work/app/app", "/r/workspace"),
        ("/home/runner/work/app/app/a.key", "/r/workspace/a.key"),
        ("/home/runner/work/_temp/_github_home/x", "/r/home/x"),
        ("/home/runner/work/_temp/x", "/r/runner_temp/x"),
        ("/home/runner/work/app/apple", "/home/runner/work/app/apple"),
        (
            "file:///home/runner/work/_temp",
            "file:///home/runner/work/_temp",
        ),
        ("", ""),
    ] {
        assert_eq!(in_container(value, "/r"), path);
    }
}

#[test]
fn a_job_cannot_change_the_variables_of_the_runner() {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let env = [
        ("HOME", "/root"),
        ("GITHUB_SHA", "0"),
        ("INPUT_A-B", "env"),
        ("X", "env"),
        ("CI", "no"),
    ];
    let step = Step {
        env: &env.map(pair),
        inputs: &[("a-b", "input"), ("c d", "")].map(pair),
        of_action: &[("X", "action"), ("Y", "action")].map(pair),
        token: "token",
        identity: None,
        debug: false,
        suffix: "1",
    };
    let variables = step.variables("/r");
    let value = |name: &str| {
        let mut named = variables.iter().filter(|(known, _)| known == name);
        let value = named.next().map(|(_, value)| value.as_str());
        assert!(named.next().is_none(), "{name} is there twice");
        value
    };
    for (name, expected) in [
        ("HOME", Some("/r/home")),
        (
            "GITHUB_SHA",
            Some("ffac537e6cbbf934b08745a378932722df287a53"),
        ),
        ("INPUT_A-B", Some("input")),
        ("INPUT_C_D", Some("")),
        ("X", Some("env")),
        ("Y", Some("action")),
        ("CI", Some("no")),
        ("GITHUB_OUTPUT", Some("/r/file_commands/OUTPUT_1")),
        ("GITHUB_TOKEN", None),
        ("RUNNER_DEBUG", None),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", None),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
}
