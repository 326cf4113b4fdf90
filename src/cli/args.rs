//! What can be typed.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::digest::Digest;
use crate::key::is_key_material;
use crate::payload::Schema;
use crate::sign::IfSigned;
use crate::verify::Require;

/// Signs container images that live in S3, and verifies them
#[derive(Debug, Parser)]
#[command(
    name = "s3lo",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
pub(super) struct Global {
    /// How to print results and errors
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(super) output: Output,
    /// Tell on stderr what is done
    #[arg(long, short, global = true)]
    pub(super) verbose: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Sign(SignArgs),
    Verify(VerifyArgs),
    GenerateKeyPair(GenerateArgs),
    PublicKey(PublicKeyArgs),
    Completions(CompletionsArgs),
}

/// Sign images
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo sign s3://my-bucket/myapp:v1.0 --key cosign.key
  s3lo sign s3://my-bucket/myapp:v1.0@sha256:2510… --key cosign.key
  s3lo sign local://./store/myapp:v1.0 --key env://COSIGN_PRIVATE_KEY --output json
  s3lo sign s3://my-bucket/myapp:v1.0 --key cosign.key --schema-version 2

The password of an encrypted key is taken from COSIGN_PASSWORD.

Exit codes: 0 signed, 1 a guard said no, 2 could not.")]
pub(super) struct SignArgs {
    #[command(flatten)]
    pub(super) images: ImageArgs,
    /// The private key: a file or env://NAME; may be given several times
    #[arg(long = "key", value_name = "KEY", required = true)]
    pub(super) keys: Vec<String>,
    /// What is signed: 1 binds the digest, 2 the image's name and tag as well
    #[arg(long, value_name = "N", default_value = "1", value_parser = schema)]
    pub(super) schema_version: Schema,
    /// What to do with an image that the key has signed already
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub(super) if_signed: IfSignedArg,
}

/// Verify that images are signed
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo verify s3://my-bucket/myapp:v1.0 --key cosign.pub
  s3lo verify s3://my-bucket/myapp:v1.0 --key old.pub --key new.pub
  s3lo verify s3://my-bucket/myapp:v1.0 --key a.pub --key b.pub --require all
  s3lo verify s3://my-bucket/myapp:v1.0 --key cosign.pub --min-schema 2 --output json

Exit codes: 0 verified, 1 a signature is missing or invalid, 2 could not decide.")]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) images: ImageArgs,
    /// The key: a public or private key file or env://NAME; may be given several times
    #[arg(long = "key", value_name = "KEY", required = true)]
    pub(super) keys: Vec<String>,
    /// The least schema that counts: 2 refuses signatures that do not bind the tag
    #[arg(long, value_name = "N", default_value = "1", value_parser = schema)]
    pub(super) min_schema: Schema,
    /// How many of the keys must have signed: any, all, or a number
    #[arg(long, value_name = "HOW", default_value = "any", value_parser = require)]
    pub(super) require: Require,
}

/// What names images and their store.
#[derive(Args, Debug)]
pub(super) struct ImageArgs {
    /// s3://BUCKET/IMAGE:TAG or local://DIRECTORY/IMAGE:TAG, optionally with @sha256:…
    #[arg(required = true, value_name = "REF")]
    pub(super) references: Vec<String>,
    /// Only if the tag holds this manifest, as with REF@sha256:…
    #[arg(long, value_name = "SHA256")]
    pub(super) digest: Option<Digest>,
    /// The S3 server, for example http://127.0.0.1:9000 (path style)
    #[arg(long, value_name = "URL")]
    pub(super) endpoint: Option<String>,
    /// The bucket's region; learned from S3 where it is another
    #[arg(long, value_name = "REGION")]
    pub(super) region: Option<String>,
    /// When to give up, for the whole run
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = timeout)]
    pub(super) timeout: Duration,
    /// How many images at the same time
    #[arg(long, value_name = "N", default_value = "16", value_parser = concurrency)]
    pub(super) concurrency: usize,
}

/// Make a cosign key pair (EC P-256)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo generate-key-pair
  COSIGN_PASSWORD=secret s3lo generate-key-pair --output-key-prefix release

Writes PREFIX.key, encrypted by the password, and PREFIX.pub.")]
pub(super) struct GenerateArgs {
    /// What the files' names begin with
    #[arg(long, value_name = "PREFIX", default_value = "cosign")]
    pub(super) output_key_prefix: String,
    /// Overwrite files that exist
    #[arg(long)]
    pub(super) force: bool,
}

/// Print a key's public half
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo public-key --key cosign.key > cosign.pub")]
pub(super) struct PublicKeyArgs {
    /// The key: a file or env://NAME
    #[arg(long, value_name = "KEY")]
    pub(super) key: String,
}

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  s3lo completions bash > /etc/bash_completion.d/s3lo")]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: Shell,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum IfSignedArg {
    /// Keep a valid signature
    #[default]
    Keep,
    /// Sign anew
    Replace,
    /// Exit with 1
    Fail,
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

/// Whether JSON was asked for, in arguments that could not be parsed.
pub(super) fn wants_json(arguments: &[OsString]) -> bool {
    let texts: Vec<_> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .collect();
    // `-o` may come last in a cluster of short flags, with its value behind it or after it.
    let short = |text: &str| text.starts_with('-') && !text.starts_with("--");
    let one = |text: &str| {
        text == "--output=json"
            || (short(text) && (text.ends_with("ojson") || text.ends_with("o=json")))
    };
    let two = |name: &str| name == "--output" || (short(name) && name.ends_with('o'));
    texts.iter().any(|text| one(text))
        || texts
            .windows(2)
            .any(|pair| matches!(pair, [name, value] if two(name) && value == "json"))
}

/// Whether somebody typed a key where its place belongs.
pub(super) fn hold_a_key(arguments: &[OsString]) -> bool {
    let typed = arguments
        .iter()
        .skip(1)
        .map(|argument| argument.to_string_lossy());
    typed.into_iter().any(|argument| {
        let value = argument.split_once('=').map_or("", |(_, value)| value);
        is_key_material(&argument) || is_key_material(value)
    })
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
            .map_err(|_| "write `any`, `all`, or a number from 1 on".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err("write a time from 1ms to 1day, such as `30s` or `5m`".to_owned()),
    }
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=1024).contains(&number) => Ok(number),
        _ => Err("write a number from 1 to 1024".to_owned()),
    }
}
