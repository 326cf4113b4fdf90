//! The options that were typed, in arguments that may hold mistakes.
//!
//! [`Cli`] refuses arguments at their first mistake. Where to report it, which options of a job are typed already, and
//! whether a value is a secret still has to be known.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::LazyLock;

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _, value_parser};

use crate::cli::args::Cli;
use crate::diagnostic::Diagnostic;
use crate::identity::jwt;
use crate::key::reference::RefError;
use crate::option_name::option;
use crate::text::{holds_key_block, is_key_material};

/// Everything that is not an option: commands and references.
const POSITIONAL: &str = "";

/// Options and their values.
pub(crate) struct Typed(ArgMatches);

impl Typed {
    /// Parses `arguments`, the program's name first: nothing is required, values are not checked, and an option that
    /// no command has is skipped.
    pub(crate) fn new(arguments: &[OsString]) -> Self {
        let options = every_option();
        let is_known = |word: &str| match word.strip_prefix("--") {
            Some("") => true,
            Some(long) => {
                let name = long.split('=').next().unwrap_or_default();
                options.iter().any(|option| is_called(option, name))
            }
            None => match word.strip_prefix('-').and_then(|word| word.chars().next()) {
                Some(short) => options
                    .iter()
                    .any(|option| option.get_short() == Some(short)),
                None => true,
            },
        };
        let words = arguments.iter().map(|word| word.to_string_lossy());
        let words: Vec<_> = words
            .filter(|word| is_known(word))
            .map(Cow::into_owned)
            .collect();
        let positional = Arg::new(POSITIONAL).action(ArgAction::Append);
        let parser = Command::new("s3lo")
            .ignore_errors(true)
            .disable_help_flag(true)
            .arg(positional)
            .args(options);
        Self(parser.try_get_matches_from(words).unwrap_or_default())
    }

    /// Whether the option was typed. The name is the long one, whichever of its names was typed.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.0.try_contains_id(option).unwrap_or(false)
    }

    /// The values that the option was typed with.
    pub(crate) fn values(&self, option: &str) -> impl Iterator<Item = &str> {
        let values = self.0.try_get_many::<String>(option).ok().flatten();
        values.into_iter().flatten().map(String::as_str)
    }

    /// Commands and references.
    pub(crate) fn positional(&self) -> impl Iterator<Item = &str> {
        self.values(POSITIONAL)
    }

    /// Whether results are to be printed as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        self.values("output").any(|form| form == "json")
    }
}

/// The error for a key or an identity token among the arguments, which any other message would quote.
pub(crate) fn secret(arguments: &[OsString]) -> Option<Diagnostic> {
    let words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
    let words: Vec<_> = words.collect();
    if words.iter().any(|word| holds_key_block(word)) || holds_key_line(arguments, &words) {
        return Some(Diagnostic::new(&RefError::KeyMaterial));
    }
    let is_token = |word: &Cow<'_, str>| jwt::is_token(word) || jwt::is_token(value_of(word));
    words.iter().any(is_token).then(|| {
        Diagnostic::usage(
            "an argument holds an identity token, not the place of one",
            format!(
                "put the token into a variable and name that: {} for AWS, {} for Vault",
                option("web-identity-token-env").with("NAME"),
                option("vault-jwt-env").with("NAME")
            ),
        )
    })
}

/// Whether a line of a key stands where a key is named, or a reference. The values of other options may look alike.
fn holds_key_line(arguments: &[OsString], words: &[Cow<'_, str>]) -> bool {
    let is_key = |word: &str| is_key_material(word) || is_key_material(value_of(word));
    if !words.iter().any(|word| is_key(word)) {
        return false;
    }
    let typed = Typed::new(arguments);
    let mut named = typed.values("key").chain(typed.values("output"));
    named.any(is_key_material)
        || typed.positional().any(is_key)
        || words.iter().any(|word| is_quoted_as_mistake(word))
}

/// Whether a word gives a line of a key to a switch, or to an option that there is not: the error would quote it.
fn is_quoted_as_mistake(word: &str) -> bool {
    let Some((flag, value)) = word.split_once('=') else {
        return false;
    };
    // A switch may be given a value by `=` alone.
    let takes_value = |option: &Arg| {
        let name = flag.strip_prefix("--");
        option.get_num_args().is_none() && name.is_some_and(|name| is_called(option, name))
    };
    flag.starts_with('-') && is_key_material(value) && !every_option().iter().any(takes_value)
}

/// The text after the first `=`.
pub(crate) fn value_of(word: &str) -> &str {
    word.split_once('=').map_or("", |(_, value)| value)
}

/// The long name of the option that has this name among its names.
pub(crate) fn long_name(name: &str) -> Option<&'static str> {
    let mut options = every_option().iter();
    let found = options.find(|option| is_called(option, name));
    found.and_then(Arg::get_long)
}

