//! A policy file: read from a file or a variable, with the public keys that it names.

use std::io;
use std::path::Path;
use std::sync::Arc;

use s3lo_core::crypto::pem;
use s3lo_core::crypto::public;
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::digest::Digest;
use s3lo_core::explain::{Explain, Fact};
use s3lo_core::payload::Schema;
use s3lo_core::policy;
use s3lo_core::policy::{
    Draft, Known, MAX_BYTES, Policy, Position, Selected, Source, Terms, Unselected,
};
use s3lo_core::reference::Reference;
use s3lo_core::verdict::Reason;

use crate::bounded_file;
use crate::environment;
use crate::key::reference::{KeyRef, PATH_SCHEME, RefError, VARIABLE_SCHEME};
use crate::key::registry;
use crate::key::registry::Providers;
use crate::net::calls;
use crate::net::calls::Awaited;
use crate::option_name::option;
use crate::store::backend;
use crate::tasks::run_blocking;
use crate::text::shown_path;

/// A policy, and the file that it is from.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// The file, or `env://NAME`, as it was named.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The policy.
    pub policy: Policy,
    /// Of each key of the policy, its name in a key service, if it is in one.
    services: Vec<Option<KeyRef>>,
}

impl PolicyFile {
    /// Reads a policy and the keys that it names by their paths: a file, or `env://NAME`.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be read, or has a mistake.
    pub async fn load(written: &str) -> Result<Arc<Self>, Error> {
        let written = written.to_owned();
        let loaded = run_blocking(move || Self::read(written)).await;
        loaded.map(Arc::new)
    }

    fn read(path: String) -> Result<Self, Error> {
        let stores = backend::schemes();
        let (bytes, directory) = match path.split_once("://") {
            Some((VARIABLE_SCHEME, name)) => (from_variable(name)?, None),
            Some((scheme, _))
                if stores
                    .iter()
                    .any(|store| store.name.eq_ignore_ascii_case(scheme)) =>
            {
                return Err(Error::Stored { path });
            }
            // It may have a secret in it.
            _ if KeyRef::split(&path).is_err() => return Err(Error::NotAName),
            _ => (from_file(&path)?, Path::new(&path).parent()),
        };
        let mistake = |at, problem| Error::Mistake {
            path: path.clone(),
            at,
            problem,
        };
        let providers = Providers::default();
        let all = providers.all();
        let schemes = all.iter().flat_map(|provider| provider.schemes()).copied();
        let known = Known {
            stores: &stores,
            key_services: &schemes
                .filter(|scheme| ![PATH_SCHEME, VARIABLE_SCHEME].contains(scheme))
                .collect::<Vec<_>>(),
        };
        let draft = Draft::parse(&bytes, known)
            .map_err(|error| mistake(error.at, Problem::Policy(error.problem)))?;
        let services = draft.keys().iter().map(|key| match &key.source {
            Source::Remote(name) => match registry::parse(name) {
                Ok(reference) => Ok(Some(reference)),
                Err(error) => Err(mistake(key.at, Problem::Service(error))),
            },
            Source::Inline(_) | Source::File(_) => Ok(None),
        });
        let services = services.collect::<Result<_, _>>()?;
        let public = |key: &policy::DraftKey, file: &str| {
            let Some(directory) = directory else {
                return Err((key.at, Problem::NoDirectory));
            };
            public_key(&directory.join(file)).map_err(|reason| {
                let key_file = directory.join(file).display().to_string();
                (key.at, Problem::KeyFile { key_file, reason })
            })
        };
        let policy = draft
            .complete(|key, file| public(key, file).map_err(CompleteError::Key))
            .map_err(|error| match error {
                CompleteError::Policy(error) => mistake(error.at, Problem::Policy(error.problem)),
                CompleteError::Key((at, problem)) => mistake(at, problem),
            })?;
        Ok(Self {
            digest: Digest::of(&bytes),
            path,
            policy,
            services,
        })
    }

