//! No secret of a Vault is printed: neither tokens nor the credentials of a login.

use std::collections::BTreeSet;

use crate::cli::secrets::{Outputs, PUBLIC_KEY, talkative};
use crate::support::aws_fixture::{AwsFixture, SIGN, VERIFY};
use crate::support::plain_key;
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::{GITHUB_REQUEST_TOKEN, Key};
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::vault::{Kind, ROLE_ID, SECRET_ID, TOKEN, VaultServer, vault_errors};

/// The lines for the key in Vault.
fn in_vault(flags: &str) -> Vec<String> {
    let of_kms = "awskms:///alias/release-signer";
    let lines = [SIGN, VERIFY, PUBLIC_KEY];
    let line = |line: &str| line.replace(of_kms, "hashivault://ci-signer");
    lines.map(|one| format!("{} {flags}", line(one))).to_vec()
}

#[test]
fn the_secrets_of_a_vault_appear_nowhere() {
    let (mut outputs, mut secrets) = (Outputs::default(), BTreeSet::new());
    secrets.extend([TOKEN, SECRET_ID, GITHUB_REQUEST_TOKEN].map(str::to_owned));
    let vault = VaultServer::start(Key::of_vector("p256-pkcs8"));
    let at_vault = || {
        let mut aws = talkative(AwsFixture::new());
        aws.sandbox.set("VAULT_ADDR", &vault.endpoint);
        aws.sandbox.set("VAULT_MAX_RETRIES", "1");
        aws
    };
    // A user with a token, with and without faults.
    let mut aws = at_vault();
    aws.sandbox.set("VAULT_TOKEN", TOKEN);
    for flags in [
        "",
        "--if-signed replace",
        "--timeout 1ms",
        "--vault-namespace team/a",
        "--vault-jwt-env VAULT_TOKEN --vault-role release",
        "--vault-audience other",
        "--key hashivault://nobody",
        "--key hashivault://ci-signer?version=7",
    ] {
        outputs.run(&aws, &in_vault(flags));
    }
    for kind in [Kind::Key, Kind::Sign] {
        for status in [400, 403, 404, 500, 503] {
            vault.fault(move |call| (call.kind == kind).then(|| vault_errors(status, &["no"])));
            outputs.run(&aws, &in_vault("--if-signed replace")[..1]);
        }
    }
    vault.fault(|_| Some(Reply::HangUp));
    outputs.run(&aws, &in_vault(""));
    vault.fault(|_| None);
    aws.sandbox
        .set("HTTPS_PROXY", "http://user:canary-of-the-proxy@127.0.0.1:1");
    secrets.insert("canary-of-the-proxy".to_owned());
    aws.sandbox.set("VAULT_ADDR", "https://vault.example");
    outputs.run(&aws, &in_vault(""));
    // A job that logs in with the token of its CI system, and one with that of a pod.
    let mut aws = at_vault();
    aws.set(&aws.server.github_environment());
    for flags in [
        "",
        "--vault-audience other",
        "--vault-auth-mount nowhere",
        "--vault-auth kubernetes",
        "--vault-auth kubernetes --vault-jwt-file pod.jwt",
    ] {
        let pod = aws
            .server
            .identity_token("system:serviceaccount:ci:x", "k8s", 300);
        aws.sandbox.write("pod.jwt", &pod);
        for role in ["release", "batch", "nobody"] {
            outputs.run(&aws, &in_vault(&format!("--vault-role {role} {flags}")));
        }
        aws.sandbox.write("pod.jwt", "");
    }
    let mut run_with_login = |fault: fn() -> Reply| {
        vault.fault(move |call| (call.kind == Kind::Login).then(fault));
        outputs.run(&aws, &in_vault("--vault-role release")[..1]);
    };
    run_with_login(|| vault_errors(403, &["permission denied"]));
    run_with_login(|| vault_errors(500, &["internal error"]));
    run_with_login(|| Reply::Half);
    vault.fault(|_| None);
    // AppRole.
    let mut aws = at_vault();
    aws.sandbox.set("VAULT_ROLE_ID", ROLE_ID);
    for secret_id in [SECRET_ID, "canary-of-a-wrong-secret-id"] {
        aws.sandbox.set("VAULT_SECRET_ID", secret_id);
        secrets.insert(secret_id.to_owned());
        outputs.run(&aws, &in_vault("--if-signed replace"));
    }
    // The test's own.
    outputs.texts.retain(|(name, _)| name != "pod.jwt");
    secrets.extend(vault.issued());
    for call in vault.calls_of(Kind::Login) {
        if let Some((_, token)) = call.body["jwt"]
            .as_str()
            .and_then(|jwt| jwt.split_once('.'))
        {
            secrets.extend([token, token.rsplit('.').next().unwrap()].map(str::to_owned));
        }
    }
    assert!(outputs.succeeded >= 30, "{}", outputs.succeeded);
    assert!(secrets.len() > 40, "{}", secrets.len());
    outputs.contain_none_of(&secrets);
}

