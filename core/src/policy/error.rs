//! The mistakes in a policy file.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::document::Position;
use crate::crypto::public;
use crate::text::clipped;

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
    #[error("{0}")]
    Syntax(String),
    /// Tables in tables, deeper than any field is.
    #[error("this is nested too deep")]
    TooDeep,
    /// A field that a policy does not have.
    #[error("`{}` is no field of {within}", clipped(name))]
    UnknownField {
        /// The field.
        name: String,
        /// What has it.
        within: &'static str,
        /// The fields that there are.
        known: &'static [&'static str],
    },
    /// A name that is there twice.
    #[error("`{}` is there twice, the first time in line {}", clipped(name), first.line)]
    Twice {
        /// The name.
        name: String,
        /// The first place.
        first: Position,
    },
    /// A field that has to be there.
    #[error("{within} has no `{name}`")]
    Missing {
        /// The field.
        name: &'static str,
        /// What lacks it.
        within: &'static str,
        /// What to write.
        example: &'static str,
    },
    /// A value of another type.
    #[error("{} is {found}, and must be {wanted}", quoted(field))]
    Type {
        /// The field.
        field: String,
        /// The type that it must have.
        wanted: &'static str,
        /// The type that it has.
        found: &'static str,
    },
    /// Another version of the format.
    #[error("version {0} of policies is not known")]
    Version(i64),
    /// A list without an entry.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A name of a key that could be taken for something else.
    #[error("`{}` cannot be the name of a key", clipped(.0))]
    KeyName(String),
    /// A key in the file that is none.
    #[error("the key `{name}` cannot be used: {error}")]
    PublicKey {
        /// Its name.
        name: String,
        /// Why.
        error: public::Error,
    },
    /// A path that is absolute, or leads out of the directory.
    #[error("`{}` is not a path below the directory of the policy", clipped(.0))]
    Path(String),
    /// A key of a service that is not allowed.
    #[error("the key `{name}` is in a key service, which the policy does not allow for it")]
    Remote {
        /// Its name.
        name: String,
    },
    /// `allow-remote` for a key that is given by itself.
    #[error("the key `{name}` has `allow-remote`, and is in no key service")]
    NotRemote {
        /// Its name.
        name: String,
    },
    /// A scheme of no key service.
    #[error(
        "the key `{name}` is `{}`, which is the name of no key in a key service",
        clipped(public)
    )]
    Scheme {
        /// Its name.
        name: String,
        /// Its `public`.
        public: String,
    },
    /// A revocation or an end by a name that may lead to another key.
    #[error(
        "`{field}` stands beside the name of a key in a key service, which may lead to another key tomorrow"
    )]
    NotByName {
        /// `revoked` or `not-after`.
        field: &'static str,
        /// The `public` of the key.
        public: String,
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
    /// A requirement that is none of the three.
    #[error("a requirement is one of `any`, `all`, or `at-least` with `of`")]
    Requirement,
    /// A key that the file does not name.
    #[error("`{}` is no key of this policy", clipped(name))]
    NoSuchKey {
        /// The name.
        name: String,
        /// The keys that there are.
        known: Vec<String>,
    },
    /// A number of keys that says nothing, or that cannot be reached.
    #[error("`at-least = {least}` {}", unreachable(*least, *keys))]
    Threshold {
        /// The number.
        least: i64,
        /// How many different keys there are.
        keys: usize,
    },
    /// A schema that is not known.
    #[error("`min-schema = {0}`: there are the schemas 1 and 2")]
    Schema(i64),
    /// What is no digest.
    #[error("`{}` is not a digest", clipped(.0))]
    Digest(String),
    /// A reason that says nothing.
    #[error("`{0}` gives no reason")]
    Reason(&'static str),
}

/// A field in quotes; what has no name of its own, such as `a rule`, stands without.
fn quoted(field: &str) -> String {
    match field.contains(' ') {
        true => field.to_owned(),
        false => format!("`{}`", clipped(field)),
    }
}

fn unreachable(least: i64, keys: usize) -> String {
    match (least, keys) {
        (..=0, _) => "asks for no key".to_owned(),
        (_, 1) => "cannot be met by one key".to_owned(),
        (_, keys) => format!("cannot be met by {keys} different keys"),
    }
}

impl Problem {
    /// What to write instead.
    pub fn help(&self) -> String {
        let list = |names: &[&str]| names.join(", ");
        match self {
            Self::TooLarge => "split the policy: one file for each gate".to_owned(),
            Self::NotUtf8 => "save the file as UTF-8".to_owned(),
            Self::Syntax(_) | Self::TooDeep => {
                "correct the file at this place; it is TOML, or JSON if it begins with `{`".to_owned()
            }
            Self::UnknownField { known, within, .. } => {
                format!("the fields of {within} are {}", list(known))
            }
            Self::Twice { .. } => "remove one of them".to_owned(),
            Self::Missing { example, .. } => format!("add `{example}`"),
            Self::Type { wanted, .. } => format!("write {wanted}"),
            Self::Version(_) => "write `version = 1`, or update s3lo".to_owned(),
            Self::Empty(field) => format!("write at least one entry into `{field}`"),
            Self::KeyName(_) => {
                "use letters, digits, `.`, `_` and `-`, at most 64, and a letter or digit first".to_owned()
            }
            Self::PublicKey { .. } => "give the public key: the output of `s3lo public-key --key KEY`".to_owned(),
            Self::Path(_) => "write the path from the policy's directory, such as `keys/ci.pub`, without `..`".to_owned(),
            Self::Remote { name } => format!(
                "give its public key, as `s3lo public-key --key KEY` prints it; or, to trust whatever key the service gives, \
                 write `allow-remote = true` below `[keys.{name}]`"
            ),
            Self::NotRemote { .. } => "remove `allow-remote`".to_owned(),
            Self::Scheme { .. } => {
                "write a path, the PEM itself, or `awskms://…`, `hashivault://…`, `openbao://…`".to_owned()
            }
            Self::NotByName { public, .. } => {
                format!("save the key by `s3lo public-key --key {} > key.pub`, and write `public = \"key.pub\"`", clipped(public))
            }
            Self::Pattern { .. } => {
                "write SCHEME://ROOT/IMAGE, such as `s3://my-bucket/payments/*`, or `**` for every image".to_owned()
            }
            Self::BesideDeny { field } => format!("remove `{field}`, or `deny`"),
            Self::Requirement => "write `{ any = [\"ci\"] }`, `{ all = [\"ci\", \"qa\"] }` or `{ at-least = 2, of = [\"a\", \"b\", \"c\"] }`".to_owned(),
            Self::NoSuchKey { known, .. } => {
                format!("the keys of this policy are {}", clipped(&known.join(", ")))
            }
            Self::Threshold { least: ..=0, .. } => "write 1 or more: zero keys would let every image pass".to_owned(),
            Self::Threshold { keys, .. } => format!("write at most {keys}, or add a key; one key under several names counts once"),
            Self::Schema(_) => "write `min-schema = 2`, or `1` to accept signatures that do not cover the tag".to_owned(),
            Self::Digest(_) => "write sha256: and 64 hexadecimal digits".to_owned(),
            Self::Reason(field) => format!("write the reason, for those whose image is refused: `{field} = \"…\"`"),
        }
    }
}
