//! Two writers at the same tag at the same moment: each race of the last step
//! of a signature, played.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use s3lo::diagnostic::SharedError;
use s3lo::image::Image;
use s3lo::key::registry;
use s3lo::key::signer::{Signature, Signer};
use s3lo::sign::{Error, IfSigned, Key, Options, Signed, Status, sign};
use s3lo::{key, store};
use s3lo_core::crypto::private::PrivateKey;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::payload::Schema;
use s3lo_core::reference::Reference;
use s3lo_core::verdict;
use s3lo_core::verdict::{Found, Verdict, judge, read_manifest};

use crate::store::conformance::wait_for;
use crate::support::MANIFEST;
use crate::support::memory::MemoryStore;

const REF: &str = "s3://bucket/myapp:v1.0";
const MANIFEST_KEY: &str = "manifests/myapp/v1.0/manifest.json";

/// A signer that counts, and may answer nonsense.
struct Counting {
    key: Arc<PrivateKey>,
    made: Arc<AtomicU32>,
    answer: fn(Vec<u8>) -> Vec<u8>,
}

#[async_trait]
impl Signer for Counting {
    fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    async fn sign(&self, payload: &[u8]) -> Result<Signature, key::error::Error> {
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(Signature {
            bytes: (self.answer)(self.key.sign(payload).unwrap()),
            request_id: None,
        })
    }
}

struct Scene {
    store: MemoryStore,
    key: Arc<PrivateKey>,
    made: Arc<AtomicU32>,
    answer: fn(Vec<u8>) -> Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let store = MemoryStore::default();
        store.put(MANIFEST_KEY, MANIFEST.as_bytes());
        Self {
            store,
            key: Arc::new(PrivateKey::generate().unwrap()),
            made: Arc::default(),
            answer: |signature| signature,
        }
    }

    fn options(if_signed: IfSigned) -> Options {
        Options {
            schema: Some(Schema::V1),
            if_signed,
            deadline: tokio::time::Instant::now() + Duration::from_secs(60),
            now: SystemTime::now,
            dry_run: false,
            pause: Duration::ZERO,
        }
    }

    fn sign(&self, if_signed: IfSigned) -> Result<Signed, Error> {
        self.sign_by(&Self::options(if_signed))
    }

    fn sign_by(&self, options: &Options) -> Result<Signed, Error> {
        let signer: Arc<dyn Signer> = Arc::new(Counting {
            key: Arc::clone(&self.key),
            made: Arc::clone(&self.made),
            answer: self.answer,
        });
        let reference = registry::parse("test.key").unwrap();
        let keys = [Key::new(reference, async move { Ok(signer) })];
        let image = Image {
            reference: reference_(),
            store: Arc::new(self.store.clone()),
        };
        wait_for(sign(&image, &keys, options)).remove(0)
    }

    fn record_key(&self) -> String {
        reference_().record_key(&self.key.public().id())
    }

    /// Another writer stores `record` right before ours is created.
    fn overtaken_by(&self, record: Vec<u8>) {
        let key = self.record_key();
        let put = move |store: &MemoryStore| store.put(&key, &record);
        self.store.before_each_call(once("create", put));
    }

    /// A valid record, as another signer with the same key makes it.
    fn other_record(&self, schema: Schema) -> Vec<u8> {
        let other = Self {
            store: MemoryStore::default(),
            made: Arc::default(),
            key: Arc::clone(&self.key),
            answer: |s| s,
        };
        other.store.put(MANIFEST_KEY, MANIFEST.as_bytes());
        let options = Options {
            now: earlier,
            schema: Some(schema),
            ..Self::options(IfSigned::Keep)
        };
        other.sign_by(&options).unwrap();
        other.store.get(&self.record_key()).unwrap()
    }

    #[track_caller]
    fn record_is_valid(&self) {
        let verdict = self.verdict();
        assert!(matches!(verdict, Verdict::Verified(_)), "{verdict:?}");
    }

    /// The verdict of the record that is there on the manifest that is there.
    fn verdict(&self) -> Verdict {
        let manifest = self.store.get(MANIFEST_KEY).unwrap();
        let manifest = read_manifest(Found::Bytes(&manifest)).unwrap();
        let record = self.store.get(&self.record_key()).unwrap();
        let key = verdict::Key {
            reference: "test.key",
            public: self.key.public(),
        };
        judge(
            &manifest,
            Found::Bytes(&record),
            &reference_(),
            key,
            Schema::V1,
        )
    }

    /// The calls are those of one write, the record's `call`.
    #[track_caller]
    fn wrote_once_by(&self, call: &str) {
        let record = format!("{call} {}.json", self.key.public().id());
        let calls = [
            "read manifest.json",
            "list signatures",
            record.as_str(),
            "read manifest.json",
        ];
        assert_eq!(self.store.calls(), calls);
    }

    fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }
}

