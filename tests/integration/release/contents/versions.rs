//! A release has one version in its tag, its manifest, its changelog and its examples; and its commit is the same
//! on every machine.

use super::project::{Project, VERSION};

const TAG: &str = "release-1.2.3";

#[test]
fn a_version_that_all_agree_on_is_released() {
    let project = Project::new();
    let run = project.release("version", &[TAG, "main"]).ends_with(0);
    assert_eq!(run.out, "1.2.3\n");
}

#[test]
fn a_tag_that_is_no_version_is_refused() {
    let project = Project::new();
    for tag in [
        "release-1.2",
        "release-v1.2.3",
        "release-01.2.3",
        "release-1.2.3-rc.1",
        "v1.2.3",
        "release-1.2.3;id",
        "",
    ] {
        let run = project.release("version", &[tag]).ends_with(1);
        assert!(run.err.contains("no tag of a release"), "{}", run.err);
    }
}

#[test]
fn a_mismatched_version_stops_the_release() {
    type Change = fn(&str) -> String;
    let cases: [(&str, Change, &str); 5] = [
        (
            "Cargo.toml",
            |text| text.replacen(VERSION, "1.2.2", 1),
            "Cargo.toml says 1.2.2",
        ),
        (
            "Cargo.lock",
            |text| {
                text.replace(
                    "name = \"s3lo\"\nversion = \"1.2.3\"",
                    "name = \"s3lo\"\nversion = \"1.2.2\"",
                )
            },
            "Cargo.lock says 1.2.2",
        ),
        (
            "CHANGELOG.md",
            |text| text.replace(" - 2026-12-01", ""),
            "no heading `## 1.2.3 - YYYY-MM-DD`",
        ),
        (
            "CHANGELOG.md",
            |text| {
                text.replace(
                    "## Unreleased\n",
                    "## Unreleased\n\n### Added\n- Something.\n",
                )
            },
            "entries under Unreleased",
        ),
        (
            "README.md",
            |text| format!("{text}\n    plugins:\n      - s3lo/s3lo-sign#v1.2.2:\n"),
            "s3lo-sign#v1.2.2",
        ),
    ];
    for (name, change, expected) in cases {
        let project = Project::new();
        project.edit(name, change);
        let run = project.release("version", &[TAG]).ends_with(1);
        assert!(run.err.contains(expected), "{name}: {}", run.err);
        assert_eq!(run.out, "");
    }
}

#[test]
fn what_is_not_on_main_is_not_released() {
    let project = Project::new();
    project.git("checkout --quiet -b aside");
    project.git("commit --quiet --allow-empty --message Unreviewed");
    let run = project.release("version", &[TAG, "main"]).ends_with(1);
    assert!(run.err.contains("does not lie on main"), "{}", run.err);
}

#[test]
fn a_release_has_the_notes_of_its_version_alone() {
    let project = Project::new();
    project.edit("CHANGELOG.md", |text| {
        text.to_owned() + "\n## 1.2.2 - 2026-11-01\n\n### Added\n- Older things.\n"
    });
    let notes = project.release("notes", &[VERSION]).ends_with(0).out;
    assert!(notes.starts_with("### Added\n- `sign` and"), "{notes}");
    assert!(!notes.contains("Older things"), "{notes}");
    assert!(notes.contains(&format!(
        "gh attestation verify oci://ghcr.io/s3lo/sign-action:{VERSION} --repo"
    )));
    project.release("notes", &["1.2.4"]).ends_with(1);
}

#[test]
fn the_commit_of_a_release_is_reproducible() {
    let mut project = Project::new();
    let source = project.git("rev-parse HEAD");
    project.pin();
    let commit = project.commit();
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "Somebody Else"),
        ("GIT_COMMITTER_DATE", "2030-01-01T00:00:00Z"),
        ("TZ", "Asia/Tokyo"),
    ] {
        project.set(name, value);
    }
    assert_eq!(project.commit(), commit);
    // One commit on top of the tagged one, on no branch, and nothing of it is left behind in the checkout.
    assert_eq!(project.git(&format!("rev-parse {commit}^")), source);
    assert_eq!(project.git("rev-parse HEAD"), source);
    assert_eq!(project.git("diff --cached --name-only"), "");
    assert_eq!(project.git(&format!("diff --name-only {commit}")), "");
}

#[test]
fn a_release_changes_nothing_but_its_images() {
    let project = Project::new();
    // Before anything is pinned.
    project.release("commit", &[VERSION]).ends_with(1);
    project.pin();
    for name in [
        ".github/workflows/ci.yml",
        "Cargo.toml",
        "packaging/release/pin",
    ] {
        let before = project.text(name);
        project.edit(name, |text| format!("{text}\n"));
        let run = project.release("commit", &[VERSION]).ends_with(1);
        assert!(run.err.contains(name), "{}", run.err);
        project.edit(name, |_| before.clone());
    }
    project.release("commit", &[VERSION]).ends_with(0);
}
