//! The images and the actions in a real Docker engine. Not every machine can start one, so `cargo test` leaves these tests
//! out: `./test` runs them by `cargo test --test engine`, and reports where it cannot.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../integration/ci/act/runner.rs"]
mod act;
mod actions;
mod docker;
mod images;
mod release;
#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../integration/support/mod.rs"]
mod support;
