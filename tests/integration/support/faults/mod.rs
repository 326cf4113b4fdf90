//! Fault tables: a fault at each call × each kind of fault. For each row, what the run comes to, how often the
//! call is made, and that nothing is stored that does not verify.

pub(crate) mod outcome;
pub(crate) mod records;

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use s3lo_core::verdict;

use self::outcome::{Broken, End, Made};
use self::records::private_key;
use crate::support::program::{Run, Sandbox};

/// The services that a run asks, with a fault at one of their calls.
pub(crate) trait Services: Sized + 'static {
    /// A call that a run makes.
    type Call: Copy + Display + Sync;
    /// The fault.
    type Fault: Copy + Sync;
    /// The command that makes it.
    type Command: Copy + Display + Sync;

    /// The variable that limits the tries.
    const LIMIT: &str;
    /// The image, and the key as the command line names them.
    const IMAGE: &str;
    const KEY: &str;

    fn verifies(command: Self::Command) -> bool;

    /// The services for a command, without a fault.
    fn start(command: Self::Command) -> Self;

    fn sandbox(&mut self) -> &mut Sandbox;

    /// Stores the record of another signer with the same key.
    fn store_another_record(&self);

    /// Lets the row's fault strike `call`.
    fn strike(&self, command: Self::Command, call: Self::Call, row: &'static Row<Self>);

    /// The key and all flags but the common ones.
    fn flags(&self, command: Self::Command, row: &Row<Self>) -> String;

    /// How often the call was made.
    fn made(&self, call: Self::Call) -> usize;

    /// The records of the image.
    fn records(&self) -> Vec<Vec<u8>>;

    /// Further checks of these services.
    fn check(
        &self,
        broken: &mut Broken,
        at: (Self::Command, Self::Call),
        row: &Row<Self>,
        run: &Run,
    );
}

/// How often a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times(pub(crate) usize);

pub(crate) const ONCE: Times = Times(1);
pub(crate) const THRICE: Times = Times(3);
pub(crate) const EVER: Times = Times(usize::MAX);

/// A row of a table.
#[derive(Clone, Copy)]
pub(crate) struct Row<S: Services> {
    pub(crate) note: &'static str,
    pub(crate) fault: S::Fault,
    pub(crate) times: Times,
    pub(crate) end: End,
    made: Made,
    /// The value of [`Services::LIMIT`]: where nothing depends on the number of tries, few take less time.
    limit: Option<&'static str>,
    timeout: u64,
    /// A valid record lies there from the start.
    signed: bool,
    /// The key is named by its ARN, and not by the alias.
    pub(crate) by_arn: bool,
    /// Additional flags of the command line.
    pub(crate) flags: &'static str,
    /// Signatures that are asked for, where that does not follow from the outcome.
    pub(crate) signs: Option<usize>,
    /// Another call that fails for ever.
    pub(crate) and: Option<(S::Call, S::Fault)>,
}

/// A row that ends with 0 in spite of the fault.
pub(crate) const fn row<S: Services>(note: &'static str, times: Times, fault: S::Fault) -> Row<S> {
    Row {
        note,
        fault,
        times,
        end: End::Done("signed"),
        made: Made::Any,
        limit: None,
        // Long enough for a busy machine: a run that must end by itself does so much earlier.
        timeout: 60,
        signed: false,
        by_arn: false,
        flags: "",
        signs: None,
        and: None,
    }
}

/// A row whose fault strikes for ever, and which ends at once.
pub(crate) const fn refused<S: Services>(
    note: &'static str,
    code: &'static str,
    fault: S::Fault,
) -> Row<S> {
    row(note, EVER, fault).fails(code).made(1)
}

/// An answer that no signer gives: one call, and no other try.
pub(crate) const fn nonsense<S: Services>(note: &'static str, fault: S::Fault) -> Row<S> {
    refused(note, "signer_answered_nonsense", fault)
}

