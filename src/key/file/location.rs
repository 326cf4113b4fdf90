//! The location of a key in PEM: a file, or an environment variable.

use s3lo_core::explain::Explain;

use crate::environment::is_name;
use crate::key::reference::{KeyRef, PATH_SCHEME};
use crate::option_name::option;

/// The location of a key in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file at this path.
    File(String),
    /// An environment variable of this name: `env://NAME`.
    Variable(String),
}

impl Location {
    /// Reads a reference.
    ///
    /// # Errors
    ///
    /// [`NotAVariable`] if `env://` is not followed by a name.
    pub fn parse(reference: &KeyRef) -> Result<Self, NotAVariable> {
        let rest = reference.rest().to_owned();
        match reference.scheme() {
            PATH_SCHEME => Ok(Self::File(rest)),
            _ if is_name(&rest) => Ok(Self::Variable(rest)),
            _ => Err(NotAVariable),
        }
    }
}

/// A reference that names no variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`env://` is not followed by the name of a variable")]
pub struct NotAVariable;

impl Explain for NotAVariable {
    fn code(&self) -> &'static str {
        "bad_key_reference"
    }

    fn help(&self) -> String {
        format!(
            "write `env://` and a name of letters, digits and underscores, as in {key}",
            key = option("key").with("env://COSIGN_PRIVATE_KEY")
        )
    }
}
