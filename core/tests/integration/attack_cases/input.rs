//! The inputs of attacks: bytes as a data file spells them, and changed records.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3lo_core::crypto::public::PublicKey;
use serde::Deserialize;

use crate::vectors;

/// The fields of a record, in the order in which they are written.
const FIELDS: [&str; 8] = [
    "schemaVersion",
    "digest",
    "keyRef",
    "keyID",
    "algorithm",
    "signature",
    "payload",
    "signedAt",
];

/// The bytes of an attack.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Input {
    Text(String),
    /// Joined by `\n`, with one at the end.
    Lines(Vec<String>),
    Base64(String),
    /// `before`, `unit` repeated `times` times, `after`: for inputs too large for a data file.
    Repeat {
        before: String,
        unit: String,
        times: usize,
        after: String,
    },
    /// PEM with this label around base64 of this text.
    PemText {
        label: String,
        text: String,
    },
    /// PEM with this label around these bytes.
    PemBase64 {
        label: String,
        base64: String,
    },
    /// The vectors' `cosign.key`, changed: see [`edited_cosign_key`].
    Cosign(CosignEdit),
    /// The vectors' record of `key`, changed: see [`edited_record`].
    Record(Edit),
}

impl Input {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Lines(lines) => (lines.join("\n") + "\n").into_bytes(),
            Self::Base64(text) => BASE64.decode(text).unwrap(),
            Self::Repeat {
                before,
                unit,
                times,
                after,
            } => format!("{before}{}{after}", unit.repeat(*times)).into_bytes(),
            Self::PemText { label, text } => armored(label, text.as_bytes()),
            Self::PemBase64 { label, base64 } => armored(label, &BASE64.decode(base64).unwrap()),
            Self::Cosign(edit) => edited_cosign_key(edit),
            Self::Record(edit) => edited_record(edit),
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Store {
    V1,
    V2,
}

impl Store {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V1 => "store-v1",
            Self::V2 => "store-v2",
        }
    }
}

pub(super) fn usual_image() -> String {
    "myapp:v1.0".to_owned()
}

pub(super) fn usual_key() -> String {
    "cosign".to_owned()
}

/// How a true record becomes an attack. Values are JSON as it is to stand in the record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    from: Store,
    #[serde(default = "usual_image")]
    image: String,
    #[serde(default = "usual_key")]
    key: String,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    remove: BTreeSet<String>,
    /// Fields in front of all others, and after them.
    #[serde(default)]
    first: Vec<String>,
    #[serde(default)]
    last: Vec<String>,
    /// Bytes around the record.
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
}

fn edited_record(edit: &Edit) -> Vec<u8> {
    let id = public_key(&edit.key).id();
    let path = image_directory(edit.from, &edit.image).join(format!("signatures/{id}.json"));
    let record: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let changed = edit.set.keys().chain(&edit.remove);
    changed.for_each(|field| assert!(FIELDS.contains(&field.as_str()), "no field {field}"));
    let mut fields = edit.first.clone();
    for name in FIELDS {
        let value = edit.set.get(name).cloned();
        let value = value.or_else(|| record.get(name).map(ToString::to_string));
        if let Some(value) = value.filter(|_| !edit.remove.contains(name)) {
            fields.push(format!("\"{name}\":{value}"));
        }
    }
    fields.extend(edit.last.iter().cloned());
    format!("{}{{{}}}{}", edit.before, fields.join(","), edit.after).into_bytes()
}

/// How a true key file becomes an attack. Fields are named by their path, `kdf.params.N`; values are
/// JSON as it is to stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CosignEdit {
    #[serde(default = "usual_label")]
    label: String,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    remove: BTreeSet<String>,
    /// Fields after all others, of the file and of `params`.
    #[serde(default)]
    last: Vec<String>,
    #[serde(default)]
    last_params: Vec<String>,
}

fn usual_label() -> String {
    "ENCRYPTED SIGSTORE PRIVATE KEY".to_owned()
}

fn edited_cosign_key(edit: &CosignEdit) -> Vec<u8> {
    let text = fs::read(vectors().join("keys/cosign.key")).unwrap();
    let body: serde_json::Value =
        serde_json::from_slice(pem::parse(text).unwrap().contents()).unwrap();
    let mut unused: BTreeSet<&str> = edit
        .set
        .keys()
        .chain(&edit.remove)
        .map(String::as_str)
        .collect();
    let mut field = |path: &str, value: String| {
        unused.remove(path);
        let value = edit.set.get(path).cloned().unwrap_or(value);
        let name = path.rsplit('.').next().unwrap();
        (!edit.remove.contains(path)).then(|| format!("\"{name}\":{value}"))
    };
    let mut leaf = |path: &str| {
        let pointer = format!("/{}", path.replace('.', "/"));
        field(path, body.pointer(&pointer).unwrap().to_string())
    };
    let params = ["kdf.params.N", "kdf.params.r", "kdf.params.p"].map(&mut leaf);
    let [kdf_name, salt] = ["kdf.name", "kdf.salt"].map(&mut leaf);
    let cipher = ["cipher.name", "cipher.nonce"].map(&mut leaf);
    let ciphertext = leaf("ciphertext");
    let params = field("kdf.params", object(params, &edit.last_params));
    let kdf = field("kdf", object([kdf_name, params, salt], &[]));
    let cipher = field("cipher", object(cipher, &[]));
    assert!(unused.is_empty(), "no fields {unused:?}");
    armored(
        &edit.label,
        object([kdf, cipher, ciphertext], &edit.last).as_bytes(),
    )
}

fn object<const N: usize>(fields: [Option<String>; N], last: &[String]) -> String {
    let fields: Vec<String> = fields
        .into_iter()
        .flatten()
        .chain(last.iter().cloned())
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn armored(label: &str, contents: &[u8]) -> Vec<u8> {
    pem::encode(&pem::Pem::new(label, contents)).into_bytes()
}

pub(super) fn image_directory(store: Store, image: &str) -> PathBuf {
    vectors()
        .join(store.name())
        .join("manifests")
        .join(image.replace(':', "/"))
}

pub(super) fn public_key(name: &str) -> PublicKey {
    let path = vectors().join(format!("keys/{name}.pub"));
    PublicKey::from_pem(&fs::read(path).unwrap()).unwrap()
}
