//! What to do about a store that refuses or fails.

use crate::diagnostic::Explain;
use crate::net::ca_bundle::untrusted_certificate_help;
use crate::net::unreachable::TlsFailure;
use crate::store::Error;
use crate::text::quoted;

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } | Self::Exists { .. } => "conflict",
            Self::Common(error) => error.code(),
            Self::Denied { .. } => "access_denied",
            Self::Full { .. } => "disk_full",
            Self::Io { .. } => "io",
            Self::NoBucket { .. } => "bucket_not_found",
            Self::NotAFile { .. } => "not_a_file",
            Self::NotFound { .. } => "not_found",
            Self::Oversized { .. } => "oversized",
            Self::ReadOnly { .. } => "read_only",
            Self::Service { answer, .. } if answer.is_throttled() => "throttled",
            Self::Service { .. } => "service_error",
            Self::Symlink { .. } => "symbolic_link",
            Self::Unreachable { .. } => "unreachable",
            Self::WrongRegion { .. } => "wrong_region",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Changed { .. } | Self::Exists { .. } => "run it again".to_owned(),
            Self::Common(error) => error.help(),
            Self::Denied { action, object, answer } => denied(action, object, answer.message.as_deref()),
            Self::Full { .. } => "free some space and run it again; nothing was left half-written".to_owned(),
            Self::Io { .. } => "check the directory and its disk, and run it again".to_owned(),
            Self::NoBucket { .. } => {
                "check the bucket's name, and the account or `--endpoint` that it belongs to".to_owned()
            }
            Self::NotAFile { .. } => "remove what stands there, and sign again".to_owned(),
            Self::NotFound { .. } => "check the reference".to_owned(),
            Self::Oversized { .. } => "look at the object: it is not what s3lo or this program writes".to_owned(),
            Self::ReadOnly { .. } => "mount the store writable, or sign where it is; verifying needs no writing".to_owned(),
            Self::Service { action, answer, .. } => match answer.status {
                Some(501) if *action == "s3:PutObject" => "this S3 server does not know conditional writes (`If-None-Match`), which keep two signers from overwriting each other; use a newer version of it".to_owned(),
                _ if answer.is_throttled() => "give it longer with `--timeout`, or sign fewer images at once with `--concurrency 4`".to_owned(),
                Some(500..) => "the service failed repeatedly; run it again later".to_owned(),
                _ => "look the code up in the S3 API's list of errors, and quote the request ID to whoever runs the service".to_owned(),
            },
            Self::Symlink { .. } => {
                "replace the link by the directory or file itself; a store may only be linked to at its root".to_owned()
            }
            Self::Unreachable { reason, .. } if reason.tls == Some(TlsFailure::UnknownIssuer) => untrusted_certificate_help(),
            Self::Unreachable { .. } => {
                "check the network, HTTPS_PROXY and NO_PROXY, and the URL if you gave `--endpoint`".to_owned()
            }
            Self::WrongRegion { .. } => "name the bucket's region: `--region REGION` or AWS_REGION".to_owned(),
        }
    }
}

/// The partition of the ARNs that S3 speaks of.
fn partition(message: &str) -> Option<&'static str> {
    let known = [
        "aws-cn",
        "aws-us-gov",
        "aws-eusc",
        "aws-iso",
        "aws-iso-b",
        "aws-iso-e",
        "aws-iso-f",
    ];
    known
        .into_iter()
        .find(|partition| message.contains(&format!("arn:{partition}:")))
}

/// The action that S3 says the caller is not authorized to perform.
fn missing_action(message: &str) -> Option<&'static str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let named = rest.split_whitespace().next()?;
    let known = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"];
    known.into_iter().find(|action| *action == named)
}

/// The IAM statement that is missing, or the file permission.
fn denied(action: &str, object: &str, message: Option<&str>) -> String {
    let Some(path) = object.strip_prefix("s3://") else {
        return format!(
            "let this user {action} it: `namei -l {}` shows who may",
            quoted(object)
        );
    };
    let bucket = path.split('/').next().unwrap_or(path);
    // What S3 misses may be another permission than the one that was made use of: without s3:ListBucket
    // it does not tell what is absent from what is forbidden.
    let action = message.and_then(missing_action).unwrap_or(action);
    let partition = message.and_then(partition).unwrap_or("aws");
    let statement = match action {
        "s3:ListBucket" => format!(
            r#"{{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:{partition}:s3:::{bucket}", "Condition": {{"StringLike": {{"s3:prefix": "manifests/*"}}}}}}"#
        ),
        "s3:PutObject" => format!(
            r#"{{"Effect": "Allow", "Action": "{action}", "Resource": "arn:{partition}:s3:::{bucket}/manifests/*/signatures/*"}}"#
        ),
        _ => format!(
            r#"{{"Effect": "Allow", "Action": "{action}", "Resource": "arn:{partition}:s3:::{bucket}/manifests/*"}}"#
        ),
    };
    if message.is_some_and(|message| message.contains("explicit deny")) {
        return format!(
            "a policy denies {action} explicitly, which no other can allow: take it out, or use a role that it does not name"
        );
    }
    let mut help = format!("add to the role's policy: `{statement}`");
    // A bucket that is encrypted by a KMS key refuses in the name of S3.
    if message.is_some_and(|message| message.contains("kms:")) {
        help.push_str("; the bucket is encrypted by a KMS key, so kms:Decrypt (to read) and kms:GenerateDataKey (to write) on that key are needed as well");
    } else if action == "s3:GetObject" {
        help.push_str(
            "; without s3:ListBucket S3 gives this answer for an image that does not exist, too",
        );
    }
    if message.is_none_or(|message| !message.contains("not authorized")) {
        help.push_str(
            "; with `--expected-bucket-owner`, check that the bucket belongs to that account",
        );
    }
    help
}
