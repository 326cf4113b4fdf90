//! The settings of the network: proxies and certificates.

use crate::diagnostic::Diagnostic;
use crate::doctor::check::{Check, Report, State, Topic};
use crate::net::ca_bundle;
use crate::net::proxy::{Error, Proxies};

/// Checks the proxies, by a connection to each, and the file of certificates.
pub(super) async fn check() -> Vec<Check> {
    vec![proxy().await, certificates()]
}

async fn proxy() -> Check {
    let proxies = match Proxies::from_environment() {
        Ok(proxies) => proxies,
        Err(error) => return Check::failed(Topic::Proxy, Diagnostic::new(&error)),
    };
    let mut names = Vec::new();
    for proxy in proxies.each() {
        if let Err(error) = proxy.reach().await {
            return unreachable(&error);
        }
        names.push(proxy.to_string());
    }
    match names.is_empty() {
        true => Check::ok(Topic::Proxy, "none"),
        false => Check::ok(Topic::Proxy, names.join(", ")),
    }
}

/// A proxy is a setting, which can be changed: its absence is more than an answer that did not come.
fn unreachable(error: &Error) -> Check {
    Check {
        state: State::Missing,
        ..Check::failed(Topic::Proxy, Diagnostic::new(error))
    }
}

fn certificates() -> Check {
    match ca_bundle::from_environment() {
        Ok(None) => Check::ok(Topic::Certificates, "those of the system"),
        Ok(Some(bundle)) => Check::ok(
            Topic::Certificates,
            format!("{} of AWS_CA_BUNDLE", bundle.len()),
        ),
        Err(error) => Check::failed(Topic::Certificates, Diagnostic::new(&error)),
    }
}

/// Takes back the fault of a proxy that no request needed: NO_PROXY may name all servers.
pub(super) fn forgive_unused_proxy(report: &mut Report) {
    let fails = |check: &Check| {
        let problem = check.problem.as_ref();
        problem.is_some_and(|problem| ["unreachable", "no_identity_token"].contains(&problem.code))
    };
    let (proxies, others): (Vec<_>, Vec<_>) = report
        .checks
        .iter_mut()
        .partition(|check| check.topic == Topic::Proxy);
    if others.into_iter().any(|check| fails(check)) {
        return;
    }
    for check in proxies.into_iter().filter(|check| fails(check)) {
        let detail = format!("{}; no request needed it", check.detail);
        *check = Check::unchecked(Topic::Proxy, detail);
    }
}
