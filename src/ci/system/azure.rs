//! Azure Pipelines
//! ([logging commands](https://learn.microsoft.com/en-us/azure/devops/pipelines/scripts/logging-commands)):
//! `##vso[…]` and `##[…]`, wherever in a line they are.

use crate::ci::{Kind, LogFormat, LogSection, encoded, neutralize, neutralize_lines};

pub(crate) struct Azure;

impl LogFormat for Azure {
    fn mask(&self, secret: &str) -> String {
        let encoded = format!("##vso[task.setsecret]{}\n", data(secret));
        if !secret.contains('%') {
            return encoded;
        }
        // Where a job sets DECODE_PERCENTS to false, the percent sign is taken as it is.
        format!("{encoded}##vso[task.setsecret]{secret}\n")
    }

    fn collapsed(&self, part: &LogSection<'_>) -> String {
        let (title, text) = (neutralize(part.title), neutralize_lines(part.text));
        format!("##[group]{title}\n{text}##[endgroup]\n")
    }

    fn expanded(&self, part: &LogSection<'_>) -> String {
        neutralize_lines(part.text)
    }

    fn annotation(&self, kind: Kind, title: &str, text: &str) -> String {
        match kind {
            Kind::Notice => String::new(),
            Kind::Error => {
                let text = data(&neutralize(&format!("{title}: {text}")));
                format!("##vso[task.logissue type=error]{text}\n")
            }
        }
    }

    fn output(&self, name: &str, value: &str) -> String {
        if value.len() > LONGEST {
            return String::new();
        }
        let value = data(value);
        format!("##vso[task.setvariable variable={name};isOutput=true]{value}\n")
    }

    fn summary(&self, path: &str) -> String {
        format!("##vso[task.uploadsummary]{}\n", data(path))
    }

    fn option(&self, name: &str, value: Option<&str>) -> String {
        crate::ci::system::plain::variable(name, value)
    }

    fn is_one_stream(&self) -> bool {
        true
    }
}

/// The longest output, in bytes: each becomes a variable of every step behind this one, and Windows starts no
/// program with a longer one.
const LONGEST: usize = 30_000;

/// A command's data. The agent decodes these, and `%AZP25` where it is told so of every line; a value never holds
/// a line's end.
fn data(text: &str) -> String {
    encoded(text, "%AZP25")
}
