//! The inputs of a step: their spellings, and the errors about invalid ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{DIGEST, IMAGE, SIGN, VERIFY, signer, verifier};
use crate::cli::documentation::text;
use crate::support::github_runner::{RUNNER_TEMP, Runner, Step, WORKSPACE};
use crate::support::plain_key;

/// The message to the author of a step whose inputs are refused.
#[track_caller]
fn refused(runner: &Runner) -> String {
    let step = runner.run().ends_with(2);
    assert_eq!(code(&step), "usage", "{}", step.shown());
    assert!(step.new_files.is_empty());
    step.annotation().message.clone()
}

#[test]
fn every_input_that_an_action_declares_may_be_left_empty() {
    for (action, mut runner) in [(SIGN, signer()), (VERIFY, verifier())] {
        for input in Runner::inputs_of(action) {
            if input != "reference" && input != "key" {
                runner.set(&input, "");
            }
        }
        runner.run().ends_with(0);
    }
}

#[test]
fn an_input_has_the_name_that_is_declared() {
    for name in ["if-signed", "IF-SIGNED", "If-Signed"] {
        let mut runner = signer();
        runner.run().ends_with(0);
        // The default, which the runner adds under the name that is declared.
        runner.set("if-signed", "");
        runner.set(name, "fail");
        let step = runner.run().ends_with(1);
        assert_eq!(
            step.results()[0]["error"]["code"],
            "already_signed",
            "{name}"
        );
    }
    // A guard in another spelling is refused, and any other such name is ignored, since a job may have such a variable.
    for name in ["if_signed", "min_schema", "allowed_account"] {
        refused(&signer().with(name, "2"));
    }
    let role = signer().with("role_to_assume", "arn:aws:iam::111122223333:role/r");
    let step = role.run().ends_with(0);
    assert!(
        step.shown().contains("(write `role-to-assume`)"),
        "{}",
        step.shown()
    );
}