/// The program's output when a secret stands where its place should be named, a common mistake.
#[track_caller]
fn is_not_repeated(secret: &str, outputs: &Outputs) {
    assert_eq!(outputs.succeeded, 0);
    outputs.contain_none_of(&BTreeSet::from([secret.to_owned()]));
}

const MISPLACED: &str = "hvs.CAESIB-canary-of-a-token-in-the-wrong-place";

#[test]
fn a_token_in_the_place_of_a_file_s_name_is_not_repeated() {
    let (mut outputs, mut aws) = (Outputs::default(), talkative(AwsFixture::new()));
    aws.sandbox.set("VAULT_ADDR", "https://vault.invalid");
    aws.sandbox.set("VAULT_TOKEN_FILE", MISPLACED);
    outputs.run(&aws, &in_vault(""));
    is_not_repeated(MISPLACED, &outputs);
}

#[test]
fn a_token_in_an_address_or_beside_other_words_is_not_repeated() {
    for (name, value) in [
        ("VAULT_TOKEN", format!("Bearer {MISPLACED}")),
        ("VAULT_ADDR", format!("https://{MISPLACED}@vault.example")),
        (
            "VAULT_ADDR",
            format!("https://vault.example?token={MISPLACED}"),
        ),
        ("VAULT_ADDR", MISPLACED.to_owned()),
        ("VAULT_PROXY_ADDR", format!("http://{MISPLACED}@not a host")),
    ] {
        let (mut outputs, mut aws) = (Outputs::default(), talkative(AwsFixture::new()));
        aws.sandbox.set("VAULT_ADDR", "https://vault.invalid");
        aws.sandbox.set("VAULT_TOKEN", TOKEN);
        aws.sandbox.set(name, &value);
        outputs.run(&aws, &in_vault(""));
        is_not_repeated(MISPLACED, &outputs);
    }
}

#[test]
fn a_token_on_the_command_line_is_not_repeated() {
    for flags in [
        "--key hashivault://@@vault.example/v1/transit/keys/k",
        "--vault-address https://@@vault.example",
        "--vault-address @",
        "--vault-token @",
        "--vault-token=@",
        "--vault-role ci --vault-jwt-env @",
    ] {
        let (mut outputs, aws) = (Outputs::default(), talkative(AwsFixture::new()));
        let flags = flags.replacen('@', MISPLACED, 1);
        let address = match flags.contains("--vault-address") {
            true => "",
            false => "--vault-address http://127.0.0.1:1",
        };
        outputs.run(&aws, &in_vault(&format!("{flags} {address}")));
        for (line, _) in &mut outputs.texts {
            line.truncate(4);
        }
        is_not_repeated(MISPLACED, &outputs);
    }
}

#[test]
fn a_private_key_in_the_place_of_a_file_s_name_is_not_repeated() {
    let key = plain_key();
    let (certificate, other) = Authority::generate().certificate("client.example");
    for name in ["VAULT_CLIENT_KEY", "VAULT_CLIENT_CERT"] {
        let (mut outputs, mut aws) = (Outputs::default(), talkative(AwsFixture::new()));
        aws.sandbox.set("VAULT_ADDR", "https://vault.invalid");
        aws.sandbox.set("VAULT_TOKEN", TOKEN);
        aws.sandbox.write("client.pem", &certificate);
        aws.sandbox.write("client.key", &other);
        aws.sandbox.set("VAULT_CLIENT_CERT", "client.pem");
        aws.sandbox.set("VAULT_CLIENT_KEY", "client.key");
        aws.sandbox.set(name, &format!("{certificate}{key}"));
        outputs.run(&aws, &in_vault(""));
        is_not_repeated(key.lines().nth(1).unwrap(), &outputs);
    }
}
