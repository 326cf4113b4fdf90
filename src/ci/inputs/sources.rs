//! The raw values of options in a job's environment, by where they come from.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::collections::BTreeMap;
use std::ffi::OsString;

use s3lo_core::json::{distinct, object};
use serde::Deserialize;

use crate::ci::inputs::option::{Error, OptionSpec, Origin, ValueKind};

/// The variables that may hold options.
pub(crate) struct Sources {
    pub(crate) inputs: BTreeMap<String, OsString>,
    /// Names that begin like those of inputs, as no runner writes them.
    pub(crate) odd: Vec<String>,
    pub(crate) plugin: BTreeMap<String, serde_json::Value>,
    others: BTreeMap<String, OsString>,
}

/// A value as it was found.
pub(crate) enum RawValue {
    Text(String),
    /// Lists that the system joined by commas.
    Joined(String),
    List(Vec<String>),
}

/// The kinds of variables that hold options; the first wins.
#[derive(Clone, Copy)]
enum Source {
    Input,
    Setting,
    Plugin,
    Own,
}

impl Sources {
    pub(crate) fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        lenient: bool,
    ) -> Result<Self, Error> {
        let (mut inputs, mut plugin, mut others) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut odd = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if name == "BUILDKITE_PLUGIN_CONFIGURATION" {
                plugin = match configuration(&value) {
                    Err(_) if lenient => BTreeMap::new(),
                    read => read?,
                };
            } else if let Some(input) = name.strip_prefix("INPUT_") {
                // The runner writes them in capitals: what is not so an earlier step has set, in whose environment
                // others may have a say.
                if input.bytes().any(|byte| byte.is_ascii_lowercase()) || !input.is_ascii() {
                    odd.push(name.to_owned());
                    continue;
                }
                // The runner's own spelling, with dashes, goes before that of a shell.
                let dashed = input.to_ascii_lowercase().replace('_', "-");
                inputs.push((dashed, input.contains('_'), value));
            } else if name.starts_with("PLUGIN_") || name.starts_with("S3LO_") {
                others.insert(name.to_owned(), value);
            }
        }
        inputs.sort();
        let mut first = BTreeMap::<String, OsString>::new();
        for (name, _, value) in inputs {
            let known = first.entry(name.clone()).or_default();
            if known.is_empty() {
                *known = value;
            } else if !lenient && !value.is_empty() && *known != value {
                // An action's default stands under the right name, and would hide what was meant.
                return Err(Error::Spelt { name });
            }
        }
        Ok(Self {
            inputs: first,
            odd,
            plugin,
            others,
        })
    }

    /// The names of the variables that begin like those of options, as options are written.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, String)> {
        let dashed = |name: &str| name.to_lowercase().replace('_', "-");
        let others = self.others.keys().filter_map(move |name| {
            let (_, option) = name.split_once('_')?;
            Some((name.as_str(), dashed(option)))
        });
        let inputs = self.inputs.keys();
        others.chain(inputs.map(|name| (name.as_str(), name.clone())))
    }

    /// The first value that is not empty.
    pub(crate) fn first(&self, option: &OptionSpec) -> Result<Option<(RawValue, Origin)>, Error> {
        for source in [Source::Input, Source::Setting, Source::Plugin, Source::Own] {
            let mut found: Option<(RawValue, Origin)> = None;
            for name in &option.names {
                let (raw, origin) = self.find(source, name)?;
                let Some(raw) = raw.filter(|raw| !raw.is_empty(option.kind)) else {
                    continue;
                };
                if let Some((_, one)) = found {
                    return Err(Error::Twice { one, other: origin });
                }
                found = Some((raw, origin));
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn find(&self, source: Source, name: &str) -> Result<(Option<RawValue>, Origin), Error> {
        let shell = name.to_uppercase().replace('-', "_");
        let origin = Origin(match source {
            Source::Input => format!("the input `{name}`"),
            Source::Setting => format!("the plugin's setting `{name}`"),
            Source::Plugin => format!("PLUGIN_{shell}"),
            Source::Own => format!("S3LO_{shell}"),
        });
        let variable = match source {
            Source::Input => self.inputs.get(name),
            Source::Setting => {
                let raw = self.plugin.get(name).map(|value| json(value, &origin));
                return Ok((raw.transpose()?.flatten(), origin));
            }
            Source::Plugin | Source::Own => self.others.get(&origin.0),
        };
        let Some(variable) = variable else {
            return Ok((None, origin));
        };
        let Some(text) = variable.to_str().map(str::to_owned) else {
            return Err(Error::NotText { origin });
        };
        Ok(match source {
            Source::Plugin => (Some(RawValue::Joined(text)), origin),
            _ => (Some(RawValue::Text(text)), origin),
        })
    }
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
}

fn configuration(value: &OsString) -> Result<BTreeMap<String, serde_json::Value>, Error> {
    #[derive(Deserialize)]
    struct Settings(#[serde(deserialize_with = "distinct")] BTreeMap<String, serde_json::Value>);

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
fn json(value: &serde_json::Value, origin: &Origin) -> Result<Option<RawValue>, Error> {
    let scalar = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(truth) => Some(truth.to_string()),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            None
        }
    };
    let raw = match value {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::Array(values) => values
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
