//! The calls of a step's hooks to docker and to the agent, and the files that they left.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::Step;

/// A call of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) arguments: Vec<String>,
    pub(crate) stdin: String,
}

impl Step {
    /// Every call of docker, in order.
    pub(crate) fn docker_calls(&self) -> Vec<Vec<String>> {
        let folder = self.file("bin/calls");
        let read = |number: usize| fs::read_to_string(folder.join(number.to_string())).ok();
        let texts = (0..).map_while(read);
        texts.map(|text| words(&text)).collect()
    }

    /// Every call of the agent, in order.
    pub(crate) fn agent_calls(&self) -> Vec<Call> {
        let folder = self.file("bin/agent-calls");
        let read = |name: String| fs::read_to_string(folder.join(name)).ok();
        let calls = (0..).map_while(|number| {
            Some(Call {
                arguments: words(&read(format!("{number}.arguments"))?),
                stdin: read(format!("{number}.stdin")).unwrap_or_default(),
            })
        });
        calls.collect()
    }

    /// The audiences that it was asked for tokens of.
    pub(crate) fn audiences(&self) -> Vec<String> {
        let calls = self.agent_calls_of(&["oidc", "request-token"]);
        calls
            .into_iter()
            .map(|call| call.arguments[3].clone())
            .collect()
    }

    /// The calls of the agent that begin with these words.
    pub(crate) fn agent_calls_of(&self, words: &[&str]) -> Vec<Call> {
        let mut calls = self.agent_calls();
        calls.retain(|call| call.arguments.iter().take(words.len()).eq(words));
        calls
    }

    /// The meta-data that was set, by its keys, the last of each.
    pub(crate) fn meta_data(&self) -> BTreeMap<String, String> {
        let calls = self.agent_calls_of(&["meta-data", "set"]);
        let set = calls.into_iter().map(|mut call| {
            let key = call.arguments.pop().unwrap();
            (key, call.stdin)
        });
        set.collect()
    }

    /// The variables of the last container, but for those that docker sets in all.
    pub(crate) fn given(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.file("bin/given")).unwrap();
        let of_docker = ["PATH", "HOSTNAME", "HOME"];
        let pairs = text.split_terminator('\0').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        let mut given: BTreeMap<_, _> = pairs.collect();
        given.retain(|name, _| !of_docker.contains(&name.as_str()));
        given
    }

    /// The files left beside the checkout and among temporary files.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let folders = [
            self.checkout().parent().unwrap().to_owned(),
            self.file("tmp"),
        ];
        let entries = folders
            .iter()
            .flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut left: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        left.retain(|path| path != self.checkout());
        left
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_terminator('\0').map(str::to_owned).collect()
}
