//! The options of `s3lo gate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::gate::check::CONTAINERD_CONFIG;

/// Check a node: whether its containerd asks this program before it pulls an image
#[derive(Args, Debug)]
pub(crate) struct GateArgs {
    #[command(subcommand)]
    pub(crate) work: GateWork,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GateWork {
    Check(GateCheckArgs),
}

/// Check that containerd's configuration lets it ask this program for every image of the gate
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo gate check
  s3lo gate check --config /var/lib/rancher/k3s/agent/etc/containerd/config.toml
  s3lo gate check --gate-config ./gate.toml --output json

Run it as root on the node, as the program that is installed there. It changes nothing, and prints
the lines that mend containerd's configuration. It does not look at DNS, at images that are on the
node already, or at a containerd that runs with other files.

Exit codes: 0 ready, 1 something is missing, 2 could not look.")]
pub(crate) struct GateCheckArgs {
    /// The configuration that containerd is started with
    #[arg(long, value_name = "FILE", default_value = CONTAINERD_CONFIG)]
    pub(crate) config: PathBuf,
    /// The gate's file [default: S3LO_GATE_CONFIG, or /etc/s3lo/gate.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) gate_config: Option<PathBuf>,
}
