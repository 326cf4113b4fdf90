//! Which keys may sign which images.

pub mod decision;
