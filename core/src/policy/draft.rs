//! A policy as its file says it, before the keys that it names are read.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroUsize;

use super::decision::Require;
use super::document::{self, Entry, Node};
use super::error::{Error, Problem};
use super::example::{KEY, REQUIREMENT, RULE, example};
use super::pattern::Pattern;
use super::position::Position;
use super::table::{Table, entries, twice};
use super::{Key, MAX_BYTES, Policy, Requirement, Rule, Terms};
use crate::crypto::public::PublicKey;
use crate::digest::Digest;
use crate::payload::Schema;
use crate::record::Timestamp;
use crate::reference::Scheme;

/// A policy whose keys are still to be read.
#[derive(Clone, Debug)]
pub struct Draft {
    keys: Vec<DraftKey>,
    rules: Vec<Rule>,
}

/// A key as the file names it.
#[derive(Clone, Debug)]
pub struct DraftKey {
    /// Its name.
    pub name: String,
    /// The place of its `public`.
    pub at: Position,
    /// What `public` says.
    pub source: Source,
    not_after: Option<Timestamp>,
    revoked: Option<String>,
}

/// Where a public key is.
#[derive(Clone, Debug)]
pub enum Source {
    /// In the policy itself.
    Inline(Box<PublicKey>),
    /// In a file, at this path from the directory of the policy.
    File(String),
    /// In a key service, under this name.
    Remote(String),
}

/// The kinds of stores and key services that a policy may name.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The stores of images.
    pub stores: &'a [Scheme],
    /// The schemes of key services: the text before `://`.
    pub key_services: &'a [&'a str],
}

impl Draft {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first mistake that is found.
    pub fn parse(bytes: &[u8], known: Known<'_>) -> Result<Self, Error> {
        let start = Position { line: 1, column: 1 };
        if u64::try_from(bytes.len()).map_or(true, |len| len > MAX_BYTES) {
            return Err(Error::new(start, Problem::TooLarge));
        }
        let text = document::text(bytes)?;
        let root = document::read(text)?;
        let mut root = Table::of(root, "the policy", "a policy", &POLICY_FIELDS)?;
        let version = root.need("version")?;
        let at = version.node.at;
        match version.integer()? {
            1 => {}
            other => return Err(Error::new(at, Problem::Version(other))),
        }
        let named = root.need("keys")?;
        let at = named.node.at;
        let keys: Vec<_> = entries(named.node, "`keys`", "keys")?
            .into_iter()
            .map(|entry| DraftKey::read(entry, known))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(Error::new(at, Problem::Empty("keys")));
        }
        let rules = root.need("rules")?.list("rules")?;
        let read = |node| read_rule(node, &keys, known);
        let rules: Vec<_> = rules.into_iter().map(read).collect::<Result<_, _>>()?;
        let mut seen = BTreeMap::new();
        for (at, pattern) in rules.iter().flat_map(|rule| &rule.images) {
            if let Some(first) = seen.insert(pattern.as_str(), *at) {
                return Err(twice(pattern.as_str(), first, *at));
            }
        }
        Ok(Self { keys, rules })
    }

    /// The keys, in no order that means anything.
    pub fn keys(&self) -> &[DraftKey] {
        &self.keys
    }

    /// The policy, with the public key that each file of a key had: `public` is asked for those of [`Source::File`] alone.
    ///
    /// # Errors
    ///
    /// The error of `public`, or [`Error`] for a number of keys that cannot be reached, since some of them are one key.
    pub fn complete<E: From<Error>>(
        self,
        mut public: impl FnMut(&DraftKey, &str) -> Result<PublicKey, E>,
    ) -> Result<Policy, E> {
        let mut keys = Vec::new();
        for key in self.keys {
            let (public, remote) = match &key.source {
                Source::Inline(public) => (Some(PublicKey::clone(public)), None),
                Source::File(path) => (Some(public(&key, path)?), None),
                Source::Remote(name) => (None, Some(name.clone())),
            };
            keys.push(Key {
                name: key.name,
                public,
                remote,
                not_after: key.not_after,
                revoked: key.revoked,
            });
        }
        let policy = Policy {
            keys,
            rules: self.rules,
        };
        policy.check_thresholds()?;
        Ok(policy)
    }
}

const POLICY_FIELDS: [&str; 3] = ["version", "keys", "rules"];

const KEY_FIELDS: [&str; 4] = ["public", "allow-remote", "not-after", "revoked"];

