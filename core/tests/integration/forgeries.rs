//! Flipping any bit of manifest, signature or key, and changing or swapping any of `schemaVersion`,
//! `digest`, `keyID`, `signature` and `payload`, is refused; `keyRef`, `algorithm` and `signedAt` alter
//! no verdict.

mod malleable;

use std::num::NonZero;
use std::sync::Mutex;
use std::{fs, thread};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::digest::Digest;
use s3lo_core::manifest::Manifest;
use s3lo_core::payload::{Schema, payload};
use s3lo_core::reference::Reference;
use s3lo_core::verdict;
use s3lo_core::verdict::{Found, Key, Verdict};
use serde_json::{Map, Value};

use self::malleable::{order, other_form};
use crate::vectors;

/// The fields on which a verdict depends.
const BOUND: [&str; 5] = ["schemaVersion", "digest", "keyID", "signature", "payload"];

/// The fields that are not signed.
const CLAIMS: [&str; 3] = ["keyRef", "algorithm", "signedAt"];

pub(crate) const IMAGES: [&str; 2] = ["myapp:v1.0", "team/service:2026.11-rc.1"];

pub(crate) const SCHEMAS: [(Schema, &str); 2] =
    [(Schema::V1, "store-v1"), (Schema::V2, "store-v2")];

/// An image of the vectors with one of its records.
#[derive(Clone)]
struct Signed {
    name: String,
    schema: Schema,
    reference: Reference,
    manifest: Vec<u8>,
    record: Map<String, Value>,
    key: PublicKey,
}

impl Signed {
    fn read(schema: Schema, store: &str, image: &str, key_name: &str) -> Self {
        let key = fs::read(vectors().join(format!("keys/{key_name}.pub"))).unwrap();
        let key = PublicKey::from_pem(&key).unwrap();
        let reference: Reference = format!("local://./{store}/{image}").parse().unwrap();
        let store = vectors().join(store);
        let record = fs::read(store.join(reference.record_key(&key.id()))).unwrap();
        Self {
            name: format!("{key_name} {store:?} {image}"),
            schema,
            manifest: fs::read(store.join(reference.manifest_key())).unwrap(),
            record: serde_json::from_slice(&record).unwrap(),
            reference,
            key,
        }
    }

    /// Judges with the record's own schema as the minimum.
    fn verdict(&self) -> Option<Verdict> {
        self.verdict_from(self.schema)
    }

    /// `None` if the manifest is malformed, which refuses the image before any record is read.
    fn verdict_from(&self, min_schema: Schema) -> Option<Verdict> {
        let manifest = Manifest::parse(&self.manifest).ok()?;
        let record = serde_json::to_vec(&self.record).unwrap();
        Some(verdict::judge(
            &manifest,
            Found::Bytes(&record),
            &self.reference,
            Key {
                reference: "key.pub",
                public: &self.key,
            },
            min_schema,
        ))
    }

    fn is_verified(&self) -> bool {
        matches!(self.verdict(), Some(Verdict::Verified(_)))
    }

    fn with(&self, field: &str, value: impl Into<Value>) -> Self {
        let mut changed = self.clone();
        changed.record.insert(field.to_owned(), value.into());
        changed
    }

    fn without(&self, field: &str) -> Self {
        let mut changed = self.clone();
        changed.record.remove(field);
        changed
    }

    fn signature(&self) -> Vec<u8> {
        BASE64
            .decode(self.record["signature"].as_str().unwrap())
            .unwrap()
    }

    fn with_signature(&self, signature: &[u8]) -> Self {
        self.with("signature", BASE64.encode(signature))
    }

    /// Rewrites the record for `digest`, so that only the signature check can refuse it.
    fn with_digest(&self, digest: Digest) -> Self {
        let changed = self.with("digest", digest.to_string());
        match self.schema {
            Schema::V1 => {
                let payload = payload(Schema::V1, &self.reference, digest);
                changed.with("payload", BASE64.encode(payload))
            }
            _ => changed,
        }
    }
}

/// One image in both stores, signed with every key of the vectors.
fn every_key() -> Vec<Signed> {
    let mut keys: Vec<String> = fs::read_dir(vectors().join("keys"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".pub")?.to_owned()))
        .collect();
    keys.sort();
    assert!(keys.len() >= 11, "{keys:?}");
    let signed: Vec<Signed> = SCHEMAS
        .iter()
        .flat_map(|(schema, store)| {
            let read = |key: &String| Signed::read(*schema, store, IMAGES[0], key);
            keys.iter().map(read).collect::<Vec<_>>()
        })
        .collect();
    signed
        .iter()
        .for_each(|signed| assert!(signed.is_verified(), "{}", signed.name));
    signed
}

/// `bytes` with one bit flipped, for every bit.
fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

