//! `s3lo ci`: `sign` and `verify` with options from a job's environment, and results in the form of its CI system.

mod declared;
mod missing;
mod options;
mod overwrite;
mod results;
pub(crate) mod tokens;
mod undefined;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretSlice};

use crate::aws;
use crate::ci;
use crate::ci::LogFormat;
use crate::ci::files::Destination;
use crate::ci::report::{Action, Report};
use crate::cli::args::{CiWork, Command, ImageArgs, Output};
use crate::cli::ci::options::Job;
use crate::cli::ci::results::{BufferedOutput, JobOutcome, OutputOptions, Step};
use crate::cli::output::text::Style;
use crate::cli::output::waiting::Waiting;
use crate::cli::output::{json, text};
use crate::cli::setup::RunContext;
use crate::cli::typed::Typed;
use crate::cli::{
    CommandError, CommandResults, ExitStatus, block_on, crash, failed, log as log_to, password,
    sign, verify,
};
use crate::context::Passwords;
use crate::diagnostic::Diagnostic;
use crate::mask::Mask;
use crate::option_name::set_spelling;
use crate::text::inert_json;

/// The arguments in the order `s3lo ci [tokens] COMMAND OPTIONS`, if they are those of `ci` and do not ask for its help. Options
/// may be typed in front of either word, and must not hide it: a gate that verifies would sign.
pub(crate) fn in_order(arguments: &[OsString], typed: &Typed) -> Option<Vec<OsString>> {
    if arguments
        .iter()
        .any(|word| word == "--help" || word == "-h")
    {
        return None;
    }
    let mut positional = typed.positional();
    let ci = positional.next().filter(|word| *word == "ci")?;
    let mut positional = positional.peekable();
    let tokens = positional.next_if(|word| *word == tokens::NAME);
    let command = positional.next_if(|word| Action::from_name(word).is_some());
    let mut words = arguments.to_vec();
    for (place, name) in (1..).zip([Some(ci), tokens, command].into_iter().flatten()) {
        let at = words.iter().skip(place).position(|word| word == name)?;
        let word = words.remove(place.saturating_add(at));
        words.insert(place, word);
    }
    Some(words)
}

