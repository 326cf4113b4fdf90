//! Errors of keys.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Explain};

/// An error of a provider, with its advice.
pub trait ProviderError: std::error::Error + Explain + Send + Sync {}

impl<E: std::error::Error + Explain + Send + Sync> ProviderError for E {}

/// An error of any provider: a key cannot be opened, or does not sign.
#[derive(Clone, Debug)]
pub struct Error(Arc<dyn ProviderError>);

impl Error {
    /// Wraps a provider's error.
    pub fn new(error: impl ProviderError + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        self.0.code()
    }

    fn help(&self) -> String {
        self.0.help()
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        Diagnostic::new(self) == Diagnostic::new(other)
    }
}

impl Eq for Error {}
