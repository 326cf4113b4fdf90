//! `s3lo doctor`.

use std::io::{self, Write};

use serde::Serialize;

use crate::aws::policy::Policy;
use crate::checks::outcome;
use crate::cli::args::{DoctorArgs, Output};
use crate::cli::output::checks::CheckElement;
use crate::cli::output::{checks, json, text};
use crate::cli::setup::RunContext;
use crate::cli::shutdown::ShutdownSignals;
use crate::cli::{CommandError, ExitStatus, deadline, setup};
use crate::doctor::check::{Outcome, Report, Topic};
use crate::doctor::{Doctor, Subject};
use crate::text::inert_json;

/// Looks at everything that signing needs.
pub(crate) async fn run(
    args: &DoctorArgs,
    context: &RunContext,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let reference = args
        .reference
        .as_deref()
        .map(setup::reference)
        .transpose()?;
    for backend in args.stores.all() {
        backend.check_options(reference.as_slice())?;
    }
    let key = args.key.as_deref().map(setup::key).transpose()?;
    let subject = Subject {
        reference,
        key,
        backends: &args.stores,
        providers: &args.providers,
        names_aws: args.aws.first_set().is_some(),
    };
    let shared = context.shared(&args.aws, deadline(args.timeout));
    let doctor = Doctor::new(subject, shared).await;
    let signals = ShutdownSignals::listen();
    let examined = context.waiting.during(None, doctor.examine());
    let (report, of_keys) = match doctor.keys() {
        Some(keys) => signals.during(keys, examined).await?,
        None => {
            let examined = async { Ok(examined.await) };
            (signals.unless_received(examined).await?, Vec::new())
        }
    };
    let mut warnings = doctor.warnings();
    warnings.extend(of_keys);
    let _ = text::warnings(err, &warnings);
    match output {
        Output::Text => shown(out, args, &report, context.style.out_colored)?,
        Output::Json => json::write(out, &Element::new(&report))?,
    }
    Ok(checks::exit_status(&report.checks))
}

fn shown(out: &mut dyn Write, args: &DoctorArgs, report: &Report, colored: bool) -> io::Result<()> {
    checks::write(out, &report.checks, label, colored)?;
    writeln!(out, "\n{}", verdict(args, report))?;
    if let Some(policy) = &report.policy {
        let document = inert_json(&serde_json::to_string_pretty(policy)?);
        writeln!(out, "\nThe least IAM policy for this:\n{document}")?;
    }
    Ok(())
}

fn label(topic: Topic) -> &'static str {
    match topic {
        Topic::Clock => "Clock",
        Topic::Proxy => "Proxy",
        Topic::Certificates => "Certificates",
        Topic::CiSystem => "CI system",
        Topic::IdentityToken => "Identity token",
        Topic::Role => "Role",
        Topic::Credentials => "Credentials",
        Topic::Region => "Region",
        Topic::Store => "Store",
        Topic::Manifest => "Manifest",
        Topic::Records => "Records",
        Topic::Record => "Record",
        Topic::Writing => "Writing",
        Topic::KeyIdentityToken => "Token for key",
        Topic::Key => "Key",
        Topic::Signing => "Signing",
    }
}

fn verdict(args: &DoctorArgs, report: &Report) -> String {
    match checks::to_fix(&report.checks) {
        Some(to_fix) => to_fix,
        None if args.reference.is_some() && args.key.is_some() => {
            "Ready to sign. Nothing was signed or written.".to_owned()
        }
        None => {
            "Nothing is missing of what was looked at; name an image and a key to look at both."
                .to_owned()
        }
    }
}

#[derive(Serialize)]
struct Element<'a> {
    ready: bool,
    checks: Vec<CheckElement<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a Policy>,
}

impl<'a> Element<'a> {
    fn new(report: &'a Report) -> Self {
        Self {
            ready: outcome(&report.checks) == Outcome::Ready,
            checks: report.checks.iter().map(CheckElement::new).collect(),
            policy: report.policy.as_ref(),
        }
    }
}
