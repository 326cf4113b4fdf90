//! Each option is declared once, in the command line's parser. The option blocks of the actions, the Buildkite plugin,
//! the GitLab components and the documentation are generated from that; `scripts/options` writes them anew.
//!
//! A block lies between the lines `options: begin NAME` and `options: end` of a file. What a front end has that the
//! program has not stands beside it, by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::print_stdout,
    reason = "the counts of what was tried are part of the result"
)]

mod manual;
mod option;
mod page;
mod yaml;

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Arg, ArgAction, Command};

/// Where a user writes an option, and reads about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    CommandLine,
    GitHub,
    Buildkite,
    GitLab,
    /// The documentation, which has links.
    Page,
}

use Front::{Buildkite, CommandLine, GitHub, GitLab, Page};

/// Options that a front end does not have, and why.
pub(crate) const LEFT_OUT: [(Front, &[&str], &str); 12] = [
    (
        CommandLine,
        &["password", "summary"],
        "they are COSIGN_PASSWORD and `--no-summary`",
    ),
    (
        GitHub,
        &["color", "quiet"],
        "they are for terminals and scripts",
    ),
    (
        Buildkite,
        &["color", "quiet"],
        "they are for terminals and scripts",
    ),
    (
        GitLab,
        &["color", "quiet"],
        "they are for terminals and scripts",
    ),
    (GitHub, &["no-summary"], "it is the input `summary`"),
    (
        GitHub,
        &[
            "vault-jwt-env",
            "vault-jwt-file",
            "web-identity-token-env",
            "web-identity-token-file",
        ],
        "the job has an identity of its own",
    ),
    (
        GitHub,
        &["dotenv-file", "summary-file", "results-directory"],
        "GitHub itself names the files of outputs and summary",
    ),
    (GitHub, &["output"], "the action's output `results` is JSON"),
    (
        Buildkite,
        &["password"],
        "a step is shown to all who see the pipeline; the variable COSIGN_PASSWORD is not",
    ),
    (
        Buildkite,
        &[
            "dotenv-file",
            "output-file",
            "results-directory",
            "no-summary",
            "summary",
            "summary-file",
        ],
        "the hooks take the results to the build, and the checkout is not written to",
    ),
    (
        GitLab,
        &[
            "password",
            "vault-jwt-env",
            "vault-jwt-file",
            "web-identity-token-env",
            "web-identity-token-file",
        ],
        "secrets are no inputs but masked variables, and the component asks for the tokens itself",
    ),
    (
        GitLab,
        &[
            "dotenv-file",
            "output",
            "output-file",
            "results-directory",
            "no-summary",
            "summary",
            "summary-file",
        ],
        "the component itself names the files that it keeps, one of them the JSON, and GitLab shows no summary",
    ),
];

/// Additions to a description, for some front ends only.
pub(crate) const NOTES: [(&str, &[Front], &str); 14] = [
    // The program's own help has a line for each option.
    (
        "verbose",
        &[CommandLine, GitHub, Buildkite, GitLab],
        ", with its answer, time and ID",
    ),
    (
        "verbose",
        &[GitHub],
        "; also set by \"Enable debug logging\" when a job is run again",
    ),
    // A job of GitHub's has no identity unless it asks for one.
    ("role-to-assume", &[GitHub], NEEDS_IDENTITY),
    ("vault-role", &[GitHub], NEEDS_IDENTITY),
    ("output-file", &[Page], ", as `--output json` prints them"),
    (
        "output-file",
        &[GitHub],
        "; by default nothing is written to the workspace",
    ),
    // An input of GitLab's may be a variable, whose value may or may not be empty.
    (
        "digest",
        &[GitLab],
        ". An empty value is ignored and pins nothing; after the reference it is refused",
    ),
    // GitLab is asked for the tokens before the program looks at role and key.
    ("audience", &[GitLab], "; in China `sts.amazonaws.com.cn`"),
    (
        "vault-audience",
        &[GitLab],
        ". Required to log in with the identity token",
    ),
    // GitLab reads a number as one, where a text is wanted.
    ("require", &[GitLab], " in quotes"),
    ("key", &[Page], "; see [keys](keys.md)"),
    (
        "schema-version",
        &[Page],
        ": [why 2 is recommended](schemas.md)",
    ),
    (
        "dotenv-file",
        &[Page],
        ": `S3LO_SIGN_SIGNED`, `S3LO_SIGN_DIGEST`, `S3LO_SIGN_KEY_ID`, `S3LO_SIGN_STORED_PATH`, `S3LO_SIGN_SIGNED_AT`; \
         of verify `S3LO_VERIFY_VERIFIED`, `S3LO_VERIFY_DIGEST`, `S3LO_VERIFY_KEY_ID`, `S3LO_VERIFY_SIGNED_AT`. A value \
         with a character such as `$` or a space is not written",
    ),
    (
        "no-summary",
        &[Page],
        " (a requested file is still written)",
    ),
];

