//! What a run comes to, held against its row.

use s3lo::verdict::{self, Found, Policy, Verdict, judge, read_manifest};

use super::faults::{private_key, reference};
use super::{Call, Row};
use crate::support::MANIFEST;
use crate::support::program::Run;
use crate::support::workshop::Workshop;

/// How often the call is made.
#[derive(Clone, Copy)]
pub(super) enum Made {
    /// Whatever it takes.
    Any,
    AtLeast(usize),
    Exactly(usize),
}

/// How a run ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// 0: it is signed by this run (`signed`) or by another (`kept`), or verified.
    Done(&'static str),
    /// 1, and what a guard says.
    Guarded(&'static str),
    /// 1: there is no valid signature.
    Unverified,
    /// 2, and the code; where two are right, both with a bar between them.
    Failed(&'static str),
}

impl Made {
    pub(super) fn is(self, times: usize) -> bool {
        match self {
            Self::Any => true,
            Self::AtLeast(least) => times >= least,
            Self::Exactly(exactly) => times == exactly,
        }
    }
}

/// What does not hold of a row.
#[derive(Default)]
pub(super) struct Broken(pub(super) Vec<String>);

/// How a value of the SDK, or any of Rust, looks when it is printed for its programmer.
const DUMPS: [&str; 14] = [
    "SdkError",
    "ServiceError",
    "DispatchFailure",
    "ResponseError",
    "TimeoutError",
    "ConnectorError",
    "CredentialsError",
    "HttpResponse",
    "StatusCode(",
    "{ kind:",
    "Some(",
    "Err(",
    "unhandled error",
    "panicked",
];

impl Broken {
    pub(super) fn unless(&mut self, holds: bool, why: impl FnOnce() -> String) {
        if !holds {
            self.0.push(why());
        }
    }

    pub(super) fn unless_ended(&mut self, run: &Run, end: End, verifies: bool) {
        let exit = match end {
            End::Done(_) => 0,
            End::Guarded(_) | End::Unverified => 1,
            End::Failed(_) => 2,
        };
        self.unless(run.code == Some(exit), || {
            format!("it should exit with {exit}")
        });
        let Ok(json) = serde_json::from_str::<serde_json::Value>(&run.out) else {
            return self.0.push("it should print JSON".to_owned());
        };
        let (told, wanted) = match end {
            End::Done(status) if !verifies => (&json["status"], status),
            End::Done(_) => return self.unless(json["verified"] == true, || "not verified".into()),
            End::Unverified => {
                return self.unless(json["verified"] == false, || "it should not verify".into());
            }
            End::Guarded(code) | End::Failed(code) => (&json["error"]["code"], code),
        };
        let told = told.as_str().unwrap_or_default();
        let right = wanted.split('|').any(|wanted| wanted == told);
        self.unless(right, || {
            format!("it should say {wanted}, and says `{told}`")
        });
    }

    /// For people: no dump, nothing that a terminal would obey, and no sentence with a hole.
    pub(super) fn unless_readable(&mut self, run: &Run) {
        for text in [&run.out, &run.err] {
            let dump = DUMPS.iter().find(|dump| text.contains(**dump));
            self.unless(dump.is_none(), || format!("it dumps {dump:?}"));
            let odd = text.chars().any(|c| c.is_control() && c != '\n');
            self.unless(!odd, || "it prints control characters".to_owned());
            let hole = ["``", " : ", "  are", "for ,"]
                .iter()
                .find(|hole| text.contains(**hole));
            self.unless(hole.is_none(), || {
                format!("its sentence has a hole: {hole:?}")
            });
        }
    }

    pub(super) fn unless_only_valid_records(&mut self, shop: &Workshop, row: &Row) {
        let records = shop.records();
        let done = matches!(row.end, End::Done(_));
        self.unless(!done || records.len() == 1, || {
            format!("{} records", records.len())
        });
        // What was signed: a tag that is moved meanwhile holds something else now.
        let manifest = read_manifest(Found::Bytes(MANIFEST.as_bytes())).unwrap();
        let key = private_key();
        let key = verdict::Key {
            reference: "awskms:///alias/release-signer",
            public: key.public(),
        };
        for record in records {
            let found = Found::Bytes(&record);
            let verdict = judge(&manifest, found, &reference(), key, Policy::default());
            let valid = matches!(verdict, Verdict::Verified(_));
            self.unless(valid, || {
                format!("what is stored does not verify: {verdict:?}")
            });
        }
    }

    /// STS takes a token of GitHub once: a token that failed may be why it failed.
    pub(super) fn unless_each_try_had_its_token(&mut self, shop: &Workshop) {
        let calls = shop.aws.calls();
        let assumed = calls.iter().filter(|call| Call::Assume.is_to_aws(call));
        let mut tokens: Vec<_> = assumed
            .map(|call| call.body["WebIdentityToken"].to_string())
            .collect();
        let tried = tokens.len();
        tokens.sort_unstable();
        tokens.dedup();
        self.unless(tokens.len() == tried, || {
            "a token was used twice".to_owned()
        });
    }
}
