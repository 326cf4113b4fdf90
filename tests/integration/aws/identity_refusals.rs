//! A job without a role gets the change to make, complete enough to paste; the token itself is never printed.

use serde_json::Value;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, ROLE, ROLE_ARN, SIGN, trust};
use crate::support::program::{Run, finish, statements};
use s3lo_test_servers::aws::{AUDIENCE, GITHUB, Key, Subject, Trust, sts_error};

const ASSUME: &str = "AssumeRoleWithWebIdentity";

/// Signs with the role. Returns the text of the error for a snapshot, which contains no token; nor does
/// the output of `--verbose`.
#[track_caller]
fn refused(aws: &AwsFixture, flags: &str) -> String {
    let line = format!("{SIGN} --role-arn {ROLE_ARN} --verbose {flags}");
    let start = |format: &str| {
        let words = line.split_whitespace().chain(["-o", format]);
        aws.sandbox.start(&words.collect::<Vec<_>>())
    };
    // At the same time, since retries take a while.
    let runs = [start("text"), start("json")].map(|child| finish(child).ends_with(2));
    let calls = aws.calls();
    let shown = calls
        .iter()
        .filter_map(|call| call.body["WebIdentityToken"].as_str());
    for token in shown {
        // The error names its claims, and not its signature.
        let signature = token.rsplit('.').next().unwrap();
        for run in &runs {
            let all = format!("{}{}", run.out, run.err);
            assert!(!all.contains(token), "{all}");
            assert!(signature.len() < 20 || !all.contains(signature), "{all}");
        }
    }
    assert!(aws.records().is_empty());
    assert!(aws.count("Sign") == 0);
    let [text, json] = runs;
    let at = text.err.find("error[").unwrap();
    let code = error_code(json);
    format!("{code}, exit 2\n{}", &text.err[at..])
}

