//! Faults of KMS in either call, for the public key and for a signature.

use super::fault::Fault;
use super::{Call, Command, Row};
use crate::support::faults::{EVER, ONCE, THRICE, hold, nonsense, refused, row};

const THROTTLED: Fault = Fault::Kms(
    400,
    "ThrottlingException",
    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
);

const EXPIRED: Fault = Fault::Kms(
    400,
    "ExpiredTokenException",
    "The security token included in the request is expired",
);

const UNKNOWN_TOKEN: Fault = Fault::Kms(
    400,
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
);

const NOT_FOUND: Fault = Fault::Kms(
    400,
    "NotFoundException",
    "Alias arn:aws:kms:us-east-1:111122223333:alias/release-signer is not found.",
);

const CREATING: Fault = Fault::Kms(
    400,
    "KMSInvalidStateException",
    "arn:aws:kms:us-east-1:111122223333:key/a is creating.",
);

/// A page of a proxy, which KMS never writes.
const PAGE: &str = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>";

/// Any call. The program retries a throttled call for as long as the run may take, a failed one six
/// times, and one that KMS may answer late three times.
pub(super) const ANY: &[Row] = &[
    row("throttled", ONCE, THROTTLED).made(2),
    row("throttled", THRICE, THROTTLED).made(4),
    row("throttled beyond the tries", THRICE, THROTTLED)
        .limit("2")
        .made(4),
    row("throttled, and no try is left to the SDK", EVER, THROTTLED)
        .limit("1")
        .timeout(3)
        .fails("throttled")
        .at_least(3),
    row("throttled until the time is up", EVER, THROTTLED)
        .timeout(3)
        .fails("throttled|timed_out")
        .at_least(3),
    row("429", ONCE, Fault::Page(429, "")).made(2),
    row(
        "a quota is reached",
        ONCE,
        Fault::Kms(400, "LimitExceededException", "A quota was exceeded."),
    )
    .made(2),
    row(
        "500",
        ONCE,
        Fault::Kms(500, "KMSInternalException", "An internal error"),
    )
    .made(2),
    row(
        "500",
        EVER,
        Fault::Kms(500, "KMSInternalException", "An internal error"),
    )
    .fails("service_error")
    .made(6),
    row(
        "503",
        ONCE,
        Fault::Kms(503, "DependencyTimeoutException", "Timed out"),
    )
    .made(2),
    row(
        "503",
        EVER,
        Fault::Kms(503, "DependencyTimeoutException", "Timed out"),
    )
    .limit("2")
    .fails("service_error")
    .made(2),
    row(
        "no key at hand",
        ONCE,
        Fault::Kms(500, "KeyUnavailableException", "Try again"),
    )
    .made(2),
    row(
        "no key at hand",
        EVER,
        Fault::Kms(500, "KeyUnavailableException", "Try again"),
    )
    .limit("2")
    .fails("service_error")
    .made(2),
    row("500 without a word", ONCE, Fault::Page(500, "")).made(2),
    row("500 without a word", EVER, Fault::Page(500, ""))
        .limit("2")
        .fails("service_error")
        .made(2),
    row("502 of a proxy", ONCE, Fault::Page(502, PAGE)).made(2),
    row("502 of a proxy", EVER, Fault::Page(502, PAGE))
        .limit("2")
        .fails("service_error")
        .made(2),
    row("504 of a proxy", ONCE, Fault::Page(504, PAGE)).made(2),
    row("connection reset", ONCE, Fault::HangUp).made(2),
    row("connection reset", THRICE, Fault::HangUp).made(4),
    row("connection reset", EVER, Fault::HangUp)
        .limit("2")
        .fails("unreachable")
        .at_least(2),
    row("silence", EVER, Fault::Silence)
        .timeout(2)
        .fails("timed_out"),
    refused(
        "no permissions boundary allows it",
        "access_denied",
        Fault::Kms(
            400,
            "AccessDeniedException",
            "User: arn:aws:iam::111122223333:user/dev is not authorized to perform this action because no permissions boundary allows it",
        ),
    ),
    refused(
        "a region that is not enabled",
        "service_error",
        Fault::Kms(
            403,
            "OptInRequired",
            "The AWS Access Key Id needs a subscription for the service",
        ),
    ),
    refused(
        "not allowed",
        "access_denied",
        Fault::Kms(
            400,
            "AccessDeniedException",
            "User: a is not authorized to perform: kms:Sign",
        ),
    ),
    refused(
        "not allowed, in Java's words",
        "access_denied",
        Fault::Kms(
            400,
            "com.amazonaws.kms#AccessDeniedException",
            "not authorized",
        ),
    ),
    refused("403 of a proxy", "service_error", Fault::Page(403, PAGE)),
    row("not there yet", ONCE, NOT_FOUND).made(2),
    row("not there", EVER, NOT_FOUND)
        .fails("key_not_found")
        .made(3),
    refused("404 of a proxy", "service_error", Fault::Page(404, PAGE)),
    row("half an answer", ONCE, Fault::Half).made(2),
    row("half an answer", EVER, Fault::Half)
        .limit("2")
        .fails("unreachable")
        .made(2),
    row("a page of a proxy", EVER, Fault::Page(200, PAGE))
        .limit("2")
        .fails("service_error"),
    row("nothing", EVER, Fault::Page(200, ""))
        .limit("2")
        .fails("signer_answered_nonsense"),
    row("an array", EVER, Fault::Page(200, "[]"))
        .limit("2")
        .fails("service_error"),
    row("a text", EVER, Fault::Page(200, "\"KeyId\""))
        .limit("2")
        .fails("service_error"),
    row(
        "JSON that breaks off",
        EVER,
        Fault::Page(200, r#"{"KeyId": "#),
    )
    .limit("2")
    .fails("service_error"),
    row(
        "other types",
        EVER,
        Fault::Page(200, r#"{"KeyId": 7, "PublicKey": {}, "Signature": []}"#),
    )
    .limit("2")
    .fails("service_error"),
    nonsense("no field at all", Fault::Page(200, "{}")),
    row("a gigabyte", EVER, Fault::Flood)
        .limit("2")
        .fails("service_error|unreachable"),
    refused(
        "disabled",
        "key_unusable",
        Fault::Kms(
            400,
            "DisabledException",
            "arn:aws:kms:us-east-1:111122223333:key/a is disabled.",
        ),
    ),
    refused(
        "pending deletion",
        "key_unusable",
        Fault::Kms(
            400,
            "KMSInvalidStateException",
            "arn:aws:kms:us-east-1:111122223333:key/a is pending deletion.",
        ),
    ),
    refused(
        "pending import",
        "key_unusable",
        Fault::Kms(
            400,
            "KMSInvalidStateException",
            "arn:aws:kms:us-east-1:111122223333:key/a is pending import.",
        ),
    ),
    row("being created", ONCE, CREATING).made(2),
    row("being created", EVER, CREATING)
        .fails("key_unusable")
        .made(3),
    refused(
        "for something else",
        "unsupported_key",
        Fault::Kms(
            400,
            "InvalidKeyUsageException",
            "key usage is ENCRYPT_DECRYPT",
        ),
    ),
    refused(
        "symmetric",
        "unsupported_key",
        Fault::Kms(
            400,
            "UnsupportedOperationException",
            "is not an asymmetric key.",
        ),
    ),
    refused("the session is over", "session_expired", EXPIRED),
    refused(
        "the clock is slow",
        "clock_skewed",
        Fault::Kms(
            400,
            "InvalidSignatureException",
            "Signature expired: 20260412T191110Z is now earlier than 20260412T191610Z (20260412T192110Z - 5 min.)",
        ),
    ),
    refused(
        "the clock is fast",
        "clock_skewed",
        Fault::Kms(
            400,
            "InvalidSignatureException",
            "Signature not yet current: 20260412T193110Z is still later than 20260412T192610Z (20260412T192110Z + 5 min.)",
        ),
    ),
    refused(
        "the secret is wrong",
        "credentials_refused",
        Fault::Kms(
            400,
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
        ),
    ),
    refused(
        "the signature is removed",
        "credentials_refused",
        Fault::Kms(
            400,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
    ),
    refused(
        "part of the signature is removed",
        "credentials_refused",
        Fault::Kms(
            400,
            "IncompleteSignatureException",
            "Authorization header requires 'Signature' parameter.",
        ),
    ),
    refused("unknown credentials", "credentials_refused", UNKNOWN_TOKEN),
    refused(
        "not valid",
        "service_error",
        Fault::Kms(400, "ValidationException", "1 validation error detected"),
    ),
    refused(
        "a code of tomorrow",
        "service_error",
        Fault::Kms(400, "KeyIsTiredException", "It needs some sleep."),
    ),
    refused(
        "text that a terminal would obey",
        "service_error",
        Fault::Kms(
            400,
            "\u{1b}[31mOdd",
            "\u{1b}]0;owned\u{7}\r\n::error::injected",
        ),
    ),
];

/// A role's session is new, and IAM may show it late.
const FRESH_SESSION: &[Row] = &[
    row("a session that is not known yet", ONCE, UNKNOWN_TOKEN).made(2),
    row("an unknown session", EVER, UNKNOWN_TOKEN)
        .fails("credentials_refused")
        .made(3),
    refused("the session is over", "session_expired", EXPIRED),
    refused(
        "the session ends before its time",
        "session_expired",
        Fault::Meanwhile(|scene| scene.expire_the_session()),
    ),
];

#[test]
fn asking_in_the_session_of_a_role() {
    hold(Command::SignInGitHub, Call::PublicKey, &[FRESH_SESSION]);
    hold(Command::SignInGitHub, Call::Sign, &[FRESH_SESSION]);
}
