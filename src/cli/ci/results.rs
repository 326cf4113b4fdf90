//! The results of a run as a step of a job: outputs, files, a summary, and a log in the form of its CI system.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ci::files::Destination;
use crate::ci::outputs::Outputs;
use crate::ci::report::{Action, Report};
use crate::ci::summary::markdown;
use crate::ci::{AnnotationKind, LogFormat, LogSection, files, outputs};
use crate::cli::ExitStatus;
use crate::cli::args::ReportArgs;
use crate::diagnostic::Diagnostic;
use crate::identity::ci_system;
use crate::text::inert;

/// GitHub's limit for a step's summary, in bytes, and Buildkite's for an annotation.
const MAX_SUMMARY_LEN: usize = 1024 * 1024;

/// Where Tekton looks for a step's results
/// ([results](https://tekton.dev/docs/pipelines/tasks/#emitting-results)).
const TEKTON: &str = "/tekton/results";

/// Writes a text to a file, or appends it.
type Writer = fn(&Path, &str) -> Result<(), files::Error>;

/// Results, errors and commands to the CI system, printed together at the end.
#[derive(Default)]
pub(crate) struct BufferedOutput {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    /// The results that were asked for on a stream instead of in a file.
    streams: Vec<(Destination, String)>,
    commands: String,
}

/// How results are left.
pub(crate) struct OutputOptions {
    /// Whether they are printed as JSON.
    pub(crate) json: bool,
    /// The files for them.
    pub(crate) report: ReportArgs,
}

/// A finished run.
pub(crate) struct JobOutcome {
    pub(crate) status: ExitStatus,
    pub(crate) report: Report,
    /// All results as a JSON array, on one line.
    pub(crate) results: String,
    /// The document that `--output json` prints.
    pub(crate) document: Vec<u8>,
    pub(crate) output_options: OutputOptions,
    /// The results that could not be written.
    pub(crate) unwritten: Vec<Diagnostic>,
}

impl JobOutcome {
    /// The outputs that later steps read.
    fn outputs(&self) -> Outputs {
        let mut outputs = Outputs::new();
        if self.report.action == Action::Verify {
            let verified = self.status == ExitStatus::Done && self.report.is_good();
            outputs.push(("verified", verified.to_string()));
            let reason = self.report.reason().map(|reason| inert(&reason));
            outputs.extend(reason.map(|reason| ("reason", reason)));
        }
        // An image that is not verified must not be deployed: its digest is in the results alone. Nor must one be that was
        // signed in a dry run.
        if let Some(valid) = self.report.only().filter(|_| !self.report.dry_run) {
            outputs.push(("digest", valid.digest.clone()));
            outputs.push(("keyID", valid.key_id.clone()));
            // A path that is a command to a CI system is as it is in the results alone.
            let stored_path = valid.stored_path.as_deref().map(inert);
            outputs.extend(stored_path.map(|path| ("storedPath", path)));
            let signed_at = valid.signed_at.clone();
            outputs.extend(signed_at.map(|time| ("signedAt", time)));
        }
        outputs.push(("results", self.results.clone()));
        outputs
    }

    /// The same for systems whose outputs are variables.
    fn variables(&self, outputs: &Outputs) -> String {
        let mut variables = outputs.clone();
        if self.report.action == Action::Sign {
            let signed =
                self.status == ExitStatus::Done && self.report.is_good() && !self.report.dry_run;
            variables.insert(0, ("signed", signed.to_string()));
        }
        outputs::dotenv(&variables, &self.report.action.name().to_uppercase())
    }
}

/// A step of a job.
pub(crate) struct Step {
    format: &'static dyn LogFormat,
    /// A text that cannot be guessed.
    token: String,
    /// In seconds since 1970.
    began: u64,
}

impl Step {
    pub(crate) fn begin(format: &'static dyn LogFormat) -> io::Result<Self> {
        let mut bytes = [0_u8; 16];
        let filled = aws_lc_rs::rand::fill(&mut bytes);
        filled.map_err(|_| io::Error::other("there is no randomness"))?;
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        Ok(Self {
            format,
            token: format!("s3lo-{}", digits.collect::<String>()),
            began: seconds(),
        })
    }

    /// Writes the results to every place asked for, and returns what failed.
    pub(crate) fn write(
        &self,
        outcome: &JobOutcome,
        log: &mut BufferedOutput,
    ) -> Vec<files::Error> {
        let outputs = outcome.outputs();
        let output_options = &outcome.output_options.report;
        let variables = outcome.variables(&outputs);
        for (name, value) in &outputs {
            log.commands.push_str(&self.format.output(name, value));
        }
        let mut errors = Vec::new();
        let mut put =
            |place: Option<&Destination>, write: Writer, text: &dyn Fn() -> String| match place {
                None => {}
                Some(Destination::File(path)) => errors.extend(write(path, &text()).err()),
                Some(stream) => log.streams.push((stream.clone(), text())),
            };
        put(of_step("GITHUB_OUTPUT").as_ref(), files::append, &|| {
            outputs::github(&outputs, &self.token)
        });
        let drone = of_step("DRONE_OUTPUT");
        put(drone.as_ref(), files::append, &|| variables.clone());
        let printed = outcome.output_options.json.then_some(&Destination::Stdout);
        let place = output_options.output_file.as_ref();
        put(
            place.filter(|place| Some(*place) != printed),
            files::write,
            &|| String::from_utf8_lossy(&outcome.document).into_owned(),
        );
        let place = output_options.dotenv_file.as_ref();
        put(place, files::write, &|| variables.clone());
        let summary = || markdown(&outcome.report, MAX_SUMMARY_LEN);
        let place = output_options.summary_file.as_ref();
        put(place, files::write, &summary);
        if !output_options.no_summary {
            errors.extend(self.summarise(&outcome.report, log));
        }
        let tekton = Path::new(TEKTON).is_dir() && !ci_system::in_any();
        let folders = [
            output_options.results_directory.as_deref(),
            tekton.then_some(TEKTON),
        ];
        for folder in folders.into_iter().flatten().map(Path::new) {
            let names = outputs::names(outcome.report.action);
            errors.extend(files::write_each(folder, &outputs, names).err());
        }
        errors
    }

