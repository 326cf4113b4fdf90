//! Faults of any call, and of those that carry a token.

use super::fault::Fault;
use super::{Command, Row};
use crate::support::faults::{EVER, ONCE, THRICE, hold, nonsense, refused, row};
use s3lo_test_servers::vault::{Kind, TOKEN};

/// A page of a proxy, which Vault never writes.
const PAGE: &str = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>";

const SEALED: Fault = Fault::Errors(503, &["Vault is sealed"]);
const INTERNAL: Fault = Fault::Errors(500, &["internal error"]);
const TOO_MANY: Fault = Fault::Errors(
    429,
    &["request path \"transit/sign/ci-signer\": rate limit quota exceeded"],
);
/// A standby that lags behind the client.
const BEHIND: Fault = Fault::Errors(412, &["required index state not present"]);
const COME_BACK_TOMORROW: Fault = Fault::ComeBack("86400");
const FAR_TOO_MANY_ARRAYS: Fault = Fault::Text(|_| "[".repeat(100_000));

/// Any call. The program retries a throttled call for as long as the run may take, and one that breaks or
/// fails six times.
pub(super) const ANY: &[Row] = &[
    row("throttled", ONCE, TOO_MANY).made(2),
    row("throttled beyond the tries", THRICE, TOO_MANY)
        .limit("1")
        .made(4),
    row("throttled, and no other try", THRICE, TOO_MANY)
        .limit("0")
        .made(4),
    row("throttled until the time is up", EVER, TOO_MANY)
        .timeout(3)
        .fails("throttled|timed_out")
        .at_least(3),
    row("throttled without a word", ONCE, Fault::Page(429, "")).made(2),
    row("throttled, for no time", ONCE, Fault::ComeBack("0")).made(2),
    row("throttled, for a second", ONCE, Fault::ComeBack("1")).made(2),
    row(
        "throttled, for an invalid time",
        ONCE,
        Fault::ComeBack("soon"),
    )
    .made(2),
    row(
        "throttled, for a time in the past",
        ONCE,
        Fault::ComeBack("-1"),
    )
    .made(2),
    row(
        "throttled for longer than there is",
        EVER,
        COME_BACK_TOMORROW,
    )
    .timeout(3)
    .fails("throttled|timed_out"),
    row("behind", ONCE, BEHIND).made(2),
    row("behind", EVER, BEHIND)
        .limit("1")
        .fails("service_error")
        .made(2),
    row("408", ONCE, Fault::Page(408, "")).made(2),
    row("500", ONCE, INTERNAL).made(2),
    row("500", EVER, INTERNAL).fails("service_error").made(6),
    refused("500, and no other try", "service_error", INTERNAL).limit("0"),
    row("500, and two more tries", EVER, INTERNAL)
        .limit("2")
        .fails("service_error")
        .made(3),
    row("500 without a word", EVER, Fault::Page(500, ""))
        .limit("1")
        .fails("service_error")
        .made(2),
    row("502 of a proxy", ONCE, Fault::Page(502, PAGE)).made(2),
    row("502 of a proxy", EVER, Fault::Page(502, PAGE))
        .limit("1")
        .fails("service_error")
        .made(2),
    row("504 of a proxy", ONCE, Fault::Page(504, PAGE)).made(2),
    row("sealed, and opened", ONCE, SEALED).made(2),
    row("sealed", EVER, SEALED)
        .limit("1")
        .fails("vault_sealed")
        .made(2),
    row("503", ONCE, Fault::Page(503, "")).made(2),
    row("503", EVER, Fault::Page(503, ""))
        .limit("1")
        .fails("service_error")
        .made(2),
    row("a standby for disasters", EVER, Fault::Page(472, ""))
        .limit("1")
        .fails("service_error"),
    row("a standby for speed", EVER, Fault::Page(473, ""))
        .limit("1")
        .fails("service_error"),
    row("connection reset", ONCE, Fault::HangUp).made(2),
    row("connection reset", THRICE, Fault::HangUp).made(4),
    row("connection reset", EVER, Fault::HangUp)
        .limit("1")
        .fails("unreachable")
        .at_least(2),
    row("silence", EVER, Fault::Silence)
        .timeout(2)
        .fails("timed_out"),
    row("half an answer", ONCE, Fault::Half).made(2),
    row("half an answer", EVER, Fault::Half)
        .limit("1")
        .fails("unreachable")
        .made(2),
    row("chunks", EVER, Fault::Chunks { left_out: 0 }).made(1),
    row(
        "chunks without the last",
        ONCE,
        Fault::Chunks { left_out: 1 },
    )
    .made(2),
    row("half of the chunks", EVER, Fault::Chunks { left_out: 2 })
        .limit("1")
        .fails("unreachable")
        .made(2),
    row("as long as the connection", EVER, Fault::Unframed).made(1),
    refused("301", "redirected", Fault::Elsewhere(301)),
    refused("302", "redirected", Fault::Elsewhere(302)),
    refused("303", "redirected", Fault::Elsewhere(303)),
    refused("307", "redirected", Fault::Elsewhere(307)),
    refused("308", "redirected", Fault::Elsewhere(308)),
    refused(
        "307 to the same server",
        "redirected",
        Fault::Here(307, "/v1/sys/health"),
    ),
    refused("307 to nowhere", "redirected", Fault::Page(307, "")),
    refused(
        "307 to what a terminal would obey",
        "redirected",
        Fault::Here(307, "http://vault.example/\u{9b}31m"),
    ),
    nonsense("a page of a portal", Fault::Page(200, PAGE)),
    nonsense("nothing", Fault::Page(200, "")),
    nonsense("204", Fault::Page(204, "")),
    nonsense("null", Fault::Page(200, "null")),
    nonsense("an array", Fault::Page(200, "[]")),
    nonsense(
        "an array of what is due",
        Fault::Text(|due| format!("[{due}]")),
    ),
    nonsense("a text", Fault::Page(200, "\"vault:v1:MEUCIQ==\"")),
    nonsense("a number", Fault::Page(200, "1")),
    nonsense("an object without a field", Fault::Page(200, "{}")),
    nonsense("errors", Fault::Errors(200, &["permission denied"])),
    nonsense("two objects", Fault::Text(|due| format!("{due}{due}"))),
    nonsense(
        "JSON that breaks off",
        Fault::Text(|due| due[..due.len() / 2].to_owned()),
    ),
    nonsense(
        "JSON without its last brace",
        Fault::Text(|due| due[..due.len() - 1].to_owned()),
    ),
    nonsense(
        "no UTF-8",
        Fault::Text(|due| due.replace("request_id", "\\ud800")),
    ),
    nonsense("arrays in arrays", FAR_TOO_MANY_ARRAYS),
    nonsense(
        "more than is read",
        Fault::Text(|due| due + &" ".repeat(4 << 20)),
    ),
    row(
        "as much as is read",
        EVER,
        Fault::Text(|due| due + &" ".repeat(3 << 20)),
    )
    .made(1),
    nonsense("100 MB", Fault::Huge),
    nonsense("without an end", Fault::Endless),
    refused(
        "400 of a proxy",
        "service_error|login_refused",
        Fault::Page(400, PAGE),
    ),
    refused(
        "404 of a proxy",
        "service_error|login_refused",
        Fault::Page(404, PAGE),
    ),
    refused(
        "no such namespace",
        "namespace_not_found",
        Fault::Errors(404, &["namespace not found"]),
    ),
    refused(
        "no such namespace, in another status",
        "namespace_not_found",
        Fault::Errors(400, &["1 error occurred:\n\t* namespace not found\n\n"]),
    ),
    refused(
        "a namespace that is locked",
        "namespace_locked",
        Fault::Errors(
            503,
            &[
                "API access to this namespace has been locked by an administrator - \"team/\" must be unlocked to gain access.",
            ],
        ),
    ),
    refused(
        "a quota of leases that is used up",
        "throttled",
        Fault::Errors(
            429,
            &["request path \"auth/jwt/login\": lease count quota exceeded"],
        ),
    ),
    refused(
        "a secondary for disaster recovery",
        "service_error|login_refused",
        Fault::Errors(400, &["path disabled in replication DR secondary mode"]),
    ),
    refused(
        "a secondary that stores nothing",
        "service_error|login_refused",
        Fault::Errors(
            500,
            &["1 error occurred:\n\t* cannot write to readonly storage\n\n"],
        ),
    ),
    refused(
        "a policy of Sentinel",
        "access_denied|login_refused",
        Fault::Errors(
            403,
            &[
                "2 errors occurred:\n\t* egp standard policy \"admin/office-hours\" evaluation resulted in denial.\n\nThe specific error was:\n<nil>\n\nA trace of the execution for policy \"admin/office-hours\" is available:\n\nResult: false\n\t* permission denied\n\n",
            ],
        ),
    ),
    refused(
        "what a terminal would obey",
        "service_error|login_refused",
        Fault::Errors(400, &["\u{1b}]0;owned\u{7}\r\n::error::injected\u{9b}31m"]),
    ),
];

