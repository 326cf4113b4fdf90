//! The order of the modules: each uses only those below it, and none a module that uses it. `scripts/codebase`
//! has the list and reads every import.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::files;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// Every file of the program and of its core, by its path.
fn sources() -> Vec<(String, String)> {
    let both = ["src", "core/src"].map(|folder| {
        files(&root(folder)).into_iter().map(move |name| {
            let text = std::fs::read_to_string(root(folder).join(&name)).unwrap();
            (format!("{folder}/{name}"), text)
        })
    });
    both.into_iter().flatten().collect()
}

/// The files whose code, without its tests, contains `text`.
fn files_with(text: &str) -> Vec<String> {
    let mut found = sources();
    found.retain(|(_, code)| code.split("#[cfg(test)]").next().unwrap().contains(text));
    found.into_iter().map(|(name, _)| name).collect()
}

/// The violations of the order in a checkout, one line each; and whether the script accepts it.
fn broken(checkout: &Path) -> (String, bool) {
    let output = Command::new("python3")
        .args([root("scripts/codebase").as_os_str(), checkout.as_os_str()])
        .arg("--check")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = String::from_utf8(output.stdout).unwrap();
    (lines, output.status.success())
}

#[test]
fn no_module_uses_one_above_it_and_none_are_in_a_circle() {
    let (lines, accepted) = broken(&root(""));
    assert!(accepted, "{lines}");
}

#[test]
fn an_upward_import_a_circle_and_an_unknown_module_are_found() {
    let tree = TempDir::new().unwrap();
    for (name, text) in [
        ("../core/src/lib.rs", "extern crate std;"),
        (
            "lib.rs",
            "pub mod net; pub mod aws; pub mod cli; pub mod extra;",
        ),
        ("extra.rs", ""),
        // In a use tree, inline, behind an export, by super; not in tests, comments and texts.
        (
            "net/mod.rs",
            "pub mod http; pub mod retry; use crate::{aws::{role::Role}};",
        ),
        (
            "net/http.rs",
            "fn f() { crate::net::retry::g() } // crate::cli::x\nconst T: &str = \"crate::cli::y\";",
        ),
        (
            "net/retry.rs",
            "use super::http::f;\n#[cfg(test)]\nmod tests { use crate::cli::Z; }",
        ),
        (
            "aws/mod.rs",
            "pub mod role; pub mod error; pub use error::Error;",
        ),
        ("aws/role.rs", "use crate::aws::Error; pub struct Role;"),
        ("aws/error.rs", "pub enum Error { Role(super::role::Role) }"),
        (
            "cli/mod.rs",
            "use crate::net::http; mod args; use args::Args;",
        ),
        ("cli/args.rs", "use super::run;"),
    ] {
        let path = tree.path().join("src").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (lines, accepted) = broken(tree.path());
    assert!(!accepted);
    let found: Vec<_> = lines.lines().collect();
    assert_eq!(
        found,
        [
            "core/src/lib.rs is not no_std",
            "core/src/lib.rs has std",
            "extra.rs is in no layer",
            "net/mod.rs uses aws/role.rs",
            "circle: aws/error, aws/role",
            "circle: net/http, net/retry",
        ]
    );
}

#[test]
fn only_the_verdict_checks_signatures() {
    assert_eq!(files_with(".verifies("), ["core/src/verdict.rs"]);
    assert_eq!(files_with("verify_sig("), ["core/src/crypto/public.rs"]);
}

#[test]
fn a_file_has_one_concern_and_at_most_500_lines() {
    for (name, text) in sources() {
        let most = if name == "src/main.rs" { 40 } else { 500 };
        assert!(
            text.lines().count() <= most,
            "{name} has {} lines",
            text.lines().count()
        );
    }
}

/// The parts of the program that neither wait nor read anything from outside.
const PURE: [&str; 26] = [
    "aws/arn.rs",
    "ci/inputs/mod.rs",
    "ci/inputs/option.rs",
    "ci/inputs/sources.rs",
    "ci/inputs/spelling.rs",
    "ci/markup.rs",
    "ci/outputs.rs",
    "ci/report.rs",
    "ci/system/azure.rs",
    "ci/system/buildkite.rs",
    "ci/system/github.rs",
    "ci/system/gitlab.rs",
    "ci/system/plain.rs",
    "diagnostic.rs",
    "identity/jwt.rs",
    "key/awskms/uri.rs",
    "key/reference.rs",
    "key/vault/client/address.rs",
    "key/vault/client/response.rs",
    "key/vault/transit_key.rs",
    "key/vault/uri.rs",
    "mask.rs",
    "net/url.rs",
    "option_name.rs",
    "store/mod.rs",
    "text.rs",
];

#[test]
fn pure_modules_use_nothing_from_outside() {
    let outside = [
        "tokio",
        "std::fs",
        "std::env",
        "std::net::Tcp",
        "::now()",
        "rand::",
        "rustix",
    ];
    for name in PURE {
        let text = std::fs::read_to_string(root("src").join(name)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in outside {
            assert!(!code.contains(word), "{name} uses {word}");
        }
    }
}
