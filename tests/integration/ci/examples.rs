//! The examples of docs/ci-systems.md: the commands of each run with the environment that its system gives, with servers on
//! loopback in the place of AWS; and a mistake in one is one error, after which nothing is signed, replaced or deleted.

mod containers;
mod forges;
mod host;
mod scripts;

use std::collections::BTreeSet;

use yaml_serde::Value;

use self::host::Host;
pub(crate) use self::scripts::SHA256;
use crate::cli::documentation::{blocks, text};
use crate::examples::repositories::example;
use crate::support::program::Run;

/// A way in which a system runs an example of its section, or a file of `examples/`.
struct System {
    section: &'static str,
    language: &'static str,
    /// Which of the section's blocks of that language.
    block: usize,
    /// The file, where it is none of those blocks.
    file: Option<&'static str>,
    run: fn(&mut Host, &str) -> Run,
}

const fn system(section: &'static str, run: fn(&mut Host, &str) -> Run) -> System {
    System {
        section,
        language: "yaml",
        block: 0,
        file: None,
        run,
    }
}

const fn in_file(file: &'static str, system: System) -> System {
    System {
        file: Some(file),
        ..system
    }
}

const fn of(language: &'static str, block: usize, system: System) -> System {
    System {
        language,
        block,
        ..system
    }
}

const SYSTEMS: [System; 17] = [
    system("CircleCI", scripts::circleci),
    system("Bitbucket Pipelines", scripts::bitbucket),
    system("Azure Pipelines", scripts::azure),
    system("Tekton", containers::tekton),
    system("Woodpecker and Drone", containers::woodpecker),
    of("groovy", 0, system("Jenkins", scripts::jenkins)),
    of("kotlin", 0, system("TeamCity", scripts::teamcity)),
    system("AWS CodeBuild", scripts::codebuild),
    of("yaml", 1, system("AWS CodeBuild", scripts::codebuild)),
    system("Google Cloud Build", containers::cloud_build),
    system("Forgejo and Gitea", forges::forgejo),
    system("A Kubernetes Job", containers::job_of_irsa),
    system("A Kubernetes Job", containers::job_of_pod_identity),
    system("Buildkite in Kubernetes", scripts::buildkite),
    in_file(JOB, system("A Kubernetes Job", containers::job_of_irsa)),
    in_file(
        JOB,
        system("A Kubernetes Job", containers::job_of_pod_identity),
    ),
    in_file(
        "codebuild/buildspec.yml",
        system("AWS CodeBuild", scripts::codebuild),
    ),
];

const JOB: &str = "kubernetes/job.yml";

impl System {
    fn example(&self) -> String {
        if let Some(file) = self.file {
            return example(file);
        }
        let blocks = blocks(&section(self.section), self.language);
        blocks[self.block].clone()
    }

    fn name(&self) -> String {
        let block = self.block.to_string();
        format!("{} {}", self.section, self.file.unwrap_or(&block))
    }
}