/// Takes a snapshot without the values that differ from run to run.
macro_rules! assert_reported {
    ($text:expr) => {
        insta::with_settings!({filters => vec![
            (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
            (r"\b1[789]\d{8}\b", "TIME"),
        ]}, { insta::assert_snapshot!($text) })
    };
}

#[test]
fn a_missing_token_is_explained_in_the_yaml_of_the_ci_system() {
    let mut texts = Vec::new();
    for (variable, value) in [
        ("GITHUB_ACTIONS", "true"),
        ("GITLAB_CI", "true"),
        ("CIRCLECI", "true"),
        ("BITBUCKET_BUILD_NUMBER", "7"),
        ("NOTHING", "special"),
    ] {
        let mut aws = AwsFixture::bare();
        aws.sandbox.set(variable, value);
        texts.push(format!("# {variable}={value}\n{}", refused(&aws, "")));
        assert!(aws.server.calls().is_empty() && aws.s3.requests().is_empty());
    }
    assert_reported!(texts.join("\n"));
}

#[test]
fn a_file_or_variable_without_a_token_is_named() {
    let mut aws = AwsFixture::bare();
    aws.sandbox.write("token", "not a token");
    aws.sandbox.write("huge", "a.".repeat(100_000));
    aws.sandbox.write("binary", [0xff, 0xfe, 0x00]);
    aws.sandbox.set("GARBAGE", "garbage");
    aws.sandbox.set("DOTS", "a.b.c");
    aws.sandbox.set("EMPTY", "");
    let mut texts = Vec::new();
    for flags in [
        "--web-identity-token-file nowhere",
        "--web-identity-token-file keys",
        "--web-identity-token-file token",
        "--web-identity-token-file huge",
        "--web-identity-token-file binary",
        "--web-identity-token-env NOWHERE",
        "--web-identity-token-env EMPTY",
        "--web-identity-token-env GARBAGE",
        "--web-identity-token-env DOTS",
    ] {
        texts.push(format!("# {flags}\n{}", refused(&aws, flags)));
    }
    // STS gets none of these.
    assert_eq!(aws.count(ASSUME), 0);
    let no_role = aws.s3lo(&format!("{SIGN} --web-identity-token-env DOTS"));
    texts.push(format!(
        "# a token, and no role\n{}",
        no_role.ends_with(2).err
    ));
    assert_reported!(texts.join("\n"));
}

#[test]
fn a_variable_that_names_no_role_is_a_mistake_of_the_configuration() {
    let mut aws = AwsFixture::bare();
    aws.sandbox.write("token", "a.b.c");
    aws.sandbox.set("AWS_WEB_IDENTITY_TOKEN_FILE", "token");
    for role in ["signer", "arn:aws:kms:us-east-1:111122223333:key/a"] {
        aws.sandbox.set("AWS_ROLE_ARN", role);
        let json = aws.s3lo(&format!("{SIGN} -o json")).ends_with(2).json();
        assert_eq!(json["error"]["code"], "configuration", "{role}: {json}");
    }
}

#[test]
fn a_variable_that_names_no_session_is_a_mistake_of_the_configuration() {
    let mut aws = AwsFixture::in_github(EVERYTHING);
    let long = "x".repeat(65);
    for name in ["two words", "x", &long] {
        aws.sandbox.set("AWS_ROLE_SESSION_NAME", name);
        let line = format!("{SIGN} --role-arn {ROLE_ARN} -o json");
        let json = aws.s3lo(&line).ends_with(2).json();
        assert_eq!(json["error"]["code"], "configuration", "{name}: {json}");
    }
}

#[test]
fn an_agent_that_gives_no_token_is_reported() {
    let mut aws = AwsFixture::bare();
    aws.sandbox.set("BUILDKITE", "true");
    aws.sandbox.set("PATH", "/usr/bin:/bin");
    let mut texts = vec![format!("# not in PATH\n{}", refused(&aws, ""))];
    let path = format!("{}:/usr/bin:/bin", aws.sandbox.file("bin").display());
    aws.sandbox.set("PATH", &path);
    for (what, script) in [
        ("it fails", "echo 'fatal: no access token' >&2; exit 3"),
        ("it answers nonsense", "echo hello"),
        ("it answers nothing", "true"),
    ] {
        let script = format!("#!/bin/sh\n{script}\n");
        aws.sandbox.write_program("bin/buildkite-agent", &script);
        texts.push(format!("# {what}\n{}", refused(&aws, "")));
    }
    assert_reported!(texts.join("\n"));
}

#[test]
fn a_github_job_without_a_token_is_reported() {
    let mut texts = Vec::new();
    for (what, status, body) in [
        ("it is not GitHub", 200, "<html>"),
        ("the job may not ask", 403, "{}"),
        ("GitHub is down", 503, "{}"),
        ("its token is none", 200, r#"{"value": "hello"}"#),
    ] {
        let aws = AwsFixture::in_github(EVERYTHING);
        aws.server.fault(move |call| {
            let reply = || s3lo_test_servers::http::Reply::Answer(status, vec![], body.into());
            (call.service == "github").then(reply)
        });
        texts.push(format!("# {what}\n{}", refused(&aws, "")));
        assert_eq!(aws.count(ASSUME), 0, "{what}");
    }
    assert_reported!(texts.join("\n"));
}

#[test]
fn the_request_for_a_token_never_goes_elsewhere_in_the_clear() {
    let mut texts = Vec::new();
    for url in [
        "http://elsewhere.example/token",
        "http://127.0.0.1.example/token?x=y",
        "http://127.0.0.1@elsewhere.example/token",
        "ftp://127.0.0.1/token",
        "/token",
    ] {
        let mut aws = AwsFixture::in_github(EVERYTHING);
        aws.sandbox.set("ACTIONS_ID_TOKEN_REQUEST_URL", url);
        texts.push(format!("# {url}\n{}", refused(&aws, "")));
        assert!(aws.server.calls().is_empty());
    }
    assert_reported!(texts.join("\n"));
}

/// The trust that a statement grants, if it is one of those that are understood here.
fn granted(statement: &Value) -> Trust {
    assert_eq!(statement["Effect"], "Allow");
    assert_eq!(statement["Action"], "sts:AssumeRoleWithWebIdentity");
    let provider = statement["Principal"]["Federated"].as_str().unwrap();
    let provider = provider.strip_prefix("arn:aws:iam::111122223333:oidc-provider/");
    let provider = provider.unwrap();
    assert_eq!(statement["Condition"].as_object().unwrap().len(), 1);
    let equals = statement["Condition"]["StringEquals"].as_object().unwrap();
    assert_eq!(equals.len(), 2);
    let text = |key: &str| {
        equals[&format!("{provider}:{key}")]
            .as_str()
            .unwrap()
            .to_owned()
    };
    Trust {
        issuer: format!("https://{provider}"),
        audience: text("aud"),
        subject: Subject::Equals(text("sub")),
    }
}

#[test]
fn a_role_that_trusts_others_comes_with_the_statement_that_it_lacks() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let subject = "repo:acme/app:environment:release";
    aws.server.set_subject(subject);
    let text = refused(&aws, "");
    let granted = granted(&statements(&text)[0]);
    assert_eq!(granted.issuer, GITHUB);
    assert_eq!(granted.audience, AUDIENCE);
    assert!(matches!(&granted.subject, Subject::Equals(named) if named == subject));
    // And with that it works.
    aws.server.role(ROLE, &granted, EVERYTHING);
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    assert_reported!(text);
}

/// A tired person must not give the role to a subject that any user can choose.
#[test]
fn a_pull_request_is_given_no_statement() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.set_subject("repo:acme/app:pull_request");
    let text = refused(&aws, "");
    assert!(
        !text.contains("Effect") && text.contains("pull request"),
        "{text}"
    );
}

