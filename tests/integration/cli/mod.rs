//! The command line: commands, errors, secrets, bounds.

pub(crate) mod advice;
pub(crate) mod basics;
pub(crate) mod book;
pub(crate) mod bounds;
pub(crate) mod commands;
pub(crate) mod concurrency;
pub(crate) mod crashes;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod documentation;
pub(crate) mod dry_run;
pub(crate) mod errors;
pub(crate) mod hostile_environment;
pub(crate) mod inspect;
pub(crate) mod interop;
pub(crate) mod key_forms;
pub(crate) mod mistakes;
pub(crate) mod pictures;
pub(crate) mod rejections;
pub(crate) mod resources;
pub(crate) mod secrets;
pub(crate) mod terminal;
pub(crate) mod waiting;
