//! A fault at each call to Vault × each kind of fault: what the run comes to, which calls are made and
//! by whose token, and that nothing is stored that does not verify; and tests that are no row of a table.

mod addresses;
mod fault;
mod fixture;
mod of_any;
mod of_key;
mod of_login;
mod of_sign;
mod requests;
mod secrets;
mod tokens;
mod trust;
mod ways;

use std::fmt;

use self::fault::{Fault, Scene};
use self::fixture::{IMAGE, JWT, KEY, LOGIN, VaultFixture};
use crate::support::faults::outcome::{Broken, End};
use crate::support::faults::{self as tables, Services};
use crate::support::plain_key;
use crate::support::program::{Run, Sandbox};
use s3lo_test_servers::vault::{Kind, SECRET_ID, TOKEN};

type Row = tables::Row<VaultFixture>;

/// The command at whose call the faults strike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    /// `sign` with a token in the environment.
    Sign,
    /// `sign` with a token that a login gives for an identity token.
    SignLoggedIn,
    /// `verify` of an image that is signed.
    Verify,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sign => "sign",
            Self::SignLoggedIn => "sign after a login",
            Self::Verify => "verify",
        })
    }
}

impl Services for VaultFixture {
    type Call = Kind;
    type Fault = Fault;
    type Command = Command;

    const LIMIT: &str = "VAULT_MAX_RETRIES";
    const IMAGE: &str = IMAGE;
    const KEY: &str = "hashivault://ci-signer";

    fn verifies(command: Command) -> bool {
        command == Command::Verify
    }

    fn start(command: Command) -> Self {
        let mut fixture = match command {
            Command::SignLoggedIn => Self::logging_in(),
            Command::Sign | Command::Verify => Self::new(),
        };
        fixture.sandbox.set("RUST_LOG", "trace");
        fixture
    }

    fn sandbox(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }

    fn store_another_record(&self) {
        Scene::of(self).store_another_record();
    }

    fn strike(&self, _: Command, kind: Kind, row: &'static Row) {
        let (scene, mut made) = (Scene::of(self), 0);
        self.vault.fault(move |call| {
            if call.kind != kind {
                return None;
            }
            made += 1;
            (made <= row.times.0).then(|| row.fault.reply(&scene, call))?
        });
    }

    fn flags(&self, command: Command, row: &Row) -> String {
        let login = match command {
            Command::SignLoggedIn => LOGIN,
            Command::Sign | Command::Verify => "",
        };
        format!("{KEY} {login} {} --verbose", row.flags)
    }

    fn made(&self, kind: Kind) -> usize {
        self.vault.count(kind)
    }

    fn records(&self) -> Vec<Vec<u8>> {
        let records = Self::records(self).into_iter();
        records.map(|(_, bytes)| bytes).collect()
    }

    fn check(&self, broken: &mut Broken, at: (Command, Kind), row: &Row, run: &Run) {
        broken.unless(self.vault.count(at.1) > 0, || "nothing struck".to_owned());
        broken.unless_calls_follow(self, at, row);
        broken.unless_tokens_stay(self, run);
    }
}

impl Broken {
    /// Checks the calls besides the one that fails.
    fn unless_calls_follow(
        &mut self,
        fixture: &VaultFixture,
        (command, kind): (Command, Kind),
        row: &Row,
    ) {
        let mut exactly = |kind: Kind, wanted: usize| {
            let made = fixture.vault.count(kind);
            self.unless(made == wanted, || {
                format!("{kind} was called {made} times, and not {wanted}")
            });
        };
        let succeeds = matches!(row.end, End::Done(_));
        let signs =
            usize::from(matches!(row.end, End::Done("signed")) && command != Command::Verify);
        exactly(Kind::Other, 0);
        if kind != Kind::Sign {
            exactly(Kind::Sign, row.signs.unwrap_or(signs));
        }
        if kind != Kind::Key {
            exactly(Kind::Key, usize::from(kind != Kind::Login || succeeds));
        }
        if kind != Kind::Login {
            exactly(Kind::Login, usize::from(command == Command::SignLoggedIn));
        }
        if kind != Kind::Revoke {
            // The caller cannot revoke a token that never came.
            let calls = fixture.vault.calls();
            let mut in_hand = fixture.vault.issued();
            in_hand.retain(|token| calls.iter().any(|call| call.token() == Some(token)));
            exactly(Kind::Revoke, in_hand.len());
            let left = in_hand.iter().any(|token| fixture.vault.knows(token));
            self.unless(!left, || "its token is left".to_owned());
        }
    }

    /// A token is for Vault alone, and each call but the login shows one.
    fn unless_tokens_stay(&mut self, fixture: &VaultFixture, run: &Run) {
        for call in fixture.vault.calls() {
            let due = call.kind != Kind::Login;
            let shown = call.token().is_some_and(|token| {
                token == TOKEN || fixture.vault.issued().iter().any(|issued| issued == token)
            });
            self.unless(shown == due && call.token().is_some() == due, || {
                format!("{} shows {:?}", call.kind, call.token())
            });
            let asks = call.header("x-vault-request") == Some("true");
            self.unless(asks, || format!("{} is not marked", call.kind));
        }
        let elsewhere = fixture.elsewhere.visits();
        self.unless(elsewhere.is_empty(), || format!("it went to {elsewhere:?}"));
        self.unless_silent(fixture, &[&run.out, &run.err]);
    }

    /// No secret is in any of these texts, in any form.
    fn unless_silent(&mut self, fixture: &VaultFixture, texts: &[&str]) {
        let mut secrets = fixture.vault.issued();
        secrets.extend([TOKEN, JWT, SECRET_ID].map(str::to_owned));
        secrets.extend(JWT.rsplit('.').take(1).map(str::to_owned));
        // A secret in Vault's answer is not printed either.
        secrets.extend(plain_key().lines().skip(1).take(2).map(str::to_owned));
        for secret in secrets {
            let bytes = format!("{:?}", secret.as_bytes());
            let forms = [secret.clone(), bytes, fixture::encoded(&secret)];
            let has_secret = |text: &&&str| forms.iter().any(|form| text.contains(form.as_str()));
            let leaked = texts.iter().find(has_secret);
            self.unless(leaked.is_none(), || format!("it prints {secret}"));
        }
    }
}
