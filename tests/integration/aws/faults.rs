//! A fault at each call × each kind of fault: what the run comes to, how often the call was made, and
//! that nothing is stored that does not verify. The tables are in the rooms below; this one runs them.

mod faults;
mod many;
mod of_kms;
mod of_public_key;
mod of_role;
mod of_s3;
mod of_signature;
mod of_verify;
pub(crate) mod outcome;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use s3lo_core::verdict;

use self::faults::{Fault, Scene, private_key, reference};
use self::outcome::{Broken, End, Made, broken_of};
use crate::support::workshop::{EVERYTHING, MANIFEST_PATH, RECORDS_PATH, ROLE_ARN, Workshop};
use s3lo_test_servers::aws::{self, Key};
use s3lo_test_servers::http::Request;

/// A call that a run makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    /// GitHub: the identity token.
    Token,
    /// STS: AssumeRoleWithWebIdentity.
    Assume,
    /// S3: GetObject of the manifest.
    Manifest,
    /// S3: ListObjectsV2.
    List,
    /// KMS: GetPublicKey.
    PublicKey,
    /// KMS: Sign.
    Sign,
    /// S3: PutObject of the record.
    Put,
    /// S3: the conditional GetObject of the manifest.
    Recheck,
    /// S3: GetObject of the record.
    Record,
}

impl Call {
    fn is_of_aws(self) -> bool {
        matches!(
            self,
            Self::Token | Self::Assume | Self::PublicKey | Self::Sign
        )
    }

    fn is_to_aws(self, call: &aws::Call) -> bool {
        match self {
            Self::Token => call.service == "github",
            Self::Assume => call.action == "AssumeRoleWithWebIdentity",
            Self::PublicKey => call.action == "GetPublicKey",
            Self::Sign => call.action == "Sign",
            _ => false,
        }
    }

    fn is_to_s3(self, request: &Request) -> bool {
        let conditional = request.headers.contains_key("if-none-match");
        let get = request.method == "GET";
        match self {
            Self::Manifest => get && request.path == MANIFEST_PATH && !conditional,
            Self::Recheck => get && request.path == MANIFEST_PATH && conditional,
            Self::List => get && request.query.contains("list-type=2"),
            Self::Put => request.method == "PUT",
            Self::Record => get && request.path.starts_with(RECORDS_PATH),
            _ => false,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "the identity token",
            Self::Assume => "AssumeRoleWithWebIdentity",
            Self::Manifest => "GetObject of the manifest",
            Self::List => "ListObjectsV2",
            Self::PublicKey => "GetPublicKey",
            Self::Sign => "Sign",
            Self::Put => "PutObject of the record",
            Self::Recheck => "the second GetObject of the manifest",
            Self::Record => "GetObject of the record",
        })
    }
}

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
    /// AWS_MAX_ATTEMPTS: where nothing depends on their number, few tries take less time.
    tries: Option<&'static str>,
    timeout: u64,
    /// The key is named by its ARN, and not by the alias.
    by_arn: bool,
    /// A valid record lies there from the start.
    signed: bool,
    /// Another call that fails for ever.
    and: Option<(Call, Fault)>,
}

/// A row that ends with 0 in spite of the fault.
const fn row(note: &'static str, times: Times, fault: Fault) -> Row {
    Row {
        note,
        fault,
        times,
        end: End::Done("signed"),
        made: Made::Any,
        tries: None,
        // Long enough for a busy machine: what must end by itself does so much earlier.
        timeout: 60,
        by_arn: false,
        signed: false,
        and: None,
    }
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

    const fn tries(mut self, tries: &'static str) -> Self {
        self.tries = Some(tries);
        self
    }

    const fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    const fn by_arn(mut self) -> Self {
        self.by_arn = true;
        self
    }

    const fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    const fn and(mut self, call: Call, fault: Fault) -> Self {
        self.and = Some((call, fault));
        self
    }
}

/// The command at whose call the faults strike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    /// `sign` with credentials in the environment.
    Sign,
    /// `sign` in a job of GitHub Actions that assumes a role.
    SignInGitHub,
    /// `verify` of an image that is signed.
    Verify,
    /// The same, and S3 refuses to give the record.
    VerifyRefused,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sign => "sign",
            Self::SignInGitHub => "sign in GitHub",
            Self::Verify => "verify",
            Self::VerifyRefused => "verify without the record",
        })
    }
}

