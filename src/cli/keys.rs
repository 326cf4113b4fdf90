//! `s3lo generate-key-pair` and `s3lo public-key`.

use std::io::{self, Write};
use std::path::Path;

use s3lo_core::crypto::private::PrivateKey;
use s3lo_core::crypto::public::KeyId;
use secrecy::{ExposeSecret as _, SecretSlice};
use tempfile::NamedTempFile;

use crate::atomic_file;
use crate::cli::args::Output;
use crate::cli::args::keys::{GenerateArgs, PublicKeyArgs};
use crate::cli::output::{json, text};
use crate::cli::setup::RunContext;
use crate::cli::shutdown::ShutdownSignals;
use crate::cli::{CommandError, ExitStatus, deadline, password, setup};
use crate::diagnostic::Diagnostic;
use crate::option_name::option;
use crate::tasks::run_blocking;
use crate::text::os_reason;

/// Generates a key pair: `PREFIX.key`, mode 0600, and `PREFIX.pub`, mode 0644.
pub(crate) async fn generate(
    args: &GenerateArgs,
    output: Output,
    out: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let prefix = &args.output_key_prefix;
    if prefix.is_empty() || prefix.ends_with('/') || prefix.contains(char::is_control) {
        return Err(Diagnostic::usage(
            format!(
                "{} does not begin the name of a file",
                option("output-key-prefix")
            ),
            format!(
                "write the beginning of the files' names, as in {}",
                option("output-key-prefix").with("release")
            ),
        )
        .into());
    }
    let (private, public) = (format!("{prefix}.key"), format!("{prefix}.pub"));
    for path in [&private, &public] {
        let there = Path::new(path).symlink_metadata().is_ok();
        if there && !args.force {
            return Err(exists(path).into());
        }
        atomic_file::check_replaceable(Path::new(path)).map_err(|error| refused(path, &error))?;
    }
    // Only the prompt takes long. A signal that ends it must not leave the terminal as it is meanwhile.
    let signals = ShutdownSignals::listen();
    let password = signals.unless_received(run_blocking(new_password)).await?;
    let key_id = write_pair(prefix, &password, args.force)?.to_string();
    match output {
        Output::Json => json::write(
            out,
            &json::KeyPair {
                private_key: &private,
                public_key: &public,
                key_id,
            },
        )?,
        Output::Text => {
            writeln!(out, "Private key written to {private}")?;
            writeln!(out, "Public key written to {public}")?;
            writeln!(out, "Key ID: {key_id}")?;
        }
    }
    Ok(ExitStatus::Done)
}

/// Generates a key pair, and writes `PREFIX.key` and `PREFIX.pub`.
pub(crate) fn write_pair(
    prefix: &str,
    password: &SecretSlice<u8>,
    force: bool,
) -> Result<KeyId, Diagnostic> {
    let (private, public) = (format!("{prefix}.key"), format!("{prefix}.pub"));
    let broken = |error| {
        Diagnostic::plain(
            "key_generation",
            format!("no key could be made: {error}"),
            "run it again",
        )
    };
    let key = PrivateKey::generate().map_err(broken)?;
    let sealed = key.seal(password).map_err(broken)?;
    // Both are written before either gets its name; the private key gets it last.
    let private_draft = draft(&private, sealed.as_bytes(), 0o600)?;
    let public_draft = draft(&public, key.public().to_pem().as_bytes(), 0o644)?;
    persist(public_draft, &public, force)?;
    persist(private_draft, &private, force)?;
    Ok(key.public().id())
}

/// Prints the public half of a key.
pub(crate) async fn public(
    args: &PublicKeyArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let (key, warnings) = setup::public_key(
        &args.key,
        &args.aws,
        &args.providers,
        context,
        deadline(args.timeout),
    )
    .await?;
    let _ = text::warnings(err, &warnings);
    match output {
        Output::Text => out.write_all(key.to_pem().as_bytes())?,
        Output::Json => json::write(
            out,
            &json::Public {
                public_key: key.to_pem(),
                key_id: key.id().to_string(),
                key_type: key.key_type().to_string(),
            },
        )?,
    }
    Ok(ExitStatus::Done)
}

/// The password of a new key: COSIGN_PASSWORD, or asked for twice.
fn new_password() -> Result<SecretSlice<u8>, Diagnostic> {
    if let Some(password) = password::cosign_password() {
        return Ok(password);
    }
    if !password::at_terminal() {
        return Err(Diagnostic::plain(
            "password_missing",
            "a new key needs a password, and COSIGN_PASSWORD is not set",
            "set it (it may be empty): `COSIGN_PASSWORD=… s3lo generate-key-pair`",
        ));
    }
    let ask = |question| {
        password::prompt(question).map_err(|error| {
            Diagnostic::plain(
                "password_missing",
                format!("no password could be asked for: {error}"),
                "set COSIGN_PASSWORD",
            )
        })
    };
    let password = ask("Enter password for private key: ")?;
    let again = ask("Enter password for private key again: ")?;
    if password.expose_secret() != again.expose_secret() {
        return Err(Diagnostic::plain(
            "password_mismatch",
            "the two passwords are not the same",
            "run it again",
        ));
    }
    Ok(password)
}

/// A file beside `path`, on the disk.
fn draft(path: &str, contents: &[u8], mode: u32) -> Result<NamedTempFile, Diagnostic> {
    let write = || {
        let draft = atomic_file::temporary_file(Path::new(path), contents, mode)?;
        draft.as_file().sync_all()?;
        Ok(draft)
    };
    write().map_err(|error: io::Error| unwritten(path, &error))
}

/// Gives a temporary file its name.
fn persist(draft: NamedTempFile, path: &str, force: bool) -> Result<(), Diagnostic> {
    let persisted = if force {
        draft.persist(path)
    } else {
        draft.persist_noclobber(path)
    };
    match persisted {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(unwritten(path, &error.error)),
    }
}

fn unwritten(path: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::plain(
        "io",
        format!(
            "cannot write `{path}`: {}",
            atomic_file::unwritable(Path::new(path), error)
        ),
        "write it to a folder that exists and that you may write",
    )
}

fn refused(path: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::plain(
        "not_a_file",
        format!("cannot write `{path}`: {}", os_reason(error)),
        format!(
            "choose another name with {}: only a regular file is overwritten",
            option("output-key-prefix")
        ),
    )
}

fn exists(path: &str) -> Diagnostic {
    Diagnostic::plain(
        "file_exists",
        format!("`{path}` already exists"),
        format!(
            "choose another name with {}, or overwrite it, which loses the old key, with {}",
            option("output-key-prefix"),
            option("force")
        ),
    )
}
