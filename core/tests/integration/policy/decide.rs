//! A decision from beginning to end: a document, an image and real records become one word.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex};

use ed25519_dalek::Signer as _;
use s3lo_core::crypto::algorithm::Algorithm;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::digest::Digest;
use s3lo_core::manifest::Manifest;
use s3lo_core::payload::{Schema, payload};
use s3lo_core::policy::decision::{Answer, Decision, Family, Vote};
use s3lo_core::policy::{Draft, Error, Key, Policy, Standing, Terms, Unselected};
use s3lo_core::record::{Record, Timestamp};
use s3lo_core::reference::Reference;
use s3lo_core::verdict::{self, Found, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{KNOWN, private_key, public_key};

/// The possible words of a decision.
pub(super) const WORDS: [&str; 4] = ["verified", "refused", "undecided", "error"];

/// All that a decision depends on.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) policy: Value,
    /// `SCHEME://ROOT/IMAGE`.
    pub(super) image: String,
    /// That of one of [`MANIFESTS`].
    pub(super) digest: Digest,
    /// RFC 3339.
    pub(super) now: String,
    /// The identity of each key, by its name in the policy. One that is missing is a service that does not answer, or a
    /// file that cannot be read.
    pub(super) keys: BTreeMap<String, String>,
    /// What is stored for each identity.
    pub(super) signatures: BTreeMap<String, Stored>,
}

/// What is stored for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stored {
    /// A valid signature of schema 1.
    #[serde(rename = "1")]
    V1,
    /// A valid signature of schema 2.
    #[serde(rename = "2")]
    V2,
    /// A signature of schema 2 of which a bit is wrong.
    Invalid,
    /// A record that names the key, with the signature of another.
    Forged,
    /// A signature of schema 2 over another manifest.
    OtherManifest,
    /// The same of schema 1.
    #[serde(rename = "other-manifest-1")]
    OtherManifestV1,
    /// A signature of schema 2 for another tag.
    OtherTag,
    /// Bytes that are no record.
    NoRecord,
    /// It could not be found out.
    Unknown,
}

/// The manifests that there are, the usual one first.
pub(super) static MANIFESTS: LazyLock<[Manifest; 3]> = LazyLock::new(|| {
    ["a", "b", "c"].map(|name| {
        let text =
            format!(r#"{{"schemaVersion":2,"manifests":[],"annotations":{{"name":"{name}"}}}}"#);
        Manifest::parse(text.as_bytes()).unwrap()
    })
});

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error(transparent)]
    Mistake(#[from] Error),
    #[error("the file of a key cannot be read")]
    NoFile,
}

/// The moment of an RFC 3339 text.
pub(super) fn moment(text: &str) -> Timestamp {
    let time = OffsetDateTime::parse(text, &Rfc3339).unwrap();
    Timestamp::from_unix_seconds(time.unix_timestamp().try_into().unwrap()).unwrap()
}

impl Input {
    /// Reads the policy, with the keys of the input.
    pub(super) fn read(&self) -> Result<Policy, Unread> {
        let text = serde_json::to_vec(&self.policy).unwrap();
        self.read_bytes(&text)
    }

    /// Reads the policy from another document.
    pub(super) fn read_bytes(&self, text: &[u8]) -> Result<Policy, Unread> {
        let policy = Draft::parse(text, KNOWN)?.complete(|key, _| {
            let identity = self.keys.get(&key.name).ok_or(Unread::NoFile)?;
            Ok::<_, Unread>(public_key(identity))
        })?;
        for key in policy.keys() {
            // A key that stands in the policy itself must be the one that the input names.
            let identity = self
                .keys
                .get(&key.name)
                .map(|identity| public_key(identity));
            assert!(
                key.public.is_none() || key.public == identity,
                "{}",
                key.name
            );
        }
        Ok(policy)
    }

