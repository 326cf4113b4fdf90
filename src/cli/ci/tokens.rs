//! `s3lo ci tokens`: the identity tokens that a job needs from its CI system's agent.

use std::io::{self, Write};

use crate::cli::args::{Command, Output};
use crate::cli::ci::options::Job;
use crate::cli::output::text::Style;
use crate::cli::output::waiting::Waiting;
use crate::cli::setup::{Configured, PolicyRun, RunContext};
use crate::cli::{CommandError, ExitStatus, block_on, deadline, setup};
use crate::context::Passwords;
use crate::diagnostic::Diagnostic;
use crate::identity::token_source::TokenRequest;
use crate::mask::Mask;
use crate::option_name::option;

/// The word after `ci`.
pub(crate) const NAME: &str = "tokens";

/// Prints a line for each token, `VARIABLE<TAB>AUDIENCE`.
pub(crate) fn print(tokens: &[TokenRequest], out: &mut dyn Write) -> io::Result<ExitStatus> {
    for TokenRequest { variable, audience } in tokens {
        writeln!(out, "{variable}\t{audience}")?;
    }
    Ok(ExitStatus::Done)
}

/// The tokens that the job needs. Nothing is sent to find out.
pub(crate) fn of(job: &Job, mask: &Mask) -> Result<Vec<TokenRequest>, CommandError> {
    let context = RunContext {
        passwords: Passwords::default(),
        mask: mask.clone(),
        style: Style::new(true, job.cli.global.color),
        waiting: Waiting::in_log(Output::Text, true, false),
    };
    let work = match &job.cli.command {
        Command::Ci(args) => args.work.options(),
        _ => None,
    };
    let Some(work) = work else {
        return Ok(Vec::new());
    };
    let configured = block_on(async {
        let deadline = deadline(work.images.timeout);
        let keys = match work.policy {
            Some(file) => PolicyRun::new(file, work.images, &context, deadline)
                .await?
                .keys(),
            None => setup::keys(work.keys)?.into(),
        };
        let (images, aws, providers) = (work.images, work.aws, work.providers);
        Ok(Configured::new(images, keys, aws, providers, &context, deadline).await?)
    })?;
    let mut requests = configured.token_requests();
    requests.sort_unstable();
    requests.dedup();
    let twice = requests.windows(2).find_map(|pair| match pair {
        [one, other] if one.variable == other.variable => Some(several_audiences(one, other)),
        _ => None,
    });
    match twice {
        Some(diagnostic) => Err(diagnostic.into()),
        None => Ok(requests),
    }
}

/// The error for a variable that would have to hold two tokens, as for keys in two servers of Vault.
fn several_audiences(one: &TokenRequest, other: &TokenRequest) -> Diagnostic {
    Diagnostic::usage(
        format!(
            "{} can hold one identity token, and the keys need it for two audiences: {} and {}",
            one.variable, one.audience, other.audience
        ),
        format!(
            "name an audience that both servers accept by {}\nor use the keys in a step each",
            option("vault-audience")
        ),
    )
}
