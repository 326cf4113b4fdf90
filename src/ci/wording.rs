//! What is said of flags, said of options as a CI job writes them.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use crate::ci::LogFormat;

/// Turns every flag that stands by itself between backticks or quotes into the option of that name: `--region
/// R` into `region: R`. What is a command line stays one. `option_of` knows the options' names by those of flags.
pub fn in_options(
    text: &str,
    host: &dyn LogFormat,
    option_of: &dyn Fn(&str) -> Option<String>,
) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, quote, quoted, after)) = next_quoted(rest) {
        said.push_str(before);
        match option(quoted, host, option_of) {
            Some(option) => {
                said.push('`');
                said.push_str(&option);
                said.push('`');
            }
            None => {
                said.push(quote);
                said.push_str(quoted);
                said.push(quote);
            }
        }
        rest = after;
    }
    said.push_str(rest);
    said
}

/// The next quotation of a line: what is before it, its quote, itself, and what is behind.
fn next_quoted(text: &str) -> Option<(&str, char, &str, &str)> {
    let (before, rest) = text.split_at(text.find("`--").or_else(|| text.find("'--"))?);
    let quote = rest.chars().next()?;
    let inside = rest.strip_prefix(quote)?;
    let (quoted, after) = inside.split_once(quote)?;
    (!quoted.contains('\n')).then_some((before, quote, quoted, after))
}

fn option(
    quoted: &str,
    host: &dyn LogFormat,
    option_of: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    let flag = quoted.strip_prefix("--")?;
    let (flag, value) = match flag.split_once([' ', '=']) {
        Some((flag, value)) => (flag, Some(value.trim())),
        None => (flag, None),
    };
    if value.is_some_and(|value| value.contains("--")) {
        return None;
    }
    // What clap calls a value says nothing.
    let value = value.filter(|value| !value.starts_with('<'));
    Some(host.option(&option_of(flag)?, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::system::gitlab::GitLab;
    use crate::ci::system::plain::Plain;

    fn known(flag: &str) -> Option<String> {
        match flag {
            "role-arn" => Some("role-to-assume".to_owned()),
            "timeout" | "key" => Some(flag.to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_flag_is_named_as_the_job_writes_it() {
        let said = |text| in_options(text, &GitLab, &known);
        assert_eq!(
            said("give it longer with `--timeout 10m`; `--verbose` tells"),
            "give it longer with `timeout: 10m`; `--verbose` tells"
        );
        assert_eq!(
            said("invalid value 'x' for '--role-arn <ARN>': no"),
            "invalid value 'x' for `role-to-assume`: no"
        );
        assert_eq!(
            said("`s3lo public-key --key KEY` and `--key A --key B`"),
            "`s3lo public-key --key KEY` and `--key A --key B`"
        );
        assert_eq!(said("`--timeout"), "`--timeout");
        assert_eq!(
            in_options("`--timeout 10m` `--key`", &Plain, &known),
            "`S3LO_TIMEOUT=10m` `S3LO_KEY`"
        );
    }
}
