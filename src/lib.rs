//! Signs container images that live in S3, and verifies them.
//!
//! # Data flow
//!
//! ```text
//! what was typed,
//! what a job says: ci ─ cli ─▶ Plan ─▶ sign ──▶ key::Signer   (file, environment, AWS KMS, Vault)
//!                                       │  ╲──▶ store::Store  (s3, local)     ◀─ cloud: credentials, HTTP
//!                                       ▼
//!                                    verdict::judge ◀── verify
//!                                       │
//!        stdout, exit code, ci: outputs, summary ◀─ cli ◀─ explain
//! ```
//!
//! # Rooms
//!
//! A room uses only rooms above it.
//!
//! | room | holds |
//! |---|---|
//! | [`digest`], [`mod@reference`], [`text`] | what names a manifest and where it lies |
//! | [`environment`] | variables, where empty is unset |
//! | [`mask`] | whoever is told of secrets as soon as they are learned |
//! | [`manifest`], [`payload`], [`record`] | what is read, signed and stored |
//! | [`key::algorithm`], [`key::armor`], [`key::public`], [`key::cosign`] | keys as bytes |
//! | [`verdict`] | the one verifier |
//! | [`cloud`] | one shared AWS configuration: identity, role, HTTP client, retries |
//! | [`vault`] | a Vault and a login there; its addresses and answers |
//! | [`key::awskms`], [`key::transit`], [`key::versions`] | how a key in KMS and in a transit engine is named, and what the engine says of it |
//! | [`key::private`], [`key::opening`], [`key::file`], [`key::kms`], [`key::vault`] | what signs |
//! | [`store`] | where objects lie |
//! | [`image`], [`batch`] | a reference in its store; many at once |
//! | [`sign`](mod@sign), [`verify`] | what runs at the same time, and what is checked before what is kept |
//! | [`ci::inputs`] | what a job says by its environment |
//! | [`explain`] | errors in words, with what to do |
//! | [`ci`] | results in the words of a CI system |
//! | [`cli`] | what was typed, and what is printed |
//!
//! But for [`environment`], down to [`verdict`] the rooms are pure: no file, environment, clock,
//! randomness or network.
#![forbid(unsafe_code)]

mod atomic_file;
pub mod aws;
mod bounded_file;
pub mod ci;
pub mod cli;
pub mod context;
pub mod diagnostic;
pub mod environment;
pub mod identity;
pub mod image;
pub mod key;
pub mod mask;
pub mod net;
pub mod option_name;
pub mod sign;
pub mod store;
pub mod tasks;
pub mod text;
pub mod verify;
