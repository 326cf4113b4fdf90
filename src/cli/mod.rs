//! The command line: arguments → a run → output and exit code.

mod args;
mod ci;
mod crash;
mod demo;
mod doctor;
mod gate;
mod inspect;
mod keys;
mod mistake;
mod output;
mod password;
mod policy;
mod setup;
mod shutdown;
mod sign;
mod typed;
mod verify;
mod version;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use s3lo_core::policy::decision::Decision;
use serde::Serialize;
use tokio::runtime::Builder;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::ci::report::ReportRow;
use crate::cli::args::{Cli, Command, Output};
use crate::cli::mistake::{mistake, of_other_s3lo};
use crate::cli::output::inert::InertLines;
use crate::cli::output::text::Style;
use crate::cli::output::{json, text};
use crate::cli::setup::RunContext;
use crate::cli::typed::Typed;
use crate::diagnostic::Diagnostic;
use crate::gate::request;
use crate::net::timed_out;
use crate::text::{inert_json, os_reason, printable};
use crate::verify::Outcome;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExitStatus {
    /// 0: done.
    Done,
    /// 1: a guard refused, or a signature is missing or invalid.
    Refused,
    /// 2: an error.
    Failed,
}

impl ExitStatus {
    /// The end of a verification. A proven failure outranks what could not be decided.
    fn of_verdicts(answers: &[Result<Outcome, crate::verify::Error>]) -> Self {
        let is = |wanted: Decision| {
            let mut decided = answers.iter().flatten();
            decided.any(|outcome| outcome.decision == wanted)
        };
        if is(Decision::Failed) {
            Self::Refused
        } else if is(Decision::Undecided) || answers.iter().any(Result::is_err) {
            Self::Failed
        } else {
            Self::Done
        }
    }
}

/// Every command and option: the one declaration, from which the tables of the documentation and the inputs of the CI
/// systems are generated.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Runs the program with `out` and `err` as stdout and stderr.
pub fn run(arguments: Vec<OsString>, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    let (out, err) = (&mut IgnoreBrokenPipe(out), &mut IgnoreBrokenPipe(err));
    let result = match request::is_request(&arguments) {
        true => gate::verifier::run(&arguments, out),
        false => parse_and_run(&arguments, out, err),
    };
    let flushed = match (result, out.flush()) {
        (Ok(ExitStatus::Refused), _) => Ok(ExitStatus::Refused),
        (result, flushed) => result.and_then(|status| flushed.map(|()| status)),
    };
    match flushed {
        Ok(ExitStatus::Done) => ExitCode::SUCCESS,
        Ok(ExitStatus::Refused) => ExitCode::from(1),
        Ok(ExitStatus::Failed) => ExitCode::from(2),
        Err(error) => {
            // The exit code shows it even if this cannot be written.
            let diagnostic = Diagnostic::plain(
                "io",
                format!("cannot write the result: {}", os_reason(&error)),
                "free some space where the output goes, or send it elsewhere\nimages that are already signed stay signed",
            );
            let _ = text::error(err, &diagnostic, &[]);
            ExitCode::from(2)
        }
    }
}

fn parse_and_run(
    arguments: &[OsString],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitStatus> {
    let typed = Typed::new(arguments);
    let json = typed.wants_json();
    crash::report_by(move |diagnostic| crash::print(diagnostic, json));
    if let Some(words) = ci::in_order(arguments, &typed) {
        ci::run(&words, out, err)
    } else if let Some(diagnostic) = typed::secret(arguments) {
        failed(diagnostic, json, out, err)
    } else {
        match Cli::try_parse_from(arguments) {
            Ok(cli) => command(cli, out, err),
            Err(error) => unparsed(&error, &typed, out, err),
        }
    }
}

/// Ignores broken pipes, so that piping into `grep -q` does not change the exit code.
struct IgnoreBrokenPipe<'a>(&'a mut dyn Write);

impl Write for IgnoreBrokenPipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

fn command(cli: Cli, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<ExitStatus> {
    if cli.global.verbose {
        log(false, str::to_owned);
    }
    let output = cli.global.output;
    let style = Style::new(cli.global.quiet, cli.global.color);
    let err = &mut InertLines::new(err);
    // A script is no text, and JSON is inert in itself.
    let is_text = output == Output::Text && !matches!(cli.command, Command::Completions(_));
    if is_text {
        command_in(cli.command, output, style, &mut InertLines::new(out), err)
    } else {
        command_in(cli.command, output, style, out, err)
    }
}

fn command_in(
    command: Command,
    output: Output,
    style: Style,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitStatus> {
    let result = match command {
        // Its arguments are parsed together with its environment.
        Command::Ci(_) => Err(CommandError::Diagnostic(Diagnostic::usage(
            "`ci` is not the first word",
            "write it first: `s3lo ci sign`, with flags after it",
        ))),
        Command::Sign(args) => {
            let context = RunContext::command_line(output, style);
            block_on(sign::run(&args, &context, output, out, err)).map(|(status, _)| status)
        }
        Command::Verify(args) => {
            let context = RunContext::command_line(output, style);
            block_on(verify::run(&args, &context, output, out, err)).map(|(status, _)| status)
        }
        Command::GenerateKeyPair(args) => block_on(keys::generate(&args, output, out)),
        Command::PublicKey(args) => {
            let context = RunContext::command_line(output, style);
            block_on(keys::public(&args, &context, output, out, err))
        }
        Command::Inspect(args) => {
            let context = RunContext::command_line(output, style);
            block_on(inspect::run(&args, &context, output, out, err))
        }
        Command::Policy(args) => {
            let context = RunContext::command_line(output, style);
            block_on(policy::run(&args, &context, output, out, err))
        }
        Command::Doctor(args) => {
            let context = RunContext::command_line(output, style);
            block_on(doctor::run(&args, &context, output, out, err))
        }
        Command::Gate(args) => block_on(gate::check::run(&args, output, style, out)),
        Command::Demo => demo::run(output, out),
        Command::Version => version::run(output, out).map_err(CommandError::from),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "s3lo", &mut script);
            out.write_all(&script)?;
            Ok(ExitStatus::Done)
        }
    };
    match result {
        Ok(status) => Ok(status),
        Err(CommandError::Diagnostic(diagnostic)) => {
            failed(diagnostic, output == Output::Json, out, err)
        }
        Err(CommandError::Refused(diagnostic)) => {
            // The exit code counts, even if this cannot be written.
            let _ = failed(diagnostic, output == Output::Json, out, err);
            Ok(ExitStatus::Refused)
        }
        Err(CommandError::Output(error)) => Err(error),
    }
}