impl DraftKey {
    fn read(entry: Entry, known: Known<'_>) -> Result<Self, Error> {
        let Entry { name, at, node } = entry;
        if !is_key_name(&name) {
            return Err(Error::new(at, Problem::KeyName(name)));
        }
        let mut table = Table::of(node, &format!("the key `{name}`"), KEY, &KEY_FIELDS)?;
        let form = table.form;
        let public = table.need("public")?;
        let at = public.node.at;
        let public = public.text()?;
        let remote = table.take("allow-remote");
        let remote_at = remote.as_ref().map_or(at, |entry| entry.at);
        let remote = remote.map(Entry::flag).transpose()?.unwrap_or(false);
        let source = if public.contains("-----BEGIN ") {
            let key = PublicKey::from_pem(public.as_bytes()).map_err(|error| {
                let name = name.clone();
                Error::new(at, Problem::PublicKey { name, error })
            })?;
            Source::Inline(Box::new(key))
        } else if let Some((scheme, _)) = public.split_once("://") {
            if !known.key_services.contains(&scheme) {
                let scheme = String::from(scheme);
                return Err(Error::new(at, Problem::Scheme { name, scheme }));
            }
            if !remote {
                let example = example("allow-remote", form);
                return Err(Error::new(at, Problem::Remote { name, example }));
            }
            Source::Remote(public)
        } else if is_path_below(&public) {
            Source::File(public)
        } else if public.len() > MAX_PATH_SHOWN || public.contains(char::is_control) {
            return Err(Error::new(at, Problem::NoPath { name }));
        } else {
            return Err(Error::new(at, Problem::Path(public)));
        };
        let is_remote = matches!(source, Source::Remote(_));
        if remote && !is_remote {
            return Err(Error::new(remote_at, Problem::NotRemote { name }));
        }
        let mut by_name = |field: &'static str| {
            let entry = table.take(field)?;
            Some(match &source {
                Source::Remote(_) => {
                    let problem = Problem::NotByName {
                        field,
                        example: example("public", form),
                    };
                    Err(Error::new(entry.at, problem))
                }
                Source::Inline(_) | Source::File(_) => Ok(entry),
            })
        };
        let not_after = by_name("not-after").transpose()?.map(Entry::time);
        let revoked = by_name("revoked").transpose()?;
        let revoked = revoked.map(|entry| entry.reason("revoked")).transpose()?;
        Ok(Self {
            name,
            at,
            source,
            not_after: not_after.transpose()?,
            revoked,
        })
    }
}

/// A text that is longer is not repeated in an error: it may be a private key that was put there by mistake.
const MAX_PATH_SHOWN: usize = 80;

/// A name is printed, and part of sentences: no spaces and no signs that mean something in a terminal or in Markdown.
fn is_key_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A path to a file that leads nowhere else, read as one on every system: a backslash separates on some of them.
fn is_path_below(path: &str) -> bool {
    !path.contains(|c: char| c.is_control() || c == '\\')
        && path.split('/').all(|part| !matches!(part, "" | ".."))
        && path.rsplit('/').next() != Some(".")
}

const RULE_FIELDS: [&str; 5] = ["images", "require", "min-schema", "deny-digests", "deny"];

fn read_rule(node: Node, keys: &[DraftKey], known: Known<'_>) -> Result<Rule, Error> {
    let mut table = Table::of(node, RULE, RULE, &RULE_FIELDS)?;
    let at = table.at;
    let images = table.need("images")?;
    let images = images.texts("images")?.into_iter().map(|(at, text)| {
        let pattern = Pattern::parse(&text, known.stores);
        let wrong = |problem| {
            let pattern = text.clone();
            Error::new(at, Problem::Pattern { pattern, problem })
        };
        pattern.map(|pattern| (at, pattern)).map_err(wrong)
    });
    let images = images.collect::<Result<_, _>>()?;
    if let Some(deny) = table.take("deny") {
        for field in ["require", "min-schema", "deny-digests"] {
            if let Some(entry) = table.take(field) {
                return Err(Error::new(entry.at, Problem::BesideDeny { field }));
            }
        }
        let terms = Terms::Deny(deny.reason("deny")?);
        return Ok(Rule { at, images, terms });
    }
    let require = table.need("require")?;
    let require = require.list("require")?.into_iter();
    let require = require.map(|node| read_requirement(node, keys));
    let require = require.collect::<Result<_, _>>()?;
    let min_schema = match table.take("min-schema") {
        None => Schema::V2,
        Some(entry) => {
            let at = entry.node.at;
            let version = entry.integer()?;
            let schema = u64::try_from(version).ok().and_then(Schema::from_version);
            schema.ok_or_else(|| Error::new(at, Problem::Schema(version)))?
        }
    };
    let denied = match table.take("deny-digests") {
        None => Vec::new(),
        Some(entry) => entry.texts("deny-digests")?,
    };
    let denied = denied.into_iter().map(|(at, text)| {
        let digest = text.parse::<Digest>();
        digest.map_err(|error| Error::new(at, Problem::Digest { text, error }))
    });
    let terms = Terms::Require {
        requirements: require,
        min_schema,
        denied: denied.collect::<Result<_, _>>()?,
    };
    Ok(Rule { at, images, terms })
}

const REQUIREMENT_FIELDS: [&str; 4] = ["any", "all", "at-least", "of"];

fn read_requirement(node: Node, keys: &[DraftKey]) -> Result<Requirement, Error> {
    let mut table = Table::of(node, REQUIREMENT, REQUIREMENT, &REQUIREMENT_FIELDS)?;
    let mut at = table.at;
    let [any, all, least, of] = REQUIREMENT_FIELDS.map(|name| table.take(name));
    let (require, of, field) = match (any, all, least, of) {
        (Some(of), None, None, None) => (Require::AtLeast(NonZeroUsize::MIN), of, "any"),
        (None, Some(of), None, None) => (Require::All, of, "all"),
        (None, None, Some(least), Some(of)) => {
            at = least.node.at;
            let least = least.integer()?;
            let number = usize::try_from(least).ok().and_then(NonZeroUsize::new);
            let number = number.ok_or_else(|| Error::new(at, Problem::NoThreshold(least)))?;
            (Require::AtLeast(number), of, "of")
        }
        _ => {
            let example = example(REQUIREMENT, table.form);
            return Err(Error::new(at, Problem::Requirement { example }));
        }
    };
    let of = of.texts(field)?.into_iter().map(|(at, name)| {
        let number = keys.iter().position(|key| key.name == name);
        number.ok_or_else(|| {
            let known = keys.iter().map(|key| key.name.clone()).collect();
            Error::new(at, Problem::NoSuchKey { name, known })
        })
    });
    Ok(Requirement {
        at,
        require,
        of: of.collect::<Result<_, _>>()?,
    })
}
