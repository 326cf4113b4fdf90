//! The tags of a release: those of a version for ever, the major's last and never backwards.

use super::project::{Project, VERSION};
use crate::support::program::Run;

/// A project whose release is committed, a server that has its source, and the commit.
fn released() -> (Project, String, String) {
    let project = Project::new();
    let server = project.server("server");
    project.git(&format!("push --quiet {server} main"));
    project.pin();
    let commit = project.commit();
    (project, server, commit)
}

fn fix(project: &Project, server: &str, commit: &str, tags: &[&str]) -> Run {
    project.release("tags", &[&["fix", server, commit], tags].concat())
}

fn at(project: &Project, server: &str, reference: &str) -> String {
    let line = project.git(&format!("ls-remote {server} {reference}"));
    line.split('\t').next().unwrap().to_owned()
}

/// Another commit of a release, as that of another version would be.
fn another(project: &Project, message: &str) -> String {
    let tree = project.git("rev-parse HEAD^{tree}");
    project.git(&format!("commit-tree {tree} -p HEAD -m {message}"))
}

#[test]
fn the_tags_of_a_version_are_made_once_and_a_repeated_run_finds_them() {
    let (project, server, commit) = released();
    let run = fix(&project, &server, &commit, &["v1.2.3", VERSION]).ends_with(0);
    assert_eq!(run.out, "v1.2.3 is made\n1.2.3 is made\n");
    for tag in ["refs/tags/v1.2.3", "refs/tags/1.2.3"] {
        assert_eq!(at(&project, &server, tag), commit);
    }
    let run = fix(&project, &server, &commit, &["v1.2.3", VERSION]).ends_with(0);
    assert_eq!(run.out, "v1.2.3 is there\n1.2.3 is there\n");
    // The tags alone hold it.
    let branches = project.git(&format!("ls-remote --heads {server}"));
    assert_eq!(branches.lines().count(), 1, "{branches}");
}

#[test]
fn a_tag_that_is_at_another_commit_is_refused_with_all_others() {
    let (project, server, commit) = released();
    let other = another(&project, "Other");
    fix(&project, &server, &other, &["1.2.3"]).ends_with(0);
    let run = fix(&project, &server, &commit, &["v1.2.3", VERSION]).ends_with(1);
    assert!(
        run.err.contains(&format!("1.2.3 is at {other}")),
        "{}",
        run.err
    );
    assert_eq!(at(&project, &server, "refs/tags/v1.2.3"), "");
    assert_eq!(at(&project, &server, "refs/tags/1.2.3"), other);
}

#[test]
fn an_annotated_tag_counts_by_its_commit() {
    let (project, server, commit) = released();
    project.git(&format!("tag --annotate --message By-hand v1.2.3 {commit}"));
    project.git(&format!("push --quiet {server} v1.2.3"));
    let run = fix(&project, &server, &commit, &["v1.2.3"]).ends_with(0);
    assert_eq!(run.out, "v1.2.3 is there\n");
    project
        .release("tags", &["move", &server, VERSION])
        .ends_with(0);
    assert_eq!(at(&project, &server, "refs/tags/v1"), commit);
}

#[test]
fn a_server_that_does_not_answer_has_no_verdict() {
    let (project, _, commit) = released();
    let nowhere = format!("file://{}/nowhere", project.home().display());
    let run = fix(&project, &nowhere, &commit, &["v1.2.3"]).ends_with(1);
    assert!(run.err.contains("could not be asked"), "{}", run.err);
    project
        .release("tags", &["move", &nowhere, VERSION])
        .ends_with(1);
}

#[test]
fn the_majors_tag_follows_the_highest_version_and_never_goes_back() {
    let (project, server, commit) = released();
    let moves = |version: &str| project.release("tags", &["move", &server, version]);
    let major = || at(&project, &server, "refs/tags/v1");
    // The tag does not follow an unreleased version.
    let run = moves(VERSION).ends_with(1);
    assert!(run.err.contains("v1.2.3 is not released"), "{}", run.err);

    fix(&project, &server, &commit, &["v1.2.3"]).ends_with(0);
    assert_eq!(moves(VERSION).ends_with(0).out, "moved\n");
    assert_eq!(major(), commit);
    assert_eq!(moves(VERSION).ends_with(0).out, "moved\n");

    let next = another(&project, "Next");
    fix(&project, &server, &next, &["v1.10.0"]).ends_with(0);
    assert_eq!(moves("1.10.0").ends_with(0).out, "moved\n");
    assert_eq!(major(), next);

    // A repair of an older version, and the next major.
    let repair = another(&project, "Repair");
    fix(&project, &server, &repair, &["v1.2.4"]).ends_with(0);
    assert_eq!(moves("1.2.4").ends_with(0).out, "kept\n");
    let second = another(&project, "Second");
    fix(&project, &server, &second, &["v2.0.0"]).ends_with(0);
    assert_eq!(moves("2.0.0").ends_with(0).out, "moved\n");
    assert_eq!(major(), next);
    assert_eq!(at(&project, &server, "refs/tags/v2"), second);
}

#[test]
fn the_latest_release_is_that_of_the_highest_version() {
    let (project, server, commit) = released();
    fix(&project, &server, &commit, &["v1.2.3", VERSION]).ends_with(0);
    let latest = |version: &str| {
        let run = project.release("tags", &["latest", &server, version]);
        run.ends_with(0).out
    };
    assert_eq!(latest(VERSION), "true\n");
    let next = another(&project, "Next");
    fix(&project, &server, &next, &["v10.0.0"]).ends_with(0);
    fix(&project, &server, &next, &["v9.9.9", "v1.2.4"]).ends_with(0);
    for (version, expected) in [
        ("10.0.0", "true\n"),
        ("9.9.9", "false\n"),
        ("1.2.4", "false\n"),
    ] {
        assert_eq!(latest(version), expected, "{version}");
    }
}

#[test]
fn a_mirror_gets_the_tags_and_a_main_that_never_goes_back() {
    let (project, _, commit) = released();
    let mirror = project.server("mirror");
    let source = project.git("rev-parse HEAD");
    let brings = |commit: &str, tag: &str| project.release("mirror", &[&mirror, commit, tag]);
    brings(&commit, VERSION).ends_with(0);
    assert_eq!(at(&project, &mirror, "refs/heads/main"), source);
    assert_eq!(at(&project, &mirror, "refs/tags/1.2.3"), commit);
    brings(&commit, VERSION).ends_with(0);

    // A later release, and after it a repair of the former.
    project.git("stash --quiet");
    project.git("commit --quiet --allow-empty --message Later");
    let (later, newer) = (project.git("rev-parse HEAD"), another(&project, "Newer"));
    brings(&newer, "1.3.0").ends_with(0);
    assert_eq!(at(&project, &mirror, "refs/heads/main"), later);
    project.git(&format!("checkout --quiet --detach {source}"));
    let repair = another(&project, "Repair");
    let run = brings(&repair, "1.2.4").ends_with(0);
    assert!(run.out.ends_with("main is there\n"), "{}", run.out);
    assert_eq!(at(&project, &mirror, "refs/heads/main"), later);

    // A clash of tags stops it.
    let run = brings(&repair, VERSION).ends_with(1);
    assert!(run.err.contains("never moves"), "{}", run.err);
}
