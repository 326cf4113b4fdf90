//! GitHub Actions, and what speaks its language
//! ([workflow commands](https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands)).
//!
//! The runner looks for commands in every line of stdout and stderr: `::name::` at the beginning of one, and
//! `##[name]` anywhere in it. What others have a say in is shown between `stop-commands` and its token.

use super::{Host, Kind, Part, inert};

pub(super) struct GitHub;

impl Host for GitHub {
    fn mask(&self, secret: &str) -> String {
        format!("::add-mask::{}\n", data(secret))
    }

    fn folded(&self, part: &Part<'_>) -> String {
        let (title, text) = (data(&inert(part.title)), stopped(part));
        format!("::group::{title}\n{text}::endgroup::\n")
    }

    fn shown(&self, part: &Part<'_>) -> String {
        stopped(part)
    }

    fn annotation(&self, kind: Kind, title: &str, text: &str) -> String {
        let kind = match kind {
            Kind::Notice => "notice",
            Kind::Error => "error",
        };
        let (title, text) = (property(title), data(&clipped(text)));
        format!("::{kind} title={title}::{text}\n")
    }

    fn debug(&self, text: &str) -> String {
        format!("::debug::{}", data(text))
    }

    fn is_one_stream(&self) -> bool {
        true
    }
}

fn stopped(part: &Part<'_>) -> String {
    let (token, mut text) = (part.token, part.text.to_owned());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    format!("::stop-commands::{token}\n{text}::{token}::\n")
}

/// The runner cuts a message behind 4,096 characters; it is cut here, where it can be said so.
fn clipped(text: &str) -> String {
    crate::text::clipped_to(text, 4000)
}

/// A command's data. The runner decodes `%25` last.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
