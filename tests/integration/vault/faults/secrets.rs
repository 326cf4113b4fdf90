//! No secret is printed, with any answer of Vault and with broken secrets.

use super::fixture::{JWT, LOGIN, VaultFixture};
use crate::support::faults::outcome::Broken;
use crate::support::program::Run;
use s3lo_test_servers::vault::{Kind, ROLE_ID, SECRET_ID, TOKEN, vault_errors};

/// Signs with the sandbox's credentials, with and without faults; no secret comes out, and Vault saw `token`.
#[track_caller]
fn is_silent(mut fixture: VaultFixture, flags: &str, token: Option<&str>) {
    fixture.sandbox.set("RUST_LOG", "trace");
    fixture.sandbox.set("RUST_BACKTRACE", "1");
    fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
    let mut texts = Vec::new();
    for struck in [
        None,
        Some(Kind::Login),
        Some(Kind::Key),
        Some(Kind::Sign),
        Some(Kind::Revoke),
    ] {
        for status in [200, 400, 403, 500] {
            fixture.vault.fault(move |call| {
                // The whole request comes back in the error message.
                let request = format!("{} {:?} {}", call.path, call.headers, call.body);
                (Some(call.kind) == struck).then(|| vault_errors(status, &[&request]))
            });
            for format in ["text", "json"] {
                let flags = format!("{flags} --if-signed replace --verbose -o {format}");
                let run = fixture.run("sign", &flags);
                texts.extend([run.out, run.err]);
            }
        }
    }
    texts.extend(
        fixture
            .records()
            .into_iter()
            .map(|(_, record)| String::from_utf8(record).unwrap()),
    );
    let keys = fixture.vault.calls_of(Kind::Key);
    match token {
        Some(token) => assert!(keys.iter().all(|call| call.token() == Some(token))),
        None => assert!(fixture.vault.count(Kind::Login) >= 10),
    }
    assert!(keys.len() >= 8);
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let mut broken = Broken::default();
    broken.unless_silent(&fixture, &texts);
    assert!(broken.0.is_empty(), "{:?}\n{}", broken.0, texts.join("\n"));
}

#[test]
fn a_token_in_a_variable_appears_nowhere() {
    is_silent(VaultFixture::new(), "", Some(TOKEN));
}

#[test]
fn a_token_in_a_file_appears_nowhere() {
    let mut fixture = VaultFixture::logging_in();
    fixture.sandbox.write("token", format!("{TOKEN}\n"));
    fixture.sandbox.set("VAULT_TOKEN_FILE", "token");
    is_silent(fixture, "", Some(TOKEN));
}

#[test]
fn a_token_at_home_appears_nowhere() {
    let mut fixture = VaultFixture::logging_in();
    fixture.sandbox.write("home/.vault-token", TOKEN);
    let home = fixture.sandbox.file("home");
    fixture.sandbox.set("HOME", home.to_str().unwrap());
    is_silent(fixture, "", Some(TOKEN));
}

#[test]
fn an_identity_token_appears_nowhere() {
    is_silent(VaultFixture::logging_in(), LOGIN, None);
    let mut fixture = VaultFixture::logging_in();
    fixture.sandbox.set("CI_TOKEN", JWT);
    is_silent(
        fixture,
        &LOGIN.replace("--vault-jwt-file jwt", "--vault-jwt-env CI_TOKEN"),
        None,
    );
}

#[test]
fn the_token_of_a_kubernetes_account_appears_nowhere() {
    let flags = format!("{LOGIN} --vault-auth kubernetes");
    is_silent(VaultFixture::logging_in(), &flags, None);
}

#[test]
fn a_secret_id_appears_nowhere() {
    let mut fixture = VaultFixture::logging_in();
    fixture.sandbox.set("VAULT_ROLE_ID", ROLE_ID);
    fixture.sandbox.set("VAULT_SECRET_ID", SECRET_ID);
    is_silent(fixture, "", None);
}

/// It ends with 2 before any request, and prints nothing that begins with `canary`.
#[track_caller]
fn is_refused_in_silence(fixture: &VaultFixture, flags: &str, what: &str) {
    let texts: Vec<Run> = ["text", "json"]
        .map(|format| fixture.run("sign", &format!("{flags} --verbose -o {format}")))
        .into();
    for run in texts {
        let run = run.ends_with(2);
        let all = run.out + &run.err;
        assert!(!all.contains("canary"), "{what}: {all}");
    }
    assert!(fixture.vault.calls().is_empty(), "{what}");
}

#[test]
fn a_token_that_does_not_fit_a_header_is_neither_sent_nor_printed() {
    let long = "canary".repeat(20_000);
    for token in [
        "hvs.canary and more",
        "hvs.canary\r\nX-Vault-Policy-Override: true",
        "hvs.canary\u{7f}",
        "hvs.canary-ä",
        &long,
    ] {
        let mut fixture = VaultFixture::new();
        fixture.sandbox.set("VAULT_TOKEN", token);
        is_refused_in_silence(&fixture, "", token);
        fixture.sandbox.unset("VAULT_TOKEN");
        fixture.sandbox.write("token", token);
        fixture.sandbox.set("VAULT_TOKEN_FILE", "token");
        is_refused_in_silence(&fixture, "", token);
    }
}

#[test]
fn an_address_with_a_password_is_refused_without_printing_it() {
    for address in [
        "https://user:canary@vault.example",
        "http://user:canary@127.0.0.1:8200",
        "https://vault.example/hvs.canary",
        "https://vault.example/vault/s.canary-of-26-characters-x",
        "https://vault.example/#canary",
        "https://vault.example?token=canary",
        "hvs.canary",
    ] {
        let mut fixture = VaultFixture::new();
        fixture.sandbox.set("VAULT_ADDR", address);
        if address.contains('@') {
            is_refused_in_silence(&fixture, "", address);
        }
        assert_eq!(fixture.code("sign", ""), "configuration", "{address}");
        let fixture = VaultFixture::new();
        let flags = format!("--vault-address {address} -o json");
        fixture.run("sign", &flags).ends_with(2);
        assert!(fixture.vault.calls().is_empty(), "{address}");
    }
}

#[test]
fn the_password_of_a_proxy_is_not_printed() {
    for name in ["HTTPS_PROXY", "ALL_PROXY", "VAULT_PROXY_ADDR"] {
        for proxy in ["127.0.0.1:1", "nowhere.invalid:3128", "not a host"] {
            let mut fixture = VaultFixture::new();
            fixture.sandbox.set("VAULT_ADDR", "https://vault.example");
            fixture.sandbox.set("VAULT_MAX_RETRIES", "0");
            fixture
                .sandbox
                .set(name, &format!("http://user:canary@{proxy}"));
            is_refused_in_silence(&fixture, "", &format!("{name} {proxy}"));
        }
    }
}
