//! Integration tests, in a folder for each area. Every test either runs or fails: it starts what it
//! needs by itself, and `./test` installs that.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::print_stdout,
    reason = "the counts of what was tried are part of the result"
)]

mod aws;
mod ci;
mod cli;
mod core;
mod examples;
mod gate;
mod node;
mod policy;
mod release;
mod store;
mod support;
mod vault;