/// A time before that of any test.
fn earlier() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn reference_() -> Reference {
    REF.parse().unwrap()
}

/// Runs `act` once, right before the first call of this kind.
fn once(
    call: &'static str,
    act: impl Fn(&MemoryStore) + Send + 'static,
) -> impl FnMut(&MemoryStore, &str, &str) -> Result<(), store::Error> + Send {
    let mut acted = false;
    move |store, now, _| {
        if now == call && !acted {
            acted = true;
            act(store);
        }
        Ok(())
    }
}

#[test]
fn a_signature_takes_six_calls_in_three_rounds() {
    let scene = Scene::new();
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Signed);
    scene.wrote_once_by("create");
    scene.record_is_valid();
}

#[test]
fn a_tag_that_moves_before_the_record_is_stored_is_noticed() {
    let scene = Scene::new();
    let moved = MANIFEST.replace("[]", "[ ]");
    scene.store.before_each_call(once("create", move |store| {
        store.put(MANIFEST_KEY, moved.as_bytes())
    }));
    let error = scene.sign(IfSigned::Keep).unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error:?}");
    assert!(error.is_guard());
    // The record stays, and proves nothing about the present image.
    let verdict = scene.verdict();
    assert!(matches!(
        verdict,
        Verdict::Rejected(verdict::Reason::ManifestChanged { .. })
    ));
}

#[test]
fn a_tag_that_moves_before_a_valid_record_is_found_is_noticed() {
    for mode in [IfSigned::Keep, IfSigned::Fail] {
        let scene = Scene::new();
        let (key, other) = (scene.record_key(), scene.other_record(Schema::V1));
        scene.store.put(&key, &other);
        let moved = MANIFEST.replace("[]", "[ ]");
        scene.store.before_each_call(once("list", move |store| {
            store.put(MANIFEST_KEY, moved.as_bytes());
        }));
        let error = scene.sign(mode).unwrap_err();
        assert!(matches!(error, Error::Moved { .. }), "{error:?}");
    }
}

#[test]
fn a_tag_that_vanishes_or_becomes_a_flood_is_noticed() {
    for put in [None, Some(vec![b'x'; 5 << 20])] {
        let scene = Scene::new();
        scene
            .store
            .before_each_call(once("create", move |store| match &put {
                None => store.remove(MANIFEST_KEY),
                Some(bytes) => store.put(MANIFEST_KEY, bytes),
            }));
        assert!(matches!(
            scene.sign(IfSigned::Keep),
            Err(Error::Moved { .. })
        ));
    }
}

#[test]
fn the_same_manifest_pushed_again_is_no_move() {
    let scene = Scene::new();
    scene.store.before_each_call(once("create", |store| {
        store.put(MANIFEST_KEY, MANIFEST.as_bytes())
    }));
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Signed);
}

#[test]
fn a_valid_record_of_a_faster_signer_is_kept() {
    let scene = Scene::new();
    let other = scene.other_record(Schema::V1);
    scene.overtaken_by(other.clone());
    let signed = scene.sign(IfSigned::Keep).unwrap();
    assert_eq!(signed.status, Status::Kept);
    assert_eq!(
        signed.signed_at.unwrap().to_string(),
        "2023-11-14T22:13:20Z"
    );
    assert_eq!(scene.store.get(&scene.record_key()), Some(other));
}

#[test]
fn a_faster_signer_is_refused_under_fail_and_replaced_under_replace() {
    let scene = Scene::new();
    let other = scene.other_record(Schema::V1);
    scene.overtaken_by(other);
    assert!(matches!(
        scene.sign(IfSigned::Fail),
        Err(Error::AlreadySigned { .. })
    ));

    let scene = Scene::new();
    let other = scene.other_record(Schema::V1);
    scene.overtaken_by(other.clone());
    assert_eq!(
        scene.sign(IfSigned::Replace).unwrap().status,
        Status::Signed
    );
    assert_ne!(scene.store.get(&scene.record_key()), Some(other));
    scene.record_is_valid();
}

#[test]
fn a_faster_signer_with_a_higher_schema_is_not_lowered() {
    let scene = Scene::new();
    let other = scene.other_record(Schema::V2);
    scene.overtaken_by(other);
    assert!(matches!(
        scene.sign(IfSigned::Keep),
        Err(Error::HigherSchema { .. })
    ));
}

