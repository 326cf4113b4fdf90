//! Who signs: the CI system, its identity token, the role, the credentials and their account.

use std::pin::pin;
use std::time::{SystemTime, UNIX_EPOCH};

use s3lo_core::record::Timestamp;

use crate::aws::arn::Arn;
use crate::aws::config::Aws;
use crate::diagnostic::{Diagnostic, Fact};
use crate::doctor::check::{Check, State, Topic};
use crate::doctor::error::Error;
use crate::identity::ci_system::{self, CiSystem};
use crate::identity::jwt::Claims;
use crate::net::clock::MIN_SKEW;
use crate::net::timed_out::explained;

/// The caller, as AWS sees it.
pub(super) struct Caller {
    /// The checks.
    pub(super) checks: Vec<Check>,
    /// Whether there are credentials.
    pub(super) has_credentials: bool,
    /// The session or user, or else the role that was not assumed.
    pub(super) arn: Option<Arn>,
}

impl Caller {
    /// No caller, for the reason in `check`.
    pub(super) fn without(check: Check) -> Self {
        Self {
            checks: vec![check],
            has_credentials: false,
            arn: None,
        }
    }
}

pub(super) fn ci_system() -> Check {
    match CiSystem::detect() {
        Some(ci) => Check::ok(Topic::CiSystem, ci.name()),
        None if ci_system::in_any() => {
            Check::ok(Topic::CiSystem, "one without identity tokens of its own")
        }
        None => Check::unchecked(Topic::CiSystem, "none: this is no job"),
    }
}

/// Gets the credentials, by assuming the role if there is one. `asks` is whether STS knows them: those of another S3
/// server are not sent there.
pub(super) async fn check(aws: &Aws, asks: bool) -> Caller {
    let assumed = explained(aws.deadline, pin!(aws.assume())).await;
    let has_credentials = assumed.is_ok();
    let mut checks = vec![region(aws)];
    if aws.assumes_a_role() {
        checks.extend(role(aws, assumed));
    } else {
        checks.push(Check::unchecked(
            Topic::IdentityToken,
            "not needed: no role is named that takes one",
        ));
        checks.push(Check::unchecked(Topic::Role, "none is named"));
        checks.extend(
            assumed
                .err()
                .map(|error| Check::failed(Topic::Credentials, error)),
        );
    }
    let mut arn = aws.role().cloned();
    if has_credentials && asks {
        let (check, found) = owner(aws).await;
        checks.push(check);
        arn = found.or(arn);
    } else if has_credentials {
        checks.push(Check::unchecked(
            Topic::Credentials,
            "there are some; whose they are only the named S3 server knows",
        ));
    }
    Caller {
        checks,
        has_credentials,
        arn,
    }
}

fn region(aws: &Aws) -> Check {
    match &aws.named_region {
        Some(region) => Check::ok(Topic::Region, region),
        None => Check::ok(Topic::Region, "none is named; S3 names the bucket's own"),
    }
}

/// The identity token, and the role that it assumes.
fn role(aws: &Aws, assumed: Result<(), Diagnostic>) -> Vec<Check> {
    let token = aws
        .identity()
        .map(|claims| token(Topic::IdentityToken, &claims));
    let none = || Check::unchecked(Topic::IdentityToken, "none: credentials assume the role");
    let error = match assumed {
        Ok(()) => {
            let role = aws.role().map(ToString::to_string).unwrap_or_default();
            return vec![token.unwrap_or_else(none), Check::ok(Topic::Role, role)];
        }
        Err(error) => error,
    };
    let without = |token| {
        vec![
            token,
            Check::after(Topic::Role, Topic::IdentityToken),
            Check::after(Topic::Credentials, Topic::IdentityToken),
        ]
    };
    match (error.code, token) {
        // It has expired.
        (_, Some(token)) if token.state == State::Missing => without(token),
        ("no_identity_token", _) => without(Check::failed(Topic::IdentityToken, error)),
        ("no_credentials", None) => vec![
            none(),
            Check::after(Topic::Role, Topic::Credentials),
            Check::failed(Topic::Credentials, error),
        ],
        (_, token) => vec![
            token.unwrap_or_else(none),
            Check::failed(Topic::Role, error),
            Check::after(Topic::Credentials, Topic::Role),
        ],
    }
}

/// The claims of an identity token that may be shown, and whether it is still valid.
pub(super) fn token(topic: Topic, claims: &Claims) -> Check {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let end = claims.expires();
    let at = end.and_then(Timestamp::from_unix_seconds);
    let at = at.map(|time| time.to_string());
    match (end, at) {
        (Some(end), Some(at)) if end <= now => {
            let claims = Box::new(claims.clone());
            Check::failed(topic, Diagnostic::new(&Error::TokenExpired { at, claims }))
        }
        (_, at) => {
            let mut facts = claims.facts();
            facts.extend(at.map(|at| Fact::new("expires", at)));
            Check::ok(topic, "there is one").with(facts)
        }
    }
}

/// Whose credentials these are.
async fn owner(aws: &Aws) -> (Check, Option<Arn>) {
    let error = match explained(aws.deadline, pin!(aws.caller())).await {
        Ok(arn) => {
            let facts = vec![Fact::new("account", arn.account.as_str())];
            let check = Check::ok(Topic::Credentials, arn.as_str()).with(facts);
            return (check, Some(arn));
        }
        Err(error) => error,
    };
    let check = Check::failed(Topic::Credentials, error);
    if check.state == State::Missing {
        return (check, None);
    }
    // A network may be open to S3 and KMS alone, and signing does not need to know whose credentials they are.
    let detail = format!("there are some; STS does not say whose: {}", check.detail);
    (Check::unchecked(Topic::Credentials, detail), None)
}

/// Compares the clock with the dates of the responses so far.
pub(super) fn clock(aws: Option<&Aws>) -> Check {
    match aws.and_then(Aws::clock_difference) {
        None => Check::unchecked(Topic::Clock, "no server's response was dated"),
        Some(found) if found.by > MIN_SKEW => {
            let (by, is_behind) = (found.by, found.is_behind);
            let error = Error::ClockSkewed { by, is_behind };
            Check::failed(Topic::Clock, Diagnostic::new(&error))
        }
        Some(found) => match found.by.as_secs() {
            0..60 => Check::ok(Topic::Clock, "less than a minute from the servers'"),
            seconds => Check::ok(Topic::Clock, format!("{seconds} s from the servers'")),
        },
    }
}
