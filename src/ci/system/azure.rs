//! Azure Pipelines
//! ([logging commands](https://learn.microsoft.com/en-us/azure/devops/pipelines/scripts/logging-commands)):
//! `##vso[…]` and `##[…]`, anywhere in a line.

use crate::ci::{AnnotationKind, LogFormat, LogSection, encoded};

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

    fn collapsed(&self, section: &LogSection<'_>) -> String {
        format!("##[group]{}\n{}##[endgroup]\n", section.title, section.text)
    }

    fn expanded(&self, section: &LogSection<'_>) -> String {
        section.text.to_owned()
    }

    fn annotation(&self, kind: AnnotationKind, title: &str, text: &str) -> String {
        match kind {
            AnnotationKind::Notice => String::new(),
            AnnotationKind::Error => {
                let text = data(&format!("{title}: {text}"));
                format!("##vso[task.logissue type=error]{text}\n")
            }
        }
    }

    fn output(&self, name: &str, value: &str) -> String {
        if value.len() > MAX_OUTPUT_LEN {
            return String::new();
        }
        let value = data(value);
        format!("##vso[task.setvariable variable={name};isOutput=true]{value}\n")
    }

    fn summary(&self, path: &str) -> String {
        format!("##vso[task.uploadsummary]{}\n", data(path))
    }

    fn is_one_stream(&self) -> bool {
        true
    }
}

/// The longest output, in bytes: each becomes a variable of every step after this one, and Windows starts no
/// program with a longer one.
const MAX_OUTPUT_LEN: usize = 30_000;

/// A command's data. The agent decodes these, and `%AZP25` if a job sets that; a value never contains
/// a line's end.
fn data(text: &str) -> String {
    encoded(text, "%AZP25")
}
