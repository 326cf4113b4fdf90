//! The documented policies are enough, and none of their actions is superfluous; a user that
//! starts without permissions gets there with what the errors print.

use serde_json::{Value, json};

use crate::cli::documentation::{blocks, text};
use crate::support::aws_fixture::{AwsFixture, RECORDS_PATH};
use crate::support::program;
use s3lo_test_servers::aws::{AwsServer, Key};

/// The key in the documented policies.
const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const KEY_ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

const IMAGE: &str = "s3://my-bucket/myapp:v1.0";

fn sign() -> String {
    format!("sign {IMAGE} --key awskms:///{KEY_ARN}")
}

fn verify() -> String {
    format!("verify {IMAGE} --key awskms:///{KEY_ARN}")
}

fn policies() -> Vec<Value> {
    // Trust policies are about other principals.
    blocks(&text("docs/aws.md"), "json")
        .iter()
        .filter(|text| text.contains("Statement") && !text.contains("Principal"))
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

/// The documented policy that holds the one action and not the other.
fn policy(with: &str, without: &str) -> Vec<Value> {
    let found = policies().into_iter().find(|policy| {
        let text = policy.to_string();
        text.contains(with) && !text.contains(without)
    });
    let found = found.unwrap_or_else(|| panic!("no documented policy has {with}"));
    found["Statement"].as_array().unwrap().clone()
}

/// To sign, with the statement that is optional.
fn to_sign() -> Vec<Value> {
    policy("kms:Sign", "Federated")
}

/// To verify with the key in KMS. One statement more than it takes with a file.
fn to_verify() -> Vec<Value> {
    let mut statements = policy("s3:ListBucket", "s3:PutObject");
    if !actions(&statements).contains(&"kms:GetPublicKey".to_owned()) {
        statements.push(allow("kms:GetPublicKey", KEY_ARN));
    }
    statements
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": [action], "Resource": resource})
}

/// Every action, in the order written.
fn actions(statements: &[Value]) -> Vec<String> {
    let lists = statements.iter().map(|statement| &statement["Action"]);
    let mut all = Vec::new();
    for list in lists {
        match list {
            Value::String(one) => all.push(one.clone()),
            several => all.extend(
                several
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one.as_str().unwrap().to_owned()),
            ),
        }
    }
    all
}

/// The statements without an action.
fn without(statements: &[Value], action: &str) -> Vec<Value> {
    let mut rest = Vec::new();
    for statement in statements {
        let mut kept = actions(std::slice::from_ref(statement));
        kept.retain(|one| one != action);
        if !kept.is_empty() {
            let mut statement = statement.clone();
            statement["Action"] = json!(kept);
            rest.push(statement);
        }
    }
    rest
}

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// The account, and a user with these statements.
fn aws(statements: &[Value]) -> AwsFixture {
    let key = Key::of_vector("p256-pkcs8").with_id(KEY_ID);
    let mut aws = AwsFixture::without_credentials(AwsServer::start(), key);
    may(&mut aws, statements);
    aws
}

/// From now on the caller may do this, and nothing else.
fn may(aws: &mut AwsFixture, statements: &[Value]) {
    let user = aws.server.user("ci", &document(statements));
    aws.set(&user.environment());
}

/// Adds the printed statements until the run ends as it should; returns all of them.
#[track_caller]
fn grant_what_is_printed(
    aws: &mut AwsFixture,
    mut statements: Vec<Value>,
    line: &str,
    code: i32,
) -> Vec<Value> {
    for _ in 0..8 {
        may(aws, &statements);
        let run = aws.s3lo(line);
        if run.code == Some(code) {
            return statements;
        }
        let err = run.ends_with(2).err;
        let new = program::statements(&err);
        assert!(!new.is_empty(), "nothing more is reported: {err}");
        let known = new.iter().all(|one| statements.contains(one));
        assert!(!known, "reported again, with {statements:?}:\n{err}");
        statements.extend(new);
    }
    panic!("{statements:?} is not enough");
}

