//! Advice where S3 refuses for want of a permission.

use crate::aws::denial::Denial;
use crate::option_name::option;

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
    let known = [
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "s3express:CreateSession",
    ];
    known.into_iter().find(|action| *action == named)
}

/// The ARN of the resource in S3's message, in the alphabet of one.
fn named_resource(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("on resource: ")?;
    let named = rest.split_whitespace().next()?.trim_matches('"');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-:/_.".contains(c);
    (named.starts_with("arn:") && named.chars().all(plain)).then(|| named.to_owned())
}

/// The advice for a refusal: the missing IAM statement, or the policy that refuses.
pub(super) fn advice(
    action: &str,
    object: &str,
    message: Option<&str>,
    endpoint_is_named: bool,
) -> String {
    let path = object.strip_prefix("s3://").unwrap_or(object);
    let bucket = path.split('/').next().unwrap_or(path);
    // The missing permission may be another one: without s3:ListBucket S3 does not distinguish absent from forbidden.
    let action = message.and_then(missing_action).unwrap_or(action);
    let partition = message.and_then(partition).unwrap_or("aws");
    let statement = match action {
        "s3express:CreateSession" => format!(
            r#"{{"Effect": "Allow", "Action": "{action}", "Resource": "{}"}}"#,
            message
                .and_then(named_resource)
                .unwrap_or_else(|| format!("arn:{partition}:s3express:*:*:bucket/{bucket}"))
        ),
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
    let denial = Denial::in_message(message);
    if let Some(mut help) = denial.help(action, "the policy of the bucket") {
        if matches!(denial, Denial::Explicit(_)) && action == "s3:PutObject" {
            help.push_str(&format!(
                "; where it demands encryption, as many do, give {} or {}",
                option("sse").with("AES256"),
                option("sse").with("aws:kms")
            ));
        }
        return help;
    }
    let mut help = if endpoint_is_named {
        format!("let a policy of the access key on that server hold: `{statement}`")
    } else {
        format!("add to the role's policy: `{statement}`")
    };
    if action == "s3express:CreateSession" {
        return help;
    }
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
