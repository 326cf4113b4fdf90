//! What a maintainer reads about a release is what the workflow does and needs.

use std::collections::BTreeSet;

use super::project::{Project, VERSION};
use crate::ci::act::runner::workflow;
use crate::cli::documentation::{blocks, text};

/// The names in the first column of the page's tables.
fn rows(page: &str) -> Vec<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap()).collect()
}

#[test]
fn the_page_lists_every_job_secret_variable_and_environment() {
    let (page, workflow) = (text("docs/releasing.md"), workflow("release.yml"));
    let (_, jobs) = workflow.split_once("\njobs:\n").unwrap();
    let jobs = jobs.lines().filter_map(|line| line.strip_prefix("  "));
    let jobs = jobs.filter(|line| !line.starts_with([' ', '#']));
    let jobs: Vec<_> = jobs.filter_map(|line| line.strip_suffix(':')).collect();
    assert!(jobs.len() > 10, "{jobs:?}");
    let uses = |prefix: &str| -> BTreeSet<&str> {
        let parts = workflow.split(prefix).skip(1);
        parts
            .map(|part| part.split([' ', '\n']).next().unwrap())
            .collect()
    };
    let settings: BTreeSet<_> = &uses("secrets.") | &uses("vars.");
    let listed = rows(&page);
    let (listed_settings, listed_jobs): (Vec<_>, Vec<_>) =
        listed.iter().partition(|name| settings.contains(**name));
    assert_eq!(listed_jobs, jobs);
    assert_eq!(
        listed_settings.into_iter().collect::<BTreeSet<_>>(),
        settings
    );
    for environment in uses("environment: ") {
        let line = format!("- Environment `{environment}`");
        assert!(page.contains(&line), "{environment}");
    }
}

/// The page's commands: to release, and to rehearse.
fn commands() -> [String; 2] {
    blocks(&text("docs/releasing.md"), "sh").try_into().unwrap()
}

#[test]
fn the_tag_of_a_release_is_on_main() {
    let project = Project::new();
    let server = project.server("server");
    project.git(&format!("remote add origin {server}"));
    project.git("push --quiet origin main");
    let main = project.git("rev-parse main");
    project.git("checkout --quiet -b aside");
    project.git("commit --quiet --allow-empty --message Aside");
    let [release, _] = commands();
    project.run("bash", &["-euc", &release]).ends_with(0);
    let there = project.git(&format!("ls-remote --tags {server}"));
    assert_eq!(there, format!("{main}\trefs/tags/release-{VERSION}"));
}

#[test]
fn a_fork_is_released_by_its_own_names() {
    let mut project = Project::new();
    project.set("OWNER", "somebody");
    let [_, rehearse] = commands();
    project.run("bash", &["-euc", &rehearse]).ends_with(0);
    let left = [
        "grep",
        "-E",
        "s3lo(/|%2F)(sign-action|homebrew-tap|s3lo-sign-build)",
        "--",
        ":!CHANGELOG.md",
    ];
    project.run("git", &left).ends_with(1);
    let run = project.release("version", &["release-1.2.3", "main"]);
    assert_eq!(run.ends_with(0).out, "1.2.3\n");
    project.pin();
    let binaries = project.text("setup/binaries");
    let url = format!("https://github.com/somebody/sign-action/releases/download/v{VERSION}/");
    assert_eq!(binaries.matches(&url).count(), 2, "{binaries}");
    let image = format!("docker://ghcr.io/somebody/sign-action:{VERSION}@sha256:");
    assert!(project.text("action.yml").contains(&image));
    project.commit();
}
