//! A Vault token, and its origin.

use std::fmt;

use secrecy::SecretString;

use crate::key::vault::client::method::Method;
use crate::key::vault::client::mount::Mount;

/// A token.
pub(crate) struct Token {
    /// The text; `None` if an agent in front of the server adds one of its own.
    pub(crate) secret: Option<SecretString>,
    pub(crate) origin: TokenOrigin,
    /// Whether this run revokes it at its end.
    pub(crate) revocable: bool,
    /// Whether an earlier login may have left a token that is not known, since its answer was lost.
    pub(crate) left_another: bool,
}

/// The longest token, in bytes. Batch tokens carry their policies.
const MAX_TOKEN_LEN: usize = 16 * 1024;

impl Token {
    /// A token from outside this run, or `None` if the text cannot be one: it becomes a header.
    pub(crate) fn new(text: &str, origin: TokenOrigin) -> Option<Self> {
        let text = text.trim();
        // Quotes come from a shell or from YAML by mistake.
        let valid = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'`".contains(&byte));
        (valid && (1..=MAX_TOKEN_LEN).contains(&text.len())).then(|| Self {
            secret: Some(SecretString::from(text)),
            origin,
            revocable: false,
            left_another: false,
        })
    }

    /// The token that an agent adds to requests without one.
    pub(crate) fn of_agent() -> Self {
        Self {
            secret: None,
            origin: TokenOrigin::Agent,
            revocable: false,
            left_another: false,
        }
    }
}

/// The origin of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOrigin {
    /// An agent in front of the server.
    Agent,
    /// A file at this path.
    File(String),
    /// A login of this run.
    Login {
        /// The method.
        method: Method,
        /// The mount of the method.
        mount: Mount,
    },
    /// A variable of this name.
    Variable(String),
}

impl fmt::Display for TokenOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("the agent"),
            Self::File(path) => write!(f, "`{path}`"),
            Self::Login { method, mount } => write!(f, "the login by {method} at `{mount}`"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}
