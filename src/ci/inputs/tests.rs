//! Each family's values and mistakes.

use super::*;

const GITHUB: [(&str, &str); 2] = [("GITHUB_ACTIONS", "true"), ("INPUT_REFERENCE", "")];
const DRONE: [(&str, &str); 1] = [("DRONE", "true")];
const BUILDKITE: [(&str, &str); 2] = [
    ("BUILDKITE", "true"),
    ("BUILDKITE_PLUGIN_CONFIGURATION", "{}"),
];

fn options() -> Vec<OptionSpec> {
    let mut role = OptionSpec::new("role-to-assume", ValueKind::One);
    role.names.push("role-arn".to_owned());
    let mut guard = OptionSpec::new("if-signed", ValueKind::One);
    guard.is_guard = true;
    let mut file = OptionSpec::new("dotenv-file", ValueKind::One);
    file.is_input = false;
    vec![
        OptionSpec::new("reference", ValueKind::Several),
        OptionSpec::new("key", ValueKind::One),
        guard,
        OptionSpec::new("verbose", ValueKind::Flag),
        OptionSpec::new("password", ValueKind::Secret),
        OptionSpec::new("vault-address", ValueKind::One),
        OptionSpec::new("vault-role", ValueKind::One),
        file,
        role,
    ]
}

