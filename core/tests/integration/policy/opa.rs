//! A second program that decides too: Open Policy Agent, by rules that were written from the documentation alone.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, thread};

use serde::Deserialize;
use serde_json::{Value, json};

use super::cases;
use super::decide::{Input, MANIFESTS, Stored};
use super::generate::{Dice, input};

/// How many random inputs both are asked about.
const RANDOM: u64 = 100_000;

/// The program, which `./test` installs.
fn program() -> PathBuf {
    let folder = env::var_os("S3LO_TEST_TOOLS").map_or_else(
        || {
            let home = env::var_os("HOME").map(PathBuf::from);
            home.unwrap_or_default().join(".cache/s3lo-test-tools")
        },
        PathBuf::from,
    );
    let path = folder.join("bin/s3lo-test-opa");
    assert!(
        path.exists(),
        "s3lo-test-opa is missing: `./test` installs it"
    );
    path
}

/// An input as the program reads it.
fn question(input: &Input) -> String {
    let signatures = input.signatures.iter().map(|(identity, stored)| {
        let found = match stored {
            Stored::V1 => json!({ "state": "valid", "schema": 1 }),
            Stored::V2 => json!({ "state": "valid", "schema": 2 }),
            Stored::Unknown => json!({ "state": "unknown" }),
            _ => json!({ "state": "invalid" }),
        };
        (identity.clone(), found)
    });
    json!({
        "policy": input.policy,
        "image": input.image,
        "digest": input.digest.to_string(),
        "now": input.now,
        "keys": input.keys,
        "signatures": signatures.collect::<BTreeMap<String, Value>>(),
    })
    .to_string()
}

/// The program's words about these inputs.
fn asked(inputs: &[Input]) -> Vec<String> {
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            for input in inputs {
                writeln!(stdin, "{}", question(input)).unwrap();
            }
        });
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{}", output.status);
    let words = String::from_utf8(output.stdout).unwrap();
    let words: Vec<String> = words.lines().map(str::to_owned).collect();
    assert_eq!(words.len(), inputs.len());
    words
}

/// Where the program has another word than ours.
fn differences(inputs: &[Input], ours: &[&str], theirs: &[String]) -> Vec<String> {
    let both = inputs.iter().zip(ours).zip(theirs);
    let different = both.filter(|((_, ours), theirs)| *ours != theirs);
    let shown = |((input, ours), theirs): ((&Input, &&str), &String)| {
        format!("here {ours}, there {theirs}: {}", question(input))
    };
    different.map(shown).collect()
}

#[test]
fn the_truth_table_has_the_same_words_in_opa() {
    // The program knows no service that does not answer, and decodes no key.
    let opens = |input: &Input| {
        let keys = input.policy.pointer("/keys").and_then(Value::as_object);
        let mut keys = keys.into_iter().flatten();
        keys.all(|(name, key)| {
            let is_broken = key["public"]
                .as_str()
                .is_some_and(|key| key.contains("\nAAAA\n"));
            input.keys.contains_key(name) && !is_broken
        })
    };
    let all = cases::all().into_iter().filter(|case| opens(&case.input));
    let (inputs, words): (Vec<_>, Vec<_>) = all.map(|case| (case.input, case.word)).unzip();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let different = differences(&inputs, &words, &asked(&inputs));
    println!("{} cases of the truth table asked of OPA", inputs.len());
    assert!(inputs.len() >= 600);
    assert!(
        different.is_empty(),
        "{}:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn random_policies_have_the_same_words_in_opa() {
    let inputs: Vec<_> = (0..RANDOM).map(|seed| input(&mut Dice(seed))).collect();
    let (theirs, words) = thread::scope(|scope| {
        let theirs = scope.spawn(|| asked(&inputs));
        let words: Vec<&str> = inputs.iter().map(Input::word).collect();
        (theirs.join().unwrap(), words)
    });
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in &words {
        *counts.entry(word).or_default() += 1;
    }
    println!("{RANDOM} random policies asked of OPA: {counts:?}");
    let fewest = counts.values().min().copied().unwrap_or_default();
    assert!(counts.len() == 4 && fewest >= 8_000, "{counts:?}");
    let different = differences(&inputs, &words, &theirs);
    let some: Vec<_> = different.iter().take(20).map(String::as_str).collect();
    assert!(
        different.is_empty(),
        "{}, among them:\n{}",
        different.len(),
        some.join("\n")
    );
}

/// The cases of the program itself, with a digest that no manifest here has.
#[test]
fn the_cases_of_opa_have_the_same_words_here() {
    #[derive(Deserialize)]
    struct Question {
        case: String,
        word: String,
        policy: Value,
        image: String,
        digest: String,
        now: String,
        keys: BTreeMap<String, String>,
        signatures: BTreeMap<String, Found>,
    }
    #[derive(Deserialize)]
    #[serde(tag = "state", rename_all = "lowercase")]
    enum Found {
        Valid { schema: u64 },
        Invalid,
        Unknown,
    }

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/opa/cases.jsonl");
    let mut text = std::fs::read_to_string(file).unwrap();
    for (digit, manifest) in ["a", "b", "c"].into_iter().zip(MANIFESTS.iter()) {
        let digest = format!("sha256:{}", digit.repeat(64));
        text = text.replace(&digest, &manifest.digest().to_string());
    }
    let mut asked = 0;
    for line in text.lines() {
        let question: Question = serde_json::from_str(line).unwrap();
        let signatures = question.signatures.into_iter().map(|(identity, found)| {
            let stored = match found {
                Found::Valid { schema: 1 } => Stored::V1,
                Found::Valid { .. } => Stored::V2,
                Found::Invalid => Stored::Invalid,
                Found::Unknown => Stored::Unknown,
            };
            (identity, stored)
        });
        let input = Input {
            policy: question.policy,
            image: question.image,
            digest: question.digest.parse().unwrap(),
            now: question.now,
            keys: question.keys,
            signatures: signatures.collect(),
        };
        assert_eq!(input.word(), question.word, "{}", question.case);
        asked += 1;
    }
    println!("{asked} cases of OPA have the same word here");
    assert!(asked >= 170);
}
