//! Where tokens go, and where not; and the end of one from a login.

use std::process::Command;
use std::sync::mpsc;

use super::fault::Scene;
use super::fixture::{LOGIN, VaultFixture};
use crate::support::MANIFEST;
use crate::support::program::finish;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::vault::{Kind, ROLE_ID, SECRET_ID, TOKEN, vault_errors};

#[test]
fn no_redirect_is_followed_and_no_token_goes_anywhere_else() {
    for status in [301, 302, 303, 307, 308] {
        for kind in [Kind::Key, Kind::Sign, Kind::Login, Kind::Revoke] {
            let fixture = VaultFixture::logging_in();
            let elsewhere = fixture.elsewhere.url();
            fixture.vault.fault(move |call| {
                let location = format!("{elsewhere}{}", call.path);
                let reply = Reply::Answer(status, Vec::new(), Vec::new());
                (call.kind == kind).then(|| reply.header("location", &location))
            });
            let flags = format!("{LOGIN} -o json");
            let run = fixture.run("sign", &flags);
            let what = format!("{status} {kind:?}: {}{}", run.out, run.err);
            match kind {
                // It is signed by then.
                Kind::Revoke => assert_eq!(run.code, Some(0), "{what}"),
                _ => assert_eq!(run.json()["error"]["code"], "redirected", "{what}"),
            }
            assert_eq!(fixture.vault.count(kind), 1, "{what}");
            let visits = fixture.elsewhere.visits();
            assert!(visits.is_empty(), "{what}\n{visits:?}");
        }
    }
}

/// Logs in, and ends with `code`; the calls, and that the token is good no longer.
#[track_caller]
fn ends_its_session(fixture: &VaultFixture, command: &str, flags: &str, code: i32) -> Vec<Kind> {
    fixture
        .run(command, &format!("{LOGIN} {flags}"))
        .ends_with(code);
    let [token] = &fixture.vault.issued()[..] else {
        panic!("one token is enough: {:?}", fixture.vault.kinds());
    };
    let calls = fixture.vault.calls();
    let (first, last) = (&calls[0], calls.last().unwrap());
    assert_eq!((first.kind, first.token()), (Kind::Login, None));
    assert_eq!(
        (last.kind, last.token()),
        (Kind::Revoke, Some(token.as_str()))
    );
    assert_eq!(last.method, "POST");
    assert!(!fixture.vault.knows(token));
    fixture.vault.kinds()
}

#[test]
fn a_session_ends_with_the_run_when_it_has_signed() {
    let fixture = VaultFixture::logging_in();
    let kinds = ends_its_session(&fixture, "sign", "", 0);
    assert_eq!(kinds, [Kind::Login, Kind::Key, Kind::Sign, Kind::Revoke]);
}

#[test]
fn a_session_ends_with_the_run_when_it_has_verified() {
    let fixture = VaultFixture::logging_in();
    let kinds = ends_its_session(&fixture, "verify", "", 1);
    assert_eq!(kinds, [Kind::Login, Kind::Key, Kind::Revoke]);
    let fixture = VaultFixture::logging_in();
    fixture
        .sandbox
        .s3lo(&format!("public-key --key hashivault://ci-signer {LOGIN}"))
        .ends_with(0);
    let kinds = fixture.vault.kinds();
    assert_eq!(kinds, [Kind::Login, Kind::Key, Kind::Revoke]);
}

#[test]
fn a_session_ends_with_the_run_when_signing_fails() {
    for kind in [Kind::Key, Kind::Sign] {
        let fixture = VaultFixture::logging_in();
        fixture.vault.fault(move |call| {
            (call.kind == kind).then(|| vault_errors(500, &["no such key version"]))
        });
        ends_its_session(&fixture, "sign", "", 2);
    }
    // It is another key that fails, or an image.
    for flags in [
        "--key nowhere.key",
        "--key hashivault://nobody",
        "--key hashivault://ci-signer?version=7",
        "local://./store/nothing:v1",
    ] {
        ends_its_session(&VaultFixture::logging_in(), "sign", flags, 2);
    }
    // The error leaves open whether the answer is missing or the time.
    let fixture = VaultFixture::logging_in();
    fixture
        .vault
        .fault(|call| (call.kind == Kind::Sign).then_some(Reply::Silence));
    ends_its_session(&fixture, "sign", "--timeout 2s", 2);
}

