//! Fields of a table, taken one by one.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use super::document::{Entry, Node, Position, Value};
use super::error::{Error, Problem};
use crate::record::Timestamp;

/// A table of the file, of which every field is known and there once.
pub(super) struct Table {
    pub(super) at: Position,
    within: &'static str,
    entries: Vec<Entry>,
}

impl Table {
    /// The table `node`, called `within` in messages, of which `known` are the fields.
    pub(super) fn of(
        node: Node,
        within: &'static str,
        known: &'static [&'static str],
    ) -> Result<Self, Error> {
        let table = Self {
            at: node.at,
            within,
            entries: entries(node, within)?,
        };
        let unknown = |entry: &&Entry| !known.contains(&entry.name.as_str());
        match table.entries.iter().find(unknown) {
            None => Ok(table),
            Some(entry) => {
                let name = entry.name.clone();
                Err(Error::new(
                    entry.at,
                    Problem::UnknownField {
                        name,
                        within,
                        known,
                    },
                ))
            }
        }
    }

    /// Takes a field.
    pub(super) fn take(&mut self, name: &str) -> Option<Entry> {
        let number = self.entries.iter().position(|entry| entry.name == name)?;
        Some(self.entries.swap_remove(number))
    }

    /// Takes a field that must be there.
    pub(super) fn need(
        &mut self,
        name: &'static str,
        example: &'static str,
    ) -> Result<Entry, Error> {
        let missing = Problem::Missing {
            name,
            within: self.within,
            example,
        };
        self.take(name).ok_or_else(|| Error::new(self.at, missing))
    }
}

/// The fields of a table with names of its own.
pub(super) fn entries(node: Node, field: &str) -> Result<Vec<Entry>, Error> {
    let Value::Table(entries) = node.value else {
        return Err(wrong_type(&node, field, "a table"));
    };
    for (number, entry) in entries.iter().enumerate() {
        let before = entries.iter().take(number);
        if let Some(first) = before.into_iter().find(|other| other.name == entry.name) {
            let (first, second) = (first.at.min(entry.at), first.at.max(entry.at));
            let name = entry.name.clone();
            return Err(Error::new(second, Problem::Twice { name, first }));
        }
    }
    Ok(entries)
}

impl Entry {
    pub(super) fn text(self) -> Result<String, Error> {
        match self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(wrong_type(&self.node, &self.name, "a text in quotes")),
        }
    }

    pub(super) fn flag(self) -> Result<bool, Error> {
        match self.node.value {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(wrong_type(&self.node, &self.name, "true or false")),
        }
    }

    pub(super) fn integer(self) -> Result<i64, Error> {
        match self.node.value {
            Value::Integer(number) => Ok(number),
            _ => Err(wrong_type(&self.node, &self.name, "a whole number")),
        }
    }

    /// A time of TOML, or as text, for JSON has none.
    pub(super) fn time(self) -> Result<Timestamp, Error> {
        let time = match &self.node.value {
            Value::Time(time) => Some(*time),
            Value::Text(text) => Timestamp::parse(text),
            _ => None,
        };
        let wanted = "a time with its offset from UTC, such as 2027-01-31T00:00:00Z";
        time.ok_or_else(|| wrong_type(&self.node, &self.name, wanted))
    }

    /// A list with at least one entry.
    pub(super) fn list(self, field: &'static str) -> Result<Vec<Node>, Error> {
        match self.node.value {
            Value::List(nodes) if nodes.is_empty() => {
                Err(Error::new(self.node.at, Problem::Empty(field)))
            }
            Value::List(nodes) => Ok(nodes),
            _ => Err(wrong_type(&self.node, &self.name, "a list in [ ]")),
        }
    }

    /// A list of texts, at least one and none twice, each with its place.
    pub(super) fn texts(self, field: &'static str) -> Result<Vec<(Position, String)>, Error> {
        let mut texts: Vec<(Position, String)> = Vec::new();
        for node in self.list(field)? {
            let Value::Text(text) = node.value else {
                return Err(wrong_type(&node, field, "a list of texts in quotes"));
            };
            if let Some((first, _)) = texts.iter().find(|(_, other)| *other == text) {
                let first = *first;
                return Err(Error::new(node.at, Problem::Twice { name: text, first }));
            }
            texts.push((node.at, text));
        }
        Ok(texts)
    }
}

pub(super) fn wrong_type(node: &Node, field: &str, wanted: &'static str) -> Error {
    let found = match &node.value {
        Value::Table(_) => "a table",
        Value::List(_) => "a list",
        Value::Text(_) => "a text",
        Value::Integer(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Time(_) => "a time",
        Value::Other(name) => name,
    };
    let field = field.to_owned();
    Error::new(
        node.at,
        Problem::Type {
            field,
            wanted,
            found,
        },
    )
}