/// The results of a command.
trait CommandResults {
    /// One result, as JSON.
    type Element: Serialize;

    /// The results in the order asked; `several` as in an array.
    fn elements(&self, several: bool) -> Vec<Self::Element>;

    /// Whether several images or keys were named.
    fn is_of_several(&self) -> bool;

    /// Whether nothing was done.
    fn is_dry_run(&self) -> bool {
        false
    }

    /// Writes the document that `--output json` prints.
    fn document(&self, out: &mut dyn Write) -> io::Result<()> {
        let several = self.is_of_several();
        json::write(out, &json::Results::new(self.elements(several), several))
    }

    /// All results as a JSON array, on one line.
    fn results(&self) -> serde_json::Result<String> {
        let results = serde_json::to_string(&self.elements(true))?;
        Ok(inert_json(&results))
    }

    /// The rows of the report.
    fn rows(&self) -> Vec<ReportRow>;

    /// The role that was assumed.
    fn role(&self) -> Option<&str>;
}

/// Why a command ends early.
enum CommandError {
    /// It failed.
    Diagnostic(Diagnostic),
    /// The output cannot be written.
    Output(io::Error),
    /// It failed, but has proof of a refusal already.
    Refused(Diagnostic),
}

impl From<Diagnostic> for CommandError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Diagnostic(diagnostic)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Runs the work on one thread: it mostly waits for servers, and threads that hand it to each other cost a batch a third
/// more processor time, and no less time. Files and cryptography have threads of their own; one that is stuck, in a file
/// system that does not answer, does not delay the end.
fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    password::restore_terminal();
    runtime.shutdown_background();
    result
}

/// The end of a run that may take so long.
fn deadline(timeout: Duration) -> Instant {
    timed_out::limit_to(timeout);
    let now = Instant::now();
    // A day at most, as the arguments are bounded.
    now.checked_add(timeout).unwrap_or(now)
}

/// Printed for no arguments.
const INTRODUCTION: &str = "\
s3lo signs container images that live in S3, and verifies them.

  s3lo demo                                                        writes an image and a key to try it with
  s3lo sign s3://BUCKET/IMAGE:TAG --key awskms:///alias/NAME       signs an image
  s3lo verify s3://BUCKET/IMAGE:TAG --key cosign.pub               verifies it

All commands and options: s3lo --help
Documentation: https://github.com/s3lo/sign-action
";

/// Prints help where that was asked for, and the mistake otherwise.
fn unparsed(
    error: &clap::Error,
    typed: &Typed,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitStatus> {
    let json = typed.wants_json();
    if let Some(name) = of_other_s3lo(error) {
        let diagnostic = Diagnostic::usage(
            format!("`{name}` is a command of the s3lo that stores images"),
            "get that one from https://github.com/OuFinx/s3lo; this one signs and verifies, and is best installed beside it as `s3lo-sign`",
        );
        return failed(diagnostic, json, out, err);
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out.write_all(error.to_string().as_bytes())?;
            Ok(ExitStatus::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            if typed.positional().next().is_none() {
                err.write_all(INTRODUCTION.as_bytes())?;
            } else {
                err.write_all(error.to_string().as_bytes())?;
            }
            Ok(ExitStatus::Failed)
        }
        _ => {
            let commands = Cli::command();
            let mut words = typed.positional();
            let command = words.find(|word| commands.find_subcommand(word).is_some());
            let words = command.map(|name| format!("{name} ")).unwrap_or_default();
            let help = format!("see `s3lo {words}--help`");
            failed(mistake(error, command, help), json, out, err)
        }
    }
}

fn failed(
    diagnostic: Diagnostic,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitStatus> {
    if json {
        json::write(out, &json::Failed::from(diagnostic))?;
    } else {
        text::error(err, &diagnostic, &[])?;
    }
    Ok(ExitStatus::Failed)
}

/// Writes each event as one line. It quotes servers, and a line of theirs could be a command to the CI system.
struct OneLine<F> {
    to: Box<dyn Write>,
    form: F,
}

impl<F: Fn(&str) -> String> Write for OneLine<F> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = (self.form)(&printable(text.trim_end_matches('\n')));
        writeln!(self.to, "{line}")?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Logs our own events only: those of the SDK can contain the headers of a request.
fn log(to_stdout: bool, form: impl Fn(&str) -> String + Clone + Send + Sync + 'static) {
    let ours = Targets::new().with_target("s3lo", LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || OneLine {
            to: if to_stdout {
                Box::new(io::stdout())
            } else {
                Box::new(io::stderr())
            },
            form: form.clone(),
        })
        .with_ansi(false)
        .with_target(false)
        .with_timer(tracing_subscriber::fmt::time::uptime());
    // A second subscriber in the same process stays with the first.
    let _ = tracing_subscriber::registry()
        .with(ours)
        .with(lines)
        .try_init();
}
