//! GitHub Actions, and what speaks its language
//! ([workflow commands](https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands)).
//!
//! The runner looks for commands in every line of stdout and stderr: `::name::` at the beginning of one, and
//! `##[name]` anywhere in it. Untrusted text is printed between `stop-commands` and its token.

use crate::ci::{AnnotationKind, LogFormat, LogSection, encoded};

pub(crate) struct GitHub;

impl LogFormat for GitHub {
    fn mask(&self, secret: &str) -> String {
        format!("::add-mask::{}\n", data(secret))
    }

    fn collapsed(&self, section: &LogSection<'_>) -> String {
        let (title, text) = (data(section.title), stopped(section));
        format!("::group::{title}\n{text}::endgroup::\n")
    }

    fn expanded(&self, section: &LogSection<'_>) -> String {
        stopped(section)
    }

    fn annotation(&self, kind: AnnotationKind, title: &str, text: &str) -> String {
        let kind = match kind {
            AnnotationKind::Notice => "notice",
            AnnotationKind::Error => "error",
        };
        let title = property(&clipped(title, MAX_TITLE_LEN));
        let text = data(&clipped(text, MAX_MESSAGE_LEN));
        format!("::{kind} title={title}::{text}\n")
    }

    fn debug(&self, text: &str) -> String {
        format!("::debug::{}", data(text))
    }

    fn is_one_stream(&self) -> bool {
        true
    }
}

fn stopped(section: &LogSection<'_>) -> String {
    let (token, mut text) = (section.token, section.text.to_owned());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    format!("::stop-commands::{token}\n{text}::{token}::\n")
}

/// The runner cuts a message after 4,096 characters, and GitHub takes titles of 255. Both count as UTF-16 does.
const MAX_MESSAGE_LEN: usize = 4000;
const MAX_TITLE_LEN: usize = 200;

fn clipped(text: &str, most: usize) -> String {
    let mut length = 0_usize;
    let fits = text.chars().take_while(|c| {
        length = length.saturating_add(c.len_utf16());
        length <= most
    });
    let kept: String = fits.collect();
    if kept.len() < text.len() {
        kept + "…"
    } else {
        kept
    }
}

/// A command's data. The runner decodes `%25` last.
fn data(text: &str) -> String {
    encoded(text, "%25")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
