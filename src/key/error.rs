//! Errors of keys: those of their providers.

pub use crate::diagnostic::SharedError as Error;
