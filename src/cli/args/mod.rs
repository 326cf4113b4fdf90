//! The command line: commands and options.

pub(crate) mod gate;
pub(crate) mod keys;
pub(crate) mod policy;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use s3lo_core::digest::Digest;
use s3lo_core::payload::Schema;
use s3lo_core::policy::decision::Require;

use crate::aws;
use crate::build_info::long_version;
use crate::ci::files;
use crate::ci::files::Destination;
use crate::ci::inputs::Family;
use crate::ci::{outputs, summary};
use crate::cli::args::gate::GateArgs;
use crate::cli::args::keys::{GenerateArgs, PublicKeyArgs};
use crate::cli::args::policy::PolicyArgs;
use crate::key::registry::Providers;
use crate::sign::IfSigned;
use crate::store::backend::{Backends, WriteOptions};

/// Signs container images that live in S3, and verifies them
#[derive(Debug, Parser)]
#[command(
    name = "s3lo",
    version,
    long_version = long_version(),
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Format of results and errors
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) output: Output,
    /// Log each request to stderr
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Print only errors and failed verifications (sign and verify)
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to use colors; auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Sign(SignArgs),
    Verify(VerifyArgs),
    Ci(CiArgs),
    GenerateKeyPair(GenerateArgs),
    PublicKey(PublicKeyArgs),
    Inspect(InspectArgs),
    Policy(PolicyArgs),
    Doctor(DoctorArgs),
    Gate(GateArgs),
    /// Write a tiny image and a throw-away key pair to try the program with
    #[command(after_help = "\
Writes ./demo, and cosign.key and cosign.pub unless they exist, and prints the commands to try.
The password of the key is COSIGN_PASSWORD, or `demo`.")]
    Demo,
    Completions(CompletionsArgs),
    /// Print the version, the commit, and the formats it reads
    Version,
}

/// Sign images
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo sign s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer
  s3lo sign s3://my-bucket/myapp:v1.0 --key hashivault://vault.example/v1/transit/keys/ci-signer
  s3lo sign s3://my-bucket/myapp:v1.0 --key cosign.key
  s3lo sign s3://my-bucket/myapp:v1.0@sha256:2510… --key cosign.key
  s3lo sign local://./store/myapp:v1.0 --key env://COSIGN_PRIVATE_KEY --output json
  s3lo sign s3://my-bucket/myapp:v1.0 --key cosign.key --schema-version 2
  s3lo sign s3://my-bucket/myapp:v1.0 --key cosign.key --dry-run

COSIGN_PASSWORD is the password of an encrypted key.

Exit codes: 0 signed, 1 refused by a safety check, 2 error.")]
pub(crate) struct SignArgs {
    /// The private key: a file, env://NAME, awskms:///alias/NAME or hashivault://HOST/v1/transit/keys/NAME; may be
    /// repeated
    #[arg(long = "key", short = 'k', value_name = "KEY", required = true)]
    pub(crate) keys: Vec<String>,
    /// Schema of the signature: 1 covers the digest, 2 the image's name and tag as well (for verifiers that are s3lo 3 or
    /// this program) [default: 1, with a note]
    #[arg(long, value_name = "N", value_parser = schema)]
    pub(crate) schema_version: Option<Schema>,
    /// Action if the key has already signed the image
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub(crate) if_signed: IfSignedArg,
    /// Check image, guards and public key, and sign and store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) written: WriteOptions,
    #[command(flatten)]
    pub(crate) aws: aws::Options,
    #[command(flatten)]
    pub(crate) providers: Providers,
}

/// Verify that images are signed
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo verify s3://my-bucket/myapp:v1.0 --key cosign.pub
  s3lo verify s3://my-bucket/myapp:v1.0 --key old.pub --key new.pub
  s3lo verify s3://my-bucket/myapp:v1.0 --key a.pub --key b.pub --require all
  s3lo verify s3://my-bucket/myapp:v1.0 --key cosign.pub --min-schema 2 --output json
  s3lo verify s3://my-bucket/myapp:v1.0 --policy s3lo-policy.toml

Exit codes: 0 verified, 1 a signature is missing or invalid, 2 error, no verdict.")]
pub(crate) struct VerifyArgs {
    /// The key: a public or private key file, env://NAME, awskms:///alias/NAME or
    /// hashivault://HOST/v1/transit/keys/NAME; may be repeated
    #[arg(
        long = "key",
        short = 'k',
        value_name = "KEY",
        required_unless_present = "policy"
    )]
    pub(crate) keys: Vec<String>,
    /// A file, or env://NAME, that lists which keys may sign which images, in place of keys, --require and --min-schema
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys", "require", "min_schema"])]
    pub(crate) policy: Option<String>,
    /// Minimum schema of a signature; 2 rejects signatures that do not cover the tag
    #[arg(long, value_name = "N", default_value = "1", value_parser = schema)]
    pub(crate) min_schema: Schema,
    /// How many of the keys must have signed: any, all, or a number
    #[arg(long, value_name = "HOW", default_value = "any", value_parser = require)]
    pub(crate) require: Require,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) aws: aws::Options,
    #[command(flatten)]
    pub(crate) providers: Providers,
}

