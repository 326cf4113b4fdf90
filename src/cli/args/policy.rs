//! The options of `s3lo policy`.

use clap::{Args, Subcommand};

use crate::aws;
use crate::cli::args::ImageArgs;
use crate::key::registry::Providers;

/// Check a policy file, or explain how it decides
#[derive(Args, Debug)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) work: PolicyWork,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyWork {
    Check(PolicyCheckArgs),
    Explain(Box<PolicyExplainArgs>),
}

/// Check a policy file and the keys that it names; nothing is sent
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo policy check s3lo-policy.toml

Exit codes: 0 the policy can be used, 2 it has a mistake.")]
pub(crate) struct PolicyCheckArgs {
    /// The policy: a file, or env://NAME
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
}

/// Show which rule decides about an image, what it requires, and what is met by whom
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo policy explain s3lo-policy.toml s3://my-bucket/myapp:v1.0

Exit codes are those of `s3lo verify`: 0 the image passes, 1 it is refused, 2 error, no verdict.")]
pub(crate) struct PolicyExplainArgs {
    /// The policy: a file, or env://NAME
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) aws: aws::Options,
    #[command(flatten)]
    pub(crate) providers: Providers,
}
