//! Printed output: text, JSON and progress.

pub(crate) mod checks;
pub(crate) mod inert;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod text;
pub(crate) mod waiting;
