//! The files of a step: those of the runner, and the one that it may ask for.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;

use super::{DIGEST, IMAGE, VERIFY, signer, verifier};
use crate::support::github_runner::{Step, WORKSPACE};

#[test]
fn what_stands_around_an_output_is_never_the_same() {
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let step = signer().run().ends_with(0);
        let lines = step.output_file.lines();
        let around: BTreeSet<_> = lines.filter_map(|line| line.split_once("<<")).collect();
        assert_eq!(around.len(), step.outputs.len(), "{}", step.output_file);
        for (_, delimiter) in around {
            assert!(delimiter.len() >= 32, "{delimiter}");
            seen.insert(delimiter.to_owned());
        }
    }
    assert!(seen.len() >= 20, "{seen:?}");
}

#[test]
fn a_runner_without_the_files_is_served_as_well() {
    for file in ["OUTPUT", "STEP_SUMMARY", "ENV"] {
        signer().without_file(file).run().ends_with(0);
        verifier().without_file(file).run().ends_with(0);
    }
}

#[test]
fn unwritable_outputs_are_reported_and_the_image_is_signed() {
    for file in ["OUTPUT", "STEP_SUMMARY"] {
        let signer = signer().with_locked_file(file);
        let step = signer.run().ends_with(2);
        assert_eq!(step.new_files.len(), 1, "it is signed");
        let reported = &step.annotation().message;
        assert!(
            reported.contains(&format!("file_commands/{file}")),
            "{reported}"
        );
        // The usual reason: an image that does not run as root.
        assert!(reported.contains("root"), "{reported}");
        assert!(
            step.console
                .log
                .iter()
                .any(|line| line.contains("Signed myapp:v1.0"))
        );
    }
}

#[test]
fn a_failed_verification_stays_one_where_its_outputs_cannot_be_written() {
    let gate = signer()
        .then_uses(VERIFY)
        .with("reference", IMAGE)
        .with("key", "plain.key");
    gate.with_locked_file("OUTPUT").run().ends_with(1);
    let gate = verifier().with_locked_file("OUTPUT");
    gate.run().ends_with(2);
}

#[test]
fn nothing_is_written_to_the_workspace_unless_it_is_asked_for() {
    assert!(verifier().run().ends_with(0).new_files.is_empty());
    let verifier = verifier().with("output-file", "out/s3lo.json");
    verifier.write("out/other", "");
    assert_eq!(verifier.run().ends_with(0).new_files, ["out/s3lo.json"]);
}

/// Checks the content of the file against the requested form.
#[track_caller]
fn document(step: &Step, text: &str) -> Value {
    assert!(text.ends_with("}\n") || text.ends_with("]\n"), "{text}");
    let document: Value = serde_json::from_str(text).unwrap();
    let results = step.results();
    match document.as_array() {
        Some(several) => {
            let found: Vec<_> = several.iter().map(|one| &one["digest"]).collect();
            let reported: Vec<_> = results.iter().map(|one| &one["digest"]).collect();
            assert_eq!(found, reported);
        }
        None => assert_eq!(document["digest"], results[0]["digest"]),
    }
    document
}

#[test]
fn the_results_file_equals_the_json_of_the_command_line() {
    let signer = signer().with("output-file", &format!("{WORKSPACE}/s3lo.json"));
    let read = || std::fs::read_to_string(signer.file("s3lo.json")).unwrap();
    let step = signer.run().ends_with(0);
    let one = document(&step, &read());
    assert_eq!(
        (&one["digest"], &one["status"]),
        (&DIGEST.into(), &"signed".into())
    );
    // In place of the one before.
    let images = format!("{IMAGE}\nlocal://./store/nothing:v1");
    let step = signer.run_with("reference", &images).ends_with(2);
    let several = document(&step, &read());
    assert_eq!(several[0]["status"], "kept");
    assert_eq!(several[1]["error"]["code"], "image_not_found");
    // And where the step could not begin.
    signer.run_with("timeout", "soon").ends_with(2);
    let text = read();
    let error: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(error["error"]["code"], "usage", "{text}");
}

