//! Signs container images that live in S3, and verifies them.
//!
//! # Data flow
//!
//! ```text
//! arguments ───────────────▶ cli::args ─┐                    ┌─▶ key: a signer  (file, AWS KMS, Vault)
//! a job's variables ─▶ ci::inputs ──────┴─▶ cli::setup: Run ─┤
//!                                                            └─▶ store: objects (S3, directory)
//!                                                 │
//!                                                 ▼
//!                        sign ──▶ verdict::judge (in s3lo-core) ◀── verify
//!                                                 │
//!                                                 ▼
//! stdout, stderr, exit code ◀─ cli::output    cli::ci::results ─▶ step outputs, files, summary, log
//! ```
//!
//! # Modules
//!
//! Each module uses only those above it. The crate `s3lo-core` is below all: references, manifests, records, keys as
//! bytes, and the one verifier, without files, network, environment or clock.
//!
//! | module | contents |
//! |---|---|
//! | [`text`], [`option_name`], [`mask`], [`tasks`], [`open_files`] | text for terminals, options in messages, masking of secrets, work side by side and its bounds; files written atomically and read with a bound |
//! | [`environment`], [`child_environment`], [`diagnostic`] | variables, of which an empty one is unset, and those that no child gets; errors as they are printed |
//! | [`checks`] | what was looked at, for `doctor` and the gate |
//! | [`net`] | HTTP client, certificates, URLs, retry, the calls in progress |
//! | [`identity`] | the CI system and its identity token |
//! | [`aws`] | the configuration that all clients of AWS share, the role, its credentials |
//! | [`context`] | what the keys and stores of a run share |
//! | [`ci`] | a job's options, and its results in the form of its CI system |
//! | [`key`] | key references, the providers of keys in a folder each, the keyring of a run |
//! | [`store`] | stores of objects, in a folder each |
//! | [`image`] | a reference in its store |
//! | [`policy`] | the file that lists which keys may sign which images, and its keys |
//! | [`sign`](mod@sign), [`verify`], [`inspect`](mod@inspect), [`doctor`] | the order of requests and checks |
//! | [`gate`] | containerd's image verifier: whether a node may pull an image |
//! | [`cli`] | arguments, and what is printed |
//!
//! `docs/development.md` shows how to add a key provider and a store.
#![forbid(unsafe_code)]

mod atomic_file;
pub mod aws;
mod bounded_file;
mod build_info;
pub mod checks;
pub mod child_environment;
pub mod ci;
pub mod cli;
pub mod context;
pub mod diagnostic;
pub mod doctor;
pub mod environment;
pub mod gate;
pub mod identity;
pub mod image;
pub mod inspect;
pub mod key;
pub mod mask;
pub mod net;
pub mod open_files;
pub mod option_name;
pub mod policy;
pub mod sign;
mod similar;
pub mod store;
pub mod tasks;
pub mod text;
pub mod verify;