/// Runs `judge` on every item, on every processor, and sums up how many forgeries it judged. It
/// panics on one that was accepted.
fn count(items: &[Signed], judge: impl Fn(&Signed) -> usize + Sync) -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    // The slowest keys come last in the alphabet, so the queue is taken from its end.
    let queue = Mutex::new(items.iter());
    thread::scope(|scope| {
        let work = || {
            let mut judged = 0;
            loop {
                let next = queue.lock().unwrap().next_back();
                let Some(item) = next else { return judged };
                judged += judge(item);
            }
        };
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    })
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let flips = count(&every_key(), |signed| {
        let mut judged = 0;
        for signature in flips(&signed.signature()) {
            assert!(
                !signed.with_signature(&signature).is_verified(),
                "{}",
                signed.name
            );
            judged += 1;
        }
        judged
    });
    println!("signatures: {flips} flips, 0 accepted");
    assert!(flips > 20_000);
}

#[test]
fn every_flipped_bit_of_a_manifest_is_refused() {
    let judged = count(&every_key(), |signed| {
        let mut judged = 0;
        for (bit, manifest) in flips(&signed.manifest).enumerate() {
            let mut forged = signed.clone();
            forged.manifest = manifest;
            assert!(!forged.is_verified(), "{}", signed.name);
            judged += 1;
            // With the record's digest and payload rewritten, the signature alone refuses it. That
            // is judged for each 13th bit, for the curves are slow: 13 and 8 have no common divisor,
            // so every position in a byte is flipped.
            if bit % 13 == 0 {
                let forged = forged.with_digest(Digest::of(&forged.manifest));
                assert!(!forged.is_verified(), "{}", signed.name);
                judged += 1;
            }
        }
        judged
    });
    println!("manifests: {judged} flips, 0 accepted");
    assert!(judged > 80_000);
}

#[test]
fn every_flipped_bit_of_a_public_key_is_refused() {
    let read = Mutex::new(0);
    let judged = count(&every_key(), |signed| {
        let mut judged = 0;
        for spki in flips(signed.key.spki()) {
            judged += 1;
            let Ok(key) = PublicKey::from_spki(&spki) else {
                continue;
            };
            *read.lock().unwrap() += 1;
            assert_ne!(key.id(), signed.key.id());
            let id = key.id().to_string();
            let mut forged = signed.clone();
            forged.key = key;
            assert!(!forged.is_verified(), "{}", signed.name);
            // With the flipped key's ID in the record, the signature check alone refuses it.
            assert!(!forged.with("keyID", id).is_verified(), "{}", signed.name);
        }
        judged
    });
    let read = read.into_inner().unwrap();
    println!("keys: {judged} flips, of which {read} are keys, 0 accepted");
    assert!(judged > 20_000 && read > 10_000);
}

#[test]
fn every_mixture_of_two_records_is_refused() {
    let keys = ["cosign", "p256-sec1", "p384", "rsa2048", "ed25519"];
    let mut records = Vec::new();
    for (schema, store) in SCHEMAS {
        for image in IMAGES {
            records.extend(keys.map(|key| Signed::read(schema, store, image, key)));
        }
    }
    let unchanged = Mutex::new(0);
    let judged = count(&records, |target| {
        let mut judged = 0;
        for donor in &records {
            // Each subset of the fields is taken from the donor.
            for subset in 1_u32..1 << BOUND.len() {
                let mut mixed = target.clone();
                for (index, field) in BOUND.into_iter().enumerate() {
                    if subset & (1 << index) != 0 {
                        mixed.record.remove(field);
                        let taken = donor.record.get(field).cloned();
                        mixed
                            .record
                            .extend(taken.map(|value| (field.to_owned(), value)));
                    }
                }
                let same = mixed.record == target.record;
                assert_eq!(mixed.is_verified(), same, "{} {}", target.name, donor.name);
                judged += usize::from(!same);
                *unchanged.lock().unwrap() += usize::from(same);
            }
        }
        judged
    });
    let unchanged = unchanged.into_inner().unwrap();
    println!("mixtures: {judged} judged, 0 accepted; {unchanged} changed nothing and verify");
    assert!(judged > 9_000 && unchanged > 0);
}

#[test]
fn every_change_of_a_bound_field_is_refused() {
    let judged = count(&every_key(), |signed| {
        let mut judged = 0;
        let mut refuse = |forged: Signed| {
            assert!(!forged.is_verified(), "{} {:?}", signed.name, forged.record);
            judged += 1;
        };
        for field in BOUND {
            let Some(value) = signed.record.get(field) else {
                // Schema 2 has no payload: one that is added is refused.
                refuse(signed.with(field, ""));
                continue;
            };
            refuse(signed.without(field));
            for other in [Value::Null, true.into(), 0.into(), 3.into(), "".into()] {
                refuse(signed.with(field, other));
            }
            let Some(text) = value.as_str() else { continue };
            // Each character in turn becomes another, is left out, or stands twice.
            for (at, character) in text.char_indices() {
                let (before, after) = (&text[..at], &text[at + 1..]);
                let neighbour = if character == 'A' { 'B' } else { 'A' };
                refuse(signed.with(field, format!("{before}{neighbour}{after}")));
                refuse(signed.with(field, format!("{before}{after}")));
                refuse(signed.with(field, format!("{before}{character}{character}{after}")));
            }
        }
        judged
    });
    println!("changes: {judged} judged, 0 accepted");
    assert!(judged > 10_000);
}

