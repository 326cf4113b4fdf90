//! The plug-in that runs verifiers, and its settings
//! ([plugin.go](https://github.com/containerd/containerd/blob/v2.4.2/plugins/imageverifier/plugin.go)).

use std::path::PathBuf;
use std::time::Duration;

use humantime::format_duration;

use crate::diagnostic::{Diagnostic, Fact};
use crate::gate::TIME_LIMIT;
use crate::gate::check::containerd::{Files, Found, Settings};
use crate::gate::check::go_duration;
use crate::gate::check::problem::Problem;
use crate::gate::check::remedy::Remedy;
use crate::gate::check::toml_file::Value;
use crate::gate::check::topic::{Check, Topic};

/// The plug-in.
pub(super) const PLUGIN: &str = "io.containerd.image-verifier.v1.bindir";

/// The plug-in that asks it for a pull.
const TRANSFER: &str = "io.containerd.transfer.v1.local";

/// The plug-ins of CRI, by their names in the formats of the configuration.
const CRI: [&str; 2] = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"];

/// The shortest time that leaves this program its own.
const LEAST_TIMEOUT: Duration = TIME_LIMIT.saturating_add(Duration::from_secs(1));

/// The settings of the plug-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    /// The directory of verifiers.
    pub(super) directory: PathBuf,
    /// How many verifiers are run; any number if it is negative.
    pub(super) most: i64,
    timeout: Duration,
}

impl Default for Plugin {
    fn default() -> Self {
        Self {
            directory: "/opt/containerd/image-verifier/bin".into(),
            most: 10,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Reads the settings, and looks whether the plug-in runs and gives a verifier enough time.
pub(super) fn check(files: &Files, remedy: &mut Remedy) -> (Plugin, Vec<Check>) {
    let [settings, _] = Settings::of_versions(files);
    let mut plugin = Plugin::default();
    let mut problems = Vec::new();
    for (name, found) in settings.disabled() {
        if [PLUGIN, TRANSFER].contains(&name) {
            let place = found.place();
            problems.push(Problem::Disabled {
                plugin: name.to_owned(),
                place,
            });
        }
    }
    let of_plugin = |name| settings.of_plugin(PLUGIN, name);
    let wrong = |setting, expected, found: Found<'_>| Problem::Value {
        setting,
        expected,
        place: found.place(),
    };
    if let Some(found) = of_plugin("bin_dir") {
        match found.node.as_text() {
            Some(path) => plugin.directory = path.into(),
            None => problems.push(wrong("bin_dir", "a path", found)),
        }
    }
    if let Some(found) = of_plugin("max_verifiers") {
        match found.node.value {
            Value::Integer(most) => plugin.most = most,
            _ => problems.push(wrong("max_verifiers", "a whole number", found)),
        }
    }
    if let Some(found) = of_plugin("per_verifier_timeout") {
        match timeout(&found.node.value) {
            Some((timeout, _)) if timeout >= LEAST_TIMEOUT => plugin.timeout = timeout,
            Some((_, written)) => {
                let place = found.place();
                remedy.set(&format!("'{PLUGIN}'"), "per_verifier_timeout", "\"10s\"");
                problems.push(Problem::Timeout {
                    timeout: written,
                    place,
                });
            }
            None => problems.push(wrong(
                "per_verifier_timeout",
                "a time such as \"10s\"",
                found,
            )),
        }
    }
    let failed = |problem: &Problem| Check::failed(Topic::Verifiers, Diagnostic::new(problem));
    let mut checks: Vec<_> = problems.iter().map(failed).collect();
    if checks.is_empty() {
        checks.push(on(&plugin, settings));
    }
    let mut disabled = settings.disabled().into_iter();
    if let Some((name, found)) = disabled.find(|(name, _)| CRI.contains(name)) {
        let detail = format!("{name} is disabled: no kubelet uses this containerd");
        let place = vec![Fact::new("place", found.place())];
        checks.push(Check::unchecked(Topic::Verifiers, detail).with(place));
    }
    (plugin, checks)
}

/// The plug-in runs.
fn on(plugin: &Plugin, settings: Settings<'_>) -> Check {
    let most = match plugin.most {
        ..0 => "all".to_owned(),
        most => format!("up to {most}"),
    };
    let detail = format!(
        "containerd runs {most} in {}, each for {}",
        plugin.directory.display(),
        format_duration(plugin.timeout)
    );
    let required = match settings.required().contains(PLUGIN) {
        true => "yes".to_owned(),
        false => format!(
            "no; with required_plugins = [\"{PLUGIN}\"] containerd does not start without it"
        ),
    };
    Check::ok(Topic::Verifiers, detail).with(vec![Fact::new("required", required)])
}

/// The time, and how it is written. A whole number is one of nanoseconds.
fn timeout(value: &Value) -> Option<(Duration, String)> {
    match value {
        Value::Text(text) => Some((go_duration::parse(text)?, text.clone())),
        Value::Integer(nanoseconds) => {
            let timeout = Duration::from_nanos(u64::try_from(*nanoseconds).ok()?);
            Some((timeout, format!("{nanoseconds} nanoseconds")))
        }
        _ => None,
    }
}
