//! What is looked at on a node.

use crate::checks;

/// The subject of a check, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The gate's file.
    GateFile,
    /// The policy.
    Policy,
    /// The release of containerd.
    Containerd,
    /// containerd's files.
    Configuration,
    /// The plug-in that runs verifiers, and its settings.
    Verifiers,
    /// The directory of verifiers, and this program in it.
    Program,
    /// The settings by which CRI pulls without verifiers.
    Pulls,
    /// The files that say where the images of a host are.
    Hosts,
    /// Other names of the hosts whose images have to be signed.
    Aliases,
}

impl checks::Topic for Topic {
    fn name(self) -> &'static str {
        match self {
            Self::GateFile => "gate_file",
            Self::Policy => "policy",
            Self::Containerd => "containerd",
            Self::Configuration => "configuration",
            Self::Verifiers => "verifiers",
            Self::Program => "program",
            Self::Pulls => "pulls",
            Self::Hosts => "hosts",
            Self::Aliases => "aliases",
        }
    }
}

/// A check of a node.
pub type Check = checks::Check<Topic>;
