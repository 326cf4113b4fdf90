//! Outputs and exit code of a step.

use serde_json::json;

use super::{DIGEST, IMAGE, SIGN, VERIFY, signer, verifier};
use crate::support::github_runner::{Runner, Step};

const NOTHING: &str = "local://./store/nothing:v1";

#[test]
fn one_signature_has_outputs_of_its_own() {
    let step = signer().run().ends_with(0);
    let names = ["digest", "keyID", "results", "signedAt", "storedPath"];
    assert_eq!(step.output_names(), names);
    // None of them is kept from other jobs.
    assert_eq!(step.job_outputs(), names);
    let [result] = &step.results()[..] else {
        panic!("{:?}", step.results());
    };
    for name in &names[..2] {
        assert_eq!(step.output(name).unwrap(), result[name]);
    }
    for name in &names[3..] {
        assert_eq!(step.output(name).unwrap(), result[name]);
    }
    assert_eq!(step.output("digest"), Some(DIGEST));
    let record = step.output("storedPath").unwrap();
    assert_eq!(step.new_files, [record.strip_prefix("./").unwrap()]);
    assert_eq!(result["status"], "signed");
    assert!(
        step.annotation()
            .title
            .as_deref()
            .unwrap()
            .contains("myapp:v1.0")
    );
}

#[test]
fn every_output_that_is_declared_is_given() {
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names
    };
    let given = |steps: &[Step]| {
        let names = steps.iter().flat_map(Step::output_names);
        sorted(names.map(str::to_owned).collect())
    };
    let signed = [signer().run()];
    assert_eq!(given(&signed), sorted(Runner::outputs_of(SIGN)));
    let verified = [verifier().run(), verifier().with("min-schema", "2").run()];
    assert_eq!(given(&verified), sorted(Runner::outputs_of(VERIFY)));
}

#[test]
fn a_kept_signature_has_the_outputs_of_a_new_one() {
    let signer = signer();
    let first = signer.run().ends_with(0);
    let again = signer.run().ends_with(0);
    for name in ["digest", "keyID", "signedAt", "storedPath"] {
        assert_eq!(again.output(name), first.output(name), "{name}");
    }
    assert_eq!(again.results()[0]["status"], "kept");
    assert!(again.new_files.is_empty());
    assert_ne!(again.annotation().title, first.annotation().title);
}

#[test]
fn several_signatures_appear_in_the_results_alone() {
    let signer = signer();
    signer.push("team/service", "v2");
    let images = format!("{IMAGE}\nlocal://./store/team/service:v2\r\n");
    let step = signer.with("reference", &images).run().ends_with(0);
    assert_eq!(step.output_names(), ["results"]);
    let names: Vec<_> = step
        .results()
        .iter()
        .map(|one| one["ref"].clone())
        .collect();
    assert_eq!(names, [IMAGE, "local://./store/team/service:v2"]);
}

#[test]
fn several_keys_appear_in_the_results_alone() {
    let signer = signer()
        .with("key", "plain.key\nkeys/cosign.key")
        .with("password", "secret");
    let step = signer.run().ends_with(0);
    assert_eq!(step.output_names(), ["results"]);
    let keys: Vec<_> = step
        .results()
        .iter()
        .map(|one| one["keyRef"].clone())
        .collect();
    assert_eq!(keys, ["plain.key", "keys/cosign.key"]);
}

#[test]
fn the_results_are_one_line() {
    for step in [signer().run(), signer().with("reference", NOTHING).run()] {
        let results = step.output("results").unwrap();
        assert!(
            !results.contains('\n') && results.starts_with('['),
            "{results}"
        );
    }
}

#[test]
fn one_image_that_could_not_be_signed_hides_nothing_of_the_others() {
    let images = format!("{NOTHING}\n{IMAGE}");
    let step = signer().with("reference", &images).run().ends_with(2);
    assert_eq!(step.output_names(), ["results"]);
    let results = step.results();
    assert_eq!(
        results[0]["error"]["code"], "image_not_found",
        "{}",
        results[0]
    );
    assert_eq!(results[1]["digest"], DIGEST);
    assert!(
        step.annotation().message.contains(NOTHING),
        "{}",
        step.shown()
    );
    assert!(step.new_files.len() == 1);
}

#[test]
fn a_refusing_guard_ends_with_1() {
    let other = DIGEST.replace("21d9", "0000");
    let step = signer().with("digest", &other).run().ends_with(1);
    assert_eq!(step.output_names(), ["results"]);
    assert_eq!(step.results()[0]["error"]["code"], "digest_mismatch");
    let signer = signer();
    signer.run().ends_with(0);
    let step = signer.with("if-signed", "fail").run().ends_with(1);
    assert_eq!(step.output_names(), ["results"]);
}

#[test]
fn the_build_s_digest_is_what_is_signed() {
    signer().with("digest", DIGEST).run().ends_with(0);
    let pinned = format!("{IMAGE}@{DIGEST}");
    let step = signer().with("reference", &pinned).run().ends_with(0);
    assert_eq!(step.output("digest"), Some(DIGEST));
}

