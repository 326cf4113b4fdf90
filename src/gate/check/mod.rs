//! The check of a node: whether containerd asks the gate for every image that it is to be asked for.
//!
//! containerd says nothing where it runs no verifier. It pulls, and notes the reason in its log at most.

mod containerd;
mod go_duration;
mod hosts;
mod problem;
mod program;
mod pulls;
mod release;
mod remedy;
mod toml_file;
mod topic;
mod verifiers;

use std::path::{Path, PathBuf};
use std::pin::pin;

use tokio::time::Instant;

use self::containerd::Files;
pub use self::remedy::Lines;
use self::remedy::Remedy;
pub use self::topic::{Check, Topic};
use crate::checks;
use crate::diagnostic::Diagnostic;
use crate::gate::config::Config;
use crate::gate::policy;
use crate::net::timed_out::{TimedOut, until};
use crate::tasks::run_blocking;

/// The place of containerd's configuration.
pub const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";

/// The files of a node.
#[derive(Clone, Debug)]
pub struct Node {
    /// containerd's configuration.
    pub containerd: PathBuf,
    /// The gate's file.
    pub gate: PathBuf,
}

/// All checks, and what to write.
#[derive(Clone, Debug)]
pub struct Report {
    /// The checks, by topic.
    pub checks: Vec<Check>,
    /// The lines that mend containerd's configuration.
    pub lines: Option<Lines>,
}

/// Looks at everything on which it depends whether the gate is asked.
///
/// # Errors
///
/// The time-out, where a file system does not answer.
pub async fn examine(node: Node, deadline: Instant) -> Result<Report, TimedOut> {
    until(deadline, pin!(examined(node))).await
}

async fn examined(node: Node) -> Report {
    let (config, mut checks) = gate(node.gate).await;
    checks.push(release::check().await);
    let read = move || of_containerd(&node.containerd, config.as_ref());
    let (of_containerd, remedy) = run_blocking(read).await;
    checks.extend(of_containerd);
    checks::in_order(&mut checks);
    Report {
        checks,
        lines: remedy.lines(),
    }
}

/// Reads the gate's own files.
async fn gate(path: PathBuf) -> (Option<Config>, Vec<Check>) {
    let reading = path.clone();
    let config = match run_blocking(move || Config::read(&reading)).await {
        Ok(config) => config,
        Err(error) => {
            let failed = Check::failed(Topic::GateFile, Diagnostic::new(&error));
            let after = Check::after(Topic::Policy, Topic::GateFile);
            return (None, vec![failed, after]);
        }
    };
    let hosts: Vec<_> = config
        .hosts
        .iter()
        .map(|entry| entry.host.to_string())
        .collect();
    let detail = format!("{}, hosts: {}", path.display(), hosts.join(", "));
    let mut checks = vec![Check::ok(Topic::GateFile, detail)];
    checks.push(match policy::check(&config.policy).await {
        Ok(detail) => Check::ok(Topic::Policy, detail),
        Err(problem) => Check::failed(Topic::Policy, problem),
    });
    checks.extend(program::writable(with_folder(&path), Topic::GateFile));
    checks.extend(program::writable(
        with_folder(&config.policy),
        Topic::Policy,
    ));
    (Some(config), checks)
}

/// A file and its folder, of which either decides what the file says.
fn with_folder(path: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = path
        .parent()
        .map(|folder| match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        });
    [path.to_owned()].into_iter().chain(folder)
}

/// Reads containerd's files, and what they lead to.
fn of_containerd(path: &Path, config: Option<&Config>) -> (Vec<Check>, Remedy) {
    let mut remedy = Remedy::default();
    let files = match Files::load(path) {
        Ok(files) => files,
        Err(error) => {
            let mut checks = vec![Check::failed(Topic::Configuration, Diagnostic::new(&error))];
            let others = [
                Topic::Verifiers,
                Topic::Program,
                Topic::Pulls,
                Topic::Hosts,
                Topic::Aliases,
            ];
            checks.extend(others.map(|topic| Check::after(topic, Topic::Configuration)));
            return (checks, remedy);
        }
    };
    let paths: Vec<_> = files
        .paths()
        .map(|path| path.display().to_string())
        .collect();
    let mut checks = vec![match paths.is_empty() {
        true => Check::unchecked(
            Topic::Configuration,
            format!("there is no {}: the defaults count", path.display()),
        ),
        false => Check::ok(Topic::Configuration, paths.join(", ")),
    }];
    let (plugin, of_plugin) = verifiers::check(&files, &mut remedy);
    checks.extend(of_plugin);
    checks.extend(program::check(&plugin));
    checks.extend(pulls::check(&files, &mut remedy));
    checks.extend(hosts::check(&files, config, &mut remedy));
    (checks, remedy)
}
