//! Names that no option has. A misspelt guard, passed over, would be left out; a variable of others must not end the run.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::ffi::OsStr;

use crate::ci::inputs::family::{Family, OWN, own, shouted};
use crate::ci::inputs::option::{Error, OptionSpec, Right, UnknownPolicy};
use crate::ci::inputs::sources::{Sources, input};
use crate::ci::inputs::{peers, plugin};

/// The inputs that the runner adds to an action's own.
const OF_THE_RUNNER: [&str; 2] = ["args", "entrypoint"];

/// The names of a command's options.
pub(crate) struct Names<'a> {
    pub(crate) options: &'a [OptionSpec],
    pub(crate) policy: &'a UnknownPolicy<'a>,
    pub(crate) family: Family,
}

impl Names<'_> {
    /// Refuses the names that must not be passed over, and returns warnings about others.
    pub(crate) fn check(&self, sources: &Sources) -> Result<Vec<String>, Error> {
        let mut warnings = Vec::new();
        match self.family {
            Family::Github => self.check_inputs(sources, &mut warnings)?,
            Family::Plugin => self.check_settings(sources, &mut warnings)?,
            Family::Arguments | Family::Buildkite => {
                let of_hooks = self.family == Family::Buildkite;
                let is_known = |name: &str| {
                    self.option(name).is_some() || (of_hooks && plugin::is_of_the_hooks(name))
                };
                let mut names = sources.settings.keys().map(String::as_str);
                let unknown = names.find(|name| !is_known(name));
                if let Some(name) = unknown {
                    return Err(self.unknown_here(self.family.origin(name).to_string(), name));
                }
            }
            Family::Variables => {}
        }
        self.check_own(sources, &mut warnings)?;
        Ok(warnings)
    }

    /// The inputs of an action. A job's own variables may have such names as well.
    fn check_inputs(&self, sources: &Sources, warnings: &mut Vec<String>) -> Result<(), Error> {
        let is_input = |name: &str| {
            let mut options = self.options.iter();
            options.find(|option| option.is_input && option.name() == name)
        };
        let mut strangers = Vec::new();
        for (rest, value) in sources.with_prefix("INPUT_") {
            let name = rest.to_ascii_lowercase();
            // The runner writes names in capitals.
            let by_runner = rest.is_ascii() && !rest.bytes().any(|byte| byte.is_ascii_lowercase());
            if !by_runner {
                strangers.push((format!("`{rest}`"), None));
                continue;
            }
            if OF_THE_RUNNER.contains(&name.as_str()) || is_input(&name).is_some() {
                continue;
            }
            let dashed = name.replace('_', "-");
            if let Some(option) = is_input(&dashed) {
                let declared = sources.variables.get(&input(&dashed));
                if is_empty(value) || declared.is_some_and(|declared| declared == value) {
                    continue;
                }
                if option.is_guard {
                    let is_given = declared.is_some_and(|declared| !is_empty(declared));
                    return Err(match is_given {
                        true => Error::DifferentValues { name: dashed },
                        false => self.unknown_here(format!("the input `{name}`"), &dashed),
                    });
                }
            }
            self.judge(&name, format!("the input `{name}`"), &mut strangers)?;
        }
        warnings.extend(strangers_warning("inputs", &strangers));
        Ok(())
    }

    /// The settings of a plugin in Drone or Woodpecker. Harness adds some of its own.
    fn check_settings(&self, sources: &Sources, warnings: &mut Vec<String>) -> Result<(), Error> {
        let mut strangers = Vec::new();
        for (rest, _) in sources.with_prefix("PLUGIN_") {
            let name = rest.to_ascii_lowercase();
            let dashed = name.replace('_', "-");
            let is_read = self.known(&dashed) && rest == shouted(&dashed);
            if !is_read {
                self.judge(&name, format!("the setting `{name}`"), &mut strangers)?;
            }
        }
        warnings.extend(strangers_warning("settings", &strangers));
        Ok(())
    }

    /// Our own variables. What the family does not read is ignored, and what is no option an error everywhere.
    fn check_own(&self, sources: &Sources, warnings: &mut Vec<String>) -> Result<(), Error> {
        let (mut ignored, mut of_other) = (Vec::new(), Vec::new());
        for (rest, value) in sources.with_prefix(OWN) {
            let variable = format!("{OWN}{rest}");
            let name = rest.to_ascii_lowercase().replace('_', "-");
            if self.known(&name) && own(&name) == variable {
                if is_empty(value) {
                    continue;
                }
                if !self.family.has_own() {
                    ignored.push(variable);
                } else if self.of_other(&name).is_some() {
                    of_other.push(variable);
                }
            } else if !is_reserved(rest) {
                return Err(self.unknown(variable, &name, None, own));
            }
        }
        // It may be meant for the other command of the job, or for a guard of this one.
        if !of_other.is_empty() {
            let hints = COUNTERPARTS.iter().filter_map(|(name, counterpart)| {
                let meant = of_other.contains(&own(name)) && self.option(counterpart).is_some();
                meant.then(|| format!("; {} is what it has instead", own(counterpart)))
            });
            let hints: String = hints.collect();
            warnings.push(format!(
                "ignored: {}, since `{}` has no such option{hints}",
                of_other.join(", "),
                self.policy.command
            ));
        }
        if !ignored.is_empty() {
            let place = match self.family {
                Family::Github => "the inputs of the action",
                Family::Arguments => "the inputs of the component",
                _ => "the settings of the plugin",
            };
            warnings.push(format!(
                "ignored: {}, since this step takes its options from {place} only",
                ignored.join(", ")
            ));
        }
        Ok(())
    }

    /// An undeclared name is an error where a guard or a typing error is behind it, and a stranger otherwise.
    fn judge(
        &self,
        name: &str,
        shown: String,
        strangers: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), Error> {
        let dashed = name.replace('_', "-");
        let right = self.right(&dashed);
        let guard = match &right {
            Some(Right::Option(right)) => self.option(right).is_some_and(|option| option.is_guard),
            _ => false,
        };
        let is_of_other = self.of_other(&dashed).is_some();
        let is_mistyped = self.option(&dashed).is_none()
            && dashed.len() >= MIN_LEN
            && self.near(&dashed).is_some_and(|near| near.len() >= MIN_LEN);
        if guard || is_of_other || is_mistyped {
            return Err(self.unknown_here(shown, &dashed));
        }
        let right = right.map(|right| match right {
            Right::Option(name) => format!("`{}`", self.family.written(&name, None)),
            Right::Variable(name) => format!("the variable {name}"),
        });
        strangers.push((format!("`{name}`"), right));
        Ok(())
    }

    fn unknown_here(&self, shown: String, name: &str) -> Error {
        let written = |name: &str| self.family.written(name, None);
        self.unknown(shown, name, self.of_other(name), written)
    }

    fn unknown(
        &self,
        shown: String,
        name: &str,
        other: Option<&'static str>,
        written: impl Fn(&str) -> String,
    ) -> Error {
        Error::Unknown {
            name: shown,
            command: self.policy.command,
            other,
            right: self.right(name).map(|right| match right {
                Right::Option(name) => Right::Option(written(&name)),
                variable => variable,
            }),
            known: self.known_names(written),
        }
    }

    /// The option of this name.
    fn option(&self, name: &str) -> Option<&OptionSpec> {
        let mut options = self.options.iter();
        options.find(|option| self.family.takes(option) && option.is_called(name))
    }

    /// Whether this or the other command has the option: variables may be those of a whole pipeline.
    fn known(&self, name: &str) -> bool {
        let (_, others) = self.policy.other;
        self.option(name).is_some() || others.iter().any(|option| option.is_called(name))
    }

    /// The other command, if it alone has the option.
    fn of_other(&self, name: &str) -> Option<&'static str> {
        let (other, others) = self.policy.other;
        let is_called = |option: &&OptionSpec| option.is_called(name);
        let is_its = !self.options.iter().any(|option| option.is_called(name))
            && others
                .iter()
                .find(is_called)
                .is_some_and(|option| self.family.takes(option));
        is_its.then_some(other)
    }

    /// The name that is meant by `name`.
    fn right(&self, name: &str) -> Option<Right> {
        if let Some(option) = self.option(name) {
            return Some(Right::Option(option.name().to_owned()));
        }
        match peers::ours(name) {
            // What others can read is no place for it.
            _ if name == "password" => Some(Right::Variable("COSIGN_PASSWORD")),
            Some(ours) if peers::is_variable(ours) => Some(Right::Variable(ours)),
            Some(ours) if self.option(ours).is_some() => Some(Right::Option(ours.to_owned())),
            _ => self.near(name).map(|near| Right::Option(near.to_owned())),
        }
    }

    /// The option whose name is this one but for a typing error. Of a short name two letters are half.
    fn near(&self, name: &str) -> Option<&str> {
        let (_, others) = self.policy.other;
        let options = self.options.iter().chain(others);
        let options = options.filter(|option| self.family.takes(option));
        let names = options.flat_map(|option| option.names.iter().map(move |name| (name, option)));
        let measured = names.filter_map(|(known, option)| {
            let errors = strsim::damerau_levenshtein(name, known);
            let most = match known.len().min(name.len()) {
                0..=3 => 0,
                4..MIN_LEN => 1,
                _ => 2,
            };
            (errors <= most).then_some((errors, option.name()))
        });
        measured
            .min_by_key(|(errors, _)| *errors)
            .map(|(_, name)| name)
    }

    fn known_names(&self, written: impl Fn(&str) -> String) -> Vec<String> {
        let options = self
            .options
            .iter()
            .filter(|option| self.family.takes(option));
        let mut names: Vec<_> = options.map(|option| written(option.name())).collect();
        if self.family == Family::Buildkite {
            names.extend(plugin::names().map(str::to_owned));
        }
        names.sort();
        names
    }
}

