//! What an error means to its reader.

use alloc::string::String;

/// An error's stable code, and advice on what to do about it.
///
/// Beside each error stands its implementation; the front end prints it.
pub trait Explain {
    /// The code for programs: stable, `snake_case`.
    fn code(&self) -> &'static str;

    /// The next action, complete enough to paste.
    fn help(&self) -> String;
}
