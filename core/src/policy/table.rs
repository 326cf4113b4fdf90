//! Fields of a table, taken one by one.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::document::{Entry, Form, Node, Value};
use super::error::{Error, Problem};
use super::example::example;
use super::position::Position;
use crate::record::Timestamp;
use crate::text::clipped;

/// A table of the file, of which every field is known and there once.
pub(super) struct Table {
    pub(super) at: Position,
    pub(super) form: Form,
    name: String,
    entries: Vec<Entry>,
}

impl Table {
    /// The table `node`, called `name` in messages, one of those of `kind`, whose fields are `known`.
    pub(super) fn of(
        node: Node,
        name: &str,
        kind: &'static str,
        known: &'static [&'static str],
    ) -> Result<Self, Error> {
        let table = Self {
            at: node.at,
            form: node.form,
            name: name.to_owned(),
            entries: entries(node, name, kind)?,
        };
        let unknown = |entry: &&Entry| !known.contains(&entry.name.as_str());
        match table.entries.iter().find(unknown) {
            None => Ok(table),
            Some(entry) => {
                let name = entry.name.clone();
                let problem = Problem::UnknownField { name, kind, known };
                Err(Error::new(entry.at, problem))
            }
        }
    }

    /// Takes a field.
    pub(super) fn take(&mut self, name: &str) -> Option<Entry> {
        let number = self.entries.iter().position(|entry| entry.name == name)?;
        Some(self.entries.swap_remove(number))
    }

    /// Takes a field that must be there.
    pub(super) fn need(&mut self, field: &'static str) -> Result<Entry, Error> {
        self.take(field).ok_or_else(|| {
            let missing = Problem::Missing {
                field,
                name: self.name.clone(),
                example: example(field, self.form),
            };
            Error::new(self.at, missing)
        })
    }
}

/// The fields of a table, called `name` in messages: the part of a policy that [`example`] knows as `part`.
pub(super) fn entries(node: Node, name: &str, part: &str) -> Result<Vec<Entry>, Error> {
    let Value::Table(entries) = node.value else {
        let wanted = match node.form {
            Form::Toml => "a table",
            Form::Json => "an object",
        };
        return Err(wrong_type(&node, name, wanted, part));
    };
    let mut seen = BTreeMap::new();
    for entry in &entries {
        if let Some(first) = seen.insert(&entry.name, entry.at) {
            return Err(twice(&entry.name, first, entry.at));
        }
    }
    Ok(entries)
}

impl Entry {
    pub(super) fn text(self) -> Result<String, Error> {
        match self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a text in quotes")),
        }
    }

    pub(super) fn flag(self) -> Result<bool, Error> {
        match self.node.value {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub(super) fn integer(self) -> Result<i64, Error> {
        match self.node.value {
            Value::Integer(number) => Ok(number),
            _ => Err(self.wrong_type("a whole number")),
        }
    }

    /// A time of TOML, or as text, for JSON has none.
    pub(super) fn time(self) -> Result<Timestamp, Error> {
        let (text, time) = match &self.node.value {
            Value::Time(text, time) => (text, *time),
            Value::Text(text) => (text, Timestamp::parse(text)),
            _ => return Err(self.wrong_type("a time")),
        };
        time.ok_or_else(|| {
            let text = text.clone();
            let example = example(&self.name, self.node.form);
            Error::new(self.node.at, Problem::Time { text, example })
        })
    }

    /// A reason, which must not be empty.
    pub(super) fn reason(self, field: &'static str) -> Result<String, Error> {
        let (at, form) = (self.node.at, self.node.form);
        let text = self.text()?;
        if text.trim().is_empty() {
            let example = example(field, form);
            return Err(Error::new(at, Problem::Reason { field, example }));
        }
        Ok(text)
    }

    /// A list with at least one entry.
    pub(super) fn list(self, field: &'static str) -> Result<Vec<Node>, Error> {
        match self.node.value {
            Value::List(nodes) if nodes.is_empty() => {
                Err(Error::new(self.node.at, Problem::Empty(field)))
            }
            Value::List(nodes) => Ok(nodes),
            _ => Err(self.wrong_type("a list")),
        }
    }

    /// A list of texts, at least one and none twice, each with its place.
    pub(super) fn texts(self, field: &'static str) -> Result<Vec<(Position, String)>, Error> {
        let mut texts = Vec::new();
        let mut seen = BTreeMap::new();
        for node in self.list(field)? {
            let Value::Text(text) = node.value else {
                let entry = format!("an entry of `{field}`");
                return Err(wrong_type(&node, &entry, "a text in quotes", field));
            };
            if let Some(first) = seen.insert(text.clone(), node.at) {
                return Err(twice(&text, first, node.at));
            }
            texts.push((node.at, text));
        }
        Ok(texts)
    }

    fn wrong_type(&self, wanted: &'static str) -> Error {
        let name = format!("`{}`", clipped(&self.name));
        wrong_type(&self.node, &name, wanted, &self.name)
    }
}

/// The error for a name that is at `first` and again at `at`.
pub(super) fn twice(name: &str, first: Position, at: Position) -> Error {
    let (name, first) = (name.to_owned(), Some(first));
    Error::new(at, Problem::Twice { name, first })
}

fn wrong_type(node: &Node, name: &str, wanted: &'static str, part: &str) -> Error {
    let found = match &node.value {
        Value::Table(_) if node.form == Form::Json => "an object",
        Value::Table(_) => "a table",
        Value::List(_) => "a list",
        Value::Text(_) => "a text",
        Value::Integer(_) => "a number",
        Value::Boolean(true) => "`true`",
        Value::Boolean(false) => "`false`",
        Value::Time(..) => "a time",
        Value::Other(name) => name,
    };
    let name = name.to_owned();
    let example = example(part, node.form);
    let problem = Problem::Type {
        name,
        wanted,
        found,
        example,
    };
    Error::new(node.at, problem)
}