#[test]
fn an_invalid_record_that_appears_is_replaced_in_its_version() {
    for torn in [b"{".to_vec(), Vec::new(), vec![b'x'; 70_000]] {
        let scene = Scene::new();
        scene.overtaken_by(torn);
        assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Signed);
        scene.record_is_valid();
        assert_eq!(scene.made(), 1, "one signature serves both attempts");
    }
}

#[test]
fn a_record_that_vanishes_again_is_created_in_the_next_round() {
    let scene = Scene::new();
    let key = scene.record_key();
    scene.store.put(&key, b"{");
    let gone = key;
    scene
        .store
        .before_each_call(once("replace", move |store| store.remove(&gone)));
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Signed);
    scene.record_is_valid();
}

#[test]
fn a_record_that_changes_between_look_and_replace_is_looked_at_again() {
    let scene = Scene::new();
    let (key, other) = (scene.record_key(), scene.other_record(Schema::V1));
    scene.store.put(&key, b"{");
    let changed = key.clone();
    let theirs = other.clone();
    scene
        .store
        .before_each_call(once("replace", move |store| store.put(&changed, &theirs)));
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Kept);
    assert_eq!(scene.store.get(&key), Some(other));
}

#[test]
fn a_tag_that_moves_while_a_race_is_settled_is_noticed() {
    let scene = Scene::new();
    let key = scene.record_key();
    scene.store.put(&key, b"{");
    let changed = key;
    scene.store.before_each_call(once("replace", move |store| {
        store.put(&changed, b"{{");
        store.put(MANIFEST_KEY, MANIFEST.replace("[]", "[ ]").as_bytes());
    }));
    assert!(matches!(
        scene.sign(IfSigned::Keep),
        Err(Error::Moved { .. })
    ));
}

#[test]
fn rounds_are_bounded() {
    let scene = Scene::new();
    let key = scene.record_key();
    let mut count = 0;
    scene.store.before_each_call(move |store, call, _| {
        if call == "create" || call == "replace" {
            count += 1;
            store.put(&key, format!("{{{count}").as_bytes());
        }
        Ok(())
    });
    let error = scene.sign(IfSigned::Keep).unwrap_err();
    assert!(matches!(error, Error::Unsettled { .. }), "{error:?}");
    assert!(!error.is_guard());
}

#[test]
fn a_repeated_request_recognises_its_own_record() {
    // The first try succeeded and its answer was lost: the second one finds the first one's object.
    for mode in [IfSigned::Keep, IfSigned::Fail, IfSigned::Replace] {
        let mut scene = Scene::new();
        scene.store.loses_answers = true;
        assert_eq!(scene.sign(mode).unwrap().status, Status::Signed);
        scene.record_is_valid();
    }
}

#[test]
fn on_a_store_that_ignores_conditions_the_last_writer_wins_and_a_move_is_still_noticed() {
    let mut scene = Scene::new();
    scene.store.ignores_conditions = true;
    let other = scene.other_record(Schema::V1);
    scene.overtaken_by(other);
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Signed);
    scene.record_is_valid();

    let mut scene = Scene::new();
    scene.store.ignores_conditions = true;
    scene.store.before_each_call(once("create", |store| {
        store.put(MANIFEST_KEY, MANIFEST.replace("[]", "[ ]").as_bytes());
    }));
    assert!(matches!(
        scene.sign(IfSigned::Keep),
        Err(Error::Moved { .. })
    ));
}

#[test]
fn a_signer_that_answers_nonsense_stores_nothing() {
    let nonsense: [fn(Vec<u8>) -> Vec<u8>; 5] = [
        |_| Vec::new(),
        |_| b"nonsense".to_vec(),
        |mut signature| {
            signature.pop();
            signature
        },
        |mut signature| {
            if let Some(last) = signature.last_mut() {
                *last ^= 1;
            }
            signature
        },
        // A signature by another key.
        |_| PrivateKey::generate().unwrap().sign(b"sha256:0\n").unwrap(),
    ];
    for answer in nonsense {
        let scene = Scene {
            answer,
            ..Scene::new()
        };
        let error = scene.sign(IfSigned::Keep).unwrap_err();
        assert!(matches!(error, Error::Nonsense { .. }), "{error:?}");
        assert_eq!(scene.store.get(&scene.record_key()), None);
        assert!(
            !scene
                .store
                .calls()
                .iter()
                .any(|call| call.starts_with("create"))
        );
    }
}

#[test]
fn a_valid_record_is_kept_without_a_new_signature_where_the_store_may_be_listed() {
    let scene = Scene::new();
    scene.sign(IfSigned::Keep).unwrap();
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Kept);
    assert_eq!(scene.made(), 1);
}

