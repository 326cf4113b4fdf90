//! The settings as the check reads them are those that containerd itself makes of the same files.

use std::collections::BTreeSet;
use std::process::Command;

use toml::{Table, Value};

use super::check::Node;
use crate::support::tools::tool;

/// Files of containerd's, the first of which imports the others.
const CASES: [&[&str]; 14] = [
    &[""],
    &["version = 3"],
    &[include_str!("configs/eks.toml")],
    &[include_str!("configs/eks-version-2.toml")],
    &[
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri']\nmax_concurrent_downloads = 5\nimage_pull_with_sync_fs = true\nuse_local_image_pull = true",
    ],
    // Without the runtimes, what is beside them is not taken over.
    &[
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndiscard_unpacked_layers = true",
    ],
    &["version = 2\n[plugins.'io.containerd.cri.v1.images']\ndiscard_unpacked_layers = true"],
    &["[plugins.cri]\nmax_concurrent_downloads = 5"],
    &[
        "version = 3\n[plugins.'io.containerd.cri.v1.images']\ndiscard_unpacked_layers = true\nuse_local_image_pull = true",
        "version = 3\n[plugins.'io.containerd.cri.v1.images']\ndiscard_unpacked_layers = false",
    ],
    &[
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndiscard_unpacked_layers = true\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]",
        "version = 3\n[plugins.'io.containerd.cri.v1.images']\ndiscard_unpacked_layers = false",
    ],
    // Tables are merged: one that is empty does not empty an earlier one.
    &[
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\nendpoint = [\"https://a.example\"]",
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nmirrors = {}",
    ],
    &[
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfigs = {}\nauths = {}\nmirrors = {}",
    ],
    // An old registry takes the place of a new one of the same file.
    &[
        "version = 2\n[plugins.'io.containerd.cri.v1.images'.registry.mirrors.'a.example']\nendpoint = []\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = \"/x\"",
    ],
    // Version 4 takes nothing over.
    &[
        "version = 4\n[plugins.'io.containerd.grpc.v1.cri']\nmax_concurrent_downloads = 5\n[plugins.'io.containerd.cri.v1.images']\nimage_pull_with_sync_fs = true",
    ],
];

/// The settings of a dump with which containerd pulls without verifiers.
fn of_dump(dump: &Table) -> BTreeSet<String> {
    let images = dump["plugins"]["io.containerd.cri.v1.images"]
        .as_table()
        .unwrap();
    let is = |name: &str, bad: Value| images.get(name) == Some(&bad);
    let is_filled = |name: &str| {
        let registry = images["registry"].get(name).and_then(Value::as_table);
        registry.is_some_and(|table| !table.is_empty())
    };
    let found = [
        (
            "use_local_image_pull",
            is("use_local_image_pull", true.into()),
        ),
        (
            "disable_snapshot_annotations",
            is("disable_snapshot_annotations", false.into()),
        ),
        (
            "discard_unpacked_layers",
            is("discard_unpacked_layers", true.into()),
        ),
        (
            "image_pull_with_sync_fs",
            is("image_pull_with_sync_fs", true.into()),
        ),
        (
            "max_concurrent_downloads",
            !is("max_concurrent_downloads", 3.into()),
        ),
        ("registry.mirrors", is_filled("mirrors")),
        ("registry.configs", is_filled("configs")),
        ("registry.auths", is_filled("auths")),
    ];
    let bad = found.into_iter().filter(|(_, bad)| *bad);
    bad.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_check_and_containerd_read_the_same_files_alike() {
    for files in CASES {
        let node = Node::new();
        for (number, text) in files.iter().enumerate() {
            match number {
                0 => node.config(
                    "config.toml",
                    &format!("imports = [\"conf.d/*.toml\"]\n{text}"),
                ),
                number => node.config(&format!("conf.d/0{number}.toml"), text),
            }
        }
        let output = Command::new(tool("containerd"))
            .args(["--config", "etc/config.toml", "config", "dump"])
            .current_dir(node.0.path())
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let dump: Table = toml::from_str(&String::from_utf8(output.stdout).unwrap()).unwrap();
        let expected = of_dump(&dump);
        let report = node.report(if expected.is_empty() { 0 } else { 1 });
        let checks = report["checks"].as_array().unwrap().iter();
        let details = checks.filter(|check| check["code"] == "local_pull");
        let names = details.map(|check| {
            let detail = check["detail"].as_str().unwrap();
            detail.split('`').nth(1).unwrap().to_owned()
        });
        assert_eq!(names.collect::<BTreeSet<_>>(), expected, "{files:?}");
        let verifiers = &dump["plugins"]["io.containerd.image-verifier.v1.bindir"];
        assert_eq!(
            verifiers["bin_dir"].as_str(),
            node.0.file("verifiers").to_str()
        );
    }
}