    /// The names of the keys in services that the rules for these images need, each once, however it is called in the policy.
    pub fn services(&self, references: &[Reference]) -> Vec<KeyRef> {
        let selected = references
            .iter()
            .filter_map(|reference| self.policy.select(reference).ok());
        let mut numbers: Vec<_> = selected.flat_map(|selected| selected.keys()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut services: Vec<KeyRef> = Vec::new();
        for service in numbers
            .into_iter()
            .filter_map(|number| self.service(number))
        {
            if !services.contains(service) {
                services.push(service.clone());
            }
        }
        services
    }

    /// The name of the policy's key of this number in its key service, if it is in one.
    pub fn service(&self, number: usize) -> Option<&KeyRef> {
        self.services.get(number)?.as_ref()
    }

    /// Finds out what the policy asks of an image.
    ///
    /// # Errors
    ///
    /// [`Error`] if two rules are equally specific for it.
    pub fn demand(&self, reference: &Reference) -> Result<Demand<'_>, Error> {
        let selected = match self.policy.select(reference) {
            Ok(selected) => selected,
            Err(Unselected::NoRule) => {
                let reason = Reason::NoRule;
                return Ok(Demand::Refused { reason, rule: None });
            }
            Err(Unselected::Tie { first, second }) => {
                return Err(Error::Tie {
                    path: self.path.clone(),
                    image: reference.to_string(),
                    first: format!("{} (line {})", first.1, first.0.line),
                    second: format!("{} (line {})", second.1, second.0.line),
                });
            }
        };
        Ok(match &selected.rule.terms {
            Terms::Deny(reason) => Demand::Refused {
                reason: Reason::Denied(reason.clone()),
                rule: Some(selected),
            },
            Terms::Require {
                min_schema, denied, ..
            } => Demand::Signed {
                rule: selected,
                min_schema: *min_schema,
                denied,
            },
        })
    }

    /// The reason for which an image is refused for its name alone.
    pub fn refusal(&self, reference: &Reference) -> Option<Reason> {
        match self.demand(reference) {
            Ok(Demand::Refused { reason, .. }) => Some(reason),
            Ok(Demand::Signed { .. }) | Err(_) => None,
        }
    }

    /// The names of all keys in services.
    pub fn all_services(&self) -> impl Iterator<Item = &KeyRef> {
        self.services.iter().flatten()
    }
}

/// What a policy asks of an image.
#[derive(Clone, Debug)]
pub enum Demand<'a> {
    /// It is refused for its name alone: nothing of it is read.
    Refused {
        /// Why.
        reason: Reason,
        /// The rule that refuses it, if there is one about it.
        rule: Option<Selected<'a>>,
    },
    /// It has to be signed.
    Signed {
        /// The rule.
        rule: Selected<'a>,
        /// The lowest schema of a signature that counts.
        min_schema: Schema,
        /// Manifests that are refused.
        denied: &'a [Digest],
    },
}

enum CompleteError {
    Policy(policy::Error),
    Key((Position, Problem)),
}

impl From<policy::Error> for CompleteError {
    fn from(error: policy::Error) -> Self {
        Self::Policy(error)
    }
}

fn from_variable(name: &str) -> Result<Vec<u8>, Error> {
    let unset = || Error::Unset {
        name: name.to_owned(),
    };
    if !environment::is_name(name) {
        return Err(Error::NotAName);
    }
    let text = environment::variable(name).map_err(|error| Error::Unreadable {
        path: format!("env://{name}"),
        reason: error.to_string(),
    })?;
    text.map(String::into_bytes).ok_or_else(unset)
}