/// Lets the job of a branch assume the role with nothing but the statement that the refusal prints.
#[track_caller]
fn trusted_as_printed(branch: &str) {
    let subject = format!("repo:acme/app:ref:refs/heads/{branch}");
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.set_subject(&subject);
    let granted = granted(&statements(&refused(&aws, ""))[0]);
    aws.server.role(ROLE, &granted, EVERYTHING);
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
}

#[test]
fn the_statement_works_for_a_branch_with_any_name() {
    trusted_as_printed("`x`");
    trusted_as_printed("größe-$(date)-'%7B'");
    // STS takes no longer subject than one of 255 characters.
    trusted_as_printed(&"feature/".repeat(28));
}

#[test]
fn the_statement_works_for_a_branch_with_quotes_in_its_name() {
    trusted_as_printed(r#"say-"hello""#);
}

#[test]
fn the_command_that_raises_a_limit_raises_it_for_that_role_and_enough() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let text = refused(&aws, "--role-duration 2h");
    let command = "`aws iam update-role --role-name signer --max-session-duration 7200`";
    assert!(text.contains(command), "{text}");
}

#[test]
fn a_failure_of_sts_is_no_refusal() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.fault(|call| {
        (call.action == ASSUME).then(|| sts_error(503, "ServiceUnavailable", "try later"))
    });
    let text = refused(&aws, "");
    assert!(text.starts_with("service_error, "), "{text}");
}

#[test]
fn a_refusal_of_sts_comes_with_its_remedy() {
    let mut texts = Vec::new();
    let aws = AwsFixture::in_github(EVERYTHING);
    texts.push((
        "an audience that is not registered",
        refused(&aws, "--audience other"),
    ));
    texts.push((
        "a session that is too long",
        refused(&aws, "--role-duration 2h"),
    ));
    let expired = aws.server.identity_token("repo:acme/app:x", AUDIENCE, -60);
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.sandbox.set("TOKEN", &expired);
    // Another server, whose GitHub signs with the same key and not under the same ID.
    let strange = refused(&aws, "--web-identity-token-env TOKEN");
    texts.push(("a token of a key that the provider does not show", strange));
    let expired = aws.server.identity_token("repo:acme/app:x", AUDIENCE, -60);
    aws.sandbox.set("TOKEN", &expired);
    texts.push((
        "a token that has expired",
        refused(&aws, "--web-identity-token-env TOKEN"),
    ));
    aws.server.forget_github();
    texts.push(("no provider", refused(&aws, "")));
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server
        .fault(|call| (call.action == ASSUME).then(|| sts_error(400, "Odd", "what is this")));
    texts.push(("something else", refused(&aws, "")));
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.sandbox
        .set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    texts.push(("STS is not there", refused(&aws, "")));
    let texts: Vec<_> = texts
        .iter()
        .map(|(what, text)| format!("# {what}\n{text}"))
        .collect();
    assert_reported!(texts.join("\n"));
}