/// Runs every row of the tables at `call` of `command`, and tells of all that do not hold.
#[track_caller]
fn hold(command: Command, call: Call, tables: &[&'static [Row]]) {
    let rows: Vec<&'static Row> = tables.iter().flat_map(|table| table.iter()).collect();
    let broken = broken_of(&rows, |row| {
        check(command, call, row)
            .map_err(|why| format!("\n# {command}, {call}: {}\n{why}\n", row.note))
    });
    println!("{} rows for {call} of {command}", rows.len());
    assert!(broken.is_empty(), "{broken}");
}

fn check(command: Command, call: Call, row: &'static Row) -> Result<(), String> {
    let mut shop = match command {
        Command::SignInGitHub => Workshop::in_github(EVERYTHING),
        Command::Sign | Command::Verify | Command::VerifyRefused => Workshop::new(),
    };
    if let Some(tries) = row.tries {
        shop.desk.set("AWS_MAX_ATTEMPTS", tries);
    }
    let scene = Scene::of(&shop);
    let verifies = matches!(command, Command::Verify | Command::VerifyRefused);
    if row.signed || verifies {
        scene.store_another_record();
    }
    let also = match command {
        Command::VerifyRefused => Some(&REFUSED),
        _ => row.and.as_ref(),
    };
    let made = strike(&shop, &scene, call, row, also);
    let key = if row.by_arn {
        &shop.key
    } else {
        "alias/release-signer"
    };
    let (name, role) = match command {
        Command::Sign => ("sign", String::new()),
        Command::SignInGitHub => ("sign", format!(" --role-arn {ROLE_ARN}")),
        Command::Verify | Command::VerifyRefused => ("verify", String::new()),
    };
    let begun = Instant::now();
    let run = shop.s3lo(&format!(
        "{name} {} --key awskms:///{key}{role} -o json --timeout {}s",
        reference(),
        row.timeout
    ));
    let took = begun.elapsed();
    let made = made.load(Ordering::SeqCst);
    let mut broken = Broken::default();
    broken.unless_ended(&run, row.end, verifies);
    broken.unless(row.made.is(made), || format!("it was called {made} times"));
    // Only a run that is short of time may not come as far as the call.
    let struck = made > 0 || row.timeout < 60;
    broken.unless(struck, || "nothing struck".to_owned());
    // A guard against a run that never ends; how long a time-out takes is told by its code.
    broken.unless(took < Duration::from_secs(row.timeout + 20), || {
        format!("it took {took:?}")
    });
    broken.unless_readable(&run);
    if verifies {
        let stored = shop
            .s3
            .requests()
            .iter()
            .any(|asked| asked.starts_with("PUT"));
        broken.unless(!stored, || "who verifies stores nothing".to_owned());
    } else {
        let (records, signer) = (shop.records(), private_key());
        let key = verdict::Key {
            reference: "awskms:///alias/release-signer",
            public: signer.public(),
        };
        broken.unless_only_valid(&records, row.end, &reference(), key);
    }
    if call == Call::Assume {
        broken.unless_each_try_had_its_token(&shop);
    }
    if broken.0.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\n{made} calls, exit {:?}\n{}{}",
        broken.0.join("\n"),
        run.code,
        run.out,
        run.err
    ))
}

static REFUSED: (Call, Fault) = (Call::Record, of_s3::DENIED);

/// Lets the row's fault strike `call`, and `also` another one; how often the call was made.
fn strike(
    shop: &Workshop,
    scene: &Scene,
    call: Call,
    row: &'static Row,
    also: Option<&'static (Call, Fault)>,
) -> Arc<AtomicUsize> {
    let made = Arc::new(AtomicUsize::new(0));
    let struck = {
        let (made, scene) = (Arc::clone(&made), scene.clone());
        move |is_it: &dyn Fn(Call) -> bool, request: Option<&Request>| {
            if is_it(call) {
                let number = made.fetch_add(1, Ordering::SeqCst);
                return (number < row.times.0).then(|| row.fault.reply(&scene, request))?;
            }
            also.filter(|(call, _)| is_it(*call))
                .and_then(|(_, fault)| fault.reply(&scene, request))
        }
    };
    // Where nothing strikes S3 the guard stays, which asks for whose credentials these are.
    let at_s3 = |call: &Call| !call.is_of_aws();
    if at_s3(&call) || also.is_some_and(|(call, _)| at_s3(call)) {
        let struck = struck.clone();
        shop.s3
            .fault(move |asked| struck(&|call| call.is_to_s3(asked), Some(asked)));
    }
    shop.aws
        .fault(move |asked| struck(&|call| call.is_to_aws(asked), None));
    made
}

/// The tables count on it: the vector is the key of the workshop.
#[test]
fn the_key_of_the_workshop_is_the_one_that_judges() {
    let vector = Key::of_vector("p256-pkcs8");
    assert_eq!(vector.spki(), private_key().public().spki());
}