#[test]
fn a_session_ends_with_the_run_when_a_guard_refuses() {
    let fixture = VaultFixture::logging_in();
    let manifest = fixture
        .sandbox
        .file("store/manifests/myapp/v1.0/manifest.json");
    fixture.vault.fault(move |call| {
        if call.kind == Kind::Sign {
            let text = std::fs::read_to_string(&manifest).unwrap();
            std::fs::write(&manifest, format!("{text} ")).unwrap();
        }
        None
    });
    ends_its_session(&fixture, "sign", "", 1);
    // A signature is there already, and there may be no other.
    let fixture = VaultFixture::logging_in();
    Scene::of(&fixture).store_another_record();
    let kinds = ends_its_session(&fixture, "sign", "--if-signed fail", 1);
    assert_eq!(kinds, [Kind::Login, Kind::Key, Kind::Revoke]);
}

#[test]
fn a_session_ends_with_an_interrupted_run() {
    for signal in ["-INT", "-TERM"] {
        let fixture = VaultFixture::logging_in();
        let (sender, receiver) = mpsc::channel::<u32>();
        fixture.vault.fault(move |call| {
            (call.kind == Kind::Sign).then(|| {
                // Cancelled while Vault is about to sign.
                let id = receiver.recv().unwrap().to_string();
                Command::new("kill").args([signal, &id]).status().unwrap();
                Reply::Silence
            })
        });
        let line = format!("sign local://./store/myapp:v1.0 --key hashivault://ci-signer {LOGIN}");
        let words: Vec<_> = line.split_whitespace().chain(["-o", "json"]).collect();
        let child = fixture.sandbox.start(&words);
        sender.send(child.id()).unwrap();
        let run = finish(child).ends_with(2);
        assert_eq!(run.json()["error"]["code"], "interrupted");
        assert_eq!(fixture.vault.kinds().last(), Some(&Kind::Revoke));
        assert!(!fixture.vault.knows(&fixture.vault.issued()[0]));
    }
}

#[test]
fn one_session_serves_every_image_and_key_of_a_run() {
    let fixture = VaultFixture::logging_in();
    let mut flags = "--key hashivault://ci-signer?version=1".to_owned();
    for number in 0..20 {
        fixture
            .sandbox
            .push("many", &format!("v{number}"), MANIFEST);
        flags.push_str(&format!(" local://./store/many:v{number}"));
    }
    let kinds = ends_its_session(&fixture, "sign", &flags, 0);
    let count = |kind| kinds.iter().filter(|made| **made == kind).count();
    assert_eq!((count(Kind::Login), count(Kind::Revoke)), (1, 1));
    assert!(count(Kind::Key) <= 2);
    assert!(count(Kind::Sign) >= 21);
}

#[test]
fn a_token_that_cannot_be_revoked_is_left_to_end_by_itself() {
    let fixture = VaultFixture::logging_in();
    fixture
        .run("sign", &LOGIN.replace("release", "batch"))
        .ends_with(0);
    assert_eq!(fixture.vault.kinds(), [Kind::Login, Kind::Key, Kind::Sign]);
}

#[test]
fn a_token_that_was_given_from_outside_is_not_revoked() {
    let fixture = VaultFixture::new();
    fixture.run("sign", "").ends_with(0);
    assert!(fixture.vault.knows(TOKEN));
    assert_eq!(fixture.vault.count(Kind::Revoke), 0);
}

