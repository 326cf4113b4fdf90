//! The program as containerd's image verifier: one line on stdout, and the exit code.
//!
//! containerd keeps what is on stdout, as it is, for the error of the pull and for its log; of stderr it keeps nothing
//! unless it logs at debug level.

use std::ffi::OsString;
use std::io::{self, Write};

use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::cli::{ExitStatus, crash};
use crate::diagnostic::Diagnostic;
use crate::gate::config::{self, Config};
use crate::gate::request::Request;
use crate::gate::{Error, Examined, Passed, TIME_LIMIT, examine};
use crate::net::timed_out;
use crate::text::printable;

/// The most bytes of the line. The kubelet cuts the messages of its events at 1,024, and names the image in front of it.
const MAX_LEN: usize = 800;

/// Answers containerd.
pub(in crate::cli) fn run(arguments: &[OsString], out: &mut dyn Write) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + TIME_LIMIT;
    crash::report_by(|diagnostic| {
        if let Ok((mut out, _)) = crash::streams() {
            let _ = writeln!(out, "{}", failed("error", &diagnostic));
        }
    });
    match decide(arguments, deadline) {
        Ok(passed) => {
            writeln!(out, "{}", line(&format!("allowed: {passed}")))?;
            Ok(ExitStatus::Done)
        }
        Err(error) => {
            let (word, status) = match error.is_refusal() {
                true => ("refused", ExitStatus::Refused),
                false => ("error", ExitStatus::Failed),
            };
            // The exit code counts, even if this cannot be written.
            let _ = writeln!(out, "{}", failed(word, &Diagnostic::new(&error)));
            Ok(status)
        }
    }
}

fn decide(arguments: &[OsString], deadline: Instant) -> Result<Passed, Error> {
    timed_out::limit_to(TIME_LIMIT);
    let request = Request::parse(arguments)?;
    let config = Config::read(&config::path()?)?;
    let subject = match examine(&request, &config)? {
        Examined::Passed(passed) => return Ok(passed),
        Examined::Subject(subject) => subject,
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let message = format!("cannot start: {error}");
        Diagnostic::plain("io", message, "look at the limits of containerd's service")
    })?;
    let decided = runtime.block_on(subject.decide(&config, deadline));
    // A file system that does not answer does not delay the end.
    runtime.shutdown_background();
    decided
}

/// The code, the sentence, the facts, and the first line of the help, on one line.
fn failed(word: &str, diagnostic: &Diagnostic) -> String {
    let Diagnostic {
        code,
        message,
        facts,
        help,
    } = diagnostic;
    let mut text = format!("{word}[{code}]: {message}");
    for fact in facts {
        text.push_str(&format!("; {}: {}", fact.name, fact.value));
    }
    text.extend(help.lines().next().map(|help| format!("; help: {help}")));
    line(&text)
}

fn line(text: &str) -> String {
    let mut line = printable(text);
    if line.len() > MAX_LEN {
        line.truncate(line.floor_char_boundary(MAX_LEN));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line_whatever_is_in_it() {
        let diagnostic = Diagnostic::usage(format!("a\nb\u{1b}[31m{}", "x".repeat(5000)), "c\nd");
        let line = failed("error", &diagnostic);
        assert!(
            line.starts_with("error[usage]: a\\nb\\u{1b}[31mxxx"),
            "{line}"
        );
        assert_eq!(line.len(), MAX_LEN + "…".len());
        assert!(super::line(&"é".repeat(5000)).len() <= MAX_LEN + "…".len());
        let line = failed("refused", &Diagnostic::usage("no", "do this\nthen that"));
        assert_eq!(line, "refused[usage]: no; help: do this");
        let with_fact = Diagnostic::usage("no", "do").about("image", "s3://b/a:v1");
        assert_eq!(
            failed("error", &with_fact),
            "error[usage]: no; image: s3://b/a:v1; help: do"
        );
    }
}
