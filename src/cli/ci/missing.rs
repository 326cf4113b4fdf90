//! The errors for options that every command needs.

use crate::ci::inputs::Family;
use crate::diagnostic::Diagnostic;
use crate::environment::is_true;
use crate::identity::ci_system::CiSystem;

/// The error for a job that sets none of the options that every command needs.
pub(crate) fn no_options(family: Family) -> Diagnostic {
    let [reference, key] = ["reference", "key"].map(|name| family.written(name, None));
    Diagnostic::usage(
        format!("`{reference}` and `{key}` are not set"),
        format!(
            "add {}\nand {}",
            example("reference", family),
            example("key", family)
        ),
    )
}

/// An option as the job writes it, with an example.
fn example(option: &str, family: Family) -> String {
    let value = match option {
        "key" => "awskms:///alias/release-signer",
        "policy" => "s3lo-policy.toml",
        _ => "s3://my-bucket/myapp:v1.0",
    };
    format!("`{}`", family.written(option, Some(value)))
}

/// The error for an option that every command needs, or of which it needs one. One that is there and empty came from a
/// secret or a variable.
pub(crate) fn missing_option(options: &[&str], family: Family, is_empty: bool) -> Diagnostic {
    let examples: Vec<_> = options.iter().map(|name| example(name, family)).collect();
    let add = format!("add {}", examples.join(" or "));
    let names = options.iter().map(|name| family.written(name, None));
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let (names, are) = (
        names.join(" and "),
        if names.len() > 1 { "are" } else { "is" },
    );
    if !is_empty {
        return Diagnostic::usage(format!("{names} {are} not set"), add);
    }
    let cause = match CiSystem::detect() {
        _ if is_true("TF_BUILD") => {
            "builds of forks get no secrets, and a secret variable is mapped by `env:` in each step"
        }
        Some(CiSystem::GitHub) => {
            "if it is a secret: pull requests from forks and from Dependabot get none"
        }
        Some(CiSystem::GitLab) => {
            "if it is a protected variable: only protected branches and tags get those"
        }
        Some(CiSystem::Bitbucket | CiSystem::CircleCi) => {
            "if it is a secret: pull requests from forks get none"
        }
        _ => "the variable or secret that it is made from is not set",
    };
    Diagnostic::usage(
        format!("{names} {are} empty"),
        format!("{cause}; else {add}"),
    )
}
