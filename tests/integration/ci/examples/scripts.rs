//! Systems that run the commands of a script.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use yaml_serde::Value;

use super::containers::irsa;
use super::host::Host;
use super::{as_text, pairs, parsed};
use crate::support::gitlab::team::DIGEST;
use crate::support::program::Run;

const SHELL_IMAGE: &str = "ghcr.io/s3lo/sign-action:1-shell";

fn lines(value: &Value) -> Vec<String> {
    value.as_sequence().unwrap().iter().map(as_text).collect()
}

/// <https://circleci.com/docs/openid-connect-tokens/>
pub(crate) fn circleci(host: &mut Host, yaml: &str) -> Run {
    let config = parsed(yaml);
    let job = &config["jobs"]["sign"];
    assert_eq!(job["docker"][0]["image"], SHELL_IMAGE);
    host.set_all(&pairs(&job["environment"]));
    host.set("CIRCLECI", "true");
    let used = &config["workflows"]["release"]["jobs"][0]["sign"];
    if !used["context"].is_null() {
        let (issuer, subject) = (
            "https://oidc.circleci.com/org/ORG",
            "org/ORG/project/P/user/U",
        );
        let token = host.issuer(issuer, "ORG", subject);
        host.set("CIRCLE_OIDC_TOKEN_V2", &token);
    }
    let steps = job["steps"].as_sequence().unwrap().iter();
    let scripts: Vec<_> = steps.map(|step| as_text(&step["run"])).collect();
    let run = host.each("sh", &scripts);
    assert!(
        run.code != Some(0) || run.out.contains("signed sha256:"),
        "{}",
        run.out
    );
    run
}

/// <https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/>
pub(crate) fn bitbucket(host: &mut Host, yaml: &str) -> Run {
    let step = &parsed(yaml)["pipelines"]["tags"]["v*"][0]["step"];
    assert_eq!(step["image"], SHELL_IMAGE);
    host.set("BITBUCKET_BUILD_NUMBER", "7");
    if step["oidc"] == true {
        let issuer = "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc";
        let audience = "ari:cloud:bitbucket::workspace/w";
        let token = host.issuer(issuer, audience, "{r}:{s}");
        host.set("BITBUCKET_STEP_OIDC_TOKEN", &token);
    }
    let run = host.each("sh", &[lines(&step["script"]).join("\n")]);
    for artifact in lines(&step["artifacts"]) {
        assert!(host.aws.sandbox.file(&artifact).exists(), "{artifact}");
    }
    run
}

/// <https://learn.microsoft.com/azure/devops/pipelines/process/variables>: macros are replaced in a script and in `env`.
pub(crate) fn azure(host: &mut Host, yaml: &str) -> Run {
    let temporary = host.aws.sandbox.file("temp").display().to_string();
    std::fs::create_dir(&temporary).unwrap();
    host.set("TF_BUILD", "True");
    host.set("AGENT_TEMPDIRECTORY", &temporary);
    let mut macros = host.secrets();
    macros.push(("Agent.TempDirectory".to_owned(), temporary));
    let mut all = Run {
        code: Some(0),
        out: String::new(),
        err: String::new(),
    };
    for step in parsed(yaml)["steps"].as_sequence().unwrap() {
        let replaced = |text: &str| {
            macros.iter().fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("$({name})"), value)
            })
        };
        let env = pairs(&step["env"]).into_iter();
        let env: Vec<_> = env.map(|(name, value)| (name, replaced(&value))).collect();
        host.set_all(&env);
        let run = host.sh("bash", &replaced(step["script"].as_str().unwrap()));
        let outputs = run.out.lines().filter_map(|line| {
            let line = line.strip_prefix("##vso[task.setvariable variable=")?;
            line.split_once(";isOutput=true]")
        });
        let step = as_text(&step["name"]);
        let named = outputs.map(|(name, value)| (format!("{step}.{name}"), value.to_owned()));
        macros.extend(named.collect::<Vec<_>>());
        all.out += &run.out;
        all.err += &run.err;
        all.code = run.code;
        if run.code != Some(0) {
            return all;
        }
    }
    assert!(all.out.contains("signed sha256:"), "{}", all.out);
    all
}

/// The value between quotes in a line of Groovy or Kotlin.
fn quoted(text: &str, quote: char) -> &str {
    text.split(quote).nth(1).unwrap()
}

/// <https://plugins.jenkins.io/oidc-provider/>
pub(crate) fn jenkins(host: &mut Host, groovy: &str) -> Run {
    assert!(groovy.contains(&format!("docker {{ image '{SHELL_IMAGE}' }}")));
    host.set("JENKINS_URL", "https://jenkins.example/");
    let (_, environment) = groovy.split_once("environment {").unwrap();
    let (environment, _) = environment.split_once('}').unwrap();
    for line in environment.lines().filter(|line| line.contains('=')) {
        let (name, value) = line.split_once('=').unwrap();
        let value = match value.contains("credentials(") {
            false => quoted(value, '\'').to_owned(),
            true => host.issuer("https://jenkins.example/oidc", "sts.amazonaws.com", "job"),
        };
        host.set(name.trim(), &value);
    }
    let (_, steps) = groovy.split_once("steps { sh ").unwrap();
    host.each("sh", &[quoted(steps, '\'').to_owned()])
}

