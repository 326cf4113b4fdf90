//! Small random policies, in which patterns often match, tie and nest, several names are one key, and some documents
//! have a mistake.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::decide::{Input, MANIFESTS, Stored};

/// A source of numbers that gives the same ones again ([SplitMix64](https://prng.di.unimi.it/splitmix64.c)).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Whether something happens that does in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }

    /// Between `least` and `most` of the entries, in any order.
    fn some<T: Clone>(&mut self, of: &[T], least: usize, most: usize) -> Vec<T> {
        let mut list = of.to_vec();
        self.shuffle(&mut list);
        list.truncate((least + self.below(most - least + 1)).min(of.len()));
        list
    }
}

const IDENTITIES: [&str; 4] = ["aa", "bb", "cc", "dd"];

const NAMES: [&str; 6] = ["ci", "qa", "build", "release", "sec", "ci-2"];

/// The ends of keys and the times of a decision: before, at and after each other.
const TIMES: [&str; 5] = [
    "2026-06-30T12:00:00Z",
    "2026-06-30T12:00:01Z",
    "2026-12-01T01:00:00+01:00",
    "2026-12-01T00:00:01Z",
    "2027-01-31T00:00:00Z",
];

/// A random input.
pub(super) fn input(dice: &mut Dice) -> Input {
    let names = dice.some(&NAMES, 1, NAMES.len());
    let keys: BTreeMap<String, String> = names
        .iter()
        .map(|name| ((*name).to_owned(), dice.one(&IDENTITIES).to_owned()))
        .collect();
    let written = names
        .iter()
        .map(|name| ((*name).to_owned(), key(dice, name)));
    let written: Map<String, Value> = written.collect();
    let mut taken = BTreeSet::new();
    let number = 1 + dice.below(5);
    let rules: Vec<Value> = (0..number)
        .filter_map(|first| rule(dice, &names, &keys, first == 0, &mut taken))
        .collect();
    let mut policy = json!({ "version": 1, "keys": written, "rules": rules });
    if dice.percent(12) {
        spoil(dice, &mut policy);
    }
    let signatures = IDENTITIES.iter().filter_map(|identity| {
        let stored = match dice.below(20) {
            0..=8 => Stored::V2,
            9 | 10 => Stored::V1,
            11 => Stored::Invalid,
            12..=15 => Stored::Unknown,
            _ => return None,
        };
        Some(((*identity).to_owned(), stored))
    });
    Input {
        signatures: signatures.collect(),
        image: image(dice),
        digest: MANIFESTS[dice.below(MANIFESTS.len())].digest(),
        now: dice.one(&TIMES).to_owned(),
        policy,
        keys,
    }
}

fn key(dice: &mut Dice, name: &str) -> Value {
    if dice.percent(6) {
        return json!({ "public": format!("hashivault://{name}"), "allow-remote": true });
    }
    let mut key = json!({ "public": format!("keys/{name}.pub") });
    if dice.percent(8) {
        key["revoked"] = "leaked".into();
    }
    if dice.percent(25) {
        key["not-after"] = dice.one(&TIMES).into();
    }
    key
}

pub(super) fn image(dice: &mut Dice) -> String {
    if dice.percent(8) {
        return dice
            .one(&["local://./s/a", "local://./s/a/b", "local://s/a"])
            .to_owned();
    }
    let root = dice.one(&["b", "b", "b", "bb", "c"]);
    let parts: Vec<&str> = (0..=dice.below(3))
        .map(|_| dice.one(&["a", "b", "ab", "ba", "aab"]))
        .collect();
    format!("s3://{root}/{}", parts.join("/"))
}

/// A pattern that most often can match something.
pub(super) fn pattern(dice: &mut Dice) -> String {
    match dice.below(14) {
        0 => return "**".to_owned(),
        1 => {
            return dice
                .one(&["s3://**", "s3://b**", "local://./s/*", "local://**"])
                .to_owned();
        }
        4 => return image(dice),
        _ => {}
    }
    let root = dice.one(&["b", "b", "b", "b", "c", "*", "b*"]);
    let parts = [
        "a", "b", "ab", "*", "*", "**", "**", "a*", "a**", "*b", "**b", "*a*", "a*b", "a**b",
    ];
    let parts: Vec<&str> = (0..=dice.below(3)).map(|_| dice.one(&parts)).collect();
    format!("s3://{root}/{}", parts.join("/"))
}

fn rule(
    dice: &mut Dice,
    names: &[&str],
    keys: &BTreeMap<String, String>,
    first: bool,
    taken: &mut BTreeSet<String>,
) -> Option<Value> {
    let wide =
        (first && dice.percent(60)).then(|| dice.one(&["**", "s3://**", "s3://b**"]).to_owned());
    let images: Vec<String> = (0..=dice.below(3))
        .map(|_| pattern(dice))
        .chain(wide)
        .filter(|pattern| taken.insert(pattern.clone()))
        .collect();
    if images.is_empty() {
        return None;
    }
    if dice.percent(12) {
        return Some(json!({ "images": images, "deny": "no" }));
    }
    let requirements = dice.one(&[&1, &1, &1, &2, &3]);
    let require: Vec<Value> = (0..*requirements)
        .map(|_| requirement(dice, names, keys))
        .collect();
    let mut rule = json!({ "images": images, "require": require });
    match dice.below(3) {
        0 => {}
        number => rule["min-schema"] = number.into(),
    }
    if dice.percent(12) {
        let digests: Vec<String> = MANIFESTS
            .iter()
            .map(|one| one.digest().to_string())
            .collect();
        rule["deny-digests"] = dice.some(&digests, 1, 2).into();
    }
    Some(rule)
}

