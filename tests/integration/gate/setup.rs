//! The ways to set up a node: the page's commands and settings, and the DaemonSet.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize as _;
use yaml_serde::Value;

use super::check::Node;
use super::{POLICY, ask, digest, line, sign};
use crate::cli::documentation::{blocks, root, text};
use crate::support::MANIFEST;
use crate::support::program::{Run, Sandbox, finish};
use crate::support::tools::tool;

const PAGE: &str = "docs/node-gate.md";

/// A sandbox in which the program is on PATH.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    super::prepare(&sandbox);
    let bin = sandbox.file("bin");
    // This machine may have another one.
    sandbox.write_program("bin/containerd", "#!/bin/sh\necho containerd x v2.1.4\n");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_s3lo"), bin.join("s3lo")).unwrap();
    sandbox.set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
    sandbox
}

fn sh(sandbox: &Sandbox, script: &str) -> Run {
    let mut command = sandbox.in_sandbox(Command::new("sh"));
    finish(command.args(["-euc", script]).spawn().unwrap())
}

/// The commands of the page, on a node that is a folder.
#[test]
fn the_commands_of_the_page_make_a_node_that_is_ready() {
    let sandbox = sandbox();
    fs::copy(env!("CARGO_BIN_EXE_s3lo"), sandbox.file("s3lo")).unwrap();
    sandbox.write("policy.toml", POLICY.replace("ci.pub", "keys/cosign.pub"));
    let node = sandbox.path().to_str().unwrap();
    sandbox.write(
        "etc/containerd/config.toml",
        format!("[plugins.'io.containerd.image-verifier.v1.bindir']\nbin_dir = \"{node}/opt/containerd/image-verifier/bin\"\n"),
    );
    // The policy names its key by a path.
    fs::create_dir_all(sandbox.file("etc/s3lo")).unwrap();
    crate::support::copy(&sandbox.file("keys"), &sandbox.file("etc/s3lo/keys"));
    let script = blocks(&text(PAGE), "sh").concat();
    assert!(script.lines().count() <= 14, "{script}");
    let script = script
        .replace("/etc/", &format!("{node}/etc/"))
        .replace("/opt/", &format!("{node}/opt/"))
        .replace(
            "gate check",
            "gate check --config etc/containerd/config.toml --gate-config etc/s3lo/gate.toml",
        );
    let run = sh(&sandbox, &script).ends_with(0);
    assert!(run.out.contains("Ready: "), "{}", run.out);
    // A second time, as an update does it.
    sh(&sandbox, &script).ends_with(0);
}

#[test]
fn the_settings_of_the_page_are_taken() {
    let page = text(PAGE);
    let sandbox = sandbox().with("S3LO_GATE_CONFIG", "gate.toml");
    let mut taken = 0;
    for block in blocks(&page, "toml") {
        let table: toml::Table = toml::from_str(&block).unwrap();
        if !table.contains_key("hosts") {
            assert_eq!(table.keys().collect::<Vec<_>>(), ["required_plugins"]);
            continue;
        }
        sandbox.write("gate.toml", &block);
        let run = ask(&sandbox, "other.example/app:v1", &digest(MANIFEST)).ends_with(1);
        assert!(
            line(&run).starts_with("refused[other_image]"),
            "{}",
            run.out
        );
        taken += 1;
    }
    assert_eq!(taken, 1);
}

#[test]
fn the_page_names_each_setting_and_the_lines_that_are_printed_for_eks() {
    let page = text(PAGE);
    let node = Node::new();
    let certs = node.0.file("certs.d");
    node.0.write(
        "certs.d/registry.example_5000_/hosts.toml",
        "server = \"http://10.0.0.5\"",
    );
    let verifiers = format!(
        "[plugins.'io.containerd.image-verifier.v1.bindir']\nbin_dir = \"{}\"\n",
        node.0.file("verifiers").display()
    );
    let eks = include_str!("configs/eks.toml");
    node.config("config.toml", &format!("{eks}\n{verifiers}"));
    let report = node.report(1);
    let lines = report["nodeConfig"].as_str().unwrap();
    let lines = lines.replace(certs.to_str().unwrap(), "/etc/containerd/certs.d");
    assert_eq!(blocks(&page, "yaml"), [lines]);
    for setting in [
        "use_local_image_pull",
        "discard_unpacked_layers",
        "image_pull_with_sync_fs",
        "disable_snapshot_annotations",
        "max_concurrent_downloads",
        "registry.mirrors",
        "registry.configs",
        "registry.auths",
    ] {
        assert!(page.contains(&format!("`{setting}`")), "{setting}");
    }
}

fn daemon_set() -> Vec<Value> {
    let text = text("examples/kubernetes/node-gate.yaml");
    let public =
        fs::read_to_string(root().join("tests/vectors/plain-keys/p256-pkcs8.pub")).unwrap();
    let key: Vec<_> = public
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let text = text
        .replace("<NAMESPACE>", "kube-system")
        .replace("<HOST>", "registry.example:5000")
        .replace("<BUCKET>", "my-bucket")
        .replace("<REGION>", "eu-central-1")
        .replace("<PUBLIC-KEY>", &key.join("\n    "))
        .replace("<VERSION>", "1.2.3")
        .replace("<IMAGE-DIGEST>", &digest(MANIFEST));
    assert!(!text.contains('<'), "{text}");
    let documents = yaml_serde::Deserializer::from_str(&text);
    documents
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// Every file of a folder: its name, its contents and its mode.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>, u32)> {
    let names = crate::support::files(folder).into_iter();
    let files = names.map(|name| {
        let path = folder.join(&name);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        (name, fs::read(&path).unwrap(), mode)
    });
    files.collect()
}

