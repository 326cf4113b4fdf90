//! Names that no pod can have, but clients of containerd's API can: none of them passes, not even as an image of another
//! host.

use super::{ask, digest, line, node, sign};
use crate::support::MANIFEST;

/// Each leads containerd to `good:v1` of the host, and is passed on as it was written.
const SPELLINGS: [&str; 10] = [
    "registry.example:5000/%67ood:v1",
    "user@registry.example:5000/good:v1",
    "user:password@registry.example:5000/good:v1",
    "registry.example:5000//.//good:v1",
    "registry.example:5000/other/../good:v1",
    "registry.example:5000/good:v1?x=1",
    // Resolvers take these for an address.
    "2130706433:5000/good:v1",
    "127.1:5000/good:v1",
    "0x7f.0.0.1:5000/good:v1",
    "0x7f000001/good:v1",
];

#[test]
fn a_spelling_outside_of_the_grammar_is_refused() {
    let sandbox = node();
    sandbox.push("good", "v1", MANIFEST);
    sign(&sandbox, "good:v1");
    for name in SPELLINGS {
        let run = ask(&sandbox, name, &digest(MANIFEST)).ends_with(1);
        assert!(
            line(&run).starts_with("refused[bad_image_name]: `"),
            "{}",
            run.out
        );
    }
    for name in [
        "registry.example:5000/good:v1",
        "REGISTRY.Example:05000/good:v1",
    ] {
        line(&ask(&sandbox, name, &digest(MANIFEST)).ends_with(0));
    }
}

#[test]
fn nothing_in_a_name_reaches_a_terminal_or_another_line() {
    let sandbox = node();
    for name in [
        "registry.example:5000/a\nallowed: yes:v1",
        "registry.example:5000/\u{1b}[2J:v1",
        "registry.example:5000/\u{202e}a:v1",
        "\r\n##vso[task.complete]",
        &"x".repeat(100_000),
        &format!("registry.example:5000/{}:v1", "é".repeat(50_000)),
        "",
        "-",
        "--",
    ] {
        let run = ask(&sandbox, name, &digest(MANIFEST)).ends_with(1);
        assert!(
            line(&run).starts_with("refused[bad_image_name]: `"),
            "{}",
            run.out
        );
    }
    let long = "f".repeat(100_000);
    for text in ["", "sha256:", "sha512:00", "\u{1b}[2J", &long] {
        let run = ask(&sandbox, "registry.example:5000/good:v1", text).ends_with(1);
        assert!(
            line(&run).starts_with("refused[bad_digest]: `"),
            "{}",
            run.out
        );
    }
}
