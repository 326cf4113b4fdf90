//! A fault at each call to Vault × each kind of fault: what the run comes to, which calls are made and
//! by whose token, and that nothing is stored that does not verify. The tables are in the rooms below,
//! and promises that are no row of any; this one runs the tables.

mod faults;
mod of_any;
mod of_key;
mod of_login;
mod of_sign;
mod requests;
mod secrets;
mod tokens;
mod trust;
mod ways;
mod workbench;

use std::fmt;
use std::time::{Duration, Instant};

use self::faults::{Fault, Scene};
use self::workbench::{JWT, LOGIN, Workbench};
use crate::aws::faults::outcome::{Broken, End, Made, broken_of};
use crate::support::plain_key;
use crate::support::program::Run;
use s3lo_test_servers::vault::{Kind, SECRET_ID, TOKEN};

/// How often a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Times(usize);

const ONCE: Times = Times(1);
const THRICE: Times = Times(3);
const EVER: Times = Times(usize::MAX);

/// A row of a table.
struct Row {
    note: &'static str,
    fault: Fault,
    times: Times,
    end: End,
    made: Made,
    /// VAULT_MAX_RETRIES: where nothing depends on their number, few tries take less time.
    retries: Option<&'static str>,
    timeout: u64,
    /// Signatures that are asked for, where that does not follow from the outcome.
    signs: Option<usize>,
    /// A valid record lies there from the start.
    signed: bool,
    /// What is added to the command line.
    flags: &'static str,
}

/// A row that ends with 0 in spite of the fault.
const fn row(note: &'static str, times: Times, fault: Fault) -> Row {
    Row {
        note,
        fault,
        times,
        end: End::Done("signed"),
        made: Made::Any,
        retries: None,
        // Long enough for a busy machine: what must end by itself does so much earlier.
        timeout: 60,
        signs: None,
        signed: false,
        flags: "",
    }
}

/// A row whose fault strikes for ever, and which ends at once.
const fn refused(note: &'static str, code: &'static str, fault: Fault) -> Row {
    row(note, EVER, fault).fails(code).made(1)
}

/// What is no answer of Vault: one call, and no other try.
const fn nonsense(note: &'static str, fault: Fault) -> Row {
    refused(note, "signer_answered_nonsense", fault)
}

impl Row {
    const fn fails(mut self, code: &'static str) -> Self {
        self.end = End::Failed(code);
        self
    }

    const fn guarded(mut self, code: &'static str) -> Self {
        self.end = End::Guarded(code);
        self
    }

    const fn unverified(mut self) -> Self {
        self.end = End::Unverified;
        self
    }

    const fn keeps(mut self) -> Self {
        self.end = End::Done("kept");
        self
    }

    const fn made(mut self, exactly: usize) -> Self {
        self.made = Made::Exactly(exactly);
        self
    }

    const fn at_least(mut self, times: usize) -> Self {
        self.made = Made::AtLeast(times);
        self
    }

    const fn retries(mut self, retries: &'static str) -> Self {
        self.retries = Some(retries);
        self
    }

    const fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    const fn signs(mut self, exactly: usize) -> Self {
        self.signs = Some(exactly);
        self
    }

    const fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    const fn flags(mut self, flags: &'static str) -> Self {
        self.flags = flags;
        self
    }
}

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