/// The text of a section of the page.
fn section(name: &str) -> String {
    let page = text("docs/ci-systems.md");
    let (_, rest) = page.split_once(&format!("\n## {name}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

pub(crate) fn parsed(yaml: &str) -> Value {
    yaml_serde::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"))
}

/// A value of YAML as the text that a variable holds.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => yaml_serde::to_string(other).unwrap().trim().to_owned(),
    }
}

/// A mapping of names and values, as it is or as a list of pairs.
fn pairs(value: &Value) -> Vec<(String, String)> {
    let entries = value.as_mapping().into_iter().flatten();
    let of_map = entries.map(|(name, value)| (as_text(name), as_text(value)));
    let list = value.as_sequence().into_iter().flatten();
    let of_list = list.map(|entry| (as_text(&entry["name"]), as_text(&entry["value"])));
    of_map.chain(of_list).collect()
}

#[test]
fn every_example_does_what_it_is_for() {
    for system in &SYSTEMS {
        let (mut host, example) = (Host::new(), system.example());
        let verifies = example.contains("MIN_SCHEMA");
        if verifies {
            host.sign();
        }
        let run = (system.run)(&mut host, &example);
        let name = system.name();
        assert_eq!(run.code, Some(0), "{name}: {}{}", run.out, run.err);
        let word = if verifies { "Verified" } else { "Signed" };
        let printed = run.out + &run.err;
        assert!(printed.contains(word), "{name}: {printed}");
        let records = host.aws.records();
        let [record] = &records[..] else {
            panic!("{name}: {} records", records.len());
        };
        let record: serde_json::Value = serde_json::from_slice(record).unwrap();
        assert_eq!(record["schemaVersion"], 2, "{name}");
    }
}

#[test]
fn every_section_with_an_example_has_its_system() {
    let page = text("docs/ci-systems.md");
    let sections = page.split("\n## ").skip(1).filter_map(|section| {
        let has_example = section.contains("ghcr.io/s3lo") || section.contains("sign-action@");
        has_example.then(|| section.lines().next().unwrap().to_owned())
    });
    let known = SYSTEMS.iter().map(|system| system.section.to_owned());
    assert_eq!(
        sections.collect::<BTreeSet<_>>(),
        known.collect::<BTreeSet<_>>()
    );
}

/// A mistake in an example, if it applies there: a text in the place of another.
type Mistake = (&'static str, fn(&str) -> Option<String>);

const MISTAKES: [Mistake; 3] = [
    ("a misspelt guard", |example| {
        let mut text = example.to_owned();
        for (from, to) in [
            ("SCHEMA_VERSION", "SCHEMA_VERSOIN"),
            ("schema_version", "schema_versoin"),
            ("schema-version", "schema-versoin"),
            ("MIN_SCHEMA", "MIN_SHCEMA"),
        ] {
            text = text.replace(from, to);
        }
        Some(text)
    }),
    ("an empty key", |example| {
        let text = example
            .replace("awskms:///alias/release-signer", "''")
            .replace("release-signer.pub", "''")
            .replace("'''", "'")
            .replace("\"''\"", "\"\"");
        Some(text)
    }),
    ("a value that means nothing", |example| {
        let at = ["SCHEMA_VERSION", "schema_version", "schema-version"]
            .iter()
            .filter_map(|name| example.find(name))
            .min()
            .or_else(|| example.find("MIN_SCHEMA"))?;
        let (head, tail) = example.split_at(at);
        // An example may hand the variable in by its name before it sets it.
        let at = tail.find(['2'])?;
        Some(format!("{head}{}3{}", &tail[..at], &tail[at + 1..]))
    }),
];

#[test]
fn a_mistake_is_one_error_after_which_nothing_is_done() {
    for system in &SYSTEMS {
        for (what, mistake) in MISTAKES {
            let (mut host, example) = (Host::new(), system.example());
            let wrong = mistake(&example).unwrap();
            assert_ne!(wrong, example);
            // What a user has where results would go.
            for file in ["s3lo.env", "s3lo.json"] {
                host.aws.sandbox.write(file, "of the user\n");
            }
            let run = (system.run)(&mut host, &wrong);
            let what = format!("{}: {what}", system.name());
            let printed = format!("{}{}", run.out, run.err);
            assert_ne!(run.code, Some(0), "{what}: {printed}");
            for part in ["error[", "help: "] {
                let lines = printed.lines().map(str::trim_start);
                let lines = lines.filter(|line| line.starts_with(part));
                assert_eq!(lines.count(), 1, "{what}: {printed}");
            }
            assert!(host.aws.records().is_empty(), "{what}");
            assert_eq!(host.aws.count("Sign"), 0, "{what}");
            for file in ["s3lo.env", "s3lo.json"] {
                let text = std::fs::read_to_string(host.aws.sandbox.file(file)).unwrap();
                assert_eq!(text, "of the user\n", "{what}");
            }
        }
    }
}

/// A variable of a pipeline is one that a build exports.
#[test]
fn the_variable_of_the_pipeline_is_one_that_the_build_exports() {
    let builds = blocks(&section("AWS CodeBuild"), "yaml");
    let exported = parsed(&builds[0])["env"]["exported-variables"].clone();
    let exported: Vec<_> = exported
        .as_sequence()
        .unwrap()
        .iter()
        .map(as_text)
        .collect();
    let [pipeline] = &blocks(&section("AWS CodePipeline"), "yaml")[..] else {
        panic!("one pipeline");
    };
    let pipeline = parsed(pipeline);
    let stages = pipeline["Stages"].as_sequence().unwrap();
    let namespace = &stages[0]["Actions"][0]["Namespace"];
    let handed = &stages[1]["Actions"][0]["Configuration"]["EnvironmentVariables"];
    let handed: serde_json::Value = serde_json::from_str(handed.as_str().unwrap()).unwrap();
    let expected = format!("#{{{}.{}}}", as_text(namespace), exported[0]);
    assert_eq!(handed[0]["value"], expected);
}

/// The container knows nothing of the build, and the help is for jobs all the same.
#[test]
fn a_container_without_the_credentials_of_its_build_is_told_how_to_get_them() {
    let example = &blocks(&section("AWS CodeBuild"), "yaml")[0];
    let handed = "-e AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    let without = example.replace(handed, "");
    assert_ne!(*example, without);
    let run = scripts::codebuild(&mut Host::new(), &without);
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("error[no_credentials]"), "{}", run.err);
    assert!(
        run.err.contains(&format!("docker run {handed}")),
        "{}",
        run.err
    );
    assert!(!run.err.contains("aws sso login"), "{}", run.err);
}

#[test]
fn a_program_of_another_checksum_is_not_run() {
    let example = &blocks(&section("AWS CodeBuild"), "yaml")[1];
    let other = example.replace(SHA256, &"0".repeat(64));
    assert_ne!(*example, other);
    let mut host = Host::new();
    host.sign();
    let run = scripts::codebuild(&mut host, &other);
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    assert!(!run.out.contains("erified"), "{}", run.out);
}

#[test]
fn a_build_of_another_digest_is_neither_signed_nor_deployed() {
    let example = example("codebuild/buildspec.yml");
    let (before, rest) = example.split_once("digest=$(").unwrap();
    let (_, after) = rest.split_once(')').unwrap();
    let other = format!("{before}digest=sha256:{}{after}", "0".repeat(64));
    let mut host = Host::new();
    let run = scripts::codebuild(&mut host, &other);
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    assert!(run.err.contains("error[digest_mismatch]"), "{}", run.err);
    assert!(host.aws.records().is_empty());
}

/// Only bash reads BASH_ENV.
#[test]
fn later_steps_of_an_image_with_bash_have_the_outputs() {
    let mut host = Host::new();
    let example = &blocks(&section("CircleCI"), "yaml")[0];
    let run = scripts::circleci(&mut host, example);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let [line] = &blocks(&section("CircleCI"), "sh")[..] else {
        panic!("one command");
    };
    let environment = host.aws.sandbox.file("bash.env");
    host.set("BASH_ENV", environment.to_str().unwrap());
    assert_eq!(host.sh("bash", line).code, Some(0));
    let later = host.sh("bash", "sh -c 'echo \"$S3LO_SIGN_DIGEST\"'");
    assert!(later.out.starts_with("sha256:"), "{}", later.out);
}

/// The statement for Google's accounts is the one that the program proposes.
#[test]
fn the_trust_policy_for_google_is_the_one_that_a_refusal_prints() {
    let mut host = Host::new();
    let [policy] = &blocks(&section("Google Cloud Build"), "json")[..] else {
        panic!("one policy");
    };
    let policy: serde_json::Value = serde_json::from_str(policy).unwrap();
    let token = host.issuer(
        containers::GOOGLE,
        "sts.amazonaws.com",
        "104000000000000000000",
    );
    host.forget_role();
    host.set("TOKEN", &token);
    let line = "ci sign s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer --region us-east-1 \
                --role-arn arn:aws:iam::111122223333:role/signer --web-identity-token-env TOKEN";
    let refused = host.aws.s3lo(line).ends_with(2);
    let printed = crate::support::program::statements(&refused.err);
    assert_eq!(printed, [policy["Statement"][0].clone()]);
}
