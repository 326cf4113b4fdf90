//! Properties of every policy: less trust never lets more pass, order means nothing, the unknown is taken both ways,
//! TOML and JSON are one, and the rule that decides is the one that a plainer search finds.

use std::fmt::Write as _;

use proptest::prelude::*;
use s3lo_core::policy::{Policy, Unselected};
use s3lo_core::reference::Reference;
use serde_json::{Map, Value, json};

use super::decide::{Input, Stored, Unread};
use super::generate::{Dice, image, input, pattern};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A random input whose document has no mistake.
fn valid() -> impl Strategy<Value = (Input, Dice)> {
    any::<u64>().prop_map(|seed| {
        let mut dice = Dice(seed);
        loop {
            let input = input(&mut dice);
            if input.read().is_ok() {
                return (input, dice);
            }
        }
    })
}

impl std::fmt::Debug for Dice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dice")
    }
}

/// How much a word lets pass.
fn rank(word: &str) -> u8 {
    match word {
        "refused" => 0,
        "undecided" => 1,
        "verified" => 2,
        _ => panic!("{word}"),
    }
}

/// The same input with less trust in it, in every way that there is.
fn less(input: &Input) -> Vec<Input> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Input)| {
        let mut changed = input.clone();
        change(&mut changed);
        all.push(changed);
    };
    for identity in input.signatures.keys() {
        add(&|input| {
            input.signatures.remove(identity);
        });
        for stored in [
            Stored::Invalid,
            Stored::Forged,
            Stored::OtherTag,
            Stored::OtherManifest,
        ] {
            add(&|input| {
                input.signatures.insert(identity.clone(), stored);
            });
        }
    }
    for (name, identity) in &input.keys {
        let is_file = input.policy["keys"][name].get("allow-remote").is_none();
        if is_file {
            add(&|input| input.policy["keys"][name]["revoked"] = "leaked".into());
            add(&|input| input.policy["keys"][name]["not-after"] = "2020-01-01T00:00:00Z".into());
        }
        for more in [
            json!({ "revoked": "leaked" }),
            json!({ "not-after": "2026-06-30T12:00:00Z" }),
        ] {
            add(&|input| {
                let mut key = more.clone();
                key["public"] = "keys/new.pub".into();
                input.policy["keys"]["new"] = key;
                input.keys.insert("new".to_owned(), identity.clone());
            });
        }
    }
    for now in [
        "2026-06-30T12:00:01Z",
        "2026-12-01T00:00:01Z",
        "2027-01-31T00:00:00Z",
        "2040-01-01T00:00:00Z",
    ] {
        if super::decide::moment(now) > super::decide::moment(&input.now) {
            add(&|input| input.now = now.to_owned());
        }
    }
    all
}

/// The same input with its unknown signatures all valid, or all invalid.
fn known(input: &Input, stored: Stored) -> Input {
    let mut input = input.clone();
    let unknown = input
        .signatures
        .values_mut()
        .filter(|stored| **stored == Stored::Unknown);
    unknown.for_each(|unknown| *unknown = stored);
    input
}

/// The same document in another order, and with other names for its keys.
fn shuffled(input: &Input, dice: &mut Dice) -> Input {
    let mut names: Vec<String> = input.keys.keys().cloned().collect();
    let old = names.clone();
    dice.shuffle(&mut names);
    let renamed = |name: &str| -> String {
        let number = old.iter().position(|old| old == name).unwrap();
        names[number].clone()
    };
    let mut changed = input.clone();
    changed.keys = input
        .keys
        .iter()
        .map(|(name, key)| (renamed(name), key.clone()))
        .collect();
    let keys = input.policy["keys"].as_object().unwrap();
    let keys: Map<String, Value> = keys
        .iter()
        .map(|(name, key)| (renamed(name), key.clone()))
        .collect();
    changed.policy["keys"] = Value::Object(keys);
    let rules = changed.policy["rules"].as_array_mut().unwrap();
    dice.shuffle(rules);
    for rule in rules {
        dice.shuffle(rule["images"].as_array_mut().unwrap());
        for field in ["require", "deny-digests"] {
            let Some(Value::Array(list)) = rule.get_mut(field) else {
                continue;
            };
            dice.shuffle(list);
        }
        for requirement in rule
            .get_mut("require")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            for names in requirement.as_object_mut().unwrap().values_mut() {
                let Value::Array(names) = names else { continue };
                dice.shuffle(names);
                names
                    .iter_mut()
                    .for_each(|name| *name = renamed(name.as_str().unwrap()).into());
            }
        }
    }
    changed
}

/// The document in TOML, all of it in one line for each field, or with headers.
fn toml(policy: &Value, with_headers: bool) -> String {
    let mut text = String::new();
    if !with_headers {
        for (name, value) in policy.as_object().unwrap() {
            writeln!(text, "{name} = {}", inline(value)).unwrap();
        }
        return text;
    }
    writeln!(text, "version = {}", policy["version"]).unwrap();
    for (name, key) in policy["keys"].as_object().unwrap() {
        writeln!(text, "[keys.{name}]").unwrap();
        for (field, value) in key.as_object().unwrap() {
            match field.as_str() {
                "not-after" => writeln!(text, "not-after = {}", value.as_str().unwrap()).unwrap(),
                _ => writeln!(text, "{field} = {}", inline(value)).unwrap(),
            }
        }
    }
    for rule in policy["rules"].as_array().unwrap() {
        writeln!(text, "[[rules]]").unwrap();
        for (field, value) in rule.as_object().unwrap() {
            writeln!(text, "\"{field}\" = {}", inline(value)).unwrap();
        }
    }
    text
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            let list: Vec<_> = list.iter().map(inline).collect();
            format!("[{}]", list.join(", "))
        }
        Value::Object(table) => {
            let fields = table.iter().map(|(name, value)| {
                let is_bare = !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
                let name = if is_bare {
                    name.clone()
                } else {
                    json!(name).to_string()
                };
                format!("{name} = {}", inline(value))
            });
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        // What JSON writes of the rest is TOML too.
        other => other.to_string(),
    }
}