#[test]
fn the_daemon_set_installs_a_gate_that_decides() {
    let [settings, _] = &daemon_set()[..] else {
        panic!();
    };
    let sandbox = sandbox();
    for (name, contents) in settings["data"].as_mapping().unwrap() {
        let name = format!("settings/{}", name.as_str().unwrap());
        sandbox.write(&name, contents.as_str().unwrap());
    }
    let at = |name: &str| sandbox.file(name).display().to_string();
    let script = settings["data"]["install"].as_str().unwrap();
    let shellcheck = Command::new(tool("shellcheck"))
        .args(["--shell=busybox", "--severity=style"])
        .arg(at("settings/install"))
        .output()
        .unwrap();
    assert!(shellcheck.status.success(), "{shellcheck:?}");
    let script = script
        .replace("/settings", &at("settings"))
        .replace("/node", &at("node"));
    fs::create_dir_all(sandbox.file("node/etc")).unwrap();
    fs::create_dir_all(sandbox.file("node/image-verifier")).unwrap();
    let run = sh(&sandbox, &script).ends_with(0);
    let installed = snapshot(&sandbox.file("node"));
    let names: Vec<_> = installed
        .iter()
        .map(|(name, _, mode)| (name.as_str(), *mode))
        .collect();
    assert_eq!(
        names,
        [
            ("etc/gate.toml", 0o644),
            ("etc/policy.toml", 0o644),
            ("image-verifier/bin/s3lo", 0o755)
        ],
        "{}",
        run.err
    );
    // Again, as at a restart.
    sh(&sandbox, &script).ends_with(0);
    assert!(snapshot(&sandbox.file("node")) == installed);
    // What has a mistake stays where it is.
    for (name, mistake) in [
        ("policy.toml", "version = 1"),
        ("gate.toml", "policy = \"policy.toml\""),
    ] {
        let good = fs::read_to_string(sandbox.file(&format!("settings/{name}"))).unwrap();
        sandbox.write(&format!("settings/{name}"), mistake);
        let run = sh(&sandbox, &script);
        assert_ne!(run.code, Some(0), "{name}");
        assert!(snapshot(&sandbox.file("node")) == installed, "{name}");
        sandbox.write(&format!("settings/{name}"), good);
    }
    // Files and program as containerd runs them, with a directory for a bucket.
    let gate = fs::read_to_string(sandbox.file("node/etc/gate.toml")).unwrap();
    sandbox.write(
        "node/etc/gate.toml",
        gate.replace("bucket = \"my-bucket\"", "store = \"local://./store\""),
    );
    let policy = fs::read_to_string(sandbox.file("node/etc/policy.toml")).unwrap();
    sandbox.write(
        "node/etc/policy.toml",
        policy.replace("s3://my-bucket", "local://./store"),
    );
    sandbox.push("myapp", "v1.0", MANIFEST);
    sandbox.push("myapp", "v1.1", MANIFEST);
    sign(&sandbox, "myapp:v1.0");
    let sandbox = sandbox.with("S3LO_GATE_CONFIG", "node/etc/gate.toml");
    for (tag, code) in [("v1.0", 0), ("v1.1", 1)] {
        let name = format!("registry.example:5000/myapp:{tag}");
        line(&ask(&sandbox, &name, &digest(MANIFEST)).ends_with(code));
    }
}

#[test]
fn the_daemon_set_has_no_more_of_the_node_than_it_writes() {
    let [_, set] = &daemon_set()[..] else {
        panic!();
    };
    let pod = &set["spec"]["template"]["spec"];
    for field in ["hostNetwork", "hostPID", "hostIPC", "serviceAccountName"] {
        assert!(pod[field].is_null(), "{field}");
    }
    assert_eq!(pod["automountServiceAccountToken"], Value::from(false));
    let (init, main) = (&pod["initContainers"][0], &pod["containers"][0]);
    for container in [init, main] {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], Value::from(false));
        assert_eq!(context["readOnlyRootFilesystem"], Value::from(true));
        assert_eq!(context["capabilities"]["drop"][0], Value::from("ALL"));
        assert_eq!(
            context["seccompProfile"]["type"],
            Value::from("RuntimeDefault")
        );
        assert!(context["privileged"].is_null());
        let image = container["image"].as_str().unwrap();
        assert!(image.contains("-shell@sha256:"), "{image}");
        assert!(!container["resources"]["limits"]["memory"].is_null());
    }
    assert!(main["volumeMounts"].is_null());
    let volumes = pod["volumes"].as_sequence().unwrap().iter();
    let paths = volumes.filter_map(|volume| volume["hostPath"]["path"].as_str());
    assert_eq!(
        paths.collect::<Vec<_>>(),
        ["/etc/s3lo", "/opt/containerd/image-verifier"]
    );
    // The program that stays ends at once.
    let command: Vec<_> = main["command"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let signal = |signal: &str, to: &str| {
        let mut kill = Command::new("sh");
        kill.args(["-c", &format!("kill -{signal} {to} 2>/dev/null")]);
        kill.status().unwrap()
    };
    // Without a trap yet, it ends of the signal.
    signal("TERM", &child.id().to_string());
    child.wait().unwrap();
    // In a container nothing outlives it.
    signal("KILL", &format!("-{}", child.id()));
}
