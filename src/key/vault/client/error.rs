//! Why a call to Vault came to nothing.

use crate::identity::jwt::Claims;
use crate::identity::token_source;
use crate::key::vault::client::address::Server;
use crate::key::vault::client::login::Method;
use crate::key::vault::client::response::Answer;
use crate::net::retry::Retry;
use crate::net::unreachable::Unreachable;

/// Why a call failed. No error holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The identity token is for another service, which it would hand over.
    #[error("the identity token from {place} is for `{audience}`, and not for `{wanted}` alone")]
    Audience {
        /// For whom it should be.
        wanted: String,
        /// Where the token is from.
        place: String,
        /// For whom it is.
        audience: String,
    },
    /// The token's policies do not allow it.
    #[error("{server} does not let this token {capability} `{path}`: {answer}")]
    Denied {
        /// The server.
        server: Server,
        /// What a policy calls it: `read` or `update`.
        capability: &'static str,
        /// The path, as a policy names it.
        path: String,
        /// What Vault said.
        answer: Answer,
    },
    /// There is no identity token to log in with.
    #[error("no login to {server}")]
    Identity {
        /// The server.
        server: Server,
        /// Why there is none.
        source: token_source::Error,
    },
    /// Nothing is mounted there.
    #[error("{server} has nothing mounted at `{path}`: {answer}")]
    NoMount {
        /// The server.
        server: Server,
        /// The path.
        path: String,
        /// What Vault said.
        answer: Answer,
    },
    /// What answered is not what Vault writes.
    #[error("{server} answered with {what}")]
    Nonsense {
        /// The server.
        server: Server,
        /// What it is instead.
        what: String,
    },
    /// There is nothing at this path.
    #[error("{server} has no `{path}`")]
    NotFound {
        /// The server.
        server: Server,
        /// The path.
        path: String,
    },
    /// The login was refused.
    #[error("{server} refused the login by {method} at `{mount}`{}: {answer}", of_role(role.as_deref()))]
    Refused {
        /// The server.
        server: Server,
        /// How.
        method: Method,
        /// Where the method is mounted.
        mount: String,
        /// The role, where one is named.
        role: Option<String>,
        /// What the identity token says of itself, where there is one.
        claims: Option<Box<Claims>>,
        /// What Vault said.
        answer: Answer,
    },
    /// It points elsewhere, where the token does not follow.
    #[error("{server} redirects to {to}, and no token is sent after a redirect")]
    Redirected {
        /// The server.
        server: Server,
        /// Where to.
        to: String,
    },
    /// A status without a meaning of its own here.
    #[error("{server} failed at `{path}`: {answer}")]
    Service {
        /// The server.
        server: Server,
        /// The path.
        path: String,
        /// What Vault said.
        answer: Answer,
    },
    /// The token is unknown, expired or revoked.
    #[error("{server} does not know the token from {place}: {answer}")]
    Token {
        /// The server.
        server: Server,
        /// Where the token is from.
        place: String,
        /// What Vault said.
        answer: Answer,
    },
    /// No answer came, or none to its end.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The server.
        server: Server,
        /// What happened.
        reason: Unreachable,
    },
}

fn of_role(role: Option<&str>) -> String {
    role.map_or_else(String::new, |role| {
        format!(" as the role `{}`", role.escape_debug())
    })
}

impl Error {
    /// Whether the same call may succeed a moment later.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Service { answer, .. } if answer.is_throttled() => Retry::Throttled,
            Self::Service { answer, .. } if answer.is_transient() => Retry::Transient,
            Self::Unreachable { .. } => Retry::Transient,
            Self::Identity { source, .. } if !source.is_permanent() => Retry::Transient,
            _ => Retry::No,
        }
    }
}
