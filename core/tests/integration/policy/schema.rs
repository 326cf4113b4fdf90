//! The JSON Schema that is published accepts what the parser accepts, and refuses what a schema can refuse.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use s3lo_core::policy::{Draft, Problem};
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::{KNOWN, cases, generate, mistakes};

fn docs(name: &str) -> String {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    fs::read_to_string(folder.join(name)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&docs("policy.schema.json")).unwrap()
}

/// The schema, ready to judge documents.
struct Schema {
    all: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn read() -> Self {
        let mut all = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource("policy", schema()).unwrap();
        let index = compiler.compile("policy", &mut all).unwrap();
        Self { all, index }
    }

    fn check(&self, document: &Value) -> Result<(), String> {
        let checked = self.all.validate(document, self.index);
        checked.map_err(|error| error.to_string())
    }
}

/// The document of a file, if it is one at all: of a name that is there twice a schema sees one.
fn document(name: &str, bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if name.ends_with(".json") {
        serde_json::from_str(text).ok()
    } else {
        Some(from_table(DeTable::parse(text).ok()?.into_inner()))
    }
}

fn from_table(table: DeTable<'_>) -> Value {
    let fields = table.into_iter().map(|(name, value)| {
        let name = name.into_inner().into_owned();
        (name, from_toml(value.into_inner()))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn from_toml(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => number
            .as_str()
            .parse::<i128>()
            .map_or(Value::Null, |number| {
                i64::try_from(number).map_or_else(|_| json!(number.to_string()), Value::from)
            }),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(flag) => json!(flag),
        // As every tool does that checks TOML by a JSON Schema.
        DeValue::Datetime(time) => json!(time.to_string()),
        DeValue::Array(list) => list
            .into_iter()
            .map(|value| from_toml(value.into_inner()))
            .collect(),
        DeValue::Table(table) => from_table(table),
    }
}

/// The mistakes that only the parser sees, by the beginning of the file's name.
const BEYOND_A_SCHEMA: [&str; 11] = [
    // Another document than the one that was written.
    "twice-require",
    "twice-any",
    // The same number.
    "type-version-fraction",
    // The relation of two places.
    "twice-pattern-in-two-rules",
    "key-unknown",
    "threshold-above",
    "threshold-too-large",
    // Keys and times are more than their form.
    "public-",
    "time-beyond-the-calendar",
    "type-revoked-time",
    // A segment of 256 bytes.
    "pattern-of-a-segment-too-long",
];

#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let schema = Schema::read();
    let page = docs("policy.md");
    let example = page
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let example = document("example.toml", example.as_bytes()).unwrap();
    assert_eq!(schema.check(&example), Ok(()));
    let mut accepted = 0;
    for case in cases::all() {
        if case.word != "error" {
            assert_eq!(schema.check(&case.input.policy), Ok(()), "{}", case.name);
            accepted += 1;
        }
    }
    for seed in 0..2_000 {
        let input = generate::input(&mut generate::Dice(seed));
        if input.read().is_ok() {
            assert_eq!(schema.check(&input.policy), Ok(()), "{}", input.policy);
            accepted += 1;
        }
    }
    println!("{accepted} documents are valid by the schema");
}

#[test]
fn the_schema_refuses_the_mistakes_that_a_schema_can() {
    let schema = Schema::read();
    let (mut refused, mut accepted) = (0, Vec::new());
    let mut beyond = BTreeSet::new();
    for (name, bytes) in mistakes::files() {
        let Some(document) = document(&name, &bytes) else {
            continue;
        };
        let known = BEYOND_A_SCHEMA
            .iter()
            .find(|start| name.starts_with(**start));
        match (schema.check(&document), known) {
            (Ok(()), Some(start)) => {
                beyond.insert(*start);
            }
            (Ok(()), None) => accepted.push(name),
            (Err(_), _) => refused += 1,
        }
    }
    assert_eq!(beyond, BEYOND_A_SCHEMA.into());
    assert!(accepted.is_empty(), "{accepted:?}");
    println!("{refused} mistakes are refused by the schema");
    assert!(refused >= 130);
}

/// The fields of one part of a policy, as the parser lists them for a document with an unknown field.
fn fields(document: &Value) -> BTreeSet<String> {
    let error = Draft::parse(document.to_string().as_bytes(), KNOWN).unwrap_err();
    let Problem::UnknownField { known, .. } = error.problem else {
        panic!("{error}");
    };
    known.iter().map(|field| (*field).to_owned()).collect()
}

fn names(properties: &Value) -> BTreeSet<String> {
    properties.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schema_has_the_fields_of_the_parser() {
    let schema = schema();
    let key = json!({ "ci": { "public": "ci.pub" } });
    let rules = |rule: Value| json!({ "version": 1, "keys": key, "rules": [rule] });
    assert_eq!(names(&schema["properties"]), fields(&json!({ "x": 1 })));
    assert_eq!(
        names(&schema["$defs"]["key"]["properties"]),
        fields(&json!({ "version": 1, "keys": { "ci": { "x": 1 } }, "rules": [] })),
    );
    assert_eq!(
        names(&schema["$defs"]["rule"]["properties"]),
        fields(&rules(json!({ "x": 1 })))
    );
    let kinds = schema["$defs"]["requirement"]["oneOf"].as_array().unwrap();
    let of_kinds = kinds.iter().flat_map(|kind| names(&kind["properties"]));
    let rule = json!({ "images": ["**"], "require": [{ "x": 1 }] });
    assert_eq!(of_kinds.collect::<BTreeSet<_>>(), fields(&rules(rule)));
}
