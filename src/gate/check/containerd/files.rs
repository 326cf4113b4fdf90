//! containerd's files: the first one, and those that it and the others import.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use crate::bounded_file;
use crate::diagnostic::Explain;
use crate::gate::check::containerd::globs::{clean, expanded, is_pattern};
use crate::gate::check::toml_file::{self, TomlFile, Value};

/// The most bytes of a file.
const MAX_BYTES: u64 = 1024 * 1024;

/// The most files.
const MAX_FILES: usize = 100;

/// The newest version of the format that containerd knows
/// ([version.go](https://github.com/containerd/containerd/blob/v2.4.2/version/version.go)).
const NEWEST: i64 = 4;

/// The files in the order in which they count: of two that set a value, the later one decides
/// ([config.go](https://github.com/containerd/containerd/blob/v2.4.2/cmd/containerd/server/config/config.go)).
#[derive(Clone, Debug, Default)]
pub(in crate::gate::check) struct Files(pub(super) Vec<File>);

/// A file, with the version of its format.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) toml: TomlFile,
    pub(super) version: i64,
}

impl Files {
    /// Reads the file at `path`, and what is imported. If it does not exist there are none, and containerd imports nothing.
    pub(in crate::gate::check) fn load(path: &Path) -> Result<Self, Error> {
        let (mut files, mut known) = (Vec::new(), BTreeSet::new());
        let mut pending = VecDeque::from([(path.to_owned(), None)]);
        while let Some((path, importer)) = pending.pop_front() {
            if !known.insert(path.clone()) {
                continue;
            }
            if files.len() >= MAX_FILES {
                return Err(Error::TooMany);
            }
            let toml = match TomlFile::read(&path, MAX_BYTES) {
                Ok(toml) => toml,
                Err(error) if is_missing(&error) => match importer {
                    None => return Ok(Self::default()),
                    Some(importer) => return Err(Error::MissingImport { path, importer }),
                },
                Err(toml_file::Error::File(error)) => {
                    let reason = error.to_string();
                    return Err(Error::Unreadable { path, reason });
                }
                Err(error) => {
                    let reason = error.to_string();
                    return Err(Error::Malformed { path, reason });
                }
            };
            let version = match toml.at(&["version"]).map(|node| &node.value) {
                Some(Value::Integer(version)) => *version,
                _ => 1,
            };
            if version > NEWEST {
                return Err(Error::Version { path, version });
            }
            let folder = path.parent().unwrap_or_else(|| Path::new(""));
            for (import, node) in toml
                .at(&["imports"])
                .into_iter()
                .flat_map(|list| list.texts())
            {
                let import = clean(&folder.join(import));
                let importer = Some(toml.place(node));
                if !is_pattern(&import) {
                    pending.push_back((import, importer));
                    continue;
                }
                let paths = expanded(&import).ok_or_else(|| Error::Pattern {
                    pattern: import.clone(),
                })?;
                pending.extend(paths.into_iter().map(|path| (path, importer.clone())));
            }
            files.push(File { toml, version });
        }
        Ok(Self(files))
    }

    /// The paths.
    pub(in crate::gate::check) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|file| file.toml.path.as_path())
    }
}

fn is_missing(error: &toml_file::Error) -> bool {
    matches!(
        error,
        toml_file::Error::File(bounded_file::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound
    )
}

/// The reason why containerd's configuration is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::gate::check) enum Error {
    /// A file is not TOML.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file that is imported by its name is not there.
    #[error("{importer} imports `{}`, which is not there", path.display())]
    MissingImport {
        /// The file.
        path: PathBuf,
        /// The place of the import.
        importer: String,
    },
    /// A pattern that nothing here reads.
    #[error("the imports `{}` have a pattern with sets of characters", pattern.display())]
    Pattern {
        /// The pattern.
        pattern: PathBuf,
    },
    /// There are more files than are read.
    #[error("containerd imports more than {MAX_FILES} files")]
    TooMany,
    /// A file cannot be read.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file of a version that containerd does not know.
    #[error("`{}` has the version {version}, of which no containerd is known", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::MissingImport { .. } | Self::Version { .. } => {
                "bad_containerd_config"
            }
            Self::Pattern { .. } | Self::TooMany | Self::Unreadable { .. } => "io",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Malformed { .. } | Self::Version { .. } => {
                "correct the file: containerd does not start with it".to_owned()
            }
            Self::MissingImport { .. } => {
                "write the file, or remove the import: containerd does not start without it".to_owned()
            }
            Self::Pattern { .. } | Self::TooMany => {
                "let `containerd config dump` write one file, and check that: `s3lo gate check --config FILE`".to_owned()
            }
            Self::Unreadable { .. } => {
                "run it as root, and name the file that containerd is started with: `s3lo gate check --config FILE`".to_owned()
            }
        }
    }
}
