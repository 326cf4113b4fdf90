//! The files of a release: their checksums, the bill of materials, and the page on GitHub that cannot be changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::project::{Project, VERSION};
use super::stand_ins;
use crate::support::program::Run;

#[test]
fn the_checksums_are_those_of_all_files() {
    let project = Project::new();
    let folder = project.home().join("files");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    project.release("checksums", &[folder]).ends_with(1);
    for name in ["s3lo-linux-arm64", "s3lo-linux-amd64", "s3lo.cdx.json"] {
        fs::write(format!("{folder}/{name}"), name).unwrap();
    }
    project.release("checksums", &[folder]).ends_with(0);
    let sums = fs::read_to_string(format!("{folder}/SHA256SUMS")).unwrap();
    let names: Vec<_> = sums.lines().map(|line| &line[66..]).collect();
    assert_eq!(
        names,
        ["s3lo-linux-amd64", "s3lo-linux-arm64", "s3lo.cdx.json"]
    );
    // A second run sums up the same files.
    project.release("checksums", &[folder]).ends_with(0);
    assert_eq!(
        fs::read_to_string(format!("{folder}/SHA256SUMS")).unwrap(),
        sums
    );
}

pub(super) fn bill() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/release/sbom");
    let output = Command::new(script)
        .env("CARGO_NET_OFFLINE", "true")
        .output();
    let output = output.unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_bill_of_materials_lists_what_is_linked_and_nothing_else() {
    let text = bill();
    assert_eq!(text, bill());
    for private in ["file://", env!("CARGO_MANIFEST_DIR")] {
        assert!(!text.contains(private), "{private}");
    }
    let bill: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["specVersion"], "1.5");
    // Without one `actions/attest` does not take it for CycloneDX (its `checkIsCycloneDX`), and the specification has this
    // form: https://cyclonedx.org/docs/1.5/json/#serialNumber
    let serial = bill["serialNumber"].as_str().unwrap();
    let form = "urn:uuid:xxxxxxxx-xxxx-8xxx-8xxx-xxxxxxxxxxxx";
    assert_eq!(serial.len(), form.len());
    for (is, wanted) in serial.chars().zip(form.chars()) {
        let fits = match wanted {
            'x' => matches!(is, '0'..='9' | 'a'..='f'),
            other => is == other,
        };
        assert!(fits, "{serial}");
    }
    let root = &bill["metadata"]["component"];
    assert_eq!(root["name"], "s3lo");
    assert_eq!(root["version"], env!("CARGO_PKG_VERSION"));

    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<_> = components
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    for linked in ["aws-lc-sys", "aws-sdk-s3", "p256", "rustls", "vaultrs"] {
        assert!(names.contains(linked), "{linked}");
    }
    // In the lock file all the same: those of a feature that is off, and of the tests.
    for unused in ["ring", "proptest", "insta", "hyper-rustls-native-certs"] {
        assert!(!names.contains(unused), "{unused}");
    }
    let mut known = BTreeSet::from([root["bom-ref"].as_str().unwrap()]);
    for component in components {
        let (name, hash) = (&component["name"], &component["hashes"][0]);
        // A crate of this repository is no file of a registry.
        if name == "s3lo-core" {
            assert!(hash.is_null());
        } else {
            assert_eq!(hash["alg"], "SHA-256", "{name}");
            assert_eq!(hash["content"].as_str().unwrap().len(), 64, "{name}");
        }
        assert!(component["licenses"][0]["expression"].is_string(), "{name}");
        assert_eq!(component["bom-ref"], component["purl"]);
        assert!(
            known.insert(component["bom-ref"].as_str().unwrap()),
            "{name}"
        );
    }
    let dependencies = bill["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.len(), known.len());
    for node in dependencies {
        let needed = node["dependsOn"].as_array().unwrap().iter();
        for reference in needed.chain([&node["ref"]]) {
            assert!(known.contains(reference.as_str().unwrap()), "{reference}");
        }
    }
    println!("{} crates are linked", components.len());
}

/// A release whose files are made, and a GitHub to publish it on.
struct Publishing {
    project: Project,
    github: tempfile::TempDir,
}

