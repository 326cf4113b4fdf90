//! The raw values of options in a job's environment.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use s3lo_core::json::{distinct, object};
use serde::Deserialize;
use serde_json::Value;

use crate::ci::inputs::family::{CONFIGURATION, Choice, Family, Variables, own, shouted};
use crate::ci::inputs::option::{Error, OptionSpec, Origin, ValueKind};

/// The variables of a job, and the family of them that its options are in.
pub(crate) struct Sources {
    pub(crate) family: Family,
    pub(crate) variables: Variables,
    /// The settings of the Buildkite plugin, or the inputs among the arguments.
    pub(crate) settings: BTreeMap<String, Value>,
    /// The variables that the plugin's `environment` names.
    pub(crate) named: Vec<String>,
}

/// A value as it was found.
pub(crate) enum RawValue {
    Text(String),
    /// Lists that the system joined by commas.
    Joined(String),
    List(Vec<String>),
}

/// The values found for an option.
pub(crate) enum Found {
    Value(RawValue, Origin),
    /// It is there, and holds nothing.
    Empty,
    Nothing,
}

/// The places of an option within a family; the first with a value counts.
#[derive(Clone, Copy)]
enum Source {
    Input,
    Setting,
    Plugin,
    Own,
}

impl Sources {
    pub(crate) fn new(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        choice: &Choice,
        lenient: bool,
    ) -> Result<Self, Error> {
        let texts = environment.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value))
        });
        let variables: Variables = texts.collect();
        let family = choice
            .family()
            .unwrap_or_else(|| Family::detect(&variables));
        let settings = match (family, variables.get(CONFIGURATION)) {
            (Family::Arguments, _) => arguments(&choice.arguments),
            (Family::Buildkite, Some(value)) => match configuration(value) {
                Err(_) if lenient => BTreeMap::new(),
                read => read?,
            },
            _ => BTreeMap::new(),
        };
        Ok(Self {
            family,
            variables,
            named: match family {
                Family::Buildkite => named_by(settings.get("environment")),
                _ => Vec::new(),
            },
            settings,
        })
    }

    /// Whether a variable is set to `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        let value = self.variables.get(name);
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The variables whose names begin with `prefix`, by the rest of their names.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a OsStr)> {
        let behind = move |(name, value): (&'a String, &'a OsString)| {
            Some((name.strip_prefix(prefix)?, value.as_os_str()))
        };
        self.variables.iter().filter_map(behind)
    }

    /// The first value that is not empty.
    pub(crate) fn first(&self, option: &OptionSpec) -> Result<Found, Error> {
        let sources: &[Source] = match self.family {
            Family::Github => &[Source::Input],
            Family::Arguments => &[Source::Setting],
            Family::Buildkite => &[Source::Setting, Source::Own],
            Family::Plugin => &[Source::Plugin],
            Family::Variables => &[Source::Own],
        };
        let mut is_there = false;
        for source in sources {
            let mut found: Option<(RawValue, Origin)> = None;
            // An action declares each of its inputs under one name.
            let names = match source {
                Source::Input | Source::Setting if !self.family.takes(option) => continue,
                Source::Input => option.names.get(..1).unwrap_or_default(),
                Source::Setting | Source::Plugin | Source::Own => option.names.as_slice(),
            };
            for name in names {
                let (raw, origin) = self.find(*source, name)?;
                is_there = is_there || raw.is_some();
                let Some(raw) = raw.filter(|raw| !raw.is_empty(option.kind)) else {
                    continue;
                };
                if let Some((_, one)) = found {
                    return Err(Error::TwoNames { one, other: origin });
                }
                found = Some((raw, origin));
            }
            if let Some((raw, origin)) = found {
                return Ok(Found::Value(raw, origin));
            }
        }
        Ok(if is_there {
            Found::Empty
        } else {
            Found::Nothing
        })
    }

    /// The raw value of a setting.
    pub(crate) fn setting(&self, name: &str, origin: &Origin) -> Result<Option<RawValue>, Error> {
        let raw = self.settings.get(name).map(|value| json(value, origin));
        Ok(raw.transpose()?.flatten())
    }

    fn find(&self, source: Source, name: &str) -> Result<(Option<RawValue>, Origin), Error> {
        let origin = match source {
            Source::Own if self.family == Family::Buildkite => Origin(own(name)),
            _ => self.family.origin(name),
        };
        let variable = match source {
            Source::Setting => return Ok((self.setting(name, &origin)?, origin)),
            Source::Input => input(name),
            Source::Plugin => format!("PLUGIN_{}", shouted(name)),
            Source::Own => own(name),
        };
        // Anyone who starts a build can set its variables: only what the step names counts.
        if self.family == Family::Buildkite && !self.named.contains(&variable) {
            return Ok((None, origin));
        }
        let Some(value) = self.variables.get(&variable) else {
            return Ok((None, origin));
        };
        let Some(text) = value.to_str().map(str::to_owned) else {
            return Err(Error::NotText { origin });
        };
        Ok(match source {
            Source::Plugin => (Some(RawValue::Joined(text)), origin),
            _ => (Some(RawValue::Text(text)), origin),
        })
    }
}

