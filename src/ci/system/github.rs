//! GitHub Actions, and what speaks its language
//! ([workflow commands](https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands)).
//!
//! The runner looks for commands in every line of stdout and stderr: `::name::` at the beginning of one, and
//! `##[name]` anywhere in it. What others have a say in is shown between `stop-commands` and its token.

use crate::ci::{Kind, LogFormat, LogSection, encoded, neutralize};

pub(crate) struct GitHub;

impl LogFormat for GitHub {
    fn mask(&self, secret: &str) -> String {
        format!("::add-mask::{}\n", data(secret))
    }

    fn collapsed(&self, part: &LogSection<'_>) -> String {
        let (title, text) = (data(&neutralize(part.title)), stopped(part));
        format!("::group::{title}\n{text}::endgroup::\n")
    }

    fn expanded(&self, part: &LogSection<'_>) -> String {
        stopped(part)
    }

    fn annotation(&self, kind: Kind, title: &str, text: &str) -> String {
        let kind = match kind {
            Kind::Notice => "notice",
            Kind::Error => "error",
        };
        let title = property(&clipped(title, LONGEST_TITLE));
        let text = data(&clipped(text, LONGEST_MESSAGE));
        format!("::{kind} title={title}::{text}\n")
    }

    fn debug(&self, text: &str) -> String {
        format!("::debug::{}", data(text))
    }

    fn is_one_stream(&self) -> bool {
        true
    }
}

fn stopped(part: &LogSection<'_>) -> String {
    let (token, mut text) = (part.token, part.text.to_owned());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    format!("::stop-commands::{token}\n{text}::{token}::\n")
}

/// The runner cuts a message behind 4,096 characters, and GitHub takes titles of 255. Both count as UTF-16 does.
const LONGEST_MESSAGE: usize = 4000;
const LONGEST_TITLE: usize = 200;

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
