//! Panics, on any thread: reported as an error in the form that was asked for, and exit code 2.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::panic::{self, PanicHookInfo};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use s3lo_core::text::clipped;

use crate::cli::{failed, password};
use crate::diagnostic::Diagnostic;

/// The thread that reports. It holds no lock, even if the thread that panics holds some.
const REPORTER: &str = "report";

/// The time limit for the report.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reports the first panic by `report`, and ends the process. The last call counts.
pub(crate) fn report_by(report: impl Fn(Diagnostic) + Send + Sync + 'static) {
    let (report, begun) = (Arc::new(report), AtomicBool::new(false));
    panic::set_hook(Box::new(move |panic| {
        if begun.swap(true, Ordering::AcqRel) {
            if thread::current().name() == Some(REPORTER) {
                end();
            }
            // The first one ends the process.
            loop {
                thread::park();
            }
        }
        password::restore_terminal();
        let diagnostic = diagnostic(panic);
        let (done, reported) = mpsc::channel::<()>();
        let report = Arc::clone(&report);
        let thread = thread::Builder::new().name(REPORTER.to_owned());
        let _ = thread.spawn(move || {
            report(diagnostic);
            drop(done);
        });
        let _ = reported.recv_timeout(TIMEOUT);
        end();
    }));
}

/// Prints the report as a command line does.
pub(crate) fn print(diagnostic: Diagnostic, json: bool) {
    if let Ok((mut out, mut err)) = streams() {
        let _ = failed(diagnostic, json, &mut out, &mut err);
    }
}

/// Standard output and standard error, without their locks, which the thread that panics may have.
pub(crate) fn streams() -> io::Result<(File, File)> {
    let out = io::stdout().as_fd().try_clone_to_owned()?;
    let err = io::stderr().as_fd().try_clone_to_owned()?;
    Ok((out.into(), err.into()))
}

#[allow(
    clippy::exit,
    reason = "the release program would abort, and the threads of another one would go on"
)]
fn end() -> ! {
    process::exit(2)
}

fn diagnostic(panic: &PanicHookInfo<'_>) -> Diagnostic {
    let place = panic.location().map(|location| {
        let (file, line) = (place(location.file()), location.line());
        format!(" in {file}:{line}")
    });
    let cause = cause(
        panic.payload().downcast_ref().copied(),
        panic.payload_as_str(),
    );
    Diagnostic::plain(
        "internal_error",
        format!(
            "the program has a fault{}{}",
            place.unwrap_or_default(),
            cause.map(|cause| format!(": {cause}")).unwrap_or_default()
        ),
        "run it again; if this happens again, report it with this message at https://github.com/s3lo/sign-action/issues",
    )
}

/// The beginning of the message of an `unwrap`, before a `Debug` dump of the error.
const UNWRAP: &str = "called `Result::unwrap()` on an `Err` value";

/// The cause, if it is a text of the source code. One that was put together may contain a secret.
fn cause(literal: Option<&'static str>, text: Option<&str>) -> Option<String> {
    match literal {
        Some(literal) => Some(clipped(literal)),
        None => text
            .filter(|text| text.starts_with(UNWRAP))
            .map(|_| UNWRAP.to_owned()),
    }
}

/// The file's path without the folders of the machine that compiled it: `aws-runtime-1.10.2/src/auth.rs`.
fn place(file: &str) -> &str {
    ["/registry/src/", "/git/checkouts/", "/rustc/"]
        .into_iter()
        .filter_map(|folder| file.split_once(folder)?.1.split_once('/'))
        .map(|(_, path)| path)
        .next()
        .unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_a_text_of_the_source_code() {
        assert_eq!(
            cause(Some("a literal"), Some("a literal")).unwrap(),
            "a literal"
        );
        let unwrapped = format!("{UNWRAP}: InvalidHeaderValue(\"SECRET\")");
        assert_eq!(cause(None, Some(&unwrapped)).unwrap(), UNWRAP);
        for text in [None, Some("bad token SECRET"), Some("SECRET: is bad")] {
            assert_eq!(cause(None, text), None);
        }
    }

    #[test]
    fn a_place_is_the_same_on_every_machine() {
        for (file, shown) in [
            ("src/cli/crash.rs", "src/cli/crash.rs"),
            (
                "/home/u/.cargo/registry/src/index.example-1949cf8c6b5b557f/aws-runtime-1.10.2/src/auth.rs",
                "aws-runtime-1.10.2/src/auth.rs",
            ),
            (
                "/rustc/0123abcd/library/core/src/option.rs",
                "library/core/src/option.rs",
            ),
            (
                "/home/u/.cargo/git/checkouts/x-1/a/src/lib.rs",
                "a/src/lib.rs",
            ),
        ] {
            assert_eq!(place(file), shown);
        }
    }
}