#[test]
fn a_store_that_may_not_be_listed_is_signed_in_all_the_same() {
    let scene = Scene::new();
    let denied = |_: &MemoryStore, call: &str, key: &str| match call {
        "list" => {
            let denied = store::s3::error::Error::Denied {
                action: "s3:ListBucket",
                object: key.to_owned(),
                answer: s3lo::aws::response::ErrorResponse::default(),
                endpoint_is_named: false,
                owner_is_named: false,
            };
            Err(store::Error::Denied(SharedError::new(denied)))
        }
        _ => Ok(()),
    };
    scene.store.before_each_call(denied);
    let options = Options {
        now: earlier,
        ..Scene::options(IfSigned::Keep)
    };
    assert_eq!(scene.sign_by(&options).unwrap().status, Status::Signed);
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Kept);
    assert_eq!(scene.made(), 1, "the record is asked for by its name");
}

#[test]
fn guards_read_the_record_where_the_list_does_not_decide() {
    for (schema, mode) in [
        (Schema::V2, IfSigned::Keep),
        (Schema::V2, IfSigned::Fail),
        (Schema::V1, IfSigned::Fail),
    ] {
        let mut scene = Scene::new();
        scene.store.lists_in_part = true;
        // A condition would not help.
        scene.store.ignores_conditions = true;
        let there = scene.other_record(schema);
        scene.store.put(&scene.record_key(), &there);
        let error = scene.sign(mode).unwrap_err();
        assert!(error.is_guard(), "{error:?}");
        assert_eq!(scene.made(), 0);
        assert_eq!(scene.store.get(&scene.record_key()), Some(there));
    }
}

#[test]
fn a_record_of_a_later_schema_gives_way_only_to_replace() {
    for version in ["3", "4", "18446744073709551615"] {
        let later = format!(r#"{{"schemaVersion":{version},"signature":"to come"}}"#);
        for mode in [IfSigned::Keep, IfSigned::Fail] {
            let scene = Scene::new();
            scene.store.put(&scene.record_key(), later.as_bytes());
            let error = scene.sign(mode).unwrap_err();
            assert!(matches!(error, Error::LaterSchema { .. }), "{error:?}");
            assert!(error.is_guard());
            assert_eq!(
                scene.store.get(&scene.record_key()),
                Some(later.clone().into())
            );
        }
        let scene = Scene::new();
        scene.store.put(&scene.record_key(), later.as_bytes());
        assert_eq!(
            scene.sign(IfSigned::Replace).unwrap().status,
            Status::Signed
        );
        scene.record_is_valid();
    }
    // An invalid schema version is no later one.
    for version in ["0", "-1", "3.5", "\"3\"", "99999999999999999999999"] {
        let scene = Scene::new();
        let torn = format!(r#"{{"schemaVersion":{version}}}"#);
        scene.store.put(&scene.record_key(), torn.as_bytes());
        assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Signed);
        scene.record_is_valid();
    }
}

#[test]
fn a_later_schema_that_appears_meanwhile_is_not_overwritten() {
    let scene = Scene::new();
    scene.overtaken_by(br#"{"schemaVersion":3}"#.to_vec());
    assert!(matches!(
        scene.sign(IfSigned::Keep),
        Err(Error::LaterSchema { .. })
    ));
}

#[test]
fn replacing_takes_the_version_that_the_list_names() {
    let scene = Scene::new();
    let there = scene.other_record(Schema::V2);
    scene.store.put(&scene.record_key(), &there);
    assert_eq!(
        scene.sign(IfSigned::Replace).unwrap().status,
        Status::Signed
    );
    scene.wrote_once_by("replace");
    scene.record_is_valid();
}

#[test]
fn a_folder_of_the_name_of_a_record_is_not_the_record() {
    let scene = Scene::new();
    let below = format!("{}/x", scene.record_key());
    scene.store.put(&below, b"x");
    assert_eq!(scene.sign(IfSigned::Keep).unwrap().status, Status::Signed);
    scene.record_is_valid();
}

#[test]
fn a_store_that_contradicts_itself_is_asked_ten_times() {
    let scene = Scene::new();
    let exists = |_: &MemoryStore, call: &str, key: &str| match call {
        "create" => Err(store::Error::Exists {
            object: key.to_owned(),
        }),
        _ => Ok(()),
    };
    scene.store.before_each_call(exists);
    let error = scene.sign(IfSigned::Keep).unwrap_err();
    assert!(matches!(error, Error::Contradiction { .. }), "{error:?}");
    let calls = scene.store.calls();
    let created = calls.iter().filter(|call| call.starts_with("create"));
    assert_eq!(created.count(), 10);
}
