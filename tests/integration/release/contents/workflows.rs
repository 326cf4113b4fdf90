//! Rules for every workflow, beyond those of the linters.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A workflow, read by its indentation: two columns a level, as all of them are written.
struct Workflow {
    name: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workflows() -> Vec<Workflow> {
    let folder = fs::read_dir(root().join(".github/workflows")).unwrap();
    let mut found: Vec<_> = folder
        .map(|entry| {
            let entry = entry.unwrap();
            Workflow {
                name: entry.file_name().into_string().unwrap(),
                text: fs::read_to_string(entry.path()).unwrap(),
            }
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(found.len() >= 4);
    found
}

fn workflow(name: &str) -> Workflow {
    let mut all = workflows();
    all.retain(|workflow| workflow.name == name);
    all.pop().unwrap()
}

/// The lines of a block that are deeper than its first, by their indentation.
fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

impl Workflow {
    /// The jobs by name, each with its lines.
    fn jobs(&self) -> BTreeMap<String, Vec<&str>> {
        let (_, jobs) = self.text.split_once("\njobs:\n").unwrap();
        let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut current = String::new();
        for line in jobs.lines().filter(|line| !line.trim().is_empty()) {
            if depth(line) == 2 && !line.trim().starts_with('#') {
                line.trim().trim_end_matches(':').clone_into(&mut current);
                found.entry(current.clone()).or_default();
            } else if depth(line) > 2 {
                found.get_mut(&current).unwrap().push(line);
            }
        }
        found
    }

    /// Every line that a shell is given.
    fn scripts(&self) -> Vec<&str> {
        let mut found = Vec::new();
        let mut inside = None;
        for line in self.text.lines() {
            let bare = line.trim_start().trim_start_matches("- ");
            if let Some(script) = bare.strip_prefix("run: ") {
                found.push(script);
                inside = (script == "|").then_some(depth(line));
            } else if inside.is_some_and(|block| depth(line) > block || line.is_empty()) {
                found.push(line);
            } else {
                inside = None;
            }
        }
        found
    }
}

/// The value of a job's own key.
fn key<'a>(job: &[&'a str], name: &str) -> Option<&'a str> {
    let own = job.iter().filter(|line| depth(line) == 4);
    own.filter_map(|line| line.trim().split_once(':'))
        .find_map(|(known, value)| (known == name).then_some(value.trim()))
}

fn needs(job: &[&str]) -> BTreeSet<String> {
    let names = key(job, "needs").unwrap_or_default();
    let names = names.trim_matches(['[', ']']).split(", ");
    names.map(str::to_owned).collect()
}

#[test]
fn every_action_is_pinned_by_commit_with_its_version_in_a_comment() {
    let mut pinned = 0;
    for workflow in workflows() {
        for line in workflow.text.lines() {
            let bare = line.trim().trim_start_matches("- ");
            let Some(used) = bare.strip_prefix("uses: ") else {
                continue;
            };
            if let Some(own) = used.strip_prefix("./") {
                let folder = root().join(own);
                assert!(
                    folder.is_file() || folder.join("action.yml").is_file(),
                    "{line}"
                );
                continue;
            }
            let (action, version) = used.split_once(" # v").unwrap_or_else(|| panic!("{line}"));
            let (_, commit) = action.split_once('@').unwrap();
            let is_hex = commit
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(commit.len() == 40 && is_hex, "{line}");
            assert_eq!(version.split('.').count(), 3, "{line}");
            pinned += 1;
        }
    }
    assert!(pinned > 20, "{pinned}");
}

#[test]
fn every_job_ends_and_has_no_right_that_it_does_not_name() {
    for workflow in workflows() {
        let name = &workflow.name;
        assert!(workflow.text.contains("\npermissions: {}\n"), "{name}");
        for (job, lines) in workflow.jobs() {
            let calls = key(&lines, "uses").is_some();
            assert!(
                calls || key(&lines, "timeout-minutes").is_some(),
                "{name}: {job}"
            );
            let rights = key(&lines, "permissions");
            assert!(matches!(rights, Some("" | "{}")), "{name}: {job}");
            // No secrets but those of an environment, which has rules of its own.
            let text = lines.join("\n");
            if text.contains("secrets.") {
                assert!(key(&lines, "environment").is_some(), "{name}: {job}");
            }
            if !calls {
                assert_eq!(
                    text.matches("actions/checkout@").count(),
                    text.matches("persist-credentials: false").count(),
                    "{name}: {job}"
                );
            }
        }
    }
}

#[test]
fn nothing_of_an_event_or_an_input_becomes_part_of_a_script() {
    let mut lines = 0;
    for workflow in workflows() {
        for line in workflow.scripts() {
            assert!(!line.contains("${{"), "{}: {line}", workflow.name);
            lines += 1;
        }
        for trigger in ["pull_request_target", "workflow_run", "issue_comment"] {
            assert!(!workflow.text.contains(trigger), "{}", workflow.name);
        }
    }
    assert!(lines > 100, "{lines}");
}