/// Options of one command, and those of the other that are meant by them.
const COUNTERPARTS: [(&str, &str); 2] = [
    ("schema-version", "min-schema"),
    ("min-schema", "schema-version"),
];

/// The least length of a name that is refused for its likeness to an option.
const MIN_LEN: usize = 6;

fn is_empty(value: &OsStr) -> bool {
    value.to_string_lossy().trim().is_empty()
}

/// Whether a variable `S3LO_…` is known to be no option: outputs of earlier jobs, those of the program's tests, the one of
/// a node's gate, and what Kubernetes sets for a Service whose name begins with `s3lo`
/// ([variables of Services](https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables)).
fn is_reserved(rest: &str) -> bool {
    let prefixes = ["SIGN_", "VERIFY_", "TEST_", "PORT_", "SERVICE_PORT_"];
    let names = ["GATE_CONFIG", "PORT", "SERVICE_HOST", "SERVICE_PORT"];
    let of_other_service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    prefixes.iter().any(|prefix| rest.starts_with(prefix))
        || names.contains(&rest)
        || of_other_service.iter().any(|suffix| rest.ends_with(suffix))
        || rest.contains("_SERVICE_PORT_")
        || is_port_of_service(rest)
}

/// `NAME_PORT_443_TCP`, and `NAME_PORT_443_TCP_ADDR` and its like.
fn is_port_of_service(rest: &str) -> bool {
    let Some((_, port)) = rest.split_once("_PORT_") else {
        return false;
    };
    let (number, protocol) = port.split_once('_').unwrap_or((port, ""));
    let protocol = protocol.split('_').next().unwrap_or_default();
    number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(&protocol)
}

/// One warning about names that are passed over.
fn strangers_warning(what: &str, strangers: &[(String, Option<String>)]) -> Option<String> {
    let shown = strangers.iter().map(|(name, right)| match right {
        None => name.clone(),
        Some(right) => format!("{name} (write {right})"),
    });
    let shown: Vec<_> = shown.collect();
    (!shown.is_empty()).then(|| {
        format!(
            "ignored, since there are no such {what}: {}",
            shown.join(", ")
        )
    })
}