#[test]
fn a_verified_image_comes_with_the_digest_to_deploy() {
    let step = verifier().run().ends_with(0);
    let names = ["digest", "keyID", "results", "signedAt", "verified"];
    assert_eq!(step.output_names(), names);
    assert_eq!(step.job_outputs(), names);
    assert_eq!(step.output("verified"), Some("true"));
    assert_eq!(step.output("digest"), Some(DIGEST));
    let results = step.results();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["verified"], true);
    assert_eq!(step.output("keyID").unwrap(), results[0]["keyID"]);
    assert_eq!(step.output("signedAt").unwrap(), results[0]["signedAt"]);
    assert!(step.new_files.is_empty());
}

#[test]
fn an_unsigned_image_has_a_reason_and_no_digest() {
    let step = signer().then_uses(VERIFY);
    let step = step
        .with("reference", IMAGE)
        .with("key", "plain.key")
        .run()
        .ends_with(1);
    assert_eq!(step.output_names(), ["reason", "results", "verified"]);
    assert_eq!(step.output("verified"), Some("false"));
    let reason = step.output("reason").unwrap();
    assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
    assert_eq!(step.results()[0]["verified"], false);
    assert_eq!(step.results()[0]["reason"], reason);
    assert!(step.annotation().message.contains(reason));
}

#[test]
fn one_bad_image_among_several_is_enough_for_a_no() {
    let verifier = verifier();
    verifier.push("other", "v1");
    let images = format!("{IMAGE}\nlocal://./store/other:v1");
    let step = verifier.with("reference", &images).run().ends_with(1);
    assert_eq!(step.output_names(), ["reason", "results", "verified"]);
    assert_eq!(step.output("verified"), Some("false"));
    let verdicts: Vec<_> = step
        .results()
        .iter()
        .map(|one| one["verified"].clone())
        .collect();
    assert_eq!(verdicts, [true, false]);
    let reason = step.output("reason").unwrap();
    assert!(reason.contains("other:v1"), "{reason}");
}

#[test]
fn several_verified_images_come_without_a_digest() {
    let images = format!("{IMAGE}\nlocal://./store/other:v1");
    let signer = signer().with("reference", &images);
    signer.push("other", "v1");
    signer.run().ends_with(0);
    let verifier = signer.then_uses(VERIFY).with("reference", &images);
    let step = verifier.with("key", "plain.key").run().ends_with(0);
    assert_eq!(step.output_names(), ["results", "verified"]);
    assert_eq!(step.output("verified"), Some("true"));
}

#[test]
fn several_keys_that_verify_one_image_have_the_outputs_of_one() {
    let verifier = verifier().with("key", "keys/cosign.pub\nplain.key");
    let step = verifier.run().ends_with(0);
    let names = ["digest", "keyID", "results", "signedAt", "verified"];
    assert_eq!(step.output_names(), names);
    assert_eq!(step.results()[0]["signatures"].as_array().unwrap().len(), 2);
    // All of them are asked for: one has not signed.
    let step = verifier.with("require", "all").run().ends_with(1);
    assert_eq!(step.output_names(), ["reason", "results", "verified"]);
}

#[test]
fn what_could_not_be_decided_is_not_verified_and_ends_with_2() {
    let step = verifier().with("reference", NOTHING).run().ends_with(2);
    assert_eq!(step.output_names(), ["reason", "results", "verified"]);
    assert_eq!(step.output("verified"), Some("false"));
    assert_eq!(step.results()[0]["error"]["code"], "image_not_found");
}

#[test]
fn a_step_that_cannot_begin_leaves_its_error_in_the_results() {
    let cases = [
        ("reference", "myapp"),
        ("key", ""),
        ("timeout", "soon"),
        ("region", "?"),
    ];
    for (action, names) in [
        (signer(), &["results"][..]),
        (verifier(), &["reason", "results", "verified"]),
    ] {
        let mut runner = action;
        for (input, value) in cases {
            runner.set(input, value);
            let step = runner.run().ends_with(2);
            assert_eq!(step.output_names(), names, "{input}");
            let results = step.results();
            let error = &results[0]["error"];
            assert_eq!(results, [json!({"error": error})]);
            for field in ["code", "message", "help"] {
                assert!(!error[field].as_str().unwrap().is_empty(), "{results:?}");
            }
            assert!(
                step.output("verified")
                    .is_none_or(|verified| verified == "false")
            );
            assert!(step.new_files.is_empty());
            runner.set("reference", IMAGE);
            runner.set("key", "plain.key");
            runner.set("timeout", "5m");
            runner.set("region", "");
        }
    }
}

#[test]
fn the_gate_demands_a_schema() {
    let step = verifier().with("min-schema", "2").run().ends_with(1);
    assert_eq!(step.output("verified"), Some("false"));
    let signer = signer().with("schema-version", "2");
    signer.run().ends_with(0);
    let gate = signer.then_uses(VERIFY).with("min-schema", "2");
    let step = gate
        .with("reference", IMAGE)
        .with("key", "plain.key")
        .run()
        .ends_with(0);
    assert_eq!(step.results()[0]["schemaVersion"], 2);
}