    /// The word.
    pub(super) fn word(&self) -> &'static str {
        self.read().map_or("error", |policy| self.word_by(&policy))
    }

    /// The word of a policy that is read already.
    pub(super) fn word_by(&self, policy: &Policy) -> &'static str {
        let reference: Reference = format!("{}:v1", self.image).parse().unwrap();
        let selected = match policy.select(&reference) {
            Ok(selected) => selected,
            Err(Unselected::NoRule) => return "refused",
            Err(Unselected::Tie { .. }) => return "undecided",
        };
        let min_schema = match selected.rule.terms {
            Terms::Deny(_) => Schema::V2,
            Terms::Require { min_schema, .. } => min_schema,
        };
        let votes = selected.keys().into_iter().map(|number| {
            let key = selected.key(number).unwrap();
            self.vote(policy, key, &reference, min_schema)
        });
        let votes: Vec<_> = votes.collect();
        match selected.decide(&[self.digest], &votes).decision {
            Decision::Verified => "verified",
            Decision::Failed => "refused",
            Decision::Undecided => "undecided",
        }
    }

    fn vote(&self, policy: &Policy, key: &Key, reference: &Reference, least: Schema) -> Vote {
        let Some(identity) = self.keys.get(&key.name) else {
            let versions = !key.remote.as_ref().unwrap().starts_with("awskms://");
            let family = if versions {
                Family::Unknown
            } else {
                Family::Single
            };
            let answer = Answer::Unknown;
            return Vote { answer, family };
        };
        let public = public_key(identity);
        let family = Family::Known(vec![public.id()]);
        let counts = policy.standing(&public, Some(moment(&self.now))) == Standing::Counts;
        let answer = match self.signatures.get(identity) {
            _ if !counts => Answer::NotSigned,
            None => Answer::NotSigned,
            Some(Stored::Unknown) => Answer::Unknown,
            Some(stored) => answer(identity, *stored, reference, self.digest, least),
        };
        Vote { answer, family }
    }
}

fn manifest(digest: Digest) -> &'static Manifest {
    let mut all = MANIFESTS.iter();
    all.find(|manifest| manifest.digest() == digest)
        .expect("the digest of a manifest")
}

type Asked = (String, Stored, String, Digest, Schema);

/// The verdict on a record. It takes longer than all the rest, and the same is asked for often.
fn answer(
    identity: &str,
    stored: Stored,
    reference: &Reference,
    digest: Digest,
    least: Schema,
) -> Answer {
    static ANSWERS: LazyLock<Mutex<HashMap<Asked, Answer>>> = LazyLock::new(Mutex::default);
    let asked = (
        identity.to_owned(),
        stored,
        reference.to_string(),
        digest,
        least,
    );
    if let Some(answer) = ANSWERS.lock().unwrap().get(&asked) {
        return *answer;
    }
    let record = sign(identity, stored, reference, digest);
    let key = verdict::Key {
        reference: "test.pub",
        public: &public_key(identity),
    };
    let found = Found::Bytes(&record);
    let answer = match verdict::judge(manifest(digest), found, reference, key, least) {
        Verdict::Verified(_) => Answer::Signed,
        Verdict::Rejected(_) => Answer::NotSigned,
    };
    ANSWERS.lock().unwrap().insert(asked, answer);
    answer
}

fn sign(identity: &str, stored: Stored, reference: &Reference, digest: Digest) -> Vec<u8> {
    let schema = match stored {
        Stored::V1 | Stored::OtherManifestV1 => Schema::V1,
        _ => Schema::V2,
    };
    let signer = match stored {
        Stored::Forged => private_key("another"),
        _ => private_key(identity),
    };
    let digest = match stored {
        Stored::OtherManifest | Stored::OtherManifestV1 => Digest::of(b"another"),
        _ => digest,
    };
    let reference = match stored {
        Stored::OtherTag => format!("{}2", reference.unpinned()).parse().unwrap(),
        _ => reference.clone(),
    };
    let payload = payload(schema, &reference, digest);
    let mut signature = signer.sign(&payload).to_bytes();
    if stored == Stored::Invalid {
        signature[0] ^= 1;
    }
    let public: PublicKey = public_key(identity);
    let key = ("test.pub", public.id(), Algorithm::Ed25519);
    let signed_at = moment("2026-11-30T00:00:00Z");
    match stored {
        Stored::NoRecord => b"{}".to_vec(),
        _ => Record::new(schema, digest, &payload, &signature, key, signed_at).to_bytes(),
    }
}