/// Whether a pattern matches, by trying every length of what each star stands for.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', '*', rest @ ..] => (0..=name.len()).any(|length| matches(rest, &name[length..])),
        ['*', rest @ ..] => {
            let segment = name
                .iter()
                .take_while(|character| **character != '/')
                .count();
            (0..=segment).any(|length| matches(rest, &name[length..]))
        }
        [first, rest @ ..] => name.first() == Some(first) && matches(rest, &name[1..]),
    }
}

/// The numbers of the rules that are the most specific for an image.
fn most_specific(policy: &Policy, image: &str) -> Vec<usize> {
    let name: Vec<char> = image.chars().collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (number, rule) in policy.rules().iter().enumerate() {
        for (_, pattern) in rule.images() {
            let text: Vec<char> = pattern.as_str().chars().collect();
            if matches(&text, &name) {
                let star = text.iter().position(|character| *character == '*');
                found.push((star.unwrap_or(usize::MAX), number));
            }
        }
    }
    let most = found.iter().map(|(rank, _)| *rank).max();
    let mut rules: Vec<_> = found
        .into_iter()
        .filter(|(rank, _)| Some(*rank) == most)
        .map(|(_, rule)| rule)
        .collect();
    rules.dedup();
    rules
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn less_trust_never_lets_more_pass((input, _) in valid()) {
        let before = rank(input.word());
        for changed in less(&input) {
            prop_assert!(rank(changed.word()) <= before, "{:?}\n{:?}", input, changed);
        }
    }
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn the_unknown_is_taken_both_ways((input, _) in valid()) {
        let at_best = known(&input, Stored::V2).word();
        let at_worst = known(&input, Stored::Invalid).word();
        let expected = if at_best == at_worst { at_best } else { "undecided" };
        prop_assert_eq!(input.word(), expected, "{:?}", input);
    }

    #[test]
    fn what_becomes_known_only_narrows((input, mut dice) in valid()) {
        let before = input.word();
        let mut after = input.clone();
        let unknown = after.signatures.iter_mut().filter(|(_, stored)| **stored == Stored::Unknown);
        for (_, stored) in unknown {
            *stored = *dice.one(&[&Stored::V1, &Stored::V2, &Stored::Invalid, &Stored::Unknown]);
        }
        if before != "undecided" {
            prop_assert_eq!(after.word(), before, "{:?}\n{:?}", input, after);
        }
    }

    #[test]
    fn order_and_names_mean_nothing((input, mut dice) in valid()) {
        let other = shuffled(&input, &mut dice);
        prop_assert_eq!(other.word(), input.word(), "{:?}\n{:?}", input, other);
    }

    #[test]
    fn toml_and_json_are_one((mut input, mut dice) in valid()) {
        for _ in 0..2 {
            input.image = image(&mut dice);
            for with_headers in [false, true] {
                let text = toml(&input.policy, with_headers);
                let policy = input.read_bytes(text.as_bytes());
                let policy = policy.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
                prop_assert_eq!(input.word_by(&policy), input.word(), "{}", text);
            }
        }
    }

    #[test]
    fn a_mistake_in_json_is_one_in_toml(seed in any::<u64>()) {
        let input = input(&mut Dice(seed));
        let text = toml(&input.policy, false);
        // TOML has no null.
        if !text.contains("null") {
            let error = input.read_bytes(text.as_bytes()).err();
            // Of a place, the line is another.
            let sentence = |error: Unread| {
                let sentence = error.to_string().replace("an object", "a table");
                sentence.split(", first on").next().map(str::to_owned)
            };
            prop_assert_eq!(error.map(sentence), input.read().err().map(sentence), "{}", text);
        }
    }
}

proptest! {
    #![proptest_config(config(6_000))]

    #[test]
    fn the_rule_is_the_one_that_a_plainer_search_finds(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut patterns: Vec<String> = (0..12).map(|_| pattern(&mut dice)).collect();
        patterns.sort();
        patterns.dedup();
        dice.shuffle(&mut patterns);
        let rules: Vec<Value> = patterns.chunks(2).map(|images| json!({ "images": images, "deny": "no" })).collect();
        let policy = json!({ "version": 1, "keys": { "ci": { "public": "ci.pub" } }, "rules": rules });
        let text = policy.to_string();
        let mut input = input(&mut dice);
        input.keys = [("ci".to_owned(), "aa".to_owned())].into();
        // A pattern that can match nothing may be among them.
        let Ok(policy) = input.read_bytes(text.as_bytes()) else {
            return Ok(());
        };
        for _ in 0..8 {
            let image = image(&mut dice);
            let reference: Reference = format!("{image}:v1").parse().unwrap();
            let expected = most_specific(&policy, &image);
            let at: Vec<_> = expected.iter().map(|number| policy.rules()[*number].at).collect();
            match policy.select(&reference) {
                Ok(selected) => prop_assert_eq!(vec![selected.rule.at], at, "{} {}", image, text),
                Err(Unselected::NoRule) => prop_assert!(at.is_empty(), "{} {}", image, text),
                Err(Unselected::Tie { .. }) => prop_assert!(at.len() > 1, "{} {}", image, text),
            }
        }
    }
}
