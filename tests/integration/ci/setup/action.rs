//! `setup/action.yml`, as `act` runs it, and the steps that follow.

use std::fs;

use crate::ci::act::runner::Act;
use crate::support::program::Run;
use crate::support::releases::Releases;
use crate::support::vectors;

/// Installs the program, signs by it, and reads the outputs.
const WORKFLOW: &str = r#"
on: push
permissions: {}
jobs:
  sign:
    runs-on: ubuntu-24.04
    steps:
      - name: a store
        run: |
          cp -r "$VECTORS/keys" keys
          install -D "$VECTORS/store-v1/manifests/myapp/v1.0/manifest.json" store/manifests/myapp/v1.0/manifest.json
      - name: setup
        id: setup
        uses: s3lo/sign-action/setup@v1
        with:
          mirror: ${{ env.MIRROR }}
      - name: sign
        id: sign
        run: s3lo ci sign
        env:
          S3LO_REFERENCE: local://./store/myapp:v1.0
          S3LO_KEY: keys/cosign.key
          S3LO_SCHEMA_VERSION: 2
          COSIGN_PASSWORD: secret
      - name: a later step has the outputs
        env:
          PROGRAM: ${{ steps.setup.outputs.path }}
          VERSION: ${{ steps.setup.outputs.version }}
          DIGEST: ${{ steps.sign.outputs.digest }}
          STORED: ${{ steps.sign.outputs.storedPath }}
        run: |
          test "$(command -v s3lo)" = "$PROGRAM"
          test "$("$PROGRAM" --version | head -n 1)" = "s3lo $VERSION"
          test "$DIGEST" = "sha256:$(sha256sum <store/manifests/myapp/v1.0/manifest.json | cut -c 1-64)"
          test -s "$STORED"
      - name: what there is
        if: always()
        run: |
          echo "program: $(command -v s3lo || echo none)"
          echo "signatures: $(find store -path '*/signatures/*' | wc --lines)"
"#;

/// A machine without the program, and a release.
struct Machine {
    act: Act,
    releases: Releases,
}

impl Machine {
    fn new() -> Self {
        Self::of(Releases::new())
    }

    fn of(releases: Releases) -> Self {
        let act = Act::new()
            .with("--env", "VECTORS", vectors().to_str().unwrap())
            .with("--env", "MIRROR", &releases.mirror)
            .with(
                "--local-repository",
                "s3lo/sign-action@v1",
                releases.project().to_str().unwrap(),
            );
        fs::remove_file(act.file("bin/s3lo")).unwrap();
        act.program("sleep", "");
        Self { act, releases }
    }

    fn run(&self, workflow: &str) -> Run {
        self.act.run(workflow, &[])
    }

    /// The message of a job that could not install, and did nothing else.
    #[track_caller]
    fn refused(&self) -> String {
        let run = self.run(WORKFLOW);
        assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
        assert!(run.out.contains("Failure - Main setup"), "{}", run.out);
        assert!(run.out.contains("| program: none\n"), "{}", run.out);
        assert!(run.out.contains("| signatures: 0\n"), "{}", run.out);
        only_error(&run)
    }
}

/// The one error that a runner shows.
#[track_caller]
fn only_error(run: &Run) -> String {
    let mut errors = run.out.lines().filter(|line| line.contains("❗  ::error"));
    let error = errors.next().unwrap_or_else(|| panic!("{}", run.out));
    assert_eq!(errors.next(), None);
    error.to_owned()
}

#[test]
fn steps_sign_by_the_program_that_was_installed() {
    let machine = Machine::new();
    for _ in 0..2 {
        let run = machine.run(WORKFLOW);
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
        let program = format!("/s3lo-{}/s3lo\n", machine.releases.hash());
        assert!(run.out.contains(&program), "{}", run.out);
        assert!(
            run.out
                .contains("Summary - ### ✅ Signed: <code>myapp:v1.0</code>")
        );
        assert!(run.out.contains("::notice title=Signed"), "{}", run.out);
        assert!(run.out.contains("⚙  ***"), "{}", run.out);
        // The runner keeps it for the next job.
        assert_eq!(machine.releases.requests().len(), 1);
    }
}

#[test]
fn a_program_with_another_hash_is_not_on_the_path() {
    let machine = Machine::new();
    machine.releases.pin(&"0".repeat(64));
    let error = machine.refused();
    assert!(
        error.contains("title=s3lo is not installed::error[wrong_hash]: "),
        "{error}"
    );
    assert!(error.contains("%0A  help: "), "{error}");
}

#[test]
fn a_commit_that_is_no_release_cannot_be_set_up() {
    let machine = Machine::new();
    machine.releases.unreleased();
    let error = machine.refused();
    assert!(error.contains("error[not_a_release]: "), "{error}");
    assert_eq!(machine.releases.requests(), [""; 0]);
}

#[test]
fn a_runner_of_another_system_is_told_what_works() {
    for system in ["Darwin", "MINGW64_NT-10.0-26100"] {
        let machine = Machine::new();
        machine.act.program("uname", &format!("echo {system}"));
        let error = machine.refused();
        assert!(
            error.contains(&format!("there is no s3lo for {system}")),
            "{error}"
        );
        assert!(
            error.contains("help: run it on Linux, amd64 or arm64"),
            "{error}"
        );
    }
}

#[test]
fn a_program_that_does_not_start_is_not_on_the_path() {
    // As where the machine lacks what it needs.
    let script = "#!/bin/sh\necho '100% ##[group]broken' >&2\nexit 1\n";
    let machine = Machine::of(Releases::of(script));
    let error = machine.refused();
    assert!(error.contains("error[unusable]: "), "{error}");
    assert!(error.contains("100%25"), "{error}");
}

#[test]
fn a_wrong_option_is_one_error_and_nothing_is_signed() {
    for (right, wrong, names) in [
        (
            "S3LO_SCHEMA_VERSION: 2",
            "S3LO_SCEMA_VERSION: 2",
            "S3LO_SCHEMA_VERSION",
        ),
        (
            "S3LO_SCHEMA_VERSION: 2",
            "S3LO_SCHEMA_VERSION: 3",
            "S3LO_SCHEMA_VERSION",
        ),
        ("S3LO_KEY: keys/cosign.key", "S3LO_KEY: ''", "S3LO_KEY"),
        (
            "COSIGN_PASSWORD: secret",
            "COSIGN_PASSWORD: canary",
            "password",
        ),
    ] {
        let machine = Machine::new();
        let run = machine.run(&WORKFLOW.replace(right, wrong));
        assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
        assert!(run.out.contains("| signatures: 0\n"), "{}", run.out);
        let error = only_error(&run);
        assert!(error.contains(names), "{error}");
        assert!(!run.out.contains("canary"), "{}", run.out);
    }
}
