//! Refusals by a server, and the advice on them.

use super::quirks::{MANIFEST_PATH, REF, error_of, sandbox, server, sign, verify};
use crate::support::MANIFEST;
use crate::support::program::statements;
use s3lo_test_servers::http::{Reply, Request};
use s3lo_test_servers::s3::{S3Server, s3_error};

#[test]
fn a_redirect_is_shown_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (sandbox, server) = (sandbox(), server(&[]));
        server.fault(move |request| {
            let target = format!("https://s3.example:9443{}", request.path);
            let page = b"<html><h1>Moved</h1></html>".to_vec();
            Some(Reply::Answer(status, Vec::new(), page).header("location", &target))
        });
        let (code, text) = error_of(&sandbox, &verify(&server.endpoint));
        assert_eq!(code, "redirected", "{status}");
        assert!(
            text.contains("`--endpoint https://s3.example:9443`"),
            "{text}"
        );
    }
}

#[test]
fn only_a_missing_permission_is_answered_with_a_policy() {
    for (status, code, message, ours, advice) in [
        (
            403,
            "SecondLevelDomainForbidden",
            "Please use virtual hosted style to access.",
            "service_error",
            "AWS_ENDPOINT_URL_S3",
        ),
        (
            403,
            "QuotaExceeded",
            "Your request was denied due to quota exceeded.",
            "service_error",
            "quota",
        ),
        (403, "XAmzQuota", "no", "service_error", "quota"),
        (
            403,
            "AccountProblem",
            "There is a problem with your account.",
            "service_error",
            "account",
        ),
        (
            403,
            "NotSignedUp",
            "Your account is not signed up",
            "service_error",
            "account",
        ),
        (
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            "service_error",
            "archived",
        ),
        (
            403,
            "AccessDenied",
            "S3 API Request made to Console port. S3 Requests should be sent to API port.",
            "service_error",
            "console",
        ),
        (
            400,
            "InvalidArgument",
            "S3 API Requests must be made to API port.",
            "service_error",
            "console",
        ),
        (
            403,
            "RequestTimeTooSkewed",
            "The difference is too large.",
            "clock_skewed",
            "clock",
        ),
        (
            403,
            "SomethingNew",
            "no",
            "service_error",
            "look the code up",
        ),
        (
            405,
            "MethodNotAllowed",
            "no",
            "service_error",
            "delete marker",
        ),
        (
            400,
            "KMS.DisabledException",
            "the key is disabled",
            "service_error",
            "KMS key",
        ),
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: s3:GetObject on resource: y because no service control policy allows the s3:GetObject action",
            "access_denied",
            "service control policies",
        ),
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: s3:GetObject on resource: y because no permissions boundary allows the s3:GetObject action",
            "access_denied",
            "permissions boundary",
        ),
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: s3:GetObject on resource: y because no resource-based policy allows the s3:GetObject action",
            "access_denied",
            "the policy of the bucket",
        ),
    ] {
        let (sandbox, server) = (sandbox(), server(&[]));
        server.fault(move |_| Some(s3_error(status, code, message)));
        let (named, text) = error_of(&sandbox, &verify(&server.endpoint));
        assert_eq!(named, ours, "{code}: {text}");
        assert!(text.contains(advice), "{code}: {text}");
        assert!(!text.contains("add to the role's policy"), "{code}: {text}");
    }
}

#[test]
fn a_directory_bucket_needs_a_session_and_its_region() {
    let reference = "s3://my-bucket--usw2-az1--x-s3/myapp:v1.0";
    let (sandbox, server) = (sandbox(), server(&[]));
    server.fault(|request| {
        let message = "User: arn:aws:iam::111122223333:role/ci is not authorized to perform: s3express:CreateSession on resource: arn:aws:s3express:us-west-2:111122223333:bucket/my-bucket--usw2-az1--x-s3";
        let session = request.query.contains("session");
        session.then(|| s3_error(403, "AccessDenied", message))
    });
    let line = verify(&server.endpoint).replace(REF, reference);
    let (code, text) = error_of(&sandbox, &format!("{line} --region us-west-2"));
    assert_eq!(code, "access_denied", "{text}");
    let [statement] = &statements(&text)[..] else {
        panic!("{text}");
    };
    assert_eq!(statement["Action"], "s3express:CreateSession");
    let bucket = "arn:aws:s3express:us-west-2:111122223333:bucket/my-bucket--usw2-az1--x-s3";
    assert_eq!(statement["Resource"], bucket);
    let line = format!("verify {reference} --key plain.key -o json");
    let (code, text) = error_of(&sandbox, &line);
    assert_eq!(code, "usage");
    assert!(text.contains("--region"), "{text}");
}

#[test]
fn a_directory_bucket_is_asked_for_lists_of_folders_alone() {
    let bucket = "my-bucket--usw2-az1--x-s3";
    let (sandbox, server) = (sandbox(), S3Server::start());
    let manifest = MANIFEST_PATH.replace("/bucket/", &format!("/{bucket}/"));
    server.put(&manifest, MANIFEST.as_bytes());
    let answer = |request: &Request| {
        if request.query.contains("session") {
            let session = "<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>ASIAEXPRESS</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>";
            return Some(Reply::Answer(200, Vec::new(), session.as_bytes().to_vec()));
        }
        let is_folder = request.query.contains("signatures%2F&") || request.query.ends_with("%2F");
        let wrong = request.query.contains("list-type") && !is_folder;
        wrong.then(|| s3_error(400, "InvalidRequest", "This prefix is not supported."))
    };
    server.fault(answer);
    let line = |line: String| {
        format!(
            "{} --region us-west-2",
            line.replace("s3://bucket/", &format!("s3://{bucket}/"))
        )
    };
    let (sign, verify) = (line(sign(&server.endpoint)), line(verify(&server.endpoint)));
    sandbox.s3lo(&verify).ends_with(1);
    assert_eq!(sandbox.s3lo(&sign).ends_with(0).json()["status"], "signed");
    assert_eq!(sandbox.s3lo(&sign).ends_with(0).json()["status"], "kept");
    sandbox.s3lo(&verify).ends_with(0);
    // A caller with a session may read everything: a refusal hides no absence, and no list is asked for.
    server.fault(move |request| {
        let denied = || s3_error(403, "AccessDenied", "Access Denied");
        answer(request).or_else(|| request.path.contains("/signatures/83a").then(denied))
    });
    let before = server.requests().len();
    let (code, _) = error_of(&sandbox, &verify);
    assert_eq!(code, "access_denied");
    let made = server.requests().split_off(before);
    // The session.
    let of_bucket = made
        .iter()
        .filter(|line| line.ends_with(&format!("/{bucket}/")));
    assert_eq!(of_bucket.count(), 1, "{made:?}");
}
