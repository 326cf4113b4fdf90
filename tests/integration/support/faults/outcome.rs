//! The outcome of a run, compared with its row.

use s3lo_core::payload::Schema;
use s3lo_core::reference::Reference;
use s3lo_core::verdict;
use s3lo_core::verdict::{Found, Verdict, judge, read_manifest};

use crate::support::MANIFEST;
use crate::support::program::Run;

/// How often the call is made.
#[derive(Clone, Copy)]
pub(crate) enum Made {
    /// Any number.
    Any,
    AtLeast(usize),
    Exactly(usize),
}

/// How a run ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// 0: it is signed by this run (`signed`) or by another (`kept`), or verified.
    Done(&'static str),
    /// 1, and the reason of a guard.
    Guarded(&'static str),
    /// 1: there is no valid signature.
    Unverified,
    /// 2, and the code; where two are right, both with a bar between them.
    Failed(&'static str),
}

impl Made {
    pub(crate) fn is(self, times: usize) -> bool {
        match self {
            Self::Any => true,
            Self::AtLeast(least) => times >= least,
            Self::Exactly(exactly) => times == exactly,
        }
    }
}

/// The expectations that a row does not meet.
#[derive(Default)]
pub(crate) struct Broken(pub(crate) Vec<String>);

/// The debug form of a value of the SDK, or of any in Rust.
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

/// A debug dump in a text: a type of the SDK, a struct with its fields, or a variant with its
/// contents, as in `Other(OtherError(…))`.
pub(crate) fn dump_in(text: &str) -> Option<String> {
    if let Some(dump) = DUMPS.iter().find(|dump| text.contains(**dump)) {
        return Some((*dump).to_owned());
    }
    let words = text.split(|c: char| !(c.is_alphanumeric() || "(){}:_".contains(c)));
    let camel = |word: &str| {
        let name = word.split(['(', '{']).next().unwrap_or_default();
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.len() > 1
            && name.chars().any(|c| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let variant = camel(word) && word.contains('(') && !word.contains("()");
        let fields = camel(word) && words.peek() == Some(&"{");
        if variant || fields {
            return Some(word.to_owned());
        }
    }
    None
}

impl Broken {
    pub(crate) fn unless(&mut self, holds: bool, why: impl FnOnce() -> String) {
        if !holds {
            self.0.push(why());
        }
    }

    pub(crate) fn unless_ended(&mut self, run: &Run, end: End, verifies: bool) {
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
        let (reported, wanted) = match end {
            End::Done(status) if !verifies => (&json["status"], status),
            End::Done(_) => return self.unless(json["verified"] == true, || "not verified".into()),
            End::Unverified => {
                return self.unless(json["verified"] == false, || "it should not verify".into());
            }
            End::Guarded(code) | End::Failed(code) => (&json["error"]["code"], code),
        };
        let reported = reported.as_str().unwrap_or_default();
        let right = wanted.split('|').any(|wanted| wanted == reported);
        self.unless(right, || {
            format!("it should report {wanted}, and reports `{reported}`")
        });
    }

    /// For people: no dump, nothing that a terminal would obey, and no sentence with a hole.
    pub(crate) fn unless_readable(&mut self, run: &Run) {
        for text in [&run.out, &run.err] {
            let dump = dump_in(text);
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

    /// A run that is done leaves one record, and no run one that `key` did not sign. They are compared with
    /// the signed digests: a tag that is moved meanwhile holds something else now.
    pub(crate) fn unless_only_valid(
        &mut self,
        records: &[Vec<u8>],
        end: End,
        reference: &Reference,
        key: verdict::Key<'_>,
    ) {
        let done = matches!(end, End::Done(_));
        self.unless(!done || records.len() == 1, || {
            format!("{} records", records.len())
        });
        let manifest = read_manifest(Found::Bytes(MANIFEST.as_bytes())).unwrap();
        for record in records {
            let found = Found::Bytes(record);
            let verdict = judge(&manifest, found, reference, key, Schema::V1);
            let valid = matches!(verdict, Verdict::Verified(_));
            self.unless(valid, || {
                format!("what is stored does not verify: {verdict:?}")
            });
        }
    }
}

#[test]
fn a_dump_is_recognised() {
    for text in [
        "Error { code: \"AccessDenied\", message: \"x\" }",
        "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
        "code: 404. Response { status: 404",
        "only valid for IpAddress(127.0.0.1)",
    ] {
        assert!(dump_in(text).is_some(), "{text}");
    }
    for text in [
        "KMS refused: AccessDeniedException (400): User: arn:aws:iam::1:user/x",
        r#"add: `{"Effect": "Allow", "Action": "kms:Sign"}`"#,
        "no identity token (a JWT); `$(date)`, `permissions: {id-token: write}`",
        "of the organization (SCP)",
    ] {
        assert_eq!(dump_in(text), None, "{text}");
    }
}
