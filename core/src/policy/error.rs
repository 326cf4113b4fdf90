//! The mistakes in a policy file.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::position::Position;
use crate::crypto::public;
use crate::digest;
use crate::text::{clipped, clipped_to};

/// A mistake in a policy file, and its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Error {
    /// The place.
    pub at: Position,
    /// The mistake.
    pub problem: Problem,
}

impl Error {
    pub(super) fn new(at: Position, problem: Problem) -> Self {
        Self { at, problem }
    }

    /// What to write instead.
    pub fn help(&self) -> String {
        self.problem.help()
    }
}

/// A mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More than [`super::MAX_BYTES`].
    #[error("the file is larger than {} bytes", super::MAX_BYTES)]
    TooLarge,
    /// Bytes that are no text.
    #[error("the file is not UTF-8")]
    NotUtf8,
    /// Neither TOML nor JSON.
    #[error("this is not {form}: {reason}")]
    Syntax {
        /// The one that it would have to be.
        form: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// Tables in tables, deeper than any field is.
    #[error("this is nested too deep")]
    TooDeep,
    /// A field that a policy does not have.
    #[error("{kind} has no field `{}`", clipped(name))]
    UnknownField {
        /// The field.
        name: String,
        /// What has it.
        kind: &'static str,
        /// The fields that there are.
        known: &'static [&'static str],
    },
    /// A name that is there twice.
    #[error("`{}` appears twice{}", clipped(name), first_on(*first))]
    Twice {
        /// The name.
        name: String,
        /// The first place, if it is known.
        first: Option<Position>,
    },
    /// A field that has to be there.
    #[error("{name} has no `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
        /// What lacks it.
        name: String,
        /// What to write.
        example: String,
    },
    /// A value of another type.
    #[error("{name} is {found}, and must be {wanted}")]
    Type {
        /// What has the value.
        name: String,
        /// The type that it must have.
        wanted: &'static str,
        /// The type that it has.
        found: &'static str,
        /// What to write.
        example: String,
    },
    /// A time that is not one moment.
    #[error("`{}` is not a date and time with an offset from UTC", clipped(text))]
    Time {
        /// The time.
        text: String,
        /// What to write.
        example: String,
    },
    /// Another version of the format.
    #[error("version {0} of policies is not known")]
    Version(i64),
    /// A list without an entry.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A name of a key that could be taken for something else.
    #[error("{} cannot be the name of a key", quoted(&clipped_to(.0, 64)))]
    KeyName(String),
    /// A text in the place of a public key that is not one.
    #[error("the key `{name}` cannot be used: {error}")]
    PublicKey {
        /// Its name.
        name: String,
        /// Why.
        error: public::Error,
    },
    /// A path that is absolute, or leads out of the directory.
    #[error("{} is not the path of a file below the directory of the policy", quoted(.0))]
    Path(String),
    /// A text that is no path, and may be a key.
    #[error("`public` of the key `{name}` is neither a path nor the PEM of a public key")]
    NoPath {
        /// Its name.
        name: String,
    },
    /// A key of a service that is not allowed.
    #[error("the key `{name}` is in a key service, which the policy does not allow for it")]
    Remote {
        /// Its name.
        name: String,
        /// What to write.
        example: String,
    },
    /// `allow-remote` for a key that is given by itself.
    #[error("`allow-remote` is set for the key `{name}`, which is in no key service")]
    NotRemote {
        /// Its name.
        name: String,
    },
    /// A scheme of no key service.
    #[error(
        "`{}://` of the key `{name}` is the scheme of no key service",
        clipped_to(scheme, 20)
    )]
    Scheme {
        /// Its name.
        name: String,
        /// The scheme of its `public`, which may carry a secret behind it.
        scheme: String,
    },
    /// A revocation or an end by a name that may lead to another key.
    #[error("`{field}` is set for a name in a key service, which may lead to another key tomorrow")]
    NotByName {
        /// `revoked` or `not-after`.
        field: &'static str,
        /// What to write.
        example: String,
    },
    /// A pattern that cannot be used.
    #[error("the pattern `{}` {problem}", clipped(pattern))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        problem: &'static str,
    },
    /// A rule that both denies and asks for signatures.
    #[error("`{field}` stands beside `deny`, which refuses the image whatever it says")]
    BesideDeny {
        /// The field.
        field: &'static str,
    },
    /// A requirement of an unknown form.
    #[error("a requirement is one of `any`, `all`, or `at-least` with `of`")]
    Requirement {
        /// What to write.
        example: String,
    },
    /// A key that the file does not name.
    #[error("`{}` is no key of this policy", clipped(name))]
    NoSuchKey {
        /// The name.
        name: String,
        /// The keys that there are.
        known: Vec<String>,
    },
    /// A number of keys that asks for none.
    #[error("`at-least` is {0}, which asks for no key")]
    NoThreshold(i64),
    /// A number of keys that cannot be reached.
    #[error("`at-least` is {least}, and `of` lists {}", counted(*keys))]
    Threshold {
        /// The number.
        least: usize,
        /// How many different keys there are.
        keys: usize,
    },
    /// A schema that is not known.
    #[error("there is no schema {0}")]
    Schema(i64),
    /// What is no digest.
    #[error("`{}` is not a digest: {error}", clipped(text))]
    Digest {
        /// The text.
        text: String,
        /// Why.
        error: digest::Error,
    },
    /// A reason that says nothing.
    #[error("`{field}` gives no reason")]
    Reason {
        /// `revoked` or `deny`.
        field: &'static str,
        /// What to write.
        example: String,
    },
}