/// <https://www.jetbrains.com/help/teamcity/aws-credentials.html>
pub(crate) fn teamcity(host: &mut Host, kotlin: &str) -> Run {
    assert!(kotlin.contains(&format!("dockerImage = \"{SHELL_IMAGE}\"")));
    host.set("TEAMCITY_VERSION", "2026.1");
    for line in kotlin
        .lines()
        .filter_map(|line| line.trim().strip_prefix("param("))
    {
        let (name, value) = line.split_once(", ").unwrap();
        let name = quoted(name, '"').strip_prefix("env.").unwrap();
        host.set(name, quoted(value, '"'));
    }
    if kotlin.contains("provideAwsCredentials {") {
        let mut file = "[default]\n".to_owned();
        for (name, value) in host.secrets() {
            writeln!(file, "{} = {value}", name.to_lowercase()).unwrap();
        }
        host.aws.sandbox.write("credentials", file);
        let path = host.aws.sandbox.file("credentials").display().to_string();
        host.set("AWS_SHARED_CREDENTIALS_FILE", &path);
    }
    let (_, script) = kotlin.split_once("scriptContent = \"\"\"").unwrap();
    let (script, _) = script.split_once("\"\"\"").unwrap();
    let script = script.replace("${'$'}", "$");
    assert!(script.trim_start().starts_with("set -e\n"), "{script}");
    let run = host.each("sh", &[script]);
    let parameter = "##teamcity[setParameter name='digest' value='sha256:";
    let messages = run.out.matches("##teamcity[").count();
    let expected = usize::from(run.code == Some(0));
    assert_eq!(messages, expected, "{}", run.out);
    assert_eq!(run.out.matches(parameter).count(), expected, "{}", run.out);
    run
}

/// What stands for a checksum in an example.
pub(crate) const SHA256: &str = "that of s3lo-linux-amd64 in the SHA256SUMS of the release";

/// The commands of a build run in one shell, until one fails.
/// <https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html>
pub(crate) fn codebuild(host: &mut Host, yaml: &str) -> Run {
    let build = parsed(yaml);
    assert_eq!(build["version"], 0.2);
    // What the service's address stands for: the build's own process gets there by the address that is in its place.
    let service = host.credentials_service("/v2/credentials/build", None);
    host.set("CREDENTIALS_SERVICE", &service);
    let relative = "/v2/credentials/build";
    host.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", relative);
    host.set("CODEBUILD_BUILD_ID", "sign:b1e6661e");
    host.set("CODEBUILD_RESOLVED_SOURCE_VERSION", "v1.0");
    host.set("AWS_REGION", "us-east-1");
    let program = std::fs::read(env!("CARGO_BIN_EXE_s3lo")).unwrap();
    let sum = Sha256::digest(program)
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    for (name, value) in pairs(&build["env"]["variables"]) {
        host.set(&name, &value.replace(SHA256, &sum));
    }
    let url = "https://github.com/s3lo/sign-action/releases/download/v1.2.3/s3lo-linux-amd64";
    let curl = format!(
        "#!/bin/sh\n[ \"$*\" = '-fsSLO {url}' ] && cp '{}' s3lo-linux-amd64\n",
        env!("CARGO_BIN_EXE_s3lo")
    );
    host.aws.sandbox.write_program("bin/curl", &curl);
    host.aws
        .sandbox
        .write_program("deploy", "#!/bin/sh\necho \"deployed $1\"\n");
    let build_and_push = format!("#!/bin/sh\necho {DIGEST}\n");
    host.aws
        .sandbox
        .write_program("build-and-push", &build_and_push);
    let mut script = String::new();
    for phase in ["install", "pre_build", "build"] {
        let commands = &build["phases"][phase]["commands"];
        for command in commands.as_sequence().into_iter().flatten() {
            let command = as_text(command);
            // Without a container the SDK asks at the address itself.
            let here = match command.starts_with("docker ") {
                true => String::new(),
                false => format!(
                    "export AWS_CONTAINER_CREDENTIALS_FULL_URI={service}{relative}\nunset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI\n"
                ),
            };
            writeln!(script, "{here}{{ {command}\n}} || exit $?").unwrap();
        }
    }
    let exported = &build["env"]["exported-variables"];
    for name in exported.as_sequence().into_iter().flatten() {
        let name = as_text(name);
        writeln!(
            script,
            "sh -c 'case ${name} in sha256:*) ;; *) exit 7 ;; esac'"
        )
        .unwrap();
    }
    let run = host.each("sh", &[script]);
    let deploys = yaml.contains("./deploy");
    let deployed = run.out.contains("deployed sha256:");
    assert_eq!(deployed, deploys && run.code == Some(0), "{}", run.out);
    run
}

/// A pod of agent-stack-k8s, whose service account has a role.
pub(crate) fn buildkite(host: &mut Host, yaml: &str) -> Run {
    let step = &parsed(yaml)["steps"][0];
    assert_eq!(step["image"], SHELL_IMAGE);
    host.set("BUILDKITE", "true");
    let of_pod = irsa(host);
    host.set_all(&of_pod);
    host.set_all(&pairs(&step["env"]));
    host.each("sh", &[as_text(&step["command"])])
}