/// Whether `name` is the option's long name or an alias.
fn is_called(option: &Arg, name: &str) -> bool {
    let aliases = option.get_all_aliases().unwrap_or_default();
    option.get_long() == Some(name) || aliases.contains(&name)
}

/// The options of all commands, each once, by its long name.
fn every_option() -> &'static [Arg] {
    static ALL: LazyLock<Vec<Arg>> = LazyLock::new(all_options);
    &ALL
}

fn all_options() -> Vec<Arg> {
    fn collect(command: &Command, options: &mut Vec<Arg>) {
        for option in command.get_arguments() {
            let Some(long) = option.get_long() else {
                continue;
            };
            if options.iter().any(|known| known.get_long() == Some(long)) {
                continue;
            }
            let takes_value = option.get_action().takes_values();
            let parsed = Arg::new(long.to_owned())
                .long(long.to_owned())
                .short(option.get_short())
                .aliases(
                    option
                        .get_all_aliases()
                        .unwrap_or_default()
                        .into_iter()
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                )
                .action(ArgAction::Append)
                .value_parser(value_parser!(String));
            // A flag that is given a value is a mistake after which other options follow.
            options.push(if takes_value {
                parsed
            } else {
                parsed.num_args(0..=1).require_equals(true)
            });
        }
        command
            .get_subcommands()
            .for_each(|command| collect(command, options));
    }
    let mut options = Vec::new();
    collect(&Cli::command(), &mut options);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        let words: Vec<_> = std::iter::once("s3lo")
            .chain(line.split(' '))
            .map(OsString::from)
            .collect();
        Typed::new(&words)
    }

    #[test]
    fn json_is_asked_for_anywhere_beside_any_mistake() {
        for line in [
            "-o json",
            "nonsense -o json",
            "sign --output json --key",
            "sign --nonsense --output=json",
            "sign --nonsense x -ojson",
            "verify -vojson",
            "verify -vo json",
            "verify -o=json",
            "verify --verbose=x -o json",
            "verify --verbose --verbose -o json",
            "verify --timeout never --timeout 1 -o json",
            "verify --key --output json",
            "ci sign -x -o json",
            "-o text sign -o json",
        ] {
            assert!(typed(line).wants_json(), "{line}");
        }
        for line in [
            "sign json",
            "sign -o text",
            "sign --key json -v",
            "-- -o json",
        ] {
            assert!(!typed(line).wants_json(), "{line}");
        }
    }

    #[test]
    fn a_line_of_a_key_is_found_wherever_an_error_would_quote_it() {
        let line = format!("eyJ{}", "a".repeat(61));
        assert!(is_key_material(&line));
        let found = |words: &[&str]| {
            let words = std::iter::once(&"s3lo").chain(words);
            secret(&words.map(OsString::from).collect::<Vec<_>>()).is_some()
        };
        for flag in ["-v", "-k", "-key", "--verbose", "--quiet", "--kye", "--key"] {
            assert!(found(&["verify", &format!("{flag}={line}")]), "{flag}");
        }
        assert!(!found(&["verify", &format!("--digest={line}")]));
    }

    #[test]
    fn an_option_is_typed_under_each_of_its_names() {
        assert!(typed("ci --role-to-assume x").has("role-arn"));
        assert!(typed("ci -v").has("verbose"));
        assert!(typed("ci -- x").positional().any(|word| word == "x"));
        let nothing = typed("ci");
        assert!(!nothing.has("output") && !nothing.has("verbose") && !nothing.has("timeout"));
        assert_eq!(
            typed("--key a --key=b c").values("key").collect::<Vec<_>>(),
            ["a", "b"]
        );
    }
}
