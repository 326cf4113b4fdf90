//! Files with a mistake, each named for it, and what is reported: place, sentence and help.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, iter};

use s3lo_core::policy::{Draft, Error, MAX_BYTES, Policy};

use super::{KNOWN, public_key};

/// Every file, by its name.
pub(super) fn files() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/policy/mistakes"
    ));
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        (name.to_owned(), fs::read(&path).unwrap())
    });
    entries.chain(large()).collect()
}

/// Files that are too large to be kept.
fn large() -> impl Iterator<Item = (String, Vec<u8>)> {
    let comment = iter::repeat_n("# a line that is not needed\n", 12_000).collect::<String>();
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let patterns: Vec<_> = (0..9_000)
        .map(|number| format!("\"s3://prod/{number}*\""))
        .collect();
    let patterns = patterns.join(", ");
    let one_line = format!(
        r#"{{"version": 1, "keys": {{"ci": {{"public": "ü.pub"}}}}, "rules": [{{"images": [{patterns}, "s3://prod/0*"], "deny": "no"}}]}}"#
    );
    let spaces = usize::try_from(MAX_BYTES).unwrap();
    [
        ("too-large.toml", format!("version = 1\n{comment}")),
        ("too-large.json", format!("{{{}}}", " ".repeat(spaces))),
        ("large-line.json", one_line),
        (
            "deep-list.toml",
            format!("version = {}\n", nested("[", "1", "]", 100_000)),
        ),
        (
            "deep-list.json",
            format!("{{\"version\": {}}}\n", nested("[", "1", "]", 100_000)),
        ),
        ("deep-object.json", nested("{\"a\":", "1", "}", 40_000)),
        ("deep-table.toml", format!("[a{}]\n", ".a".repeat(100_000))),
        (
            "deep-table-in-line.toml",
            format!("version = {}\n", nested("{a=", "1", "}", 60_000)),
        ),
        (
            "deep-by-a-little.toml",
            format!("version = {}\n", nested("[", "1", "]", 9)),
        ),
        (
            "deep-by-a-little.json",
            format!("{{\"version\": {}}}\n", nested("[", "1", "]", 8)),
        ),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
}

/// Reads a policy of which each key file has a key of its own.
fn read(bytes: &[u8]) -> Result<Policy, Error> {
    Draft::parse(bytes, KNOWN)?.complete(|_, path| Ok(public_key(path)))
}

#[test]
fn each_mistake_is_reported_at_its_place() {
    let files = files();
    let mut report = String::new();
    for (name, bytes) in &files {
        let Err(error) = read(bytes) else {
            panic!("{name} has no mistake");
        };
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let line = text.split('\n').nth(error.at.line - 1).unwrap();
        let before: String = line.chars().take(error.at.column - 1).collect();
        assert_eq!(
            before.chars().count(),
            error.at.column - 1,
            "{name}: {}",
            error.at
        );
        writeln!(
            report,
            "{name}\n  {}: {error}\n  help: {}",
            error.at,
            error.help()
        )
        .unwrap();
        writeln!(report, "  | {}", clipped(line)).unwrap();
        if error.at.column <= 160 {
            writeln!(
                report,
                "  | {}^",
                " ".repeat(clipped(&before).chars().count())
            )
            .unwrap();
        }
    }
    insta::assert_snapshot!(report);
    println!("{} files with a mistake", files.len());
    assert!(files.len() >= 200);
}

fn clipped(line: &str) -> String {
    let line: String = line.chars().take(160).collect();
    line.escape_debug()
        .to_string()
        .replace("\\\"", "\"")
        .replace("\\'", "'")
}