#[test]
fn an_expired_token_is_replaced_where_another_can_be_had() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let mut asked = 0;
    aws.server.fault(move |call| {
        asked += usize::from(call.action == ASSUME);
        let expired = call.action == ASSUME && asked == 1;
        expired.then(|| sts_error(400, "ExpiredTokenException", "Token expired"))
    });
    aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN}"))
        .ends_with(0);
    assert_eq!(aws.count("token"), 2);
}

fn error_code(run: Run) -> String {
    let json = run.ends_with(2).json();
    json["error"]["code"].as_str().unwrap().to_owned()
}

const OTHER: &str = "444455556666";

#[test]
fn a_role_of_an_account_that_is_not_allowed_signs_nothing() {
    let aws = AwsFixture::in_github(EVERYTHING);
    let line = format!("{SIGN} --role-arn {ROLE_ARN}");
    let run = aws.s3lo(&format!("{line} --allowed-account {OTHER} -o json"));
    assert_eq!(error_code(run), "account_not_allowed");
    // Its ARN contains the account, and no service needs a request.
    assert_eq!(aws.actions(), Vec::<String>::new());
    assert_reported!(refused(&aws, &format!("--allowed-account {OTHER}")));
    // Where it is allowed, STS is asked nothing more.
    let asked = aws.actions().len();
    let allowed = "--allowed-account 111122223333";
    aws.s3lo(&format!("{line} --allowed-account {OTHER} {allowed}"))
        .ends_with(0);
    let rest = &aws.actions()[asked..];
    assert_eq!(rest, ["token", ASSUME, "GetPublicKey", "Sign"]);
}

#[test]
fn a_key_of_an_account_that_is_not_allowed_is_not_asked_to_sign() {
    let aws = AwsFixture::new();
    let other = Key::of_vector("p384-pkcs8").of_account(OTHER);
    let other = aws.server.add(other);
    let line = format!("sign s3://my-bucket/myapp:v1.0 --key awskms:///{other}");
    let own = "--allowed-account 111122223333";
    let run = aws.s3lo(&format!("{line} {own} -o json"));
    assert_eq!(error_code(run), "account_not_allowed");
    assert!(aws.count("Sign") == 0 && aws.records().is_empty());
    let run = aws.s3lo(
        &line
            .replace("sign ", "verify ")
            .replace("--key", &format!("{own} --key")),
    );
    run.ends_with(2);
    assert_reported!(
        aws.s3lo(&format!("{line} {own}"))
            .ends_with(2)
            .err
            .replace(&other, "KEY")
    );
    aws.s3lo(&format!("{line} {own} --allowed-account {OTHER}"))
        .ends_with(0);
}

#[test]
fn whose_credentials_they_are_is_asked_where_it_matters_and_only_there() {
    let aws = AwsFixture::new();
    aws.s3lo(SIGN).ends_with(0);
    assert_eq!(aws.count("GetCallerIdentity"), 0);
    aws.s3lo(&format!(
        "{SIGN} --if-signed replace --allowed-account 111122223333"
    ))
    .ends_with(0);
    assert_eq!(aws.count("GetCallerIdentity"), 1);
    let signed = aws.count("Sign");
    let refused = aws.s3lo(&format!(
        "{SIGN} --if-signed replace --allowed-account {OTHER} -o json"
    ));
    assert_eq!(error_code(refused), "account_not_allowed");
    assert_eq!(aws.count("Sign"), signed);
    assert_eq!(aws.count("GetCallerIdentity"), 2);
    // STS that cannot be asked is no consent.
    aws.server.fault(|call| {
        (call.action == "GetCallerIdentity").then(|| sts_error(403, "AccessDenied", "no"))
    });
    aws.s3lo(&format!(
        "{SIGN} --if-signed replace --allowed-account 111122223333"
    ))
    .ends_with(2);
    assert_eq!(aws.count("Sign"), signed);
}

#[test]
fn a_role_that_trusts_the_job_needs_nothing_else() {
    let aws = AwsFixture::in_github(EVERYTHING);
    aws.server.role(
        ROLE,
        &trust(),
        r#"{"Version": "2012-10-17", "Statement": []}"#,
    );
    let run = aws.s3lo(&format!("{SIGN} --role-arn {ROLE_ARN} -o json"));
    // The role is there; its missing permission is another error, with another code.
    assert_eq!(error_code(run), "access_denied");
}
