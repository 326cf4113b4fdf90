//! Attack cases are data files with their expected verdict: `tests/vectors/attacks/*.json`.
//! A case has a name for the attack, an input, and the exact expected answer.

mod input;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use s3lo_core::crypto::private::{KeyFile, PrivateKey};
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::manifest::Manifest;
use s3lo_core::payload::Schema;
use s3lo_core::reference::Reference;
use s3lo_core::verdict;
use s3lo_core::verdict::{Found, Key, Verdict};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::input::{Input, Store, image_directory, public_key, usual_image, usual_key};
use crate::vectors;

/// Every data file, and the least number of cases in it: a file cannot shrink unnoticed.
const FILES: [(&str, usize); 11] = [
    ("cosign-keys.json", 140),
    ("manifests.json", 110),
    ("private-key-der.json", 55),
    ("private-key-forms.json", 155),
    ("private-keys.json", 65),
    ("public-key-der.json", 140),
    ("public-key-forms.json", 95),
    ("public-keys.json", 40),
    ("records.json", 225),
    ("references.json", 200),
    ("signatures.json", 75),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases<T> {
    /// The subject of the file, for readers.
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<T>,
}

trait Case: DeserializeOwned {
    fn name(&self) -> &str;
    fn expected(&self) -> String;
    fn answer(&self) -> String;
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Expected {
    /// A description of what is accepted.
    Accepted(String),
    /// The reason of the refusal.
    Refused(String),
}

impl Expected {
    fn text(&self) -> String {
        match self {
            Self::Accepted(what) => accepted(what),
            Self::Refused(why) => refused(why),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceCase {
    name: String,
    input: Input,
    expect: ReferenceExpected,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ReferenceExpected {
    Parsed {
        scheme: String,
        root: String,
        image: String,
        tag: String,
        pin: Option<String>,
    },
    /// The reference is read, and is too long to spell out here.
    Accepted,
    /// The name of the error's variant.
    Refused(String),
}

impl Case for ReferenceCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> String {
        match &self.expect {
            ReferenceExpected::Parsed {
                scheme,
                root,
                image,
                tag,
                pin,
            } => accepted(&format!("{:?}", (scheme, root, image, tag, pin))),
            ReferenceExpected::Accepted => accepted("it"),
            ReferenceExpected::Refused(variant) => refused(variant),
        }
    }

    fn answer(&self) -> String {
        let text = String::from_utf8(self.input.bytes()).unwrap();
        match text.parse::<Reference>() {
            Ok(_) if matches!(self.expect, ReferenceExpected::Accepted) => accepted("it"),
            Ok(reference) => {
                let scheme = reference.scheme().to_string();
                let pin = reference.pin().map(|pin| pin.to_string());
                let (root, image) = (reference.root(), reference.image());
                accepted(&format!(
                    "{:?}",
                    (scheme, root, image, reference.tag(), pin)
                ))
            }
            Err(error) => {
                let debug = format!("{error:?}");
                let variant = debug.split(|c: char| !c.is_alphanumeric()).next();
                refused(variant.unwrap_or_default())
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordCase {
    name: String,
    input: Input,
    /// The store whose image is judged.
    store: Store,
    #[serde(default = "usual_image")]
    image: String,
    #[serde(default = "usual_key")]
    key: String,
    #[serde(default = "usual_min_schema")]
    min_schema: u64,
    expect: Expected,
}

impl Case for RecordCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> String {
        self.expect.text()
    }

    fn answer(&self) -> String {
        let manifest = fs::read(image_directory(self.store, &self.image).join("manifest.json"));
        let manifest = Manifest::parse(&manifest.unwrap()).unwrap();
        let reference = format!("local://./{}/{}", self.store.name(), self.image);
        let bytes = self.input.bytes();
        // The bound is the store's to keep, so it is applied here as a store applies it.
        let found = match u64::try_from(bytes.len()).unwrap() {
            0..=s3lo_core::record::MAX_BYTES => Found::Bytes(&bytes),
            _ => Found::Oversized,
        };
        let public = public_key(&self.key);
        let verdict = verdict::judge(
            &manifest,
            found,
            &reference.parse().unwrap(),
            Key {
                reference: "cosign.pub",
                public: &public,
            },
            Schema::from_version(self.min_schema).unwrap(),
        );
        match verdict {
            Verdict::Verified(verified) => {
                accepted(&format!("schema {}", verified.schema.version()))
            }
            Verdict::Rejected(reason) => refused(&reason.to_string()),
        }
    }
}

fn usual_min_schema() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateKeyCase {
    name: String,
    input: Input,
    #[serde(default = "usual_password")]
    password: String,
    expect: Expected,
}

fn usual_password() -> String {
    "secret".to_owned()
}

impl Case for PrivateKeyCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> String {
        self.expect.text()
    }

    fn answer(&self) -> String {
        match open(&self.input.bytes(), &self.password) {
            Ok(key) => {
                let signature = key.sign(b"payload").unwrap();
                assert!(key.public().verifies(b"payload", &signature));
                accepted(&key.public().key_type().to_string())
            }
            Err(error) => refused(&error.to_string()),
        }
    }
}

fn open(text: &[u8], password: &str) -> Result<PrivateKey, s3lo_core::crypto::private::Error> {
    KeyFile::from_pem(text)?.open(&password.as_bytes().to_vec().into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKeyCase {
    name: String,
    input: Input,
    expect: Expected,
}

impl Case for PublicKeyCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> String {
        self.expect.text()
    }

    fn answer(&self) -> String {
        match PublicKey::from_pem(&self.input.bytes()) {
            Ok(key) => accepted(&key.key_type().to_string()),
            Err(error) => refused(&error.to_string()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestCase {
    name: String,
    input: Input,
    expect: Expected,
}

impl Case for ManifestCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> String {
        self.expect.text()
    }

    fn answer(&self) -> String {
        let bytes = self.input.bytes();
        let found = match u64::try_from(bytes.len()).unwrap() {
            0..=s3lo_core::manifest::MAX_BYTES => Found::Bytes(&bytes),
            _ => Found::Oversized,
        };
        match verdict::read_manifest(found) {
            Ok(manifest) => accepted(&format!("{:?}", manifest.media_type())),
            Err(reason) => refused(&reason.to_string()),
        }
    }
}

fn accepted(what: &str) -> String {
    format!("accepted: {what}")
}

fn refused(why: &str) -> String {
    format!("refused: {why}")
}

fn read_cases<T: DeserializeOwned>(text: &[u8]) -> Result<Vec<T>, String> {
    let cases: Cases<T> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if cases.cases.is_empty() {
        return Err("it has no cases".to_owned());
    }
    Ok(cases.cases)
}

/// The data files of a directory: all of [`FILES`] and no other.
fn list_files(directory: &Path) -> Result<(), String> {
    let entries = fs::read_dir(directory).unwrap();
    let found: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let known = FILES.map(|(file, _)| file.to_owned()).into();
    if found == known {
        Ok(())
    } else {
        Err(format!("expected {known:?}, found {found:?}"))
    }
}

fn judge_files<T: Case>(files: &[&str]) {
    let mut wrong = Vec::new();
    for file in files {
        let (_, floor) = FILES.into_iter().find(|(name, _)| name == file).unwrap();
        let text = fs::read(vectors().join("attacks").join(file)).unwrap();
        let cases: Vec<T> = read_cases(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let names: BTreeSet<&str> = cases.iter().map(Case::name).collect();
        assert_eq!(names.len(), cases.len(), "{file}: two cases share a name");
        assert!(cases.len() >= floor, "{file}: {} cases", cases.len());
        println!("{file}: {} cases", cases.len());
        for case in &cases {
            let (expected, answer) = (case.expected(), case.answer());
            if expected != answer {
                let name = case.name();
                wrong.push(format!(
                    "{file}: {name}\n  expected {expected:?}\n  answered {answer:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_attack_by_reference_gets_its_expected_answer() {
    judge_files::<ReferenceCase>(&["references.json"]);
}

#[test]
fn every_attack_by_record_gets_its_expected_verdict() {
    judge_files::<RecordCase>(&["records.json", "signatures.json"]);
}

#[test]
fn every_attack_by_private_key_gets_its_expected_answer() {
    judge_files::<PrivateKeyCase>(&[
        "cosign-keys.json",
        "private-keys.json",
        "private-key-der.json",
        "private-key-forms.json",
    ]);
}

#[test]
fn every_attack_by_public_key_gets_its_expected_answer() {
    judge_files::<PublicKeyCase>(&[
        "public-keys.json",
        "public-key-der.json",
        "public-key-forms.json",
    ]);
}

#[test]
fn every_attack_by_manifest_gets_its_expected_answer() {
    judge_files::<ManifestCase>(&["manifests.json"]);
}

#[test]
fn a_case_with_an_unknown_field_or_verdict_fails_the_test() {
    let file = |case: &str| format!(r#"{{"about":"","cases":[{case}]}}"#).into_bytes();
    let read = |case: &str| read_cases::<PublicKeyCase>(&file(case)).map(|cases| cases.len());
    let good = r#"{"name":"n","input":{"text":""},"expect":{"refused":"why"}}"#;
    assert_eq!(read(good), Ok(1));
    assert!(read("").is_err(), "no case");
    for bad in [
        good.replace(r#""name""#, r#""nota":"","name""#),
        good.replace("refused", "perhaps"),
        good.replace("text", "textt"),
        good.replace(r#"{"refused":"why"}"#, r#""refused""#),
        good.replace(r#""name":"n","#, ""),
    ] {
        assert!(read(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_directory_without_its_data_files_fails_the_test() {
    assert_eq!(list_files(&vectors().join("attacks")), Ok(()));
    let directory = tempfile::tempdir().unwrap();
    assert!(list_files(directory.path()).is_err(), "an empty directory");
    for (file, _) in FILES {
        fs::write(directory.path().join(file), "").unwrap();
    }
    assert_eq!(list_files(directory.path()), Ok(()));
    fs::write(directory.path().join("unread.json"), "").unwrap();
    assert!(
        list_files(directory.path()).is_err(),
        "a file that no test reads"
    );
}

#[test]
fn every_plain_private_key_of_openssl_signs_what_its_public_key_verifies() {
    let directory = vectors().join("plain-keys");
    let mut forms = BTreeSet::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "key") {
            continue;
        }
        let text = fs::read(&path).unwrap();
        let key = open(&text, "").unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let public = PublicKey::from_pem(&fs::read(path.with_extension("pub")).unwrap()).unwrap();
        assert_eq!(*key.public(), public, "{}", path.display());
        let signature = key.sign(b"payload").unwrap();
        assert!(
            public.verifies(b"payload", &signature),
            "{}",
            path.display()
        );
        assert!(
            !public.verifies(b"another", &signature),
            "{}",
            path.display()
        );
        let label = s3lo_core::crypto::pem::block(&text).unwrap().label;
        assert!(forms.insert((label, public.key_type().to_string())));
    }
    let ec = ["P-256", "P-384", "P-521"].map(|curve| format!("EC {curve}"));
    let rsa = ["2048", "3072", "4096"].map(|bits| format!("RSA {bits}"));
    let expected: BTreeSet<(String, String)> = ec
        .iter()
        .map(|key| ("EC PRIVATE KEY", key))
        .chain(rsa.iter().map(|key| ("RSA PRIVATE KEY", key)))
        .chain(ec.iter().chain(&rsa).map(|key| ("PRIVATE KEY", key)))
        .chain([("PRIVATE KEY", &"Ed25519".to_owned())])
        .map(|(label, key)| (label.to_owned(), key.clone()))
        .collect();
    assert_eq!(forms, expected);
    println!("{} plain keys sign and verify", forms.len());
}
