//! Faults of GitHub in the request for an identity token, and of STS in the exchange of the token.

use super::fault::Fault;
use super::{Call, Command, Row};
use crate::support::faults::{EVER, ONCE, THRICE, hold, refused, row};

const PAGE: &str = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>";

/// An answer of STS around some fields.
macro_rules! session {
    ($($field:expr),*) => {
        concat!(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>",
            $($field,)*
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
    };
}

macro_rules! user {
    () => {
        "<AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/signer/job</Arn>\
         <AssumedRoleId>AROA0:job</AssumedRoleId></AssumedRoleUser>"
    };
}

/// GitHub's endpoint fails now and then; its refusals are final.
const TOKEN: &[Row] = &[
    row("500", ONCE, Fault::Page(500, "")).made(2),
    row("500", THRICE, Fault::Page(500, "")).made(4),
    row("500", EVER, Fault::Page(500, ""))
        .fails("no_identity_token")
        .made(6),
    row("503 of a proxy", ONCE, Fault::Page(503, PAGE)).made(2),
    row("429", ONCE, Fault::Page(429, "")).made(2),
    row("connection reset", ONCE, Fault::HangUp).made(2),
    row("connection reset", EVER, Fault::HangUp)
        .fails("no_identity_token")
        .at_least(6),
    row("silence", EVER, Fault::Silence)
        .timeout(2)
        .fails("timed_out"),
    row("half an answer", ONCE, Fault::Half).made(2),
    row("a page of a proxy", ONCE, Fault::Page(200, PAGE)).made(2),
    row("a page of a proxy", EVER, Fault::Page(200, PAGE))
        .fails("no_identity_token")
        .made(6),
    row(
        "another shape",
        EVER,
        Fault::Page(200, r#"{"token": "a.b.c"}"#),
    )
    .fails("no_identity_token")
    .made(6),
    row("a gigabyte", ONCE, Fault::Flood).made(2),
    refused(
        "no token in it",
        "no_identity_token",
        Fault::Page(200, r#"{"value": "token"}"#),
    ),
    refused(
        "an empty token",
        "no_identity_token",
        Fault::Page(200, r#"{"value": ""}"#),
    ),
    refused(
        "a token with a newline",
        "no_identity_token",
        Fault::Page(200, r#"{"value": "a.b\nb.c"}"#),
    ),
    refused("401", "no_identity_token", Fault::Page(401, "")),
    refused(
        "403",
        "no_identity_token",
        Fault::Page(403, r#"{"message":"Forbidden"}"#),
    ),
    refused("404", "no_identity_token", Fault::Page(404, PAGE)),
];

const THROTTLED: Fault = Fault::Sts(400, "Throttling", "Rate exceeded");

const INTERNAL: Fault = Fault::Sts(500, "InternalFailure", "An internal error occurred");

const COMMUNICATION: Fault = Fault::Sts(
    400,
    "IDPCommunicationError",
    "Couldn't communicate with your identity provider",
);

const EXPIRED: Fault = Fault::Sts(
    400,
    "ExpiredTokenException",
    "Token expired: current date/time 1775935000 must be before the expiration date/time 1775934900",
);

/// Each try has a token of its own.
const ASSUME: &[Row] = &[
    row("throttled", ONCE, THROTTLED).made(2),
    row("throttled", THRICE, THROTTLED).made(4),
    row("throttled until the time is up", EVER, THROTTLED)
        .timeout(3)
        .fails("throttled|timed_out")
        .at_least(3),
    row("500", ONCE, INTERNAL).made(2),
    row("500", EVER, INTERNAL).fails("service_error").made(6),
    row("503 of a proxy", ONCE, Fault::Page(503, PAGE)).made(2),
    row("503 of a proxy", EVER, Fault::Page(503, PAGE)).fails("service_error").made(6),
    row("GitHub's keys are not to be had", ONCE, COMMUNICATION).made(2),
    row("GitHub's keys are not to be had", EVER, COMMUNICATION).fails("role_refused").made(6),
    row(
        "no key of GitHub's",
        ONCE,
        Fault::Sts(
            400,
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
        ),
    )
    .made(2),
    row("the token is too old", ONCE, EXPIRED).made(2),
    row("the token is too old", EVER, EXPIRED).fails("role_refused").made(6),
    row("connection reset", ONCE, Fault::HangUp).made(2),
    row("connection reset", EVER, Fault::HangUp).fails("unreachable").at_least(6),
    row("silence", EVER, Fault::Silence).timeout(2).fails("timed_out"),
    row("half an answer", ONCE, Fault::Half).made(2),
    refused("not allowed", "role_refused", Fault::Sts(
            403,
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        )),
    refused("denied by the organization", "role_refused", Fault::Sts(
            403,
            "AccessDenied",
            "User is not authorized to perform: sts:AssumeRoleWithWebIdentity with an explicit deny in a service control policy",
        )),
    refused("another thumbprint", "role_refused", Fault::Sts(
            400,
            "InvalidIdentityToken",
            "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
        )),
    refused("a key ID with a newline", "configuration", Fault::Page(
            200,
            session!(
                user!(),
                "<Credentials><AccessKeyId>ASIA&#10;0</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            ),
        )),
    refused("no provider", "role_refused", Fault::Sts(
            400,
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for https://token.actions.githubusercontent.com",
        )),
    refused("not valid", "role_refused", Fault::Sts(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )),
    refused("a region that is not enabled", "role_refused", Fault::Sts(403, "RegionDisabledException", "STS is not activated in this region")),
    refused("403 of a proxy", "service_error", Fault::Page(403, PAGE)),
    refused("404 of a proxy", "service_error", Fault::Page(404, PAGE)),
    row("nothing", EVER, Fault::Page(200, "")).fails("service_error"),
    row("a page of a proxy", EVER, Fault::Page(200, PAGE)).fails("service_error"),
    row("XML that breaks off", EVER, Fault::Page(200, "<AssumeRoleWithWebIdentityResponse><A"))
        .fails("service_error"),
    refused("no session in it", "service_error", Fault::Page(200, session!(""))),
    refused("no credentials in it", "service_error", Fault::Page(200, session!(user!()))),
    refused("no secret in it", "service_error", Fault::Page(
            200,
            session!(
                user!(),
                "<Credentials><AccessKeyId>ASIA0</AccessKeyId><SessionToken>t</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            ),
        )),
    refused("an empty session token", "service_error", Fault::Page(
            200,
            session!(
                user!(),
                "<Credentials><AccessKeyId>ASIA0</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken/>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            ),
        )),
    refused("no end of the session", "service_error", Fault::Page(
            200,
            session!(
                user!(),
                "<Credentials><AccessKeyId>ASIA0</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></Credentials>"
            ),
        )),
    row(
        "an end that is no time",
        EVER,
        Fault::Page(
            200,
            session!(
                user!(),
                "<Credentials><AccessKeyId>ASIA0</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>tomorrow</Expiration></Credentials>"
            ),
        ),
    )
    .fails("service_error"),
    row("a gigabyte", ONCE, Fault::Flood).made(2),
];

/// The session expires before the work is done: S3 reports it.
const SESSION_OVER: &[Row] = &[refused(
    "the session is over",
    "session_expired",
    Fault::S3(400, "ExpiredToken", "The provided token has expired."),
)];

#[test]
fn working_in_a_session_that_is_over() {
    for call in [Call::Manifest, Call::Put, Call::Recheck] {
        hold(Command::SignInGitHub, call, &[SESSION_OVER]);
    }
}

#[test]
fn asking_for_an_identity_token() {
    hold(Command::SignInGitHub, Call::Token, &[TOKEN]);
}

#[test]
fn exchanging_it_for_a_session() {
    hold(Command::SignInGitHub, Call::Assume, &[ASSUME]);
}
