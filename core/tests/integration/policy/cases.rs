//! The truth table: documents and signatures with the verdict that the documentation gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::decide::{Input, MANIFESTS, Stored, WORDS};

/// Every data file, and the least number of cases in it: a file cannot shrink unnoticed.
const FILES: [(&str, usize); 13] = [
    ("all.json", 23),
    ("any.json", 40),
    ("at-least.json", 43),
    ("deny.json", 19),
    ("errors.json", 135),
    ("mixed.json", 39),
    ("names.json", 73),
    ("not-after.json", 30),
    ("patterns.json", 72),
    ("revoked.json", 25),
    ("schemas.json", 17),
    ("selection.json", 84),
    ("ties.json", 30),
];

/// The time of a case that names none.
const NOW: &str = "2026-12-01T00:00:00Z";

/// Cases about one thing. What is said here holds for each of them that says nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    title: String,
    policy: Option<Value>,
    /// The identity of each key: two names with one identity are one key.
    keys: BTreeMap<String, String>,
    image: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    policy: Option<Value>,
    keys: Option<BTreeMap<String, String>>,
    image: Option<String>,
    digest: Option<String>,
    now: Option<String>,
    signatures: BTreeMap<String, Stored>,
    expect: String,
    because: String,
}

/// A case of the truth table.
pub(super) struct Expected {
    /// Its file, group and reason.
    pub(super) name: String,
    pub(super) input: Input,
    pub(super) word: String,
}

/// Every case.
pub(super) fn all() -> Vec<Expected> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/cases"));
    let found: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, FILES.map(|(file, _)| file.to_owned()).into());
    let mut all = Vec::new();
    for (file, least) in FILES {
        let text = fs::read(folder.join(file)).unwrap();
        let groups: Vec<Group> =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let before = all.len();
        all.extend(groups.into_iter().flat_map(|group| expected(file, group)));
        let number = all.len() - before;
        assert!(number >= least, "{file}: {number} cases");
    }
    all
}

fn expected(file: &str, group: Group) -> impl Iterator<Item = Expected> {
    let Group {
        title,
        policy,
        keys,
        image,
        cases,
    } = group;
    let place = format!("{file}: {title}");
    cases.into_iter().map(move |case| {
        let digest = case.digest.map(|digest| digest.parse().unwrap());
        assert!(
            WORDS.contains(&case.expect.as_str()),
            "{place}: {}",
            case.expect
        );
        Expected {
            name: format!("{place}: {}", case.because),
            input: Input {
                policy: case.policy.or_else(|| policy.clone()).unwrap(),
                image: case.image.unwrap_or_else(|| image.clone()),
                digest: digest.unwrap_or_else(|| MANIFESTS[0].digest()),
                now: case.now.unwrap_or_else(|| NOW.to_owned()),
                keys: case.keys.unwrap_or_else(|| keys.clone()),
                signatures: case.signatures,
            },
            word: case.expect,
        }
    })
}

#[test]
fn every_case_has_the_verdict_of_the_documentation() {
    let all = all();
    let mut wrong = Vec::new();
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &all {
        let word = case.input.word();
        *words.entry(word).or_default() += 1;
        if word != case.word {
            wrong.push(format!(
                "{}: {word}, not {}\n{:?}",
                case.name, case.word, case.input
            ));
        }
    }
    println!("{} cases of the truth table: {words:?}", all.len());
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// TOML has times and numbers of its own, in more forms than one.
#[test]
fn the_forms_of_toml_are_read() {
    let key = |end: &str| format!("[keys.ci]\npublic = 'ci.pub'\nnot-after = {end}\n");
    let rule = "[[rules]]\nimages = ['**']\nrequire = [{ at-least = 0x1, of = ['ci'] }]\n";
    for end in [
        "2027-01-31T00:00:00Z",
        "2027-01-31 00:00:00z",
        "2027-01-31t00:00:00.999Z",
        "2027-01-31T00:00Z",
        "2027-01-31T02:00+02:00",
        "2027-01-30 19:00:00-05:00",
        "\"2027-01-31T00:00:00Z\"",
    ] {
        let text = format!("version = +1\n{}{rule}", key(end));
        for (now, word) in [
            ("2027-01-31T00:00:00Z", "verified"),
            ("2027-01-31T00:00:01Z", "refused"),
        ] {
            let input = Input {
                policy: Value::Null,
                image: "s3://prod/app".to_owned(),
                digest: MANIFESTS[0].digest(),
                now: now.to_owned(),
                keys: [("ci".to_owned(), "aa".to_owned())].into(),
                signatures: [("aa".to_owned(), Stored::V2)].into(),
            };
            let policy = input.read_bytes(text.as_bytes()).unwrap();
            assert_eq!(input.word_by(&policy), word, "{end} at {now}");
        }
    }
}
