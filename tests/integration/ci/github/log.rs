//! The log of a step.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::services::by_kms;
use super::{IMAGE, VERIFY, signer, verifier};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING};
use crate::support::github_runner::Step;
use crate::support::program::Sandbox;
use s3lo_test_servers::http::Reply;

/// The lines between the runner's group and its end, without those that stop commands there.
#[track_caller]
fn folded(step: &Step) -> Vec<String> {
    let lines = step.console.log.iter();
    let inside = lines
        .skip_while(|line| !line.starts_with("##[group]"))
        .skip(1);
    let inside = inside.take_while(|line| *line != "##[endgroup]");
    let shown = inside.filter(|line| !line.starts_with("::"));
    shown.cloned().collect()
}

#[test]
fn results_are_folded_and_read_as_the_command_line_prints_them() {
    let step = signer().run().ends_with(0);
    let sandbox = Sandbox::with_image();
    sandbox.write("plain.key", crate::support::plain_key());
    let run = sandbox
        .s3lo(&format!("sign {IMAGE} --key plain.key"))
        .ends_with(0);
    let without_time = |line: &str| !line.starts_with("  Signed:");
    let (shown, typed): (Vec<_>, Vec<_>) = (folded(&step), run.out.lines().collect());
    let shown: Vec<_> = shown.iter().filter(|line| without_time(line)).collect();
    let typed: Vec<_> = typed
        .into_iter()
        .filter(|line| without_time(line))
        .collect();
    assert_eq!(shown, typed);
    assert!(shown.len() >= 4, "{shown:?}");
}

#[test]
fn errors_are_not_folded() {
    let images = format!("{IMAGE}\nlocal://./store/nothing:v1");
    let step = signer().with("reference", &images).run().ends_with(2);
    let inside = folded(&step).join("\n");
    assert!(
        inside.contains("Signed") && !inside.contains("error["),
        "{inside}"
    );
    let all = step.console.log.join("\n");
    let (_, behind) = all.split_once("##[endgroup]").unwrap();
    let shown = behind
        .lines()
        .find(|line| line.starts_with("error["))
        .unwrap();
    assert!(shown.contains("nothing:v1"), "{shown}");
    assert!(
        behind.lines().any(|line| line.starts_with("help: ")),
        "{behind}"
    );
}

#[test]
fn nothing_is_folded_where_there_is_nothing_to_fold() {
    let step = signer().with("timeout", "soon").run().ends_with(2);
    assert_eq!((step.count("group"), step.count("endgroup")), (0, 0));
}

#[test]
fn many_images_share_one_annotation() {
    let images: Vec<_> = (0..30)
        .map(|number| format!("local://./store/a:v{number}"))
        .collect();
    let runner = signer().with("reference", &images.join("\n"));
    let step = runner.run().ends_with(2);
    // The help of a missing image names those that are there; 4,096 characters are all that is shown.
    assert!(
        step.annotation().message.contains("29 more"),
        "{:?}",
        step.annotation()
    );
    for number in 0..30 {
        runner.push("a", &format!("v{number}"));
    }
    let step = runner.run().ends_with(0);
    assert!(step.annotation().title.as_deref().unwrap().contains("30"));
}

#[test]
fn a_long_name_does_not_burst_the_box() {
    let image = ["long".repeat(50), "name".repeat(50), "of".repeat(100)].join("/");
    let runner = signer();
    runner.push(&image, "v1");
    let reference = format!("local://./store/{image}:v1");
    let step = runner.with("reference", &reference).run().ends_with(0);
    assert!(
        step.annotation()
            .title
            .as_deref()
            .unwrap()
            .starts_with("Signed: long")
    );
    // Those of four bytes are two each to the runner.
    let odd = "🔑".repeat(20_000);
    let step = signer().with("reference", &odd).run().ends_with(2);
    assert!(step.annotation().message.contains('🔑'));
}

#[test]
fn what_stops_commands_is_never_the_same() {
    let mut tokens = BTreeSet::new();
    for _ in 0..20 {
        let step = signer().run().ends_with(0);
        for stop in step.commands("stop-commands") {
            let token = &stop.data;
            assert!(token.len() >= 32, "{token}");
            tokens.insert(token.clone());
        }
    }
    assert!(tokens.len() >= 20, "{tokens:?}");
}

#[test]
fn steps_are_logged_only_with_debugging_on() {
    for runner in [signer(), verifier()] {
        let quiet = runner.run().ends_with(0);
        assert_eq!(quiet.count("debug"), 0);
        let step = runner.debugging().run().ends_with(0);
        let reported: Vec<_> = step
            .commands("debug")
            .map(|command| command.data.as_str())
            .collect();
        assert!(
            reported.iter().any(|line| line.contains("reference")),
            "{reported:?}"
        );
        // Nothing that the runner hides by itself stands in the way of the results.
        assert_eq!(step.outputs.len(), quiet.outputs.len());
    }
}

#[test]
fn logged_requests_are_plain_text() {
    let step = signer().with("verbose", "true").run().ends_with(0);
    assert_eq!(step.count("debug"), 0);
    let step = signer()
        .with("verbose", "true")
        .with("reference", "local://./store/no:v1");
    step.run().ends_with(2);
}

#[test]
fn a_closed_gate_prints_its_reason_in_one_annotation() {
    let gate = signer()
        .then_uses(VERIFY)
        .with("reference", IMAGE)
        .with("key", "plain.key");
    let step = gate.run().ends_with(1);
    let one = step.annotation();
    assert!(
        one.title.as_deref().unwrap().starts_with("Not verified"),
        "{one:?}"
    );
    assert!(
        one.message.contains(step.output("reason").unwrap()),
        "{one:?}"
    );
}

#[test]
fn a_cancelled_step_stops_and_reports_it() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.s3.fault(|_| Some(Reply::Silence));
    let runner = by_kms(&aws).with("timeout", "1m");
    // The container's runtime sends the signal to its first process, which ignores it by default: else the
    // work would go on for as long as it may take, though its result is no longer needed.
    let started = runner.start_as_first_process();
    while aws.s3.requests().is_empty() {
        std::thread::yield_now();
    }
    let parent = started.child.id();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let first = children.split_whitespace().next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(first).unwrap(), Signal::TERM).unwrap();
    let step = started.finish().ends_with(2);
    assert_eq!(step.results()[0]["error"]["code"], "interrupted");
}