    /// Writes the summary where the CI system looks for one.
    fn summarise(&self, report: &Report, log: &mut BufferedOutput) -> Option<files::Error> {
        match of_step("GITHUB_STEP_SUMMARY") {
            Some(Destination::File(path)) => {
                let there = std::fs::metadata(&path).map_or(0, |file| file.len());
                let there = usize::try_from(there).unwrap_or(MAX_SUMMARY_LEN);
                let page = markdown(report, MAX_SUMMARY_LEN.saturating_sub(there));
                return files::append(&path, &page).err();
            }
            Some(stream) => {
                let page = markdown(report, MAX_SUMMARY_LEN);
                log.streams.push((stream, page));
                return None;
            }
            None => {}
        }
        let Some(Destination::File(folder)) = of_step("AGENT_TEMPDIRECTORY") else {
            return None;
        };
        if !folder.is_dir() {
            return None;
        }
        let path = folder.join(format!("{}.md", self.token));
        match files::write(&path, &markdown(report, MAX_SUMMARY_LEN)) {
            Ok(()) => {
                let command = self.format.summary(&path.to_string_lossy());
                log.commands.push_str(&command);
                None
            }
            Err(error) => Some(error),
        }
    }

    /// Prints the log.
    pub(crate) fn print(
        &self,
        outcome: &JobOutcome,
        log: &BufferedOutput,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> io::Result<()> {
        let (format, report) = (self.format, &outcome.report);
        let name = format!("s3lo_{}", report.action.name());
        let unwritten = outcome.status == ExitStatus::Failed && report.is_good();
        let title = if unwritten {
            "The results cannot be written".to_owned()
        } else {
            inert(&report.title())
        };
        let section = |text| LogSection {
            title: &title,
            text,
            name: &name,
            began: self.began,
            ended: seconds(),
            token: &self.token,
        };
        let errors = inert(&String::from_utf8_lossy(&log.err));
        let results = inert(&String::from_utf8_lossy(&log.out));
        let is_json = outcome.output_options.json;
        if is_json {
            // It is the whole of stdout. CI systems look for commands on stderr as well.
            out.write_all(&log.out)?;
        } else if !results.is_empty() {
            out.write_all(format.collapsed(&section(&results)).as_bytes())?;
        }
        if !errors.is_empty() {
            let expanded = format.expanded(&section(&errors));
            if format.is_one_stream() && !is_json {
                out.write_all(expanded.as_bytes())?;
            } else {
                out.flush()?;
                err.write_all(expanded.as_bytes())?;
            }
        }
        // Outputs, JSON and summaries are inert as they are made, but for the headings of these.
        for (place, text) in &log.streams {
            let text = format.expanded(&section(text));
            match place {
                Destination::Stdout if !is_json => out.write_all(text.as_bytes())?,
                _ => err.write_all(text.as_bytes())?,
            }
        }
        let mut commands = log.commands.clone();
        let (kind, text) = match outcome.status {
            ExitStatus::Done => (AnnotationKind::Notice, report.in_short()),
            ExitStatus::Refused | ExitStatus::Failed => {
                let problem = report.first_problem();
                (
                    AnnotationKind::Error,
                    problem.unwrap_or_else(|| all(&outcome.unwritten)),
                )
            }
        };
        commands.push_str(&format.annotation(kind, &title, &inert(&text)));
        if is_json {
            err.write_all(commands.as_bytes())?;
        } else {
            out.write_all(commands.as_bytes())?;
        }
        out.flush()
    }
}

/// Errors as they are printed, but for the word in front, which the annotation's kind stands for.
fn all(errors: &[Diagnostic]) -> String {
    let first = errors.iter().take(1);
    let first = first.map(|error| {
        let details = error.details().join("\n  ");
        format!("{}\n  {details}", error.message)
    });
    let others = errors.iter().skip(1).map(Diagnostic::to_string);
    first.chain(others).collect::<Vec<_>>().join("\n")
}

/// A file or folder that the CI system gives this step.
fn of_step(name: &str) -> Option<Destination> {
    let path = std::env::var_os(name).filter(|path| !path.is_empty())?;
    Some(match path.to_str() {
        Some(text) => Destination::parse(text),
        None => Destination::File(path.into()),
    })
}

/// Seconds since 1970.
fn seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}