/// Sign or verify, configured by environment variables
#[derive(Args, Debug)]
#[command(after_help = "\
The options are the flags of `s3lo ci sign` and `s3lo ci verify`, and `reference`, `password`,
`command` (sign or verify) and `summary` (true or false). Flags take precedence; the other options
come from one place: the arguments --input NAME=VALUE; the inputs of the GitHub action, INPUT_NAME;
the configuration of the Buildkite plugin; PLUGIN_NAME in Drone and Woodpecker; otherwise S3LO_NAME.
Write several references or keys one per line.

Examples:
  S3LO_REFERENCE=s3://my-bucket/myapp:v1.0 S3LO_KEY=awskms:///alias/release-signer s3lo ci
  S3LO_REFERENCE=s3://my-bucket/myapp:v1.0 S3LO_KEY=release-signer.pub s3lo ci verify --output-file s3lo.json")]
pub(crate) struct CiArgs {
    #[command(subcommand)]
    pub(crate) work: CiWork,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CiWork {
    /// Sign images
    Sign(Box<JobArgs<SignArgs>>),
    /// Verify that images are signed
    Verify(Box<JobArgs<VerifyArgs>>),
    /// List the identity tokens that the job needs from its CI system's agent: VARIABLE, a tab and the audience
    Tokens(TokensArgs),
}

/// The options that both commands of a job have.
pub(crate) struct JobOptions<'a> {
    pub(crate) keys: &'a [String],
    pub(crate) policy: Option<&'a str>,
    pub(crate) images: &'a ImageArgs,
    pub(crate) aws: &'a aws::Options,
    pub(crate) providers: &'a Providers,
    pub(crate) report: &'a ReportArgs,
}

impl CiWork {
    /// The options of the job, if it signs or verifies.
    pub(crate) fn options(&self) -> Option<JobOptions<'_>> {
        match self {
            Self::Sign(args) => Some(JobOptions {
                keys: &args.work.keys,
                policy: None,
                images: &args.work.images,
                aws: &args.work.aws,
                providers: &args.work.providers,
                report: &args.report,
            }),
            Self::Verify(args) => Some(JobOptions {
                keys: &args.work.keys,
                policy: args.work.policy.as_deref(),
                images: &args.work.images,
                aws: &args.work.aws,
                providers: &args.work.providers,
                report: &args.report,
            }),
            Self::Tokens(_) => None,
        }
    }
}

/// The command that the tokens are for. Its options are those of the job.
#[derive(Args, Debug)]
pub(crate) struct TokensArgs {
    /// `sign` or `verify`, with its flags [default: as S3LO_COMMAND, or sign]
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) work: Vec<String>,
}

/// A command in a job.
#[derive(Args, Debug)]
pub(crate) struct JobArgs<T: Args> {
    #[command(flatten)]
    pub(crate) work: T,
    /// Set of variables to read [default: those that the CI system sets for a plugin or an action, otherwise S3LO_…]
    #[arg(long, value_enum, value_name = "FAMILY")]
    pub(crate) inputs: Option<Family>,
    /// An option by its name in a CI system, where empty means unset; then none is read from variables; may be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "inputs")]
    pub(crate) input: Vec<String>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// The destinations of the results.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Results")]
pub(crate) struct ReportArgs {
    /// Write no job summary
    #[arg(long)]
    pub(crate) no_summary: bool,
    /// A file, or `-` for standard output, for the results as JSON
    #[arg(long, value_name = "FILE", value_parser = destination)]
    pub(crate) output_file: Option<Destination>,
    /// A file, or `-` for standard output, for the outputs, one NAME=value per line
    #[arg(long, value_name = "FILE", value_parser = destination)]
    pub(crate) dotenv_file: Option<Destination>,
    /// A file, or `-` for standard output, for the summary in Markdown
    #[arg(long, value_name = "FILE", value_parser = destination)]
    pub(crate) summary_file: Option<Destination>,
    /// A directory for the outputs, one file each
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) results_directory: Option<String>,
}

