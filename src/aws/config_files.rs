//! Checks of the files that the SDK and others read without a bound, on the thread of all other work.
//!
//! They are checked first: one that is not a regular file could block for ever, and so could one on a file system that
//! does not answer.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::pin;

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use s3lo_core::explain::Explain;
use tokio::time::Instant;

use crate::bounded_file;
use crate::child_environment;
use crate::environment;
use crate::environment::variable;
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::net::timed_out::{TimedOut, until};
use crate::tasks::run_blocking;

/// The variables that name a file, with the place below the home directory where one is looked for without them.
const FILES: [(&str, Option<&str>); 5] = [
    ("AWS_CONFIG_FILE", Some(".aws/config")),
    ("AWS_SHARED_CREDENTIALS_FILE", Some(".aws/credentials")),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", None),
    ("AWS_CA_BUNDLE", None),
    ("SSL_CERT_FILE", None),
];

/// The tokens of `aws sso login`.
const SSO_CACHE: &str = ".aws/sso/cache";

/// The largest of these files, in bytes.
const MAX_LEN: u64 = 16 * 1024 * 1024;

/// Checks that the files can be read.
///
/// # Errors
///
/// [`Error`] if one is no regular file or too large, or is not read before the deadline.
pub(crate) async fn check(deadline: Instant) -> Result<(), Error> {
    let home = variable("HOME")?.map(PathBuf::from);
    for (name, default) in FILES {
        let default = home.as_ref().zip(default);
        let place = match (variable(name)?, default) {
            (Some(path), _) => Place::Variable(name, expanded(path.into(), home.as_deref())),
            (None, Some((home, below))) => Place::Default(name, home.join(below)),
            (None, None) => continue,
        };
        let checked = run_blocking({
            let place = place.clone();
            move || check_file(place)
        });
        done_reading(deadline, place, checked).await?;
    }
    let Some(cache) = home.map(|home| home.join(SSO_CACHE)) else {
        return Ok(());
    };
    let place = Place::Cache(cache.clone());
    let checked = run_blocking(move || check_cache(&cache));
    done_reading(deadline, place, checked).await
}

async fn done_reading(
    deadline: Instant,
    place: Place,
    checked: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    let _call = calls::begin(Awaited::File {
        name: place.shown(),
        done: "read",
    });
    match until(deadline, pin!(checked)).await {
        Ok(checked) => checked,
        Err(reason) => Err(Error::TimedOut { place, reason }),
    }
}

/// The profiles in the place of those that the SDK would read, where it must not: it starts `sh -c` with the text of
/// `credential_process`, and would give it the whole environment; without HOME it takes `~` for a folder below the working
/// directory, in which others may write.
pub(crate) fn in_place_of_files() -> Option<EnvConfigFiles> {
    let home = variable("HOME").ok().flatten().map(PathBuf::from);
    let text = |name: &str, below: &str| {
        let place = variable(name).ok().flatten().map(PathBuf::from);
        let place = place.or_else(|| Some(home.as_ref()?.join(below)))?;
        std::fs::read_to_string(expanded(place, home.as_deref())).ok()
    };
    let config = text("AWS_CONFIG_FILE", ".aws/config").unwrap_or_default();
    let credentials = text("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials").unwrap_or_default();
    let is_safe = |text: &&String| !text.to_ascii_lowercase().contains(PROCESS);
    if home.is_some() && [&config, &credentials].iter().all(is_safe) {
        return None;
    }
    let names = child_environment::withheld();
    let files = EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, bare(&config, &names))
        .with_contents(EnvConfigFileKind::Credentials, bare(&credentials, &names));
    Some(files.build())
}

/// The setting of a profile that names a process.
const PROCESS: &str = "credential_process";

/// The text of a file, in which each process unsets these variables first.
fn bare(text: &str, names: &[String]) -> String {
    let line = |line: &str| match line.split_once('=') {
        // The SDK reads names in either case.
        Some((name, command)) if name.trim().eq_ignore_ascii_case(PROCESS) && !names.is_empty() => {
            format!(
                "{name}= unset {} && {}\n",
                names.join(" "),
                command.trim_start()
            )
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The path with the home directory in place of `~`, as the SDK reads it.
fn expanded(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path,
    }
}

fn check_file(place: Place) -> Result<(), Error> {
    let path = place.path();
    if path == Path::new("/dev/null") {
        return Ok(());
    }
    let mut file = match bounded_file::open_regular(path) {
        Ok(file) => file,
        Err(bounded_file::Error::NotAFile) => return Err(Error::NotAFile { place }),
        // The SDK reports a file that is missing or closed when it reads it.
        Err(_) => return Ok(()),
    };
    if file.metadata().is_ok_and(|there| there.len() > MAX_LEN) {
        return Err(Error::Oversized { place });
    }
    // A file system that does not answer may still know names and sizes.
    let _ = file.read(&mut [0]);
    Ok(())
}

fn check_cache(folder: &Path) -> Result<(), Error> {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            check_file(Place::Cache(path))?;
        }
    }
    Ok(())
}

/// A file, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A token of `aws sso login`.
    Cache(PathBuf),
    /// The default of a variable.
    Default(&'static str, PathBuf),
    /// The value of a variable.
    Variable(&'static str, PathBuf),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Cache(path) | Self::Default(_, path) | Self::Variable(_, path) => path,
        }
    }

    /// The name for messages. A variable may contain anything but a path.
    fn shown(&self) -> String {
        match self {
            Self::Variable(name, _) => format!("the file of {name}"),
            Self::Cache(path) | Self::Default(_, path) => format!("`{}`", path.display()),
        }
    }
}

/// The reason why a file of the SDK is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Something else than a regular file.
    #[error("{} is not a regular file", place.shown())]
    NotAFile {
        /// The file.
        place: Place,
    },
    /// A file that is larger than any of its kind.
    #[error("{} is larger than {MAX_LEN} bytes", place.shown())]
    Oversized {
        /// The file.
        place: Place,
    },
    /// A file that was not read before the deadline.
    #[error("{reason}")]
    TimedOut {
        /// The file.
        place: Place,
        /// The awaited file.
        reason: TimedOut,
    },
    /// A variable that is no text.
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAFile { .. } | Self::Oversized { .. } => "configuration",
            Self::TimedOut { .. } => "timed_out",
            Self::Variable(error) => error.code(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::NotAFile { place } | Self::Oversized { place } => match place {
                Place::Cache(_) => "remove it, and log in again: `aws sso login`".to_owned(),
                Place::Default(name, _) => {
                    format!("put a file there, or name another one by {name}")
                }
                Place::Variable(name, _) => format!("let {name} name a file, or unset it"),
            },
            Self::TimedOut {
                place: Place::Default(name, _),
                ..
            } => {
                format!("check the file system that it is on, or set {name} to `/dev/null`")
            }
            Self::TimedOut { reason, .. } => reason.help(),
            Self::Variable(error) => error.help(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_unsets_variables_before_anything_else() {
        let names = ["COSIGN_PASSWORD", "VAULT_TOKEN"].map(str::to_owned);
        let text = "[default]\r\ncredential_process=helper --a=b # c\n[profile x]\n  credential_process = h\nregion = a\n";
        assert_eq!(
            bare(text, &names),
            "[default]\ncredential_process= unset COSIGN_PASSWORD VAULT_TOKEN && helper --a=b # c\n\
             [profile x]\n  credential_process = unset COSIGN_PASSWORD VAULT_TOKEN && h\nregion = a\n"
        );
        assert_eq!(
            bare("credential_process = h\n", &[]),
            "credential_process = h\n"
        );
    }
}
