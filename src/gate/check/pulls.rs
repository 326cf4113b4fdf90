//! The settings of CRI on which containerd falls back to a pull of its own, without the transfer service and its verifiers:
//! those of `CheckLocalImagePullConfigs`
//! ([config.go](https://github.com/containerd/containerd/blob/v2.4.2/internal/cri/config/config.go#L548)), the same from
//! 2.1 to 2.4. containerd notes the first of them in its log, and goes on.

use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::gate::check::containerd::{Files, Found, Settings};
use crate::gate::check::problem::Problem;
use crate::gate::check::remedy::Remedy;
use crate::gate::check::toml_file::Value;
use crate::gate::check::topic::{Check, Topic};

/// A setting, and its only value with which verifiers run, which is the default.
struct Setting {
    name: &'static str,
    good: Good,
}

#[derive(Clone, Copy)]
enum Good {
    Boolean(bool),
    Integer(i64),
}

impl fmt::Display for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
        }
    }
}

const fn setting(name: &'static str, good: Good) -> Setting {
    Setting { name, good }
}

const SETTINGS: [Setting; 5] = [
    setting("use_local_image_pull", Good::Boolean(false)),
    setting("disable_snapshot_annotations", Good::Boolean(true)),
    setting("discard_unpacked_layers", Good::Boolean(false)),
    setting("max_concurrent_downloads", Good::Integer(3)),
    setting("image_pull_with_sync_fs", Good::Boolean(false)),
];

/// Tables that have to be empty.
const TABLES: [(&str, &str); 3] = [
    ("registry.mirrors", "mirrors"),
    ("registry.configs", "configs"),
    ("registry.auths", "auths"),
];

/// Looks at each setting, as each containerd reads it.
pub(super) fn check(files: &Files, remedy: &mut Remedy) -> Vec<Check> {
    let mut problems: Vec<Problem> = Vec::new();
    for settings in Settings::of_versions(files) {
        let of_values = SETTINGS
            .iter()
            .filter_map(|setting| setting.problem(settings));
        let of_tables = TABLES.iter().flat_map(|table| filled(settings, *table));
        for problem in of_values.chain(of_tables) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    if problems.is_empty() {
        let detail = "CRI pulls through the transfer service, which runs verifiers";
        return vec![Check::ok(Topic::Pulls, detail)];
    }
    for problem in &problems {
        if let Problem::LocalPull {
            setting,
            good: Some(good),
            ..
        } = problem
        {
            remedy.of_images(setting, good);
        }
    }
    let failed = |problem: &Problem| Check::failed(Topic::Pulls, Diagnostic::new(problem));
    problems.iter().map(failed).collect()
}

impl Setting {
    /// What is wrong with the setting. Its default is good.
    fn problem(&self, settings: Settings<'_>) -> Option<Problem> {
        let found = settings.of_images(&[self.name])?;
        let place = found.place();
        let wrong_kind = |expected| Problem::Value {
            setting: self.name,
            expected,
            place: place.clone(),
        };
        let value = match (self.good, &found.node.value) {
            (Good::Boolean(_), Value::Boolean(value)) => value.to_string(),
            (Good::Integer(_), Value::Integer(value)) => value.to_string(),
            (Good::Boolean(_), _) => return Some(wrong_kind("true or false")),
            (Good::Integer(_), _) => return Some(wrong_kind("a whole number")),
        };
        let good = self.good.to_string();
        (value != good).then_some(Problem::LocalPull {
            setting: self.name,
            value,
            place,
            good: Some(good),
        })
    }
}

fn filled(settings: Settings<'_>, table: (&'static str, &str)) -> Vec<Problem> {
    let (setting, name) = table;
    let found = settings.tables_of_images(&["registry", name]).into_iter();
    let is_filled = |found: &Found<'_>| found.node.as_table().is_none_or(|table| !table.is_empty());
    let problem = |found: Found<'_>| Problem::LocalPull {
        setting,
        value: "not empty".to_owned(),
        place: found.place(),
        good: None,
    };
    found.filter(is_filled).map(problem).collect()
}
