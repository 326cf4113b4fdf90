//! Errors of S3, with their advice.

use s3lo_core::explain::Explain;

use crate::aws;
use crate::aws::response::ErrorResponse;
use crate::net::ca_bundle::untrusted_certificate_help;
use crate::net::unreachable::{TlsFailure, Unreachable};
use crate::option_name::option;

/// An error of S3 that is no answer about an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of credentials or the clock.
    #[error(transparent)]
    Common(aws::Error),
    /// The caller has no permission.
    #[error("{action} on `{object}` was refused: {answer}")]
    Denied {
        /// `s3:GetObject`, `s3:PutObject` or `s3:ListBucket`.
        action: &'static str,
        /// The object.
        object: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// The bucket does not exist.
    #[error("the bucket `{bucket}` does not exist: {answer}")]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// Any other error response.
    #[error("{action} on `{object}` failed: {answer}")]
    Service {
        /// The action.
        action: &'static str,
        /// The object.
        object: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// There was no readable response.
    #[error("cannot reach S3 for `{object}`: {reason}")]
    Unreachable {
        /// The object.
        object: String,
        /// The reason.
        reason: Unreachable,
    },
    /// The bucket is in another region, which the response does not name.
    #[error("the bucket `{bucket}` is not in the region {region}: {answer}")]
    WrongRegion {
        /// The bucket.
        bucket: String,
        /// The region of the request.
        region: String,
        /// The response.
        answer: ErrorResponse,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Common(error) => error.code(),
            Self::Denied { .. } => "access_denied",
            Self::NoBucket { .. } => "bucket_not_found",
            Self::Service { answer, .. } if answer.is_throttled() => "throttled",
            Self::Service { .. } => "service_error",
            Self::Unreachable { .. } => "unreachable",
            Self::WrongRegion { .. } => "wrong_region",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Common(error) => error.help(),
            Self::Denied {
                action,
                object,
                answer,
            } => denied(action, object, answer.message.as_deref()),
            Self::NoBucket { .. } => {
                format!("check the bucket's name, and the account or {endpoint} that it belongs to", endpoint = option("endpoint"))
            }
            Self::Service { action, answer, .. } => match answer.status {
                Some(501) if *action == "s3:PutObject" => "this S3 server does not know conditional writes (`If-None-Match`), which keep two signers from overwriting each other; use a newer version of it".to_owned(),
                _ if answer.is_throttled() => format!("give it longer with {timeout}, or sign fewer images at once with {concurrency}", timeout = option("timeout"), concurrency = option("concurrency").with("4")),
                Some(500..) => "the service failed repeatedly; run it again later".to_owned(),
                _ => "look the code up in the S3 API's list of errors, and quote the request ID to whoever runs the service".to_owned(),
            },
            Self::Unreachable { reason, .. } if reason.tls == Some(TlsFailure::UnknownIssuer) => {
                untrusted_certificate_help()
            }
            Self::Unreachable { .. } => {
                format!("check the network, HTTPS_PROXY and NO_PROXY, and the URL if you gave {endpoint}", endpoint = option("endpoint"))
            }
            Self::WrongRegion { .. } => format!("name the bucket's region: {region} or AWS_REGION", region = option("region").with("REGION")),
        }
    }
}

/// The partition of the ARNs in a message.
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

/// The action that the caller lacks, by S3's message.
fn missing_action(message: &str) -> Option<&'static str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let named = rest.split_whitespace().next()?;
    let known = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"];
    known.into_iter().find(|action| *action == named)
}

/// The IAM statement that is missing.
fn denied(action: &str, object: &str, message: Option<&str>) -> String {
    let path = object.strip_prefix("s3://").unwrap_or(object);
    let bucket = path.split('/').next().unwrap_or(path);
    // The missing permission may be another one: without s3:ListBucket S3 does not distinguish absent from forbidden.
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
    // A missing permission on the bucket's KMS key is an error of S3.
    if message.is_some_and(|message| message.contains("kms:")) {
        help.push_str("; the bucket is encrypted by a KMS key, so kms:Decrypt (to read) and kms:GenerateDataKey (to write) on that key are needed as well");
    } else if action == "s3:GetObject" {
        help.push_str(
            "; without s3:ListBucket S3 gives this answer for an image that does not exist, too",
        );
    }
    if message.is_none_or(|message| !message.contains("not authorized")) {
        help.push_str(&format!(
            "; with {}, check that the bucket belongs to that account",
            option("expected-bucket-owner")
        ));
    }
    help
}