/// An input as the runner names its variable: it keeps the dashes.
pub(crate) fn input(name: &str) -> String {
    format!("INPUT_{}", name.to_ascii_uppercase())
}

impl RawValue {
    /// Whether it counts as unset. Every byte of a secret counts.
    fn is_empty(&self, kind: ValueKind) -> bool {
        match self {
            Self::Text(text) | Self::Joined(text) if kind == ValueKind::Secret => text.is_empty(),
            Self::Text(text) | Self::Joined(text) => text.trim().is_empty(),
            Self::List(parts) => parts.iter().all(|part| part.trim().is_empty()),
        }
    }

    /// The text of a macro that is still there. Azure Pipelines leaves `$(NAME)` as it is where it knows no variable of
    /// that name, anywhere in a value ([macro syntax](https://learn.microsoft.com/en-us/azure/devops/pipelines/process/variables#macro-syntax-variables));
    /// elsewhere it is one only where it is all there is.
    pub(crate) fn undefined_macro(&self, anywhere: bool) -> Option<&str> {
        let parts = match self {
            Self::Text(text) | Self::Joined(text) => std::slice::from_ref(text),
            Self::List(parts) => parts.as_slice(),
        };
        parts
            .iter()
            .find_map(|text| undefined_macro(text, anywhere))
    }
}

/// The name in a `$(NAME)` that `text` is, or contains if `anywhere`.
pub(crate) fn undefined_macro(text: &str, anywhere: bool) -> Option<&str> {
    let is_name = |name: &str| {
        let valid = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && name.chars().all(valid)
    };
    if !anywhere {
        let name = text.trim().strip_prefix("$(")?.strip_suffix(')')?;
        return Some(name).filter(|name| is_name(name));
    }
    let candidates = text.split("$(").skip(1);
    let mut names = candidates.filter_map(|rest| rest.split_once(')').map(|(name, _)| name));
    names.find(|name| is_name(name))
}

/// The names in the setting `environment`: a text, or a list of texts, one a line.
fn named_by(environment: Option<&Value>) -> Vec<String> {
    let texts = match environment {
        Some(Value::Array(texts)) => texts.as_slice(),
        other => other.map(std::slice::from_ref).unwrap_or_default(),
    };
    let lines = texts.iter().filter_map(Value::as_str).flat_map(str::lines);
    let names = lines.map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The inputs among the arguments, by name. Those of one that is repeated are a list.
fn arguments(words: &[String]) -> BTreeMap<String, Value> {
    let mut lists: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let list = lists.entry(name.to_owned()).or_default();
        list.push(Value::from(value));
    }
    let values = lists.into_iter().map(|(name, mut list)| match list.pop() {
        Some(value) if list.is_empty() => (name, value),
        last => {
            list.extend(last);
            (name, Value::Array(list))
        }
    });
    values.collect()
}

fn configuration(value: &OsString) -> Result<BTreeMap<String, Value>, Error> {
    #[derive(Deserialize)]
    struct Settings(#[serde(deserialize_with = "distinct")] BTreeMap<String, Value>);

    let bytes = value.as_encoded_bytes();
    // A plugin without settings has none, or `null`.
    if bytes.trim_ascii().is_empty() || bytes.trim_ascii() == b"null" {
        return Ok(BTreeMap::new());
    }
    let settings = object::<Settings>(bytes).map_err(|_| Error::Configuration)?;
    let mut dashed = BTreeMap::new();
    for (name, value) in settings.0 {
        if dashed.insert(name.replace('_', "-"), value).is_some() {
            return Err(Error::Configuration);
        }
    }
    Ok(dashed)
}

/// The value of a setting. YAML makes text, numbers and booleans of words without quotes.
fn json(value: &Value, origin: &Origin) -> Result<Option<RawValue>, Error> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let raw = match value {
        Value::Null => return Ok(None),
        Value::Array(values) => values
            .iter()
            .map(scalar)
            .collect::<Option<_>>()
            .map(RawValue::List),
        scalar_value => scalar(scalar_value).map(RawValue::Text),
    };
    let nested = || Error::Nested {
        origin: origin.clone(),
    };
    raw.map(Some).ok_or_else(nested)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_macro_is_found_by_its_name() {
        for (text, anywhere, elsewhere) in [
            ("$(SIGNING_KEY)", Some("SIGNING_KEY"), Some("SIGNING_KEY")),
            (" $(params.key)\n", Some("params.key"), Some("params.key")),
            (
                "s3://b/a:$(Build.SourceBranchNam)",
                Some("Build.SourceBranchNam"),
                None,
            ),
            ("a$(x", None, None),
            ("$()", None, None),
            ("$(a b)$(c)", Some("c"), None),
            ("$NAME ${NAME}", None, None),
        ] {
            assert_eq!(undefined_macro(text, true), anywhere, "{text}");
            assert_eq!(undefined_macro(text, false), elsewhere, "{text}");
        }
    }
}
