//! What is wrong on a node, with what to do about it.

use std::path::PathBuf;

use humantime::format_duration;

use crate::diagnostic::Explain;
use crate::gate::TIME_LIMIT;
use crate::gate::name::Host;

/// A reason for which the gate is not asked, or not for every image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// Another name of images leads to a server of the gate's.
    #[error("images of {name} come from the server of `{host}`, and are not verified: {place}")]
    Alias {
        /// The other name, in words.
        name: String,
        /// The host of the gate's file.
        host: Host,
        /// Where that is written.
        place: String,
    },
    /// Something in the directory of verifiers cannot be run.
    #[error("`{}` is not a program that can be run, and containerd blocks every pull for it", path.display())]
    BlocksAll {
        /// The path.
        path: PathBuf,
    },
    /// The plug-in is disabled.
    #[error("the plug-in {plugin} is disabled, and no verifier is run: {place}")]
    Disabled {
        /// The plug-in.
        plugin: String,
        /// Where.
        place: String,
    },
    /// There are more verifiers than are run.
    #[error(
        "containerd runs the first {most} of {number} verifiers, and `{name}` is not among them"
    )]
    LeftOut {
        /// The name of this program.
        name: String,
        /// The number of verifiers.
        number: usize,
        /// How many are run.
        most: i64,
    },
    /// CRI pulls without the transfer service, which runs verifiers.
    #[error("`{setting}` is {value}, with which CRI pulls without verifiers: {place}")]
    LocalPull {
        /// The setting.
        setting: &'static str,
        /// Its value, in words.
        value: String,
        /// Where it is written.
        place: String,
        /// The value that it should have; none where the table has to be removed.
        good: Option<String>,
    },
    /// No entry of the directory is this program.
    #[error("none of the verifiers in `{}` is this program", directory.display())]
    NotInstalled {
        /// The directory.
        directory: PathBuf,
        /// Where this program is.
        program: PathBuf,
    },
    /// There is no directory of verifiers.
    #[error("there is no directory `{}`, and without it containerd pulls everything", directory.display())]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// The release runs no verifiers for CRI.
    #[error("containerd {version} does not run verifiers for Kubernetes")]
    TooOld {
        /// The version.
        version: String,
    },
    /// A file that names servers has a mistake.
    #[error("containerd takes no notice of `{}`: {reason}", path.display())]
    UnreadableHosts {
        /// The file.
        path: PathBuf,
        /// The mistake.
        reason: String,
    },
    /// Two folders are written where one is read.
    #[error("`config_path` is \"{config_path}\", of which the transfer service reads neither folder, so that `{}` has no effect", file.display())]
    TwoFolders {
        /// The setting.
        config_path: String,
        /// A file that is not read.
        file: PathBuf,
    },
    /// A verifier is ended before it can answer.
    #[error(
        "`per_verifier_timeout` is {timeout}, and this program takes up to {}: {place}",
        format_duration(TIME_LIMIT)
    )]
    Timeout {
        /// The time.
        timeout: String,
        /// Where it is written.
        place: String,
    },
    /// A value of the wrong kind.
    #[error("`{setting}` is not {expected}: {place}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// The kind of value.
        expected: &'static str,
        /// Where it is written.
        place: String,
    },
    /// Others than root can change a file that decides.
    #[error("others than root may write `{}`", path.display())]
    Writable {
        /// The path.
        path: PathBuf,
    },
}

impl Explain for Problem {
    fn code(&self) -> &'static str {
        match self {
            Self::Alias { .. } => "host_alias",
            Self::BlocksAll { .. } => "verifier_blocks_all",
            Self::Disabled { .. } => "verifiers_disabled",
            Self::LeftOut { .. } => "verifier_left_out",
            Self::LocalPull { .. } => "local_pull",
            Self::NotInstalled { .. } | Self::NoDirectory { .. } => "verifier_missing",
            Self::TooOld { .. } => "containerd_too_old",
            Self::TwoFolders { .. } | Self::UnreadableHosts { .. } => "hosts_not_read",
            Self::Timeout { .. } => "verifier_timeout",
            Self::Value { .. } => "bad_containerd_config",
            Self::Writable { .. } => "writable_by_others",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Alias { .. } => {
                "set other-images = \"deny\" in the gate's file, add this host there, or let it lead to another server".to_owned()
            }
            Self::BlocksAll { path } => format!("remove it: rm -r {}", path.display()),
            Self::Disabled { plugin, .. } => format!("remove {plugin} from disabled_plugins, and restart containerd"),
            Self::LeftOut { .. } => {
                "raise max_verifiers of this plug-in, or remove other verifiers".to_owned()
            }
            Self::LocalPull {
                setting,
                good: Some(good),
                ..
            } => format!("write {setting} = {good}, and restart containerd: the lines are below"),
            Self::LocalPull { setting, .. } => format!(
                "remove all of {setting}, and write a hosts.toml for each host: https://github.com/containerd/containerd/blob/main/docs/hosts.md"
            ),
            Self::NotInstalled { directory, program } => format!(
                "install it there: install {} {}\nif another release is there, ask that one: {} gate check",
                program.display(),
                directory.join("s3lo").display(),
                directory.join("s3lo").display()
            ),
            Self::NoDirectory { directory } => {
                format!("make it, and install this program there: mkdir -p {}", directory.display())
            }
            Self::TooOld { .. } => "install containerd 2.1 or later".to_owned(),
            Self::TwoFolders { .. } => {
                "name one folder, and restart containerd: the lines are below".to_owned()
            }
            Self::UnreadableHosts { .. } => "correct the file".to_owned(),
            Self::Timeout { .. } => "write a time of at least 10s in quotation marks, and restart containerd: the lines are below".to_owned(),
            Self::Value { .. } => "correct the value: containerd does not start with it, or starts without CRI".to_owned(),
            Self::Writable { path } => format!("chmod go-w {0} && chown root {0}", path.display()),
        }
    }
}
