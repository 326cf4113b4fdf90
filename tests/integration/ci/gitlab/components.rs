//! GitLab's demands on a component, beyond those that a client can show by running it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde::Deserialize as _;
use yaml_serde::{Mapping, Value};

use crate::support::gitlab::Project;
use crate::support::program::Sandbox;
use crate::support::tools::tool;

const COMPONENTS: [&str; 2] = ["sign", "verify"];

/// A component's file: its inputs, and its one job.
struct Component {
    name: &'static str,
    text: String,
    inputs: Mapping,
    /// Everything after the header.
    content: Mapping,
}

impl Component {
    fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("templates/{name}.yml"));
        let text = std::fs::read_to_string(path).unwrap();
        let documents = yaml_serde::Deserializer::from_str(&text);
        let documents: Vec<_> = documents
            .map(|document| Value::deserialize(document).unwrap())
            .collect();
        let [header, content] = &documents[..] else {
            panic!("{name}: a header and a content");
        };
        Self {
            name,
            inputs: header["spec"]["inputs"].as_mapping().unwrap().clone(),
            content: content.as_mapping().unwrap().clone(),
            text,
        }
    }

    fn all() -> [Self; 2] {
        COMPONENTS.map(Self::read)
    }

    fn job(&self) -> &Value {
        let (_, job) = self.content.iter().next().unwrap();
        job
    }

    fn input_names(&self) -> BTreeSet<String> {
        let names = self.inputs.keys();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }
}

/// Every text below a value, with where it is.
fn texts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Sequence(list) => {
            for one in list {
                texts(one, path, found);
            }
        }
        Value::Mapping(map) => {
            for (key, one) in map {
                let key = key.as_str().unwrap();
                found.push((path.to_owned(), key.to_owned()));
                texts(one, &format!("{path}/{key}"), found);
            }
        }
        _ => {}
    }
}

/// The inputs that a text names.
fn named(text: &str) -> Vec<String> {
    let parts = text.split("$[[").skip(1);
    parts
        .map(|part| {
            let block = part.split("]]").next().unwrap().trim();
            block.strip_prefix("inputs.").unwrap().to_owned()
        })
        .collect()
}

#[test]
fn a_component_is_one_job_and_nothing_for_other_jobs() {
    for component in Component::all() {
        let keys: Vec<_> = component.content.keys().collect();
        assert_eq!(keys, ["$[[ inputs.job-name ]]"], "{}", component.name);
        let default = &component.inputs["job-name"]["default"];
        assert_eq!(
            default.as_str().unwrap(),
            format!("s3lo-{}", component.name)
        );
    }
}

/// The one line of the script, as its words.
fn script(component: &Component) -> Vec<String> {
    let script = component.job()["script"].as_sequence().unwrap();
    let [line] = &script[..] else {
        panic!("{}: one line", component.name);
    };
    line.as_str()
        .unwrap()
        .split(" --")
        .map(str::to_owned)
        .collect()
}

/// Between double quotes, and held to a pattern, a type or a list by which it ends none.
#[test]
fn an_input_in_a_script_is_nothing_but_an_argument() {
    for component in Component::all() {
        let mut found = Vec::new();
        texts(component.job(), "", &mut found);
        let mut used: BTreeSet<_> = ["job-name".to_owned()].into();
        for (path, text) in found {
            let inputs = named(&text);
            let places = [
                "/stage",
                "/image",
                "/dependencies",
                "/id_tokens/GITLAB_OIDC_TOKEN/aud",
                "/script",
            ];
            let allowed = path.starts_with("/variables/") || places.contains(&path.as_str());
            assert!(inputs.is_empty() || allowed, "{path}: {text}");
            used.extend(inputs);
        }
        assert_eq!(used, component.input_names(), "{}", component.name);
        let (files, inputs) = ("dotenv-file s3lo-", script(&component));
        assert_eq!(inputs[0], format!("s3lo ci {}", component.name));
        assert_eq!(inputs[1], format!("{files}{}.env", component.name));
        assert_eq!(inputs[2], "output-file \"$CI_JOB_NAME_SLUG.json\"");
        for word in &inputs[3..] {
            let [input] = &named(word)[..] else {
                panic!("{word}");
            };
            assert_eq!(*word, format!("input \"{input}=$[[ inputs.{input} ]]\""));
            let input = &component.inputs[input.as_str()];
            let kind = input.get("type").and_then(Value::as_str);
            let typed = kind.is_some_and(|kind| ["boolean", "number"].contains(&kind));
            let held = ["options", "regex"]
                .iter()
                .any(|key| input.get(*key).is_some());
            assert!(typed || held, "{word}");
        }
    }
}