/// Runs the job, or lists the tokens that it needs.
pub(crate) fn run(
    arguments: &[OsString],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitStatus> {
    let mut arguments = arguments.to_vec();
    let lists_tokens = arguments.get(2).is_some_and(|word| word == tokens::NAME);
    if lists_tokens {
        arguments.remove(2);
    }
    let arguments = arguments.as_slice();
    let format = ci::detect();
    options::set_family(arguments);
    set_spelling(options::spelled);
    let mut output_options = options::output_options(arguments);
    let is_data = output_options.json || lists_tokens;
    let mask = Mask::new(move |secret| {
        let command = format.mask(secret);
        // At once, before anything else is printed. JSON and tokens are the whole of stdout.
        let _ = match is_data {
            true => io::stderr().write_all(command.as_bytes()),
            false => io::stdout().write_all(command.as_bytes()),
        };
    });
    let step = Arc::new(Step::begin(format)?);
    let (crashed, words) = (Arc::clone(&step), arguments.to_vec());
    crash::report_by(move |diagnostic| report_crash(&crashed, &words, diagnostic));
    let mut log = BufferedOutput::default();
    let refused = output_options.report.check();
    let job = options::read(arguments.get(2..).unwrap_or_default(), &mask);
    // Nothing is removed before the run is understood.
    let mut job = job.and_then(|job| match refused {
        Err(error) => Err((job.action, Diagnostic::new(&error))),
        Ok(()) => Ok(job),
    });
    if !lists_tokens {
        job = job.and_then(|job| match job.check_environment() {
            Ok(()) => Ok(job),
            Err(error) => Err((job.action, error)),
        });
    } else if let Ok(understood) = &job {
        match tokens::of(understood, &mask) {
            Ok(tokens) => return tokens::print(&tokens, out),
            Err(CommandError::Output(error)) => return Err(error),
            Err(CommandError::Diagnostic(diagnostic) | CommandError::Refused(diagnostic)) => {
                job = Err((understood.action, diagnostic));
            }
        }
    }
    let outcome = match job {
        Ok(job) => {
            // Files of an earlier run, or of others who can write there, must not pass for this run's.
            let report = &output_options.report;
            let stale = [&report.output_file, &report.dotenv_file];
            stale.into_iter().flatten().for_each(Destination::clear);
            work_on(job, format, mask, &mut log)?
        }
        Err((action, diagnostic)) => {
            output_options.report.spare_files_of_others();
            let failed = ExitStatus::Failed;
            stopped(action, diagnostic, failed, output_options, &mut log)?
        }
    };
    finish(&step, outcome, log, out, err)
}

/// Leaves the results in every place, and prints the log.
fn finish(
    step: &Step,
    mut outcome: JobOutcome,
    mut log: BufferedOutput,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitStatus> {
    for error in step.write(&outcome, &mut log) {
        let diagnostic = Diagnostic::new(&error);
        text::error(&mut log.err, &diagnostic, &[])?;
        outcome.unwritten.push(diagnostic);
        if outcome.status == ExitStatus::Done {
            outcome.status = ExitStatus::Failed;
        }
    }
    match (outcome.status, step.print(&outcome, &log, out, err)) {
        // A proven failure is not hidden by a log that is full.
        (ExitStatus::Refused, _) => Ok(ExitStatus::Refused),
        (status, printed) => printed.map(|()| status),
    }
}

/// Leaves the results of a run that ended in a panic: nothing is verified.
fn report_crash(step: &Step, arguments: &[OsString], diagnostic: Diagnostic) {
    let mut output_options = options::output_options(arguments);
    let _ = output_options.report.check();
    // Those that an understood run replaces are removed already.
    output_options.report.spare_files_of_others();
    let action = options::action(arguments.get(2..).unwrap_or_default());
    let action = action.map_or(Action::Sign, |(action, _)| action);
    let mut log = BufferedOutput::default();
    let failed = ExitStatus::Failed;
    if let Ok(outcome) = stopped(action, diagnostic, failed, output_options, &mut log)
        && let Ok((mut out, mut err)) = crash::streams()
    {
        let _ = finish(step, outcome, log, &mut out, &mut err);
    }
}

/// Runs the command of a job.
fn work_on(
    job: Job,
    format: &'static dyn LogFormat,
    mask: Mask,
    log: &mut BufferedOutput,
) -> io::Result<JobOutcome> {
    let global = job.cli.global;
    let debugged = options::is_debugged();
    if debugged || global.verbose {
        let to_stdout = format.is_one_stream() && global.output != Output::Json;
        log_to(to_stdout, move |text: &str| match debugged {
            true => format.debug(text),
            false => text.to_owned(),
        });
    }
    for (option, origin) in &job.origins {
        tracing::debug!("{option}: by {origin}");
    }
    if !global.quiet {
        // Warnings that cannot be written do not change the exit code.
        let _ = text::warnings(&mut log.err, &job.warnings);
    }
    let typed = job.password.map(|password| {
        let bytes = password.expose_secret().as_bytes();
        SecretSlice::from(bytes.to_vec())
    });
    let context = RunContext {
        passwords: Passwords {
            variable: typed.or_else(password::cosign_password),
            // A job has no terminal.
            ask: None,
        },
        mask,
        style: Style::new(global.quiet, global.color),
        waiting: Waiting::in_log(global.output, global.quiet, format.is_one_stream()),
    };
    let Command::Ci(args) = job.cli.command else {
        return Err(io::Error::other("these are not the arguments of `ci`"));
    };
    let (output, out, err) = (global.output, &mut log.out, &mut log.err);
    let json = output == Output::Json;
    match args.work {
        CiWork::Sign(args) => {
            let ran = block_on(sign::run(&args.work, &context, output, out, err));
            let asked = (Action::Sign, &args.work.images, &args.work.aws);
            let report = args.report;
            outcome(ran, asked, OutputOptions { json, report }, log)
        }
        CiWork::Verify(args) => {
            let ran = block_on(verify::run(&args.work, &context, output, out, err));
            let asked = (Action::Verify, &args.work.images, &args.work.aws);
            let report = args.report;
            outcome(ran, asked, OutputOptions { json, report }, log)
        }
        CiWork::Tokens(_) => Err(io::Error::other("these are not the arguments of a job")),
    }
}

fn outcome(
    ran: Result<(ExitStatus, impl CommandResults), CommandError>,
    (action, images, aws): (Action, &ImageArgs, &aws::Options),
    output_options: OutputOptions,
    log: &mut BufferedOutput,
) -> io::Result<JobOutcome> {
    let (status, done) = match ran {
        Ok(done) => done,
        Err(CommandError::Output(error)) => return Err(error),
        Err(CommandError::Diagnostic(diagnostic)) => {
            return stopped(action, diagnostic, ExitStatus::Failed, output_options, log);
        }
        Err(CommandError::Refused(diagnostic)) => {
            return stopped(action, diagnostic, ExitStatus::Refused, output_options, log);
        }
    };
    let mut document = Vec::new();
    done.document(&mut document)?;
    Ok(JobOutcome {
        status,
        report: Report {
            action,
            rows: done.rows(),
            stopped: None,
            role: done.role().map(str::to_owned),
            dry_run: done.is_dry_run(),
            region: aws.region.clone(),
            endpoint: images.stores.endpoint().map(str::to_owned),
        },
        results: done.results()?,
        document,
        output_options,
        unwritten: Vec::new(),
    })
}

/// The outcome of a run that ended before it had results.
fn stopped(
    action: Action,
    diagnostic: Diagnostic,
    status: ExitStatus,
    output_options: OutputOptions,
    log: &mut BufferedOutput,
) -> io::Result<JobOutcome> {
    failed(
        diagnostic.clone(),
        output_options.json,
        &mut log.out,
        &mut log.err,
    )?;
    let failure = json::Failed::from(diagnostic.clone());
    let mut document = Vec::new();
    json::write(&mut document, &failure)?;
    Ok(JobOutcome {
        status,
        report: Report {
            action,
            rows: Vec::new(),
            stopped: Some(diagnostic),
            role: None,
            dry_run: false,
            region: None,
            endpoint: None,
        },
        results: inert_json(&serde_json::to_string(&[failure])?),
        document,
        output_options,
        unwritten: Vec::new(),
    })
}
