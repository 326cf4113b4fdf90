//! Releases: files, versions, workflows, images.

pub(crate) mod contents;
pub(crate) mod image;
pub(crate) mod issue_forms;
