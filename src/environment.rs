//! The environment, where an empty variable is an unset one.
//!
//! CI systems set what a user leaves out to the empty string. The SDK and the HTTP client under it read
//! the environment themselves, and take an empty `AWS_PROFILE` for a profile of that name.

use std::env::VarError;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::text::{printable, shown_value};
use s3lo_core::explain::Explain;

/// The text of a variable; `None` where it is unset or empty.
///
/// # Errors
///
/// [`Error`] if it is not UTF-8.
pub fn variable(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Error::new(
            name,
            "bytes that are not UTF-8".to_owned(),
            "text",
        )),
    }
}

/// Whether a text can be the name of a variable.
pub fn is_name(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(valid) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a variable is set, and not empty.
pub(crate) fn is_set(name: &str) -> bool {
    matches!(variable(name), Ok(Some(_)))
}

/// Whether a variable is `true`.
pub fn is_true(name: &str) -> bool {
    matches!(variable(name), Ok(Some(text)) if text.eq_ignore_ascii_case("true"))
}

/// Restarts this process without the empty variables that other libraries read, and without the white space around the
/// values of the others, as secrets have it that were made by `echo`. Nothing happens if there are none. Changing
/// variables from within would not be safe: other threads may be reading them.
///
/// # Errors
///
/// [`io::Error`] if the program cannot be started again. It does not return otherwise.
pub fn with_clean_variables() -> io::Result<()> {
    let changed: Vec<(OsString, OsString)> = std::env::vars_os()
        .filter(|(name, _)| is_read_by_others(name.as_bytes()))
        .filter_map(|(name, value)| {
            let clean = value.as_bytes().trim_ascii();
            let changed = clean.is_empty() || clean.len() != value.len();
            changed.then(|| (name, OsStr::from_bytes(clean).to_owned()))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    // Started by hand through the dynamic loader, the program's file is the loader.
    let program = std::env::current_exe()?;
    let name = program.file_name().unwrap_or_default();
    if name.as_bytes().starts_with(b"ld-") {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    // This very file, even if another one lies at its path by now.
    let mut again = Command::new("/proc/self/exe");
    again.arg0(arguments.next().unwrap_or_else(|| "s3lo".into()));
    again.args(arguments);
    for (name, clean) in changed {
        if clean.is_empty() {
            again.env_remove(name);
        } else {
            again.env(name, clean);
        }
    }
    Err(again.exec())
}

fn is_read_by_others(name: &[u8]) -> bool {
    let proxy = name.to_ascii_lowercase().ends_with(b"_proxy");
    let prefixes: [&[u8]; 2] = [b"AWS_", b"SSL_CERT_"];
    proxy || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// A variable or option with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is `{}`, where {expected} is expected", printable(value))]
pub struct Error {
    /// The variable.
    pub variable: String,
    /// Its value, unless it may be a secret.
    pub value: String,
    /// The expected form.
    pub expected: &'static str,
}

impl Error {
    /// An error about `variable`, which is `value` where `expected` is expected.
    pub fn new(variable: &str, value: String, expected: &'static str) -> Self {
        Self {
            variable: variable.to_owned(),
            value: shown_value(&value).to_owned(),
            expected,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        if self.variable.starts_with("--") {
            return "usage";
        }
        "configuration"
    }

    fn help(&self) -> String {
        if self.variable.starts_with("--") {
            return format!("give {} {}, or omit it", self.variable, self.expected);
        }
        format!("set {} to {}, or unset it", self.variable, self.expected)
    }
}