#[test]
fn a_namespace_is_sent_with_every_call_login_and_farewell_included() {
    for by_flag in [true, false] {
        let mut fixture = VaultFixture::logging_in();
        let flag = match by_flag {
            true => "--vault-namespace team/a",
            false => {
                fixture.sandbox.set("VAULT_NAMESPACE", "team/a");
                ""
            }
        };
        fixture.run("sign", &format!("{LOGIN} {flag}")).ends_with(0);
        assert_eq!(fixture.vault.calls().len(), 4);
        for call in fixture.vault.calls() {
            let namespace = call.header("x-vault-namespace").unwrap();
            assert_eq!(namespace.trim_matches('/'), "team/a", "{:?}", call.kind);
        }
    }
    let fixture = VaultFixture::logging_in();
    fixture.run("sign", LOGIN).ends_with(0);
    for call in fixture.vault.calls() {
        assert_eq!(call.header("x-vault-namespace"), None);
    }
}

/// A job with AppRole, of whose login Vault loses the first answer.
fn losing_an_answer(after: fn() -> Option<Reply>) -> VaultFixture {
    let mut fixture = VaultFixture::new();
    fixture.sandbox.unset("VAULT_TOKEN");
    fixture.sandbox.set("VAULT_ROLE_ID", ROLE_ID);
    fixture.sandbox.set("VAULT_SECRET_ID", SECRET_ID);
    let (vault, mut logins) = (fixture.vault.clone(), 0);
    fixture.vault.fault(move |call| {
        if call.kind != Kind::Login {
            return None;
        }
        logins += 1;
        if logins > 1 {
            return after();
        }
        // A token is issued all the same.
        vault.due(call);
        Some(Reply::HangUp)
    });
    fixture
}

#[test]
fn a_secret_id_used_up_by_a_lost_answer_is_reported_as_a_lost_answer() {
    let used_up = || Some(vault_errors(400, &["invalid role or secret ID"]));
    let fixture = losing_an_answer(used_up);
    let error = fixture.run("sign", "-o json").ends_with(2).json()["error"].take();
    assert_eq!(error["code"], "unreachable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("after its answer to a first attempt was lost"));
    let answer = error["facts"]["said"].as_str().unwrap();
    assert!(answer.contains("invalid role or secret ID"), "{answer}");
    let help = error["help"].as_str().unwrap();
    assert!(help.contains("give a new one in VAULT_SECRET_ID"), "{help}");
    assert_eq!(fixture.vault.kinds(), [Kind::Login; 2]);
}

#[test]
fn a_refusal_after_no_lost_answer_is_a_refusal() {
    // The proxy that answers itself may have passed the request on; Vault itself reports that it failed.
    for (status, body, code) in [
        (502, "<html></html>", "unreachable"),
        (500, r#"{"errors":["internal error"]}"#, "login_refused"),
        (503, r#"{"errors":["Vault is sealed"]}"#, "login_refused"),
    ] {
        let mut fixture = VaultFixture::new();
        fixture.sandbox.unset("VAULT_TOKEN");
        fixture.sandbox.set("VAULT_ROLE_ID", ROLE_ID);
        fixture.sandbox.set("VAULT_SECRET_ID", "of-nobody-at-all");
        let mut logins = 0;
        fixture.vault.fault(move |call| {
            logins += usize::from(call.kind == Kind::Login);
            (logins == 1).then(|| Reply::Answer(status, Vec::new(), body.into()))
        });
        assert_eq!(fixture.code("sign", ""), code, "{status}");
        assert_eq!(fixture.vault.count(Kind::Login), 2);
    }
}

#[test]
fn a_login_whose_first_answer_is_lost_signs_and_warns_of_the_token_that_is_left() {
    let fixture = losing_an_answer(|| None);
    let run = fixture.run("sign", "").ends_with(0);
    assert!(
        run.err.contains("the answer to a login to Vault at"),
        "{}",
        run.err
    );
    let [left, own] = &fixture.vault.issued()[..] else {
        panic!("{:?}", fixture.vault.kinds());
    };
    // The program does not know it, and cannot revoke it.
    assert!(fixture.vault.knows(left));
    assert!(!fixture.vault.knows(own));
}