/// The runner merges the variables of workflow and job into the container of the action.
#[test]
fn a_variable_of_a_job_neither_steers_nor_breaks_the_action() {
    for (name, value) in [
        ("PLUGIN_OUTPUT_FILE", "precious"),
        ("PLUGIN_OUTPUT", "build/x.zip"),
        ("PLUGIN_SUMMARY", "maybe"),
        ("PLUGIN_DIGEST", "x"),
        ("PLUGIN_KEYS", "1"),
        ("PLUGIN_DENY", "1"),
        ("PLUGIN_TIMEOUTS", "3"),
        ("INPUT_VERSION", "1.2.3"),
        ("INPUT_OUTPUT", "dist"),
        ("INPUT_SUMMARY-FILE", "precious"),
        ("INPUT_RESULTS_DIRECTORY", "precious"),
        ("INPUT_AWS-REGION", "nowhere"),
        ("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"min-schema":2}"#),
        ("BUILDKITE_PLUGIN_CONFIGURATION", "["),
        ("S3LO_OUTPUT_FILE", "precious"),
        ("S3LO_IF_SIGNED", "fail"),
        ("S3LO_SERVICE_HOST", "10.0.0.1"),
    ] {
        let runner = signer();
        runner.run().ends_with(0);
        runner.write("precious", "precious");
        let runner = runner.env(name, value);
        let step = runner.run().ends_with(0);
        assert_eq!(step.results()[0]["status"], "kept", "{name}");
        let precious = std::fs::read_to_string(runner.file("precious"));
        assert_eq!(precious.unwrap(), "precious", "{name}");
    }
}

#[test]
fn a_name_with_a_mistake_in_it_is_refused_with_the_right_one() {
    for (wrong, right) in [
        ("if-singed", "if-signed"),
        ("refrence", "reference"),
        ("expected-digest", "digest"),
        ("schema_versoin", "schema-version"),
        ("expected-bucket-ower", "expected-bucket-owner"),
        ("role-to-asume", "role-to-assume"),
        ("passwrod", "password"),
    ] {
        // A guard that is misspelt must not be left out in silence.
        let reported = refused(&signer().with(wrong, "x"));
        assert!(reported.contains(right), "{reported}");
    }
    let reported = refused(&verifier().with("requier", "all"));
    assert!(reported.contains("`require`"), "{reported}");
    // Even where it is empty: its value may come from a variable that is not set.
    refused(&signer().with("if-singed", ""));
}

#[test]
fn an_input_of_the_other_action_is_refused_by_name() {
    for (runner, name, other) in [
        (signer(), "min-schema", "verify"),
        (signer(), "require", "verify"),
        (verifier(), "if-signed", "sign"),
        (verifier(), "schema-version", "sign"),
    ] {
        let reported = refused(&runner.with(name, "2"));
        assert!(
            reported.contains(name) && reported.contains(other),
            "{reported}"
        );
    }
}

#[test]
fn what_the_runner_adds_itself_is_no_mistake() {
    signer()
        .with("args", "verify --help")
        .with("entrypoint", "/s3lo")
        .run()
        .ends_with(0);
}

/// Hooks that start containers in the runner's place take it from the action.
#[test]
fn the_entry_point_is_that_of_the_image() {
    for action in [SIGN, VERIFY] {
        let line = format!("\nENTRYPOINT [\"{}\"]\n", Runner::entrypoint_of(action));
        assert!(text("Dockerfile").contains(&line), "{action}");
    }
}

#[test]
fn what_is_missing_is_named_as_the_step_writes_it() {
    for (action, runner) in [(SIGN, signer()), (VERIFY, verifier())] {
        let mut runner = runner;
        for input in ["reference", "key"] {
            let before = if input == "key" { "plain.key" } else { IMAGE };
            for empty in ["", "  ", "\n\n"] {
                runner.set(input, empty);
                let reported = refused(&runner);
                assert!(
                    reported.contains(&format!("`{input}`")),
                    "{action}: {reported}"
                );
                assert!(
                    reported.contains(&format!("{input}: ")),
                    "{action}: {reported}"
                );
                assert!(!reported.contains("--"), "{action}: {reported}");
            }
            runner.set(input, before);
        }
    }
}

#[test]
fn a_boolean_is_true_or_false_and_nothing_else() {
    for value in ["true", "True", "TRUE", " true\n"] {
        let step = signer().with("summary", value).run().ends_with(0);
        assert!(!step.summary.is_empty());
    }
    for value in ["false", "False", "FALSE"] {
        let step = signer().with("summary", value).run().ends_with(0);
        assert!(step.summary.is_empty());
    }
    for value in [
        "yes",
        "no",
        "1",
        "0",
        "on",
        "off",
        "tRUE",
        "y",
        "null",
        "true true",
    ] {
        for name in ["summary", "verbose", "vault-plain-http"] {
            let reported = refused(&signer().with(name, value));
            assert!(
                reported.contains(name) && reported.contains("`true`"),
                "{reported}"
            );
        }
    }
}

#[test]
fn one_value_is_one_line() {
    for (name, value) in [
        ("if-signed", "keep\nfail"),
        ("schema-version", "1\n2"),
        ("region", "us-east-1\neu-central-1"),
        ("digest", &format!("{DIGEST}\n{DIGEST}")),
        ("output-file", "a\nb"),
        ("summary", "true\nfalse"),
    ] {
        let reported = refused(&signer().with(name, value));
        assert!(reported.contains(name), "{reported}");
    }
    // The end of a block in YAML is no second line.
    let step = signer()
        .with("if-signed", "replace\n")
        .with("digest", &format!("  {DIGEST}\n"));
    step.run().ends_with(0);
}

#[test]
fn an_invalid_value_is_reported_by_the_name_of_the_input() {
    for (name, value) in [
        ("schema-version", "3"),
        ("if-signed", "maybe"),
        ("timeout", "soon"),
        ("concurrency", "0"),
        ("digest", "sha256:abc"),
        ("allowed-account", "12"),
        ("role-to-assume", "signer"),
        ("vault-auth", "password"),
    ] {
        let reported = refused(&signer().with(name, value));
        assert!(reported.contains(name), "{reported}");
        assert!(
            !reported.contains("--") && !reported.contains("role-arn"),
            "{reported}"
        );
    }
}

#[test]
fn the_password_may_be_an_input_or_a_variable_and_the_input_goes_first() {
    let by_file = || signer().with("key", "keys/cosign.key");
    by_file().with("password", "secret").run().ends_with(0);
    by_file()
        .env("COSIGN_PASSWORD", "secret")
        .run()
        .ends_with(0);
    let both = by_file().env("COSIGN_PASSWORD", "wrong");
    both.with("password", "secret").run().ends_with(0);
    let wrong = by_file()
        .env("COSIGN_PASSWORD", "secret")
        .with("password", "wrong");
    assert_eq!(code(&wrong.run().ends_with(2)), "wrong_password");
    // No password at all is that of a key without one, and there is no prompt.
    let step = by_file()
        .with("key", "keys/empty-password.key")
        .env("COSIGN_PASSWORD", "")
        .run();
    step.ends_with(0);
    by_file().run().ends_with(2);
}

#[test]
fn a_password_is_taken_as_it_is() {
    for (key, password) in [("unicode-password", "pässwörd 🔑"), ("cosign", "secret")] {
        let runner = signer().with("key", &format!("keys/{key}.key"));
        let runner = runner.with("password", password);
        runner.run().ends_with(0);
        for other in [
            format!(" {password}"),
            format!("{password}\n"),
            password.to_uppercase(),
        ] {
            let mut runner = signer().with("key", &format!("keys/{key}.key"));
            runner.set("password", &other);
            runner.run().ends_with(2);
        }
    }
}

#[test]
fn options_in_variables_of_the_job_are_ignored_and_named() {
    let runner = signer()
        .env("S3LO_IF_SIGNED", "fail")
        .env("S3LO_REGION", "us-east-1")
        .env("S3LO_KEY", "")
        .env("PLUGIN_DIGEST", DIGEST);
    runner.run().ends_with(0);
    let step = runner.run().ends_with(0);
    let warning = "warning: ignored: S3LO_IF_SIGNED, S3LO_REGION, since";
    assert!(step.shown().contains(warning), "{}", step.shown());
    runner.with("if-signed", "fail").run().ends_with(1);
}

#[test]
fn a_variable_of_ours_that_is_no_option_is_refused_in_an_action_as_well() {
    for (name, right) in [
        ("S3LO_IF_SINGED", "S3LO_IF_SIGNED"),
        ("S3LO_KMS_KEY", "S3LO_KEY"),
    ] {
        let reported = refused(&signer().env(name, ""));
        assert!(reported.contains(&format!("write `{right}`")), "{reported}");
    }
}

#[test]
fn variables_of_others_are_none_of_ours() {
    let runner = signer()
        .env("S3LO_TEST_TOOLS", "x")
        .env("PLUGIN_NOTHING", "x")
        .env("BUILDKITE", "false")
        .env("GITLAB_CI", "")
        .env("TF_BUILD", "False");
    runner.run().ends_with(0);
}

#[test]
fn files_are_found_by_the_paths_that_a_workflow_knows() {
    let runner = signer();
    let by = |path: &str| runner.run_with("key", path);
    by(&format!("{WORKSPACE}/plain.key")).ends_with(0);
    by("./plain.key").ends_with(0);
    runner.write_temp("plain.key", plain_key());
    by(&format!("{RUNNER_TEMP}/plain.key")).ends_with(0);
    // These are paths of the machine, of which a container sees nothing.
    for path in [
        "/home/runner/plain.key",
        &format!("./x/../..{WORKSPACE}/plain.key"),
    ] {
        by(path).ends_with(2);
    }
}

/// The runner rewrites the first path alone.
#[test]
fn each_of_several_files_is_found_by_the_path_that_a_workflow_knows() {
    let verifier = verifier();
    let public = std::fs::read(crate::support::vectors().join("plain-keys/p256-pkcs8.pub"));
    verifier.write("keys/signer.pub", public.unwrap());
    verifier.write_temp("plain.key", plain_key());
    for keys in [
        format!("{WORKSPACE}/keys/p384.pub\n{WORKSPACE}/keys/signer.pub"),
        format!("{WORKSPACE}/keys/p384.pub\n  {RUNNER_TEMP}/plain.key  \n"),
        format!("./keys/p384.pub\n{WORKSPACE}/plain.key"),
        format!("{RUNNER_TEMP}/plain.key\n{WORKSPACE}/keys/p384.pub"),
    ] {
        verifier.run_with("key", &keys).ends_with(0);
    }
    for keys in [
        format!("./keys/p384.pub\n{WORKSPACE}lace/plain.key"),
        "./keys/p384.pub\n/home/runner/work/app/plain.key".to_owned(),
    ] {
        verifier.run_with("key", &keys).ends_with(2);
    }
}

#[test]
fn a_list_may_come_from_a_block_of_yaml_in_every_form() {
    let runner = signer();
    runner.push("b", "v2");
    for list in [
        "local://./store/myapp:v1.0\nlocal://./store/b:v2",
        "  local://./store/myapp:v1.0  \r\n\tlocal://./store/b:v2\r\n",
        r#"["local://./store/myapp:v1.0", "local://./store/b:v2"]"#,
    ] {
        let step = runner.run_with("reference", list).ends_with(0);
        assert_eq!(step.results().len(), 2, "{list}");
    }
}

#[test]
fn the_role_is_called_by_the_name_that_is_declared() {
    let role = "arn:aws:iam::111122223333:role/signer";
    let both = signer().with("role-to-assume", role).with("role-arn", role);
    let step = both.run().ends_with(2);
    assert!(step.shown().contains("`role-arn` (write `role-to-assume`)"));
    assert!(step.annotation().message.contains("role-to-assume"));
}

#[test]
fn a_key_in_the_place_of_its_name_is_not_repeated() {
    let key = plain_key();
    let line = key.lines().nth(1).unwrap();
    let encoded = STANDARD.encode(&key);
    let is_not_repeated = |input: &str, value: &str, secret: &str| {
        let step = signer().with(input, value).run().ends_with(2);
        assert!(!step.shown().contains(secret), "{input}: {}", step.shown());
    };
    for input in ["key", "reference"] {
        is_not_repeated(input, line, line);
    }
    for input in [
        "key",
        "reference",
        "region",
        "endpoint",
        "digest",
        "vault-role",
        "output-file",
    ] {
        is_not_repeated(input, &key, line);
        is_not_repeated(input, &encoded, &encoded);
    }
}

fn code(step: &Step) -> String {
    step.results()[0]["error"]["code"]
        .as_str()
        .unwrap()
        .to_owned()
}