fn resolved(host: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Resolved, Error> {
    let variables = host
        .iter()
        .chain(variables)
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let policy = UnknownPolicy {
        command: "sign",
        other: ("verify", &[OptionSpec::new("require", ValueKind::One)]),
    };
    resolve(&options(), variables, &Choice::default(), Some(&policy))
}

/// The values as text.
fn values(host: &[(&str, &str)], variables: &[(&str, &str)]) -> Vec<String> {
    let given = resolved(host, variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"));
    let shown = |input: Input| match input.value {
        Value::Flag(truth) => truth.to_string(),
        Value::Lines(lines) => lines.join("|"),
        Value::Secret(_) => "secret".to_owned(),
    };
    given.inputs.into_iter().map(shown).collect()
}

#[track_caller]
fn right(host: &[(&str, &str)], name: &str) -> Option<Right> {
    match resolved(host, &[(name, "x")]) {
        Err(Error::Unknown { right, .. }) => right,
        other => panic!("{name}: {other:?}"),
    }
}

fn option(name: &str) -> Option<Right> {
    Some(Right::Option(name.to_owned()))
}

#[test]
fn one_family_is_read() {
    let all = [
        ("INPUT_IF-SIGNED", "a"),
        ("PLUGIN_IF_SIGNED", "d"),
        ("S3LO_IF_SIGNED", "e"),
    ];
    assert_eq!(values(&GITHUB, &all), ["a"]);
    assert_eq!(
        values(&DRONE, &[&all[..], &[("PLUGIN_KEY", "k")]].concat()),
        ["k", "d"]
    );
    // The job's variables count there only if the step names them.
    assert!(values(&BUILDKITE, &all).is_empty());
    for environment in [r#""S3LO_IF_SIGNED""#, r#"["X","S3LO_IF_SIGNED"]"#] {
        let named = format!(r#"{{"environment":{environment}}}"#);
        let named = [("BUILDKITE_PLUGIN_CONFIGURATION", named.as_str())];
        let all = [&named[..], &all].concat();
        assert_eq!(values(&BUILDKITE[..1], &all), ["e"]);
    }
    assert_eq!(values(&[], &all), ["e"]);
    assert_eq!(values(&GITHUB[..1], &all), ["e"]);
    let configured = [("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"if-signed":"c"}"#)];
    assert_eq!(
        values(&BUILDKITE[..1], &[&configured[..], &all].concat()),
        ["c"]
    );
    assert_eq!(values(&GITHUB, &[&configured[..], &all].concat()), ["a"]);
    // Where it is empty, what another family holds does not count either.
    assert!(values(&GITHUB, &[("INPUT_IF-SIGNED", " "), all[2]]).is_empty());
}

#[test]
fn inputs_among_the_arguments_are_read_in_place_of_every_variable() {
    let policy = UnknownPolicy {
        command: "sign",
        other: ("verify", &[]),
    };
    let read = |arguments: &[&str], variables: &[(&str, &str)]| {
        let variables = BUILDKITE.iter().chain(variables);
        let variables =
            variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let choice = Choice {
            family: None,
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        resolve(&options(), variables, &choice, Some(&policy))
    };
    let own = [("S3LO_IF_SIGNED", "fail"), ("S3LO_KEY", "k")];
    let arguments = [
        "key= a=b ",
        "reference=a\nb\n",
        "verbose=false",
        "if-signed=",
    ];
    let resolved = read(&arguments, &own).unwrap();
    assert_eq!(resolved.family, Family::Arguments);
    let names: Vec<_> = resolved.inputs.iter().map(|input| &input.name).collect();
    assert_eq!(names, ["reference", "key", "verbose"]);
    assert_eq!(resolved.empty, ["if-signed"]);
    let mut values = resolved.inputs.iter().map(|input| &input.value);
    assert!(values.any(|value| matches!(value, Value::Lines(lines) if *lines == ["a=b"])));
    let warnings = resolved.warnings.join("");
    assert!(warnings.contains("S3LO_IF_SIGNED, S3LO_KEY"));
    // A list has a line for each, and an option of one value takes none.
    assert!(read(&["reference=a", "reference=b"], &[]).is_ok());
    let twice = read(&["if-signed=a", "if-signed=b"], &[]);
    assert!(matches!(twice, Err(Error::Lines { .. })));
    // No secret is an argument.
    for (unknown, known) in [
        ("password=x", Some(Right::Variable("COSIGN_PASSWORD"))),
        ("if-singed=a", option("if-signed")),
    ] {
        let Err(Error::Unknown { right, .. }) = read(&[unknown], &[]) else {
            panic!("{unknown}");
        };
        assert_eq!(right, known, "{unknown}");
    }
}

#[test]
fn options_that_are_not_read_are_named_in_a_warning() {
    let own = [
        ("S3LO_IF_SIGNED", "fail"),
        ("S3LO_REQUIRE", "2"),
        ("S3LO_KEY", ""),
    ];
    for (host, name) in [(&GITHUB[..], "INPUT_KEY"), (&DRONE, "PLUGIN_KEY")] {
        let warnings = resolved(host, &[&own[..], &[(name, "k")]].concat())
            .unwrap()
            .warnings;
        let [warning] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        assert!(
            warning.contains("S3LO_IF_SIGNED, S3LO_REQUIRE,"),
            "{warning}"
        );
    }
    // Where they are read, one of the other command is not.
    let warnings = resolved(&[], &own).unwrap().warnings.join("");
    assert!(warnings.contains("S3LO_REQUIRE, since `sign` has no such"));
}

#[test]
fn a_list_is_read_in_lines_and_in_each_system_s_own_form() {
    for (host, name, value) in [
        (&GITHUB[..1], "INPUT_REFERENCE", "a\n  b \r\nc\n"),
        (&[], "S3LO_REFERENCE", r#"["a","b","c"]"#),
        (&DRONE, "PLUGIN_REFERENCE", "a,b,c"),
        (&DRONE, "PLUGIN_REFERENCE", r#"["a","b","c"]"#),
        (
            &BUILDKITE[..1],
            "BUILDKITE_PLUGIN_CONFIGURATION",
            r#"{"reference":["a","b","c"]}"#,
        ),
        (
            &BUILDKITE[..1],
            "BUILDKITE_PLUGIN_CONFIGURATION",
            r#"{"reference":"a\nb\nc\n"}"#,
        ),
    ] {
        assert_eq!(values(host, &[(name, value)]), ["a|b|c"], "{name}");
    }
    assert_eq!(values(&GITHUB[..1], &[("INPUT_REFERENCE", "a,b")]), ["a,b"]);
}

#[test]
fn a_flag_takes_true_and_false_alone() {
    for (value, truth) in [("true", "true"), ("TRUE", "true"), ("False\n", "false")] {
        assert_eq!(values(&GITHUB, &[("INPUT_VERBOSE", value)]), [truth]);
    }
    for value in ["yes", "1", "on", "tRUE", "true false"] {
        assert!(
            resolved(&GITHUB, &[("INPUT_VERBOSE", value)]).is_err(),
            "{value}"
        );
    }
    let verbose = ("BUILDKITE_PLUGIN_CONFIGURATION", r#"{"verbose":true}"#);
    assert_eq!(values(&BUILDKITE[..1], &[verbose]), ["true"]);
}

#[test]
fn a_misspelt_input_is_refused_with_the_right_name() {
    assert_eq!(right(&GITHUB, "INPUT_IF-SINGED"), option("if-signed"));
    assert_eq!(right(&GITHUB, "INPUT_PASSWROD"), option("password"));
    assert_eq!(right(&GITHUB, "INPUT_OVERWRITE"), option("if-signed"));
    assert_eq!(right(&DRONE, "PLUGIN_REFERENCES"), option("reference"));
    assert_eq!(right(&DRONE, "PLUGIN_IF-SIGNED_"), option("if_signed"));
    let Err(Error::Unknown { other, .. }) = resolved(&GITHUB, &[("INPUT_REQUIRE", "all")]) else {
        panic!();
    };
    assert_eq!(other, Some("verify"));
    let config = r#"{"runtime":"binary","refrence":"x"}"#;
    let config = ("BUILDKITE_PLUGIN_CONFIGURATION", config);
    assert!(resolved(&BUILDKITE[..1], &[config]).is_err());
    let twice = [("INPUT_IF-SIGNED", "keep"), ("INPUT_IF_SIGNED", "fail")];
    assert!(matches!(
        resolved(&GITHUB, &twice),
        Err(Error::DifferentValues { .. })
    ));
    for twice in [("INPUT_IF_SIGNED", "keep"), ("INPUT_IF_SIGNED", "")] {
        let both = [("INPUT_IF-SIGNED", "keep"), twice];
        assert_eq!(values(&GITHUB, &both), ["keep"]);
    }
}

#[test]
fn an_input_of_others_is_passed_over() {
    for (name, shown) in [
        ("INPUT_VERSION", "`version`"),
        ("INPUT_KEYS", "`keys` (write `key`)"),
        ("INPUT_IMAGES", "`images` (write `reference`)"),
        ("INPUT_VAULT-URL", "`vault-url` (write `vault-address`)"),
        (
            "INPUT_VAULT-TOKEN",
            "`vault-token` (write the variable VAULT_TOKEN)",
        ),
        (
            "INPUT_ROLE_TO_ASSUME",
            "`role_to_assume` (write `role-to-assume`)",
        ),
        (
            "INPUT_ROLE-CHAINING",
            "`role-chaining` (write `role-to-assume`)",
        ),
        ("INPUT_ROLE-EXTERNAL-ID", "`role-external-id`"),
        ("INPUT_DOTENV-FILE", "`dotenv-file`"),
        ("INPUT_OUTPUT", "`output`"),
        ("INPUT_Key", "`Key`"),
        ("INPUT_\u{212a}EY", "`\u{212a}EY`"),
    ] {
        let found = resolved(&GITHUB, &[(name, "x")]).unwrap();
        assert!(found.inputs.is_empty(), "{name}");
        let [warning] = &found.warnings[..] else {
            panic!("{name}: {:?}", found.warnings);
        };
        assert!(warning.ends_with(&format!(": {shown}")), "{warning}");
    }
    for silent in ["INPUT_ARGS", "INPUT_ENTRYPOINT", "PLUGIN_KEYS"] {
        let found = resolved(&GITHUB, &[(silent, "x")]).unwrap();
        assert!(
            found.inputs.is_empty() && found.warnings.is_empty(),
            "{silent}"
        );
    }
    for (host, foreign) in [
        (&[][..], "PLUGIN_REFERENCE"),
        (&[], "PLUGIN_DIGEST"),
        (&[], "INPUT_KEY"),
        (&[], "BUILDKITE_PLUGIN_CONFIGURATION"),
        (&GITHUB, "BUILDKITE_PLUGIN_CONFIGURATION"),
        (&GITHUB[..1], "INPUT_IMAGE"),
        (&BUILDKITE, "PLUGIN_KEY"),
        (&DRONE, "INPUT_IF-SINGED"),
        (&DRONE, "PLUGIN_OIDC_TOKEN_ID"),
    ] {
        assert!(
            resolved(host, &[(foreign, "x")]).unwrap().inputs.is_empty(),
            "{foreign}"
        );
    }
}

#[test]
fn a_variable_of_ours_that_is_no_option_is_refused_with_the_right_one() {
    for (name, expected) in [
        ("S3LO_IF_SINGED", option("S3LO_IF_SIGNED")),
        ("S3LO_IFSIGNED", option("S3LO_IF_SIGNED")),
        ("S3LO_IF-SIGNED", option("S3LO_IF_SIGNED")),
        ("S3LO_if_signed", option("S3LO_IF_SIGNED")),
        ("S3LO_KEYS", option("S3LO_KEY")),
        ("S3LO_KYE", None),
        ("S3LO_REQUIER", option("S3LO_REQUIRE")),
        ("S3LO_VAULT_URL", option("S3LO_VAULT_ADDRESS")),
        ("S3LO_VAULT_TOKEN", Some(Right::Variable("VAULT_TOKEN"))),
        ("S3LO_NOTHING_LIKE_IT", None),
        ("S3LO_", None),
    ] {
        for host in [&[][..], &GITHUB, &BUILDKITE, &DRONE] {
            assert_eq!(right(host, name), expected, "{name}");
        }
    }
    for name in [
        "S3LO_REQUIRE",
        "S3LO_SIGN_DIGEST",
        "S3LO_VERIFY_VERIFIED",
        "S3LO_TEST_TOOLS",
        "S3LO_GATE_CONFIG",
        "S3LO_SERVICE_HOST",
        "S3LO_SERVICE_PORT",
        "S3LO_SERVICE_PORT_HTTP",
        "S3LO_PORT",
        "S3LO_PORT_443_TCP_ADDR",
        "S3LO_GATE_SERVICE_HOST",
        "S3LO_GATE_PORT_443_TCP",
        "S3LO_GATE_PORT_443_TCP_PROTO",
    ] {
        assert!(resolved(&[], &[(name, "x")]).is_ok(), "{name}");
    }
    assert!(resolved(&[], &[("S3LO_GATE_PORT_HTTP_X", "x")]).is_err());
}

#[test]
fn what_is_there_and_empty_is_told_apart() {
    let found = resolved(&[], &[("S3LO_KEY", " \n"), ("S3LO_VERBOSE", "")]).unwrap();
    assert_eq!(found.empty, ["key", "verbose"]);
    let named = (
        "BUILDKITE_PLUGIN_CONFIGURATION",
        r#"{"environment":"S3LO_KEY"}"#,
    );
    let found = resolved(&BUILDKITE[..1], &[named, ("S3LO_KEY", "")]).unwrap();
    assert_eq!(found.empty, ["key"]);
}

#[test]
fn a_macro_that_azure_left_is_refused() {
    let azure = [("TF_BUILD", "True")];
    for (host, name, value) in [
        (&azure[..], "S3LO_KEY", "$(SIGNING_KEY)"),
        (&azure, "S3LO_PASSWORD", "$(PASSWORD)"),
        (
            &azure,
            "S3LO_REFERENCE",
            "s3://b/a:$(Build.SourceBranchNam)",
        ),
        (&[], "S3LO_KEY", "$(SIGNING_KEY)"),
        (&[], "S3LO_REFERENCE", r"$(params.reference)"),
    ] {
        let refused = resolved(host, &[(name, value)]);
        assert!(matches!(refused, Err(Error::Undefined { .. })), "{value}");
    }
    for (name, value) in [
        ("S3LO_PASSWORD", "$(PASSWORD)"),
        ("S3LO_REFERENCE", "local://a/$(b):c"),
    ] {
        assert!(resolved(&[], &[(name, value)]).is_ok(), "{value}");
    }
}

/// A variable that is not set leaves it, and with it a key that must have signed, or an image.
#[test]
fn an_empty_line_beside_others_is_refused() {
    for (host, name, value) in [
        (&GITHUB[..1], "INPUT_REFERENCE", "a\n\nb\n"),
        (&GITHUB[..1], "INPUT_REFERENCE", "a\n\n"),
        (&GITHUB[..1], "INPUT_REFERENCE", "\na"),
        (&[], "S3LO_REFERENCE", r#"["a",""]"#),
        (&DRONE, "PLUGIN_REFERENCE", "a,,b"),
        (
            &BUILDKITE[..1],
            "BUILDKITE_PLUGIN_CONFIGURATION",
            r#"{"reference":["","a"]}"#,
        ),
    ] {
        let refused = resolved(host, &[(name, value)]);
        assert!(matches!(refused, Err(Error::EmptyLine { .. })), "{value:?}");
    }
    for value in ["\n", " \n \n", ""] {
        assert!(values(&GITHUB, &[("INPUT_REFERENCE", value)]).is_empty());
    }
}

#[test]
fn a_malformed_value_is_refused() {
    assert!(resolved(&GITHUB, &[("INPUT_IF-SIGNED", "a\nb")]).is_err());
    for value in [
        "[]",
        r#"{"verbose":true,"verbose":false}"#,
        r#"{"reference":{"a":"b"}}"#,
        r#"{"reference":[["a"]]}"#,
    ] {
        let configuration = [("BUILDKITE_PLUGIN_CONFIGURATION", value)];
        assert!(
            resolved(&BUILDKITE[..1], &configuration).is_err(),
            "{value}"
        );
    }
    let both = [("S3LO_ROLE_TO_ASSUME", "a"), ("S3LO_ROLE_ARN", "a")];
    assert!(matches!(resolved(&[], &both), Err(Error::TwoNames { .. })));
}
