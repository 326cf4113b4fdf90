//! `s3lo gate check`.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::checks::{Outcome, outcome};
use crate::cli::args::Output;
use crate::cli::args::gate::{GateArgs, GateWork};
use crate::cli::output::checks::CheckElement;
use crate::cli::output::text::Style;
use crate::cli::output::{checks, json};
use crate::cli::{CommandError, ExitStatus, deadline};
use crate::diagnostic::Diagnostic;
use crate::gate::check::{Node, Report, Topic, examine};
use crate::gate::config;

/// Files are read at once, unless their file system does not answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Looks at everything on which it depends whether containerd asks the gate.
pub(in crate::cli) async fn run(
    args: &GateArgs,
    output: Output,
    style: Style,
    out: &mut dyn Write,
) -> Result<ExitStatus, CommandError> {
    let GateWork::Check(args) = &args.work;
    let gate = match &args.gate_config {
        Some(path) => path.clone(),
        None => config::path().map_err(|error| Diagnostic::new(&error))?,
    };
    let node = Node {
        containerd: args.config.clone(),
        gate,
    };
    let examined = examine(node, deadline(TIMEOUT)).await;
    let report = examined.map_err(|error| Diagnostic::new(&error))?;
    match output {
        Output::Text => shown(out, &report, style.out_colored)?,
        Output::Json => json::write(out, &Element::new(&report))?,
    }
    Ok(checks::exit_status(&report.checks))
}

fn shown(out: &mut dyn Write, report: &Report, colored: bool) -> io::Result<()> {
    checks::write(out, &report.checks, label, colored)?;
    let ready = || {
        "Ready: containerd asks this program before it pulls an image of the gate's hosts."
            .to_owned()
    };
    let verdict = checks::to_fix(&report.checks).unwrap_or_else(ready);
    writeln!(out, "\n{verdict}")?;
    if let Some(lines) = &report.lines {
        writeln!(
            out,
            "\nThe lines for containerd, in a file that its configuration imports last:\n{}",
            lines.containerd
        )?;
        write!(out, "The same for a node of EKS:\n{}", lines.node_config)?;
    }
    Ok(())
}

fn label(topic: Topic) -> &'static str {
    match topic {
        Topic::GateFile => "Gate file",
        Topic::Policy => "Policy",
        Topic::Containerd => "containerd",
        Topic::Configuration => "Configuration",
        Topic::Verifiers => "Verifiers",
        Topic::Program => "Program",
        Topic::Pulls => "Pulls",
        Topic::Hosts => "Hosts",
        Topic::Aliases => "Aliases",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Element<'a> {
    ready: bool,
    checks: Vec<CheckElement<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    containerd_config: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_config: Option<&'a str>,
}

impl<'a> Element<'a> {
    fn new(report: &'a Report) -> Self {
        let lines = report.lines.as_ref();
        Self {
            ready: outcome(&report.checks) == Outcome::Ready,
            checks: report.checks.iter().map(CheckElement::new).collect(),
            containerd_config: lines.map(|lines| lines.containerd.as_str()),
            node_config: lines.map(|lines| lines.node_config.as_str()),
        }
    }
}
