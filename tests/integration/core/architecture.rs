//! The house keeps its order: what the rooms promise of each other is checked in their source.

use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of the source, by its path there, without its tests.
fn rooms() -> Vec<(String, String)> {
    let names = crate::support::files(&source());
    let rooms = names.into_iter().map(|name| {
        let text = std::fs::read_to_string(source().join(&name)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
        (name, code)
    });
    rooms.collect()
}

const PURE: [&str; 34] = [
    "ci/azure.rs",
    "ci/buildkite.rs",
    "ci/github.rs",
    "ci/gitlab.rs",
    "ci/inputs.rs",
    "ci/markup.rs",
    "ci/outputs.rs",
    "ci/plain.rs",
    "ci/report.rs",
    "ci/said.rs",
    "ci/unknown.rs",
    "ci/wording.rs",
    "cloud/arn.rs",
    "cloud/token.rs",
    "cloud/url.rs",
    "digest.rs",
    "json.rs",
    "key/algorithm.rs",
    "key/armor.rs",
    "key/awskms.rs",
    "key/cosign.rs",
    "key/public.rs",
    "key/transit.rs",
    "key/versions.rs",
    "manifest.rs",
    "mask.rs",
    "payload.rs",
    "record.rs",
    "reference.rs",
    "store/mod.rs",
    "vault/address.rs",
    "vault/answer.rs",
    "verdict.rs",
    "explain/reference.rs",
];

#[test]
fn pure_rooms_touch_nothing_outside() {
    let outside = [
        "tokio",
        "std::fs",
        "std::env",
        "std::net",
        "::now()",
        "rand::",
        "rustix",
        "async fn main",
    ];
    let rooms = rooms();
    for name in PURE {
        let (_, code) = rooms.iter().find(|(room, _)| room == name).unwrap();
        for word in outside {
            assert!(!code.contains(word), "{name} speaks of {word}");
        }
    }
}

#[test]
fn one_function_checks_signatures() {
    let callers: Vec<_> = rooms()
        .into_iter()
        .filter(|(_, code)| code.contains(".verifies("))
        .collect();
    let names: Vec<_> = callers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["verdict.rs"]);
    let mathematics: Vec<_> = rooms()
        .into_iter()
        .filter(|(_, code)| code.contains("verify_sig("))
        .collect();
    let names: Vec<_> = mathematics.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["key/public.rs"]);
}

#[test]
fn nothing_depends_upward() {
    // A room, and the rooms that it must not know.
    let above = [
        (
            "verdict.rs",
            vec![
                "crate::sign",
                "crate::verify",
                "crate::store",
                "crate::cli",
                "crate::explain",
                "crate::cloud",
            ],
        ),
        (
            "store/",
            vec![
                "crate::sign",
                "crate::verify",
                "crate::cli",
                "crate::explain",
            ],
        ),
        (
            "key/",
            vec![
                "crate::sign",
                "crate::verify",
                "crate::cli",
                "crate::explain",
                "crate::store",
                "crate::verdict",
            ],
        ),
        (
            "vault/",
            vec![
                "crate::store",
                "crate::key::file",
                "crate::key::kms",
                "crate::key::vault",
                "crate::sign",
                "crate::verdict",
                "crate::verify",
                "crate::cli",
                "crate::explain",
            ],
        ),
        (
            "cloud/",
            vec![
                "crate::vault",
                "crate::store",
                "crate::key",
                "crate::sign",
                "crate::verify",
                "crate::cli",
                "crate::explain",
            ],
        ),
        (
            "sign.rs",
            vec!["crate::cli", "crate::explain", "crate::verify", "clap"],
        ),
        (
            "verify.rs",
            vec!["crate::cli", "crate::explain", "crate::sign", "clap"],
        ),
        ("explain/", vec!["crate::cli"]),
        (
            "ci/",
            vec![
                "crate::cli",
                "crate::key",
                "crate::sign",
                "crate::store",
                "crate::vault",
                "crate::verify",
            ],
        ),
    ];
    for (name, code) in rooms() {
        for (_, forbidden) in above.iter().filter(|(room, _)| name.starts_with(room)) {
            for word in forbidden {
                assert!(!code.contains(&format!("use {word}")), "{name} uses {word}");
            }
        }
    }
}

#[test]
fn a_file_is_one_room() {
    for name in crate::support::files(&source()) {
        let lines = std::fs::read_to_string(source().join(&name))
            .unwrap()
            .lines()
            .count();
        let most = if name == "main.rs" { 40 } else { 500 };
        assert!(lines <= most, "{name} has {lines} lines");
    }
}