#[test]
fn every_input_is_explained_and_none_is_a_secret() {
    for component in Component::all() {
        for (name, input) in &component.inputs {
            let name = name.as_str().unwrap();
            let description = input["description"].as_str().unwrap();
            assert!(description.ends_with('.'), "{name}: {description}");
            // A policy may stand in the place of a gate's key.
            let required = name == "reference" || (name == "key" && component.name == "sign");
            assert_eq!(input.get("default").is_none(), required, "{name}");
            for secret in ["password", "secret", "token", "private"] {
                assert!(!name.contains(secret), "{name}");
            }
            for (known, _) in input.as_mapping().unwrap() {
                let known = known.as_str().unwrap();
                assert!(["default", "description", "options", "regex", "type"].contains(&known));
            }
            // GitLab refuses a default that is not among the options, and requires the type of a boolean.
            if let Some(options) = input.get("options") {
                let options = options.as_sequence().unwrap();
                assert!(options.contains(&input["default"]), "{name}");
                assert!(options.len() <= 50);
            }
            let kind = input
                .get("type")
                .map_or("string", |kind| kind.as_str().unwrap());
            let default = input.get("default");
            assert!(
                default.is_none_or(|default| match kind {
                    "number" => default.is_number(),
                    "boolean" => default.is_bool(),
                    "array" => default.is_sequence(),
                    _ => default.is_string(),
                }),
                "{name}"
            );
        }
    }
}

/// By its generation, or in a released commit by version and digest.
#[test]
fn the_image_is_that_of_the_components_own_generation() {
    for component in Component::all() {
        let image = component.inputs["image"]["default"].as_str().unwrap();
        let tag = image.strip_prefix("ghcr.io/s3lo/sign-action:").unwrap();
        let (version, pinned) = tag.split_once("-shell").unwrap();
        assert_eq!(version.split('.').next(), Some("1"), "{image}");
        let digits = pinned.strip_prefix("@sha256:").map(str::len);
        let released = version.split('.').count() == 3 && digits == Some(64);
        assert!(released || tag == "1-shell", "{image}");
    }
}

#[test]
fn the_components_word_shared_inputs_alike() {
    let [sign, verify] = Component::all();
    let shared: Vec<_> = sign
        .input_names()
        .intersection(&verify.input_names())
        .cloned()
        .collect();
    assert!(shared.len() > 15, "{shared:?}");
    let of_one = ["stage", "job-name", "reference", "key", "digest", "timeout"];
    for name in shared {
        if !of_one.contains(&name.as_str()) {
            assert_eq!(
                sign.inputs[name.as_str()],
                verify.inputs[name.as_str()],
                "{name}"
            );
        }
    }
}

/// The program takes each input, and every guard of the program is an input.
#[test]
fn every_input_in_the_script_is_an_option_of_the_program() {
    let sandbox = Sandbox::new();
    for component in Component::all() {
        let command = format!("ci {}", component.name);
        let inputs = script(&component);
        let inputs = inputs[3..].iter().map(|word| named(word)[0].clone());
        let inputs: BTreeSet<_> = inputs.collect();
        for input in &inputs {
            let run = sandbox.s3lo(&format!("{command} --input {input}= --input nonsense="));
            let message = run.ends_with(2).err;
            assert!(message.contains("the input `nonsense`"), "{message}");
        }
        let help = sandbox.s3lo(&format!("{command} --help")).ends_with(0).out;
        for guard in ["min-schema", "require", "schema-version", "if-signed"] {
            let flag = format!("--{guard}");
            assert_eq!(help.contains(&flag), inputs.contains(guard), "{guard}");
        }
    }
}

/// In GitLab a boolean is no value of a variable, and a number is.
#[test]
fn every_variable_of_a_job_is_text_or_a_number() {
    for component in Component::all() {
        for (name, value) in component.job()["variables"].as_mapping().unwrap() {
            let Some(text) = value.as_str() else {
                assert!(value.is_number(), "{name:?}");
                continue;
            };
            if let [input] = &named(text)[..] {
                let kind = component.inputs[input.as_str()].get("type");
                let alone = text.starts_with("$[[") && text.ends_with("]]");
                let is_text = kind.is_none_or(|kind| kind == "number") || !alone;
                assert!(is_text, "{name:?}");
            }
        }
    }
}

#[test]
fn a_gate_has_a_token_for_each_audience_and_none_without() {
    for component in Component::all() {
        let tokens = component.job()["id_tokens"].as_mapping().unwrap();
        let names: Vec<_> = tokens.keys().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(names, ["GITLAB_OIDC_TOKEN", "VAULT_ID_TOKEN"]);
        for (name, token) in tokens {
            assert!(!token["aud"].as_str().unwrap().is_empty(), "{name:?}");
        }
        let audience = &component.inputs["audience"]["default"];
        assert_eq!(audience, s3lo_test_servers::aws::AUDIENCE);
    }
}

/// The artifacts are the files that the program had to write, for any outcome of the job.
#[test]
fn the_artifacts_are_the_files_of_the_program() {
    for component in Component::all() {
        let (artifacts, script) = (&component.job()["artifacts"], script(&component));
        assert_eq!(artifacts["when"], "always");
        let dotenv = artifacts["reports"]["dotenv"].as_str().unwrap();
        assert_eq!(script[1], format!("dotenv-file {dotenv}"));
        let [path] = &artifacts["paths"].as_sequence().unwrap()[..] else {
            panic!("one file");
        };
        let file = format!("output-file \"{}\"", path.as_str().unwrap());
        assert_eq!(script[2], file);
    }
}

