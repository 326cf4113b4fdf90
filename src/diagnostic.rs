//! Errors in words: a code for programs, one sentence for a person, and what to do next.

use std::error::Error;
use std::fmt;

use crate::text::{printable, quoted};
use crate::{image, sign, verify};

/// An error as the user meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable, `snake_case`: for programs.
    pub code: &'static str,
    /// One sentence that names the thing.
    pub message: String,
    /// The next action, complete enough to paste.
    pub help: String,
}

impl Diagnostic {
    /// Explains `error`: its sentence and those of its sources, without a `Debug` dump anywhere.
    pub fn new<E: Explain + Error + 'static>(error: &E) -> Self {
        let mut message = shown(&error.to_string());
        let mut next = error.source();
        while let Some(source) = next {
            message.push_str(": ");
            message.push_str(&shown(&source.to_string()));
            next = source.source();
        }
        Self {
            code: error.code(),
            message,
            help: shown(&error.help()),
        }
    }

    /// The same, with what else should be known.
    pub fn with(self, warnings: &[String]) -> Self {
        let told = std::iter::once(self.message).chain(warnings.iter().map(|text| shown(text)));
        Self {
            message: told.collect::<Vec<_>>().join("; "),
            ..self
        }
    }

    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code: "usage",
            message: shown(&message.into()),
            help: shown(&help.into()),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  help: {}", self.message, self.help)
    }
}

/// What an error means to its reader.
pub trait Explain {
    /// Stable, `snake_case`.
    fn code(&self) -> &'static str;

    /// What to do.
    fn help(&self) -> String;
}

impl Explain for sign::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadySigned { .. } => "already_signed",
            Self::Clock => "clock",
            Self::HigherSchema { .. } => "higher_schema",
            Self::Image(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Manifest { .. } => "not_a_manifest",
            Self::Moved { .. } => "tag_moved",
            Self::Nonsense { .. } => "signer_answered_nonsense",
            Self::Pinned { .. } => "digest_mismatch",
            Self::Store(error) => error.code(),
            Self::TimedOut => "timed_out",
            Self::Unsettled { .. } => "unsettled",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::AlreadySigned { .. } => {
                "nothing to do; `--if-signed replace` signs anew".to_owned()
            }
            Self::Clock => "set this machine's clock, for example with `timedatectl set-ntp true`".to_owned(),
            Self::HigherSchema { there, .. } => format!(
                "keep it by signing with `--schema-version {}`, or lower it deliberately with `--if-signed replace`",
                there.version()
            ),
            Self::Image(error) => error.help(),
            Self::Key(error) => error.help(),
            Self::Manifest { .. } => {
                "push the image again; only OCI image manifests and indexes and Docker schema 2 manifests and lists of at most 4 MiB are signed".to_owned()
            }
            Self::Moved { .. } => {
                "somebody pushed to this tag meanwhile; sign what you built by its digest: `REF:TAG@sha256:…` or `--digest sha256:…`".to_owned()
            }
            Self::Nonsense { .. } => {
                "nothing was stored; check the key with `s3lo public-key --key KEY`, and report this if it happens again".to_owned()
            }
            Self::Pinned { reference, current, .. } => format!(
                "somebody pushed to this tag since it was built; push your image again; or, once you know who pushed what is there, name that: `{}`",
                quoted(&format!("{}@{current}", reference.unpinned()))
            ),
            Self::Store(error) => error.help(),
            Self::TimedOut => timed_out(),
            Self::Unsettled { .. } => "run it again; many signers at once were replacing the same record".to_owned(),
        }
    }
}

impl Explain for verify::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Image(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::TimedOut => "timed_out",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Image(error) => error.help(),
            Self::Key(error) => error.help(),
            Self::Store(error) => error.help(),
            Self::TimedOut => timed_out(),
        }
    }
}

impl Explain for image::Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NotInStore { .. } => "image_not_found",
            Self::Store(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        let (reference, tags) = match self {
            Self::Store(error) => return error.help(),
            Self::NotInStore { reference, tags } => (reference, tags.as_deref()),
        };
        let push = format!(
            "push it first: `s3lo push {} {}`",
            quoted(&reference.name()),
            quoted(&reference.unpinned())
        );
        match tags {
            None => push,
            Some([]) => format!("the store has no tag of `{}`; {push}", reference.image()),
            Some(tags) => format!(
                "the store has these tags of `{}`: {}; {push}",
                reference.image(),
                some_of(tags)
            ),
        }
    }
}

/// The most characters of a sentence. What is longer quotes an argument that nobody will read.
const LONGEST: usize = 2000;

fn shown(text: &str) -> String {
    let start: String = text.chars().take(LONGEST).collect();
    printable(&start)
}

/// How many names a help line shows.
const SHOWN: usize = 10;

fn some_of(names: &[String]) -> String {
    let mut shown: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|name| printable(name))
        .collect();
    if let Some(more) = names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

fn timed_out() -> String {
    "run it again, or give it longer with `--timeout 10m`; `--verbose` shows what took the time"
        .to_owned()
}