impl Publishing {
    fn new() -> Self {
        let mut project = Project::new();
        let github = tempfile::TempDir::new().unwrap();
        stand_ins::install(github.path());
        fs::write(github.path().join("setting"), "true\n").unwrap();
        project.git("tag v1.2.3");
        project.set("GH_TOKEN", "a-token");
        project.set("GITHUB", github.path().to_str().unwrap());
        project.set(
            "PATH",
            &format!("{}:/usr/bin:/bin", github.path().display()),
        );
        fs::create_dir(project.home().join("files")).unwrap();
        let publishing = Self { project, github };
        publishing.write("s3lo-linux-amd64", "a program");
        publishing
    }

    fn write(&self, name: &str, contents: &str) {
        let folder = self.project.home().join("files");
        fs::write(folder.join(name), contents).unwrap();
        let folder = folder.to_str().unwrap();
        self.project.release("checksums", &[folder]).ends_with(0);
    }

    fn publish(&self) -> Run {
        self.publish_as("true")
    }

    fn publish_as(&self, latest: &str) -> Run {
        fs::write(self.github.path().join("log"), "").unwrap();
        let folder = self.project.home().join("files");
        self.project
            .release("publish", &[VERSION, folder.to_str().unwrap(), latest])
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.github.path().join("log")).unwrap();
        log.trim().replace('\n', " ")
    }
}

#[test]
fn a_release_is_a_draft_until_it_has_its_files_and_then_is_left_alone() {
    let publishing = Publishing::new();
    publishing.publish().ends_with(0);
    assert_eq!(publishing.log(), "view create upload edit download view");
    publishing.publish().ends_with(0);
    assert_eq!(publishing.log(), "view download view");
    publishing.write("s3lo-linux-amd64", "another program");
    let run = publishing.publish().ends_with(1);
    assert!(
        run.err.contains("published with other files"),
        "{}",
        run.err
    );
    assert_eq!(publishing.log(), "view download");
}

#[test]
fn a_release_is_the_latest_only_where_that_is_asked_for() {
    for latest in ["true", "false"] {
        let publishing = Publishing::new();
        publishing.publish_as(latest).ends_with(0);
        let shown = fs::read_to_string(publishing.github.path().join("latest")).unwrap();
        assert_eq!(shown.trim(), latest);
    }
    let publishing = Publishing::new();
    let run = publishing.publish_as("").ends_with(1);
    assert!(run.err.contains("LATEST is true or false"), "{}", run.err);
    assert_eq!(publishing.log(), "");
}

#[test]
fn a_release_that_was_interrupted_is_finished() {
    let publishing = Publishing::new();
    fs::write(publishing.github.path().join("draft"), "true\n").unwrap();
    fs::create_dir(publishing.github.path().join("assets")).unwrap();
    publishing.publish().ends_with(0);
    assert_eq!(publishing.log(), "view upload edit download view");
}

#[test]
fn a_release_that_could_be_changed_is_an_error() {
    let publishing = Publishing::new();
    fs::write(publishing.github.path().join("setting"), "false\n").unwrap();
    let run = publishing.publish().ends_with(1);
    assert!(run.err.contains("is not immutable"), "{}", run.err);
}

#[test]
fn nothing_is_published_that_its_checksums_do_not_know_or_while_github_does_not_answer() {
    let publishing = Publishing::new();
    let file = publishing.project.home().join("files/s3lo-linux-amd64");
    fs::write(&file, "another program").unwrap();
    publishing.publish().ends_with(1);
    assert_eq!(publishing.log(), "");
    fs::write(&file, "a program").unwrap();
    let added = publishing.project.home().join("files/install.sh");
    fs::write(&added, "of somebody else").unwrap();
    let run = publishing.publish().ends_with(1);
    assert!(run.err.contains("install.sh"), "{}", run.err);
    assert_eq!(publishing.log(), "");
    fs::remove_file(added).unwrap();
    fs::write(publishing.github.path().join("broken"), "").unwrap();
    let run = publishing.publish().ends_with(1);
    assert!(run.err.contains("could not be asked for"), "{}", run.err);
    assert_eq!(publishing.log(), "view");
}