const NEEDS_IDENTITY: &str = "; needs `permissions: id-token: write`";

/// Options of a job that are no flags, declared as flags are.
pub(crate) fn of_jobs() -> Command {
    Command::new("ci").args([
        Arg::new("password")
            .long("password")
            .help("The password of an encrypted key file [default: the variable COSIGN_PASSWORD]"),
        Arg::new("summary")
            .long("summary")
            .action(ArgAction::SetFalse)
            .help_heading("Results")
            .help("Write the job summary"),
    ])
}

pub(crate) fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// A text with the lines between a block's marks replaced.
fn replaced(text: &str, file: &str, name: &str, block: &str) -> String {
    let begin = format!("options: begin {name} (generated by scripts/options)");
    assert_eq!(text.matches(&begin).count(), 1, "{file}: {begin}");
    let (head, rest) = text.split_once(&begin).unwrap();
    let (line, rest) = rest.split_once('\n').unwrap();
    let end = rest.find("options: end").unwrap();
    let end = rest[..end].rfind('\n').map_or(0, |newline| newline + 1);
    // A table of Markdown has a blank line before and after it.
    let blank = if file.ends_with(".md") { "\n" } else { "" };
    format!("{head}{begin}{line}\n{blank}{block}{blank}{}", &rest[end..])
}

#[test]
fn every_option_block_is_what_the_declarations_give() {
    let mut blocks = 0;
    for (file, generated) in [
        (
            "plugin.yml",
            vec![("properties", yaml::plugin as fn() -> String)],
        ),
        ("action.yml", vec![("inputs", || yaml::action("sign"))]),
        (
            "verify/action.yml",
            vec![("inputs", || yaml::action("verify"))],
        ),
        (
            "docs/inputs.md",
            vec![("inputs", page::inputs as fn() -> String)],
        ),
        ("docs/buildkite.md", vec![("plugin", page::plugin)]),
        ("docs/ci-systems.md", vec![("results", page::results)]),
        ("docs/cli.md", vec![("flags", page::flags)]),
    ] {
        let there = text(file);
        assert_eq!(
            there.matches("options: begin ").count(),
            generated.len(),
            "{file}"
        );
        let wanted = generated.iter().fold(there.clone(), |text, (name, block)| {
            replaced(&text, file, name, &block())
        });
        blocks += generated.len();
        is_generated(file, &wanted);
    }
    println!("{blocks} blocks");
}

/// The components differ in little more than their options: both are generated as a whole.
#[test]
fn the_components_are_what_their_one_source_gives() {
    // A release writes its image into both.
    let of_release = text("templates/sign.yml");
    let image = of_release
        .lines()
        .find_map(|line| line.strip_prefix("      default: ghcr.io/"));
    let image = format!("ghcr.io/{}", image.unwrap());
    for command in ["sign", "verify"] {
        let file = format!("templates/{command}.yml");
        is_generated(&file, &yaml::component(command, &image));
    }
}

/// A file's text is the one that is generated, and is written where that is asked for.
#[track_caller]
fn is_generated(file: &str, wanted: &str) {
    if std::env::var_os("UPDATE_OPTIONS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), wanted).unwrap();
    }
    let here = text(file);
    let differs = here
        .lines()
        .zip(wanted.lines())
        .find(|(here, wanted)| here != wanted);
    assert!(
        here == wanted,
        "{file} is not what it is generated from: run scripts/options\n{differs:#?}"
    );
}

#[test]
fn every_exception_names_an_option_that_there_is() {
    let all = option::all();
    let names: BTreeSet<_> = all.iter().map(|option| option.name.as_str()).collect();
    for (front, left_out, reason) in LEFT_OUT {
        for name in left_out {
            assert!(
                names.contains(name),
                "{front:?} leaves out {name}: {reason}"
            );
        }
    }
    for (name, ..) in NOTES {
        assert!(names.contains(name), "{name} has a note");
    }
}