/// Runs every row of the tables at `kind` of call of `command`, and tells of all that do not hold.
#[track_caller]
fn hold(command: Command, kind: Kind, tables: &[&'static [Row]]) {
    let rows: Vec<&'static Row> = tables.iter().flat_map(|table| table.iter()).collect();
    let broken = broken_of(&rows, |row| {
        check(command, kind, row)
            .map_err(|why| format!("\n# {command}, {kind}: {}\n{why}\n", row.note))
    });
    println!("{} rows for {kind} of {command}", rows.len());
    assert!(broken.is_empty(), "{broken}");
}

fn check(command: Command, kind: Kind, row: &'static Row) -> Result<(), String> {
    let verifies = command == Command::Verify;
    let mut bench = match command {
        Command::SignLoggedIn => Workbench::logging_in(),
        Command::Sign | Command::Verify => Workbench::new(),
    };
    bench.desk.set("RUST_LOG", "trace");
    if let Some(retries) = row.retries {
        bench.desk.set("VAULT_MAX_RETRIES", retries);
    }
    let scene = Scene::of(&bench);
    if row.signed || verifies {
        scene.store_another_record();
    }
    let mut made = 0;
    bench.vault.fault(move |call| {
        if call.kind != kind {
            return None;
        }
        made += 1;
        (made <= row.times.0).then(|| row.fault.reply(&scene, call))?
    });
    let (name, flags) = match command {
        Command::Sign => ("sign", ""),
        Command::SignLoggedIn => ("sign", LOGIN),
        Command::Verify => ("verify", ""),
    };
    let begun = Instant::now();
    let run = bench.desk.s3lo(&format!(
        "{name} {flags} {} {} -o json --verbose --timeout {}s",
        row.flags,
        bench.image(),
        row.timeout
    ));
    let took = begun.elapsed();
    let calls = bench.vault.calls();
    let made = bench.vault.count(kind);
    let mut broken = Broken::default();
    broken.unless_ended(&run, row.end, verifies);
    broken.unless(row.made.is(made), || format!("it was called {made} times"));
    broken.unless(made > 0, || "nothing struck".to_owned());
    // A guard against a run that never ends; how long a time-out takes is told by its code.
    broken.unless(took < Duration::from_secs(row.timeout + 20), || {
        format!("it took {took:?}")
    });
    broken.unless_readable(&run);
    broken.unless_calls_follow(&bench, command, kind, row);
    broken.unless_tokens_stay(&bench, &run);
    if verifies {
        let records = bench.records().len();
        broken.unless(records == 1, || "who verifies stores nothing".to_owned());
    } else {
        bench.unless_only_valid(&mut broken, row.end);
    }
    if broken.0.is_empty() {
        return Ok(());
    }
    let calls: Vec<_> = calls.iter().map(|call| call.kind).collect();
    Err(format!(
        "{}\n{calls:?}, exit {:?}\n{}{}",
        broken.0.join("\n"),
        run.code,
        run.out,
        run.err
    ))
}

impl Broken {
    /// What is called besides the call that is struck.
    fn unless_calls_follow(
        &mut self,
        bench: &Workbench,
        command: Command,
        kind: Kind,
        row: &'static Row,
    ) {
        let mut exactly = |kind: Kind, wanted: usize| {
            let made = bench.vault.count(kind);
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
            // A token that never came cannot be ended by whoever asked for it.
            let calls = bench.vault.calls();
            let mut in_hand = bench.vault.issued();
            in_hand.retain(|token| calls.iter().any(|call| call.token() == Some(token)));
            exactly(Kind::Revoke, in_hand.len());
            let left = in_hand.iter().any(|token| bench.vault.knows(token));
            self.unless(!left, || "its token is left".to_owned());
        }
    }

    /// A token is for Vault alone, and each call but the login shows one.
    fn unless_tokens_stay(&mut self, bench: &Workbench, run: &Run) {
        for call in bench.vault.calls() {
            let due = call.kind != Kind::Login;
            let shown = call.token().is_some_and(|token| {
                token == TOKEN || bench.vault.issued().iter().any(|issued| issued == token)
            });
            self.unless(shown == due && call.token().is_some() == due, || {
                format!("{} shows {:?}", call.kind, call.token())
            });
            let asks = call.header("x-vault-request") == Some("true");
            self.unless(asks, || format!("{} is not marked", call.kind));
        }
        let elsewhere = bench.elsewhere.visits();
        self.unless(elsewhere.is_empty(), || format!("it went to {elsewhere:?}"));
        self.unless_silent(bench, &[&run.out, &run.err]);
    }

    /// No secret is in any of these texts, in any form.
    fn unless_silent(&mut self, bench: &Workbench, texts: &[&str]) {
        let mut secrets = bench.vault.issued();
        secrets.extend([TOKEN, JWT, SECRET_ID].map(str::to_owned));
        secrets.extend(JWT.rsplit('.').take(1).map(str::to_owned));
        // What Vault must not have shown is not shown on.
        secrets.extend(plain_key().lines().skip(1).take(2).map(str::to_owned));
        for secret in secrets {
            let bytes = format!("{:?}", secret.as_bytes());
            let forms = [secret.clone(), bytes, workbench::encoded(&secret)];
            let tells = |text: &&&str| forms.iter().any(|form| text.contains(form.as_str()));
            let told = texts.iter().find(tells);
            self.unless(told.is_none(), || format!("it tells {secret}"));
        }
    }
}
