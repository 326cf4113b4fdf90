//! A document of TOML or JSON as a tree whose every value knows its place.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Problem};
use super::position::Position;
use crate::record::Timestamp;
use crate::text::clipped;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Toml,
    Json,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) form: Form,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(Vec<Entry>),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// A time of TOML as it is printed, and the moment if it names one.
    Time(String, Option<Timestamp>),
    /// A value that no field has, by its name.
    Other(&'static str),
}

/// A field of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) node: Node,
}

/// No document that is valid is deeper.
const MAX_DEPTH: usize = 8;

/// The text of a file, without the mark of its byte order.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Error> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    core::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = core::str::from_utf8(valid).unwrap_or_default();
        Error::new(Places::of(valid).of_offset(valid.len()), Problem::NotUtf8)
    })
}

/// Reads a document, JSON if it begins with `{` and TOML otherwise.
pub(super) fn read(text: &str) -> Result<Node, Error> {
    let places = Places::of(text);
    if text.trim_start().starts_with('{') {
        let whole: &RawValue =
            serde_json::from_str(text).map_err(|error| not_json(&error, text, &places))?;
        json(whole, &places, MAX_DEPTH)
    } else {
        let table = DeTable::parse(text).map_err(|error| not_toml(&error, &places))?;
        let at = places.of_offset(table.span().start);
        let value = table_of(table.into_inner(), &places)?;
        let form = Form::Toml;
        Ok(Node { at, form, value })
    }
}

/// The error for `part` of the text, which is no JSON.
fn not_json(error: &serde_json::Error, part: &str, places: &Places<'_>) -> Error {
    // It counts the bytes of a line.
    let lines = part.split_inclusive('\n');
    let before = lines.take(error.line().saturating_sub(1)).map(str::len);
    let offset = before.sum::<usize>().saturating_add(error.column());
    let at = places.of_part(part, offset.saturating_sub(1).min(part.len()));
    // Its own text ends with the place.
    let text = error.to_string();
    let end = text.rfind(" at line ");
    let reason = end.and_then(|end| text.get(..end)).unwrap_or(&text);
    let form = "JSON";
    let reason = clipped(reason);
    Error::new(at, Problem::Syntax { form, reason })
}

fn not_toml(error: &toml::de::Error, places: &Places<'_>) -> Error {
    let span = error.span().unwrap_or_default();
    let at = places.of_offset(span.start);
    let problem = match error.message() {
        "duplicate key" => {
            let name = places.text.get(span).unwrap_or_default();
            let name = name.trim_matches(['"', '\'']).to_owned();
            Problem::Twice { name, first: None }
        }
        "recursion limit" | "cannot recurse further; max recursion depth met" => Problem::TooDeep,
        reason => Problem::Syntax {
            form: "TOML",
            reason: clipped(reason),
        },
    };
    Error::new(at, problem)
}

/// Where the lines of a text begin. A place is found without counting, since one line may have every value of the file.
struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
    /// The bytes that begin no character.
    inner: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        let after = text.match_indices('\n');
        let after = after.map(|(at, end)| at.saturating_add(end.len()));
        let inner = (0..text.len()).filter(|at| !text.is_char_boundary(*at));
        Self {
            text,
            lines: core::iter::once(0).chain(after).collect(),
            inner: inner.collect(),
        }
    }

    fn of_offset(&self, offset: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line.saturating_sub(1)).copied();
        let character = |offset: usize| {
            let inner = self.inner.partition_point(|inner| *inner < offset);
            offset.saturating_sub(inner)
        };
        let before = character(offset).saturating_sub(character(start.unwrap_or_default()));
        Position {
            line,
            column: before.saturating_add(1),
        }
    }

    /// The place in a part of the text, `offset` bytes after the beginning of the part.
    fn of_part(&self, part: &str, offset: usize) -> Position {
        let start = part.as_ptr().addr();
        let start = start.saturating_sub(self.text.as_ptr().addr());
        self.of_offset(start.saturating_add(offset))
    }
}

fn toml(value: Spanned<DeValue<'_>>, places: &Places<'_>) -> Result<Node, Error> {
    let at = places.of_offset(value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.map_or(Value::Other("a number that is too large"), Value::Integer)
        }
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(mut time) => {
            let text = time.to_string();
            // TOML may leave out the seconds, and RFC 3339 does not.
            if let Some(time) = &mut time.time {
                time.second.get_or_insert(0);
            }
            Value::Time(text, Timestamp::parse(&time.to_string()))
        }
        DeValue::Array(values) => {
            let nodes = values.into_iter().map(|value| toml(value, places));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => table_of(table, places)?,
    };
    let form = Form::Toml;
    Ok(Node { at, form, value })
}

fn table_of(table: DeTable<'_>, places: &Places<'_>) -> Result<Value, Error> {
    let mut entries: Vec<_> = table.into_iter().collect();
    // The parser sorts them by their names.
    entries.sort_by_key(|(name, _)| name.span().start);
    let entries = entries.into_iter().map(|(name, value)| {
        Ok(Entry {
            at: places.of_offset(name.span().start),
            name: name.into_inner().into_owned(),
            node: toml(value, places)?,
        })
    });
    Ok(Value::Table(entries.collect::<Result<_, Error>>()?))
}

/// The fields of an object, none of them read. Of a name that is there twice both are kept.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap;

        impl<'de> Visitor<'de> for OfMap {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(OfMap).map(Self)
    }
}

fn json(raw: &RawValue, places: &Places<'_>, depth: usize) -> Result<Node, Error> {
    let text = raw.get();
    let at = places.of_part(text, 0);
    let inner = || {
        let depth = depth.checked_sub(1);
        depth.ok_or_else(|| Error::new(at, Problem::TooDeep))
    };
    let value = match text.as_bytes().first() {
        Some(b'{') => {
            let depth = inner()?;
            let Fields(fields) = parsed(text, places)?;
            let entries = fields.into_iter().map(|(name, value)| {
                Ok(Entry {
                    at: places.of_part(name.get(), 0),
                    name: parsed(name.get(), places)?,
                    node: json(value, places, depth)?,
                })
            });
            Value::Table(entries.collect::<Result<_, Error>>()?)
        }
        Some(b'[') => {
            let depth = inner()?;
            let values: Vec<&RawValue> = parsed(text, places)?;
            let nodes = values.into_iter().map(|value| json(value, places, depth));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(parsed(text, places)?),
        Some(b't') => Value::Boolean(true),
        Some(b'f') => Value::Boolean(false),
        Some(b'n') => Value::Other("null"),
        _ => match text.parse() {
            Ok(number) => Value::Integer(number),
            Err(_) if text.contains(['.', 'e', 'E']) => Value::Other("a fraction"),
            Err(_) => Value::Other("a number that is too large"),
        },
    };
    let form = Form::Json;
    Ok(Node { at, form, value })
}

/// A part of a document of JSON as a value.
fn parsed<'a, T: Deserialize<'a>>(text: &'a str, places: &Places<'_>) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| not_json(&error, text, places))
}
