//! The name of a role session.

use crate::environment::variable;
use crate::identity::ci_system::CiSystem;

/// The session name of this run: repository and run, by which CloudTrail distinguishes runs.
pub fn of_run(ci: Option<CiSystem>) -> String {
    let value = |name| variable(name).ok().flatten().unwrap_or_default();
    match ci.map(CiSystem::run_variables) {
        None => "s3lo".to_owned(),
        Some((repository, run)) => joined(&value(repository), &value(run)),
    }
}

/// Whether STS takes `name` for a session: `[\w+=,.@-]{2,64}`
/// ([AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html)).
pub fn is_valid(name: &str) -> bool {
    (2..=MAX_LEN).contains(&name.len()) && name.chars().all(is_valid_char)
}

/// The valid form, in words.
pub(crate) const EXPECTED: &str = "2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -";

fn is_valid_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Joins repository and run. The repository is cut to fit, since the run is what people search for.
fn joined(repository: &str, run: &str) -> String {
    let clean = |text: &str| -> String {
        let chars = text.chars();
        chars
            .map(|c| if is_valid_char(c) { c } else { '-' })
            .collect()
    };
    let mut run = clean(run);
    run.truncate(MAX_RUN_LEN);
    let mut name = format!("s3lo-{}", clean(repository));
    let max = MAX_LEN.saturating_sub(run.len()).saturating_sub(1);
    name.truncate(max);
    let name = name.trim_end_matches('-');
    if run.is_empty() {
        name.to_owned()
    } else {
        format!("{name}-{run}")
    }
}

/// The longest session name, in characters.
const MAX_LEN: usize = 64;

/// The longest run number in it.
const MAX_RUN_LEN: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_holds_repository_and_run() {
        assert_eq!(joined("my-org/my app", "17023"), "s3lo-my-org-my-app-17023");
        assert_eq!(joined("", "17"), "s3lo-17");
        assert_eq!(joined("", ""), "s3lo");
        let long = joined(&"é".repeat(500), &"7".repeat(500));
        assert_eq!(long, format!("s3lo-{}", "7".repeat(24)));
        let long = joined(&"a".repeat(500), "42");
        assert_eq!(long.len(), 64);
        assert!(long.ends_with("a-42"), "{long}");
    }
}
