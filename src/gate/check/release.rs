//! The release of containerd: from 2.1 on CRI pulls through the transfer service, which runs verifiers.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::future::join;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::diagnostic::{Diagnostic, Fact};
use crate::gate::check::problem::Problem;
use crate::gate::check::topic::{Check, Topic};

/// Where containerd is, if it is not on PATH.
const PLACES: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// The time limit of `containerd --version`.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of its output.
const MAX_LEN: u64 = 4096;

/// The first release in which CRI runs verifiers.
const FIRST: (u64, u64) = (2, 1);

/// Asks the containerd of this machine for its version.
pub(super) async fn check() -> Check {
    let Some(program) = program() else {
        let detail = "not found on PATH; Kubernetes needs 2.1 or later for verifiers";
        return Check::unchecked(Topic::Containerd, detail);
    };
    let place = vec![Fact::new("program", program.display().to_string())];
    let printed = match timeout(TIMEOUT, printed(&program)).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(Err(_)) | Err(_) => String::new(),
    };
    match version(&printed) {
        Some((major, minor, text)) if (major, minor) >= FIRST => {
            Check::ok(Topic::Containerd, text.to_owned()).with(place)
        }
        Some((_, _, text)) => {
            let version = text.to_owned();
            Check::failed(
                Topic::Containerd,
                Diagnostic::new(&Problem::TooOld { version }),
            )
        }
        None => {
            let detail = "its version is not known; Kubernetes needs 2.1 or later for verifiers";
            Check::unchecked(Topic::Containerd, detail).with(place)
        }
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let places = named.chain(PLACES.map(PathBuf::from));
    let mut programs = places.map(|folder| folder.join("containerd"));
    programs.find(|program| program.is_file())
}

/// Runs it without anything of this environment.
async fn printed(program: &PathBuf) -> std::io::Result<Output> {
    let mut child = Command::new(program)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take();
    // Closing the pipe early ends a program that floods it.
    let read = async {
        let mut start = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_LEN).read_to_end(&mut start).await?;
        }
        std::io::Result::Ok(start)
    };
    let (stdout, status) = join(read, child.wait()).await;
    Ok(Output {
        status: status?,
        stdout: stdout?,
        stderr: Vec::new(),
    })
}

/// The first two numbers of the version in `containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7`, and its text.
fn version(printed: &str) -> Option<(u64, u64, &str)> {
    let line = printed.lines().next()?;
    let mut words = line.split_whitespace();
    if words.next() != Some("containerd") {
        return None;
    }
    words.find_map(|word| {
        let mut numbers = word.strip_prefix('v').unwrap_or(word).split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?;
        let digits = minor
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(minor.len());
        Some((major, minor.get(..digits)?.parse().ok()?, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_each_containerd_prints() {
        for (printed, expected) in [
            (
                "containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7\n",
                Some((2, 1, "v2.1.4")),
            ),
            (
                "containerd github.com/containerd/containerd v1.7.27 05044ec\n",
                Some((1, 7, "v1.7.27")),
            ),
            (
                "containerd containerd.io 2.2.3 abc\n",
                Some((2, 2, "2.2.3")),
            ),
            (
                "containerd github.com/containerd/containerd/v2 2.4.2+unknown \n",
                Some((2, 4, "2.4.2+unknown")),
            ),
            ("containerd x 2.10-rc.1 y", Some((2, 10, "2.10-rc.1"))),
            ("", None),
            ("podman version 5.4.2", None),
            ("containerd", None),
        ] {
            assert_eq!(version(printed), expected, "{printed}");
        }
    }
}