#[track_caller]
fn code_of(aws: &AwsFixture, line: &str) -> String {
    let json = aws.s3lo(&format!("{line} -o json")).ends_with(2).json();
    json["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn the_policy_to_sign_is_enough_to_sign() {
    let statements = to_sign();
    let optional = without(&statements, "s3:ListBucket");
    assert!(optional.len() < statements.len());
    for statements in [statements, optional] {
        let aws = aws(&statements);
        let json = aws.s3lo(&format!("{} -o json", sign())).ends_with(0).json();
        assert_eq!(json["status"], "signed");
        // Once more, where a record is, and anew.
        let json = aws.s3lo(&format!("{} -o json", sign())).ends_with(0).json();
        assert_eq!(json["status"], "kept");
        aws.s3lo(&format!("{} --if-signed replace", sign()))
            .ends_with(0);
        aws.s3lo(&format!("{} --schema-version 2", sign()))
            .ends_with(0);
        // And with the digest that was built.
        let pinned = format!("{IMAGE}@{}", json["digest"].as_str().unwrap());
        aws.s3lo(&format!(
            "{} --schema-version 2",
            sign().replace(IMAGE, &pinned)
        ))
        .ends_with(0);
        assert_eq!(aws.records().len(), 1);
    }
}

#[test]
fn no_action_of_the_policy_to_sign_is_one_too_many() {
    let statements = without(&to_sign(), "s3:ListBucket");
    let mut all = actions(&statements);
    all.sort();
    assert_eq!(
        all,
        [
            "kms:GetPublicKey",
            "kms:Sign",
            "s3:GetObject",
            "s3:PutObject"
        ]
    );
    for action in all {
        let rest = without(&statements, &action);
        let mut aws = aws(&rest);
        assert_eq!(code_of(&aws, &sign()), "access_denied", "{action}");
        assert!(aws.records().is_empty());
        let granted = grant_what_is_printed(&mut aws, rest.clone(), &sign(), 0);
        assert_eq!(actions(&granted[rest.len()..]), [action]);
        assert_eq!(aws.records().len(), 1);
    }
}

#[test]
fn the_policy_to_sign_allows_nothing_else() {
    let mut aws = aws(&to_sign());
    let other = aws.server.add(Key::of_vector("p384-pkcs8"));
    let line = format!("sign {IMAGE} --key awskms:///{other}");
    assert_eq!(code_of(&aws, &line), "access_denied");
    let path = "/my-bucket/manifests/myapp/v1.0/manifest.json";
    let manifest = aws.s3.get(path).unwrap();
    aws.s3.put(
        "/other-bucket/manifests/myapp/v1.0/manifest.json",
        &manifest,
    );
    let line = sign().replace("my-bucket", "other-bucket");
    assert_eq!(code_of(&aws, &line), "access_denied");
    assert!(aws.records().is_empty());
    // The printed statement widens it to that key, and no further.
    let line = format!("sign {IMAGE} --key awskms:///{other}");
    let granted = grant_what_is_printed(&mut aws, to_sign(), &line, 0);
    let added = &granted[to_sign().len()..];
    assert_eq!(actions(added), ["kms:GetPublicKey", "kms:Sign"]);
    assert!(
        added
            .iter()
            .all(|statement| statement["Resource"] == other.as_str())
    );
}

#[test]
fn the_policy_to_verify_distinguishes_absence_from_refusal() {
    let mut aws = aws(&to_verify());
    aws.s3lo(&format!("{} -o json", verify())).ends_with(1);
    may(&mut aws, &to_sign());
    aws.s3lo(&sign()).ends_with(0);
    may(&mut aws, &to_verify());
    aws.s3lo(&verify()).ends_with(0);
    assert_eq!(aws.count("Sign"), 1);
    // With the public half in a file KMS is asked nothing.
    let pem = aws.s3lo(&format!("public-key --key awskms:///{KEY_ARN}"));
    aws.sandbox.write("release.pub", pem.ends_with(0).out);
    let in_s3 = policy("s3:ListBucket", "s3:PutObject");
    may(&mut aws, &in_s3);
    let asked = aws.calls().len();
    aws.s3lo(&format!("verify {IMAGE} --key release.pub"))
        .ends_with(0);
    assert_eq!(aws.calls().len(), asked);
    // A record that may not be read is not one that is not there.
    let mut denied = to_verify();
    denied.push(json!({
        "Effect": "Deny",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::my-bucket/manifests/*/signatures/*",
    }));
    may(&mut aws, &denied);
    assert_eq!(code_of(&aws, &verify()), "access_denied");
    // And without any record the answer is the same.
    let nothing = aws
        .s3
        .paths()
        .into_iter()
        .all(|path| !path.starts_with(RECORDS_PATH));
    assert!(!nothing);
}

#[test]
fn without_list_permission_an_absent_signature_is_a_refusal() {
    let statements = to_verify();
    let rest = without(&statements, "s3:ListBucket");
    let mut aws = aws(&rest);
    assert_eq!(code_of(&aws, &verify()), "access_denied");
    let granted = grant_what_is_printed(&mut aws, rest.clone(), &verify(), 1);
    assert_eq!(actions(&granted[rest.len()..]), ["s3:ListBucket"]);
    // One that is there is read without.
    may(&mut aws, &to_sign());
    aws.s3lo(&sign()).ends_with(0);
    may(&mut aws, &rest);
    aws.s3lo(&verify()).ends_with(0);
    for action in ["s3:GetObject", "kms:GetPublicKey"] {
        let rest = without(&rest, action);
        may(&mut aws, &rest);
        assert_eq!(code_of(&aws, &verify()), "access_denied", "{action}");
        let granted = grant_what_is_printed(&mut aws, rest.clone(), &verify(), 0);
        assert_eq!(actions(&granted[rest.len()..]), [action]);
    }
}

#[test]
fn a_missing_image_is_reported_as_missing_with_list_permission() {
    for statements in [to_sign(), to_verify()] {
        let mut aws = aws(&statements);
        for line in [sign(), verify()] {
            let line = line.replace("myapp", "nothing");
            assert_eq!(code_of(&aws, &line), "image_not_found", "{line}");
        }
        may(&mut aws, &without(&statements, "s3:ListBucket"));
        let line = sign().replace("myapp", "nothing");
        assert_eq!(code_of(&aws, &line), "access_denied");
        // The error names the missing permissions, and not the present ones.
        let reported = program::statements(&aws.s3lo(&line).ends_with(2).err);
        assert_eq!(actions(&reported), ["s3:ListBucket"]);
    }
}

#[test]
fn the_policies_that_errors_print_are_enough() {
    let mut aws = aws(&[]);
    aws.server.alias("alias/release-signer", KEY_ARN);
    for key in [KEY_ARN, KEY_ID, "alias/release-signer"] {
        let line = format!("sign {IMAGE} --key awskms:///{key} --if-signed replace");
        let granted = grant_what_is_printed(&mut aws, Vec::new(), &line, 0);
        let mut all = actions(&granted);
        all.sort();
        all.dedup();
        assert_eq!(
            all,
            [
                "kms:GetPublicKey",
                "kms:Sign",
                "s3:GetObject",
                "s3:PutObject"
            ],
            "{key}"
        );
        let line = format!("verify {IMAGE} --key awskms:///{key}");
        let granted = grant_what_is_printed(&mut aws, Vec::new(), &line, 0);
        let mut all = actions(&granted);
        all.sort();
        all.dedup();
        assert_eq!(all, ["kms:GetPublicKey", "s3:GetObject"], "{key}");
    }
    // No error asks for more than is needed: no wildcard in an action, no key but the one.
    let image = "/my-bucket/manifests/unsigned/v1/manifest.json";
    aws.s3.put(image, crate::support::MANIFEST.as_bytes());
    let line = format!("verify s3://my-bucket/unsigned:v1 --key awskms:///{KEY_ARN}");
    let granted = grant_what_is_printed(&mut aws, Vec::new(), &line, 1);
    assert!(actions(&granted).iter().all(|action| !action.contains('*')));
    assert!(granted.iter().all(|statement| statement["Resource"] != "*"));
}
