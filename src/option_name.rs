//! Options in messages: `--timeout 10m` on a command line, `timeout: 10m` among the inputs of a job.
//!
//! A message holds the option, and the front end of the process decides how it is written.

use std::fmt;
use std::sync::OnceLock;

/// An option in a message, by its long name, with the value to give it. It brings its own quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionName<'a> {
    /// The long name, without dashes.
    pub name: &'a str,
    /// The value.
    pub value: Option<&'a str>,
}

/// How a front end writes options.
pub type Spelling = fn(&OptionName<'_>) -> Option<String>;

static SPELLING: OnceLock<Spelling> = OnceLock::new();

/// Sets how this process writes options, before it makes any message. The default is a command line's way.
pub fn set_spelling(spelling: Spelling) {
    // The first front end of a process is its only one.
    let _ = SPELLING.set(spelling);
}

/// Whether options are written as a job writes them, and this process is the work of one.
pub fn is_in_job() -> bool {
    SPELLING.get().is_some()
}

/// The option `name`.
pub const fn option(name: &str) -> OptionName<'_> {
    OptionName { name, value: None }
}

impl<'a> OptionName<'a> {
    /// The option with a value.
    pub const fn with(self, value: &'a str) -> Self {
        Self {
            value: Some(value),
            ..self
        }
    }

    /// The option as it is typed.
    pub fn typed(&self) -> String {
        match self.value {
            None => format!("`--{}`", self.name),
            Some(value) => format!("`--{} {value}`", self.name),
        }
    }
}

impl fmt::Display for OptionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelled = SPELLING.get().and_then(|spelling| spelling(self));
        f.write_str(&spelled.unwrap_or_else(|| self.typed()))
    }
}

/// Advice to set the password of a key file. Some jobs have an option for it; what others can read has not: a command line,
/// a pipeline's settings.
pub fn set_password() -> String {
    let spelled = SPELLING
        .get()
        .and_then(|spelling| spelling(&option("password")));
    match spelled {
        None => "set COSIGN_PASSWORD".to_owned(),
        Some(spelled) => format!("give {spelled}, or set COSIGN_PASSWORD,"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_written_as_it_is_typed() {
        assert_eq!(option("timeout").with("10m").to_string(), "`--timeout 10m`");
        assert_eq!(option("key").to_string(), "`--key`");
    }
}