/// Any call that carries a token.
pub(super) const WITH_A_TOKEN: &[Row] = &[
    refused(
        "with the token in the message",
        "service_error",
        Fault::Errors(400, &["bad token:", TOKEN]),
    ),
    // A denial by a policy comes in a list; these two words alone are about the token.
    refused(
        "an unknown token",
        "credentials_refused",
        Fault::Errors(403, &["permission denied"]),
    ),
    refused(
        "not allowed",
        "access_denied",
        Fault::Errors(403, &["1 error occurred:\n\t* permission denied\n\n"]),
    ),
    refused(
        "an unknown token, in newer words",
        "credentials_refused",
        Fault::Errors(
            403,
            &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"],
        ),
    ),
    refused(
        "an invalid token",
        "credentials_refused",
        Fault::Errors(403, &["invalid token"]),
    ),
    refused(
        "a control group",
        "access_denied",
        Fault::Altered(|answer| {
            answer["data"] = ().into();
            answer["wrap_info"] = serde_json::json!({
                "token": "hvs.canary-of-a-wrapping-token",
                "accessor": "eTqIMtlQrRLcKoqWGX5cBUvu",
                "ttl": 86400,
                "creation_time": "2026-04-12T19:21:10Z",
                "creation_path": "transit/keys/ci-signer",
            });
        }),
    ),
    refused("403 of a proxy", "service_error", Fault::Page(403, PAGE)),
    refused("401 of a proxy", "service_error", Fault::Page(401, PAGE)),
    refused("no such key", "key_not_found", Fault::Errors(404, &[])),
    refused(
        "no such mount",
        "mount_not_found",
        Fault::Errors(
            404,
            &["no handler for route \"transit/keys/ci-signer\". route entry not found."],
        ),
    ),
    refused(
        "405",
        "service_error",
        Fault::Errors(405, &["1 error occurred:\n\t* unsupported operation\n\n"]),
    ),
    refused(
        "400",
        "service_error",
        Fault::Errors(400, &["something is odd"]),
    ),
    refused(
        "a status of tomorrow",
        "service_error",
        Fault::Page(418, ""),
    ),
    nonsense(
        "data that is null",
        Fault::Altered(|answer| answer["data"] = ().into()),
    ),
    nonsense(
        "data that is an array",
        Fault::Altered(|answer| answer["data"] = vec![1].into()),
    ),
    nonsense(
        "data that is a text",
        Fault::Altered(|answer| answer["data"] = "vault:v1:".into()),
    ),
    nonsense(
        "data twice",
        Fault::Text(|due| due.replacen('{', r#"{"data":{},"#, 1)),
    ),
    nonsense(
        "data by another name",
        Fault::Text(|due| due.replace("\"data\"", "\"Data\"")),
    ),
    row(
        "a field of tomorrow",
        EVER,
        Fault::Text(|due| due.replacen('{', r#"{"mood":[{}],"#, 1)),
    )
    .made(1),
    row(
        "a warning",
        EVER,
        Fault::Altered(|answer| answer["warnings"] = vec!["mind"].into()),
    )
    .made(1),
];

#[test]
fn a_token_revoked_mid_run_is_reported_as_refused() {
    // The error quotes Vault's message, in either call, for the token of a login as for one from outside.
    const ENDED: &[Row] = &[refused(
        "the session is over",
        "credentials_refused",
        Fault::Errors(
            403,
            &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"],
        ),
    )];
    hold(Command::SignLoggedIn, Kind::Key, &[ENDED]);
    hold(Command::SignLoggedIn, Kind::Sign, &[ENDED]);
}
