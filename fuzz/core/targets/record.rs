//! A record is the same after it is written and read again; and bytes verify only if they carry a
//! signature that the key really made over this manifest.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libfuzzer_sys::fuzz_target;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::manifest::Manifest;
use s3lo_core::payload::Schema;
use s3lo_core::record::Record;
use s3lo_core::reference::Reference;
use s3lo_core::verdict::{Found, Key, Verdict, judge};

fuzz_target!(|bytes: &[u8]| {
    let record = Record::parse(bytes).ok();
    if let Some(record) = &record {
        round_trip(record);
    }
    for vector in VECTORS.iter() {
        judged(vector, bytes, record.as_ref());
    }
});

fn round_trip(record: &Record) {
    let bytes = record.to_bytes();
    let read = Record::parse(&bytes).expect("what is written can be read");
    // A claim that is missing or of the wrong type is written as an empty text.
    let claims = &record.claims;
    if claims.key_ref.is_some() && claims.algorithm.is_some() && claims.signed_at.is_some() {
        assert_eq!(read, *record);
    }
    let unsigned = Record {
        claims: read.claims.clone(),
        ..record.clone()
    };
    assert_eq!(read, unsigned);
    assert_eq!(read.to_bytes(), bytes);
}

fn judged(vector: &Vector, bytes: &[u8], record: Option<&Record>) {
    let judge = |manifest, reference, min_schema| {
        let key = Key {
            reference: "cosign.pub",
            public: &vector.key,
        };
        judge(manifest, Found::Bytes(bytes), reference, key, min_schema)
    };
    // The keys have signed neither of these.
    for verdict in [
        judge(&OTHER_MANIFEST, &REFERENCE, Schema::V1),
        judge(&MANIFEST, &OTHER_REFERENCE, Schema::V2),
    ] {
        assert!(matches!(verdict, Verdict::Rejected(_)));
    }

    let Verdict::Verified(verified) = judge(&MANIFEST, &REFERENCE, Schema::V1) else {
        return;
    };
    let record = record.expect("only a record verifies");
    assert_eq!(verified.schema, record.schema);
    assert_eq!(verified.signed_at, record.claims.signed_at);
    assert_eq!(record.digest, MANIFEST.digest());
    assert_eq!(record.key_id, vector.key.id().to_string());
    let digest = MANIFEST.digest();
    let payload = match verified.schema {
        Schema::V1 => format!("{digest}\n"),
        _ => format!("s3lo-signature-v2\n./store-v2/myapp:v1.0\n{digest}\n"),
    };
    if let Some(stored) = &record.payload {
        assert_eq!(BASE64.decode(stored).as_deref(), Ok(payload.as_bytes()));
    }
    let signature = BASE64
        .decode(&record.signature)
        .expect("only base64 verifies");
    assert!(vector.key.verifies(payload.as_bytes(), &signature));
    assert!(
        vector.signatures.contains(&vector.essence(&signature)),
        "a signature that the key did not make"
    );
}

/// A key, and the part of its signatures that cannot be changed without it.
struct Vector {
    key: PublicKey,
    ecdsa: bool,
    signatures: [Vec<u8>; 2],
}

impl Vector {
    fn new(ecdsa: bool, key: &[u8], records: [&[u8]; 2]) -> Self {
        let mut vector = Self {
            key: PublicKey::from_pem(key).expect("a public key"),
            ecdsa,
            signatures: Default::default(),
        };
        vector.signatures = records.map(|record| {
            let record = Record::parse(record).expect("a record");
            let signature = BASE64.decode(record.signature).expect("base64");
            vector.essence(&signature)
        });
        vector
    }

    /// Of an ECDSA signature (r, s) anyone can make (r, -s), so only r is compared. It is the first
    /// integer of a DER sequence; that of P-521 has a length of two bytes.
    fn essence(&self, signature: &[u8]) -> Vec<u8> {
        if !self.ecdsa {
            return signature.to_vec();
        }
        let header = if signature[1] < 0x80 { 2 } else { 3 };
        let length = usize::from(signature[header + 1]);
        signature[header + 2..][..length].to_vec()
    }
}

macro_rules! vector {
    ($ecdsa:expr, $key:literal, $id:literal) => {
        Vector::new(
            $ecdsa,
            include_bytes!(concat!("../../../tests/vectors/keys/", $key, ".pub")),
            [
                include_bytes!(concat!(
                    "../../../tests/vectors/store-v1/manifests/myapp/v1.0/signatures/",
                    $id,
                    ".json"
                )),
                include_bytes!(concat!(
                    "../../../tests/vectors/store-v2/manifests/myapp/v1.0/signatures/",
                    $id,
                    ".json"
                )),
            ],
        )
    };
}

static VECTORS: LazyLock<[Vector; 5]> = LazyLock::new(|| {
    [
        vector!(true, "cosign", "d78a77d897aeffc7"),
        vector!(true, "p384", "e7ed2e63d0b80aac"),
        vector!(true, "p521", "9d54cd69ca853dd9"),
        vector!(false, "rsa2048", "9c3a7098b41a1506"),
        vector!(false, "ed25519", "4d298aaadd404e02"),
    ]
});

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    let bytes =
        include_bytes!("../../../tests/vectors/store-v1/manifests/myapp/v1.0/manifest.json");
    Manifest::parse(bytes).expect("a manifest")
});

static OTHER_MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    Manifest::parse(br#"{"schemaVersion":2,"manifests":[]}"#).expect("a manifest")
});

static REFERENCE: LazyLock<Reference> =
    LazyLock::new(|| reference("local://./store-v2/myapp:v1.0"));

static OTHER_REFERENCE: LazyLock<Reference> =
    LazyLock::new(|| reference("local://./store-v2/myapp:v1.1"));

fn reference(text: &str) -> Reference {
    text.parse().expect("a reference")
}