#[test]
fn the_results_file_contains_the_verdict_too() {
    let verifier = verifier().with("output-file", "s3lo.json");
    let step = verifier.run().ends_with(0);
    let text = std::fs::read_to_string(verifier.file("s3lo.json")).unwrap();
    assert_eq!(document(&step, &text)["verified"], true);
    verifier.push("other", "v1");
    verifier
        .run_with("reference", "local://./store/other:v1")
        .ends_with(1);
    let text = std::fs::read_to_string(verifier.file("s3lo.json")).unwrap();
    let verdict: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(verdict["verified"], false, "{text}");
}

#[test]
fn the_file_belongs_to_whom_its_folder_belongs() {
    let signer = signer().with("output-file", "out/s3lo.json");
    signer.write("out/other", "");
    let folder = signer.file("out");
    // The runner's user. Only root has another user's folder to write to.
    let foreign = std::os::unix::fs::chown(&folder, Some(1001), Some(121)).is_ok();
    signer.run().ends_with(0);
    let (folder, file) = (folder.metadata().unwrap(), signer.file("out/s3lo.json"));
    let file = file.metadata().unwrap();
    assert_eq!((file.uid(), file.gid()), (folder.uid(), folder.gid()));
    assert!(!foreign || file.uid() == 1001);
    // It is to be read by the steps that follow, and holds no secret.
    assert_eq!(file.mode() & 0o777, 0o644);
}

#[test]
fn a_missing_folder_is_reported() {
    for (runner, code) in [(signer(), 2), (verifier(), 2)] {
        let step = runner
            .with("output-file", "nowhere/s3lo.json")
            .run()
            .ends_with(code);
        let reported = &step.annotation().message;
        assert!(reported.contains("nowhere/s3lo.json"), "{reported}");
        // The runner's own file has all of it.
        assert_eq!(step.output("digest"), Some(DIGEST));
    }
    let gate = signer()
        .then_uses(VERIFY)
        .with("reference", IMAGE)
        .with("key", "plain.key");
    gate.with("output-file", "nowhere/s3lo.json")
        .run()
        .ends_with(1);
}

#[test]
fn a_link_in_the_place_of_the_file_is_refused() {
    let signer = signer().with("output-file", "s3lo.json");
    signer.write("precious", "precious");
    std::os::unix::fs::symlink("precious", signer.file("s3lo.json")).unwrap();
    let step = signer.run().ends_with(2);
    let reported = &step.annotation().message;
    assert!(reported.contains("a symbolic link"), "{reported}");
    assert_eq!(
        std::fs::read_to_string(signer.file("precious")).unwrap(),
        "precious"
    );
    assert!(signer.file("s3lo.json").is_symlink());
}

#[test]
fn a_step_may_do_without_a_summary() {
    for runner in [signer(), verifier()] {
        let step = runner.with("summary", "false").run().ends_with(0);
        assert_eq!(step.summary, "");
        assert!(!step.outputs.is_empty());
    }
}

#[test]
fn a_summary_is_added_to_what_is_there() {
    let before = "# Release\n\n";
    let step = signer().with_summary(before).run().ends_with(0);
    let added = step.summary.strip_prefix(before).unwrap();
    assert!(added.starts_with("### ✅ Signed"), "{added}");
    // All of it has to fit.
    let before = "x".repeat((1 << 20) - 2_000);
    let step = signer().with_summary(&before).run().ends_with(0);
    assert!(step.summary.starts_with(&before));
}

#[test]
fn a_summary_begins_with_the_outcome() {
    let step = signer().run().ends_with(0);
    let title = step.annotation().title.clone().unwrap();
    assert!(title.starts_with("Signed"), "{title}");
    assert!(
        step.summary.starts_with("### ✅ Signed"),
        "{}",
        step.summary
    );
    assert!(
        step.summary.contains(&DIGEST["sha256:".len()..]),
        "{}",
        step.summary
    );
    assert!(step.summary.contains("**Next:**") && step.summary.contains("s3lo verify"));
    let gate = signer()
        .then_uses(VERIFY)
        .with("reference", IMAGE)
        .with("key", "plain.key");
    let step = gate.run().ends_with(1);
    assert!(
        step.summary.starts_with("### ❌ Not verified"),
        "{}",
        step.summary
    );
    let step = signer().with("timeout", "soon").run().ends_with(2);
    assert!(
        step.summary.starts_with("### ❌ Not signed"),
        "{}",
        step.summary
    );
}
