//! Both images in containers, started as CI systems start them.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::docker::{REVISION, SCRATCH, SHELL, built, engine};
use crate::support::github_runner::{Runner, Step};
use crate::support::program::finish;
use crate::support::tools::release_program;

const VERSION: &str = concat!("s3lo ", env!("CARGO_PKG_VERSION"), "\n");

/// A machine whose docker has no plug-in `buildx` builds so, and so does a runner there, for an action at a commit.
#[test]
fn the_classic_builder_makes_both_images_of_the_dockerfile() {
    let log = built();
    for image in [SCRATCH, SHELL] {
        assert!(
            log.contains(&format!("\nSuccessfully tagged {image}\n")),
            "{log}"
        );
        let inspected = engine().docker(&["image", "inspect", image]).ends_with(0);
        let config = &inspected.json()[0]["Config"];
        let (entrypoint, command) = match image {
            SHELL => (Value::Null, "sh"),
            _ => (json!(["/usr/local/bin/s3lo"]), "ci"),
        };
        assert_eq!(config["Entrypoint"], entrypoint);
        assert_eq!(config["Cmd"], json!([command]));
        assert_eq!(
            config["Labels"]["org.opencontainers.image.revision"],
            REVISION
        );
        for nothing in ["User", "WorkingDir"] {
            assert_eq!(config[nothing], "");
        }
        let container = engine().docker(&["create", image]).ends_with(0).out;
        let container = container.trim_end();
        let folder = tempfile::TempDir::new().unwrap();
        for (from, to) in [
            ("usr/local/bin/s3lo", "s3lo"),
            ("etc/ssl/certs/ca-certificates.crt", "certificates"),
        ] {
            let to = folder.path().join(to);
            engine()
                .docker(&["cp", &format!("{container}:/{from}"), to.to_str().unwrap()])
                .ends_with(0);
        }
        let read = |path: &Path| std::fs::read(path).unwrap();
        assert!(read(&folder.path().join("s3lo")) == read(&release_program()));
        let certificates = read(&folder.path().join("certificates"));
        assert!(pem::parse_many(&certificates).unwrap().len() > 100);
        engine().docker(&["rm", container]).ends_with(0);
    }
}

#[test]
fn the_image_without_a_shell_is_the_program() {
    built();
    let run = engine().docker(&["run", "--rm", SCRATCH, "-V"]);
    assert_eq!(run.ends_with(0).out, VERSION);
    // `ci`, without a CI system.
    let run = engine().docker(&["run", "--rm", SCRATCH]).ends_with(2);
    assert!(run.err.contains("`S3LO_REFERENCE`"), "{}", run.err);
}

#[test]
fn the_image_with_a_shell_starts_what_it_is_given() {
    built();
    let script = ["run", "--rm", SHELL, "sh", "-c", "s3lo -V"];
    assert_eq!(engine().docker(&script).ends_with(0).out, VERSION);
    // GitLab's runner pipes the script into a shell.
    let mut piped = engine().client(&["run", "--rm", "-i", SHELL, "sh"]);
    let mut piped = piped.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = piped.stdin.take().unwrap();
    stdin.write_all(b"s3lo -V\n").unwrap();
    drop(stdin);
    assert_eq!(finish(piped).ends_with(0).out, VERSION);
}

/// As the plug-in docker-workflow of Jenkins does: it starts `cat`, looks whether that is what runs, and runs the steps
/// beside it. <https://github.com/jenkinsci/docker-workflow-plugin/blob/master/src/main/java/org/jenkinsci/plugins/docker/workflow/WithContainerStep.java>
#[test]
fn a_step_of_jenkins_runs_in_the_image_with_a_shell() {
    built();
    let started = engine().docker(&["run", "-t", "-d", "-u", "0:0", "-w", "/tmp", SHELL, "cat"]);
    let container = started.ends_with(0).out;
    let container = container.trim_end();
    let format = "{{.Path}} {{.State.Running}}";
    let runs = engine().docker(&["inspect", "--format", format, container]);
    assert_eq!(runs.ends_with(0).out, "cat true\n");
    let step = engine().docker(&["exec", container, "sh", "-c", "s3lo -V"]);
    assert_eq!(step.ends_with(0).out, VERSION);
    engine().docker(&["rm", "--force", container]).ends_with(0);
}

/// Runs a step as the runner does, by `docker run`: names of variables on the command line, their values in the client's
/// environment. <https://github.com/actions/runner/blob/main/src/Runner.Worker/Container/DockerCommandManager.cs>
fn run(step: &Runner, image: &str, entrypoint: Option<&str>) -> Step {
    built();
    step.run_in(|folder, arguments, variables| {
        let name = format!(
            "step-{}",
            folder
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .replace('.', "")
        );
        let mut words = vec!["run", "--name", &name, "--label", "9f8e7d"];
        words.extend(["--workdir", "/github/workspace", "--rm"]);
        for (variable, _) in variables {
            words.extend(["-e", variable]);
        }
        if let Some(program) = entrypoint {
            words.extend(["--entrypoint", program]);
        }
        let socket = engine().socket();
        let mut volumes = vec![(socket, "/var/run/docker.sock".to_owned())];
        for name in [
            "runner_temp",
            "home",
            "workflow",
            "file_commands",
            "workspace",
        ] {
            volumes.push((folder.join(name), format!("/github/{name}")));
        }
        let volumes = volumes.iter();
        let volumes: Vec<_> = volumes
            .map(|(here, there)| format!("{}:{there}", here.display()))
            .collect();
        for volume in &volumes {
            words.extend(["-v", volume]);
        }
        words.push(image);
        words.extend(arguments.iter().map(String::as_str));
        let mut client = engine().client(&words);
        client.envs(variables.iter().cloned()).spawn().unwrap()
    })
}

fn step(action: &str, key: &str) -> Runner {
    let step = Runner::new(action).with_image();
    step.with("reference", "local://./store/myapp:v1.0")
        .with("key", key)
}

#[test]
fn the_runner_signs_and_verifies_in_both_images() {
    let program = Some("/usr/local/bin/s3lo");
    // The image with a shell has no entry point: there the action has to name it.
    for (image, entrypoint) in [(SCRATCH, None), (SCRATCH, program), (SHELL, program)] {
        let sign = step("action.yml", "keys/cosign.key")
            .with("password", "secret")
            .with("schema-version", "2");
        let signed = run(&sign, image, entrypoint).ends_with(0);
        let digest = signed.output("digest").unwrap();
        let record = format!("signatures/{}.json", signed.output("keyID").unwrap());
        assert!(
            sign.file("store/manifests/myapp/v1.0")
                .join(record)
                .is_file()
        );
        assert_eq!(signed.results()[0]["status"], "signed");
        assert!(signed.summary.starts_with("### "), "{}", signed.summary);
        assert!(!signed.shown().contains("secret"), "{}", signed.shown());

        let verify = sign
            .then_uses("verify/action.yml")
            .with("reference", "local://./store/myapp:v1.0")
            .with("key", "keys/cosign.pub")
            .with("min-schema", "2");
        let verified = run(&verify, image, entrypoint).ends_with(0);
        assert_eq!(verified.output("verified"), Some("true"));
        assert_eq!(verified.output("digest"), Some(digest));

        let another = verify.with("key", "keys/p384.pub");
        let refused = run(&another, image, entrypoint).ends_with(1);
        assert_eq!(refused.output("verified"), Some("false"));
    }
}