fn from_file(path: &str) -> Result<Vec<u8>, Error> {
    let _call = calls::begin(Awaited::reading(path));
    match bounded_file::read(path, MAX_BYTES) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(bounded_file::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Missing {
                path: path.to_owned(),
            })
        }
        Err(error) => Err(Error::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// Reads a public key, and nothing else: a policy needs no private key.
fn public_key(path: &Path) -> Result<PublicKey, KeyFileError> {
    let _call = calls::begin(Awaited::reading(&path.to_string_lossy()));
    let text = bounded_file::read(path, pem::MAX_BYTES)
        .map_err(|error| KeyFileError::Unreadable(error.to_string()))?;
    Ok(PublicKey::from_pem(&text)?)
}

/// The reason why there is no policy to decide by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such file.
    #[error("there is no policy file `{}`", shown_path(path))]
    Missing {
        /// The path.
        path: String,
    },
    /// The file cannot be read.
    #[error("the policy `{}` cannot be read: {reason}", shown_path(path))]
    Unreadable {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A text that is neither the path of a file nor the name of a variable, and may be a secret.
    #[error("the policy is named by neither a path nor `env://` and the name of a variable")]
    NotAName,
    /// The variable is not set.
    #[error("the variable `{name}`, which should hold the policy, is not set")]
    Unset {
        /// The variable.
        name: String,
    },
    /// An object of a store.
    #[error("`{path}` is in a store, and a policy is never read from one")]
    Stored {
        /// The name.
        path: String,
    },
    /// The file has a mistake.
    #[error("{}:{at}: {problem}", shown_path(path))]
    Mistake {
        /// The path.
        path: String,
        /// The place of the mistake.
        at: Position,
        /// The mistake.
        problem: Problem,
    },
    /// Two rules are equally specific for an image.
    #[error("two rules of {} are equally specific for {image}", shown_path(path))]
    Tie {
        /// The path.
        path: String,
        /// The image.
        image: String,
        /// The pattern of the one, and its line.
        first: String,
        /// The pattern of the other.
        second: String,
    },
}

/// A mistake in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// In the file itself.
    #[error(transparent)]
    Policy(policy::Problem),
    /// In the name of a key in a service.
    #[error("{0}")]
    Service(RefError),
    /// A path in a policy that is in no directory.
    #[error("a policy in a variable has no directory, and this is the path of a key file")]
    NoDirectory,
    /// A key file that cannot be used.
    #[error("the key file `{}` cannot be used: {reason}", shown_path(key_file))]
    KeyFile {
        /// The file.
        key_file: String,
        /// Why.
        reason: KeyFileError,
    },
}

/// The reason why a file holds no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It is not a public key.
    #[error(transparent)]
    Public(#[from] public::Error),
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NotAName | Self::Unset { .. } => "policy_not_found",
            Self::Unreadable { .. } => "policy_unreadable",
            Self::Stored { .. } | Self::Mistake { .. } | Self::Tie { .. } => "bad_policy",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Tie { first, second, .. } => {
                vec![Fact::new("first", first), Fact::new("second", second)]
            }
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        let policy = option("policy");
        match self {
            Self::Missing { .. } => format!(
                "check the path: it is relative to the directory in which s3lo runs\na policy in a variable is {}",
                policy.with("env://NAME")
            ),
            Self::Unreadable { .. } => {
                "make it a regular file of at most 262144 bytes that this user may read".to_owned()
            }
            Self::NotAName => format!(
                "write {} or {}",
                policy.with("s3lo-policy.toml"),
                policy.with("env://NAME")
            ),
            Self::Unset { name } => format!("set {name} to the text of the policy"),
            Self::Stored { .. } => {
                "anyone who can change the store would decide what is trusted: keep the policy in the repository that deploys, or on the node".to_owned()
            }
            Self::Mistake { problem, .. } => match problem {
                Problem::Policy(problem) => problem.help(),
                Problem::Service(error) => error.help(),
                Problem::NoDirectory => {
                    "write the PEM of the key, `-----BEGIN PUBLIC KEY-----…`, into the policy itself".to_owned()
                }
                Problem::KeyFile { .. } => {
                    "the path is relative to the policy's directory; the file holds a public key, as `s3lo public-key --key KEY` prints it".to_owned()
                }
            },
            Self::Tie { .. } => {
                "make one of the patterns more specific: the image's full name, or a longer text before its first `*`".to_owned()
            }
        }
    }
}
