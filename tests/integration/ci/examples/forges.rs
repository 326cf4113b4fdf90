//! Forges that run jobs by the variables of GitHub Actions.

use super::host::Host;
use super::{as_text, pairs, parsed};
use crate::support::aws_fixture::{EVERYTHING, ROLE, trust};
use crate::support::github_runner::Runner;
use crate::support::program::Run;

pub(crate) fn forgejo(host: &mut Host, yaml: &str) -> Run {
    let workflow = parsed(yaml);
    let job = &workflow["jobs"]["sign"];
    let step = &job["steps"][0];
    assert_eq!(step["uses"], "https://github.com/s3lo/sign-action@v1");
    // The runner gives a job the endpoint of tokens only if it asks for an identity.
    if job["enable-openid-connect"] == true {
        host.aws.server.role(ROLE, &trust(), EVERYTHING);
        let variables = host.aws.server.github_environment();
        host.set_all(&variables);
    }
    let mut runner = Runner::new("action.yml")
        .at(&host.aws)
        .env("FORGEJO_ACTIONS", "true");
    for (name, value) in pairs(&step["with"]) {
        runner.set(&name, &value.replace("${{ github.ref_name }}", "v1.0"));
    }
    let step = runner.run();
    // The annotation below the log repeats the error.
    let shown = step.shown();
    let log = shown.split("\n##[error]").next().unwrap_or_default();
    assert_ne!(as_text(&job["runs-on"]), "");
    Run {
        code: step.code,
        out: log.to_owned(),
        err: String::new(),
    }
}