fn first_on(first: Option<Position>) -> String {
    first.map_or_else(String::new, |first| {
        format!(", first on line {}", first.line)
    })
}

fn quoted(text: &str) -> String {
    match text {
        "" => "an empty text".to_owned(),
        text => format!("`{}`", clipped(text)),
    }
}

fn counted(keys: usize) -> String {
    match keys {
        1 => "one key".to_owned(),
        keys => format!("{keys} different keys"),
    }
}

impl Problem {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::TooLarge => "split the policy: one file for each gate".to_owned(),
            Self::NotUtf8 => "save the file as UTF-8".to_owned(),
            Self::Syntax { .. } | Self::TooDeep => {
                "correct the file at this place; it is TOML, or JSON if it begins with `{`".to_owned()
            }
            Self::UnknownField { known, kind, .. } => {
                format!("the fields of {kind}: {}", known.join(", "))
            }
            Self::Twice { .. } => "remove one of them".to_owned(),
            Self::Missing { example, .. } => format!("add `{example}`"),
            Self::Type { example, .. } | Self::Time { example, .. } => format!("write `{example}`"),
            Self::Version(_) => "write version 1, or update s3lo".to_owned(),
            Self::Empty(field) => format!("write at least one entry into `{field}`"),
            Self::KeyName(_) => {
                "use letters, digits, `.`, `_` and `-`, at most 64, and a letter or digit first".to_owned()
            }
            Self::PublicKey { .. } => "give the public key: the output of `s3lo public-key --key KEY`".to_owned(),
            Self::Path(_) | Self::NoPath { .. } => {
                "write the path from the policy's directory, such as `keys/ci.pub`: it has no `..` and no backslash".to_owned()
            }
            Self::Remote { example, .. } => format!(
                "give its public key, as `s3lo public-key --key KEY` prints it; or, to trust any key that the service gives, \
                 write `{example}` beside it"
            ),
            Self::NotRemote { .. } => "remove `allow-remote`".to_owned(),
            Self::Scheme { .. } => {
                "write a path, the PEM itself, or `awskms://…`, `hashivault://…`, `openbao://…`".to_owned()
            }
            Self::NotByName { example, .. } => format!(
                "save the key by `s3lo public-key --key KEY > keys/ci.pub`, and write `{example}`"
            ),
            Self::Pattern { .. } => {
                "write SCHEME://ROOT/IMAGE, such as `s3://my-bucket/payments/*`, or `**` for every image".to_owned()
            }
            Self::BesideDeny { field } => format!("remove `{field}`, or `deny`"),
            Self::Requirement { example } => format!("write one of them, such as `{example}`"),
            Self::NoSuchKey { known, .. } => {
                format!("the keys of this policy: {}", clipped(&known.join(", ")))
            }
            Self::NoThreshold(_) => "write 1 or more: zero keys would let every image pass".to_owned(),
            Self::Threshold { keys, .. } => {
                format!("write at most {keys}, or add a key: one key under several names counts once")
            }
            Self::Schema(_) => "write 2, or 1 to accept signatures that do not cover the tag".to_owned(),
            Self::Digest { .. } => "write `sha256:` and 64 hex digits".to_owned(),
            Self::Reason { example, .. } => {
                format!("write the reason, for those whose image is refused: `{example}`")
            }
        }
    }
}
