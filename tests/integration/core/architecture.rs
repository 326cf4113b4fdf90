//! The house keeps its order: what the rooms promise of each other is checked in their source.

use std::path::{Path, PathBuf};

fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// Every file of the source, by its path there, without its tests.
fn rooms() -> Vec<(String, String)> {
    let both = ["src", "core/src"].map(|folder| {
        crate::support::files(&source(folder))
            .into_iter()
            .map(move |name| {
                let text = std::fs::read_to_string(source(folder).join(&name)).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                (format!("{folder}/{name}"), code)
            })
    });
    both.into_iter().flatten().collect()
}

#[test]
fn one_function_checks_signatures() {
    let callers: Vec<_> = rooms()
        .into_iter()
        .filter(|(_, code)| code.contains(".verifies("))
        .collect();
    let names: Vec<_> = callers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["core/src/verdict.rs"]);
    let mathematics: Vec<_> = rooms()
        .into_iter()
        .filter(|(_, code)| code.contains("verify_sig("))
        .collect();
    let names: Vec<_> = mathematics.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["core/src/crypto/public.rs"]);
}

#[test]
fn a_file_is_one_room() {
    for folder in ["src", "core/src"] {
        for name in crate::support::files(&source(folder)) {
            let text = std::fs::read_to_string(source(folder).join(&name)).unwrap();
            let lines = text.lines().count();
            let most = if name == "main.rs" { 40 } else { 500 };
            assert!(lines <= most, "{name} has {lines} lines");
        }
    }
}
