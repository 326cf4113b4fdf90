//! A file of TOML as a tree whose every value knows its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::bounded_file;
use crate::gate::position::position;

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct TomlFile {
    /// Its path.
    pub(super) path: PathBuf,
    /// Its fields.
    pub(super) root: Table,
}

/// Fields by name.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and the line that it begins in.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value, as far as the check needs it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
    /// A fraction, a time, or a number that is too large.
    Other,
}

/// The reason why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] bounded_file::Error),
    /// The file is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The file is not TOML.
    #[error("{reason} (line {line})")]
    Syntax {
        /// The line.
        line: usize,
        /// The reason.
        reason: String,
    },
}

impl TomlFile {
    /// Reads a file of at most `max` bytes.
    pub(super) fn read(path: &Path, max: u64) -> Result<Self, Error> {
        let bytes = bounded_file::read(path, max)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::NotUtf8)?;
        Ok(Self {
            path: path.to_owned(),
            root: parse(text)?,
        })
    }

    /// The value below these names.
    pub(super) fn at(&self, names: &[&str]) -> Option<&Node> {
        below(&self.root, names)
    }

    /// The file and the line, for messages.
    pub(super) fn place(&self, node: &Node) -> String {
        format!("{}:{}", self.path.display(), node.line)
    }
}

/// The value below these names of a table.
pub(super) fn below<'a>(table: &'a Table, names: &[&str]) -> Option<&'a Node> {
    let (last, before) = names.split_last()?;
    let mut table = table;
    for name in before {
        table = table.get(*name)?.as_table()?;
    }
    table.get(*last)
}

fn parse(text: &str) -> Result<Table, Error> {
    let table = DeTable::parse(text).map_err(|error| Error::Syntax {
        line: position(text, error.span()).line,
        reason: error.message().to_owned(),
    })?;
    Ok(table_of(text, table.into_inner()))
}

fn table_of(text: &str, table: DeTable<'_>) -> Table {
    let entries = table.into_iter().map(|(name, value)| {
        let line = position(text, Some(name.span())).line;
        let node = Node {
            line,
            ..node_of(text, value)
        };
        (name.into_inner().into_owned(), node)
    });
    entries.collect()
}

fn node_of(text: &str, value: Spanned<DeValue<'_>>) -> Node {
    let line = position(text, Some(value.span())).line;
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.map_or(Value::Other, Value::Integer)
        }
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Float(_) | DeValue::Datetime(_) => Value::Other,
        DeValue::Array(values) => {
            let nodes = values.into_iter().map(|value| node_of(text, value));
            Value::List(nodes.collect())
        }
        DeValue::Table(table) => Value::Table(table_of(text, table)),
    };
    Node { line, value }
}

impl Node {
    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of a list, and none for anything else.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &Self)> {
        let nodes = match &self.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => &[],
        };
        nodes
            .iter()
            .filter_map(|node| Some((node.as_text()?, node)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_line() {
        let text = "a = 1\n\n[b.'c.d']\ne = [\"x\",\n  \"y\"]\n[[f]]\ng = 0x10\n";
        let root = parse(text).unwrap();
        let e = below(&root, &["b", "c.d", "e"]).unwrap();
        assert_eq!(e.line, 4);
        let texts: Vec<_> = e.texts().map(|(text, node)| (text, node.line)).collect();
        assert_eq!(texts, [("x", 4), ("y", 5)]);
        assert!(below(&root, &["a", "x"]).is_none() && below(&root, &[]).is_none());
        let error = parse("a = 1\nb = \n").unwrap_err();
        assert!(matches!(error, Error::Syntax { line: 2, .. }), "{error}");
    }
}
