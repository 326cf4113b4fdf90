//! The outcome of a step.

use serde_json::Value;

use super::commands::Command;
use super::console::{Annotation, Console};
use super::files::{LARGEST_SUMMARY, pairs};
use crate::support::program::Run;

pub(crate) struct Step {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) outputs: Vec<(String, String)>,
    /// GITHUB_OUTPUT and the summary, as they were written.
    pub(crate) output_file: String,
    pub(crate) summary: String,
    /// Those of the workspace.
    pub(crate) new_files: Vec<String>,
    pub(crate) console: Console,
    debug: bool,
}

/// The files that a step leaves beside its output, and its settings.
pub(super) struct Left<'a> {
    pub(super) secrets: Vec<String>,
    pub(super) debug: bool,
    /// The contents of its own files, by their names.
    pub(super) files: [(&'static str, String); 5],
    /// The outputs that its action declares.
    pub(super) declared: &'a [String],
    /// Of the whole container, by their paths in `/github`.
    pub(super) new_files: Vec<String>,
}

impl Step {
    /// The step that the runner makes of a run.
    pub(super) fn of(run: Run, left: Left<'_>) -> Self {
        let mut console = Console::new(left.debug);
        for secret in &left.secrets {
            console.masker.hide(secret);
        }
        // The runner reads both, and of what came since it looked last what is on stderr comes first.
        // Every test has to pass in that order.
        console.read(&run.err);
        console.read(&run.out);
        console.end();
        let read = |file: &str| {
            let mut named = left.files.iter().filter(|(known, _)| *known == file);
            named
                .next()
                .map(|(_, text)| text.clone())
                .unwrap_or_default()
        };
        let output_file = read("OUTPUT");
        let outputs = pairs(&output_file).unwrap_or_else(|error| {
            console.complaints.push(error);
            Vec::new()
        });
        for (number, (name, _)) in outputs.iter().enumerate() {
            let same = |(other, _): &(String, String)| other.eq_ignore_ascii_case(name);
            if outputs[..number].iter().any(same) {
                console
                    .complaints
                    .push(format!("the output `{name}` is there twice"));
            }
            if !left.declared.contains(name) {
                console
                    .complaints
                    .push(format!("the output `{name}` is not declared"));
            }
        }
        for file in ["ENV", "STATE", "PATH"] {
            if !read(file).is_empty() {
                console
                    .complaints
                    .push(format!("GITHUB_{file} was written"));
            }
        }
        let summary = read("STEP_SUMMARY");
        if summary.len() > LARGEST_SUMMARY {
            console
                .complaints
                .push("the summary is too large to be shown".to_owned());
        }
        let mut new_files = Vec::new();
        for name in left.new_files {
            match name.strip_prefix("workspace/") {
                Some(name) => new_files.push(name.to_owned()),
                None => console
                    .complaints
                    .push(format!("/github/{name} was written")),
            }
        }
        Self {
            code: run.code,
            out: run.out,
            err: run.err,
            outputs,
            output_file,
            summary,
            new_files,
            console,
            debug: left.debug,
        }
    }

    /// Ends with this exit code, and as every step has to end: the runner has nothing to complain of,
    /// and one annotation reports the outcome.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        let shown = || format!("exit {:?}\n{}{}", self.code, self.out, self.err);
        assert_eq!(self.code, Some(code), "{}", shown());
        let complaints = &self.console.complaints;
        assert!(complaints.is_empty(), "{complaints:?}\n{}", shown());
        // Two streams race for the runner's eye.
        assert_eq!(self.err, "", "{}", shown());
        assert!(self.console.pretended.is_empty(), "{}", shown());
        let one = self.annotation();
        let kind = if code == 0 { "notice" } else { "error" };
        assert_eq!(one.kind, kind, "{}", shown());
        let title = one.title.as_deref().unwrap_or_default();
        assert!(!title.is_empty() && !one.message.is_empty(), "{}", shown());
        assert!(self.debug || self.count("debug") == 0, "{}", shown());
        self
    }

    /// The only one.
    #[track_caller]
    pub(crate) fn annotation(&self) -> &Annotation {
        let [only] = &self.console.annotations[..] else {
            panic!("{:?}", self.console.annotations);
        };
        only
    }

    pub(crate) fn output(&self, name: &str) -> Option<&str> {
        let mut named = self.outputs.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// The names of the outputs, sorted.
    pub(crate) fn output_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.outputs.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Those that reach other jobs: the runner withholds every one that contains a secret.
    pub(crate) fn job_outputs(&self) -> Vec<&str> {
        let mut kept = self.output_names();
        kept.retain(|name| {
            let value = self.output(name).unwrap();
            self.console.masker.masked(value) == value
        });
        kept
    }

    #[track_caller]
    pub(crate) fn results(&self) -> Vec<Value> {
        let text = self
            .output("results")
            .expect("there is no output `results`");
        serde_json::from_str(text).unwrap()
    }

    pub(crate) fn count(&self, command: &str) -> usize {
        self.commands(command).count()
    }

    pub(crate) fn commands(&self, name: &str) -> impl Iterator<Item = &Command> {
        let all = self.console.commands.iter();
        all.filter(move |command| command.name == name)
    }

    /// The names of the commands that were carried out, in their order.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let all = self.console.commands.iter();
        all.map(|command| command.name.as_str()).collect()
    }

    /// Whether the runner masks this, from the moment that it knew the secret.
    pub(crate) fn hides(&self, secret: &str) -> bool {
        self.console
            .masker
            .values
            .iter()
            .any(|known| known == secret)
    }

    /// Everything that people and programs see of it.
    pub(crate) fn shown(&self) -> String {
        let Console {
            log, annotations, ..
        } = &self.console;
        let outputs = self
            .outputs
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let outputs: Vec<_> = outputs.collect();
        format!(
            "{}\n{annotations:?}\n{}\n{}",
            log.join("\n"),
            outputs.join("\n"),
            self.summary
        )
    }
}