#[test]
fn one_gate_needs_every_job() {
    for (name, gate) in [("ci.yml", "all-passed"), ("release.yml", "latest")] {
        let workflow = workflow(name);
        let mut jobs = workflow.jobs();
        let gate = jobs.remove(gate).unwrap();
        let others: BTreeSet<_> = jobs.into_keys().collect();
        assert_eq!(needs(&gate), others, "{name}");
    }
    // It runs, and fails, where one of them did not run.
    let ci = workflow("ci.yml");
    assert_eq!(key(&ci.jobs()["all-passed"], "if"), Some("always()"));
}

#[test]
fn what_moves_is_moved_last_and_what_is_begun_is_finished() {
    let release = workflow("release.yml");
    for (name, lines) in release.jobs() {
        let moves = lines.iter().any(|line| line.contains(" move "));
        assert_eq!(moves, name == "latest", "{name}");
        // No job of a release runs where another failed.
        assert_eq!(key(&lines, "if"), None, "{name}");
    }
    assert!(release.text.contains("\n  cancel-in-progress: false\n"));
    assert!(
        release
            .text
            .contains("tags: [\"release-[0-9]+.[0-9]+.[0-9]+\"]")
    );
    // Nothing is published before all has passed, and a maintainer has approved it.
    let jobs = release.jobs();
    assert!(needs(&jobs["build"]).contains("ci"));
    assert!(needs(&jobs["ci"]).contains("prerequisites"));
    assert!(needs(&jobs["push"]).contains("try"));
    assert_eq!(key(&jobs["push"], "environment"), Some("release"));
    let before_all = ["version", "prerequisites", "ci", "build", "try"];
    for (job, lines) in &jobs {
        let writes = lines.iter().any(|line| line.contains(": write"));
        let before = before_all.contains(&job.as_str());
        assert!(!(writes && before), "{job}");
        assert!(
            before
                || job == "push"
                || needs(lines)
                    .iter()
                    .any(|need| !before_all.contains(&need.as_str())),
            "{job}"
        );
    }
}

/// An artifact of a run can be replaced by any of its jobs, an output of a job cannot.
#[test]
fn every_job_of_a_release_checks_the_artifacts_that_it_downloads() {
    let mut checked = 0;
    for (job, lines) in workflow("release.yml").jobs() {
        let text = lines.join("\n");
        for (artifact, hash) in [
            ("name: files", "needs.build.outputs.sums"),
            ("name: layout", "needs.build.outputs.index"),
            ("pattern: s3lo-linux-*", "needs.ci.outputs.arm64"),
        ] {
            for (at, _) in text.match_indices("uses: actions/download-artifact@") {
                let (inputs, rest) = text[at..].split_once("path: ").unwrap();
                if inputs.contains(artifact) {
                    assert!(rest.contains(hash), "{job}: {artifact}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 9, "{checked}");
}

/// What an action cannot do without, of a job's rights.
#[test]
fn every_action_has_the_rights_that_it_needs() {
    let mut used = 0;
    for workflow in workflows() {
        for (job, lines) in workflow.jobs() {
            let text = lines.join("\n");
            for (action, rights) in [
                ("uses: actions/attest@", &["id-token", "attestations"][..]),
                ("push-to-registry: true", &["packages"]),
                (
                    "uses: aws-actions/configure-aws-credentials@",
                    &["id-token"],
                ),
            ] {
                for right in rights.iter().filter(|_| text.contains(action)) {
                    let line = format!("\n      {right}: write");
                    assert!(text.contains(&line), "{}: {job}: {right}", workflow.name);
                    used += 1;
                }
            }
        }
    }
    assert!(used >= 4, "{used}");
}

#[test]
fn a_program_that_is_installed_with_go_is_of_the_version_that_is_tested() {
    let tested = fs::read_to_string(root().join("tests/tools")).unwrap();
    let mut installed = 0;
    for workflow in workflows().iter().filter(|it| it.name != "interop.yml") {
        for line in workflow.scripts() {
            let Some(package) = line.trim().strip_prefix("go install ") else {
                continue;
            };
            let (package, version) = package.split_once('@').unwrap();
            let mut tools = tested.lines().map(|tool| tool.split_whitespace().skip(2));
            let listed =
                tools.any(|mut tool| tool.next() == Some(package) && tool.next() == Some(version));
            assert!(listed, "{line}");
            installed += 1;
        }
    }
    assert!(installed >= 3, "{installed}");
}

#[test]
fn every_script_that_a_workflow_runs_is_there() {
    let mut seen = BTreeSet::new();
    for workflow in workflows() {
        for line in workflow.scripts() {
            let words = line.split(|c: char| c.is_whitespace() || "$()\"".contains(c));
            seen.extend(
                words
                    .filter(|word| word.starts_with("packaging/"))
                    .map(str::to_owned),
            );
        }
    }
    for script in &seen {
        let file =
            fs::metadata(root().join(script)).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(file.permissions().mode() & 0o111, 0o111, "{script}");
    }
    // And nothing is there that no workflow or other script runs.
    for entry in fs::read_dir(root().join("packaging/release")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            seen.contains(&format!("packaging/release/{name}")) || name == "known_hosts",
            "{name}"
        );
    }
}
