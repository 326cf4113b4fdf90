//! The options of the commands for keys alone.

use std::time::Duration;

use clap::Args;

use crate::aws;
use crate::cli::args::timeout;
use crate::key::registry::Providers;

/// Make a cosign key pair (EC P-256)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo generate-key-pair
  COSIGN_PASSWORD=secret s3lo generate-key-pair --output-key-prefix release

Writes PREFIX.key, encrypted with the password, and PREFIX.pub.")]
pub(crate) struct GenerateArgs {
    /// Prefix of the files' names
    #[arg(long, value_name = "PREFIX", default_value = "cosign")]
    pub(crate) output_key_prefix: String,
    /// Overwrite files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

/// Print a key's public half
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo public-key --key cosign.key > cosign.pub
  s3lo public-key --key awskms:///alias/release-signer > release-signer.pub")]
pub(crate) struct PublicKeyArgs {
    /// The key: a file, env://NAME, awskms:///alias/NAME or hashivault://HOST/v1/transit/keys/NAME
    #[arg(long, short, value_name = "KEY")]
    pub(crate) key: String,
    /// Time limit of the whole run
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = timeout)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) aws: aws::Options,
    #[command(flatten)]
    pub(crate) providers: Providers,
}