/// Whether a value matches a pattern, by the engine that GitLab has: the client passes patterns over.
fn matches(pattern: &str, text: &str) -> bool {
    let client = tool("gitlab-ci-local");
    let folder = client.parent().unwrap().parent().unwrap();
    let re2 = folder.join("gitlab-ci-local/node_modules/re2js");
    let script = "const {RE2JS} = require(process.argv[1]);
        process.exit(RE2JS.compile(process.argv[2]).matcher(process.argv[3]).find() ? 0 : 1)";
    let node = Command::new("node")
        .args(["-e", script])
        .arg(&re2)
        .args([pattern, text])
        .status();
    node.expect("node is missing: install Node 20 or later")
        .code()
        == Some(0)
}

/// Each pattern, once.
fn patterns() -> BTreeSet<String> {
    let components = Component::all();
    let inputs = components.iter().flat_map(|component| &component.inputs);
    let patterns = inputs.filter_map(|(_, input)| input.get("regex")?.as_str());
    patterns.map(str::to_owned).collect()
}

#[test]
fn the_patterns_of_inputs_are_what_re2_takes() {
    let verify = Component::read("verify");
    let pattern = verify.inputs["require"]["regex"].as_str().unwrap();
    for good in ["any", "all", "1", "2", "10"] {
        assert!(matches(pattern, good), "{good}");
    }
    for bad in ["", "0", "none", "any ", "all\nany", "-1", "$N"] {
        assert!(!matches(pattern, bad), "{bad:?}");
    }
    assert_eq!(patterns().len(), 2);
}

/// A value that GitLab lets pass is one argument in each shell that runners use, with its variables expanded once.
#[test]
fn a_value_that_a_pattern_lets_pass_is_one_argument_in_every_shell() {
    let verify = Component::read("verify");
    let pattern = verify.inputs["key"]["regex"].as_str().unwrap();
    for bad in [
        "$(touch out)",
        "`touch out`",
        "\" && touch out && \"",
        "a\\",
        "\\\"; touch out",
        "${x:-$(touch out)}",
        "${x:-a}",
        "${x@P}",
        "${x[$(touch out)]}",
        "$((1))",
        "$",
        "$$",
        "$?",
        "a$",
        "${",
        "$'a'",
        "$\"a\"",
        "\n$(touch out)",
        "a\n\"\ntouch out",
        "$[[ inputs.key ]]",
    ] {
        assert!(!matches(pattern, bad), "{bad:?}");
    }
    let folder = tempfile::TempDir::new().unwrap();
    let hostile = "$(touch out) `touch out` \"; touch out; \" $HOSTILE";
    for (good, expected) in [
        ("", ""),
        ("s3://b/a:v1", "s3://b/a:v1"),
        ("s3://b/a:$TAG@${DIGEST}", "s3://b/a:v1@sha256:00"),
        ("$HOSTILE", hostile),
        ("$MISSING", ""),
        ("a\nb\n", "a\nb\n"),
        (
            "it's; touch out | touch out & # !! ~ * ? [a] {a,b} <out >out",
            "",
        ),
        ("\u{fc}\u{1f511} %PATH% ^", ""),
        ("-n --", ""),
    ] {
        assert!(matches(pattern, good), "{good:?}");
        let expected = match expected {
            "" if !good.starts_with('$') => good,
            expected => expected,
        };
        for shell in ["sh", "bash"] {
            let line = format!("printf '%s|' --input \"key={good}\"");
            let output = Command::new(shell)
                .args(["-c", &line])
                .current_dir(folder.path())
                .envs([("HOSTILE", hostile), ("TAG", "v1"), ("DIGEST", "sha256:00")])
                .output()
                .unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(printed, format!("--input|key={expected}|"), "{shell}");
        }
    }
    assert!(!folder.path().join("out").exists());
}

/// The mirror's own pipeline: the components of its commit, run on a store of its own.
#[test]
fn the_mirror_tests_the_components_of_its_own_commit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::new("s3lo/sign-action");
    for component in Component::all() {
        project.write(
            &format!("templates/{}.yml", component.name),
            &component.text,
        );
    }
    let yaml = std::fs::read_to_string(root.join(".gitlab-ci.yml")).unwrap();
    let pipeline = project.run(&yaml).passes();
    assert!(pipeline.ran("deployed-is-what-was-signed"));
    // No tag, no release.
    assert!(!pipeline.ran("release"));
    // A tag of the mirror is a version: GitLab's catalog takes no `v`.
    let release = pipeline.job("release");
    assert_eq!(release["release"]["tag_name"], "$CI_COMMIT_TAG");
    assert_eq!(
        release["rules"][0]["if"],
        r"$CI_COMMIT_TAG =~ /^\d+\.\d+\.\d+$/"
    );
}