fn requirement(dice: &mut Dice, names: &[&str], keys: &BTreeMap<String, String>) -> Value {
    let most = *dice.one(&[&1, &2, &3, &4]);
    let of = dice.some(names, 1, most);
    match dice.below(3) {
        0 => json!({ "any": of }),
        1 => json!({ "all": of }),
        _ => {
            let different: BTreeSet<_> = of.iter().map(|name| &keys[*name]).collect();
            json!({ "at-least": 1 + dice.below(different.len()), "of": of })
        }
    }
}

/// Makes a mistake in a document, if it has the place for it.
fn spoil(dice: &mut Dice, policy: &mut Value) {
    let place = dice.one(&[
        "",
        "",
        "/keys/ci",
        "/keys/qa",
        "/rules/0",
        "/rules/0",
        "/rules/1",
        "/rules/0/require/0",
        "/rules/1/require/0",
    ]);
    let Some(Value::Object(table)) = policy.pointer_mut(place) else {
        return;
    };
    match dice.below(4) {
        0 => {
            let names: Vec<String> = table.keys().cloned().collect();
            table.remove(&names[dice.below(names.len())]);
        }
        1 => {
            let name = dice.one(&[
                "note",
                "any",
                "of",
                "Images",
                "min_schema",
                "deny",
                "revoked",
                "version",
            ]);
            table.insert(name.to_owned(), "x".into());
        }
        _ => {
            let field = table.keys().nth(dice.below(table.len())).cloned();
            let field = field.unwrap_or_default();
            let wrong = wrong(dice, &field, &table[&field]);
            table.insert(field, wrong);
        }
    }
}

/// A wrong value for a field, or one that is unusual.
fn wrong(dice: &mut Dice, field: &str, value: &Value) -> Value {
    let longer = |entry: Value| {
        let mut list = value.as_array().cloned().unwrap_or_default();
        list.push(entry);
        Value::Array(list)
    };
    let one = |dice: &mut Dice, values: &[Value]| values[dice.below(values.len())].clone();
    match field {
        "version" => one(
            dice,
            &[json!(0), json!(2), json!("1"), json!(-1), json!(null)],
        ),
        "keys" => one(
            dice,
            &[
                json!({}),
                json!([]),
                json!({ "a b": { "public": "x.pub" } }),
            ],
        ),
        "rules" => one(
            dice,
            &[json!([]), json!({}), longer(json!("**")), longer(json!({}))],
        ),
        "public" => one(
            dice,
            &[
                json!(""),
                json!("/x.pub"),
                json!("../x.pub"),
                json!("a/../../x.pub"),
                json!("awskms:///alias/x"),
                json!(1),
            ],
        ),
        "allow-remote" => one(dice, &[json!(false), json!("true"), json!(1)]),
        "not-after" => one(
            dice,
            &[
                json!("2027-01-31"),
                json!("2027-01-31T00:00:00"),
                json!("soon"),
                json!(1),
                json!("2027-13-01T00:00:00Z"),
            ],
        ),
        "revoked" | "deny" => one(dice, &[json!(""), json!(true), json!([])]),
        "images" => {
            let patterns = [
                "",
                "*",
                "b/a",
                "gs://b/a",
                "s3://b",
                "s3://b/",
                "s3://b/a/",
                "s3://b//a",
                "s3://b/a:v1",
                "s3://b/a?",
                "s3://b/[a]",
                "s3://b/{a}",
                "s3://b/***",
                "s3://b/..",
                "s3://*",
                "**/a",
                "S3://b/a",
            ];
            let first = value.get(0).cloned().unwrap_or_default();
            let pattern = dice.one(&patterns);
            one(
                dice,
                &[
                    json!([]),
                    json!("**"),
                    longer(pattern.into()),
                    longer(first),
                    longer(json!(1)),
                ],
            )
        }
        "any" | "all" | "of" => {
            let first = value.get(0).cloned().unwrap_or_default();
            one(
                dice,
                &[
                    json!([]),
                    json!("ci"),
                    longer(first),
                    longer(json!("none")),
                    longer(json!(1)),
                ],
            )
        }
        "at-least" => one(
            dice,
            &[json!(0), json!(-1), json!(5), json!("1"), json!(1_000_000)],
        ),
        "min-schema" => one(dice, &[json!(0), json!(3), json!("2")]),
        "deny-digests" => {
            let first = value.get(0).cloned().unwrap_or_default();
            one(
                dice,
                &[
                    json!([]),
                    json!("x"),
                    longer(first),
                    longer(json!("sha256:00")),
                ],
            )
        }
        "require" => one(
            dice,
            &[
                json!([]),
                json!({ "any": ["ci"] }),
                longer(json!("ci")),
                longer(json!({})),
            ],
        ),
        _ => json!(null),
    }
}
