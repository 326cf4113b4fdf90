//! The options of `s3lo ci` by variables: which are read on which host, and how the others are reported.

use insta::{assert_snapshot, with_settings};

use crate::support::program::Sandbox;

pub(crate) const REFERENCE: &str = "local://./store/myapp:v1.0";

/// A job that signs `myapp:v1.0`, by variables.
pub(crate) fn job() -> Sandbox {
    Sandbox::with_image()
        .with("S3LO_REFERENCE", REFERENCE)
        .with("S3LO_KEY", "keys/cosign.key")
}

/// A file of the sandbox.
pub(crate) fn text(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_job_signs_and_verifies_by_its_variables_alone() {
    let sandbox = job();
    let run = sandbox.s3lo("ci").ends_with(0);
    assert!(run.out.starts_with("Signed myapp:v1.0\n"), "{}", run.out);
    assert!(
        run.err.contains("use `S3LO_SCHEMA_VERSION=2`"),
        "{}",
        run.err
    );
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    let gate = job()
        .with("S3LO_COMMAND", "verify")
        .with("S3LO_KEY", "keys/cosign.pub");
    gate.s3lo("ci").ends_with(1);
    let gate = sandbox.with("S3LO_KEY", "keys/cosign.pub");
    gate.s3lo("ci verify").ends_with(0);
    gate.s3lo("ci verify --min-schema 2").ends_with(1);
}

#[test]
fn what_is_typed_goes_before_every_variable() {
    let sandbox = job()
        .with("INPUT_KEY", "keys/rsa.key")
        .with("PLUGIN_KEY", "keys/rsa.key")
        .with("S3LO_KEY", "keys/p384.key")
        .with("S3LO_IF_SIGNED", "nonsense")
        .with("S3LO_VERBOSE", "nonsense");
    sandbox.s3lo("ci sign --if-signed=keep").ends_with(2);
    let sandbox = sandbox.without("S3LO_VERBOSE");
    let typed = sandbox.s3lo("ci sign --if-signed keep --key keys/cosign.key -o json");
    assert_eq!(typed.ends_with(0).json()["keyRef"], "keys/cosign.key");
    let named = sandbox.s3lo("ci sign --if-signed keep -o json");
    assert_eq!(named.ends_with(0).json()["keyRef"], "keys/p384.key");
    let other = sandbox.s3lo("ci verify --key keys/cosign.pub local://./store/other:v1");
    assert!(other.ends_with(2).err.contains("other:v1"));
}

#[test]
fn drones_and_woodpeckers_settings_are_options() {
    let sandbox = Sandbox::with_image()
        .with("DRONE", "true")
        .with(
            "PLUGIN_REFERENCE",
            &format!("{REFERENCE},local://./store/myapp:v2"),
        )
        .with("PLUGIN_KEY", r#"["keys/cosign.key","keys/p384.key"]"#)
        .with("PLUGIN_SCHEMA_VERSION", "2")
        .with("DRONE_OUTPUT", "drone.env");
    sandbox.push("myapp", "v2", crate::support::MANIFEST);
    sandbox.write("drone.env", "BEFORE=1\n");
    let run = sandbox.s3lo("ci").ends_with(0);
    assert_eq!(run.out.matches("Signed ").count(), 4, "{}", run.out);
    assert_eq!(
        text(&sandbox, "drone.env"),
        "BEFORE=1\nS3LO_SIGN_SIGNED=true\n"
    );
}

/// A job's name, its other variables, and its command.
type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// Every message that a job meets before any work is done.
#[test]
fn a_wrong_option_is_reported_by_the_name_of_its_variable() {
    let mut page = String::new();
    let plain: [Wrong<'_>; 13] = [
        ("an empty key", &[("S3LO_KEY", "")], "ci"),
        ("an empty reference", &[("S3LO_REFERENCE", " \n ")], "ci"),
        ("a misspelt variable", &[("S3LO_MIN_SCHMA", "2")], "ci"),
        ("another's name", &[("S3LO_VAULT_URL", "2")], "ci"),
        ("no name at all", &[("S3LO_ABC", "2")], "ci"),
        (
            "an undefined macro",
            &[("S3LO_KEY", "$(SIGNING_KEY)")],
            "ci",
        ),
        ("a word", &[], "ci attest"),
        ("a command", &[("S3LO_COMMAND", "attest")], "ci"),
        ("a boolean", &[("S3LO_VAULT_PLAIN_HTTP", "yes")], "ci"),
        ("lines", &[("S3LO_REGION", "us-east-1\neu-west-1")], "ci"),
        ("a value", &[("S3LO_TIMEOUT", "9")], "ci"),
        ("a role", &[("S3LO_ROLE_ARN", "signer")], "ci"),
        (
            "two names",
            &[("S3LO_ROLE_ARN", "a"), ("S3LO_ROLE_TO_ASSUME", "b")],
            "ci",
        ),
    ];
    let github: [Wrong<'_>; 6] = [
        (
            "an empty key",
            &[("INPUT_REFERENCE", "x"), ("INPUT_KEY", "")],
            "ci",
        ),
        (
            "no reference, by variables",
            &[("S3LO_REFERENCE", "")],
            "ci",
        ),
        (
            "a misspelt input",
            &[("INPUT_KEY", "k"), ("INPUT_IF-SINGED", "fail")],
            "ci",
        ),
        (
            "an input of verify",
            &[("INPUT_KEY", "k"), ("INPUT_MIN-SCHEMA", "2")],
            "ci",
        ),
        (
            "nothing like it",
            &[
                ("INPUT_REFERENCE", "x"),
                ("INPUT_KEY", ""),
                ("INPUT_XYZ", ""),
            ],
            "ci",
        ),
        (
            "a timeout",
            &[
                ("INPUT_REFERENCE", "x"),
                ("INPUT_KEY", "k"),
                ("INPUT_TIMEOUT", "1 fortnight"),
            ],
            "ci",
        ),
    ];
    let buildkite: [Wrong<'_>; 3] = [
        (
            "a setting",
            &[("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"if-singed":"fail"}"#)],
            "ci",
        ),
        (
            "nested",
            &[("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"region":{"a":"b"}}"#)],
            "ci",
        ),
        (
            "no object",
            &[("BUILDKITE_PLUGIN_CONFIGURATION", "[]")],
            "ci",
        ),
    ];
    for (system, marker, jobs) in [
        ("elsewhere", None, plain.as_slice()),
        ("GitHub", Some("GITHUB_ACTIONS"), github.as_slice()),
        ("Buildkite", Some("BUILDKITE"), buildkite.as_slice()),
    ] {
        for (name, variables, line) in jobs {
            let mut sandbox = job();
            for (name, value) in marker
                .iter()
                .map(|name| (*name, "true"))
                .chain(variables.iter().copied())
            {
                sandbox.set(name, value);
            }
            let run = sandbox.s3lo(line).ends_with(2);
            page.push_str(&format!("# {system}: {name}\n{}{}\n", run.out, run.err));
        }
    }
    let filters = vec![
        ("s3lo-[0-9a-f]{32}", "TOKEN"),
        (
            "the options are S3LO_ALLOWED_ACCOUNT, .*",
            "the options are …",
        ),
    ];
    with_settings!({filters => filters}, {
        assert_snapshot!(page);
    });
}

#[test]
fn its_help_is_that_of_the_command_line() {
    let sandbox = job();
    let run = sandbox.s3lo("ci sign --help").ends_with(0);
    assert!(run.out.contains("--results-directory"), "{}", run.out);
    assert!(
        sandbox
            .s3lo("ci --help")
            .ends_with(0)
            .out
            .contains("S3LO_NAME")
    );
}

#[test]
fn too_many_keys_are_refused_before_one_is_read() {
    let keys = "keys/missing.key\n".repeat(101);
    let run = job().with("S3LO_KEY", &keys).s3lo("ci").ends_with(2);
    assert!(run.err.contains("101 keys"), "{}", run.err);
}

/// An attacker that can set a variable of a later step cannot change that step's own inputs.
#[test]
fn no_second_spelling_of_an_input_changes_the_gate() {
    let gate = || {
        job()
            .with("GITHUB_ACTIONS", "true")
            .with("INPUT_REFERENCE", REFERENCE)
            .with("INPUT_KEY", "keys/cosign.pub")
            .with("INPUT_MIN-SCHEMA", "2")
    };
    let signed = job();
    signed.s3lo("ci sign").ends_with(0);
    for (name, value, code) in [
        ("INPUT_Key", "keys/p384.pub", 1),
        ("INPUT_min-schema", "1", 1),
        ("INPUT_\u{212a}EY", "keys/p384.pub", 1),
        ("INPUT_Endpoint", "http://127.0.0.1:1", 1),
        ("INPUT_MIN_SCHEMA", "1", 2),
        ("S3LO_MIN_SHEMA", "1", 2),
        ("S3LO_MIN_SCHEMA", "1", 1),
        ("PLUGIN_REQUIRES", "1", 1),
        ("PLUGIN_KEY", "keys/p384.pub", 1),
        ("INPUT_KEYS", "keys/p384.pub", 1),
    ] {
        let gate = gate().with(name, value);
        std::fs::remove_dir_all(gate.file("store")).unwrap();
        std::os::unix::fs::symlink(signed.file("store"), gate.file("store")).unwrap();
        let run = gate.s3lo("ci verify").ends_with(code);
        assert!(
            run.out.contains("::error title=Not verified"),
            "{name}: {}",
            run.out
        );
    }
}

/// A composite action shows its inputs to its steps as INPUT_…: on act and Gitea always, on GitHub where its author does.
#[test]
fn a_step_within_a_composite_action_reads_its_own_variables() {
    let step = || job().with("GITHUB_ACTIONS", "true");
    for inputs in [
        &[("INPUT_IMAGE", "app"), ("INPUT_TAG", "v1")][..],
        &[("INPUT_REGION", "nowhere"), ("INPUT_DIGEST", "x")],
        &[("INPUT_ROLE-TO-ASSUME", "x"), ("INPUT_IF-SINGED", "y")],
        &[("INPUT_OUTPUT", "json")],
    ] {
        let mut step = step();
        for (name, value) in inputs {
            step.set(name, value);
        }
        let run = step.s3lo("ci sign").ends_with(0);
        assert!(run.out.contains("Signed myapp:v1.0\n"), "{}", run.out);
        assert!(!run.out.contains("warning"), "{}", run.out);
    }
    // Where another action's inputs have the same names, the flag decides.
    let step = step()
        .with("INPUT_KEY", "keys/p384.key")
        .with("INPUT_REFERENCE", "x");
    step.s3lo("ci sign").ends_with(2);
    let run = step.s3lo("ci sign --inputs variables").ends_with(0);
    assert!(run.out.contains("keys/cosign.key"), "{}", run.out);
    let run = job()
        .with("INPUT_KEY", "keys/p384.key")
        .with("INPUT_REFERENCE", REFERENCE);
    let run = run.s3lo("ci sign --inputs github").ends_with(0);
    assert!(run.out.contains("keys/p384.key"), "{}", run.out);
}

/// On every host but its own a family of variables belongs to others.
#[test]
fn a_family_is_read_on_its_own_host_alone() {
    for (name, value) in [
        ("INPUT_KEY", "keys/missing.key"),
        ("INPUT_REFERENCE", "nonsense"),
        ("PLUGIN_KEY", "keys/missing.key"),
        ("PLUGIN_OUTPUT_FILE", "precious"),
        ("PLUGIN_DIGEST", "x"),
        (
            "BUILDKITE_PLUGIN_CONFIGURATION",
            r#"{"key":"keys/missing.key"}"#,
        ),
        ("BUILDKITE_PLUGIN_CONFIGURATION", "["),
        ("DIGEST", "x"),
    ] {
        for host in [
            "",
            "GITLAB_CI",
            "CIRCLECI",
            "TF_BUILD",
            "BUILDKITE",
            "DRONE",
        ] {
            let of_host = (host == "BUILDKITE" && name.starts_with(host))
                || (host == "DRONE" && name.starts_with("PLUGIN_"));
            if of_host {
                continue;
            }
            let mut job = job().with(name, value);
            if !host.is_empty() {
                job.set(host, "true");
            }
            job.write("precious", "precious");
            let run = job.s3lo("ci sign").ends_with(0);
            assert!(!(run.out + &run.err).contains("warning"), "{host} {name}");
            assert_eq!(text(&job, "precious"), "precious");
        }
    }
    // Options come from variables in a job alone.
    let command = job().with("S3LO_DIGEST", "x").with("S3LO_NONSENSE", "x");
    command
        .s3lo(&format!("sign {REFERENCE} --key keys/cosign.key"))
        .ends_with(0);
}

/// Each variable that a message names is one that the program reads: who follows it is not left without a guard.
#[test]
fn the_name_in_a_help_line_is_one_that_is_read() {
    for (wrong, right, value) in [
        ("S3LO_MIN_SCHMA", "S3LO_MIN_SCHEMA", "2"),
        ("S3LO_MINIMUM_SCHEMA", "S3LO_MIN_SCHEMA", "2"),
        ("S3LO_REQUIERE", "S3LO_REQUIRE", "2"),
        ("S3LO_IMAGE_DIGEST", "S3LO_DIGEST", "x"),
        ("S3LO_TIMEOT", "S3LO_TIMEOUT", "x"),
    ] {
        let gate = || job().with("S3LO_KEY", "keys/cosign.pub");
        let run = gate().with(wrong, value).s3lo("ci verify").ends_with(2);
        assert!(
            run.err.contains(&format!("help: write `{right}`")),
            "{}",
            run.err
        );
        let sandbox = job();
        sandbox.s3lo("ci sign").ends_with(0);
        let gate = sandbox.with("S3LO_KEY", "keys/cosign.pub");
        gate.s3lo("ci verify").ends_with(0);
        let code = gate.with(right, value).s3lo("ci verify").code;
        assert!(matches!(code, Some(1 | 2)), "{right}");
    }
}

#[test]
fn a_variable_behind_a_misspelt_flag_is_masked_all_the_same() {
    for words in ["--kye=env://MINE", "-k=env://MINE", "env://MINE"] {
        let sandbox = Sandbox::with_image()
            .with("GITHUB_ACTIONS", "true")
            .with("INPUT_KEY", "keys/cosign.pub")
            .with("MINE", "a-value-of-mine");
        let run = sandbox.s3lo(&format!("ci verify {words}")).ends_with(2);
        assert!(run.out.contains("::add-mask::a-value-of-mine"), "{words}");
    }
}

#[test]
fn a_flag_in_front_of_the_command_does_not_hide_it() {
    let sandbox = job().with("S3LO_KEY", "keys/cosign.pub");
    for words in [
        "-v ci verify",
        "ci -v verify",
        "-o json ci verify",
        "ci -o json verify",
        "-q ci --color never verify",
        "ci verify -v",
    ] {
        let run = sandbox.s3lo(words).ends_with(1);
        let all = format!("{}{}", run.out, run.err);
        assert!(all.contains("no signature found"), "{words}: {all}");
    }
    // Nothing was signed, and a value that looks like a command is not run.
    assert!(
        !sandbox
            .file("store/manifests/myapp/v1.0/signatures")
            .exists()
    );
    let named = sandbox.s3lo("ci verify --key sign").ends_with(2);
    assert!(named.err.contains("key_not_found"), "{}", named.err);
}

#[test]
fn an_option_of_the_other_command_is_named_in_a_warning() {
    let signer = job();
    signer.s3lo("ci sign").ends_with(0);
    let gate = signer
        .with("S3LO_KEY", "keys/cosign.pub")
        .with("S3LO_SCHEMA_VERSION", "2")
        .with("S3LO_IF_SIGNED", "keep");
    let run = gate.s3lo("ci verify").ends_with(0);
    let warning = "ignored: S3LO_IF_SIGNED, S3LO_SCHEMA_VERSION, since `verify` has no such option";
    assert!(run.err.contains(warning), "{}", run.err);
}

#[test]
fn a_script_on_github_is_not_led_by_variables_named_like_inputs() {
    let job = job()
        .with("GITHUB_ACTIONS", "true")
        .with("INPUT_REFERENCE", "local://./store/nothing:v1")
        .with("INPUT_KEY", "keys/p384.key");
    // The runner sets this, and a job cannot: https://docs.github.com/actions/reference/workflows-and-actions/variables
    let action = job.s3lo("ci sign").ends_with(2);
    assert!(action.err.contains("nothing:v1") || action.out.contains("nothing:v1"));
    for script in ["__run", "__run_2"] {
        let script = self::job()
            .with("GITHUB_ACTIONS", "true")
            .with("INPUT_REFERENCE", "local://./store/nothing:v1")
            .with("INPUT_KEY", "keys/p384.key")
            .with("GITHUB_ACTION", script);
        let run = script.s3lo("ci sign").ends_with(0);
        assert!(run.out.contains("Signed myapp:v1.0"), "{}", run.out);
    }
}
