//! The CI system of a run and its identity token.

pub mod ci_system;
pub mod jwt;
pub mod relying_party;
pub mod token_source;