impl<S: Services> Row<S> {
    pub(crate) const fn fails(mut self, code: &'static str) -> Self {
        self.end = End::Failed(code);
        self
    }

    pub(crate) const fn guarded(mut self, code: &'static str) -> Self {
        self.end = End::Guarded(code);
        self
    }

    pub(crate) const fn unverified(mut self) -> Self {
        self.end = End::Unverified;
        self
    }

    pub(crate) const fn keeps(mut self) -> Self {
        self.end = End::Done("kept");
        self
    }

    pub(crate) const fn made(mut self, exactly: usize) -> Self {
        self.made = Made::Exactly(exactly);
        self
    }

    pub(crate) const fn at_least(mut self, times: usize) -> Self {
        self.made = Made::AtLeast(times);
        self
    }

    pub(crate) const fn limit(mut self, limit: &'static str) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) const fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    pub(crate) const fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    pub(crate) const fn by_arn(mut self) -> Self {
        self.by_arn = true;
        self
    }

    pub(crate) const fn flags(mut self, flags: &'static str) -> Self {
        self.flags = flags;
        self
    }

    pub(crate) const fn signs(mut self, exactly: usize) -> Self {
        self.signs = Some(exactly);
        self
    }

    pub(crate) const fn and(mut self, call: S::Call, fault: S::Fault) -> Self {
        self.and = Some((call, fault));
        self
    }
}

/// Runs every row of the tables at `call` of `command`, and fails with all that do not hold. The runs wait for
/// most of their time, so that several at once are no slower than one.
#[track_caller]
pub(crate) fn hold<S: Services>(command: S::Command, call: S::Call, tables: &[&'static [Row<S>]]) {
    let rows: Vec<&'static Row<S>> = tables.iter().flat_map(|table| table.iter()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut broken = String::new();
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(why) = check(command, call, row) {
                broken.push_str(&format!("\n# {command}, {call}: {}\n{why}\n", row.note));
            }
        }
        broken
    };
    let broken: String = std::thread::scope(|scope| {
        let running: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|thread| thread.join().unwrap());
        ended.collect()
    });
    println!("{} rows for {call} of {command}", rows.len());
    assert!(broken.is_empty(), "{broken}");
}

fn check<S: Services>(
    command: S::Command,
    call: S::Call,
    row: &'static Row<S>,
) -> Result<(), String> {
    let verifies = S::verifies(command);
    let mut services = S::start(command);
    if let Some(limit) = row.limit {
        services.sandbox().set(S::LIMIT, limit);
    }
    if row.signed || verifies {
        services.store_another_record();
    }
    services.strike(command, call, row);
    let line = format!(
        "{} {} {} -o json --timeout {}s",
        if verifies { "verify" } else { "sign" },
        S::IMAGE,
        services.flags(command, row),
        row.timeout
    );
    let begun = Instant::now();
    let run = services.sandbox().s3lo(&line);
    let took = begun.elapsed();
    let made = services.made(call);
    let mut broken = Broken::default();
    broken.unless_ended(&run, row.end, verifies);
    broken.unless(row.made.is(made), || format!("it was called {made} times"));
    // Only a run that is short of time may not come as far as the call.
    let struck = made > 0 || row.timeout < 60;
    broken.unless(struck, || "nothing struck".to_owned());
    // A guard against a run that never ends; the code of a time-out covers its duration.
    broken.unless(took < Duration::from_secs(row.timeout + 20), || {
        format!("it took {took:?}")
    });
    broken.unless_readable(&run);
    let records = services.records();
    if verifies {
        broken.unless(records.len() == 1, || "verify stored something".to_owned());
    } else {
        let signer = private_key();
        let key = verdict::Key {
            reference: S::KEY,
            public: signer.public(),
        };
        broken.unless_only_valid(&records, row.end, &S::IMAGE.parse().unwrap(), key);
    }
    services.check(&mut broken, (command, call), row, &run);
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
