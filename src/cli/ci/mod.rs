//! `s3lo ci`: the same work, described by a job's environment, and its results in the words of the job's CI system.

mod options;
mod results;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretSlice};

use crate::ci;
use crate::ci::report::{Report, Work};
use crate::ci::{Host, files};
use crate::cli::args::{AwsArgs, CiWork, Command, ImageArgs, Output};
use crate::cli::ci::options::Job;
use crate::cli::ci::results::{Ended, Log, Step, Wanted};
use crate::cli::output::{json, text};
use crate::cli::setup::Surroundings;
use crate::cli::{Ending, Stop, Told, failed, log as tell, password, sign, verify, waiting};
use crate::diagnostic::Diagnostic;
use crate::key::file::Passwords;
use crate::mask::Mask;

/// Whether the arguments are those of `ci`, and no question about it.
pub(crate) fn is_asked(arguments: &[OsString]) -> bool {
    // Elsewhere it is the value of a flag, or a mistake that is to be told as any other.
    let asks = |place: usize| {
        let word = arguments.get(place);
        word.is_some_and(|word| word == "--help" || word == "-h")
    };
    arguments.get(1).is_some_and(|first| first == "ci") && !asks(2) && !asks(3)
}

/// Runs the job.
pub(crate) fn run(
    arguments: &[OsString],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Ending> {
    let host = ci::detect();
    let mask = Mask::new(|secret| {
        // At once, before anything else is printed, wherever in the program a secret is learned.
        let _ = io::stdout().write_all(host.mask(secret).as_bytes());
    });
    let step = Step::begin(host)?;
    let mut log = Log::default();
    // What an earlier run left, or who else can write there, is not what this one found.
    let wanted = options::wanted(arguments);
    let stale = [&wanted.report.output_file, &wanted.report.dotenv_file];
    let stale = stale.into_iter().flatten().map(Path::new);
    stale.for_each(files::clear);
    let mut ended = match options::read(arguments.get(2..).unwrap_or_default(), host, &mask) {
        Ok(job) => work_on(job, host, mask, &mut log)?,
        Err((work, explained)) => stopped(work, explained, Ending::Failed, wanted, &mut log)?,
    };
    for problem in step.leave(&ended, &mut log) {
        text::error(&mut log.err, &Diagnostic::new(&problem), &[])?;
        if ended.ending == Ending::Done {
            ended.ending = Ending::Failed;
        }
    }
    match (ended.ending, step.print(&ended, &log, out, err)) {
        // A proven failure is not hidden by a log that is full.
        (Ending::Refused, _) => Ok(Ending::Refused),
        (ending, printed) => printed.map(|()| ending),
    }
}

/// Does the work of a job.
fn work_on(job: Job, host: &'static dyn Host, mask: Mask, log: &mut Log) -> io::Result<Ended> {
    let global = job.cli.global;
    let debugged = options::is_debugged();
    if debugged || global.verbose {
        tell(host.is_one_stream(), move |text: &str| match debugged {
            true => host.debug(text),
            false => ci::inert(text),
        });
    }
    for (option, place) in &job.said {
        tracing::debug!("{option}: by {place}");
    }
    let typed = job.password.map(|password| {
        let bytes = password.expose_secret().as_bytes();
        SecretSlice::from(bytes.to_vec())
    });
    let surroundings = Surroundings {
        passwords: Passwords {
            variable: typed.or_else(password::cosign_password),
            // Nobody sits at a job.
            ask: None,
        },
        mask,
        say: options::in_options,
    };
    let Command::Ci(args) = job.cli.command else {
        return Err(io::Error::other("these are not the arguments of `ci`"));
    };
    let (form, out, err) = (global.output, &mut log.out, &mut log.err);
    let json = form == Output::Json;
    match args.work {
        CiWork::Sign(args) => {
            let ran = waiting(sign::run(&args.work, &surroundings, form, out, err));
            let asked = (Work::Sign, &args.work.images, &args.work.aws);
            let report = args.report;
            ended(ran, asked, Wanted { json, report }, log)
        }
        CiWork::Verify(args) => {
            let ran = waiting(verify::run(&args.work, &surroundings, form, out, err));
            let asked = (Work::Verify, &args.work.images, &args.work.aws);
            let report = args.report;
            ended(ran, asked, Wanted { json, report }, log)
        }
    }
}

fn ended(
    ran: Result<(Ending, impl Told), Stop>,
    (work, images, aws): (Work, &ImageArgs, &AwsArgs),
    wanted: Wanted,
    log: &mut Log,
) -> io::Result<Ended> {
    let (ending, done) = match ran {
        Ok(done) => done,
        Err(Stop::Output(error)) => return Err(error),
        Err(Stop::Diagnostic(explained)) => {
            return stopped(work, explained, Ending::Failed, wanted, log);
        }
        Err(Stop::Refused(explained)) => {
            return stopped(work, explained, Ending::Refused, wanted, log);
        }
    };
    let mut document = Vec::new();
    done.document(&mut document)?;
    Ok(Ended {
        ending,
        report: Report {
            work,
            rows: done.rows(),
            stopped: None,
            region: aws.region.clone(),
            endpoint: images.endpoint.clone(),
        },
        results: done.results()?,
        document,
        wanted,
    })
}

/// A run that came to no results.
fn stopped(
    work: Work,
    explained: Diagnostic,
    ending: Ending,
    wanted: Wanted,
    log: &mut Log,
) -> io::Result<Ended> {
    let explained = options::in_options(explained);
    failed(explained.clone(), wanted.json, &mut log.out, &mut log.err)?;
    let failure = json::Failed::from(explained.clone());
    let mut document = Vec::new();
    json::write(&mut document, &failure)?;
    Ok(Ended {
        ending,
        report: Report {
            work,
            rows: Vec::new(),
            stopped: Some(explained),
            region: None,
            endpoint: None,
        },
        results: serde_json::to_string(&[failure])?,
        document,
        wanted,
    })
}
