//! `s3lo gate check`: each reason for which containerd does not ask the gate is found on a node that is made of files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;

use super::{GATE, node};
use crate::support::program::{Run, Sandbox};

/// A node that is ready, in a sandbox: containerd of a release, its files, and this program as verifier.
pub(crate) struct Node(pub(crate) Sandbox);

const MAIN: &str = "version = 3\nimports = [\"conf.d/*.toml\"]\n";

impl Node {
    pub(crate) fn new() -> Self {
        let mut sandbox = node();
        let program = "#!/bin/sh\n[ \"$1\" = --version ] && [ -z \"$HOME\" ] && echo containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7\n";
        let program = sandbox.write_program("path/containerd", program);
        let path = program.parent().unwrap().to_str().unwrap().to_owned();
        sandbox.set("PATH", &path);
        sandbox.set("HOME", "/home/node");
        fs::create_dir_all(sandbox.file("verifiers")).unwrap();
        symlink(env!("CARGO_BIN_EXE_s3lo"), sandbox.file("verifiers/s3lo")).unwrap();
        let node = Self(sandbox);
        node.config("config.toml", MAIN);
        node.config("conf.d/10-gate.toml", &node.paths());
        node
    }

    /// The settings that name folders of the sandbox.
    fn paths(&self) -> String {
        let at = |name: &str| self.0.file(name).display().to_string();
        format!(
            "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = \"{}\"\n\
             [plugins.'io.containerd.image-verifier.v1.bindir']\nbin_dir = \"{}\"\n",
            at("certs.d"),
            at("verifiers")
        )
    }

    /// Writes a file of containerd's.
    pub(crate) fn config(&self, name: &str, text: &str) {
        let certs = self.0.file("certs.d");
        let text = text.replace("CERTS", certs.to_str().unwrap());
        self.0.write(&format!("etc/{name}"), text);
    }

    /// Writes the file of a host.
    fn host(&self, folder: &str, text: &str) {
        self.0.write(&format!("certs.d/{folder}/hosts.toml"), text);
    }

    fn run(&self, output: &str) -> Run {
        self.0
            .s3lo(&format!("gate check --config etc/config.toml -o {output}"))
    }

    /// The report.
    #[track_caller]
    pub(crate) fn report(&self, code: i32) -> Value {
        let run = self.run("json").ends_with(code);
        assert_eq!(run.err, "");
        let report = run.json();
        assert_eq!(report["ready"], code == 0);
        report
    }

    /// The report as text, without the paths of the sandbox.
    fn text(&self, code: i32) -> String {
        let text = self.run("text").ends_with(code).out;
        let folder = self.0.path().to_str().unwrap();
        text.replace(folder, "NODE")
            .replace(env!("CARGO_BIN_EXE_s3lo"), "S3LO")
    }
}

/// The codes of a report, with the details they are about.
fn codes(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let codes = checks.filter_map(|check| check["code"].as_str());
    codes.collect()
}

#[track_caller]
fn detail<'a>(report: &'a Value, code: &str) -> &'a str {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let found = checks.find(|check| check["code"] == code);
    found.unwrap_or_else(|| panic!("no {code}: {report:#}"))["detail"]
        .as_str()
        .unwrap()
}