#[test]
fn unsigned_fields_never_change_a_verdict() {
    let judged = count(&every_key(), |signed| {
        let refused = signed.with_signature(&[]);
        let reason = refused.verdict();
        let mut judged = 0;
        for field in CLAIMS {
            let values = [
                Value::Null,
                true.into(),
                7.into(),
                "".into(),
                "awskms:///alias/other".into(),
                "none".into(),
                "1970-01-01T00:00:00Z".into(),
                vec!["x"].into(),
                Map::new().into(),
            ];
            let changed = values.into_iter().map(|value| (Some(value), field));
            for (value, field) in changed.chain([(None, field)]) {
                let change = |signed: &Signed| match &value {
                    Some(value) => signed.with(field, value.clone()),
                    None => signed.without(field),
                };
                assert!(change(signed).is_verified(), "{} {field}", signed.name);
                assert_eq!(change(&refused).verdict(), reason, "{}", signed.name);
                judged += 2;
            }
        }
        judged
    });
    println!("claims: {judged} changed, 0 verdicts altered");
}

/// References to which a manifest and its record could be copied.
const ELSEWHERE: [&str; 9] = [
    "local://./STORE/myapp:v1.1",
    "local://./STORE/myapp:V1.0",
    "local://./STORE/other:v1.0",
    "local://./STORE/myapp/x:v1.0",
    "local://./store/myapp:v1.0",
    "local://../STORE/myapp:v1.0",
    "local://STORE/myapp:v1.0",
    "s3://STORE/myapp:v1.0",
    "s3://other/team/myapp:v1.0",
];

fn transplanted(signed: &Signed) -> impl Iterator<Item = Signed> + '_ {
    let store = signed.reference.root().trim_start_matches("./");
    ELSEWHERE.into_iter().map(move |target| {
        let mut moved = signed.clone();
        moved.reference = target.replace("STORE", store).parse().unwrap();
        moved
    })
}

#[test]
fn a_schema_2_record_that_was_copied_elsewhere_is_refused() {
    let mut judged = 0;
    for signed in every_key()
        .iter()
        .filter(|signed| signed.schema == Schema::V2)
    {
        for moved in transplanted(signed) {
            assert!(!moved.is_verified(), "{} {}", signed.name, moved.reference);
            judged += 1;
        }
    }
    println!("transplants of schema 2: {judged} judged, 0 accepted");
}

/// Schema 1 does not bind tag, image and store; `--min-schema 2` does.
#[test]
fn a_schema_1_record_that_was_copied_elsewhere_is_accepted_unless_schema_2_is_required() {
    let mut judged = 0;
    for signed in every_key()
        .iter()
        .filter(|signed| signed.schema == Schema::V1)
    {
        for moved in transplanted(signed) {
            assert!(moved.is_verified(), "{} {}", signed.name, moved.reference);
            let verdict = moved.verdict_from(Schema::V2);
            assert!(matches!(verdict, Some(Verdict::Rejected(_))), "{verdict:?}");
            judged += 1;
        }
    }
    println!("transplants of schema 1: {judged} accepted by default, 0 where 2 is required");
}

/// Neither schema binds the kind of store. A record of `local://b` verifies in the bucket `b`.
#[test]
fn a_schema_2_record_does_not_bind_the_scheme() {
    let local: Reference = "local://b/app:v1".parse().unwrap();
    let bucket: Reference = "s3://b/app:v1".parse().unwrap();
    let digest = Digest::of(b"manifest");
    assert_eq!(
        payload(Schema::V2, &local, digest),
        payload(Schema::V2, &bucket, digest)
    );
}

#[test]
fn a_pin_refuses_every_other_manifest() {
    for signed in every_key() {
        let mut pinned = signed.clone();
        pinned.reference = pinned.reference.pinned(Digest::of(&signed.manifest));
        assert!(pinned.is_verified(), "{}", signed.name);
        pinned.reference = pinned.reference.pinned(Digest::of(b"another"));
        assert!(!pinned.is_verified(), "{}", signed.name);
    }
}

/// By design: KMS and Vault emit high and low halves alike, and nothing depends on a
/// record being the only one for its signature.
#[test]
fn the_other_form_of_an_ecdsa_signature_verifies_too() {
    let mut judged = 0;
    for signed in every_key() {
        let Some(order) = order(&signed.key) else {
            continue;
        };
        let der = signed.signature();
        let other = other_form(&der, &order);
        assert_ne!(other, der);
        assert!(
            signed.with_signature(&other).is_verified(),
            "{}",
            signed.name
        );
        assert_eq!(other_form(&other, &order), der);
        judged += 1;
    }
    println!("{judged} signatures verify in both forms");
    assert!(judged >= 16);
}
