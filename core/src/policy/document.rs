//! A document of TOML or JSON as a tree whose every value knows its place.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Problem};
use crate::record::Timestamp;
use crate::text::clipped;

/// A place in the file: line and column, the column in characters; both begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(Vec<Entry>),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Boolean(bool),
    Time(Timestamp),
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

/// Reads a document, JSON if it begins with `{` and TOML otherwise.
pub(super) fn read(text: &str) -> Result<Node, Error> {
    let places = Places::of(text);
    if text.trim_start().starts_with('{') {
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| {
            let at = Position {
                line: error.line(),
                column: error.column().max(1),
            };
            // Its own text ends with the place.
            let text = error.to_string();
            let end = text.rfind(" at line ");
            let reason = end.and_then(|end| text.get(..end)).unwrap_or(&text);
            Error::new(at, Problem::Syntax(reason.to_owned()))
        })?;
        json(whole, &places, MAX_DEPTH)
    } else {
        let table = DeTable::parse(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            Error::new(
                places.of_offset(start),
                match error.message() {
                    // Its "key" is a field, and could be taken for a key that signs.
                    "duplicate key" => Problem::Syntax("this name is there twice".to_owned()),
                    message => Problem::Syntax(clipped(message)),
                },
            )
        })?;
        let at = places.of_offset(table.span().start);
        let value = table_of(table.into_inner(), &places)?;
        Ok(Node { at, value })
    }
}

/// Where the lines of a text begin.
struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        let after = text.match_indices('\n').map(|(at, end)| at + end.len());
        let lines = core::iter::once(0).chain(after).collect();
        Self { text, lines }
    }

    fn of_offset(&self, offset: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line.saturating_sub(1)).copied();
        let before = self.text.get(start.unwrap_or_default()..offset);
        Position {
            line,
            column: before
                .map_or(0, |before| before.chars().count())
                .saturating_add(1),
        }
    }

    /// The place of a part of the text, or `None` for a text that is none.
    fn of_part(&self, part: &str) -> Option<Position> {
        let offset = part
            .as_ptr()
            .addr()
            .checked_sub(self.text.as_ptr().addr())?;
        (offset <= self.text.len()).then(|| self.of_offset(offset))
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
        DeValue::Datetime(time) => match Timestamp::parse(&time.to_string()) {
            Some(time) => Value::Time(time),
            None => Value::Other("a local time"),
        },
        DeValue::Array(values) => {
            let nodes = values.into_iter().map(|value| toml(value, places));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => table_of(table, places)?,
    };
    Ok(Node { at, value })
}

fn table_of(table: DeTable<'_>, places: &Places<'_>) -> Result<Value, Error> {
    let entries = table.into_iter().map(|(name, value)| {
        Ok(Entry {
            at: places.of_offset(name.span().start),
            name: name.into_inner().into_owned(),
            node: toml(value, places)?,
        })
    });
    Ok(Value::Table(entries.collect::<Result<_, Error>>()?))
}

/// The fields of an object, none of them read. Of a name that is there twice both are kept.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap;

        impl<'de> Visitor<'de> for OfMap {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(OfMap).map(Self)
    }
}

/// The name of a field, a part of the document itself where no character of it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn json(raw: &RawValue, places: &Places<'_>, depth: usize) -> Result<Node, Error> {
    let text = raw.get();
    let at = places
        .of_part(text)
        .unwrap_or(Position { line: 1, column: 1 });
    let wrong =
        |error: serde_json::Error| Error::new(at, Problem::Syntax(clipped(&error.to_string())));
    let inner = || {
        depth
            .checked_sub(1)
            .ok_or_else(|| Error::new(at, Problem::TooDeep))
    };
    let value = match text.as_bytes().first() {
        Some(b'{') => {
            let depth = inner()?;
            let Fields(fields) = serde_json::from_str(text).map_err(wrong)?;
            let entries = fields.into_iter().map(|(name, value)| {
                let node = json(value, places, depth)?;
                let at = match &name {
                    // The quotation mark in front of it.
                    Cow::Borrowed(name) => places.of_part(name).map(|at| Position {
                        column: at.column.saturating_sub(1),
                        ..at
                    }),
                    Cow::Owned(_) => None,
                };
                Ok(Entry {
                    name: name.into_owned(),
                    at: at.unwrap_or(node.at),
                    node,
                })
            });
            Value::Table(entries.collect::<Result<_, Error>>()?)
        }
        Some(b'[') => {
            let depth = inner()?;
            let values: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let nodes = values.into_iter().map(|value| json(value, places, depth));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(text).map_err(wrong)?),
        Some(b't') => Value::Boolean(true),
        Some(b'f') => Value::Boolean(false),
        Some(b'n') => Value::Other("null"),
        _ => serde_json::from_str(text).map_or(
            Value::Other("a number that is no whole one"),
            Value::Integer,
        ),
    };
    Ok(Node { at, value })
}
