//! Faults of Vault in a login, and in the revocation of a token.

use serde_json::{Value, json};

use super::fault::Fault;
use super::fixture::JWT;
use super::of_any::ANY;
use super::{Command, Row};
use crate::support::faults::{EVER, ONCE, hold, nonsense, refused, row};
use s3lo_test_servers::vault::Kind;

/// The answer, with this field of the session.
macro_rules! auth {
    ($name:literal: $($value:tt)+) => {
        Fault::Altered(|answer| answer["auth"][$name] = json!($($value)+))
    };
}

/// A login with an identity token succeeds or fails; the issued token must fit into a header.
const LOGIN: &[Row] = &[
    refused(
        "no such role",
        "login_refused",
        Fault::Errors(400, &["role \"release\" could not be found"]),
    ),
    refused(
        "for another audience",
        "login_refused",
        Fault::Errors(
            400,
            &[
                "error validating token: invalid audience (aud) claim: audience claim does not match any bound audience",
            ],
        ),
    ),
    refused(
        "for another branch",
        "login_refused",
        Fault::Errors(
            400,
            &[
                "error validating claims: claim \"sub\" does not match any associated bound claim values",
            ],
        ),
    ),
    refused(
        "with the token in the message",
        "login_refused",
        Fault::Errors(400, &["error validating token:", JWT]),
    ),
    refused(
        "not allowed",
        "login_refused",
        Fault::Errors(403, &["permission denied"]),
    ),
    refused(
        "not allowed, without a word",
        "login_refused",
        Fault::Errors(403, &[]),
    ),
    refused(
        "no such mount",
        "mount_not_found|login_refused",
        Fault::Errors(
            404,
            &["no handler for route \"auth/jwt/login\". route entry not found."],
        ),
    ),
    refused(
        "not there",
        "mount_not_found|login_refused",
        Fault::Errors(404, &[]),
    ),
    refused(
        "405",
        "service_error|login_refused",
        Fault::Errors(405, &["1 error occurred:\n\t* unsupported operation\n\n"]),
    ),
    nonsense(
        "no session",
        Fault::Altered(|answer| answer["auth"] = Value::Null),
    ),
    nonsense(
        "a session that is a text",
        Fault::Altered(|answer| answer["auth"] = "hvs.".into()),
    ),
    nonsense(
        "a session in an array",
        Fault::Altered(|answer| {
            let auth = answer["auth"].take();
            answer["auth"] = json!([auth]);
        }),
    ),
    nonsense(
        "no token",
        Fault::Altered(|answer| answer["auth"] = json!({"token_type": "service"})),
    ),
    nonsense("a token that is null", auth!("client_token": null)),
    nonsense("a token that is a number", auth!("client_token": 7)),
    nonsense("an empty token", auth!("client_token": "")),
    nonsense(
        "a token with another header",
        auth!("client_token": "hvs.a\r\nX-Vault-Policy-Override: true"),
    ),
    nonsense(
        "a token with a space in it",
        auth!("client_token": "hvs.a b"),
    ),
    nonsense("a token that is not ASCII", auth!("client_token": "hvs.ä")),
    nonsense("a token with a zero", auth!("client_token": "hvs.a\0b")),
    nonsense(
        "a token without an end",
        auth!("client_token": "h".repeat(200_000)),
    ),
    refused(
        "another factor is wanted",
        "login_refused",
        Fault::Altered(|answer| {
            answer["auth"]["client_token"] = "".into();
            answer["auth"]["mfa_requirement"] = json!({
                "mfa_request_id": "d0c9eec7-6921-8cc0-be62-202b289ef163",
                "mfa_constraints": {"totp": {"any": [{"type": "totp", "id": "a", "uses_passcode": true}]}},
            });
        }),
    ),
    refused(
        "a token in a wrap",
        "access_denied",
        Fault::Altered(|answer| {
            answer["auth"] = Value::Null;
            answer["wrap_info"] = json!({"token": "hvs.wrapped", "ttl": 300});
        }),
    ),
    nonsense(
        "two tokens",
        Fault::Text(|due| {
            due.replace(
                r#""client_token":"#,
                r#""client_token":"hvs.other","client_token":"#,
            )
        }),
    ),
    refused(
        "another factor is wanted, by an odd requirement",
        "login_refused",
        Fault::Altered(|answer| {
            answer["auth"]["client_token"] = "".into();
            answer["auth"]["mfa_requirement"] = json!([7]);
        }),
    ),
    row(
        "a factor is wanted no more",
        EVER,
        auth!("mfa_requirement": {"mfa_request_id": "d0c9eec7"}),
    )
    .made(1),
    refused(
        "the issuer's discovery is out of reach",
        "login_refused",
        Fault::Errors(
            400,
            &["error configuring token validator: error checking oidc discovery URL"],
        ),
    ),
    refused(
        "the issuer's keys are out of reach",
        "login_refused",
        Fault::Errors(
            400,
            &[
                "error validating token: error verifying token signature: fetching keys oidc: get keys failed Get \"https://gitlab.example/oauth/discovery/keys\": dial tcp 127.0.0.1:1: connect: connection refused",
            ],
        ),
    ),
    refused(
        "from another address",
        "login_refused",
        Fault::Errors(
            400,
            &[
                "source address \"192.0.2.7\" unauthorized by CIDR restrictions on the role: %!w(<nil>)",
            ],
        ),
    ),
    refused(
        "a claim that a terminal would obey",
        "login_refused",
        Fault::Errors(
            400,
            &[
                "error validating claims: claim \"a`\u{1b}[31m\" does not match any associated bound claim values",
            ],
        ),
    ),
    row("a session of no time", EVER, auth!("lease_duration": 0)).made(1),
    row("a field of tomorrow", EVER, auth!("mood": [1])).made(1),
];

/// The image is signed by then, and the run ends as it does: a token ends by itself before long.
const REVOKE: &[Row] = &[
    row("204", EVER, Fault::Meanwhile(|_| ())).made(1),
    row("500", ONCE, Fault::Page(500, "")),
    row("500", EVER, Fault::Page(500, "")).limit("1"),
    row("sealed", EVER, Fault::Errors(503, &["Vault is sealed"])).limit("1"),
    row(
        "not allowed",
        EVER,
        Fault::Errors(403, &["permission denied"]),
    )
    .made(1),
    row(
        "a page of a portal",
        EVER,
        Fault::Page(200, "<html></html>"),
    ),
    row("301", EVER, Fault::Elsewhere(301)).made(1),
    row("307", EVER, Fault::Elsewhere(307)).made(1),
    row("308", EVER, Fault::Elsewhere(308)).made(1),
    row("connection reset", EVER, Fault::HangUp).limit("1"),
    row("half an answer", EVER, Fault::Half).limit("1"),
    row("without an end", EVER, Fault::Endless),
    row("silence", EVER, Fault::Silence).timeout(2),
    row("throttled", EVER, Fault::Page(429, "")).timeout(2),
];

#[test]
fn logging_in() {
    hold(Command::SignLoggedIn, Kind::Login, &[ANY, LOGIN]);
}

#[test]
fn ending_a_session() {
    hold(Command::SignLoggedIn, Kind::Revoke, &[REVOKE]);
}
