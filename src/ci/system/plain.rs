//! Everywhere else: results as the command line prints them, options as variables.

use crate::ci::{LogFormat, LogSection};

pub(crate) struct Plain;

impl LogFormat for Plain {
    fn collapsed(&self, section: &LogSection<'_>) -> String {
        section.text.to_owned()
    }

    fn expanded(&self, section: &LogSection<'_>) -> String {
        section.text.to_owned()
    }

    fn option(&self, name: &str, value: Option<&str>) -> String {
        variable(name, value)
    }

    fn is_one_stream(&self) -> bool {
        false
    }
}

/// An option as a variable.
pub(crate) fn variable(name: &str, value: Option<&str>) -> String {
    let name = name.to_uppercase().replace('-', "_");
    match value {
        None => format!("S3LO_{name}"),
        Some(value) => format!("S3LO_{name}={value}"),
    }
}