#[test]
fn a_node_that_is_ready() {
    let node = Node::new();
    insta::assert_snapshot!(node.text(0));
    node.report(0);
    // The same program under another name, or as another file.
    fs::remove_file(node.0.file("verifiers/s3lo")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_s3lo"), node.0.file("verifiers/gate")).unwrap();
    node.report(0);
}

/// The configuration that EKS writes.
#[test]
fn a_node_of_eks_as_it_comes() {
    let node = Node::new();
    node.host("s3.local", "server = \"http://127.0.0.1:5732\"\n");
    node.0.write(
        "gate.toml",
        GATE.replace("registry.example:5000", "s3.local"),
    );
    let eks = include_str!("configs/eks.toml");
    node.config("config.toml", eks);
    // What the default directory of verifiers has is not known here.
    let verifiers = "[plugins.'io.containerd.image-verifier.v1.bindir']\nbin_dir = \"VERIFIERS\"\n";
    let verifiers = verifiers.replace("VERIFIERS", node.0.file("verifiers").to_str().unwrap());
    node.config("config.toml", &format!("{eks}\n{verifiers}"));
    insta::assert_snapshot!(node.text(1));
    let report = node.report(1);
    assert_eq!(codes(&report), ["local_pull", "hosts_not_read"]);
    // The lines are what is missing.
    let lines = report["containerdConfig"].as_str().unwrap();
    node.config(
        "config.toml",
        &format!("imports = [\"*.d/*.toml\"]\n{eks}\n{verifiers}"),
    );
    fs::remove_file(node.0.file("etc/conf.d/10-gate.toml")).unwrap();
    node.config("conf.d/mended.toml", lines);
    let report = node.report(0);
    assert!(report["containerdConfig"].is_null() && report["nodeConfig"].is_null());
}

#[test]
fn every_setting_that_pulls_without_verifiers_is_named_with_its_place() {
    let images = "version = 3\n[plugins.'io.containerd.cri.v1.images']\n";
    let old = "version = 2\n[plugins.'io.containerd.grpc.v1.cri']\n";
    for (text, setting) in [
        (
            format!("{images}use_local_image_pull = true"),
            "`use_local_image_pull` is true",
        ),
        (
            format!("{images}disable_snapshot_annotations = false"),
            "`disable_snapshot_annotations` is false",
        ),
        (
            format!("{images}discard_unpacked_layers = true"),
            "`discard_unpacked_layers` is true",
        ),
        (
            format!("{images}max_concurrent_downloads = 10"),
            "`max_concurrent_downloads` is 10",
        ),
        (
            format!("{images}image_pull_with_sync_fs = true"),
            "`image_pull_with_sync_fs` is true",
        ),
        (
            format!("{images}registry.mirrors.'a.example'.endpoint = []"),
            "`registry.mirrors` is not empty",
        ),
        (
            format!("{images}registry.configs.'a.example'.auth.auth = \"x\""),
            "`registry.configs` is not empty",
        ),
        (
            format!("{images}registry.auths.'https://a.example'.auth = \"x\""),
            "`registry.auths` is not empty",
        ),
        (
            format!("{old}max_concurrent_downloads = 20"),
            "`max_concurrent_downloads` is 20",
        ),
        (
            format!(
                "{old}containerd.discard_unpacked_layers = true\ncontainerd.runtimes.runc = {{}}"
            ),
            "`discard_unpacked_layers` is true",
        ),
    ] {
        let node = Node::new();
        node.config("conf.d/20.toml", &text);
        let report = node.report(1);
        assert_eq!(codes(&report), ["local_pull"], "{text}");
        let (found, expected) = (
            detail(&report, "local_pull"),
            format!("{setting}, with which CRI pulls without verifiers: "),
        );
        assert!(found.starts_with(&expected), "{found}");
        assert!(found.ends_with("etc/conf.d/20.toml:3"), "{found}");
        // A later file mends it, but for tables.
        if let Some(lines) = report["containerdConfig"].as_str() {
            node.config("conf.d/30.toml", lines);
            node.report(0);
        } else {
            assert!(setting.contains("registry."), "{setting}");
        }
    }
}

#[test]
fn a_verifier_that_is_not_run_is_found() {
    let plugin = "io.containerd.image-verifier.v1.bindir";
    for (text, code) in [
        (
            format!("disabled_plugins = [\"{plugin}\"]"),
            "verifiers_disabled",
        ),
        (
            "disabled_plugins = [\"io.containerd.transfer.v1.local\"]".to_owned(),
            "verifiers_disabled",
        ),
        (
            format!("[plugins.'{plugin}']\nmax_verifiers = 0"),
            "verifier_left_out",
        ),
        (
            format!("[plugins.'{plugin}']\nper_verifier_timeout = \"5s\""),
            "verifier_timeout",
        ),
        (
            format!("[plugins.'{plugin}']\nper_verifier_timeout = 10"),
            "verifier_timeout",
        ),
        (
            format!("[plugins.'{plugin}']\nper_verifier_timeout = \"ten\""),
            "bad_containerd_config",
        ),
        (
            format!("[plugins.'{plugin}']\nmax_verifiers = \"10\""),
            "bad_containerd_config",
        ),
        (
            "[plugins.'io.containerd.cri.v1.images']\ndiscard_unpacked_layers = \"no\"".to_owned(),
            "bad_containerd_config",
        ),
        (
            format!("[plugins.'{plugin}']\nbin_dir = \"/nonexistent\""),
            "verifier_missing",
        ),
        (
            format!("[plugins.'{plugin}']\nbin_dir = \"/etc\""),
            "verifier_missing",
        ),
    ] {
        let node = Node::new();
        node.config("conf.d/20.toml", &format!("version = 3\n{text}\n"));
        let report = node.report(1);
        assert!(codes(&report).contains(&code), "{text}: {report:#}");
    }
    for text in [
        format!("[plugins.'{plugin}']\nmax_verifiers = -1"),
        format!("[plugins.'{plugin}']\nper_verifier_timeout = \"1m\""),
        format!("required_plugins = [\"{plugin}\"]"),
        "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]".to_owned(),
    ] {
        let node = Node::new();
        node.config("conf.d/20.toml", &format!("version = 3\n{text}\n"));
        node.report(0);
    }
}

#[test]
fn what_else_is_in_the_directory_of_verifiers_counts() {
    let blocked = |prepare: fn(&Node)| {
        let node = Node::new();
        prepare(&node);
        node.report(1)
    };
    let cases: [fn(&Node); 4] = [
        |node| node.0.write("verifiers/README.md", "no program"),
        |node| fs::create_dir(node.0.file("verifiers/folder")).unwrap(),
        |node| symlink("/nonexistent", node.0.file("verifiers/dangling")).unwrap(),
        |node| node.0.write("verifiers/.s3lo.tmp", "a draft"),
    ];
    for prepare in cases {
        assert_eq!(codes(&blocked(prepare)), ["verifier_blocks_all"]);
    }
    // The names decide who is left out.
    let node = Node::new();
    for number in 0..10 {
        node.0
            .write_program(&format!("verifiers/{number}"), "#!/bin/sh\n");
    }
    let report = node.report(1);
    assert_eq!(
        detail(&report, "verifier_left_out"),
        "containerd runs the first 10 of 11 verifiers, and `s3lo` is not among them"
    );
    fs::rename(node.0.file("verifiers/9"), node.0.file("verifiers/z")).unwrap();
    node.report(0);
    // Another program of this name.
    let node = Node::new();
    fs::remove_file(node.0.file("verifiers/s3lo")).unwrap();
    node.0
        .write_program("verifiers/s3lo", "#!/bin/sh\nexit 0\n");
    assert_eq!(codes(&node.report(1)), ["verifier_missing"]);
}

#[test]
fn files_that_others_may_write_are_named() {
    for name in ["gate.toml", "policy.toml", "verifiers", "own"] {
        let mut node = Node::new();
        // The gate's file, in a folder of its own.
        node.0.write(
            "own/gate.toml",
            GATE.replace("policy.toml", "../policy.toml"),
        );
        node.0.set("S3LO_GATE_CONFIG", "own/gate.toml");
        if name == "gate.toml" {
            node.0.set("S3LO_GATE_CONFIG", "gate.toml");
        }
        fs::set_permissions(node.0.file(name), fs::Permissions::from_mode(0o777)).unwrap();
        let report = node.report(1);
        let found = detail(&report, "writable_by_others");
        assert!(found.ends_with(&format!("{name}`")), "{found}");
    }
}

#[test]
fn another_name_for_a_server_of_the_gate_is_found() {
    let own = "registry.example_5000_";
    let server = "server = \"http://10.0.0.5:5732\"\n";
    let cases = [
        // The host itself, without a file.
        (
            vec![(
                "other.example",
                "server = \"https://registry.example:5000\"",
            )],
            "`other.example`",
        ),
        (
            vec![(
                "other.example",
                "[host.\"https://Registry.Example:5000/v2\"]",
            )],
            "`other.example`",
        ),
        (
            vec![("other.example:8443", "server = \"registry.example:5000\"")],
            "`other.example:8443`",
        ),
        (
            vec![("_default", "server = \"https://registry.example:5000\"")],
            "every host without a folder",
        ),
        // A server of its file.
        (
            vec![(own, server), ("other.example", server)],
            "`other.example`",
        ),
        (
            vec![
                (
                    own,
                    "server = \"https://a.example\"\n[host.\"http://10.0.0.5:5732\"]",
                ),
                ("other.example", server),
            ],
            "`other.example`",
        ),
        // Both come from what is for all.
        (vec![("_default", server)], "every host without a folder"),
    ];
    for (files, name) in cases {
        let node = Node::new();
        for (folder, text) in &files {
            node.host(folder, text);
        }
        let report = node.report(1);
        assert_eq!(codes(&report), ["host_alias"], "{files:?}");
        let expected = format!(
            "images of {name} come from the server of `registry.example:5000`, and are not verified: "
        );
        let found = detail(&report, "host_alias");
        assert!(found.starts_with(&expected), "{found}");
        // Where no other image passes it does not matter.
        node.0.write("gate.toml", GATE.replace("allow", "deny"));
        node.report(0);
    }
    let others = [
        ("docker.io", "server = \"https://mirror.example\""),
        (own, server),
        ("other.example", "server = \"http://10.0.0.5:5733\""),
    ];
    let node = Node::new();
    others
        .iter()
        .for_each(|(folder, text)| node.host(folder, text));
    node.report(0);
}

#[test]
fn a_mirror_of_the_deprecated_kind_is_a_name_too() {
    let node = Node::new();
    node.config(
        "conf.d/20.toml",
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'*']\nendpoint = [\"https://registry.example:5000\"]\n",
    );
    let report = node.report(1);
    assert_eq!(codes(&report), ["local_pull", "host_alias"]);
}

#[test]
fn files_of_hosts_that_are_not_read_are_found() {
    let node = Node::new();
    node.host("registry.example_5000_", "server = ");
    assert_eq!(codes(&node.report(1)), ["hosts_not_read"]);
    let node = Node::new();
    node.host(
        "registry.example_5000_",
        "server = \"http://10.0.0.5:5732\"",
    );
    let two = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = \"/etc/none:CERTS\"\n";
    node.config("conf.d/20.toml", two);
    let report = node.report(1);
    assert_eq!(codes(&report), ["hosts_not_read"]);
    let lines = report["containerdConfig"].as_str().unwrap();
    node.config("conf.d/30.toml", lines);
    node.report(0);
    // Without a file of the gate's hosts nothing is lost.
    let node = Node::new();
    node.config("conf.d/20.toml", two);
    node.report(0);
}

#[test]
fn a_release_that_is_too_old_is_named() {
    for (version, code) in [
        ("v1.7.27", 1),
        ("v2.0.5", 1),
        ("v2.1.0", 0),
        ("2.4.2+unknown", 0),
        ("v3.0.0", 0),
    ] {
        let node = Node::new();
        let script =
            format!("#!/bin/sh\necho containerd github.com/containerd/containerd {version} x\n");
        node.0.write_program("path/containerd", &script);
        let report = node.report(code);
        let expected: &[&str] = if code == 1 {
            &["containerd_too_old"]
        } else {
            &[]
        };
        assert_eq!(codes(&report), expected);
    }
    // One that does not answer, or with something else, is a note.
    for script in [
        "#!/bin/sh\nexit 1\n",
        "#!/bin/sh\nwhile echo containerd; do :; done\n",
    ] {
        let node = Node::new();
        node.0.write_program("path/containerd", script);
        node.report(0);
    }
}

#[test]
fn the_gates_own_files_are_checked() {
    let node = Node::new();
    node.0.write("gate.toml", "policy = 1");
    let report = node.report(1);
    assert_eq!(codes(&report), ["bad_gate_file"]);
    node.0.write("gate.toml", GATE);
    node.0.write("policy.toml", "version = 2");
    assert_eq!(codes(&node.report(1)), ["bad_policy"]);
    fs::remove_file(node.0.file("policy.toml")).unwrap();
    assert_eq!(codes(&node.report(1)), ["policy_not_found"]);
    fs::remove_file(node.0.file("gate.toml")).unwrap();
    assert_eq!(codes(&node.report(1)), ["gate_file_not_found"]);
    node.0.write("other.toml", GATE);
    node.0.write("policy.toml", super::POLICY);
    let run = node
        .0
        .s3lo("gate check --config etc/config.toml --gate-config other.toml");
    run.ends_with(0);
}

#[test]
fn a_configuration_that_is_not_known_is_no_ready_node() {
    let node = Node::new();
    node.config("conf.d/20.toml", "imports = [\"none.toml\"]");
    assert_eq!(codes(&node.report(1)), ["bad_containerd_config"]);
    node.config("conf.d/20.toml", "x = ");
    assert_eq!(codes(&node.report(1)), ["bad_containerd_config"]);
    node.config("conf.d/20.toml", "version = 5");
    assert_eq!(codes(&node.report(1)), ["bad_containerd_config"]);
    node.config("conf.d/20.toml", "imports = [\"[a-z]*.toml\"]");
    assert_eq!(codes(&node.report(2)), ["io"]);
    fs::remove_file(node.0.file("etc/conf.d/20.toml")).unwrap();
    fs::create_dir(node.0.file("etc/conf.d/20.toml")).unwrap();
    assert_eq!(codes(&node.report(2)), ["io"]);
}
