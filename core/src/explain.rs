//! The meaning of an error to its reader.

use alloc::string::String;
use alloc::vec::Vec;

/// An error's stable code, the facts beside its sentence, and advice on what to do about it.
///
/// Beside each error stands its implementation; the front end prints it.
pub trait Explain {
    /// The code for programs: stable, `snake_case`.
    fn code(&self) -> &'static str;

    /// The facts beyond the sentence: the answer of a service, digests, the claims of a token.
    fn facts(&self) -> Vec<Fact> {
        Vec::new()
    }

    /// The next action, complete enough to paste. Each further line is a step of its own, or part of a statement to
    /// paste.
    fn help(&self) -> String;
}

/// A fact about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The word in front of it, in `camelCase`.
    pub name: &'static str,
    /// The fact, on one line.
    pub value: String,
}

impl Fact {
    /// The fact `value` of this name.
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
        }
    }
}