/// The options that name images and their store.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImageArgs {
    /// The image: s3://BUCKET/IMAGE:TAG or local://DIRECTORY/IMAGE:TAG, optionally followed by @sha256:…
    #[arg(required = true, value_name = "REF")]
    pub(crate) references: Vec<String>,
    /// Require that the tag holds this manifest, sha256:…; the same as @sha256:… after the reference
    #[arg(long, value_name = "SHA256")]
    pub(crate) digest: Option<Digest>,
    #[command(flatten)]
    pub(crate) stores: Backends,
    /// Time limit of the whole run
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = timeout)]
    pub(crate) timeout: Duration,
    /// Number of images to work on at the same time
    #[arg(long, value_name = "N", default_value = "16", value_parser = concurrency)]
    pub(crate) concurrency: usize,
}

/// Show an image: its digest, its platforms, and the signature records beside it
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo inspect s3://my-bucket/myapp:v1.0
  s3lo inspect s3://my-bucket/myapp:v1.0 --key cosign.pub --output json

A record only claims which key made it and when; the verdict of a key that you give is proof. This
command is not a gate: the exit code is 0 for any verdict, and 2 if the image cannot be read.")]
pub(crate) struct InspectArgs {
    /// A key to judge the records with; may be repeated
    #[arg(long = "key", short = 'k', value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) aws: aws::Options,
    #[command(flatten)]
    pub(crate) providers: Providers,
}

/// Find out what is missing to sign: clock, network, identity, permissions, image and key
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo doctor
  s3lo doctor s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer
  s3lo doctor s3://my-bucket/myapp:v1.0 --key cosign.key --output json

Makes no signature and writes nothing. Whether the record may be written is not tried.

Exit codes: 0 ready, 1 something is missing, 2 could not look.")]
pub(crate) struct DoctorArgs {
    /// The image to sign: s3://BUCKET/IMAGE:TAG or local://DIRECTORY/IMAGE:TAG
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// The key to sign with
    #[arg(long, short, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) stores: Backends,
    /// Time limit of the whole run
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = timeout)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) aws: aws::Options,
    #[command(flatten)]
    pub(crate) providers: Providers,
}

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo completions bash > /etc/bash_completion.d/s3lo")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum IfSignedArg {
    /// Keep a valid signature of the requested schema, replace one of a lower schema, and refuse to lower a higher one
    #[default]
    Keep,
    /// Always make a new signature
    Replace,
    /// Exit with 1
    Fail,
}

impl ReportArgs {
    /// Takes out the places where files of others are: a run that is not understood may have their names by mistake.
    pub(crate) fn spare_files_of_others(&mut self) {
        let of_run: [(&mut Option<Destination>, files::IsOurs); 3] = [
            (&mut self.output_file, outputs::is_document),
            (&mut self.dotenv_file, outputs::is_dotenv),
            (&mut self.summary_file, summary::is_markdown),
        ];
        for (place, is_ours) in of_run {
            place.take_if(|place| files::is_of_others(place, is_ours));
        }
    }

    /// Checks that results replace nothing but regular files. A place that is refused is taken out, so that the others
    /// can report it.
    pub(crate) fn check(&mut self) -> Result<(), files::Error> {
        let mut checked = Ok(());
        for place in [
            &mut self.output_file,
            &mut self.dotenv_file,
            &mut self.summary_file,
        ] {
            if let Some(Err(error)) = place.as_ref().map(Destination::check) {
                *place = None;
                checked = checked.and(Err(error));
            }
        }
        let folder = self.results_directory.as_deref().map(Path::new);
        if let Some(Err(error)) = folder.map(files::check_folder) {
            self.results_directory = None;
            checked = checked.and(Err(error));
        }
        checked
    }
}

impl From<IfSignedArg> for IfSigned {
    fn from(typed: IfSignedArg) -> Self {
        match typed {
            IfSignedArg::Keep => Self::Keep,
            IfSignedArg::Replace => Self::Replace,
            IfSignedArg::Fail => Self::Fail,
        }
    }
}

fn destination(text: &str) -> Result<Destination, Infallible> {
    Ok(Destination::parse(text))
}

fn schema(text: &str) -> Result<Schema, String> {
    let version = text.parse().ok();
    version
        .and_then(Schema::from_version)
        .ok_or_else(|| "the schemas are 1 and 2".to_owned())
}

fn require(text: &str) -> Result<Require, String> {
    match text {
        "any" => Ok(Require::AtLeast(NonZeroUsize::MIN)),
        "all" => Ok(Require::All),
        number => number
            .parse()
            .map(Require::AtLeast)
            .map_err(|_| "write `any`, `all`, or a number of at least 1".to_owned()),
    }
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() && time <= MAX_TIMEOUT => Ok(time),
        _ => Err("write a time from 1ms to 1day, such as `30s` or `5m`".to_owned()),
    }
}

const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=1024).contains(&number) => Ok(number),
        _ => Err("write a number from 1 to 1024".to_owned()),
    }
}
