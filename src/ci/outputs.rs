//! Outputs of a step, in the forms of the CI systems.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::report::Action;

/// A step's outputs: names as the actions declare them, and values.
pub type Outputs = Vec<(&'static str, String)>;

/// The names that the outputs of a command can have.
pub fn names(action: Action) -> &'static [&'static str] {
    match action {
        Action::Sign => &["digest", "keyID", "storedPath", "signedAt", "results"],
        Action::Verify => &[
            "verified", "reason", "digest", "keyID", "signedAt", "results",
        ],
    }
}

/// GitHub's file: each value between two delimiters that cannot be guessed
/// ([multiline strings](https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings)).
pub fn github(outputs: &Outputs, delimiter: &str) -> String {
    let one =
        |(name, value): &(&str, String)| format!("{name}<<{delimiter}\n{value}\n{delimiter}\n");
    outputs.iter().map(one).collect()
}

/// Lines `NAME=value`, as GitLab's reports and Drone's plugins have them: without quotes, comments or blank lines
/// ([rules](https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv)). GitLab expands a dollar
/// sign, and a shell that sources them would expand much more, so that other values are left out; they are in
/// the JSON.
pub fn dotenv(outputs: &Outputs, prefix: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._:/@+=,-".contains(c);
    let kept = outputs
        .iter()
        .filter(|(name, value)| !FREE_TEXT.contains(name) && value.chars().all(safe));
    let line = |(name, value): &(&str, String)| {
        format!("S3LO_{prefix}_{}={value}\n", screaming_snake(name))
    };
    kept.map(line).collect()
}

/// Whether a file is such lines.
pub fn is_dotenv(contents: &[u8]) -> bool {
    ["S3LO_SIGN_", "S3LO_VERIFY_"]
        .iter()
        .any(|start| contents.starts_with(start.as_bytes()))
}

/// Whether a file is the document that `--output json` prints.
pub fn is_document(contents: &[u8]) -> bool {
    let document = serde_json::from_slice::<serde_json::Value>(contents);
    let document = document.unwrap_or_default();
    let result = document.get(0).unwrap_or(&document);
    // The last is of a dry run.
    ["error", "verified", "storedPath", "recordPath"]
        .iter()
        .any(|field| result.get(field).is_some())
}

/// Outputs that are sentences or JSON.
const FREE_TEXT: [&str; 2] = ["reason", "results"];

/// `storedPath` as `STORED_PATH`.
fn screaming_snake(name: &str) -> String {
    let mut written = String::new();
    let mut small = false;
    for c in name.chars() {
        if small && c.is_ascii_uppercase() {
            written.push('_');
        }
        small = c.is_ascii_lowercase();
        written.push(c.to_ascii_uppercase());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(stored_path: &str) -> Outputs {
        vec![
            ("signed", "true".to_owned()),
            ("keyID", "3b780f64bd6940e1".to_owned()),
            ("storedPath", stored_path.to_owned()),
            ("results", "[]".to_owned()),
        ]
    }

    #[test]
    fn each_value_stands_between_delimiters() {
        assert_eq!(
            github(&vec![("a", "1\n2".to_owned()), ("b", String::new())], "end"),
            "a<<end\n1\n2\nend\nb<<end\n\nend\n"
        );
    }

    #[test]
    fn a_file_of_an_earlier_run_is_known() {
        assert!(is_dotenv(b"S3LO_VERIFY_VERIFIED=false\n"));
        assert!(!is_dotenv(b"S3LO_KEY=k\n") && !is_dotenv(b""));
        for ours in [
            r#"{"verified": true}"#,
            r#"[{"storedPath": "b/m"}, {}]"#,
            r#"{"recordPath": "b/m"}"#,
            r#"{"error": {"code": "usage"}}"#,
        ] {
            assert!(is_document(ours.as_bytes()), "{ours}");
        }
        for other in [
            "",
            "{}",
            "[]",
            "PK",
            r#"{"name": "app", "version": "1"}"#,
            "[[1]]",
        ] {
            assert!(!is_document(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_line_holds_nothing_that_a_shell_expands() {
        assert_eq!(
            dotenv(&outputs("bucket/a:b"), "SIGN"),
            "S3LO_SIGN_SIGNED=true\nS3LO_SIGN_KEY_ID=3b780f64bd6940e1\nS3LO_SIGN_STORED_PATH=bucket/a:b\n"
        );
        for hostile in ["$HOME", "a b", "a;id", "`id`", "a\nB=c", "\"", "é"] {
            assert_eq!(
                dotenv(&outputs(hostile), "SIGN").lines().count(),
                2,
                "{hostile}"
            );
        }
    }
}
